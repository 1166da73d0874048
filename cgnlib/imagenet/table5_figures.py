"""Figures and tables of claim 2 at ImageNet: what notebook 08 shows, from our rows and published ones."""

import json
import math
from collections.abc import Sequence

import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from cgnlib.imagenet.invariant_study import GAP_SETS, GRID_RATES, GRID_RATIOS, ClassifierStudy
from cgnlib.parameters import IMAGENET_METHODS
from cgnlib.plotting import INK, METHOD_COLOURS, METHOD_LABELS, SOURCE_MARKS, Figures, trellis
from cgnlib.results import interval_of, published, select
from cgnlib.statistics import Interval
from cgnlib.verdicts import bounded

LABELS = METHOD_LABELS | {"original+cgn-short": "original + CGN, short", "original+oracle": "original + oracle"}
COLOURS = METHOD_COLOURS | {"original+cgn-short": "#C99BB5", "original+oracle": INK}
# The row of our table beside which a published one is shown, by its source and its name in that table.
PUBLISHED_ROWS = {
    ("seed", "IN-mini"): "original",
    ("seed", "IN-mini + CGN"): "original+cgn",
    ("seed", "IN-mini + our CGN"): "original+cgn-short",
    ("SG21", "IN"): "original",
    ("SG21", "IN + CGN"): "original+cgn",
    ("Re-CGN", "CGN"): "original+cgn",
}
COLUMNS = {"accuracy/original": "IN-9", "accuracy/mixed-same": "mixed-same", "accuracy/mixed-rand": "mixed-rand"}


def published_gaps() -> pd.DataFrame:
    """Table 5 as published, a line per row: source, row, method, IN-9, mixed-same, mixed-rand, BG-gap.

    method: that of ours which it is shown beside, "" for none. Re-CGN's with the right denominator.
    """
    rows = published("imagenet-ood")
    rows = rows.loc[~rows["table"].isin(["text", "IN-9"]) | (rows["source"] == "SG21") & (rows["table"] == "IN-9")]
    lines = []
    for (source, row), cells in rows.groupby(["source", "row"], sort=False):
        found = dict(zip(cells["metric"], cells["value"], strict=True))
        line = {"source": source, "row": row, "method": PUBLISHED_ROWS.get((str(source), str(row)), "")}
        line |= {name: found[metric] for metric, name in COLUMNS.items()}
        lines.append(line | {"BG-gap": found["bg-gap"]})
    return pd.DataFrame(lines)


def methods_of(rows: pd.DataFrame) -> list[str]:
    """Methods that have rows, in the order of the parameters."""
    return [method for method in IMAGENET_METHODS if method in set(rows["method"])]


def gap_plot(rows: pd.DataFrame) -> Figures:
    """The deciding figure: the background gap by training data, ours in the toy world, published ones on ImageNet-9.

    rows: experiment imagenet-background. Two worlds, two panels, each with its own scale.
    """
    theirs = published_gaps()
    shown = methods_of(rows)
    titles = ("Toy world (ours)", "ImageNet-9 (published)")
    gaps = {method: bounded(rows, method, "bg-gap") for method in shown}

    def draw(ax: Axes, index: int) -> None:
        for y, method in enumerate(shown):
            if index == 0:
                gap, colour = gaps[method], COLOURS[method]
                seeds = [float(value) for value in select(rows, method=method, metric="bg-gap")["value"]]
                ax.plot([gap.low, gap.high], [y, y], color=colour, lw=2.4, solid_capstyle="butt", zorder=3)
                if len(seeds) > 1:
                    ax.plot(seeds, [y] * len(seeds), "o", ms=3.2, mfc="white", mec=colour, mew=0.9, zorder=4)
                ax.plot(gap.value, y, "o", ms=6.5, color=colour, mec="white", mew=0.8, zorder=5)
                continue
            for line in theirs.loc[theirs["method"] == method].to_dict("records"):
                hue, mark = SOURCE_MARKS[line["source"]]
                size, edge = (11, 2.2) if mark == "|" else (6, 0)
                ax.plot(line["BG-gap"], y, mark, ms=size, color=hue, mew=edge, zorder=4)
        ax.axvline(0, color="#B9BEC5", lw=1, zorder=1)
        ax.set(title=titles[index], ylim=(len(shown) - 0.5, -0.6))
        ax.set_xlim(min(-1.0, ax.get_xlim()[0]), 12 if index else None)
        ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        ax.set_yticks(range(len(shown)), [LABELS[method] for method in shown])
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="x")
        ax.spines["left"].set_visible(False)

    legend = [Line2D([], [], color=INK, marker="o", ms=6, lw=2.4, label="ours, 95 % interval")]
    if any(len(select(rows, method=method, metric="bg-gap")) > 1 for method in shown):
        legend.append(Line2D([], [], color=INK, marker="o", ms=3.5, mfc="white", lw=0, label="one seed"))
    for source in dict.fromkeys(theirs.loc[theirs["method"].isin(shown), "source"]):
        hue, mark = SOURCE_MARKS[source]
        size, edge = (8, 1.8) if mark == "|" else (5, 0)
        legend.append(Line2D([], [], color=hue, marker=mark, ms=size, mew=edge, lw=0, label=source))
    xlabel = "background gap (points)"
    smoke = "smoke" in set(rows["profile"])
    return trellis(draw, 2, height=80 + 34 * len(shown), share_y=True, xlabel=xlabel, legend=legend, smoke=smoke)


