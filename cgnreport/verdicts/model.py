"""Verdicts as data: a status and the number that decides it, per variant or world, and over all of them.

A verdict says two things: whether SG21's claim holds, and whether what the study found by the same method is found
again. What readers see, sentences and badges, is made here from these data and the words of claims.yaml; nothing
decides on words.
"""

from collections.abc import Callable, Iterable, Mapping, Sized
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, TypeVar

import pandas as pd

from cgnlib.data.shapes import is_own
from cgnlib.errors import Blocked, Unavailable
from cgnlib.statistics import Interval, Unit
from cgnreport.protocol.provenance import made_between
from cgnreport.protocol.summary import smallest_n
from cgnreport.verdicts.claims import CLAIMS, rules_hash
from cgnreport.verdicts.rules import RULES
from cgnreport.verdicts.sentences import MINUS, fill, numbers, plural, replication, world_name
from cgnreport.verdicts.worlds import World, world_of

Rows = TypeVar("Rows", bound=Sized)


class Status(StrEnum):
    """What is said of a claim of SG21."""

    HOLDS = "holds"
    PARTLY = "partly"
    FAILS = "does not hold"
    NOT_TESTED = "not tested"


OWN_SHAPES = Blocked("own shapes, and the claim is of MNIST's digits")
STRENGTH = (Status.FAILS, Status.PARTLY, Status.HOLDS)  # of those tested, the weakest first


class Replication(StrEnum):
    """What is said of the study's finding on a claim, by the same method."""

    REPLICATED = "replicated"
    IN_PART = "in part"
    NOT_REPLICATED = "not replicated"
    NOT_TESTED = "not tested"


def combine(statuses: Iterable[Status]) -> Status:
    """One status from several: theirs where they agree, else partly; those not tested do not count."""
    tested = {status for status in statuses if status is not Status.NOT_TESTED}
    if not tested:
        return Status.NOT_TESTED
    return tested.pop() if len(tested) == 1 else Status.PARTLY


def replicated(findings: Iterable[Replication]) -> Replication:
    """As `combine`, of what is said of the study's findings."""
    tested = {each for each in findings if each is not Replication.NOT_TESTED}
    if not tested:
        return Replication.NOT_TESTED
    return tested.pop() if len(tested) == 1 else Replication.IN_PART


def badge_words(claim: str, status: Status) -> str:
    """What a badge says of a claim with this status: the status or, of a failure, whether it was found."""
    found = {Status.HOLDS: "failure found", Status.PARTLY: "undecided", Status.FAILS: "failure not found"}
    return found.get(status, status.value) if CLAIMS[claim].failure else status.value


@dataclass(frozen=True)
class Check:
    """One condition on one trained CGN; None: no limit on that side. Where it has an interval, all of it must hold.

    words: what is checked, as readers call it; factor: of control over a requested factor that one, else "".
    """

    words: str
    value: Interval
    least: float | None = None
    most: float | None = None
    factor: str = ""

    @property
    def holds(self) -> bool:
        """Whether the condition is met."""
        return (self.least is None or self.value.low >= self.least) and (
            self.most is None or self.value.high <= self.most
        )

    @property
    def needed(self) -> str:
        """The condition on a single number in words, and the number: "upper end at least 87.0; it is 87.2"."""
        side, limit = ("at least", self.least) if self.most is None else ("at most", self.most)
        asked, value = (f"{number:.3g}".replace("-", MINUS) for number in (limit or 0.0, self.value.value))
        return f"{self.words} {side} {asked}; it is {value}"


