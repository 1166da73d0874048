"""The success rule of claim 1: conditions on each trained CGN, and how many CGNs meet them all."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from cgnlib.errors import Blocked
from cgnlib.imagenet.recipes import TOY_CGN
from cgnlib.mnist.names import FACTORS_OF
from cgnlib.mnist.recipes import RECIPES, recipe_for
from cgnlib.statistics import Interval, wilson_interval, within_margin
from cgnreport.protocol.rows import one_setting, select
from cgnreport.protocol.summary import difference, interval_of, mean_of
from cgnreport.verdicts.model import Check, Finding, Status, between, found, there
from cgnreport.verdicts.rules import RULES
from cgnreport.verdicts.sentences import factor_name, plural

Checks = Sequence[Check]


def control_checks(run: pd.DataFrame, variant: str) -> list[Check] | None:
    """The success rule of MNIST applied to the rows of one trained CGN; None when rows are missing.

    Rows of experiment mnist-control: metrics "control/<requested>/<recovered>" (percent of n images), "reader/<factor>"
    (percent of real images), "mask/area" and "mask/diversity" (fractions).
    """
    diversity = ("diversity of masks", RULES.mask_diversity_least)
    masks = {"mask/area": ("mask area", *RULES.mask_area), "mask/diversity": diversity}
    return factor_checks(run, FACTORS_OF[variant], masks)


def factor_checks(run: pd.DataFrame, factors: Sequence[str], points: Mapping[str, tuple]) -> list[Check] | None:
    """Control over each factor, and nothing of it in the others; None when rows are missing.

    points: of other metrics, without intervals, what is checked in words, and the least and the most that it may be.
    """
    metrics = {(a, b): f"control/{a}/{b}" for a in factors for b in factors}
    measured, n = values(run), dict(zip(run["metric"], run["n"], strict=True))
    if not {*metrics.values(), *points, *(f"reader/{factor}" for factor in factors)} <= set(measured):
        return None
    checks = []
    for (requested, recovered), metric in metrics.items():
        share = wilson_interval(measured[metric] / 100 * n[metric], int(n[metric])).scaled(100)
        asked, read = factor_name(requested), factor_name(recovered)
        if asked == read:
            least = RULES.control_least * measured[f"reader/{requested}"]
            checks.append(Check(f"control over {asked}", share, least, factor=requested))
        else:
            checks.append(Check(f"label of {asked} in the {read}", share, most=RULES.leak_most))
    others = [Check(words, Interval.point(measured[name]), *ends) for name, (words, *ends) in points.items()]
    return checks + others


def values(run: pd.DataFrame) -> dict[str, float]:
    """Value of each metric of one trained CGN."""
    return dict(zip(run["metric"], run["value"], strict=True))


@dataclass(frozen=True)
class SuccessRate:
    """How many trained CGNs of a variant and recipe meet the success rule. runs: the checks of each."""

    variant: str
    recipe: str
    runs: Sequence[Checks]

    @classmethod
    def of(
        cls, rows: pd.DataFrame, variant: str, recipe: str, check: Callable[[pd.DataFrame], Checks | None]
    ) -> "SuccessRate":
        """From rows of one setting: a CGN per random seed, or per file of weights. A training that stopped has failed.

        Raises ResultsError for rows of two settings.
        """
        one_setting(rows.assign(metric="any", output="any", epoch="any", unit="any"))
        told_apart = [name for name in ("cgn_seed", "cgn_sha256") if name in rows.columns]
        runs: list[Checks] = []
        for _, run in rows.groupby(told_apart or ["run"], sort=False, dropna=False):
            run = select(run, seed=run["seed"].min())  # of a CGN that was measured at several seeds
            if values(run).get("training/stopped") == 100.0:
                runs.append([Check("training stopped", Interval.point(100.0), most=0.0)])
            elif (checks := check(run)) is not None:
                runs.append(checks)
        return cls(variant, recipe, runs)

    @property
    def trained(self) -> int:
        """Trained CGNs with rows for every condition."""
        return len(self.runs)

    @property
    def succeeded(self) -> int:
        """Those that meet all."""
        return sum(all(check.holds for check in checks) for checks in self.runs)

    @property
    def failed(self) -> tuple[str, ...]:
        """What did not hold for one or more, in words."""
        return tuple(dict.fromkeys(each.words for checks in self.runs for each in checks if not each.holds))

    @property
    def interval(self) -> Interval:
        """Percent of trainings that succeed, with Wilson's interval."""
        return wilson_interval(self.succeeded, self.trained).scaled(100)

    def finding(
        self, claim: str, rows: pd.DataFrame, published: Mapping[str, float] | None = None, **facts: Any
    ) -> Finding:
        """Whether enough succeed; its number is the control over a factor that lies lowest against what it needs. Where
        all stopped that is 0.
        """
        succeeds = self.succeeded >= self._enough
        given = self.recipe == "authors"  # one CGN, whose training nobody saw
        status = (Status.PARTLY if given else Status.HOLDS) if succeeds else Status.FAILS
        shares = [check for checks in self.runs for check in checks if check.factor]
        weakest = min(shares, key=_above, default=Check("", Interval.point(0.0)))
        facts |= {"successes": self.succeeded, "runs": self.trained, "failed": ", ".join(self.failed)}
        facts |= {"factor": factor_name(weakest.factor), "recovered": weakest.value}
        why = f"failed: {', '.join(self.failed)}" if self.failed else "one CGN, no success rate" if given else ""
        facts |= {"because": why}
        deciding = select(rows, metric=f"control/{weakest.factor}/{weakest.factor}" if shares else "training/stopped")
        finding = found(claim, self.variant, status, weakest.value, weakest.least, deciding, published, **facts)
        finding = replace(finding, flips_at=self._flips_at(weakest))
        few = Blocked(f"{self.trained} of {plural(RULES.cgns_least, 'CGN')}")
        return finding.against(few if not given and self.trained < RULES.cgns_least else None)

    @property
    def _enough(self) -> int:
        """How many CGNs must succeed."""
        return math.ceil(RULES.successful_runs_least / 100 * self.trained)

    def _flips_at(self, shown: Check) -> float | None:
        """What `shown` would need at the ratio where just enough CGNs succeed; None where too many fail otherwise."""
        ratios = []
        for checks in self.runs:
            factors = [check for check in checks if check.factor]
            if factors and all(check.holds for check in checks if not check.factor):
                ratios.append(min(RULES.control_least * check.value.low / (check.least or 1.0) for check in factors))
        if len(ratios) < self._enough or not shown.least:
            return None
        return sorted(ratios, reverse=True)[self._enough - 1] / RULES.control_least * shown.least


