"""Every table and figure of the seed with its verdict: items as data, verdicts computed from result rows.

The scorecard page and the front page read rows that other notebooks made, at the parameters at hand. Items on ImageNet
are listed, not tested.
"""

import html
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cgnlib import results
from cgnlib.boxes import Html, badge
from cgnlib.mnist.recipes import recipe_for
from cgnlib.mnist.study import RATIO_EPOCHS
from cgnlib.parameters import StudyParameters
from cgnlib.paths import project_root
from cgnlib.results import interval_of, select, split_seeds
from cgnlib.verdicts import (
    CLAIMS,
    Status,
    Verdict,
    claim1_mnist,
    claim2_mnist,
    claim3_mnist,
    gradcam_mnist,
)

NOT_YET = "not tested: not yet part of the report"  # every item on ImageNet
RATIO_METRIC = "accuracy/test/last"


@dataclass(frozen=True)
class Item:
    """A table or figure of the seed. rule: how it is judged, "" for not at all; recipe: "ours" or "authors"."""

    name: str
    shows: str
    world: str = "ImageNet"
    rule: str = ""
    experiment: str = ""
    recipe: str = "ours"
    notebook: str = ""


_CONTROL = {"world": "MNIST", "rule": "claim1-mnist", "experiment": "mnist-control", "notebook": "02-claim1-mnist"}
_OOD = {"world": "MNIST", "rule": "claim2-mnist", "experiment": "mnist-ood", "notebook": "03-claim2-mnist"}
_RATIO = {"world": "MNIST", "rule": "cf-ratio", "experiment": "mnist-cf-ratio", "notebook": "06-cf-ratio"}

ITEMS = (
    Item("Table 1", "in-domain accuracy", "MNIST", "claim3-mnist", "mnist-indomain", notebook="05-claim3-mnist"),
    Item("Table 2", "out-of-domain accuracy, own CGN", **_OOD),
    Item("Table 3", "inception score and mask area"),
    Item("Table 4", "shape bias of the classifier heads"),
    Item("Table 5", "ImageNet-9 accuracy and BG-gap"),
    Item("Table 6", "out-of-domain accuracy, authors' CGN", recipe="authors", **_OOD),
    Item("Table 7", "search of hyperparameters"),
    Item("Figure 1", "architecture of the CGN"),
    Item("Figure 2", "counterfactuals and faulty masks", **_CONTROL),
    Item("Figure 3", "GradCAM heat maps", "MNIST", "gradcam-mnist", "mnist-gradcam", notebook="04-gradcam"),
    Item("Figure 4", "counterfactuals, more samples", **_CONTROL),
    Item("Figure 5", "accuracy by CF ratio, own CGN", **_RATIO),
    Item("Figure 6", "accuracy by CF ratio, authors' CGN", recipe="authors", **_RATIO),
    Item("Figure 7", "counterfactuals with their labels"),
    Item("Figure 8", "outputs of each mechanism"),
    Item("Figure 9", "masks in the course of training"),
    Item("Figure 10", "texture and background entangled"),
    Item("Figure 11", "residue of the object in backgrounds"),
    Item("Figure 12", "reduced realism"),
)


@dataclass(frozen=True)
class Line:
    """An item as judged. ours, published: in words; seconds: of training behind its rows, None where unknown."""

    item: Item
    status: Status
    published: str = ""
    ours: str = ""
    scale: str = ""
    seeds: int = 0
    seconds: float | None = None


def matching_rows(parameters: StudyParameters, experiment: str, own: bool = True) -> pd.DataFrame:
    """Rows of an experiment, published or (with `own`) computed on this machine, that do not contradict the parameters.

    Where data sources or other settings still differ, those of most rows are kept for each variant, method and recipe.
    """
    rows = results.load(parameters.profile, experiment, published=True, own=own)
    expected = _expected(parameters, experiment)
    lines = rows.to_dict("records")
    keep = []
    for line in lines:
        params = json.loads(line["params"] or "{}")
        expected["cgn_images"] = [parameters.cgn_images or recipe_for(parameters.recipe, str(line["dataset"])).images]
        skipped = {"cgn_images"} if params.get("shipped") else set()
        keep.append(all(params.get(k, v[0]) in v for k, v in expected.items() if k not in skipped))
    rows = rows.loc[keep].reset_index(drop=True)
    rows = _commonest(rows, ["dataset"], rows["data"].tolist())
    names = ["dataset", "method", "recipe"]
    if experiment == "mnist-cf-ratio":
        rows = rows.assign(point=[str([json.loads(p)[k] for k in ("generated", "cf_ratio")]) for p in rows["params"]])
        names.append("point")
    rows = _commonest(rows, names, [split_seeds(text)[0] for text in rows["params"]])
    return rows.drop(columns="point", errors="ignore")


def _expected(parameters: StudyParameters, experiment: str) -> dict[str, list[Any]]:
    ratio = experiment == "mnist-cf-ratio"
    epochs = parameters.classifier_epochs * (RATIO_EPOCHS if ratio else 1)
    return {
        "epochs": [epochs],
        "batch": [parameters.classifier_batch],
        "generated": list(parameters.ratio_sizes) if ratio else [parameters.counterfactuals],
        "cf_ratio": list(parameters.ratio_values) if ratio else [parameters.cf_ratio],
        "train_images": [parameters.train_images or "all"],
        "test_images": [parameters.test_images or "all"],
        "gan_images": [parameters.gan_images],
        "oracle_images": [parameters.oracle_images],
    }


