"""Photographs in class folders: ImageNet-mini, ImageNet-9, and any other of the same layout.

A folder is checked when it is opened: class folders, number of images, the head of each file. What is wrong is counted,
named, and an error; what systems leave there (.DS_Store) is no matter.
"""

import functools
import hashlib
import math
import os
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from cgnlib.data.finding import require
from cgnlib.data.pictures import PictureError, decoded, entries, opened_picture
from cgnlib.errors import AssetError, known
from cgnlib.images import to_float

SIZE, SHORTER = 224, 256  # pixels: of what the network sees, and of the shorter side that it is cut from
N_CLASSES = 1_000  # of ImageNet-1k
IMAGENET_9_CLASSES, IMAGENET_9_IMAGES = 9, 4_050  # in each set of ImageNet-9
# Of ImageNet-mini: the study counts 34,752 training images, users of the set report 34,745 and 3,923; no list is
# published, so that a count within MINI_TOLERANCE of these is taken as whole.
MINI_IMAGES, MINI_TOLERANCE = {"train": 34_752, "val": 3_923}, 0.01
# The toy world's names for the sets of ImageNet-9 (only_bg_t: the object's box is filled with tiles of what is around).
IMAGENET_9_SETS = {
    "original": "original",
    "mixed-same": "mixed_same",
    "mixed-rand": "mixed_rand",
    "only-background": "only_bg_t",
    "only-foreground": "only_fg",
}
SUFFIXES = (".jpg", ".jpeg", ".png")
OTHER_SUFFIXES = (*SUFFIXES, ".webp", ".bmp", ".gif", ".tif", ".tiff", ".jp2", ".avif", ".heic", ".part")
WORDNET_ID = re.compile(r"n\d{8}")
NAMED = 5  # wrong files that an error names; the rest are only counted
DRAWS = 23  # random numbers behind a random crop: ten tries of area and aspect, place, mirror
WORKERS = max(2, min(8, os.cpu_count() or 2))  # threads that decode; a decoder lets other threads run

View = Callable[[Image.Image, Tensor], Image.Image]  # (picture, DRAWS numbers in [0, 1)) -> RGB, SIZE x SIZE


# --- What the network sees of a photograph ---------------------------------------------------------------------------


def central(picture: Image.Image, draws: Tensor, shorter: int = SHORTER) -> Image.Image:
    """As published for evaluation: shorter side to 256 pixels, central 224 x 224; bilinear. Nothing is random.

    A JPEG of more than twice that size is halved in its decoder first, which is faster: its pixels differ from the
    published by three grey levels on average (see the ledger). Others are the same to the bit.
    """
    width, height = (max(shorter, round(shorter * side / min(picture.size))) for side in picture.size)
    picture.draft("RGB", (width, height))  # a JPEG decoder can halve up to three times, and is faster for it
    picture = decoded(picture).convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    left, top = round((width - SIZE) / 2), round((height - SIZE) / 2)
    return picture.crop((left, top, left + SIZE, top + SIZE))


def whole(picture: Image.Image, draws: Tensor) -> Image.Image:
    """Shorter side to 224 pixels, as published for ImageNet-9, whose images have that size already."""
    return central(picture, draws, SIZE)


def random_crop(picture: Image.Image, draws: Tensor) -> Image.Image:
    """As published for training: a part of 8 to 100 % of the area, aspect 3/4 to 4/3, to 224 x 224; mirrored or not.

    Ten tries for a part that lies in the picture; else its largest central part of allowed aspect.
    """
    width, height = picture.size
    tries = draws[:20].view(10, 2)
    area = width * height * (0.08 + 0.92 * tries[:, 0])
    aspect = (math.log(3 / 4) + 2 * math.log(4 / 3) * tries[:, 1]).exp()
    w, h = (area * aspect).sqrt().round(), (area / aspect).sqrt().round()
    fits = ((w >= 1) & (w <= width) & (h >= 1) & (h <= height)).nonzero()
    if len(fits):
        w, h = int(w[fits[0, 0]]), int(h[fits[0, 0]])
        left, top = int(draws[20] * (width - w + 1)), int(draws[21] * (height - h + 1))
    else:
        w, h = min(width, round(height * 4 / 3)), min(height, round(width * 4 / 3))
        left, top = (width - w) // 2, (height - h) // 2
    picture.draft("RGB", (math.ceil(width * SIZE / w), math.ceil(height * SIZE / h)))
    x, y = picture.size[0] / width, picture.size[1] / height  # 1, or a power of 1/2 if decoded smaller
    box = (left * x, top * y, (left + w) * x, (top + h) * y)
    picture = decoded(picture).convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR, box=box)
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if draws[22] < 0.5 else picture


