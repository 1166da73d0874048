"""The 1,280 cue-conflict stimuli (Geirhos et al. 2019), and the shape bias of a classifier of ImageNet-1k on them."""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from cgnlib.data.pictures import PictureError, files_below, opened_picture
from cgnlib.errors import AssetError, known
from cgnlib.imagenet.names import CATEGORIES
from cgnlib.imagenet.networks import Pretrained
from cgnlib.imagenet.shape_bias import NO_ANSWER, Trials, decisions
from cgnlib.progress import tqdm
from cgnlib.randomness import generator

SIZE = 224  # pixels
ENLARGED = 256  # pixels: the authors' code resizes to this before it crops to SIZE
PER_PAIR = 5  # images of each shape in each texture: 16 * 16 * 5 = 1,280
TOTAL = PER_PAIR * len(CATEGORIES) ** 2
NAMED = 5  # files that an error names; the rest are only counted
NAME = re.compile(r"([a-z]+)[1-9]\d*-([a-z]+)[1-9]\d*\.png")
COLUMNS = ("object_response", "imagename")  # of a record of decisions, as published; there may be others
NO_RESPONSE = ("na", "NaN", "")  # what a record has where nobody answered in time


class Stimulus(NamedTuple):
    """A file, and the categories (0..15) that its name tells."""

    path: Path
    shape: int
    texture: int


class Batch(NamedTuple):
    """Stimuli as tensors."""

    images: Tensor  # (B, 3, 224, 224) uint8
    shapes: Tensor  # (B,) int64, categories in 0..15
    textures: Tensor  # (B,) int64


def stimuli(folder: str | Path) -> tuple[Stimulus, ...]:
    """The stimuli of a folder, `<shape>/<shape><i>-<texture><j>.png`, ordered by path.

    Raises AssetError, with the number of what is wrong and the names of the first, for other files, and for pairs of
    categories that have not 5 images.
    """
    folder = Path(folder)
    files = files_below(folder)
    found, others = [], []
    for path in files:
        match = NAME.fullmatch(path.name)
        if match and set(match.groups()) <= set(CATEGORIES) and path.parent == folder / match[1]:
            found.append(Stimulus(path, *(CATEGORIES.index(name) for name in match.groups())))
        else:
            others.append(str(path.relative_to(folder)))
    counts = Counter((each.shape, each.texture) for each in found)
    pairs = [(s, t) for s in range(len(CATEGORIES)) for t in range(len(CATEGORIES))]
    few = [f"{CATEGORIES[s]}-{CATEGORIES[t]} ({counts[s, t]})" for s, t in pairs if counts[s, t] != PER_PAIR]
    for what, wrong in (
        ("files that are no stimuli by name or folder", others),
        (f"pairs of shape and texture without {PER_PAIR} images ({len(found):,} of {TOTAL:,} there)", few),
    ):
        if wrong:
            names = ", ".join(wrong[:NAMED]) + ", ..." * (len(wrong) > NAMED)
            raise AssetError(f"cue-conflict stimuli in {folder}: {len(wrong):,} {what}: {names}. Get the folder again.")
    return tuple(found)


def conflicting(chosen: Sequence[Stimulus], n: int | None = None, seed: int = 0) -> list[Stimulus]:
    """The stimuli whose cues conflict, in their order; with `n` as many of them, drawn with a seed, and of each shape
    category as many as of any other, but for one. Raises ValueError for more than there are, or none.
    """
    found = [stimulus for stimulus in chosen if stimulus.shape != stimulus.texture]
    if n is None:
        return found
    if not 1 <= n <= len(found):
        raise ValueError(f"{n} of {len(found)} conflicting stimuli cannot be taken")
    order = torch.randperm(len(found), generator=generator(seed, "cue-conflict")).tolist()
    seen: Counter[int] = Counter()
    turn = {}  # how many of its category are drawn before a stimulus
    for index in order:
        turn[index] = seen[found[index].shape]
        seen[found[index].shape] += 1
    return [found[index] for index in sorted(sorted(order, key=turn.__getitem__)[:n])]


