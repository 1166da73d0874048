"""Shape bias (Geirhos et al. 2019; seed, Section 4.2, Table 4): does a classifier go by shape where cues conflict?

A cue-conflict image shows the shape of one category in the texture of another. Of the decisions for one of the two, the
shape bias is the share of those for the shape. Both counts are always reported: a share of few decisions says little.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from cgnlib.imagenet.imagenet9 import check_logits, class_indices
from cgnlib.statistics import Interval, wilson_interval

CATEGORY_INDICES = {
    name: class_indices(text)
    for name, text in {
        "airplane": "404",
        "bear": "294-297",
        "bicycle": "444, 671",
        "bird": "8, 10-16, 18-20, 22-24, 80-83, 87-96, 98-100, 127-133, 135-145",
        "boat": "472, 554, 625, 814, 914",
        "bottle": "440, 720, 737, 898-899, 901, 907",
        "car": "436, 511, 817",
        "cat": "281-286",
        "chair": "423, 559, 765, 857",
        "clock": "409, 530, 892",
        "dog": "152-191, 193-203, 205-226, 228-241, 243-250, 252-257, 259, 261-263, 265-268",
        "elephant": "385-386",
        "keyboard": "508, 878",
        "knife": "499",
        "oven": "766",
        "truck": "555, 569, 656, 675, 717, 734, 864, 867",
    }.items()
}
CATEGORIES = tuple(CATEGORY_INDICES)
NO_RESPONSE = "na"  # how the published trials write that an observer did not answer in time
TRIAL_COLUMNS = ("subj", "session", "trial", "rt", "object_response", "category", "condition", "imagename")

_NAME = re.compile(r"(?:^|_)([a-z]+)(\d+)-([a-z]+)(\d+)\.png$")


@dataclass(frozen=True)
class Cues:
    """Categories (0..15) that a cue-conflict image shows, and which of their source images it was made from (1..)."""

    shape: int
    shape_image: int
    texture: int
    texture_image: int


def parse_name(name: str) -> Cues:
    """Cues of `airplane1-bicycle2.png`, alone or at the end of a published trial's name, after an underscore.

    Raises ValueError for a name of another form or with an unknown category.
    """
    found = _NAME.search(name)
    if found is None:
        raise ValueError(f"{name!r} does not end in SHAPE<number>-TEXTURE<number>.png")
    shape, i, texture, j = found.groups()
    return Cues(category_index(shape), int(i), category_index(texture), int(j))


def category_index(name: str) -> int:
    """Position of a category in CATEGORIES. Raises ValueError for an unknown one."""
    if name not in CATEGORY_INDICES:
        raise ValueError(f"unknown category {name!r}: one of {', '.join(CATEGORIES)}")
    return CATEGORIES.index(name)


def decisions(logits: Tensor) -> Tensor:
    """Category (N,) int64 in 0..15 that a classifier of ImageNet-1k decides for.

    logits: (N, 1000). The probability of a category is the *mean* over its classes, as published: so a category of many
    classes (dog) is at no advantage. Raises ValueError for another shape and for NaN.
    """
    check_logits(logits)
    probabilities = logits.double().softmax(dim=1)
    means = [probabilities[:, list(indices)].mean(dim=1) for indices in CATEGORY_INDICES.values()]
    return torch.stack(means, dim=1).argmax(dim=1)


@dataclass(frozen=True)
class CueCounts:
    """Number of decisions for the shape, for the texture, and for neither."""

    shape: int
    texture: int
    other: int

    @property
    def n(self) -> int:
        """Images shown."""
        return self.shape + self.texture + self.other

    @property
    def decided(self) -> int:
        """Decisions for one of the two cues: what the shape bias is a share of."""
        return self.shape + self.texture

    @property
    def value(self) -> float:
        """Shape bias in [0, 1]. Raises ValueError where neither cue was ever decided for."""
        return self.interval.value

    @property
    def interval(self) -> Interval:
        """Shape bias with its 95 % Wilson interval over decisions, in [0, 1]. Raises ValueError as `value`."""
        if self.decided == 0:
            raise ValueError(f"no shape bias: none of {self.n:,} decisions is for the shape or the texture")
        return wilson_interval(self.shape, self.decided)


@dataclass(frozen=True)
class ShapeBias(CueCounts):
    """Counts over all images and, by name, over those of each shape category that was shown (some may be undecided)."""

    by_category: Mapping[str, CueCounts]


def shape_bias(decided: Tensor, shapes: Tensor, textures: Tensor) -> ShapeBias:
    """Count decisions (N,) for the shapes (N,) and the textures (N,) of images, all category indices in 0..15.

    A decision may be -1: no answer, counted as other. Images whose shape and texture are of one category do not
    conflict and are left out. Raises ValueError for no images, for lengths that differ, for an unknown category, and
    where no decision is for a shape or a texture.
    """
    if decided.ndim != 1 or decided.shape != shapes.shape or decided.shape != textures.shape:
        found = ", ".join(str(tuple(part.shape)) for part in (decided, shapes, textures))
        raise ValueError(f"shape bias: decisions, shapes and textures must be (N,) each, not {found}")
    for what, values, least in (("decision", decided, -1), ("shape", shapes, 0), ("texture", textures, 0)):
        wrong = values[(values < least) | (values >= len(CATEGORIES))]
        if len(wrong):
            raise ValueError(f"shape bias: {what} {wrong[0].item()} is no category (0 to {len(CATEGORIES) - 1})")
    conflict = shapes != textures
    decided, shapes, textures = decided[conflict], shapes[conflict], textures[conflict]
    if len(shapes) == 0:
        raise ValueError("shape bias: no images with conflicting cues")
    for_shape, for_texture = decided == shapes, decided == textures

    def counts(chosen: Tensor) -> tuple[int, int, int]:
        shape, texture = int((for_shape & chosen).sum()), int((for_texture & chosen).sum())
        return shape, texture, int(chosen.sum()) - shape - texture

    categories = {CATEGORIES[c]: CueCounts(*counts(shapes == c)) for c in shapes.unique().tolist()}
    found = ShapeBias(*counts(torch.ones_like(conflict[conflict])), by_category=categories)
    _ = found.value  # no decision at all is an error here, not where the number is used
    return found


def from_trials(file: str | Path) -> ShapeBias:
    """Shape bias of published trials, one a line, columns TRIAL_COLUMNS (others are ignored).

    Cues are read from `imagename`, decisions from `object_response` ("na": no answer). Raises ValueError, naming the
    file, where it is no such table, columns are missing, or lines cannot be read (counted, with the first of them).
    """
    try:
        table = pd.read_csv(file, dtype=str, keep_default_na=False)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ValueError(f"trials {file} cannot be read: {error}") from error
    missing = [column for column in TRIAL_COLUMNS if column not in table.columns]
    if missing:
        raise ValueError(f"trials {file}: missing columns {', '.join(missing)}")
    found, wrong = [], []
    answers, categories, names = (table[column] for column in ("object_response", "category", "imagename"))
    for line, (answer, category, name) in enumerate(zip(answers, categories, names, strict=True), start=2):
        try:
            cues = parse_name(name)
            if CATEGORIES[cues.shape] != category:
                raise ValueError(f"category {category!r} is not the shape of {name!r}")
            found.append((-1 if answer == NO_RESPONSE else category_index(answer), cues.shape, cues.texture))
        except ValueError as error:
            wrong.append(f"line {line}: {error}")
    if wrong:
        raise ValueError(f"trials {file}: {len(wrong):,} of {len(table):,} lines cannot be read, first {wrong[0]}")
    decided, shapes, textures = torch.tensor(found, dtype=torch.int64).reshape(-1, 3).unbind(dim=1)
    try:
        return shape_bias(decided, shapes, textures)
    except ValueError as error:
        raise ValueError(f"trials {file}: {error}") from error
