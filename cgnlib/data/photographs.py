"""Photographs of the nine ImageNet-9 classes with soft masks of their objects, and which masks count.

A folder holds index.csv (columns file, mask_isnet, mask_true, in9, licence, author, url), images and masks. The masks
are a network's: the rules below, fixed before anything was classified, leave out those that cannot be trusted.
Of a photograph its central square is used, at SIZE x SIZE pixels.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from cgnlib.data.finding import require
from cgnlib.data.pictures import opened_picture
from cgnlib.errors import AssetError

SIZE = 256  # pixels
N_CLASSES = 9
AREA = (0.05, 0.60)  # share of the square that is object
ONE_PIECE = 0.8  # least share of the object that is in one piece
AGREEMENT = 0.7  # least IoU of the masks cut at 0.25 and at 0.75: lower where the network hesitates
ROOM = 16  # least pixels beside, above or below the object from which a background can be tiled
INSIDE, EDGE = 0.5, 0.25  # mask values from which a pixel is object, and from which it is not background
FAULTS = ("area", "pieces", "agreement", "room")


@dataclass(frozen=True)
class Photograph:
    """One line of the index. label: class of ImageNet-9, 0..8, or -1; author, url: empty where unknown."""

    file: Path
    mask_file: Path
    true_mask_file: Path | None
    label: int
    licence: str
    author: str
    url: str

    @property
    def may_be_shown(self) -> bool:
        """Whether its licence, CC BY, allows it with author and link."""
        return self.licence.startswith("CC BY") and bool(self.author and self.url)

    @property
    def credit(self) -> str:
        """Author, licence and link, for a caption in MyST."""
        return f"[{self.author}]({self.url}), {self.licence.partition(' (')[0]}"

    def pixels(self) -> np.ndarray:
        """(SIZE, SIZE, 3) uint8. Raises AssetError for a file that cannot be read, as all that read one."""
        return np.asarray(_square(self.file, "RGB"))

    def mask(self) -> np.ndarray:
        """(SIZE, SIZE) uint8, 255 where the network is sure of the object."""
        return np.asarray(_square(self.mask_file, "L"))

    def true_mask(self) -> np.ndarray | None:
        """(SIZE, SIZE) bool; None where there is none."""
        return None if self.true_mask_file is None else np.asarray(_square(self.true_mask_file, "L")) > 127


def photographs(folder: str | Path | None = None) -> tuple[Photograph, ...]:
    """All photographs in the order of the index. Raises AssetError where they are missing, or the index is damaged."""
    index = require("photographs", folder) / "index.csv"
    try:
        with index.open(encoding="utf-8", newline="") as stream:
            found = [_photograph(index.parent, line) for line in csv.DictReader(stream)]
    except (OSError, KeyError, ValueError, TypeError, csv.Error) as error:
        raise AssetError(f"index of the photographs, {index}, cannot be used: {error!r}. Get it again.") from error
    if lost := [each.file for each in found if not (each.file.is_file() and each.mask_file.is_file())]:
        raise AssetError(f"{index} names {len(lost)} photographs without a file or mask, first {lost[0]}. Add them.")
    return tuple(found)


def _photograph(root: Path, line: dict[str, str]) -> Photograph:
    true = root / line["mask_true"] if line["mask_true"] else None
    label = int(line["in9"] or -1)
    if not -1 <= label < N_CLASSES:
        raise ValueError(f"in9 is {label}")
    files = root / line["file"], root / line["mask_isnet"], true
    return Photograph(*files, label, line["licence"], line["author"], line["url"])


def _square(file: Path, mode: str) -> Image.Image:
    with opened_picture(file) as image:
        side = min(image.size)
        left, top = ((length - side) // 2 for length in image.size)
        square = image.convert(mode).crop((left, top, left + side, top + side))
        return square.resize((SIZE, SIZE), Image.Resampling.BILINEAR)


def fault(mask: np.ndarray) -> str:
    """The first of FAULTS for which a mask (H, W) uint8 does not count; "" where it does."""
    soft = mask / 255
    inside = soft >= INSIDE
    if not AREA[0] <= inside.mean() <= AREA[1]:
        return "area"
    pieces, _ = ndimage.label(inside)  # pyright: ignore[reportGeneralTypeIssues]
    if np.bincount(pieces.ravel())[1:].max() < ONE_PIECE * inside.sum():
        return "pieces"
    if (soft >= 1 - EDGE).sum() < AGREEMENT * (soft >= EDGE).sum():
        return "agreement"
    return "" if max(strips(mask)) >= ROOM else "room"


def strips(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Pixels left of the object's box, right of it, above and below. mask: (H, W) uint8, not empty."""
    rows, columns = np.nonzero(mask >= 255 * EDGE)
    height, width = mask.shape
    return int(columns.min()), int(width - 1 - columns.max()), int(rows.min()), int(height - 1 - rows.max())


def counting(chosen: Sequence[Photograph]) -> tuple[list[Photograph], list[str]]:
    """Of photographs those of the nine classes whose masks count, and the fault of each of the others of a class.

    Those with a true mask, several frames of one video each, are for checking the masks and left aside.
    """
    faults = [(each, fault(each.mask())) for each in chosen if each.label >= 0 and each.true_mask_file is None]
    return [each for each, wrong in faults if not wrong], [wrong for _, wrong in faults if wrong]


def balanced(chosen: Sequence[Photograph], n: int | None) -> list[Photograph]:
    """n photographs, the first of each class in turn, in their order; all where n is None or more than there are."""
    seen, turns = [0] * N_CLASSES, []
    for place, each in enumerate(chosen):
        turns.append((seen[each.label], place))
        seen[each.label] += 1
    return [chosen[place] for place in sorted(place for _, place in sorted(turns)[:n])]


def overlap(mask: np.ndarray, true: np.ndarray) -> float:
    """IoU of a mask (H, W) uint8, cut at one half, and a true one (H, W) bool; 0 where both are empty."""
    inside = mask >= 255 * INSIDE
    return float((inside & true).sum() / max(1, (inside | true).sum()))


def credits(shown: Iterable[Photograph]) -> str:
    """Authors, licences and links of photographs that are shown, for a caption. Raises ValueError for others."""
    shown = list(shown)
    if not all(each.may_be_shown for each in shown):
        raise ValueError("a photograph whose licence does not allow it is to be shown")
    return "; ".join(each.credit for each in shown)