def table_5(rows: pd.DataFrame, output: str = "", at: str = "") -> pd.DataFrame:
    """Table 5 from rows of one data set, a line per method; numbers with their intervals, as strings.

    output: "" for the heads that are read as published, "/avg" for all heads; at: "" for the last epoch, or "/best".
    """
    lines = []
    for method in methods_of(rows):
        line: dict[str, object] = {"training data": LABELS[method]}
        for name in GAP_SETS:
            found = select(rows, method=method, metric=f"accuracy/{name}{output}{at}")
            if len(found):
                line[name.replace("original", "original images")] = interval_of(found).text()
        for metric, name in (("bg-gap", "BG-gap"), ("bg-gap/change", "change")):
            there = len(select(rows, method=method, metric=f"{metric}{output}{at}")) > 0
            line[name] = _with_bounds(rows, method, metric, f"{output}{at}").text() if there else "–"
        images = [int(n) for n in select(rows, method=method, metric="bg-gap")["n"]]
        lines.append(line | {"n": min(images), "seeds": len(images)})
    return pd.DataFrame(lines)


def _with_bounds(rows: pd.DataFrame, method: str, metric: str, end: str) -> Interval:
    """`verdicts.bounded` of a metric that is read at `end`: "/avg", "/best", both, or ""."""
    plain = {f"{metric}{bound}{end}": f"{metric}{bound}" for bound in ("", "/low", "/high")}
    own = rows.loc[rows["metric"].isin(list(plain))]
    return bounded(own.assign(metric=[plain[each] for each in own["metric"]]), method, metric)


def table_7(rows: pd.DataFrame) -> pd.DataFrame:
    """Table 7 of the toy world at the best epoch, as published, a line per learning rate and CF ratio, as strings.

    Raises ResultsError where a cell has rows of two settings.
    """
    lines = []
    for rate in GRID_RATES:
        for ratio in GRID_RATIOS:
            cell = select(rows, lr=rate, cf_ratio=ratio)
            if cell.empty:
                continue
            method = str(cell["method"].iloc[0])
            line: dict[str, object] = {"learning rate": rate, "CF ratio": ratio, "training data": LABELS[method]}
            line["BG-gap"] = _with_bounds(cell, method, "bg-gap", "/best").text()
            line["BG-gap, last epoch"] = _with_bounds(cell, method, "bg-gap", "").text()
            for metric, name in COLUMNS.items():
                line[name] = interval_of(select(cell, metric=f"{metric}/best")).text()
            epochs = [str(int(epoch)) for epoch in select(cell, metric="epoch")["value"]]
            lines.append(line | {"best epoch": ", ".join(epochs)})
    return pd.DataFrame(lines)


def published_table_7() -> pd.DataFrame:
    """Table 7 as the seed prints it."""
    lines = []
    for row, cells in published("imagenet-hyperparameters").groupby("row", sort=False):
        found = dict(zip(cells["metric"], cells["value"], strict=True))
        params = json.loads(cells["params"].iloc[0])
        line = {"learning rate": params.get("lr", math.nan), "CF ratio": params["cf_ratio"], "row": row}
        line |= {name: found[metric] for metric, name in COLUMNS.items()}
        lines.append(line | {"BG-gap": found["bg-gap"], "best epoch": int(found["epoch"])})
    return pd.DataFrame(lines)


# What of a CGN may keep the gap open, and where it stands in rows of imagenet-control.
REASONS = {
    "oracle finds the requested shape (%)": ("control/shape/shape", "oracle/shape"),
    "oracle finds the requested texture (%)": ("control/foreground/foreground", "oracle/foreground"),
    "oracle finds the requested background (%)": ("control/background/background", "oracle/background"),
    "mask IoU with the true object": ("iou/true/free", ""),
    "object left in backgrounds, share of image": ("residue/mean", ""),
    "backgrounds that show their class's object (%)": ("legible/background", ""),
    "foregrounds that show their class's scene (%)": ("entangled/foreground", ""),
    "distance to images with free factors (FID)": ("fid/free", ""),
}


def reasons_table(control: pd.DataFrame) -> pd.DataFrame:
    """How good the counterfactuals are, from rows of imagenet-control: the CGN's, and the same of rendered images."""
    lines = []
    for name, (metric, ceiling) in REASONS.items():
        ours = select(control, method="cgn", metric=metric)
        ideal = select(control, method="cgn" if ceiling else "real", metric=ceiling or metric)
        if len(ours):
            number = sum(ideal["value"]) / len(ideal) if len(ideal) else math.nan
            lines.append({"of the counterfactuals": name, "CGN": sum(ours["value"]) / len(ours), "rendered": number})
    return pd.DataFrame(lines)


def training_images(study: ClassifierStudy, methods: Sequence[str], n: int = 8) -> tuple[Tensor, list[str]]:
    """The first images that each method trains on, (methods, n, 3, 64, 64) uint8, and what they are called."""
    found = []
    for method in methods:
        generated = study.generated(method)
        found.append((study.real if generated is None else generated.images).images[:n])
    return torch.stack(found), [LABELS[method].removeprefix("original + ") for method in methods]


def set_images(study: ClassifierStudy, n: int = 8) -> tuple[Tensor, list[str]]:
    """The first images of each test set, (sets, n, 3, 64, 64) uint8, and their names."""
    return torch.stack([study.test_set(name).images[:n] for name in GAP_SETS]), list(GAP_SETS)
