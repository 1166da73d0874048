"""The figures of Table 4: shape bias by category as the field draws it, and one value per head."""

import json
from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from cgnlib.imagenet.cue_conflict import EXPERIMENT
from cgnlib.imagenet.invariant import HEADS
from cgnlib.imagenet.table5_figures import LABELS, methods_of
from cgnlib.plotting import FACTOR_COLOURS, INK, LIGHT, NEUTRAL, SOURCE_MARKS, Figures, trellis
from cgnlib.results import SOURCES, interval_of, published, select, summarise

LINES = {("original", "shape-bias"): ("original", NEUTRAL)} | {
    (method, f"shape-bias/{head}"): (f"{LABELS[method]}, {head} head", FACTOR_COLOURS[factor])
    for method in ("original+cgn", "original+oracle")
    for head, factor in zip(HEADS, FACTOR_COLOURS, strict=True)
}
_HUES = ("#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00")  # of published networks
_CHANCE = {"color": "#B9BEC5", "lw": 1, "ls": (0, (4, 3)), "zorder": 1}
_PREPROCESSING = {"lite": "own normalisation", "imagenet": "ImageNet's"}


def shape_bias_plot(rows: pd.DataFrame, categories: Sequence[str], others: Mapping[str, float]) -> Figures:
    """Share of shape decisions by category, from all texture (left) to all shape (right), as the field draws it.

    rows: metrics "shape-bias" and "shape-bias/category/<name>" of one network, a mark for each of its preprocessings
    (params "normalisation", "enlarge"); a bar is the 95 % interval of the first. others: shape bias of other networks.
    """
    params = [json.loads(text) for text in rows["params"]]
    kinds = list(dict.fromkeys((p["normalisation"], p["enlarge"]) for p in params))
    kinds.sort(key=lambda kind: (kind[0] != "lite", kind[0], kind[1]))
    names = [*categories, ""]
    marks = [
        ("o", INK, INK),
        ("o", "white", INK),
        ("s", NEUTRAL, NEUTRAL),
        ("s", "white", NEUTRAL),
    ]  # mark, inside, edge

    def draw(ax: Axes, index: int) -> None:
        for value, hue in zip(others.values(), _HUES, strict=False):
            ax.axvline(value, color=hue, lw=1.4, zorder=1)
        for place, ((normalisation, enlarge), (mark, inside, edge)) in enumerate(zip(kinds, marks, strict=False)):
            same = select(rows, normalisation=normalisation, enlarge=enlarge)
            for y, name in enumerate(names):
                found = select(same, metric=f"shape-bias/category/{name}" if name else "shape-bias")
                if found.empty:
                    continue  # no decision for a cue: no share
                y += 0.16 * (place - 1.5)
                between = interval_of(found)
                if place == 0:
                    ax.plot([between.low, between.high], [y, y], color=INK, lw=1.2, zorder=2)
                ax.plot(between.value, y, mark, ms=5 if name else 7, mfc=inside, mec=edge, mew=1, zorder=4)
        ax.axhline(len(categories) - 0.5, color=LIGHT, lw=0.8)
        ax.axvline(50, **_CHANCE)
        ax.set(xlim=(-2, 102), ylim=(len(names) - 0.4, -0.6))
        ax.set_yticks(range(len(names)), [*categories, "all"])
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="x")
        ax.spines["left"].set_visible(False)

    legend = [
        Line2D([], [], marker=mark, mfc=inside, mec=edge, lw=0, ms=5, label=_words(kind))
        for kind, (mark, inside, edge) in zip(kinds, marks, strict=False)
    ]
    legend += [Line2D([], [], color=hue, lw=1.4, label=name) for name, hue in zip(others, _HUES, strict=False)]
    smoke, xlabel = "smoke" in set(rows["profile"]), "shape bias (%)"
    return trellis(draw, 1, height=430, phone_height=430, xlabel=xlabel, legend=legend, smoke=smoke)


def _words(kind: tuple[str, bool]) -> str:
    normalisation, enlarged = kind
    return _PREPROCESSING.get(normalisation, normalisation) + (", enlarged" if enlarged else "")


