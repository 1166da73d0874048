"""A plot in two layouts, for a desktop page and for a phone, and the way into a notebook and the book.

`show` puts both layouts into a notebook as one picture with alt text, caption and label; `apply_captions` hands caption
and label to the book. Files are SVG for lines and PNG for images, on white. Pages hold SVG elements without a ground,
which take the page's own surface, colour of text and typeface; images in them are WebP or AVIF.
"""

import base64
import html
import io
import math
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image, features

from cgnlib.paths import atomic_file
from cgnreport.pages.origin import mark
from cgnreport.pages.style import GRID, INK, NEEDED, SMOKE_TEXT, style

DESKTOP_PX, PHONE_PX = 720, 350  # widths of the text column, in CSS pixels
LETTER_PX, LEGEND_PX = 6, 36  # of a legend's entry: a letter, and what stands beside the text
CSS_DPI = 96
# The page's own typeface: text in an SVG is laid out with DejaVu, which is wider, and drawn with what the page uses.
_PAGE_FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'Liberation Sans', sans-serif"
# Colours that follow the page's: ink, black, the grid, what is needed. The book's style sheet has those of dark mode.
_PAGE_COLOURS = {INK.lower(): "currentColor", "#000000": "currentColor"} | {
    colour.lower(): f"var(--cgn-{name},{colour})" for name, colour in {"grid": GRID, "needed": NEEDED}.items()
}
# Colours at full resolution. One thread: the same image gives the same file on any number of cores.
_FORMATS: dict[str, dict[str, Any]] = {
    "webp": {"lossless": True, "quality": 70, "method": 4},
    "avif": {"quality": 90, "subsampling": "4:4:4", "speed": 8, "max_threads": 1},
}
_LAYOUTS = "@media(max-width:600px){.cgn-wide{display:none}}@media(min-width:600.1px){.cgn-narrow{display:none}}"


@dataclass(frozen=True)
class Figures:
    """One plot in two layouts. kind: "svg" for lines, "png" for images; origin: of the rows behind it, see `origin`.

    As the last value of a notebook's cell it shows itself; `show` adds caption and label.
    """

    desktop: Figure
    phone: Figure
    kind: str = "svg"
    origin: str = ""

    @property
    def alt(self) -> str:
        """What the plot shows, from the titles and labels of its axes."""
        texts = ((ax.get_title("left"), ax.get_title(), ax.get_ylabel(), ax.get_xlabel()) for ax in self.desktop.axes)
        return ", ".join(["Figure", *dict.fromkeys(filter(None, chain(*texts)))])

    def data(self, figure: Figure) -> bytes:
        """The file of one of the two figures."""
        stream, svg = io.BytesIO(), self.kind == "svg"
        metadata = dict.fromkeys(["Date", "Creator"] if svg else ["Software"])  # the same plot gives the same file
        with style():
            figure.savefig(stream, format=self.kind, dpi=figure.dpi, metadata=metadata)
        return stream.getvalue().replace(b"'DejaVu Sans'", _PAGE_FONTS.encode()) if svg else stream.getvalue()

    def save(self, path: str | Path) -> Path:
        """Write the desktop layout to `path`, its suffix replaced by .svg or .png."""
        path = Path(path).with_suffix(f".{self.kind}")
        with atomic_file(path) as partial:
            partial.write_bytes(self.data(self.desktop))
        return path

    def html(self, alt: str = "") -> str:
        """Both layouts, of which a page shows the one that fits; it needs no other file."""
        layouts = {"cgn-wide": self.desktop} | ({} if self.phone is self.desktop else {"cgn-narrow": self.phone})
        hidden = f"<style>{_LAYOUTS}</style>" * (len(layouts) > 1)
        drawn = "".join(f'<div class="{name}">{_element(figure)}</div>' for name, figure in layouts.items())
        images = dict.fromkeys(re.findall(r'<image (href="[^"]*") ([^>]*?)transform="[^"]*" ([^>]*)/>', drawn))
        for address, size, look in images:  # once, although both layouts show it
            name = f"i{zlib.crc32((drawn + address).encode()):08x}"
            drawn = re.sub(
                rf'<image {re.escape(address)} [^>]*?(transform="[^"]*")[^>]*/>', rf'<use href="#{name}" \1/>', drawn
            )
            hidden += f'<svg style="display:none"><image id="{name}" {address} {size}{look}/></svg>'
        words = html.escape(alt or self.alt)
        return f'<div class="cgn-figure" role="img" aria-label="{words}">{hidden}{drawn}</div>'

    def _repr_html_(self) -> str:
        return self.html()


@dataclass(frozen=True)
class Picture:
    """A PNG file made for twice the pixels of a page, such as one that `Figures.save` wrote; for `show`."""

    file: Path
    alt: str = "Picture"

    def html(self, alt: str = "") -> str:
        """A picture that needs no other file."""
        data = self.file.read_bytes()
        width = int.from_bytes(data[16:20], "big") // 2  # from its header
        look = f"width:{width}px;max-width:100%;height:auto;background:#fff"
        return f'<img class="cgn-figure" src="{_image(data)}" alt="{html.escape(alt or self.alt)}" style="{look}">'