@dataclass(frozen=True)
class Finding:
    """The verdict for one variant or world.

    interval: the deciding number; needs: what its `bound` was compared with. n: how many CGNs, classifiers or images
    (`interval.unit`) it is over. published: values by source. facts: the numbers of its sentence by name. untested: why
    it is not tested, whether or not there is a number. as_study: the status by the study's own yardstick, where that is
    another. also: conditions beside that on the number. flips_at: the value of `needs` beyond which the verdict is
    another, the other conditions as they are; None: at no value. facts["because"]: why it does not hold, or partly,
    where neither the number nor `also` says so. rows: columns and values that select the rows of its number. whose: its
    method, one of `worlds.WHOSE`, or "-" for no CGN.
    """

    claim: str
    variant: str
    status: Status
    interval: Interval | None = None
    needs: float | None = None
    n: int = 0
    published: Mapping[str, float] = field(default_factory=dict, hash=False)
    facts: Mapping[str, Any] = field(default_factory=dict, hash=False)
    untested: Blocked | None = None
    as_study: Status | None = None
    also: tuple[Check, ...] = ()
    flips_at: float | None = None
    rows: Mapping[str, Any] = field(default_factory=dict, hash=False)
    whose: str = "-"

    @property
    def world(self) -> World:
        """The world that it is of, which its heading, its number and its unit go with."""
        return world_of(self.variant)

    @property
    def study_found(self) -> str:
        """What the study found by the same method in this world, as a status; "" where it has no such test."""
        return CLAIMS[self.claim].study.get(self.whose, "") if self.world.study else ""

    @property
    def replication(self) -> Replication:
        """Whether the study's finding is found again."""
        if not self.study_found or self.status is Status.NOT_TESTED:
            return Replication.NOT_TESTED
        found = self.as_study or self.status
        if found is Status.PARTLY:
            return Replication.IN_PART
        return Replication.REPLICATED if found == self.study_found else Replication.NOT_REPLICATED

    @property
    def unit(self) -> str:
        """Unit of the number, facts["unit"] where it is another than the claim's; "" without a number."""
        return str(self.facts.get("unit", CLAIMS[self.claim].unit)) if self.interval else ""

    @property
    def bound(self) -> float:
        """The end of the interval that speaks least for the claim."""
        assert self.interval is not None
        return self.interval.high if self.lower_is_better else self.interval.low

    @property
    def because(self) -> str:
        """Why it does not hold, or partly, where the number does not say so: as given, else what fails in `also`."""
        failing = [each.needed for each in self.also if not each.holds] if self.status is Status.PARTLY else []
        return str(self.facts.get("because") or "; ".join(failing))

    @property
    def sentence(self) -> str:
        """What was found, in words and without a full stop."""
        words = fill(CLAIMS[self.claim].sentence, self.facts)
        if self.untested is None:
            return words
        return f"{words}; not tested in this run: {self.untested}" if words else f"not tested: {self.untested}"

    @property
    def margin_words(self) -> str:
        """What decides was held against and where the verdict flips, in words; "" where nothing decided."""
        if self.interval is None or self.needs is None:
            return ""
        end = "value" if self.interval.unit is Unit.NONE else "upper end" if self.lower_is_better else "lower end"
        least, most = (None, self.needs) if self.lower_is_better else (self.needs, None)
        conditions = [Check(end, Interval.point(self.bound), least, most), *self.also]
        flips = "where one of these passes its threshold, the verdict flips"
        if not self.also:
            flips = "at that threshold the verdict flips"
            if (at := self.flips_at) != self.bound:
                flips = "" if at is None else f"the verdict flips at {at:.3g}".replace("-", MINUS)
        elif self.status is not Status.HOLDS and all(each.holds for each in conditions):
            flips = ""  # what fails is said by facts["because"]
        return f"needed: {'; '.join(filter(None, (*(each.needed for each in conditions), flips)))}"

    @property
    def lower_is_better(self) -> bool:
        """Whether a smaller number speaks for the claim."""
        return CLAIMS[self.claim].lower_is_better

    @property
    def published_words(self) -> str:
        """The published values in words; "" for none."""
        if not self.published:
            return CLAIMS[self.claim].by_eye if self.interval else ""
        about = CLAIMS[self.claim]
        values = numbers(self.published, about.published_format, about.published_as)
        return fill([CLAIMS[self.claim].published], {"values": values})

    def against(self, control: Blocked | None) -> "Finding":
        """The same finding or, where its control failed as given, "not tested" with its numbers."""
        return replace(self, status=Status.NOT_TESTED, untested=control) if control else self


def found(
    claim: str,
    variant: str,
    status: Status,
    number: Interval,
    needs: float | None,
    rows: pd.DataFrame,
    published: Mapping[str, float] | None = None,
    **facts: Any,
) -> Finding:
    """A finding whose number comes from these rows: the runs or images that its interval is over are counted there. The
    verdict flips at the end of the interval that speaks least for the claim.
    """
    counted = dict.fromkeys((Unit.IMAGES, Unit.CROSSED), smallest_n(rows)) | {Unit.CGNS: len(set(rows["run"]))}
    n = counted.get(number.unit, len(rows))
    finding = Finding(claim, variant, status, number, needs, n, published or {}, facts, rows=selection(rows))
    return finding if needs is None else replace(finding, flips_at=finding.bound)