def _commonest(rows: pd.DataFrame, names: Sequence[str], marks: Sequence[str]) -> pd.DataFrame:
    """Of each group (by `names`) the rows with its commonest mark; of equally common ones the last in order."""
    groups: dict[tuple[Any, ...], dict[str, int]] = {}
    keys = [tuple(line[name] for name in names) for line in rows.to_dict("records")]
    for key, mark in zip(keys, marks, strict=True):
        counts = groups.setdefault(key, {})
        counts[mark] = counts.get(mark, 0) + 1
    best = {key: max(counts, key=lambda mark: (counts[mark], mark)) for key, counts in groups.items()}
    return rows.loc[[best[key] == mark for key, mark in zip(keys, marks, strict=True)]].reset_index(drop=True)


def claim_verdicts(parameters: StudyParameters, own: bool = True) -> dict[str, Verdict]:
    """The verdicts of every claim on MNIST from the rows of `matching_rows`; "not tested" where there are none."""
    judged = [item for item in ITEMS if item.rule in CLAIMS and item.recipe == "ours"]
    return {item.rule: _verdict(item, parameters, matching_rows(parameters, item.experiment, own)) for item in judged}


def full_scale() -> StudyParameters:
    """The parameters of scale `paper`, at which the results are made that the project publishes."""
    return StudyParameters.load(project_root() / "params" / "paper.yaml")


def published_verdict(claim: str, parameters: StudyParameters, recipe: str = "ours") -> Verdict | None:
    """The verdict on a claim from the published rows of full scale; None at that scale, or where there are none.

    recipe: that of the CGN, "ours" or "authors".
    """
    if parameters.profile == "paper":
        return None
    item = next(item for item in ITEMS if item.rule == claim and item.recipe == recipe)
    verdict = _verdict(item, full_scale(), matching_rows(full_scale(), item.experiment, own=False))
    return verdict if verdict.interval else None


def scorecard(parameters: StudyParameters) -> list[Line]:
    """Every item judged, in the order of ITEMS."""
    return [_line(item, parameters) for item in ITEMS]


def _verdict(item: Item, parameters: StudyParameters, rows: pd.DataFrame) -> Verdict:
    rules: dict[str, Callable[..., Verdict]] = {
        "claim1-mnist": claim1_mnist,
        "claim2-mnist": claim2_mnist,
        "claim3-mnist": claim3_mnist,
    }
    recipe = parameters.recipe if item.recipe == "ours" else item.recipe
    if item.rule == "gradcam-mnist":
        return gradcam_mnist(rows, recipe)
    return rules[item.rule](rows, recipe, parameters.variants)


def _line(item: Item, parameters: StudyParameters) -> Line:
    if not item.rule:
        return Line(item, "not tested", ours=NOT_YET)
    recipe = parameters.recipe if item.recipe == "ours" else item.recipe
    matching = matching_rows(parameters, item.experiment)
    rows = matching.loc[matching["recipe"].isin(["-", recipe])]
    own = rows.loc[rows["recipe"] == recipe]
    if own.empty:
        return Line(item, "not tested", ours=f"no rows at this scale: run {item.notebook}")
    if item.rule == "cf-ratio":
        status: Status = "not tested"
        ours, published = ratio_ranges(own)
    else:
        verdict = _verdict(item, parameters, matching)
        status, published = verdict.status, verdict.published
        ours = f"{verdict.interval.text()} {verdict.unit}".strip() if verdict.interval else verdict.sentence
    return Line(item, status, published, ours, parameters.profile, own["seed"].nunique(), cost(rows))


def ratio_ranges(rows: pd.DataFrame) -> tuple[str, str]:
    """Accuracies over CF ratios of Figures 5 and 6, lowest to highest: ours and Re-CGN's in words.

    No verdict: the seed prints curves without numbers, and Re-CGN's ranges are of counterfactuals alone, 10 epochs.
    """
    test = select(rows, metric=RATIO_METRIC)
    ranges = results.published("mnist-cf-ratio")
    ours, published = [], []
    points = {(str(r["dataset"]), json.loads(r["params"])["generated"]) for r in test.to_dict("records")}
    for variant, size in sorted(points):
        found = select(test, dataset=variant, generated=size)
        ratios = sorted({json.loads(text)["cf_ratio"] for text in found["params"]})
        values = [interval_of(select(found, cf_ratio=ratio)).value for ratio in ratios]
        ours.append(f"{variant}, {size:,}: {min(values):.1f} to {max(values):.1f} %")
        bounds = [float(value) for value in select(ranges, dataset=variant, counterfactuals=size)["value"]]
        if bounds:
            published.append(f"{variant}, {size:,}: {min(bounds):.1f} to {max(bounds):.1f} %")
    there = "Re-CGN, counterfactuals alone: " + "; ".join(published) if published else "curves without numbers"
    return "; ".join(ours), there


