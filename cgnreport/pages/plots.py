"""The plots of the report, from result rows: deciding figures, control, losses, quality.

A deciding figure (`forest`) has a line per method: its random seeds as points, mean and 95 % interval, published values
above in colours of their own, chance and reference light, and what the rule needs as a green line with its number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from cgnlib.statistics import Interval
from cgnreport.pages import style
from cgnreport.pages.figures import Figures, trellis
from cgnreport.pages.origin import from_rows
from cgnreport.pages.style import ACCENT, FACTOR_COLOURS, FACTOR_LABELS, INK, METHOD_LABELS, NEUTRAL, RECIPE_LABELS
from cgnreport.pages.tables import published_table_5
from cgnreport.protocol.rows import select
from cgnreport.protocol.store import SOURCES, published
from cgnreport.protocol.summary import beside_published, interval_of, mean_of
from cgnreport.verdicts.model import Verdict
from cgnreport.verdicts.rules import RULES
from cgnreport.verdicts.without_cgn import METHODS as WITHOUT_CGN
from cgnreport.verdicts.without_cgn import Discrimination

QUALITY_METRICS = ("control/shape/shape", "accuracy/dev")  # of masks, and of what is learnt from the images
PERCENT = (-3, 103)  # limits of an axis
DASHED: dict[str, Any] = {"color": style.LINE, "lw": 1.1, "ls": (0, (4, 3)), "zorder": 1}
DOTTED = DASHED | {"lw": 1.2, "ls": (0, (1, 1.5))}


@dataclass(frozen=True)
class Estimate:
    """A line of a deciding figure. seeds: values of single runs; published: by source; needs: what its rule asks."""

    panel: str
    label: str
    colour: str
    interval: Interval | None
    seeds: Sequence[float] = ()
    published: Mapping[str, float] = field(default_factory=dict)
    needs: float | None = None


def forest(
    estimates: Sequence[Estimate],
    xlabel: str,
    *,
    references: Mapping[str, float | Mapping[str, float]] | None = None,
    limits: tuple[float, float] | None = None,
    ours: str = "ours, 95 % interval",
    run: str = "one seed",
    needed: str = "needed",
    row: int = 34,
    smoke: bool = False,
) -> Figures:
    """A panel per `Estimate.panel` (variants in their order), a line per label in the order of the estimates.

    references: lines by their name in the legend, one value (the first light and dashed, others in colours) or one per
    panel (dotted). limits: of all panels; by default each has its own. ours, run, needed: words of the legend; row: its
    height in CSS pixels.
    """
    variants = list(style.VARIANT_LABELS.values())
    panels, labels = (list(dict.fromkeys(getattr(e, name) for e in estimates)) for name in ("panel", "label"))
    panels.sort(key=lambda name: variants.index(name) if name in variants else 0)
    sources = [source for source in SOURCES if any(source in e.published for e in estimates)]
    colours, markers = ({s: getattr(style.SOURCE_MARKS[s], part) for s in sources} for part in ("colour", "marker"))
    references, looks = references or {}, dict[str, Any]()
    for (name, at), hue in zip(references.items(), (style.LINE, *style.HUES), strict=False):
        looks[name] = DOTTED if isinstance(at, Mapping) else DASHED | {"color": hue}

    def draw(ax: Axes, index: int) -> None:
        own = {labels.index(e.label): e for e in estimates if e.panel == panels[index]}
        for name, at in references.items():
            if (x := at.get(panels[index]) if isinstance(at, Mapping) else at) is not None:
                ax.axvline(x, **looks[name])
        seeds = [(value, y + 0.24, e.colour) for y, e in own.items() for value in e.seeds]
        if seeds:
            about = {"orient": "y", "native_scale": True, "jitter": False, "legend": False, "zorder": 3}
            palette = {colour: colour for *_, colour in seeds}
            sns.stripplot(pd.DataFrame(seeds), x=0, y=1, hue=2, palette=palette, size=3.4, alpha=0.6, ax=ax, **about)
        for y, estimate in own.items():
            if found := estimate.interval:
                ax.plot([found.low, found.high], [y, y], color=estimate.colour, lw=2.4, solid_capstyle="butt", zorder=3)
                ax.plot(found.value, y, "o", ms=6.5, color=estimate.colour, mec="white", mew=0.8, zorder=5)
        raised = {source: 0.2 + 0.08 * place for place, source in enumerate(sources)}
        theirs = [(value, y - raised[source], source) for y, e in own.items() for source, value in e.published.items()]
        if theirs:
            about = {"hue": 2, "style": 2, "palette": colours, "markers": markers, "legend": False, "linewidth": 0}
            sns.scatterplot(pd.DataFrame(theirs), x=0, y=1, s=34, zorder=4, clip_on=False, ax=ax, **about)
        ax.set(title=panels[index], xlabel="", ylabel="", ylim=(len(labels) - 0.45, -0.72))
        if limits:
            ax.set_xlim(limits)
        _needs(ax, {y: e.needs for y, e in own.items() if e.needs is not None})
        ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        ax.set_yticks(range(len(labels)), labels)
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="x")
        ax.spines["left"].set_visible(False)

    legend = [_handle(INK, "o", ours, lw=2.4)]
    legend += [_handle(INK, "o", run, size=3.5, alpha=0.6)] * any(len(e.seeds) > 0 for e in estimates)
    legend += [_handle(colours[source], markers[source], style.SOURCE_MARKS[source].label) for source in sources]
    legend += [_handle(style.NEEDED, "", needed, lw=1.6)] * any(e.needs is not None for e in estimates)
    legend += [Line2D([], [], label=name, **look) for name, look in looks.items()]
    height = 88 + (42 if any("\n" in label for label in labels) else row) * len(labels)
    return trellis(draw, len(panels), height=height, share_y=True, xlabel=xlabel, legend=legend, smoke=smoke)


def margin_plot(verdicts: Mapping[str, Verdict], *, smoke: bool = False) -> Figures:
    """Changes of accuracy (claim 3) and their margin: a line per name in `verdicts`, a panel per variant."""
    estimates = []
    for name, verdict in verdicts.items():
        for each in (finding for finding in verdict.findings if finding.interval):
            theirs = {source.split()[0]: value for source, value in each.published.items()}  # "RS22 Table 1"
            panel = style.dataset_label(each.variant)
            estimates.append(Estimate(panel, name, ACCENT, each.interval, (), theirs, each.needs))
    needed = f"margin: −{RULES.degradation_margin:g} points"
    xlabel = "change of in-domain accuracy (points)"
    return forest(estimates, xlabel, references={"no change": 0.0}, needed=needed, smoke=smoke)


@from_rows
def dot_plot(
    rows: pd.DataFrame,
    verdicts: Sequence[Verdict] = (),
    *,
    xlabel: str = "accuracy on free-factor test images (%)",
    reference: str = "oracle (reference)",
) -> Figures:
    """Accuracies beside published ones: a panel per variant, a line per method and recipe, the oracle as reference.

    rows: of one metric at one epoch. verdicts: of claim 2; the accuracy that each asks for is drawn at the method that
    decides. Raises ResultsError where two settings or metrics fit one line.
    """
    needs = {(f.variant, f.facts.get("method"), v.recipe): f.facts.get("least") for v in verdicts for f in v.findings}
    estimates, of_oracle = [], {}
    for line in style.in_order(beside_published(rows), ["method", "recipe"]).to_dict("records"):
        key = (str(line["dataset"]), str(line["method"]), str(line["recipe"]))
        found = select(rows, dataset=key[0], method=key[1], recipe=key[2])
        panel, between = style.dataset_label(key[0]), interval_of(found)
        if key[1] == "oracle":
            of_oracle[panel] = between.value
            continue
        label = "\n".join(filter(None, (METHOD_LABELS.get(key[1], key[1]), RECIPE_LABELS.get(key[2]))))
        theirs = {source: line[source] for source in SOURCES if line[source] == line[source]}
        colour = style.METHOD_COLOURS.get(key[1], INK)
        estimates.append(Estimate(panel, label, colour, between, _seeds(found), theirs, needs.get(key)))
    references = {"chance": 10.0} | ({reference: of_oracle} if of_oracle else {})
    return forest(estimates, xlabel, references=references, limits=PERCENT, smoke=_smoke(rows))


@from_rows
def without_cgn_plot(ood: pd.DataFrame, others: pd.DataFrame, judged: Sequence[Discrimination]) -> Figures:
    """Accuracies of methods without a CGN, of counterfactuals and of original data: a panel per variant.

    ood, others: rows of mnist-ood and mnist-without-cgn, accuracy/test at the last epoch. judged: what the CGN that
    decides needs is the upper end of the best method without one.
    """
    shown = select(others, method=[*WITHOUT_CGN, "oracle-stretched"])
    rows = pd.concat([select(ood, method=["original", "cgn", "original+cgn"]), shown])
    needs = {(each.variant, each.method, each.recipe): each.without.high for each in judged if each.without}
    keys, estimates = ["method", "recipe", "dataset"], []
    for (method, recipe, variant), found in style.groups(style.in_order(rows, keys), keys):
        label = ", ".join(filter(None, (METHOD_LABELS[method], RECIPE_LABELS.get(recipe))))
        about = (style.dataset_label(variant), label, style.METHOD_COLOURS.get(method, INK))
        limit = needs.get((variant, method, recipe))
        estimates.append(Estimate(*about, interval_of(found), _seeds(found), needs=limit))
    oracle = style.groups(select(ood, method="oracle"), ["dataset"])
    references = {
        "chance": 10.0,
        "oracle (free factors)": {style.dataset_label(v): mean_of(own) for (v,), own in oracle},
    }
    xlabel = "accuracy on free-factor test images (%)"
    return forest(estimates, xlabel, references=references, limits=PERCENT, row=24, smoke=_smoke(rows))


@from_rows
def control_plot(rows: pd.DataFrame) -> Figures:
    """Share of counterfactuals in which a reader finds the requested factor: a panel per variant or world.

    rows: metrics "control/<factor>/<factor>" and "reader/<factor>". Needed: `RULES.control_least` times what the reader
    finds in real images.
    """
    estimates = []
    recipes, datasets = (dict.fromkeys(style.in_order(rows, [name])[name]) for name in ("recipe", "dataset"))
    for recipe, (factor, name), dataset in product(recipes, FACTOR_LABELS.items(), datasets):
        own = select(rows, dataset=dataset, recipe=recipe, method="cgn")
        found, read = select(own, metric=f"control/{factor}/{factor}"), select(own, metric=f"reader/{factor}")
        if len(found):
            label = "\n".join(filter(None, (name, RECIPE_LABELS.get(recipe))))
            about = (style.dataset_label(dataset), label, FACTOR_COLOURS[factor], interval_of(found), _seeds(found))
            estimates.append(Estimate(*about, needs=RULES.control_least * mean_of(read) if len(read) else None))
    xlabel = "counterfactuals with the requested factor (%)"
    return forest(estimates, xlabel, references={"chance": 10.0}, limits=PERCENT, smoke=_smoke(rows))


@from_rows
def gap_plot(rows: pd.DataFrame) -> Figures:
    """The background gap by training data: ours in the toy world, published ones on ImageNet-9, each on its own scale.

    rows: of experiment imagenet-background; the heads that are read as published, last epoch.
    """
    gaps, theirs = select(rows, metric="bg-gap", epoch="last"), published_table_5()
    output = np.where(gaps["method"] == "original", "avg", "shape_texture")
    ours, beside = [], []
    for method, own in style.in_order(gaps.loc[gaps["output"] == output]).groupby("method", sort=False):
        look = (METHOD_LABELS[str(method)], style.METHOD_COLOURS[str(method)])
        ours.append(Estimate("Toy world (ours)", *look, interval_of(own), _seeds(own)))
        same = theirs.loc[theirs["method"] == method]
        values = dict(zip(same["source"], same["BG-gap"], strict=True))
        beside.append(Estimate("ImageNet-9 (published)", *look, None, (), values))
    return forest(ours + beside, "background gap (points)", references={"no gap": 0.0}, smoke=_smoke(rows))


@from_rows
def heads_plot(rows: pd.DataFrame) -> Figures:
    """Shape bias of the toy classifier without counterfactuals, and of each of its heads with them.

    rows: metric "shape-bias", with the output of each head; last epoch. Published values are of photographs.
    """
    rows = select(rows, metric="shape-bias", epoch="last")
    theirs = select(published("imagenet-shape-bias"), dataset="cue-conflict", source=list(SOURCES))
    colours = dict(zip(FACTOR_LABELS.values(), FACTOR_COLOURS.values(), strict=True))
    heads, estimates = product(("original+cgn", "original+oracle"), colours), []
    for method, output in [("original", "avg"), *heads]:
        found = select(rows, method=method, output=output)
        same = select(theirs, method=method, output=output.replace("avg", "-"))
        if len(found):
            label = METHOD_LABELS[method] + f"\n{output} head" * (output != "avg")
            values = dict(zip(same["source"], same["value"], strict=True))
            look = (label, colours.get(output, NEUTRAL))
            estimates.append(Estimate("Toy world", *look, interval_of(found), _seeds(found), values))
    about = {"references": {"neither cue": 50.0}, "limits": PERCENT, "ours": "ours (toy world), 95 % interval"}
    return forest(estimates, "shape bias (%)", smoke=_smoke(rows), **about)


@from_rows
def shape_bias_plot(rows: pd.DataFrame, others: Mapping[str, float]) -> Figures:
    """Share of shape decisions of a network of photographs by category, from all texture (left) to all shape (right).

    rows: metrics "shape-bias" and "shape-bias/category/<name>", columns "normalisation" and "enlarge"; of the network's
    own normalisation is the interval, other ways are points. others: shape bias of other networks.
    """
    found = rows.loc[rows["metric"].str.startswith("shape-bias")]
    estimates = []
    for metric in sorted(set(found["metric"]), key=lambda metric: (metric == "shape-bias", metric)):
        own, label = select(found, metric=metric), metric.removeprefix("shape-bias").removeprefix("/category/") or "all"
        lite = select(own, normalisation="lite", enlarge=False)
        values = own.loc[~own["params"].isin(list(lite["params"])), "value"].tolist()
        estimates.append(Estimate("", label, INK, interval_of(lite) if len(lite) else None, values))
    about = {"references": {"neither cue": 50.0} | dict(others), "limits": PERCENT, "row": 27}
    return forest(estimates, "shape bias (%)", run="other preprocessing", smoke=_smoke(rows), **about)


@from_rows
def ratio_plot(rows: pd.DataFrame) -> Figures:
    """Accuracy against CF ratio, a line per data set size, a panel per variant, each with its own y axis.

    rows: one metric at one epoch, with columns "cf_ratio" and "generated" (images). Bars are 95 % intervals.
    """
    rows = style.in_order(rows, ["dataset"])
    shown, sizes, ratios = (list(dict.fromkeys(rows[name])) for name in ("dataset", "generated", "cf_ratio"))
    sizes, ratios = sorted(sizes), sorted(ratios)
    palette = dict(zip(sizes, sns.blend_palette(["#CE8EB4", ACCENT, "#6B2347"], len(sizes)), strict=True))
    markers = dict(zip(sizes, "osD^v" * len(sizes), strict=False))

    def draw(ax: Axes, index: int) -> None:
        points = style.groups(select(rows, dataset=shown[index]), ["generated", "cf_ratio"])
        found = [(size, ratios.index(ratio), interval_of(own)) for (size, ratio), own in points]
        frame = pd.DataFrame([(size, place, between.value) for size, place, between in found])
        look = {"palette": palette, "markers": markers, "dashes": False, "errorbar": None, "legend": False}
        sns.lineplot(frame, x=1, y=2, hue=0, style=0, ax=ax, **look)
        for size, place, between in found:
            ax.vlines(place, between.low, between.high, color=palette[size], lw=1.2)
        ax.set(title=style.dataset_label(shown[index]), xlim=(-0.3, len(ratios) - 0.7), xlabel="")
        ax.set_xticks(range(len(ratios)), [f"{ratio:g}" for ratio in ratios])
        ax.set_ylabel("test accuracy (%)" if index == 0 else "")
        ax.grid(axis="y")

    legend = [_handle(palette[size], markers[size], f"{size:,} counterfactuals", lw=1.6) for size in sizes]
    return trellis(draw, len(shown), xlabel="CF ratio: counterfactuals per mask", legend=legend, smoke=_smoke(rows))


@from_rows
def sweep_plot(rows: pd.DataFrame) -> Figures:
    """Accuracy against how often colour agrees with the class, a line per method; two panels per variant.

    rows: of experiment mnist-sweep at the last epoch. Bars are 95 % intervals, over test images where a point has fewer
    than three classifiers.
    """
    rows = style.in_order(rows, ["dataset", "method"])
    metrics = {"accuracy/test": "all test images", "accuracy/worst-group": "worst group"}
    panels = list(product(dict.fromkeys(rows["dataset"]), metrics))
    shown, places = list(dict.fromkeys(rows["method"])), sorted(set(rows["agreement"]), reverse=True)
    palette = dict(zip(shown, sns.color_palette("colorblind", len(shown)), strict=True))
    palette |= {"erm": NEUTRAL, "cgn": ACCENT}
    markers = dict(zip(shown, "osD^vPX", strict=False))

    def draw(ax: Axes, index: int) -> None:
        variant, metric = panels[index]
        for number, method in enumerate(shown):
            own = select(rows, dataset=variant, metric=metric, method=method)
            found = [(places.index(each), interval_of(part)) for (each,), part in style.groups(own, ["agreement"])]
            found = sorted((place + 0.05 * (number - len(shown) / 2), between) for place, between in found)
            at, values = [place for place, _ in found], [between.value for _, between in found]
            ax.plot(at, values, color=palette[method], marker=markers[method], ms=5, lw=1.2)
            for place, between in found:
                ax.vlines(place, between.low, between.high, color=palette[method], lw=1.2)
        ax.set(title=f"{style.dataset_label(variant)}, {metrics[metric]}", xlabel="", ylim=(-3, 103))
        ax.set_ylabel("accuracy (%)" if index % 2 == 0 else "")
        ax.set_xticks(range(len(places)), [f"{100 * each:g}" for each in places])
        ax.grid(axis="y")

    legend = [_handle(palette[each], markers[each], METHOD_LABELS[each], lw=1.6) for each in shown]
    label = "training images whose colour agrees (%)"
    return trellis(draw, len(panels), columns=2, xlabel=label, legend=legend, smoke=_smoke(rows))


def loss_curves(log: pd.DataFrame, *, smoke: bool = False) -> Figures:
    """Every column of a training log against its column "step", three panels in a row."""
    terms, mark = [name for name in log.columns if name != "step"], "o" if len(log) < 20 else None

    def draw(ax: Axes, index: int) -> None:
        sns.lineplot(log, x="step", y=terms[index], lw=0.9, color=ACCENT, marker=mark, errorbar=None, ax=ax)
        ax.set(title=terms[index], xlabel="", ylabel="")
        ax.xaxis.set_major_locator(MaxNLocator(3, integer=True))
        ax.yaxis.set_major_locator(MaxNLocator(4))
        ax.grid(axis="y")

    return trellis(draw, len(terms), height=140, columns=min(3, len(terms)), xlabel="update", smoke=smoke)


@from_rows
def quality_plot(rows: pd.DataFrame) -> Figures:
    """Accuracy of a classifier against the share of masks read as the requested digit: a point per trained CGN.

    rows: of experiment mnist-training; trainings that stopped have no point. A panel per variant, axes differ.
    """
    points = select(rows, metric=list(QUALITY_METRICS))
    points = points.pivot_table(index=["dataset", "recipe", "run"], columns="metric", values="value")
    points = points.dropna().reset_index()
    shown, ways = (list(dict.fromkeys(style.in_order(points, [name])[name])) for name in ("dataset", "recipe"))
    palette = dict.fromkeys(ways, NEUTRAL) | {"robust": ACCENT, "paper": INK}
    markers = dict(zip(ways, "oXsD^vP*" * len(ways), strict=False))

    def draw(ax: Axes, index: int) -> None:
        own = select(points, dataset=shown[index])
        look = {"palette": palette, "markers": markers, "legend": False, "s": 46}
        sns.scatterplot(own, x=QUALITY_METRICS[0], y=QUALITY_METRICS[1], hue="recipe", style="recipe", ax=ax, **look)
        ax.set(title=style.dataset_label(shown[index]), xlabel="", ylabel="accuracy (%)" if index == 0 else "")
        ax.xaxis.set_major_locator(MaxNLocator(4))
        ax.grid()

    legend = [_handle(palette[way], markers[way], RECIPE_LABELS[way]) for way in ways]
    return trellis(draw, len(shown), xlabel="masks read as the requested digit (%)", legend=legend, smoke=_smoke(rows))


@from_rows
def control_matrix(rows: pd.DataFrame) -> Figures:
    """Requested against recovered factor, in percent of counterfactuals: a matrix per variant.

    rows: metrics "control/<requested>/<recovered>"; where there are several runs their mean is shown.
    """
    rows = style.in_order(rows.loc[rows["metric"].str.startswith("control/")], ["dataset"])
    shown, factors, names = list(dict.fromkeys(rows["dataset"])), list(FACTOR_LABELS), list(FACTOR_LABELS.values())
    shades = sns.blend_palette(["#FFFFFF", "#E8C3D8", ACCENT], as_cmap=True)

    def draw(ax: Axes, index: int) -> None:
        own = select(rows, dataset=shown[index])
        cells = np.array([[mean_of(select(own, metric=f"control/{a}/{b}")) for b in factors] for a in factors])
        texts = [["–" if np.isnan(value) else f"{value:.1f}" for value in line] for line in cells]
        look = {"vmin": 0, "vmax": 100, "cmap": shades, "cbar": False, "square": True, "linewidths": 1.5, "fmt": ""}
        sns.heatmap(np.nan_to_num(cells), annot=texts, xticklabels=names, yticklabels=names, ax=ax, **look)
        for labels in (ax.get_xticklabels(), ax.get_yticklabels()):
            for label in labels:
                label.set(weight="bold", fontsize=7.8)
        ax.set(title=style.dataset_label(shown[index]), ylabel="requested" if index == 0 else "", anchor="N")
        ax.tick_params(length=0)

    return trellis(draw, len(shown), height=285, xlabel="recovered (% of images)", smoke=_smoke(rows))


def _needs(ax: Axes, needs: Mapping[int, float]) -> None:
    """A line across each row at what it needs; the number where it is not that of the row above."""
    texts = {y: f" {value:.1f} ".replace("-", "−") for y, value in needs.items()}
    for y, value in needs.items():
        ax.plot([value, value], [y - 0.5, y + 0.5], color=style.NEEDED, lw=1.6, zorder=2)
        if texts.get(y - 1) != texts[y]:
            side = "right" if value > sum(ax.get_xlim()) / 2 else "left"
            ax.text(value, y + 0.36, texts[y], color=style.NEEDED, fontsize=7.5, va="center", ha=side, zorder=4)


def _handle(colour: Any, marker: str, label: str, *, size: float = 6, lw: float = 0, alpha: float = 1) -> Line2D:
    return Line2D([], [], color=colour, marker=marker, ms=size, mec="none", lw=lw, alpha=alpha, label=label)


def _seeds(rows: pd.DataFrame) -> list[float]:
    """The values of single runs, where there are several."""
    return rows["value"].tolist() if len(rows) > 1 else []


def _smoke(rows: pd.DataFrame) -> bool:
    return "smoke" in set(rows["profile"])
