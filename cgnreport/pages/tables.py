"""Tables from result rows: frames for `boxes.table`, most of them pivots of means with their 95 % intervals."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from cgnlib.data.shapes import is_own
from cgnreport.pages import style
from cgnreport.pages.origin import from_rows
from cgnreport.pages.style import groups, in_order
from cgnreport.protocol.rows import select
from cgnreport.protocol.store import SOURCES, published
from cgnreport.protocol.summary import (
    beside_published,
    counted,
    difference_over_runs,
    interval_of,
    mean_of,
    of_runs_with,
    smallest_n,
)
from cgnreport.verdicts.claims import CLAIMS
from cgnreport.verdicts.control import success_rates

DECIMALS = {"fraction": 3, "score": 2, "distance": 2, "images": 0, "epochs": 0}  # by unit; of all others 1
METHODS = style.METHOD_LABELS | style.GENERATOR_LABELS
LABELS: dict[str, Any] = {
    "dataset": ("variant", style.dataset_label),
    "method": ("training data", lambda name: METHODS.get(name, name)),
    "recipe": ("CGN from", lambda name: style.RECIPE_LABELS.get(name, "–")),
}
SETS = {"original": "IN-9", "mixed-same": "mixed-same", "mixed-rand": "mixed-rand"}  # of Table 5


@from_rows
def cells(
    rows: pd.DataFrame,
    by: Sequence[str],
    columns: Mapping[str, Any],
    *,
    counts: bool = True,
    after: Sequence[str] = (),
) -> pd.DataFrame:
    """Means with 95 % intervals as texts: a line per combination of `by`, a column per entry of `columns`.

    columns: heading -> what its rows have: a metric, or several columns, as in {"top-1": "accuracy/top1", "best":
    {"metric": "bg-gap", "epoch": "best"}}. counts: also n, the least number of images, and runs, the most. after: those
    of `by` that stand behind the numbers, so that a phone shows these.
    Raises ResultsError for a cell with rows of two settings.
    """
    wanted = {name: how if isinstance(how, Mapping) else {"metric": how} for name, how in columns.items()}
    rows = in_order(rows, [name for name in by if name in LABELS])
    lines = []
    for key, own in groups(rows, by, sort=not set(by) & set(LABELS)):
        found = {name: select(own, **how) for name, how in wanted.items()}
        if there := [each for each in found.values() if len(each)]:
            about = dict(zip(by, key, strict=True))
            line = named({name: code for name, code in about.items() if name not in after})
            line |= {name: text_of(each) for name, each in found.items()} | named({name: about[name] for name in after})
            numbers = {"n": min(min(each["n"]) for each in there), "runs": max(map(counted, there))}
            lines.append(line | (numbers if counts else {}))
    return pd.DataFrame(lines)


def text_of(rows: pd.DataFrame) -> str:
    """Mean and interval of rows of one setting, as `interval_of`; a dash without rows."""
    if rows.empty:
        return "–"
    return interval_of(rows).text(DECIMALS.get(str(rows["unit"].iloc[0]), 1))


def named(codes: Mapping[str, Any]) -> dict[str, Any]:
    """Cells of rows as readers call them: {"dataset": "colored"} is {"variant": "Colored"}."""
    known = {name: LABELS.get(name, (name, lambda code: code)) for name in codes}
    return {known[name][0]: known[name][1](code) for name, code in codes.items()}


def published_gaps(rows: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Published accuracies outside our 95 % interval at the last epoch, a line each, and how many were compared.

    Beside each ours at the best test epoch, which is what the study reports, and whether the published number lies in
    that interval. rows: of mnist-ood. Our recipe is left out: no published number is of it.
    """
    beside = beside_published(select(rows, metric="accuracy/test"))
    beside = beside.loc[beside["recipe"] != "robust"]
    keys = ["dataset", "method", "recipe", "setting"]
    both = select(beside, epoch="last").merge(select(beside, epoch="best"), on=keys, suffixes=("", "/best"))
    lines, compared = [], 0
    for source in SOURCES:
        for line in both.dropna(subset=source).to_dict("records"):
            compared += 1
            value = line[source]
            if not line["low"] <= value <= line["high"]:
                chosen = {"last epoch": line["interval"], "best epoch": line["interval/best"]}
                inside = line["low/best"] <= value <= line["high/best"]
                about = named({name: line[name] for name in LABELS}) | {"published": value} | chosen
                lines.append(about | {"in the latter": "yes" if inside else "no", "source": source})
    return pd.DataFrame(lines), compared


BY_EYE = "RS22, by eye"  # column of `success_table`: how often the study, looking at images, was satisfied


