"""Grids of images with crisp pixels and labels on the margins, in the style of cgnlib.plotting."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from cgnlib.plotting import CSS_DPI, DESKTOP_PX, INK, NEUTRAL, PHONE_PX, Figures, style, watermark


def image_grid(
    images: Any,
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    *,
    row_title: str = "",
    column_title: str = "",
    row_colours: Mapping[str, str] | Sequence[str] = (),
    columns: int | None = None,
    gap: int = 3,
    zoom: int | None = None,
    smoke: bool = False,
) -> Figures:
    """Images in a grid with crisp pixels (whole-number zoom) and labels on the margins.

    images: array or tensor (R, C, K, H, W) or (N, K, H, W) with `columns`; K = 3 colours or 1 (mask); uint8 in
    [0, 255], or float in [-1, 1] for K = 3 and in [0, 1] for K = 1. row_colours: one colour per row, or a mapping from
    row label to colour. zoom: file pixels per image pixel on the desktop layout (two file pixels per CSS pixel).
    Raises ValueError when labels and grid do not fit.
    """
    cells = _cells(images, columns)
    if (row_labels and len(row_labels) != cells.shape[0]) or (column_labels and len(column_labels) != cells.shape[1]):
        raise ValueError(
            f"image_grid: {len(row_labels)} row and {len(column_labels)} column labels for a grid of "
            f"{cells.shape[0]} x {cells.shape[1]}"
        )
    if isinstance(row_colours, Mapping):
        row_colours = [row_colours.get(label, INK) for label in row_labels]
    texts = (tuple(row_labels), tuple(column_labels), row_title, column_title, tuple(row_colours))
    with style():
        desktop = _grid_figure(cells, *texts, gap, DESKTOP_PX, 2, zoom, smoke)
        phone = _grid_figure(cells, *texts, gap, PHONE_PX, 3, None, smoke)
    return Figures(desktop, phone, "png")


def _cells(images: Any, columns: int | None) -> np.ndarray:
    """(R, C, H, W, 3) uint8."""
    array = np.asarray(images.detach().cpu() if hasattr(images, "detach") else images)
    if array.ndim == 4:
        columns = columns or min(10, len(array))
        if len(array) % columns:
            filler = np.full((columns - len(array) % columns, *array.shape[1:]), 255 if array.dtype == np.uint8 else 1)
            array = np.concatenate([array, filler.astype(array.dtype)])
        array = array.reshape(-1, columns, *array.shape[1:])
    if array.ndim != 5 or array.shape[2] not in (1, 3):
        raise ValueError(
            f"image_grid: images must be (R, C, K, H, W) or (N, K, H, W) with K = 1 or 3, not {array.shape}"
        )
    if array.dtype != np.uint8:
        unit = array if array.shape[2] == 1 else (array + 1) / 2
        array = np.rint(np.clip(unit, 0, 1) * 255).astype(np.uint8)
    return np.repeat(array, 3 // array.shape[2], axis=2).transpose(0, 1, 3, 4, 2)


def _grid_figure(
    cells: np.ndarray,
    row_labels: tuple[str, ...],
    column_labels: tuple[str, ...],
    row_title: str,
    column_title: str,
    row_colours: tuple[str, ...],
    gap: int,
    css_width: int,
    density: int,
    zoom: int | None,
    smoke: bool,
) -> Figure:
    """The grid at `density` file pixels per CSS pixel, every image pixel a square of whole file pixels."""
    rows, columns, height, width = cells.shape[:4]
    font = 12 if css_width > PHONE_PX else 11  # CSS pixels
    longest = max((len(part) for label in row_labels for part in label.split("\n")), default=0)
    left = density * round(font * 0.62 * longest + (10 if row_labels else 0) + (font * 1.6 if row_title else 0))
    deepest = max((label.count("\n") + 1 for label in column_labels), default=0)
    top = density * round(font * 1.35 * deepest + (6 if column_labels else 0) + (font * 1.3 if column_title else 0))
    gap *= density
    room = css_width * density - left - gap * (columns - 1)
    if zoom is None:
        zoom = max(1, room // (columns * width))
        # Even where that is not much smaller: then it is crisp on a screen with one pixel per CSS pixel, too.
        zoom -= zoom % 2 if density == 2 and zoom > 3 else 0
    step_x, step_y = width * zoom + gap, height * zoom + gap
    canvas = np.full((rows * step_y - gap, columns * step_x - gap, 3), 255, np.uint8)
    for r in range(rows):
        for c in range(columns):
            image = cells[r, c].repeat(zoom, axis=0).repeat(zoom, axis=1)
            canvas[r * step_y : r * step_y + height * zoom, c * step_x : c * step_x + width * zoom] = image
    full_width, full_height = left + canvas.shape[1], top + canvas.shape[0]
    dpi = CSS_DPI * density
    figure = Figure(figsize=(full_width / dpi, full_height / dpi), dpi=dpi)
    figure.figimage(canvas, xo=left, yo=0)
    size = font * 72 / CSS_DPI
    middle = left + canvas.shape[1] / 2
    for r, label in enumerate(row_labels):
        y = full_height - top - r * step_y - height * zoom / 2
        colour = row_colours[r] if row_colours else INK
        x = left - 6 * density
        figure.text(x / full_width, y / full_height, label, ha="right", va="center", fontsize=size, color=colour)
    for c, label in enumerate(column_labels):
        x = left + c * step_x + width * zoom / 2
        y = full_height - top + 4 * density
        figure.text(x / full_width, y / full_height, label, ha="center", va="bottom", fontsize=size)
    if column_title:
        figure.text(middle / full_width, 1, column_title, ha="center", va="top", fontsize=size, color=NEUTRAL)
    if row_title:
        y = (full_height - top) / 2 / full_height
        figure.text(0, y, row_title, ha="left", va="center", rotation=90, fontsize=size, color=NEUTRAL)
    if smoke:
        watermark(figure)
    return figure
