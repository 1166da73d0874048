"""Grids of images with crisp pixels and labels on the margins."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from cgnreport.pages.figures import CSS_DPI, DESKTOP_PX, PHONE_PX, Figures, watermark
from cgnreport.pages.style import INK, style

# Rows of `parts_grid`: short, since ten images of 64 pixels at twice their size leave little room beside them.
PART_LABELS = {
    "x_gt": "BigGAN",
    "premask": "pre-\nmask",
    "mask": "mask",
    "foreground": "fore-\nground",
    "background": "back-\nground",
    "image": "com-\nposed",
}


def image_grid(
    images: Any,
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    *,
    row_title: str = "",
    column_title: str = "",
    row_colours: Mapping[str, str] | None = None,
    columns: int | None = None,
    gap: int = 1,
    smoke: bool = False,
) -> Figures:
    """Images in a grid, each pixel a square of whole file pixels, with labels on the margins.

    images: array or tensor (R, C, K, H, W) or (N, K, H, W) with `columns`; K = 3 colours or 1 (mask); uint8 in
    [0, 255], or float in [-1, 1] for K = 3 and in [0, 1] for K = 1; NaN is left empty. row_colours: by row label;
    gap: in image pixels.
    Raises ValueError when labels and grid do not fit.
    """
    cells = _cells(images, columns)
    for kind, labels, count in (("row", row_labels, cells.shape[0]), ("column", column_labels, cells.shape[1])):
        if labels and len(labels) != count:
            raise ValueError(f"image_grid: {len(labels)} {kind} labels for a grid of {count} {kind}s")
    rows, across, height, width = cells.shape[:4]
    padded = np.pad(cells, ((0, 0), (0, 0), (0, gap), (0, gap), (0, 0)))  # with what is transparent
    sheet = padded.swapaxes(1, 2).reshape(rows * (height + gap), across * (width + gap), 4)
    sheet = sheet[: len(sheet) - gap, : sheet.shape[1] - gap]
    longest = max((len(line) for label in column_labels for line in label.split("\n")), default=1)
    made = []
    for css_width, density in ((DESKTOP_PX, 2), (PHONE_PX, 3 if sheet.shape[1] < PHONE_PX else 2)):
        with style():
            figure = Figure(figsize=(css_width / CSS_DPI, css_width / CSS_DPI), dpi=CSS_DPI * density)
            ax = figure.add_axes((0, 0, 1, 1))
            ax.imshow(sheet, interpolation="none", aspect="auto")  # in SVG a pixel stays one
            ax.spines[:].set_visible(False)
            ax.tick_params(length=0, labeltop=True, labelbottom=False)
            size = max(5, min(9, 0.85 * css_width / across / longest))  # about as narrow as the images
            ax.set_xticks(np.arange(len(column_labels)) * (width + gap) + width / 2 - 0.5, column_labels, fontsize=size)
            ax.set_yticks(np.arange(len(row_labels)) * (height + gap) + height / 2 - 0.5, row_labels, fontsize=8.5)
            for tick, label in zip(ax.get_yticklabels(), row_labels, strict=True):
                tick.set_color((row_colours or {}).get(label, INK))
            ax.set(xlabel=column_title, ylabel=row_title)
            ax.xaxis.set_label_position("top")
            _fit(figure, css_width * density, sheet.shape[1], sheet.shape[0])
            if smoke:
                watermark(figure)
        made.append(figure)
    return Figures(*made, kind="png")


def parts_grid(
    parts: Mapping[str, Any], column_labels: Sequence[str] = (), *, column_title: str = "", smoke: bool = False
) -> Figures:
    """`image_grid` with a row for each part of N images that is there, by the keys of PART_LABELS.

    Parts: (N, 3 or 1, H, W) uint8, bool or float, as in `image_grid`.
    """
    names = [name for name in PART_LABELS if name in parts]
    rows, labels = (
        np.stack([_colours(np.asarray(parts[name])) for name in names]),
        [PART_LABELS[name] for name in names],
    )
    return image_grid(rows, labels, column_labels, column_title=column_title, gap=2, smoke=smoke)


def _fit(figure: Figure, room: int, width: int, height: int) -> None:
    """Make the figure as large as a sheet of (width, height) at the largest whole zoom that fits beside its labels.

    An even zoom from 4 on: it is crisp on a screen with one pixel per CSS pixel, too.
    """
    (ax,) = figure.axes
    figure.draw_without_rendering()
    inner, outer = ax.get_window_extent(), ax.get_tightbbox()
    assert outer is not None
    left, below, right, above = (
        math.ceil(max(0, each)) + 1
        for each in (inner.x0 - outer.x0, inner.y0 - outer.y0, outer.x1 - inner.x1, outer.y1 - inner.y1)
    )
    zoom = max(1, (room - left - right) // width)
    zoom -= zoom % 2 if zoom > 3 else 0
    full = left + zoom * width + right, below + zoom * height + above
    figure.set_size_inches(full[0] / figure.dpi, full[1] / figure.dpi)
    ax.set_position((left / full[0], below / full[1], zoom * width / full[0], zoom * height / full[1]))


def _cells(images: Any, columns: int | None) -> np.ndarray:
    """(R, C, H, W, 4) uint8, transparent where nothing is."""
    array = np.asarray(images)
    if array.ndim not in (4, 5) or array.shape[-3] not in (1, 3):
        raise ValueError(f"image_grid: images must be (R, C, K, H, W) or (N, K, H, W), K = 1 or 3, not {array.shape}")
    if not array.size:
        raise ValueError(f"image_grid: no images, but {array.shape}")
    seen = np.where(np.isnan(array).any(axis=-3, keepdims=True), 0, 255).astype(np.uint8)
    array = np.concatenate([_colours(array), seen], axis=-3)
    if array.ndim == 4:
        columns = columns or min(10, len(array))
        array = np.pad(array, [(0, -len(array) % columns)] + [(0, 0)] * 3)
        array = array.reshape(-1, columns, *array.shape[1:])
    return array.transpose(0, 1, 3, 4, 2)


def _colours(array: np.ndarray) -> np.ndarray:
    """(..., K, H, W) as uint8 (..., 3, H, W)."""
    if array.dtype != np.uint8:
        unit = np.nan_to_num(array if array.shape[-3] == 1 else (array + 1) / 2)
        array = np.rint(np.clip(unit, 0, 1) * 255).astype(np.uint8)
    return np.repeat(array, 3 // array.shape[-3], axis=-3)
