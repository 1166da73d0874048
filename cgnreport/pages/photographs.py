"""The plots and tables of photographs, from result rows: background gap, suppression, composition, records."""

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from cgnlib.imagenet.names import CATEGORIES
from cgnlib.statistics import Interval, Unit, wilson_interval
from cgnreport.pages.figures import Figures, trellis
from cgnreport.pages.origin import from_rows
from cgnreport.pages.plots import DASHED, PERCENT, Estimate, forest
from cgnreport.pages.style import ACCENT, FACTOR_COLOURS, HUES, INK, LINE, NEUTRAL
from cgnreport.protocol.imagenet_settings import HEADS_ALONE, TRAINED, WITH_BLOCK, where_trained
from cgnreport.protocol.rows import select
from cgnreport.protocol.store import published
from cgnreport.protocol.summary import interval_of

NETWORKS = {
    "efficientnet-lite0": "EfficientNet-Lite0",
    "efficientnet-lite1": "EfficientNet-Lite1",
    "efficientnet-lite2": "EfficientNet-Lite2",
    "squeezenet1.1": "SqueezeNet 1.1",
}
SETS = {
    "original": "original",
    "only-foreground": "only object",
    "only-background": "only background",
    "mixed-same": "mixed-same",
    "mixed-rand": "mixed-rand",
    "mixed-next": "mixed-next",
}
SUPPRESSED = {
    "original": "as they are",
    "shuffle-4": "4 × 4 patches shuffled",
    "shuffle-8": "8 × 8 patches shuffled",
    "blur-2": "blurred, σ 2 pixels",
    "blur-4": "blurred, σ 4 pixels",
    "grey": "grey",
}
TRAINED_ON = {
    "original": "photographs",
    "original+tied": "+ composed, one class",
    "original+composed": "+ composed, free classes",
}
WITH = {HEADS_ALONE: "", WITH_BLOCK: ", block trained"}


@from_rows
def gaps_plot(rows: pd.DataFrame) -> Figures:
    """Background gap of each network on photographs, over photographs, and below as published on ImageNet-9.

    rows: of photographs-background.
    """
    estimates, theirs = [], select(published("photographs-background"), metric="bg-gap")
    for name, label in NETWORKS.items():
        if len(own := select(rows, metric="bg-gap", method=name)):
            estimates.append(Estimate("", label, ACCENT, interval_of(own)))
    for line in theirs.to_dict("records"):
        estimates.append(Estimate("", f"{line['row']}, ImageNet-9", NEUTRAL, Interval.point(line["value"])))
    xlabel = "background gap: mixed-same minus mixed-rand (points)"
    return forest(estimates, xlabel, references={"no gap": 0.0}, ours="95 % interval over photographs; grey: published")


