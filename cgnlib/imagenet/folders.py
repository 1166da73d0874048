"""Photographs in class folders: ImageNet-mini, ImageNet-9, and any other of the same layout.

A folder is checked when it is opened: class folders, numbers of images, the head of each file. What is wrong is named
and counted, and an error unless allowed.
"""

import functools
import hashlib
import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from cgnlib.fetching import AssetError
from cgnlib.imagenet.imagenet9 import CLASSES as NINE
from cgnlib.imagenet.imagenet9 import N_CLASSES
from cgnlib.images import to_float
from cgnlib.registry import require

SIZE, SHORTER = 224, 256  # pixels: of what the network sees, and of the shorter side that it is cut from
IMAGENET_9_IMAGES = 4_050  # in each set of ImageNet-9
# The toy world's names for the sets of ImageNet-9 (only_bg_t: the object's box is filled with tiles of what is around).
IMAGENET_9_SETS = {
    "original": "original",
    "mixed-same": "mixed_same",
    "mixed-rand": "mixed_rand",
    "only-background": "only_bg_t",
    "only-foreground": "only_fg",
}
PROBLEMS = ("missing-classes", "counts", "unreadable")  # what a user may allow
SUFFIXES = (".jpg", ".jpeg", ".png")
WORDNET_ID = re.compile(r"n\d{8}")
NUMBERED = re.compile(r"(\d\d)_.+")  # the class folders of ImageNet-9, 00_dog to 08_fish
NAMED = 5  # wrong files that an error names; the rest are only counted
DRAWS = 23  # random numbers behind a random crop: ten tries of area and aspect, place, mirror

View = Callable[[Image.Image, Tensor], Image.Image]  # (picture, DRAWS numbers in [0, 1)) -> RGB, SIZE x SIZE


class ImageSet(Protocol):
    """Labelled images of a folder, or anything like it. It is also what the classifier's training draws from."""

    name: str
    source: str
    labels: Tensor  # (N,) int64

    def __len__(self) -> int: ...

    @property
    def sha256(self) -> str:
        """What tells two sets apart."""
        ...

    def batches(self, size: int = 64) -> Iterator[tuple[Tensor, Tensor]]:
        """For evaluation, in the order of the set: uint8 images (B, 3, H, W) and labels (B,); the last may be smaller.

        Raises ValueError for size below 1.
        """
        ...

    def draw(self, index: Tensor, stream: torch.Generator) -> tuple[Tensor, Tensor]:
        """For training: float images (B, 3, H, W) in [-1, 1], augmented with numbers of the stream, and labels (B,)."""
        ...


# --- What the network sees of a photograph ---------------------------------------------------------------------------


def central(picture: Image.Image, draws: Tensor, shorter: int = SHORTER) -> Image.Image:
    """As published for evaluation: shorter side to 256 pixels, central 224 x 224; bilinear. Nothing is random."""
    width, height = (max(shorter, round(shorter * side / min(picture.size))) for side in picture.size)
    picture.draft("RGB", (width, height))  # a JPEG decoder can halve up to three times, and is faster for it
    picture = picture.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
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
    picture = picture.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR, box=box)
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if draws[22] < 0.5 else picture


# --- Folders ---------------------------------------------------------------------------------------------------------


