"""Every table and figure of the study with its verdict: items as data (items.yaml), verdicts computed from rows.

The scorecard and the front page read rows that other notebooks made, at the parameters at hand. Items on ImageNet are
judged in the toy world; what it takes to test them on ImageNet itself stands beside each.
"""

import functools
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import yaml

from cgnlib.data import finding
from cgnlib.errors import Blocked
from cgnreport.protocol.imagenet_settings import NEEDED
from cgnreport.protocol.parameters import Parameters
from cgnreport.protocol.rows import joined
from cgnreport.verdicts import failures, imagenet, mnist
from cgnreport.verdicts.chosen import Chosen, full_scale
from cgnreport.verdicts.claims import CLAIMS
from cgnreport.verdicts.cost import cost
from cgnreport.verdicts.model import Status, Verdict, badge_words, combine
from cgnreport.verdicts.numbers import Shown, grid_ranges, ratio_ranges, score_words

ON_MNIST = {"claim1-mnist": mnist.claim1, "claim2-mnist": mnist.claim2, "claim3-mnist": mnist.claim3}
ON_IMAGENET = {
    "claim1-imagenet": imagenet.claim1,
    "claim2-imagenet": imagenet.claim2,
    "claim3-imagenet": imagenet.claim3,
    "heads-imagenet": imagenet.heads,
}
_missing = functools.lru_cache(finding.missing)  # to find an asset is to check its file, up to a gigabyte
WORDS = {"scores": score_words, "grid": grid_ranges, "ratios": ratio_ranges}


@dataclass(frozen=True)
class Item:
    """A table or figure of the study; fields are explained at the top of items.yaml."""

    name: str
    shows: str
    world: str
    claims: tuple[str, ...] = ()
    experiments: tuple[str, ...] = ()
    notebook: str = ""
    recipe: str = "ours"
    words: str = ""
    method: str = ""
    full_scale: bool = False
    needs: str = ""
    without: str = ""


_GIVEN = yaml.safe_load(Path(__file__).with_name("items.yaml").read_text(encoding="utf-8"))
_LISTS = ("claims", "experiments")
ITEMS = tuple(Item(**given | {name: tuple(given.get(name, ())) for name in _LISTS}) for given in _GIVEN)


@dataclass(frozen=True)
class Line:
    """An item as judged. ours, published: in words; seeds: random seeds of its rows; seconds: of training behind them.

    on_imagenet: the verdict on photographs alone; missing: what it takes to have one, None for nothing.
    """

    item: Item
    status: Status
    published: str = ""
    ours: str = ""
    scale: str = ""
    seeds: int = 0
    seconds: float | None = None
    on_imagenet: Status = Status.NOT_TESTED
    missing: Blocked | None = None

    @property
    def badge(self) -> str:
        """What its badge says."""
        return badge_words(self.item.claims[0], self.status) if self.item.claims else self.status.value


def scorecard(parameters: Parameters) -> list[Line]:
    """Every item judged, in the order of ITEMS."""
    chosen, full = Chosen(parameters), Chosen(full_scale())
    return [_line(item, full if item.full_scale else chosen) for item in ITEMS]


def claim_verdicts(parameters: Parameters, own: bool = True, recipe: str = "ours") -> dict[str, Verdict]:
    """The verdict on every claim; "not tested" where there are no rows.

    own: as in `Chosen`; recipe: of MNIST's CGNs, as in `published_verdict`.
    """
    chosen, full = Chosen(parameters, own), Chosen(full_scale(), own)
    items = {claim: replace(item, recipe=recipe) for item in reversed(ITEMS) for claim in item.claims}
    return {claim: judged(claim, items[claim], full if items[claim].full_scale else chosen) for claim in CLAIMS}


def published_verdict(claim: str, parameters: Parameters, recipe: str = "ours") -> Verdict | None:
    """The verdict on a claim from the published rows of full scale; None at that scale, or where there are none.

    recipe: of MNIST's CGN, "ours", "authors", or one of `parameters.TRAININGS`.
    """
    if parameters.profile == "paper":
        return None
    item = next(item for item in ITEMS if claim in item.claims)
    verdict = judged(claim, replace(item, recipe=recipe), Chosen(full_scale(), own=False))
    return verdict if verdict.interval else None


def judged(claim: str, item: Item, chosen: Chosen) -> Verdict:
    """The verdict on one claim of an item."""
    rows, parameters = item_rows(item, chosen), chosen.parameters
    recipe = parameters.mnist.recipe if item.recipe == "ours" else item.recipe
    if claim in ON_MNIST:
        return ON_MNIST[claim](rows, recipe, parameters.mnist.variants)
    if claim in ON_IMAGENET:
        files = missing([CLAIMS[claim].needs], parameters) if chosen.own else Blocked("no published rows")
        return ON_IMAGENET[claim](rows, files)
    if claim == "gradcam-mnist":
        return mnist.gradcam(rows, recipe)
    return failures.failure(claim, rows) if CLAIMS[claim].failure else failures.baseline(rows)


def item_rows(item: Item, chosen: Chosen) -> pd.DataFrame:
    """Rows of all experiments of an item."""
    recipe = None if item.recipe == "ours" else item.recipe
    return joined(chosen.rows(experiment, recipe) for experiment in item.experiments)


def missing(needs: Iterable[str], parameters: Parameters) -> Blocked | None:
    """What it takes to test something on ImageNet itself, as far as this machine lacks it; None where it needs nothing.

    needs: keys of `imagenet_settings.NEEDED`, or "".
    """
    names = tuple(dict.fromkeys(name for need in needs if need for name in NEEDED[need]))
    if not names:
        return None
    return _missing(names, parameters.data_folder) or Blocked("no rows", "run scale paper on a machine with CUDA")


def _line(item: Item, chosen: Chosen) -> Line:
    lacking = missing([item.needs, *(CLAIMS[claim].needs for claim in item.claims)], chosen.parameters)
    rows = item_rows(item, chosen)
    own = rows.loc[rows["method"] == item.method if item.method else rows["recipe"] != "-"]
    if own.empty:
        why = item.without or f"no rows at this scale: run {item.notebook}"
        return Line(item, Status.NOT_TESTED, ours=why, missing=lacking)
    verdicts = [judged(claim, item, chosen) for claim in item.claims]
    names = [f"{CLAIMS[claim].number}: " if len(verdicts) > 1 else "" for claim in item.claims]
    named = list(zip(names, verdicts, strict=True))
    shown = Shown(
        "; ".join(name + number_words(verdict) for name, verdict in named),
        "; ".join(name + verdict.published_words for name, verdict in named if verdict.published_words),
    )
    shown = WORDS[item.words](rows) if item.words else shown
    counted = [each for verdict in verdicts if verdict.status is not Status.NOT_TESTED for each in verdict.findings]
    on_imagenet = combine(each.status for each in counted if each.variant != "toy")
    return Line(
        item,
        combine(verdict.status for verdict in verdicts),
        shown.published,
        shown.ours,
        chosen.parameters.profile,
        own["seed"].nunique(),
        cost(own if item.method else rows),
        on_imagenet,
        lacking if on_imagenet is Status.NOT_TESTED else None,
    )


def number_words(verdict: Verdict) -> str:
    """The deciding number with its interval, or why there is none; what ImageNet itself takes stands elsewhere."""
    if verdict.interval is None:
        return next((each.sentence for each in verdict.findings if each.variant == "toy"), verdict.sentence)
    return f"{verdict.interval.text()} {CLAIMS[verdict.claim].unit}".strip()