@from_rows
def challenge_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Accuracy over the nine classes by network and set, with intervals, below as published on ImageNet-9.

    rows: of photographs-background.
    """
    lines = []
    for name, label in NETWORKS.items():
        own = select(rows, method=name)
        if len(own):
            of = {head: interval_of(select(own, metric=f"accuracy/{each}")) for each, head in SETS.items()}
            gap = interval_of(select(own, metric="bg-gap"))
            lines.append({"network": label, "images": "photographs", "gap": gap} | of)
    theirs = published("photographs-background")
    for name in dict.fromkeys(theirs["row"]):
        own = select(theirs, row=name)
        line = {"network": name, "images": "ImageNet-9, published", "gap": select(own, metric="bg-gap")["value"].item()}
        for each, head in SETS.items():
            found = select(own, metric=f"accuracy/{each}")["value"]
            line[head] = found.item() if len(found) else np.nan
        lines.append(line)
    return pd.DataFrame(lines)


@from_rows
def suppression_plot(rows: pd.DataFrame, bias: pd.DataFrame) -> Figures:
    """Accuracy without global shape, fine texture or colour, a panel per network, and its shape bias where both cues
    conflict.

    rows: of photographs-suppression; bias: of imagenet-shape-bias, each network with its own preprocessing.
    """
    estimates = []
    of_factor = FACTOR_COLOURS["shape"], FACTOR_COLOURS["foreground"]
    colours = dict(zip(SUPPRESSED, (INK, *[of_factor[0]] * 2, *[of_factor[1]] * 2, HUES[0]), strict=True))
    for name, panel in NETWORKS.items():
        for each, label in SUPPRESSED.items():
            if len(own := select(rows, method=name, metric=f"accuracy/{each}")):
                estimates.append(Estimate(panel.replace("EfficientNet-", ""), label, colours[each], interval_of(own)))
        own = select(bias, method=name, metric="shape-bias", enlarge=False)
        own = own.loc[own["normalisation"] != "imagenet"]
        if len(own) and estimates and estimates[-1].panel == panel.replace("EfficientNet-", ""):
            label = "shape bias, cue conflict"
            estimates.append(Estimate(panel.replace("EfficientNet-", ""), label, NEUTRAL, interval_of(own)))
    return forest(estimates, "accuracy; shape bias (%)", limits=PERCENT, row=27)


@from_rows
def composition_plot(rows: pd.DataFrame) -> Figures:
    """Background gap and accuracy on random backgrounds by training data, a point per split.

    rows: of photographs-composition; read off the shape and texture heads, of photographs alone off all heads.
    """
    estimates = []
    panels = {"Background gap (points)": "bg-gap", "Accuracy, mixed-rand (%)": "accuracy/mixed-rand"}
    for (panel, metric), trained, (method, label) in product(panels.items(), TRAINED, TRAINED_ON.items()):
        own = select(where_trained(rows, trained), method=method, metric=metric)
        own = select(own, output="avg" if method == "original" else "shape_texture")
        if len(own):
            colour, label = ACCENT if method == "original+composed" else NEUTRAL, label + WITH[trained]
            estimates.append(Estimate(panel, label, colour, interval_of(own), own["value"].tolist()))
    return forest(estimates, "", ours="95 % interval over splits", run="one split by photograph")


@from_rows
def records_plot(rows: pd.DataFrame, ours: Mapping[str, pd.DataFrame], lines: Mapping[str, float]) -> Figures:
    """Share of decisions for the shape by category: people and networks from records, ours, and lines across.

    rows: of imagenet-shape-records. ours: rows of imagenet-shape-bias by label. lines: published values by name.
    """
    people = rows["method"].astype(str).str.startswith("subject")
    kinds = {
        "a person": (rows.loc[people], HUES[0], -0.2),
        "a network, from its record": (rows.loc[~people], LINE, 0.0),
    }
    names = [*CATEGORIES, "all"]
    metrics = [*(f"shape-bias/category/{name}" for name in CATEGORIES), "shape-bias"]
    palette = dict(zip(ours, (ACCENT, "#0072B2", "#009E73", INK), strict=False))

    looks: list[dict[str, Any]] = [DASHED | {"color": colour} for colour in (INK, *HUES)]

    def draw(ax: Axes, index: int) -> None:
        for value, look in zip(lines.values(), looks, strict=False):
            ax.axvline(value, **look)
        for own, colour, shift in kinds.values():
            for y, metric in enumerate(metrics):
                values = select(own, metric=metric)["value"]
                ax.plot(values, [y + shift] * len(values), "o", ms=3, color=colour, alpha=0.7, mec="none")
        for label, own in ours.items():
            values = [(select(own, metric=metric)["value"].tolist(), y) for y, metric in enumerate(metrics)]
            points = [(found[0], y + 0.2) for found, y in values if found]
            x, y = zip(*points, strict=True)
            ax.plot(x, y, "D", ms=4, color=palette[label], mec="white", mew=0.4)
        ax.set(xlim=PERCENT, ylim=(len(names) - 0.4, -0.6))
        ax.set_yticks(range(len(names)), names)
        ax.tick_params(axis="y", length=0)
        ax.axhline(len(CATEGORIES) - 0.5, color=LINE, lw=0.8)
        ax.grid(axis="x")

    legend = [
        Line2D([], [], color=colour, marker="o", ms=4, lw=0, label=f"{name} ({len(select(own, metric='shape-bias'))})")
        for name, (own, colour, _) in kinds.items()
    ]
    legend += [Line2D([], [], color=palette[name], marker="D", ms=4, lw=0, label=name) for name in ours]
    legend += [Line2D([], [], label=name, **look) for name, look in zip(lines, looks, strict=False)]
    return trellis(
        draw, 1, height=470, xlabel="decisions for the shape, of those for shape or texture (%)", legend=legend
    )


@from_rows
def answers_table(rows: pd.DataFrame) -> pd.DataFrame:
    """How often each category is the answer, in percent of the conflicting stimuli, of which 6.25 % show it as a shape
    and 6.25 % as a texture: means over people and over networks, and the networks' range.

    rows: of imagenet-shape-records.
    """
    people = rows["method"].astype(str).str.startswith("subject")
    lines = []
    for name in CATEGORIES:
        own = rows["metric"] == f"answers/{name}"
        theirs, networks = rows.loc[own & people, "value"], rows.loc[own & ~people, "value"]
        line = {"category": name, "people": theirs.mean(), "networks": networks.mean()}
        lines.append(line | {"networks, lowest": networks.min(), "highest": networks.max()})
    return pd.DataFrame(lines).sort_values("networks", ascending=False)


@from_rows
def intervals_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Shape bias of each record with its interval over shape and texture images, and Wilson's over decisions beside.

    rows: of imagenet-shape-records.
    """
    lines = []
    for line in select(rows, metric="shape-bias").sort_values("value").to_dict("records"):
        found = Interval(line["value"], line["low"], line["high"], Unit.CROSSED)
        wilson = wilson_interval(line["value"] / 100 * line["n"], line["n"]).scaled(100)
        ratio = (found.high - found.low) / (wilson.high - wilson.low)
        lines.append({"record": line["method"], "shape bias [95 %, crossed]": found, "[Wilson]": wilson})
        lines[-1] |= {"times as wide": ratio, "decisions": line["n"], "source": line["source"]}
    return pd.DataFrame(lines)