@from_rows
def success_table(rows: pd.DataFrame) -> pd.DataFrame:
    """A line per variant and recipe: trainings, how many succeed, with Wilson's interval, the study's rate, failures.

    rows: of experiments mnist-control or mnist-training.
    """
    lines = []
    for rate in success_rates(in_order(rows, ["dataset", "recipe"])):
        own = select(rows, dataset=rate.variant, recipe=rate.recipe)
        images = own["cgn_images"].dropna() if "cgn_images" in own else []
        seen = "no study" if any(map(is_own, own["data"])) else "RS22"  # of own shapes nothing is published
        study = select(published("mnist-success"), dataset=rate.variant, recipe=rate.recipe, source=seen)
        lines.append(
            named({"dataset": rate.variant, "recipe": rate.recipe})
            | {
                "succeed": f"{rate.succeeded} of {rate.trained}",
                "failed": ", ".join(rate.failed).replace("control over ", "") or "–",
                "% [95 %]": rate.interval.text(0),
                BY_EYE: CLAIMS["claim1-mnist"].published_as.get(mean_of(study), "–"),
                "images seen": f"{max(images):,}" if len(images) else "–",
            }
        )
    return pd.DataFrame(lines)


PARTS = ("worst-class", "worst-group", "same-colour", "other-colours")


@from_rows
def parts_table(rows: pd.DataFrame, split: str = "test") -> pd.DataFrame:
    """A line per kind of training data whose classifiers were tested on parts of the test images: accuracy on all and
    on each part, with the n of the part, and how many classifiers that is of. Empty where no rows are of parts.

    rows: of experiments of classifiers on MNIST, at the last epoch. Classifiers without parts are left out.
    """
    names = {f"accuracy/{split}/{part}": part.replace("-", " ") for part in PARTS}
    lines = []
    for key, own in groups(in_order(rows, list(LABELS)), list(LABELS)):
        found = {name: select(own, metric=metric, epoch="last") for metric, name in names.items()}
        if any(len(each) for each in found.values()):
            line = named(dict(zip(LABELS, key, strict=True)))
            whole = select(of_runs_with(own, list(names)), metric=f"accuracy/{split}", epoch="last")
            shown = {name: f"{text_of(each)} (n {smallest_n(each):,})" for name, each in found.items() if len(each)}
            parts = dict.fromkeys(names.values(), "–") | shown
            lines.append(line | {"all": text_of(whole)} | parts | {"classifiers": len(whole)})
    return pd.DataFrame(lines)


@from_rows
def training_table(rows: pd.DataFrame) -> pd.DataFrame:
    """A line per variant and training: factors recovered, masks, accuracy, and its change from our recipe over CGNs.

    rows: of mnist-training. The change has Welch's interval, from three CGNs on both sides.
    """
    columns = {f"{name}, %": f"control/{factor}/{factor}" for factor, name in style.FACTOR_LABELS.items()}
    columns |= {"mask area": "mask/area", "mask diversity": "mask/diversity"}
    lines = []
    for (variant, recipe), own in groups(in_order(rows, ["dataset", "recipe"]), ["dataset", "recipe"]):
        line = named({"dataset": variant, "recipe": recipe})
        line |= {name: mean_of(select(own, metric=metric)) for name, metric in columns.items()}
        reached, ours = (
            select(rows, dataset=variant, recipe=each, metric="accuracy/dev") for each in (recipe, "robust")
        )
        change = difference_over_runs(reached, ours) if recipe != "robust" else None
        line |= {"accuracy": text_of(reached), "− ours": change.text(signed=True) if change else "–"}
        lines.append(line | {"CGNs": len(reached)})
    return pd.DataFrame(lines)


def published_table_5() -> pd.DataFrame:
    """Table 5 as published, a line per row; method: ours beside which it is shown.

    The study's own CGN saw fewer images than the authors'. Re-CGN's with the right denominator.
    """
    rows = published("imagenet-ood")
    rows = rows.loc[(rows["table"] != "text") & (rows["denominator"] != "batches")]
    rows = rows.assign(method=rows["method"].mask(rows["recipe"] == "paper", "original+cgn-short"))
    wide = rows.pivot_table(index=["source", "row", "method"], columns="metric", values="value", sort=False)
    metrics = {"bg-gap": "BG-gap"} | {f"accuracy/{name}": heading for name, heading in SETS.items()}
    return wide[list(metrics)].rename(columns=metrics).reset_index().rename_axis(columns=None)


@from_rows
def table_5(rows: pd.DataFrame, output: str = "shape_texture", epoch: str = "last") -> pd.DataFrame:
    """Table 5 from rows of imagenet-background of one data set, a line per method.

    output: the heads that are read; "shape_texture" as published, where "original" has "avg", all heads, instead.
    """
    base = select(rows, epoch=epoch, method="original", output="avg")
    others = select(rows.loc[rows["method"] != "original"], epoch=epoch, output=output)
    columns = {"BG-gap": "bg-gap", "change": "bg-gap/change"}
    columns |= {heading: f"accuracy/{name}" for name, heading in SETS.items()}
    columns |= {"only-background": "accuracy/only-background"}
    return cells(pd.concat([base, others]), ["method"], columns)
