"""The figures of Table 4: shape bias by category as the field draws it, and one value per head."""

import json
from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from cgnlib.plotting import ACCENT, INK, LIGHT, SOURCE_MARKS, Figures, trellis
from cgnlib.results import interval_of, select
from cgnlib.statistics import Interval

_HUES = ("#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00")  # of published networks
_CHANCE = {"color": "#B9BEC5", "lw": 1, "ls": (0, (4, 3)), "zorder": 1}
_PREPROCESSING = {"lite": "its own normalisation", "imagenet": "ImageNet's normalisation"}


def shape_bias_plot(rows: pd.DataFrame, categories: Sequence[str], published: Mapping[str, float]) -> Figures:
    """Share of shape decisions by category, from all texture (left) to all shape (right), as the field draws it.

    rows: metrics "shape-bias" and "shape-bias/category/<name>" of one network, a mark for each of its preprocessings
    (params "normalisation", "enlarge"); a bar is the 95 % interval of the first. published: shape bias of others.
    """
    params = [json.loads(text) for text in rows["params"]]
    kinds = list(dict.fromkeys((p["normalisation"], p["enlarge"]) for p in params))
    kinds.sort(key=lambda kind: (kind[0] != "lite", kind[0], kind[1]))
    names = [*categories, ""]
    marks = [("o", INK, INK), ("o", "white", INK), ("s", ACCENT, ACCENT), ("s", "white", ACCENT)]  # mark, inside, edge

    def draw(ax: Axes, index: int) -> None:
        for value, hue in zip(published.values(), _HUES, strict=False):
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
    legend += [Line2D([], [], color=hue, lw=1.4, label=name) for name, hue in zip(published, _HUES, strict=False)]
    smoke, xlabel = "smoke" in set(rows["profile"]), "decisions for the shape, of those for shape or texture (%)"
    return trellis(draw, 1, height=430, phone_height=430, xlabel=xlabel, legend=legend, smoke=smoke)


def _words(kind: tuple[str, bool]) -> str:
    normalisation, enlarged = kind
    return _PREPROCESSING.get(normalisation, normalisation) + (", enlarged" if enlarged else "")


def heads_plot(
    lines: Mapping[str, Interval],
    colours: Mapping[str, str],
    published: Mapping[str, Mapping[str, float]],
    *,
    xlabel: str,
    reference: float | None = None,
    smoke: bool = False,
) -> Figures:
    """One value with its interval per line, published values as ticks above it (per source, by line).

    colours: per line; reference: a light line, e.g. chance.
    """
    names = list(lines)
    sources = [source for source in published if any(name in lines for name in published[source])]

    def draw(ax: Axes, index: int) -> None:
        if reference is not None:
            ax.axvline(reference, **_CHANCE)
        for y, (name, between) in enumerate(lines.items()):
            colour = colours.get(name, INK)
            ax.plot([between.low, between.high], [y, y], color=colour, lw=2.4, solid_capstyle="butt", zorder=3)
            ax.plot(between.value, y, "o", ms=6.5, color=colour, mec="white", mew=0.8, zorder=5)
            for source in sources:
                if name in published[source]:
                    hue, mark = SOURCE_MARKS[source]
                    size, edge = (9, 1.8) if mark == "|" else (4.6, 0)
                    value = published[source][name]
                    ax.plot(value, y - 0.3, mark, ms=size, color=hue, mew=edge, zorder=4, clip_on=False)
        ax.set(ylim=(len(names) - 0.45, -0.7), xlim=(-3, 103))
        ax.set_yticks(range(len(names)), names)
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="x")
        ax.spines["left"].set_visible(False)

    legend = [Line2D([], [], color=INK, marker="o", ms=6, lw=2.4, label="ours (toy world), 95 % interval")]
    for source in sources:
        hue, mark = SOURCE_MARKS[source]
        size, edge = (8, 1.8) if mark == "|" else (5, 0)
        legend.append(Line2D([], [], color=hue, marker=mark, ms=size, mew=edge, lw=0, label=f"{source} (ImageNet)"))
    return trellis(draw, 1, height=84 + 36 * len(names), xlabel=xlabel, legend=legend, smoke=smoke)