# --- Folders ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FolderSet:
    """Images of a folder in the order of classes, then of file names; evaluated in `view`, trained in random crops."""

    name: str
    source: str
    paths: tuple[Path, ...]
    labels: Tensor  # (N,) int64
    classes: tuple[str, ...]  # names of class folders by label
    view: View = central

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def sha256(self) -> str:
        """SHA-256 of the files' names and sizes, which tells two sets apart; their pixels would take minutes."""
        names = [f"{path.parent.name}/{path.name} {path.stat().st_size}" for path in self.paths]
        return hashlib.sha256("\n".join(names).encode()).hexdigest()

    def batches(self, size: int = 64) -> Iterator[tuple[Tensor, Tensor]]:
        """For evaluation, in order: uint8 images (B, 3, 224, 224) and labels (B,); the last batch may be smaller.

        Raises AssetError for an image that cannot be decoded, ValueError for size below 1.
        """
        if size < 1:
            raise ValueError(f"a batch needs at least 1 image, not {size}")
        for part in torch.arange(len(self)).split(size):
            yield self._decoded(part, self.view, torch.zeros(len(part), DRAWS)), self.labels[part]

    def draw(self, index: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
        """Random crops (B, 3, 224, 224) in [-1, 1] by draws (B, DRAWS) in [0, 1), labels (B,). Raises as `batches`."""
        return to_float(self._decoded(index, random_crop, draws)), self.labels[index]

    def _decoded(self, index: Tensor, view: View, draws: Tensor) -> Tensor:
        with ThreadPoolExecutor(WORKERS) as pool:
            return torch.stack(list(pool.map(functools.partial(self._pixels, view), index.tolist(), draws)))

    def _pixels(self, view: View, index: int, draws: Tensor) -> Tensor:
        """(3, 224, 224) uint8."""
        with opened_picture(self.paths[index], decode=False) as picture:  # a view lets the decoder halve it first
            return torch.from_numpy(np.array(view(picture, draws))).permute(2, 0, 1)


def folder_set(
    folder: Path,
    name: str,
    source: str,
    classes: Sequence[str],
    *,
    images: int | None = None,
    tolerance: float = 0.0,
    view: View = central,
    partial: bool = False,
) -> FolderSet:
    """The images of `folder/<class>/*`, label = place of the class in `classes`, opened and checked.

    images: how many there must be, to within `tolerance` (a share of them). partial: another number will do, and other
    files and folders are left out; both are warned of. Raises AssetError for class folders that are missing, empty or
    unknown, for files that are no images or damaged at the head, and, unless `partial`, for another number of images
    and for whatever else lies there.
    """
    if not folder.is_dir():
        raise AssetError(f"{name}: there is no folder {folder}")

    def refuse(what: str, wrong: Iterable[str], allowed: bool = False) -> None:
        if found := list(wrong):
            shown = ", ".join(found[:NAMED]) + ", ..." * (len(found) > NAMED)
            words = f"{name}, {folder}: {len(found):,} {what}: {shown}"
            if not allowed:
                raise AssetError(f"{words}. Get the data again.")
            warnings.warn(f"{words}. They are left out.", stacklevel=3)

    there = {path.name: entries(path) for path in entries(folder) if path.is_dir()}
    refuse(f"class folders that are not among the {len(classes):,}", sorted(set(there) - set(classes)), partial)
    inside = {c: [path for path in there.get(c, ()) if path.suffix.lower() in SUFFIXES] for c in classes}
    beside = [path for path in entries(folder) if not path.is_dir() and path.suffix.lower() in OTHER_SUFFIXES]
    beside += [path for c in classes for path in there.get(c, ()) if path not in set(inside[c])]
    kinds = f"files or folders in a class that are no {', '.join(SUFFIXES)}, or images beside the classes"
    refuse(kinds, (str(path.relative_to(folder)) for path in beside), partial)
    refuse(f"of {len(classes):,} class folders missing or without images", [c for c in classes if not inside[c]])
    paths = tuple(path for c in classes for path in inside[c])
    labels = torch.tensor([label for label, c in enumerate(classes) for _ in inside[c]])
    if images is not None and abs(len(paths) - images) > tolerance * images:
        smallest = Counter({c: -len(inside[c]) for c in classes}).most_common()
        what = f"classes with together {len(paths):,} images, where {images:,} are expected"
        refuse(what, (f"{c} has {-n:,}" for c, n in smallest), partial)
    with ThreadPoolExecutor(WORKERS) as pool:
        faults = zip(paths, pool.map(_fault, paths), strict=True)
        refuse("files that cannot be read", (f"{path.relative_to(folder)} ({why})" for path, why in faults if why))
    return FolderSet(name, source, paths, labels, tuple(classes), view)


def _fault(path: Path) -> str:
    """What is wrong with the head of an image, "" for nothing. Damage further in shows when it is decoded."""
    try:
        with opened_picture(path, decode=False) as picture:
            return "" if min(picture.size) >= 1 else "empty"
    except PictureError as error:
        return f"{error.why}, {path.stat().st_size:,} bytes"


def imagenet_mini(split: str, data_folder: str | Path | None = None, *, partial: bool = False) -> FolderSet:
    """ImageNet-mini, "train" or "val": class folders by WordNet id, whose sorted order is that of ImageNet-1k.

    The ids are those of the train folder, which must hold all 1000: without the full list no place is sure. partial:
    see `folder_set`. Raises AssetError as that, and saying how to get the data where they are missing.
    """
    known("split of ImageNet-mini", split, ("train", "val"))
    folder = require("imagenet-mini", data_folder)
    classes = sorted(path.name for path in (folder / "train").iterdir() if WORDNET_ID.fullmatch(path.name))
    if len(classes) != N_CLASSES:
        raise AssetError(
            f"ImageNet-mini, {folder / 'train'}: {len(classes):,} class folders by WordNet id, where {N_CLASSES:,} are "
            "expected; labels are places among all of them, so none may be missing. Get the data again."
        )
    expected = {"images": MINI_IMAGES[split], "tolerance": MINI_TOLERANCE}
    return folder_set(folder / split, f"imagenet-mini/{split}", "imagenet-mini", classes, **expected, partial=partial)


def imagenet_9(name: str, data_folder: str | Path | None = None, *, partial: bool = False) -> FolderSet:
    """A set of ImageNet-9 by the toy world's name, a key of IMAGENET_9_SETS; labels in 0..8 ("00_dog" to "08_fish").

    partial: see `folder_set`. Raises AssetError as `folder_set`, and saying how to get the data where they are missing.
    """
    folder = require("imagenet-9", data_folder) / IMAGENET_9_SETS[known("set of ImageNet-9", name, IMAGENET_9_SETS)]
    numbered = {path.name[:3]: path.name for path in (folder / "val").glob("0[0-8]_*")}
    classes = [numbered.get(f"{label:02}_", f"{label:02}_*") for label in range(IMAGENET_9_CLASSES)]
    place, about = folder / "val", (f"imagenet-9/{name}", "imagenet-9")
    return folder_set(place, *about, classes, images=IMAGENET_9_IMAGES, view=whole, partial=partial)