@dataclass
class FolderSet:
    """Images of a folder in the order of classes, then of file names; evaluated in `view`, trained in random crops.

    skipped: allowed problems, in words, of opening and, for images that turn out to be damaged, of reading.
    """

    name: str
    source: str
    paths: tuple[Path, ...]
    labels: Tensor  # (N,) int64
    classes: tuple[str, ...]  # names of class folders by label; some may be missing, where that is allowed
    skipped: list[str] = field(default_factory=list)
    allow: Collection[str] = ()
    view: View = central
    workers: int = 2  # threads that decode

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def sha256(self) -> str:
        """Of the files' names and sizes; their pixels would take minutes."""
        names = [f"{path.parent.name}/{path.name} {path.stat().st_size}" for path in self.paths]
        return hashlib.sha256("\n".join(names).encode()).hexdigest()

    def batches(self, size: int = 64) -> Iterator[tuple[Tensor, Tensor]]:
        """uint8 images (B, 3, 224, 224) and labels (B,). Raises AssetError for an image that cannot be decoded; where
        "unreadable" is allowed it is left out and noted.
        """
        _check_size(size)
        for part in torch.arange(len(self)).split(size):
            images, kept = self._decoded(part, self.view, torch.zeros(len(part), DRAWS))
            if len(kept):
                yield images, self.labels[kept]

    def draw(self, index: Tensor, stream: torch.Generator) -> tuple[Tensor, Tensor]:
        """Random crops (B, 3, 224, 224) in [-1, 1] and labels (B,); fewer where damaged ones are allowed.

        Raises AssetError as `batches`, and for a batch without a single good image.
        """
        images, kept = self._decoded(index, random_crop, torch.rand(len(index), DRAWS, generator=stream))
        if not len(kept):
            raise AssetError(f"{self.name}: none of {len(index)} images can be read, first {self.paths[int(index[0])]}")
        return to_float(images), self.labels[kept]

    def _decoded(self, index: Tensor, view: View, draws: Tensor) -> tuple[Tensor, Tensor]:
        """Images, and the positions of those that could be decoded."""
        with ThreadPoolExecutor(self.workers) as pool:  # a decoder lets other threads run
            found = list(pool.map(functools.partial(self._pixels, view), index.tolist(), draws))
        kept = [pixels is not None for pixels in found]
        images = [pixels for pixels in found if pixels is not None]
        return torch.stack(images) if images else torch.empty(0, 3, SIZE, SIZE, dtype=torch.uint8), index[kept]

    def _pixels(self, view: View, index: int, draws: Tensor) -> Tensor | None:
        """(3, 224, 224) uint8; None for an image that cannot be decoded and may be left out."""
        path = self.paths[index]
        try:
            with Image.open(path) as picture:
                pixels = np.array(view(picture, draws))
        except (OSError, SyntaxError, ValueError) as error:
            problem = f"{path} cannot be read: {error}"
            if "unreadable" not in self.allow:
                raise AssetError(f"{self.name}: {problem}. Get it again, or allow 'unreadable'.") from error
            if problem not in self.skipped:
                self.skipped.append(problem)
            return None
        return torch.from_numpy(pixels).permute(2, 0, 1)


def _check_size(size: int) -> None:
    if size < 1:
        raise ValueError(f"a batch needs at least 1 image, not {size}")


def folder_set(
    folder: Path,
    name: str,
    source: str,
    classes: Sequence[str],
    *,
    images: int | None = None,
    allow: Collection[str] = (),
    view: View = central,
    workers: int = 2,
) -> FolderSet:
    """The images of `folder/<class>/*`, label = place of the class in `classes`, opened and checked.

    images: how many there must be. allow: any of PROBLEMS. Raises AssetError for class folders that are missing, empty
    or unknown, for another number of images, for files that are no images or damaged at the head; ValueError for a
    problem that cannot be allowed.
    """
    if unknown := set(allow) - set(PROBLEMS):
        raise ValueError(f"cannot allow {', '.join(sorted(unknown))}: any of {', '.join(PROBLEMS)}")
    if not folder.is_dir():
        raise AssetError(f"{name}: there is no folder {folder}")
    skipped: list[str] = []

    def refuse(problem: str, what: str, wrong: Sequence[str]) -> None:
        if not wrong:
            return
        words = f"{name}, {folder}: {len(wrong):,} {what}: " + ", ".join(wrong[:NAMED]) + ", ..." * (len(wrong) > NAMED)
        if problem not in allow:
            remedy = f", or allow '{problem}'" if problem in PROBLEMS else ""
            raise AssetError(f"{words}. Get the data again{remedy}.")
        skipped.append(words)

    there = sorted(path.name for path in folder.iterdir() if path.is_dir())
    refuse("unknown", f"class folders that are not among the {len(classes):,}", sorted(set(there) - set(classes)))
    inside = {c: sorted(p for p in (folder / c).iterdir() if p.suffix.lower() in SUFFIXES) for c in there}
    empty = [c for c in classes if not inside.get(c)]
    refuse("missing-classes", f"of {len(classes):,} class folders missing or without images", empty)
    paths = [(path, label) for label, c in enumerate(classes) for path in inside.get(c, ())]
    if images is not None and len(paths) != images:
        per_class = Counter(classes[label] for _, label in paths)
        few = [f"{c} has {n:,}" for c, n in sorted(per_class.items(), key=lambda item: item[1])]
        refuse("counts", f"classes with together {len(paths):,} images, where {images:,} are expected", few)
    with ThreadPoolExecutor(workers) as pool:
        faults = list(pool.map(_fault, [path for path, _ in paths]))
    wrong = [f"{path.relative_to(folder)} ({fault})" for (path, _), fault in zip(paths, faults, strict=True) if fault]
    refuse("unreadable", "files that cannot be read", wrong)
    good = [each for each, fault in zip(paths, faults, strict=True) if not fault]
    if not good:
        raise AssetError(f"{name}: no images in {folder}")
    labels = torch.tensor([label for _, label in good])
    return FolderSet(
        name, source, tuple(path for path, _ in good), labels, tuple(classes), skipped, allow, view, workers
    )