def _above(check: Check) -> float:
    return check.value.low - (check.least or 0.0)


def success_rates(rows: pd.DataFrame) -> list[SuccessRate]:
    """Rows of experiments mnist-control or mnist-training, counted by variant and recipe.

    Left out where a reader cannot read its factor in real images.
    """
    rates = []
    for variant, recipe in rows[["dataset", "recipe"]].drop_duplicates().itertuples(index=False, name=None):
        own = select(rows, dataset=variant, recipe=recipe)
        rate = SuccessRate.of(own, variant, recipe, lambda run, variant=variant: control_checks(run, variant))
        if rate.trained and not blind_reader(own, FACTORS_OF[variant]):
            rates.append(rate)
    return rates


def blind_reader(rows: pd.DataFrame, factors: Sequence[str]) -> Blocked | None:
    """How the worst factor reader fails on real images; None where all can read."""
    readers = select(rows, metric=[f"reader/{factor}" for factor in factors])
    value = min(readers["value"], default=100.0)
    if value >= RULES.reader_least:
        return None
    factor = factor_name(readers.loc[readers["value"].idxmin(), "metric"].removeprefix("reader/"))
    return Blocked(
        f"the reader of {factor} is right on {value:.1f} % of real images, {RULES.reader_least:g} are needed"
    )


def cut_short(rows: pd.DataFrame) -> Blocked | None:
    """How much shorter than its recipe asks the CGN of rows of one setting was trained; None where it was not, or
    nothing says so. Others' weights are as they are given.
    """
    world, recipe = rows["dataset"].iloc[0], rows["recipe"].iloc[0]
    if world == "toy":
        counted, asked = "updates", TOY_CGN.updates
    elif world in FACTORS_OF and recipe in RECIPES:
        counted, asked = "images", recipe_for(recipe, world).images
    else:
        return None
    made = min(rows[f"cgn_{counted}"].dropna(), default=asked) if f"cgn_{counted}" in rows else asked
    if made >= asked:
        return None
    return Blocked(f"{made:,} of {asked:,} {counted}")


def failed_control(rows: pd.DataFrame, method: str = "oracle", *, bound: bool = True) -> Blocked | None:
    """How the positive control fails on the rows of one metric; None where it does not.

    bound: the lower bound of its interval must reach what is needed, else its mean.
    """
    control = select(rows, method=method)
    if control.empty:
        return Blocked(f"no rows of '{method}'")
    reached = interval_of(control)
    if (reached.low if bound else reached.value) >= RULES.oracle_least:
        return None
    return Blocked(f"'{method}' reaches {reached.text()} %, {RULES.oracle_least:g} are needed")


def marginal(
    claim: str, world: str, test: pd.DataFrame, method: str, published: Mapping[str, float], oracle: str = ""
) -> Finding:
    """Claim 3 of either half: whether in-domain accuracy is at most marginally below that of 'original'.

    test: accuracies of all methods; oracle: the method that is the positive control, "" where nobody has one.
    """
    base, ours = (
        there(select(test, method=name), f"in-domain accuracies of '{name}'") for name in ("original", method)
    )
    statuses = {"within": Status.HOLDS, "undecided": Status.PARTLY, "beyond": Status.FAILS}
    change = difference(ours, base)
    status = statuses[within_margin(change, RULES.degradation_margin)]
    facts = {"method": method, "change": change, "accuracy": interval_of(ours)}
    finding = between(found(claim, world, status, change, -RULES.degradation_margin, ours, published, **facts))
    control = failed_control(test, oracle) if oracle else None
    return finding.against(control or cut_short(ours) or no_headroom(test, ("original", method, oracle)))


def no_headroom(test: pd.DataFrame, methods: Sequence[str]) -> Blocked | None:
    """That the test images are too easy for a loss to show; None where they are not."""
    means = [mean_of(rows) for name in methods if name and len(rows := select(test, method=name))]
    return Blocked(f"no headroom: {min(means):.1f} % for everything") if means and min(means) >= RULES.ceiling else None