def preprocessing_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Shape bias of a network with its interval and both counts, a line per preprocessing, as strings."""
    lines = []
    for line in select(rows, metric="shape-bias").to_dict("records"):
        same = select(rows, params=line["params"])
        params = json.loads(str(line["params"]))
        counts = {cue: int(select(same, metric=f"decisions/{cue}")["value"].iloc[0]) for cue in ("shape", "texture")}
        shown = {"preprocessing": _words((params["normalisation"], params["enlarge"]))}
        shown |= {f"for the {cue}": str(count) for cue, count in counts.items()}
        lines.append(shown | {"shape bias, %": interval_of(select(same, metric="shape-bias")).text()})
    return pd.DataFrame(lines)


def heads_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Shape bias of each output with its interval and both counts (over all seeds), as strings.

    rows: metrics "decided" and "shape-bias" of all heads together and, with "/<head>", of each; of one data set.
    """
    lines = []
    for method in methods_of(rows):
        for output, suffix in (("all together", ""), *((head, f"/{head}") for head in HEADS)):
            shown = select(rows, method=method, metric=f"decided{suffix}")
            if shown.empty:
                continue
            found = select(rows, method=method, metric=f"shape-bias{suffix}")  # none where nothing was decided
            decided = sum(int(n) for n in found["n"])
            shape = sum(round(line["value"] / 100 * line["n"]) for line in found.to_dict("records"))
            line = {"trained on": LABELS[method], "head": output}
            line |= {"for the shape": f"{shape:,}", "for the texture": f"{decided - shape:,}"}
            line |= {"bias [95 %]": interval_of(found).text() if decided else "–"}
            images = sum(int(n) for n in shown["n"])
            lines.append(line | {"images": f"{images:,}", "seeds": str(len(shown))})
    return pd.DataFrame(lines)


def metrics_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Each method's metrics with their intervals, a column per metric, as strings. rows: of one experiment."""
    wide = summarise(rows)
    cells = [f"{line['mean']:.1f} [{line['low']:.1f}, {line['high']:.1f}]" for line in wide.to_dict("records")]
    lines = []
    for method in methods_of(rows):
        own = wide["method"] == method
        shown = {metric: text for metric, text, mine in zip(wide["metric"], cells, own, strict=True) if mine}
        numbers = {"n": int(wide.loc[own, "n"].min()), "seeds": int(wide.loc[own, "seeds"].max())}
        lines.append({"trained on": LABELS[method]} | shown | numbers)
    return pd.DataFrame(lines)


def heads_plot(rows: pd.DataFrame) -> Figures:
    """Shape bias of the classifier without counterfactuals, and of each head with them; published values above.

    rows: metrics "shape-bias" (original) and "shape-bias/<head>" (LINES), methods of the toy world's Table 4.
    """
    theirs = select(published(EXPERIMENT), dataset="cue-conflict", source=list(SOURCES))
    lines, printed, colours = {}, {}, {}
    for (method, metric), (label, colour) in LINES.items():
        found = select(rows, method=method, metric=metric)
        if len(found):
            lines[label], colours[label] = interval_of(found), colour
            same = select(theirs, method=method, metric=metric).to_dict("records")
            printed[label] = {str(line["source"]): float(line["value"]) for line in same}
    sources = [source for source in SOURCES if any(source in values for values in printed.values())]

    def draw(ax: Axes, index: int) -> None:
        ax.axvline(50, **_CHANCE)
        for y, (label, between) in enumerate(lines.items()):
            colour = colours[label]
            ax.plot([between.low, between.high], [y, y], color=colour, lw=2.4, solid_capstyle="butt", zorder=3)
            ax.plot(between.value, y, "o", ms=6.5, color=colour, mec="white", mew=0.8, zorder=5)
            for source, value in printed[label].items():
                hue, mark = SOURCE_MARKS[source]
                size, edge = (9, 1.8) if mark == "|" else (4.6, 0)
                ax.plot(value, y - 0.3, mark, ms=size, color=hue, mew=edge, zorder=4, clip_on=False)
        ax.set(ylim=(len(lines) - 0.45, -0.7), xlim=(-3, 103))
        ax.set_yticks(range(len(lines)), list(lines))
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="x")
        ax.spines["left"].set_visible(False)

    legend = [Line2D([], [], color=INK, marker="o", ms=6, lw=2.4, label="ours (toy world), 95 % interval")]
    for source in sources:
        hue, mark = SOURCE_MARKS[source]
        size, edge = (8, 1.8) if mark == "|" else (5, 0)
        legend.append(Line2D([], [], color=hue, marker=mark, ms=size, mew=edge, lw=0, label=f"{source} (photographs)"))
    smoke, xlabel = "smoke" in set(rows["profile"]), "shape bias (%)"
    return trellis(draw, 1, height=84 + 34 * len(lines), xlabel=xlabel, legend=legend, smoke=smoke)
