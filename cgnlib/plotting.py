"""One style for every figure of the report.

Each plot comes in two layouts, for a desktop page and for a phone (`Figures`); `show` puts both into the notebook as
one picture with alt text, caption and label, and `apply_captions` hands caption and label to the book. Lines are SVG,
images PNG with crisp pixels; backgrounds are opaque white, so dark mode does not break them.
"""

import base64
import html
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from cgnlib.paths import atomic_file
from cgnlib.results import SOURCES, beside_published, interval_of, select, split_seeds
from cgnlib.verdicts import FACTORS, Finding

# Okabe and Ito's palette where hues carry meaning: told apart with every common colour blindness.
FACTOR_COLOURS = {"shape": "#0072B2", "foreground": "#D55E00", "background": "#009E73"}
FACTOR_LABELS = {"shape": "shape", "foreground": "texture", "background": "background"}
NEUTRAL, LIGHT, INK, ACCENT = "#6B7280", "#D5D8DD", "#1F2328", "#AA3377"
METHOD_COLOURS = {
    "original": NEUTRAL,
    "gan": "#8C7A5B",
    "original+gan": "#8C7A5B",
    "cgn-tied": "#C99BB5",
    "original+cgn-tied": "#C99BB5",
    "cgn": ACCENT,
    "original+cgn": ACCENT,
    "oracle": INK,
}
METHOD_LABELS = {
    "original": "original",
    "gan": "GAN",
    "original+gan": "original + GAN",
    "cgn-tied": "CGN, tied labels",
    "original+cgn-tied": "original + CGN, tied",
    "cgn": "CGN",
    "original+cgn": "original + CGN",
    "oracle": "oracle",
}
RECIPE_LABELS = {
    "authors": "authors' weights",
    "robust": "our recipe",
    "paper": "paper's recipe",
    "no-penalty": "ours, no gradient penalty",
    "no-averaging": "ours, no averaged weights",
    "constant-rate": "ours, constant learning rate",
    "small-batch": "ours, batch of 16",
    "published-rates": "ours, published rates",
    "published-start": "ours, published start",
}
SOURCE_MARKS = {"SG21": ("#E69F00", "v"), "seed": ("#000000", "|"), "Re-CGN": ("#56B4E9", "D")}
VARIANT_LABELS = {"colored": "Colored", "double-colored": "Double-colored", "wildlife": "Wildlife"}
GENERATOR_LABELS = {  # rows of Table 3 and of its ablations
    "real": "real images",
    "biggan": "BigGAN (teacher)",
    "cgn": "CGN",
    "cgn-without-shape": "CGN − shape",
    "cgn-without-texture": "CGN − text",
    "cgn-without-background": "CGN − bg",
    "cgn-without-reconstruction": "CGN − rec",
    "cgn-fill": "CGN, texture filled",
}
QUALITY_METRICS = ("control/shape/shape", "accuracy/dev/last")  # of masks, and of what is learnt from the images
SMOKE_TEXT = "smoke scale: numbers mean nothing"

DESKTOP_PX, PHONE_PX = 720, 350  # widths of the text column, in CSS pixels
LETTER_PX, LEGEND_PX = 6, 36  # of a legend's entry: a letter, and what stands beside the text
CSS_DPI = 96
_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#9AA0A6",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "text.color": INK,
    "xtick.color": "#4B5157",
    "ytick.color": "#4B5157",
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 9.5,
    "grid.color": "#ECEEF0",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.6,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "none",
    "svg.hashsalt": "cgn-report",
}
# The page's own typeface: text in an SVG is laid out with DejaVu, which is wider, and drawn with what the page uses.
_PAGE_FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'Liberation Sans', sans-serif"


def style() -> AbstractContextManager[None]:
    """The report's look, for figures drawn outside this module: `with style(): ...`."""
    return matplotlib.rc_context(_STYLE)