def _element(figure: Figure) -> str:
    """A figure as an SVG element of a page."""
    stream = io.StringIO()
    with style():
        figure.savefig(
            stream, format="svg", transparent=True, metadata=dict.fromkeys(["Date", "Creator", "Format", "Type"])
        )
    text = stream.getvalue()
    text = re.sub(r" <metadata>.*?</metadata>\n| <defs>\s*<style.*?</style>\s*</defs>\n", "", text, flags=re.DOTALL)
    text = re.sub(r' id="[\w.]+_\d+"| id="image\w+"| transform="rotate\(-0 [^"]*"', "", text)  # nothing refers to them
    text = re.sub(r' [dxy]="[^"]*"', lambda path: re.sub(r"(?<=\.\d\d)\d+|\n", "", path[0]), text)
    own = f"f{zlib.crc32(text.encode()):08x}"  # of this figure alone: a page holds several
    text = re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{own}", text)
    text = re.sub(r"data:image/png;base64,([^\"]+)", lambda png: _image(base64.b64decode(png[1])), text)
    for colour, words in _PAGE_COLOURS.items():
        text = text.replace(f": {colour}", f": {words}")
    look = f"width:{figure.get_figwidth() * CSS_DPI:.0f}px;max-width:100%;height:auto;fill:currentColor;"
    look += f"stroke-linejoin:round;font-family:{_PAGE_FONTS}"
    start = f'<svg style="{look}" viewBox='
    text = start + re.sub(r"\n\s*", "\n", text).partition(" viewBox=")[2]
    return text.replace(" font-family: 'DejaVu Sans';", "").replace("xlink:href", "href")


def _image(png: bytes) -> str:
    """The address of the same image in fewer bytes: a page holds its figures.

    Of few colours, as masks and heat maps are, it is WebP without loss; all others are AVIF at quality 90, a third of
    that for textures and photographs, and off by 1 to 2 of 255 grey levels in the mean. Without AVIF in Pillow: WebP.
    """
    image, stream = Image.open(io.BytesIO(png)), io.BytesIO()
    opaque = image.mode != "RGBA" or image.getextrema()[-1] == (255, 255)
    image = image.convert("RGB" if opaque else "RGBA")
    kind = "webp" if image.getcolors(256) or not features.check("avif") else "avif"
    image.save(stream, kind, **_FORMATS[kind])
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}"


def show(figure: Figures | Picture | Figure, *, alt: str = "", caption: str = "", label: str = "") -> None:
    """Show a plot, or a Matplotlib figure of one's own, in a notebook cell.

    alt: what the picture shows, for readers who cannot see it; by default the words on its axes. caption (MyST text)
    and label (for `{numref}`) become those of a numbered figure in the book (`apply_captions`).
    Raises ValueError for a caption without an alt text.
    """
    if caption and not alt.strip():
        raise ValueError("show: a figure with a caption needs an alt text, too")
    from IPython.display import display

    figures = Figures(figure, figure) if isinstance(figure, Figure) else figure
    shown = figures.html(alt) + mark(figures.origin if isinstance(figures, Figures) else "")
    bundle = {"text/html": shown, "text/plain": f"[figure: {alt or figures.alt}]"}
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
    columns: int | None = None,
    share_y: bool = False,
    xlabel: str = "",
    legend: Sequence[Any] = (),
    smoke: bool = False,
) -> Figures:
    """`draw(ax, index)` for each of `count` panels: side by side on a desktop page, one below the other on a phone.

    height: of a panel, in CSS pixels; columns: panels in a row of the desktop page, by default all; xlabel: one for all
    panels; legend: handles, set below; smoke: watermark.
    """
    longest = max((len(handle.get_label()) for handle in legend), default=1)
    made = []
    for width, across in ((DESKTOP_PX, columns or count), (PHONE_PX, 1)):
        rows, phone = math.ceil(count / across), width == PHONE_PX
        n = max(1, min(2 if phone else 5, len(legend), width // (LEGEND_PX + LETTER_PX * longest)))
        below = 21 * math.ceil(len(legend) / n) + 8 if legend else 0
        with style():
            size = (width / CSS_DPI, (height * rows + below) / CSS_DPI)
            figure = Figure(figsize=size, dpi=CSS_DPI, layout=ConstrainedLayoutEngine(w_pad=0.07))
            panels = figure.subplots(rows, across, squeeze=False, sharey=share_y and not phone)
            for index, ax in enumerate(panels.flat):
                draw(ax, index) if index < count else ax.set_axis_off()
            last = panels[-1, min(across // 2, (count - 1) % across)]
            last.set_xlabel(xlabel, **{"x": 1, "ha": "right"} if phone else {})  # may be longer than the panel
            if legend:
                # Matplotlib fills column by column; readers read row by row.
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
    figure.text(0.5, 0.5, SMOKE_TEXT, gid="watermark", ha="center", va="center", rotation=turn, fontsize=size, **look)