def batches(chosen: Sequence[Stimulus], size: int = 64, enlarge: bool = False) -> Iterator[Batch]:
    """Stimuli in their order, `size` at a time; the last batch may be smaller.

    enlarge: resize to 256 and crop the central 224 pixels, as the authors' code does with these 224 pixel files (it
    zooms in by 8/7 and drops the border); bilinear, by Pillow. Raises AssetError for a file that is no intact image of
    224 x 224 pixels.
    """
    if size < 1:
        raise ValueError(f"a batch needs at least 1 image, not {size}")
    for start in range(0, len(chosen), size):
        part = chosen[start : start + size]
        images = torch.stack([_pixels(stimulus.path, enlarge) for stimulus in part])
        yield Batch(images, torch.tensor([each.shape for each in part]), torch.tensor([each.texture for each in part]))


def _pixels(path: Path, enlarge: bool) -> Tensor:
    """(3, 224, 224) uint8."""
    with opened_picture(path) as image:
        picture = image.convert("RGB")
        if picture.size != (SIZE, SIZE):
            raise PictureError(path, f"{picture.width} x {picture.height} pixels, where {SIZE} x {SIZE} are expected")
    if enlarge:
        border = (ENLARGED - SIZE) // 2
        box = (border, border, border + SIZE, border + SIZE)
        picture = picture.resize((ENLARGED, ENLARGED), Image.Resampling.BILINEAR).crop(box)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)


def evaluate(
    network: Pretrained, folder: str | Path, *, enlarge: bool = False, limit: int | None = None, seed: int = 0
) -> Trials:
    """Decisions of a network on the 1,200 stimuli whose cues conflict, or `limit` of them, as `conflicting` draws them.

    Raises AssetError as `stimuli` and `batches`, ValueError for logits that are no predictions of ImageNet-1k.
    """
    chosen = conflicting(stimuli(folder), limit, seed)
    shown = tqdm(batches(chosen, enlarge=enlarge), total=-(-len(chosen) // 64), desc="cue-conflict stimuli")
    decided = [decisions(network(batch.images)) for batch in shown]
    return trials_of(torch.cat(decided), [stimulus.path.name for stimulus in chosen])


def read_record(file: Path) -> Trials:
    """Decisions of a person or a network, from a CSV file of one trial a line, as published by Geirhos et al.

    Columns "object_response", a category or nothing, and "imagename", which ends in the stimulus's name. Raises
    AssetError for a file that cannot be read so, or shows a stimulus twice.
    """
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            lines = [tuple(line[column].strip() for column in COLUMNS) for line in csv.DictReader(stream)]
        names = [image.rpartition("_")[2] for _, image in lines]
        answers = [
            NO_ANSWER if said in NO_RESPONSE else CATEGORIES.index(known("answer", said, CATEGORIES))
            for said, _ in lines
        ]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"{len(names)} trials of {len(set(names))} stimuli")
        return trials_of(torch.tensor(answers), names)
    except (OSError, AttributeError, KeyError, ValueError, csv.Error) as error:
        wanted = f"lines with {' and '.join(COLUMNS)}, each of a stimulus of its own"
        raise AssetError(f"record {file} cannot be used: {error}; {wanted} are expected. Get it again.") from error


def trials_of(decided: Tensor, names: Sequence[str]) -> Trials:
    """Decisions (N,) with what the names of the stimuli tell. Raises ValueError for a name that is no stimulus's."""
    cues = [NAME.fullmatch(name) for name in names]
    if None in cues:
        raise ValueError(f"{names[cues.index(None)]!r} names no stimulus")
    shapes, textures = (torch.tensor([CATEGORIES.index(match[group]) for match in cues if match]) for group in (1, 2))
    shape_images, texture_images = zip(*(name.removesuffix(".png").split("-") for name in names), strict=True)
    return Trials(decided, shapes, textures, shape_images, texture_images)