def cost(rows: pd.DataFrame) -> float | None:
    """Seconds of training behind rows; a training counts once, also where several experiments measure its model."""
    keys = ["dataset", "method", "recipe", "seed", "params", "seconds"]
    seconds = rows.drop_duplicates(keys)["seconds"].dropna()
    return sum(float(value) for value in seconds) if len(seconds) else None


def as_frame(lines: Sequence[Line], link: str = "{}.html") -> pd.DataFrame:
    """The scorecard as a table of HTML texts. link: the address of a notebook's page."""
    return pd.DataFrame(
        {
            "item": line.item.name,
            "shows": html.escape(line.item.shows),
            "verdict": str(badge(line.status)),
            "ours": html.escape(line.ours),
            "published": html.escape(line.published or "–"),
            "world": line.item.world,
            "scale": line.scale or "–",
            "seeds": str(line.seeds or "–"),
            "cost": duration(line.seconds),
            "page": _link(line, link, "open") if line.item.notebook else "–",
        }
        for line in lines
    )


def duration(seconds: float | None) -> str:
    """Seconds in words a reader takes in at once: "45 s", "12 min", "3.4 h", "–"."""
    if seconds is None:
        return "–"
    return (
        f"{seconds:.0f} s"
        if seconds < 90
        else f"{seconds / 60:.0f} min"
        if seconds < 5400
        else f"{seconds / 3600:.1f} h"
    )


def claim_cards(verdicts: dict[str, Verdict], link: str = "{}.html") -> Html:
    """The cards of the front page: words, badge, deciding number with interval, published beside, link."""
    cards = []
    for number, name in enumerate(("claim1-mnist", "claim2-mnist", "claim3-mnist"), start=1):
        verdict, claim = verdicts[name], CLAIMS[name]
        notebook = next(item.notebook for item in ITEMS if item.rule == name)
        between = verdict.interval
        if between:
            figure = f"{between.value:+.1f}" if verdict.unit == "points" else f"{between.value:.1f}"
            about = (
                f"{html.escape(verdict.unit)}, 95 % interval {between.low:.1f} to {between.high:.1f}; "
                f"{_NUMBERS[name]}, weakest variant. Published: {html.escape(verdict.published)}. {_tested(verdict)}"
            )
        elif verdict.findings and any(finding.interval for finding in verdict.findings):
            figure, about = "–", html.escape(verdict.sentence)
        else:
            figure, about = "–", f"No rows at this scale: run {notebook}."
        cards.append(
            f'<div class="cgn-card"><p><strong>Claim {number}. {html.escape(claim.title)}</strong></p>'
            f"<p>{badge(verdict.status)}</p>"
            f'<span class="cgn-number">{figure}</span><p class="cgn-small">{about}</p>'
            f'<p class="cgn-small"><em>“{html.escape(claim.words)}”</em></p>'
            f'<p><a href="{link.format(notebook)}">Evidence</a></p></div>'
        )
    return Html(f'<div class="cgn-cards">{"".join(cards)}</div>')


def _tested(verdict: Verdict) -> str:
    """How many variants the verdict rests on, where it does not rest on all."""
    tested = [finding.variant for finding in verdict.findings if finding.status != "not tested"]
    return "" if len(tested) == len(verdict.findings) else f"Tested: {', '.join(tested)} only."


_NUMBERS = {
    "claim1-mnist": "share of images with the requested factor",
    "claim2-mnist": "gain in out-of-domain accuracy",
    "claim3-mnist": "change of in-domain accuracy",
}
_MARKS = {"reproduced": "✓", "partly": "◐", "not reproduced": "✗", "not tested": "–"}


def teaser(lines: Sequence[Line], link: str = "{}.html") -> Html:
    """Every item as a small mark that links to its page."""
    marks = []
    for line in lines:
        name = f"cgn-mark cgn-mark-{line.status.replace(' ', '-')}"
        words = html.escape(f"{line.item.name}, {line.item.shows}: {line.status}")
        short = f"{line.item.name[0]}{line.item.name.split()[1]}"
        address = link.format(line.item.notebook or "10-scorecard")
        sign = f'<span aria-hidden="true">{_MARKS[line.status]}</span>'
        marks.append(f'<a class="{name}" href="{address}" title="{words}" aria-label="{words}">{short} {sign}</a>')
    return Html(f'<div class="cgn-marks">{"".join(marks)}</div>')


def tally(lines: Sequence[Line], profile: str) -> Html:
    """How many items have which verdict, and which notebooks would make rows that are missing."""
    statuses = [line.status for line in lines]
    text = ", ".join(f"{statuses.count(status)} {status}" for status in _MARKS) + f" (of {len(lines)})."
    missing = sorted({line.item.notebook for line in lines if line.item.notebook and not line.seeds})
    if missing:
        text += f" No rows at scale {profile} for some items; these notebooks make them: {', '.join(missing)}."
    return Html(f"<p>{html.escape(text)}</p>")


def _link(line: Line, link: str, text: str) -> str:
    return f'<a href="{link.format(line.item.notebook)}">{text}</a>'