def _fault(path: Path) -> str:
    """What is wrong with the head of an image, "" for nothing. Damage further in shows when it is decoded."""
    try:
        with Image.open(path) as picture:
            return "" if min(picture.size) >= 1 else "empty"
    except (OSError, SyntaxError, ValueError) as error:
        return f"{type(error).__name__}, {path.stat().st_size:,} bytes"


def imagenet_mini(
    split: str, data_folder: str | Path | None = None, *, allow: Collection[str] = (), workers: int = 2
) -> FolderSet:
    """ImageNet-mini, "train" or "val": class folders by WordNet id, whose sorted order is that of ImageNet-1k.

    The ids are those of the train folder, which must hold all 1000: without the full list no place is sure. Raises
    AssetError as `folder_set`, and saying how to get the data where they are missing.
    """
    if split not in ("train", "val"):
        raise ValueError(f"unknown split {split!r} of ImageNet-mini: train or val")
    folder = require("imagenet-mini", data_folder)
    classes = sorted(path.name for path in (folder / "train").iterdir() if WORDNET_ID.fullmatch(path.name))
    if len(classes) != N_CLASSES:
        raise AssetError(
            f"ImageNet-mini, {folder / 'train'}: {len(classes):,} class folders by WordNet id, where {N_CLASSES:,} are "
            "expected; labels are places among all of them, so none may be missing. Get the data again."
        )
    name = f"imagenet-mini/{split}"
    return folder_set(folder / split, name, "imagenet-mini", classes, allow=allow, workers=workers)


def imagenet_9(
    name: str, data_folder: str | Path | None = None, *, allow: Collection[str] = (), workers: int = 2
) -> FolderSet:
    """A set of ImageNet-9 by the toy world's name, a key of IMAGENET_9_SETS; labels in 0..8.

    Raises AssetError as `folder_set`, and saying how to get the data where they are missing.
    """
    if name not in IMAGENET_9_SETS:
        raise ValueError(f"unknown set {name!r} of ImageNet-9: one of {', '.join(IMAGENET_9_SETS)}")
    folder = require("imagenet-9", data_folder) / IMAGENET_9_SETS[name] / "val"
    found = [path.name for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    numbers = {int(match[1]): text for text in found if (match := NUMBERED.fullmatch(text))}
    classes = [numbers.get(label, f"{label:02}_{NINE[label]}") for label in range(len(NINE))]
    shown = f"imagenet-9/{name}"
    options = {"images": IMAGENET_9_IMAGES, "allow": allow, "view": whole, "workers": workers}
    return folder_set(folder, shown, "imagenet-9", classes, **options)