@dataclass(frozen=True)
class Figures:
    """One plot in two layouts. kind: "svg" for lines, "png" for images."""

    desktop: Figure
    phone: Figure
    kind: str = "svg"

    def data(self, figure: Figure) -> bytes:
        """The figure's file."""
        stream = io.BytesIO()
        with style():
            if self.kind == "png":
                figure.savefig(stream, format="png", dpi=figure.dpi, metadata={"Software": None})
                return stream.getvalue()
            figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
        return stream.getvalue().replace(b"'DejaVu Sans'", _PAGE_FONTS.encode())

    def save(self, path: str | Path) -> Path:
        """Write the desktop layout to `path`, its suffix replaced by .svg or .png."""
        path = Path(path).with_suffix(f".{self.kind}")
        with atomic_file(path) as partial:
            partial.write_bytes(self.data(self.desktop))
        return path

    def html(self, alt: str) -> str:
        """A picture element that holds both layouts and needs no other file."""
        mime = "image/svg+xml" if self.kind == "svg" else "image/png"
        wide, narrow = (
            f"data:{mime};base64,{base64.b64encode(self.data(figure)).decode()}"
            for figure in (self.desktop, self.phone)
        )
        width = round(self.desktop.get_figwidth() * CSS_DPI)
        look = f"width:{width}px;max-width:100%;height:auto;background:#fff"
        return (
            f'<picture class="cgn-figure"><source media="(max-width: 600px)" srcset="{narrow}">'
            f'<img src="{wide}" alt="{html.escape(alt)}" style="{look}"></picture>'
        )


def show(figures: Figures, *, alt: str, caption: str = "", label: str = "") -> None:
    """Show a plot in a notebook cell, one per cell.

    alt: what the picture shows, for readers who cannot see it. caption (MyST text) and label (for `{numref}`) become
    those of a numbered figure in the book (`apply_captions`). Raises ValueError for an empty alt text.
    """
    if not alt.strip():
        raise ValueError("show: every figure needs an alt text")
    from IPython.display import display

    bundle = {"text/html": figures.html(alt), "text/plain": f"[figure: {alt}]"}
    display(bundle, raw=True, metadata={"cgnlib": {"caption": caption, "label": label}})


def apply_captions(notebook: dict[str, Any]) -> int:
    """Move captions and labels that `show` left in outputs to the cells, where myst-nb looks for them.

    Changes the (executed) notebook in place; returns the number of captions. Raises ValueError for a captioned figure
    that shares its cell with another output: the book would put the caption and the label under both.
    """
    count = 0
    for index, cell in enumerate(notebook["cells"]):
        shown = [output for output in cell.get("outputs", ()) if output["output_type"] != "stream"]
        notes = [output.get("metadata", {}).get("cgnlib") for output in shown]
        notes = [note for note in notes if note and note.get("caption")]
        if notes and len(shown) > 1:
            raise ValueError(f"cell {index} shows a captioned figure and more; give the figure its own cell")
        for note in notes:
            figure = {"caption": note["caption"]} | ({"name": note["label"]} if note.get("label") else {})
            cell["metadata"].setdefault("mystnb", {})["figure"] = figure
            count += 1
    return count