def between(finding: Finding) -> Finding:
    """The same, of a rule that is undecided while its threshold lies in the interval: it flips at the nearer end."""
    number, needs = finding.interval, finding.needs
    assert number is not None and needs is not None
    return replace(finding, flips_at=min((number.low, number.high), key=lambda end: abs(end - needs)))


def selection(rows: pd.DataFrame) -> dict[str, Any]:
    """What selects these rows among all, by column, and `made`: the days of the code that computed the first and last.

    Columns in which more than three values occur select nothing.
    """
    named = ("profile", "experiment", "dataset", "method", "recipe", "metric", "output", "epoch")
    values = {name: sorted({str(value) for value in rows[name]}) for name in named if name in rows}
    found: dict[str, Any] = {
        name: each[0] if len(each) == 1 else each for name, each in values.items() if len(each) < 4
    }
    return found | {"made": made_between(rows["code"]) if "code" in rows else []}


def there(rows: Rows, what: str) -> Rows:
    """The rows, or what was made of them. Raises Unavailable without any; `Verdict.of` makes "not tested" of it."""
    if not len(rows):
        raise Unavailable(Blocked(f"no rows with the {what}"))
    return rows


@dataclass(frozen=True)
class Verdict:
    """The verdict on a claim, which follows from its findings. recipe: of the CGN; smoke: whether its rows are of that
    scale; cap: why it holds partly at most, "" for nothing.

    Number, interval, unit and published values are those of its weakest variant; None, or "", without one.
    """

    claim: str
    findings: tuple[Finding, ...]
    recipe: str = "-"
    smoke: bool = False
    cap: str = ""

    @classmethod
    def of(
        cls,
        claim: str,
        rows: pd.DataFrame,
        variants: Iterable[str],
        judge: Callable[[str], Finding],
        recipe: str = "-",
        missing: Blocked | None = None,
    ) -> "Verdict":
        """The verdict on rows, judged variant by variant. missing: why photographs without rows are not tested.

        Rows of own shapes give numbers and no verdict: the claims, and what is published, are of MNIST's digits.
        """
        findings = []
        for variant in variants:
            try:
                findings.append(judge(variant))
            except Unavailable as lack:
                why = lack.blocked if variant == "toy" else missing or lack.blocked
                findings.append(Finding(claim, variant, Status.NOT_TESTED, untested=why))
        if "data" in rows and any(map(is_own, rows["data"])):
            findings = [each.against(OWN_SHAPES if each.interval else each.untested) for each in findings]
            findings = [
                replace(each, needs=None, published={}, facts=dict(each.facts) | {"least": None}) for each in findings
            ]
        whose = [recipe if recipe == "-" else each.world.whose or recipe for each in findings]
        told = tuple(replace(each, whose=method) for each, method in zip(findings, whose, strict=True))
        return cls(claim, told, recipe, "smoke" in set(rows["profile"]))

    def of_world(self, key: str) -> "Verdict":
        """The verdict on the findings of one world alone."""
        return replace(self, findings=tuple(each for each in self.findings if each.world.key == key))

    @property
    def worlds(self) -> list[str]:
        """Keys of the worlds that it has findings of, tested or not."""
        return list(dict.fromkeys(each.world.key for each in self.findings))

    @property
    def replication(self) -> Replication:
        """What is said of the study's finding."""
        return Replication.NOT_TESTED if self.smoke else replicated(each.replication for each in self.findings)

    @property
    def tested(self) -> list[Finding]:
        """Findings that count."""
        return [each for each in self.findings if each.status is not Status.NOT_TESTED]

    @property
    def status(self) -> Status:
        """The verdict."""
        status = Status.NOT_TESTED if self.smoke else combine(each.status for each in self.findings)
        return Status.PARTLY if self.cap and status is Status.HOLDS else status

    @property
    def weakest(self) -> Finding | None:
        """Of the tested findings the one with the weakest status, then the one whose bound lies lowest against what it
        needs.
        """
        sign = -1 if CLAIMS[self.claim].lower_is_better else 1

        def strength(each: Finding) -> tuple[int, float]:
            return STRENGTH.index(each.status), sign * (each.bound - (each.needs or 0.0))

        return min(self.tested, key=strength, default=None)

    @property
    def interval(self) -> Interval | None:
        """The deciding number with its interval."""
        return self.weakest.interval if self.weakest else None

    @property
    def number(self) -> float | None:
        """The deciding number."""
        return self.interval.value if self.interval else None

    @property
    def published_words(self) -> str:
        """The published values in words, on MNIST with the variant that they are of."""
        if self.weakest is None:
            return ""
        words = self.weakest.published_words
        return words if CLAIMS[self.claim].half == "imagenet" else f"{self.weakest.variant}: {words}"

    @property
    def badge(self) -> str:
        """What the verdict's badge says."""
        return badge_words(self.claim, self.status)

    @property
    def scope(self) -> str:
        """For the end of a title: where a claim on ImageNet was tested, unless on photographs too, or nowhere."""
        toy_alone = [each.variant for each in self.tested] == ["toy"]
        return f", in {world_name('toy')} (ImageNet: not tested)" if toy_alone else ""

    @property
    def sentence(self) -> str:
        """The weakest finding in words and, where there are others, how many variants or worlds it stands for."""
        if self.weakest is None:
            return "; ".join(f"{world_name(each.variant)}: {each.sentence}" for each in self.findings)
        name, words = world_name(self.weakest.variant), f"{self.weakest.sentence}."
        if self.scope:
            return f"In {name} (ImageNet: not tested): {words}"
        worlds = CLAIMS[self.claim].half == "imagenet"
        if len(self.tested if worlds else self.findings) == 1:
            return f"{name}: {words}"
        held = sum(each.status is Status.HOLDS for each in self.tested)
        of = plural(len(self.tested), "world" if worlds else "variant")
        return f"Holds for {held} of {of}; the weakest, {name}: {words}"

    @property
    def why(self) -> str:
        """What the intervals are over, and what the verdict leaves out; "" where nothing is tested."""
        if not self.tested:
            return ""
        smoke = "Not tested at this scale: smoke runs every line, its numbers mean nothing." if self.smoke else ""
        about, units = CLAIMS[self.claim], [(each.variant, each.interval.unit) for each in self.tested if each.interval]
        words = [smoke, self.cap, replication(units, about.images, about.spread, RULES.seeds_for_interval)]
        runs = min(each.facts.get("runs", RULES.runs_for_rate) for each in self.tested)
        if runs < RULES.runs_for_rate:
            words.append(f"How often trainings succeed stays open with {plural(runs, 'trained CGN')}.")
        if left_out := [world_name(each.variant) for each in self.findings if each not in self.tested]:
            words.append(f"Not tested: {', '.join(left_out)}.")
        return " ".join(filter(None, words))

    @property
    def when(self) -> str:
        """Since when the rule stands, and with code of which days the rows were computed."""
        days = sorted(day for each in self.findings for day in each.rows.get("made", ()))
        made = f"Rows computed with code of {days[0]} to {days[-1]}." if days else ""
        return f"Rule of {CLAIMS[self.claim].frozen}. {made}".strip() if made else ""


