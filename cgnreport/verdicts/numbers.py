"""Numbers of tables and figures that no rule judges, beside the published ones: Table 3's scores, Table 7, Figures 5
and 6.
"""

from typing import NamedTuple

import pandas as pd

from cgnreport.protocol.rows import joined, select
from cgnreport.protocol.store import load, published
from cgnreport.protocol.summary import interval_of, mean_of
from cgnreport.verdicts.imagenet import by_published_network


class Shown(NamedTuple):
    """Numbers in words: ours, and the published ones."""

    ours: str
    published: str


def score_words(rows: pd.DataFrame) -> Shown:
    """Table 3: Inception Score of the CGN and its teacher, mean mask area.

    rows: experiment imagenet-is, of the toy world or of ImageNet; of these by one network, and of the authors' CGN.
    """
    rows, printed = select(rows, experiment="imagenet-is"), published("imagenet-is")
    worlds = {"toy": "", "imagenet": "ImageNet: "}
    each = {name: select(rows, dataset=world, recipe=["toy", "authors", "-"]) for world, name in worlds.items()}
    ours = [name + _scores(by_published_network(found)) for name, found in each.items() if len(found)]
    recipes = {"SG21": "authors", "RS22": "paper"}
    theirs = [f"{name}: {_scores(select(printed, source=name, recipe=[kind, '-']))}" for name, kind in recipes.items()]
    return Shown("; ".join(ours), f"ImageNet, {'; '.join(theirs)}")


def _scores(rows: pd.DataFrame) -> str:
    words = {("cgn", "inception-score"): "IS {:.1f}", ("biggan", "inception-score"): "teacher's {:.1f}"}
    words |= {("cgn", "mask/mean"): "mean mask {:.2f}"}
    found = {key: select(rows, method=key[0], metric=key[1])["value"] for key in words}
    return ", ".join(text.format(found[key].mean()) for key, text in words.items() if len(found[key]))


def grid_ranges(rows: pd.DataFrame) -> Shown:
    """Lowest and highest background gap over the settings of Table 7, at the last epoch and read as published."""
    gaps = select(rows, metric="bg-gap", epoch="last")
    ours = pd.concat([select(gaps, method="original", output="avg"), select(gaps, output="shape_texture")])
    theirs = select(published("imagenet-hyperparameters"), metric="bg-gap", source="RS22")
    return Shown(_range(ours), f"RS22, ImageNet-9: {_range(theirs)}")


def _range(rows: pd.DataFrame) -> str:
    means = [mean_of(own) for _, own in rows.groupby(["method", "recipe", "setting"])]
    return f"BG-gap {min(means):.1f} to {max(means):.1f} points over {len(means)} settings"


def ratio_curves(rows: pd.DataFrame) -> pd.DataFrame:
    """Accuracies over CF ratios of Figures 5 and 6, at the last epoch: a line per variant and number of counterfactuals
    with `lowest` and `highest` in percent, `change` from the smallest ratio to the largest in points, and Re-CGN's
    `their_lowest` and `their_highest` (NaN where there are none).

    No verdict: the study prints curves without numbers, and Re-CGN's ranges are of counterfactuals alone, 10 epochs.
    """
    test, printed = select(rows, metric="accuracy/test", epoch="last"), published("mnist-cf-ratio")
    lines = []
    for variant, size in sorted({(line["dataset"], line["generated"]) for line in test.to_dict("records")}):
        points = select(test, dataset=variant, generated=size)
        ours = [interval_of(point).value for _, point in points.groupby("cf_ratio")]
        theirs = select(printed, dataset=variant, counterfactuals=size)["value"]
        lines.append((variant, size, min(ours), max(ours), ours[-1] - ours[0], theirs.min(), theirs.max()))
    names = ["variant", "counterfactuals", "lowest", "highest", "change", "their_lowest", "their_highest"]
    return pd.DataFrame(lines, columns=names)


def ratio_ranges(rows: pd.DataFrame) -> Shown:
    """The curves' ranges, and Re-CGN's."""
    curves = ratio_curves(rows).to_dict("records")
    line = "{variant}, {counterfactuals:,}: "
    ours = "; ".join((line + "{lowest:.1f} to {highest:.1f} %").format(**curve) for curve in curves)
    known = [curve for curve in curves if curve["their_lowest"] > 0]
    theirs = "; ".join((line + "{their_lowest:.1f} to {their_highest:.1f} %").format(**curve) for curve in known)
    return Shown(ours, f"Re-CGN, counterfactuals alone: {theirs}" if theirs else "curves without numbers")


def ratio_sentence(curves: pd.DataFrame) -> str:
    """Which way the curves of `ratio_curves` go, in words."""
    changes = curves["change"]
    words = [
        f"{verb} in {len(moves)} of {len(changes)} curves, by {abs(moves).max():.1f} points at most"
        for verb, moves in (("falls", changes[changes < 0]), ("rises", changes[changes > 0]))
        if len(moves)
    ]
    return f"From the smallest CF ratio to the largest, accuracy {' and '.join(words) or 'stays the same'}."


def repeats(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of Figures 5 and 6 whose very setting claim 2 trained as well, on its own: `value` here, `claim2` there, and
    their `difference`. A pair from one training, which experiments may share, is left out.
    """
    same = ["dataset", "method", "recipe", "metric", "epoch", "seed", "profile", "data", "params"]
    test = select(rows, metric="accuracy/test", epoch="last")
    claim2 = joined(load(profile, "mnist-ood") for profile in test["profile"].unique())
    pairs = test.merge(claim2.assign(claim2=claim2["value"])[[*same, "claim2", "seconds"]], on=same)
    pairs = pairs.loc[pairs["seconds_x"].fillna(-1) != pairs["seconds_y"].fillna(-1)]
    return pairs.assign(difference=pairs["value"] - pairs["claim2"])[
        ["dataset", "recipe", "value", "claim2", "difference"]
    ]
