"""What everything is called and coloured, in one place: labels, colours, marks, and the theme of all figures.

Hues carry meaning and are Okabe and Ito's, told apart with every common colour blindness.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import matplotlib
import pandas as pd
import seaborn as sns

from cgnreport.verdicts.sentences import world_name

NEUTRAL, LIGHT, LINE, INK, ACCENT = "#6B7280", "#D5D8DD", "#B9BEC5", "#1F2328", "#AA3377"
NEEDED, GRID = "#0B6E4F", "#ECEEF0"  # of thresholds; of lines behind everything
HUES = ("#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00")
FACTOR_COLOURS = {"shape": "#0072B2", "foreground": "#D55E00", "background": "#009E73"}
FACTOR_LABELS = {"shape": "shape", "foreground": "texture", "background": "background"}  # labels: the classifier heads

VARIANT_LABELS = {"colored": "Colored", "double-colored": "Double-colored", "wildlife": "Wildlife"}
METHOD_LABELS = {
    "original": "original",
    "gan": "GAN",
    "original+gan": "original + GAN",
    "cgn-tied": "CGN, tied labels",
    "original+cgn-tied": "original + CGN, tied",
    "cgn": "CGN",
    "original+cgn-short": "original + CGN, short",
    "original+cgn": "original + CGN",
    "oracle": "oracle",
    "original+oracle": "original + oracle",
}
METHOD_LABELS |= {  # without a CGN
    "border-colour": "border, per channel",
    "border-grey": "border, grey",
    "border-cut": "border, cut",
    "border-stretched": "border, stretched",
    "grey": "grey",
    "edges": "edges",
    "recolour": "recolour",
    "paste": "paste",
    "augmix": "AugMix",
    "oracle-stretched": "oracle, stretched",
    "erm": "ERM",
    "irm": "IRM",
    "group-dro": "group DRO",
    "jtt": "JTT",
    "lntl": "LNTL",
}
METHOD_COLOURS = {"original": NEUTRAL, "cgn": ACCENT, "original+cgn": ACCENT, "oracle": INK, "original+oracle": INK}
METHOD_COLOURS |= dict.fromkeys(["gan", "original+gan"], "#8C7A5B")
METHOD_COLOURS |= dict.fromkeys(["border-colour", "border-grey", "border-cut", "border-stretched"], "#0072B2")
METHOD_COLOURS |= dict.fromkeys(["grey", "edges"], "#56B4E9") | dict.fromkeys(
    ["recolour", "paste", "augmix"], "#009E73"
)
METHOD_COLOURS |= dict.fromkeys(["cgn-tied", "original+cgn-tied", "original+cgn-short"], "#C99BB5")
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
    "shape-by-image": "ours, masks judged in images",
    "texture-by-image": "ours, textures judged in images",
    "background-by-image": "ours, backgrounds judged in images",
    "no-masks": "ours, without found masks",
    "paper-masks": "paper's recipe with found masks",
}
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
SMOKE_TEXT = "smoke scale: numbers mean nothing"


class Mark(NamedTuple):
    """How a source of published numbers is drawn and called."""

    colour: str
    marker: str
    label: str


SOURCE_MARKS = {
    "SG21": Mark("#E69F00", "v", "SG21"),
    "RS22": Mark("#000000", "d", "the study (RS22)"),
    "Re-CGN": Mark("#56B4E9", "s", "Re-CGN"),
}

_THEME: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": "#9AA0A6",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 8.5,
    "grid.color": GRID,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "cgn-report",
} | dict.fromkeys(["text.color", "axes.labelcolor", "xtick.color", "ytick.color"], INK)


def style() -> AbstractContextManager[None]:
    """The report's look, for figures of one's own: `with style(): ...`."""
    return matplotlib.rc_context(dict[Any, Any](sns.axes_style("ticks")) | _THEME)


def dataset_label(name: str) -> str:
    """A variant or world as titles and tables name it."""
    label = VARIANT_LABELS.get(name, world_name(name).removeprefix("the "))
    return label[:1].upper() + label[1:]


def in_order(frame: pd.DataFrame, by: Sequence[str] = ("dataset", "method", "recipe")) -> pd.DataFrame:
    """The frame sorted as its labels are listed here, unknown names last."""
    names = [*VARIANT_LABELS, "real", "biggan", *METHOD_LABELS, *RECIPE_LABELS, *GENERATOR_LABELS]
    place = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return frame.sort_values(list(by), key=lambda codes: codes.map(place).fillna(len(place)), kind="stable")


def groups(
    rows: pd.DataFrame, by: Sequence[str], *, sort: bool = False
) -> Iterator[tuple[tuple[Any, ...], pd.DataFrame]]:
    """The rows of each combination of values of the columns `by`, with that combination."""
    for key, own in rows.groupby(list(by), sort=sort):
        yield tuple(key) if isinstance(key, tuple) else (key,), own