def records(verdicts: Iterable[Verdict]) -> list[dict[str, Any]]:
    """The verdicts as data, one record per claim, method, world and variant, for results/claims.json.

    flips_at: the value of `needs` beyond which the verdict is another, the other conditions as they are; null: none.
    also: the other conditions, each with what it is, and the least or the most that it may be.
    """
    found = []
    for verdict in verdicts:
        for world in verdict.worlds:
            in_world = verdict.of_world(world)
            for each in in_world.findings:
                number, about = each.interval, CLAIMS[verdict.claim]
                found.append(
                    {
                        "claim": verdict.claim,
                        "method": each.whose,
                        "world": world,
                        "variant": each.variant,
                        "verdict": str(Status.NOT_TESTED if verdict.smoke else each.status),
                        "replication": str(Replication.NOT_TESTED if verdict.smoke else each.replication),
                        "verdict_in_world": str(in_world.status),
                        "replication_in_world": str(in_world.replication),
                        "deciding": each is in_world.weakest,
                        "untested": "scale smoke" if verdict.smoke else each.untested and each.untested.reason,
                        "number": number and number.value,
                        "low": number and number.low,
                        "high": number and number.high,
                        "unit": each.unit,
                        "interval_over": number and number.unit.value,
                        "n": each.n,
                        "needs": each.needs,
                        "flips_at": each.flips_at,
                        "also": [
                            {"what": c.words, "is": c.value.value, "least": c.least, "most": c.most} for c in each.also
                        ],
                        "because": each.because,
                        "classifier": each.facts.get("method", "-"),
                        "published": dict(each.published),
                        "published_words": each.published_words,
                        "study_found": each.study_found,
                        "rows": dict(each.rows),
                        "rules": rules_hash(about.half),
                        "frozen": about.frozen,
                    }
                )
    return found