def trellis(
    draw: Callable[[Axes, int], None],
    count: int,
    *,
    height: float = 240,
    phone_height: float | None = None,
    columns: int | None = None,
    share_y: bool = False,
    xlabel: str = "",
    legend: Sequence[Any] = (),
    smoke: bool = False,
) -> Figures:
    """`draw(ax, index)` for each of `count` panels: side by side on a desktop page, one below the other on a phone.

    columns: panels in a row of the desktop page, by default all. Heights are per panel in CSS pixels; xlabel: one for
    all panels; legend: handles, set below; smoke: watermark.
    """
    with style():
        made = []
        for phone in (False, True):
            across = 1 if phone else columns or count
            rows = math.ceil(count / across)
            pixels = (phone_height or height) if phone else height
            width = PHONE_PX if phone else DESKTOP_PX
            longest = max((len(handle.get_label()) for handle in legend), default=1)
            legend_columns = max(1, min(2 if phone else 5, width // (LEGEND_PX + LETTER_PX * longest)))
            below = 21 * math.ceil(len(legend) / legend_columns) + 8 if legend else 0
            size = (width, pixels * rows + below)
            layout = ConstrainedLayoutEngine(w_pad=0.07)
            figure = Figure(figsize=(size[0] / CSS_DPI, size[1] / CSS_DPI), layout=layout)
            panels = figure.subplots(rows, across, squeeze=False, sharey=share_y and not phone)
            for index, ax in enumerate(panels.flat):
                if index < count:
                    draw(ax, index)
                else:
                    ax.set_axis_off()
            if phone:
                panels[-1, 0].set_xlabel(xlabel, x=1, ha="right")  # may be longer than the panel
            else:
                panels[-1, (count - 1) % across // 2 if rows > 1 else count // 2].set_xlabel(xlabel)
            if legend:
                # Matplotlib fills column by column; readers read row by row.
                n = min(legend_columns, len(legend))
                ordered = [handle for column in range(n) for handle in legend[column::n]]
                place = {"loc": "outside lower center", "borderaxespad": 0.3}
                figure.legend(handles=ordered, ncols=n, handletextpad=0.4, columnspacing=1.2, **place)
            if smoke:
                watermark(figure)
            made.append(figure)
    return Figures(*made)


def watermark(figure: Figure) -> None:
    """Mark a figure whose numbers mean nothing."""
    tall = figure.get_figheight() > figure.get_figwidth()
    turn, size = (55, 14.0) if tall else (18, min(17.0, 3.1 * figure.get_figwidth()))
    look = {"color": "#C62828", "alpha": 0.32, "weight": "bold", "zorder": 100}
    figure.text(0.5, 0.5, SMOKE_TEXT, ha="center", va="center", rotation=turn, fontsize=size, **look)


def dot_plot(
    rows: pd.DataFrame,
    *,
    sources: Sequence[str] = SOURCES,
    variants: Sequence[str] = tuple(VARIANT_LABELS),
    xlabel: str = "accuracy on free-factor test images (%)",
    limits: tuple[float, float] = (0, 100),
    chance: float | None = 10.0,
    oracle: str = "oracle (ceiling)",
) -> Figures:
    """The deciding figure of a claim: a line per method, a panel per variant, published values above ours.

    rows: result rows of one metric. Seeds are points, a bar is the interval, a large dot the mean; the method `oracle`
    becomes a line, with `oracle` as its name in the legend. Raises ValueError when rows hold several metrics or none.
    """
    if len(set(rows["metric"])) != 1:
        raise ValueError(f"dot_plot needs rows of one metric, got {sorted(set(rows['metric']))}")
    shown = [v for v in variants if v in set(rows["dataset"])]
    wide = beside_published(rows, sources)
    records = [line for line in wide.to_dict("records") if line["method"] != "oracle"]
    order = {method: place for place, method in enumerate(METHOD_LABELS)}
    lines = sorted({(str(r["method"]), str(r["recipe"])) for r in records}, key=lambda k: (order.get(k[0], 99), k[1]))
    several = len({recipe for _, recipe in lines if recipe != "-"}) > 1
    labels = [
        METHOD_LABELS.get(method, method)
        + (f"\n{RECIPE_LABELS.get(recipe, recipe)}" if several and recipe != "-" else "")
        for method, recipe in lines
    ]
    ceiling = {v: select(rows, dataset=v, method="oracle") for v in shown}

    def draw(ax: Axes, index: int) -> None:
        variant = shown[index]
        if chance is not None:
            ax.axvline(chance, color="#B9BEC5", lw=1, ls=(0, (4, 3)), zorder=1)
        if len(ceiling[variant]):
            ax.axvline(interval_of(ceiling[variant]).value, color="#B9BEC5", lw=1, ls=(0, (1, 1.5)), zorder=1)
        for line in records:
            if line["dataset"] != variant:
                continue
            y = lines.index((line["method"], line["recipe"]))
            colour = METHOD_COLOURS.get(line["method"], INK)
            ax.plot([line["low"], line["high"]], [y, y], color=colour, lw=2.4, solid_capstyle="butt", zorder=3)
            same = select(rows, dataset=variant, method=line["method"], recipe=line["recipe"])
            points = [r for r in same.to_dict("records") if split_seeds(r["params"])[0] == line["params"]]
            if len(points) > 1:
                values = [p["value"] for p in points]
                ax.plot(values, [y] * len(values), "o", ms=3.2, mfc="white", mec=colour, mew=0.9, zorder=4)
            ax.plot(line["mean"], y, "o", ms=6.5, color=colour, mec="white", mew=0.8, zorder=5)
            for source in sources:
                if not math.isnan(line[source]):
                    hue, mark = SOURCE_MARKS[source]
                    size, edge = (9, 1.8) if mark == "|" else (4.6, 0)
                    ax.plot(line[source], y - 0.3, mark, ms=size, color=hue, mew=edge, zorder=4, clip_on=False)
        pad = 0.03 * (limits[1] - limits[0])
        ax.set(title=VARIANT_LABELS.get(variant, variant), ylim=(len(lines) - 0.45, -0.7))
        ax.set_xlim(limits[0] - pad, limits[1] + pad)
        ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        ax.set_yticks(range(len(lines)), labels)
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="x")
        ax.spines["left"].set_visible(False)

    legend = [Line2D([], [], color=INK, marker="o", ms=6, lw=2.4, label="ours, 95 % interval")]
    if any(int(line["seeds"]) > 1 for line in records):
        legend.append(Line2D([], [], color=INK, marker="o", ms=3.5, mfc="white", lw=0, label="one seed"))
    for source in sources:
        if not all(math.isnan(line[source]) for line in records):
            hue, mark = SOURCE_MARKS[source]
            size, edge = (8, 1.8) if mark == "|" else (5, 0)
            legend.append(Line2D([], [], color=hue, marker=mark, ms=size, mew=edge, lw=0, label=source))
    if chance is not None:
        legend.append(Line2D([], [], color="#B9BEC5", lw=1.2, ls=(0, (4, 3)), label="chance"))
    if any(len(frame) for frame in ceiling.values()):
        legend.append(Line2D([], [], color="#9AA0A6", lw=1.2, ls=(0, (1, 1.5)), label=oracle))
    height = 84 + (40 if several else 32) * len(lines)
    smoke = "smoke" in set(rows["profile"])
    return trellis(draw, len(shown), height=height, share_y=True, xlabel=xlabel, legend=legend, smoke=smoke)


def ratio_plot(rows: pd.DataFrame, *, variants: Sequence[str] = tuple(VARIANT_LABELS)) -> Figures:
    """Accuracy against CF ratio, a line per data set size, a panel per variant, each with its own y axis.

    rows: one metric; params hold "cf_ratio" and "generated" (images). Bars are 95 % intervals.
    """
    shown = [v for v in variants if v in set(rows["dataset"])]
    params = [json.loads(text) for text in rows["params"]]
    sizes = sorted({p["generated"] for p in params})
    ratios = sorted({p["cf_ratio"] for p in params})
    shades = sns.blend_palette(["#CE8EB4", ACCENT, "#6B2347"], len(sizes))

    def draw(ax: Axes, index: int) -> None:
        for size, colour, mark in zip(sizes, shades, "osD^v" * len(sizes), strict=False):
            groups = [(r, select(rows, dataset=shown[index], cf_ratio=r, generated=size)) for r in ratios]
            found = [(ratio, interval_of(group)) for ratio, group in groups if len(group)]
            x = [ratios.index(ratio) for ratio, _ in found]
            y = [i.value for _, i in found]
            spread = [[i.value - i.low for _, i in found], [i.high - i.value for _, i in found]]
            ax.errorbar(x, y, yerr=spread, color=colour, marker=mark, ms=5, lw=1.6, elinewidth=1.2)
        ax.set(title=VARIANT_LABELS.get(shown[index], shown[index]), xlim=(-0.3, len(ratios) - 0.7))
        ax.set_xticks(range(len(ratios)), [str(r) for r in ratios])
        ax.set_ylabel("test accuracy (%)" if index == 0 else "")
        ax.grid(axis="y")

    legend = [
        Line2D([], [], color=colour, marker=mark, ms=5, label=f"{size:,} counterfactuals")
        for size, colour, mark in zip(sizes, shades, "osD^v" * len(sizes), strict=False)
    ]
    smoke, xlabel = "smoke" in set(rows["profile"]), "CF ratio: counterfactuals per mask"
    return trellis(draw, len(shown), height=240, xlabel=xlabel, legend=legend, smoke=smoke)


def margin_plot(
    findings: Mapping[str, Sequence[Finding]], margin: float, published: Mapping[str, float], *, smoke: bool = False
) -> Figures:
    """Changes of accuracy in points with their intervals, a panel per variant, against the margin below zero.

    findings: per label (e.g. "our recipe") the findings of a verdict; published: the seed's change per variant.
    """
    shown = list(dict.fromkeys(f.variant for found in findings.values() for f in found if f.interval))
    ends = [e for found in findings.values() for f in found if f.interval for e in (f.interval.low, f.interval.high)]
    low, high = min([-2 * margin, *ends, *published.values()]), max([margin, *ends, *published.values()])
    hue, mark = SOURCE_MARKS["seed"]

    def draw(ax: Axes, index: int) -> None:
        ax.axvspan(-margin, high + 0.5, color="#E7F3EE", zorder=0)
        ax.axvline(-margin, color="#0B6E4F", lw=1.2, ls=(0, (4, 3)), zorder=1)
        ax.axvline(0, color="#B9BEC5", lw=1, zorder=1)
        for y, found in enumerate(findings.values()):
            for finding in found:
                if finding.variant == shown[index] and finding.interval:
                    ends = [finding.interval.low, finding.interval.high]
                    ax.plot(ends, [y, y], color=ACCENT, lw=2.4, solid_capstyle="butt", zorder=3)
                    ax.plot(finding.interval.value, y, "o", ms=6.5, color=ACCENT, mec="white", mew=0.8, zorder=4)
        if shown[index] in published:
            ax.plot(published[shown[index]], -0.35, mark, ms=9, color=hue, mew=1.8, zorder=4, clip_on=False)
        ax.set(title=VARIANT_LABELS.get(shown[index], shown[index]), ylim=(len(findings) - 0.5, -0.7))
        ax.set_xlim(low - 0.5, high + 0.5)
        ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        ax.set_yticks(range(len(findings)), list(findings))
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="x")
        ax.spines["left"].set_visible(False)

    legend = [
        Line2D([], [], color=ACCENT, marker="o", ms=6, lw=2.4, label="ours, 95 % interval"),
        Line2D([], [], color=hue, marker=mark, ms=8, mew=1.8, lw=0, label="seed, Table 1"),
        Line2D([], [], color="#0B6E4F", lw=1.2, ls=(0, (4, 3)), label=f"margin: −{margin:g} points"),
    ]
    xlabel = "change of in-domain accuracy (points)"
    height = 100 + 36 * len(findings)
    return trellis(draw, len(shown), height=height, share_y=True, xlabel=xlabel, legend=legend, smoke=smoke)


def loss_curves(log: pd.DataFrame, *, smoke: bool = False) -> Figures:
    """Every column of a training log against its column "step", three panels in a row."""
    terms = [name for name in log.columns if name != "step"]

    def draw(ax: Axes, index: int) -> None:
        ax.plot(log["step"], log[terms[index]], lw=0.8, color=ACCENT)
        ax.set_title(terms[index])
        ax.xaxis.set_major_locator(MaxNLocator(3, integer=True))
        ax.yaxis.set_major_locator(MaxNLocator(4))
        ax.grid(axis="y")

    return trellis(draw, len(terms), height=140, columns=3, xlabel="update", smoke=smoke)


def quality_plot(rows: pd.DataFrame, *, variants: Sequence[str] = tuple(VARIANT_LABELS)) -> Figures:
    """Accuracy of a classifier against the share of masks read as the requested digit: a point per trained CGN.

    rows: of experiment mnist-training; trainings that stopped have no point. A panel per variant, axes differ.
    """
    shown = [v for v in variants if v in set(rows["dataset"])]
    trainings = [name for name in RECIPE_LABELS if name in set(rows["recipe"])]
    colours = {"robust": ACCENT, "paper": INK}
    looks: dict[str, dict[str, Any]] = {
        name: {"marker": mark, "color": colours.get(name, NEUTRAL)}
        for name, mark in zip(trainings, "oXsD^vP*" * len(trainings), strict=False)
    }

    def draw(ax: Axes, index: int) -> None:
        for name, look in looks.items():
            own = select(rows, dataset=shown[index], recipe=name)
            x, y = (select(own, metric=metric).set_index("seed")["value"] for metric in QUALITY_METRICS)
            ax.plot(x, y.reindex(x.index), ls="", ms=6.5, mec="white", mew=0.7, **look)
        ax.set(title=VARIANT_LABELS.get(shown[index], shown[index]))
        ax.set_ylabel("accuracy (%)" if index == 0 else "")
        ax.xaxis.set_major_locator(MaxNLocator(4))
        ax.grid()

    legend = [Line2D([], [], ls="", ms=6, label=RECIPE_LABELS[name], **look) for name, look in looks.items()]
    smoke, xlabel = "smoke" in set(rows["profile"]), "masks read as the requested digit (%)"
    return trellis(draw, len(shown), height=240, xlabel=xlabel, legend=legend, smoke=smoke)


def control_matrix(rows: pd.DataFrame, *, variants: Sequence[str] = tuple(VARIANT_LABELS)) -> Figures:
    """Requested against recovered factor, in percent of counterfactuals: a matrix per variant.

    rows: metrics "control/<requested>/<recovered>"; where there are several runs their mean is shown.
    """
    rows = rows.loc[[str(metric).startswith("control/") for metric in rows["metric"]]]
    shown = [v for v in variants if v in set(rows["dataset"])]
    shades = sns.blend_palette(["#FFFFFF", "#E8C3D8", ACCENT], as_cmap=True)

    def draw(ax: Axes, index: int) -> None:
        variant = shown[index]
        factors = tuple(FACTOR_LABELS)  # the same cells everywhere; colored has no background
        for i, requested in enumerate(factors):
            for j, recovered in enumerate(factors):
                cell = select(rows, dataset=variant, metric=f"control/{requested}/{recovered}")
                value = float(np.mean(cell["value"])) if len(cell) else math.nan
                colour = shades(value / 100) if len(cell) else "#F3F4F6"
                ax.add_patch(Rectangle((j - 0.48, i - 0.48), 0.96, 0.96, fc=colour, ec=LIGHT, lw=0.6))
                text = f"{value:.1f}" if len(cell) else ("" if {requested, recovered} <= set(FACTORS[variant]) else "–")
                ax.text(j, i, text, ha="center", va="center", fontsize=10, color="white" if value > 60 else INK)
        names = [FACTOR_LABELS[factor] for factor in factors]
        ax.set_xticks(range(len(factors)), names)
        ax.set_yticks(range(len(factors)), names, rotation=90, va="center")
        for ticks in (ax.get_xticklabels(), ax.get_yticklabels()):
            for tick, factor in zip(ticks, factors, strict=True):
                tick.set(color=FACTOR_COLOURS[factor], weight="bold", fontsize=7.8)
        ax.set(title=VARIANT_LABELS.get(variant, ""), xlim=(-0.52, 2.52), ylim=(2.52, -0.52))
        ax.set(ylabel="requested" if index == 0 else "", aspect="equal", anchor="N")
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)

    smoke = "smoke" in set(rows["profile"])
    return trellis(draw, len(shown), height=270, phone_height=330, xlabel="recovered (% of images)", smoke=smoke)
