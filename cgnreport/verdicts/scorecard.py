"""Every table and figure of the study with its verdict: items as data (items.yaml), verdicts computed from rows.

The scorecard and the front page read rows that other notebooks made, at the parameters at hand. An item
has a line for each world in which its claims were tested; what it takes to test them on ImageNet stands beside.
"""

import functools
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from cgnlib.data import finding
from cgnlib.errors import Blocked
from cgnreport.protocol.imagenet_settings import NEEDED
from cgnreport.protocol.parameters import TRAININGS, Parameters
from cgnreport.protocol.rows import joined, select
from cgnreport.verdicts import failures, imagenet, mnist
from cgnreport.verdicts.chosen import Chosen, full_scale
from cgnreport.verdicts.claims import CLAIMS
from cgnreport.verdicts.cost import cost
from cgnreport.verdicts.model import Replication, Status, Verdict, badge_words, combine, records, replicated
from cgnreport.verdicts.numbers import Shown, grid_ranges, ratio_ranges, score_words
from cgnreport.verdicts.sentences import MINUS
from cgnreport.verdicts.worlds import WHOSE, WORLDS, World

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
    """An item as judged in one world. ours, published: in words; seeds: random seeds of its rows; seconds: of training
    behind them; missing: what it takes to have it on ImageNet, None for nothing.
    """

    item: Item
    status: Status
    world: World
    replication: Replication = Replication.NOT_TESTED
    published: str = ""
    ours: str = ""
    scale: str = ""
    seeds: int = 0
    seconds: float | None = None
    missing: Blocked | None = None

    @property
    def badge(self) -> str:
        """What its badge says."""
        return badge_words(self.item.claims[0], self.status) if self.item.claims else self.status.value


def scorecard(parameters: Parameters) -> list[Line]:
    """Every item judged, in the order of ITEMS: a line per world in which it has rows, one where it has none."""
    chosen, full = Chosen(parameters), Chosen(full_scale())
    return [line for item in ITEMS for line in _lines(item, full if item.full_scale else chosen)]


def claim_verdicts(parameters: Parameters, own: bool = True, recipe: str = "ours") -> dict[str, Verdict]:
    """The verdict on every claim; "not tested" where there are no rows.

    own: as in `Chosen`; recipe: of MNIST's CGNs, as in `published_verdict`.
    """
    chosen, full = Chosen(parameters, own), Chosen(full_scale(), own)
    items = {claim: replace(item, recipe=recipe) for item in reversed(ITEMS) for claim in item.claims}
    return {claim: judged(claim, items[claim], full if items[claim].full_scale else chosen) for claim in CLAIMS}


def claim_records(parameters: Parameters, own: bool = True) -> list[dict[str, Any]]:
    """The verdict on every claim by every method, as the data of results/claims.json. own: as in `Chosen`.

    Of a world whose CGNs are all of one method there is one verdict; the other methods have none there.
    """
    by_recipe = {recipe: claim_verdicts(parameters, own, recipe) for recipe in WHOSE}
    told = (verdicts[claim] for claim in CLAIMS for verdicts in by_recipe.values())
    found = {(each["claim"], each["method"], each["variant"]): each for each in records(told)}
    return list(found.values())


def published_verdict(claim: str, parameters: Parameters, recipe: str = "ours") -> Verdict | None:
    """The verdict on a claim from the published rows of full scale; None at that scale, where there are none, and
    beside own shapes, which it is not of.

    recipe: of MNIST's CGN, "ours", "authors", or one of `parameters.TRAININGS`.
    """
    if parameters.profile == "paper" or parameters.mnist.shapes:
        return None
    item = next(item for item in ITEMS if claim in item.claims)
    verdict = judged(claim, replace(item, recipe=recipe), Chosen(full_scale(), own=False))
    return verdict if verdict.interval else None


def judged(claim: str, item: Item, chosen: Chosen) -> Verdict:
    """The verdict on one claim of an item."""
    rows, parameters = item_rows(item, chosen), chosen.parameters
    recipe = parameters.mnist.recipe if item.recipe == "ours" else item.recipe
    if claim == "claim1-mnist" and recipe in TRAININGS:
        short = chosen.rows("mnist-training")  # shorter than the recipe asks: for variants without other rows
        rows = joined([rows, short.loc[~short["dataset"].isin(select(rows, recipe=recipe)["dataset"])]])
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


def _lines(item: Item, chosen: Chosen) -> list[Line]:
    lacking = missing([item.needs, *(CLAIMS[claim].needs for claim in item.claims)], chosen.parameters)
    rows = item_rows(item, chosen)
    own = rows.loc[rows["method"] == item.method if item.method else rows["recipe"] != "-"]
    verdicts = [judged(claim, item, chosen) for claim in item.claims]
    there = [world for world in WORLDS.values() if set(own["dataset"]) & set(world.variants)]
    if not there:
        why = item.without or f"no rows at this scale: run {item.notebook}"
        return [Line(item, Status.NOT_TESTED, WORLDS[item.world], ours=why, missing=lacking)]
    if any(world.key == "imagenet" for world in there):
        lacking = None
    return [_line(item, world, verdicts, rows, own, chosen, lacking) for world in there]


def _line(
    item: Item,
    world: World,
    verdicts: Iterable[Verdict],
    rows: pd.DataFrame,
    own: pd.DataFrame,
    chosen: Chosen,
    lacking: Blocked | None,
) -> Line:
    """An item in one world: its verdicts on that world alone, in words and numbers of that world."""
    rows, own = (select(each, dataset=world.variants) for each in (rows, own))
    told = [verdict.of_world(world.key) for verdict in verdicts]
    names = [f"{CLAIMS[verdict.claim].number}: " if len(told) > 1 else "" for verdict in told]
    shown = Shown(
        "; ".join(name + number_words(verdict) for name, verdict in zip(names, told, strict=True)),
        "; ".join(
            name + verdict.published_words for name, verdict in zip(names, told, strict=True) if verdict.published_words
        ),
    )
    return Line(
        item,
        combine(verdict.status for verdict in told),
        world,
        replicated(verdict.replication for verdict in told),
        WORDS[item.words](rows).published if item.words else shown.published,
        WORDS[item.words](rows).ours if item.words else shown.ours,
        chosen.parameters.profile,
        len(set(own["seed"])),
        cost(own if item.method else rows),
        lacking,
    )


def number_words(verdict: Verdict) -> str:
    """The deciding number with its interval and what it needed; of what is not tested, why, and the number if any."""
    found = verdict.weakest or next((each for each in verdict.findings if each.interval), None)
    number = f"{found.interval.text()} {found.unit}".strip() if found and found.interval else ""
    if found is not verdict.weakest or not found:
        why = "; ".join(dict.fromkeys(each.untested.reason for each in verdict.findings if each.untested))
        return f"{why} ({number})" if number else why
    needs = "" if found.needs is None else f", needs {found.needs:.1f}".replace("-", MINUS)
    return number + needs
