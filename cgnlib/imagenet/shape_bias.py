"""Shape bias (Geirhos et al. 2019; the study, Section 4.2, Table 4): does a classifier go by shape where cues conflict?

A cue-conflict image shows the shape of one category in the texture of another. Of the decisions for one of the two, the
shape bias is the share of those for the shape. Both counts are always reported: a share of few decisions says little.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cgnlib.imagenet.imagenet9 import check_logits
from cgnlib.imagenet.names import CATEGORIES, CATEGORY_INDICES
from cgnlib.randomness import derive_seed
from cgnlib.statistics import Interval, crossed_bootstrap, wilson_interval

NO_ANSWER = -1  # a decision that was not made: people have two seconds


def decisions(logits: Tensor) -> Tensor:
    """Category (N,) int64 in 0..15 that a classifier of ImageNet-1k decides for.

    logits: (N, 1000). The probability of a category is the *mean* over its classes, as published: so a category of many
    classes (dog) is at no advantage. Raises ValueError for another shape and for what is
    not finite.
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
    def interval(self) -> Interval:
        """Shape bias with its 95 % Wilson interval over decisions, in [0, 1].

        Raises ValueError where neither cue was ever decided for.
        """
        if self.decided == 0:
            raise ValueError(f"no shape bias: none of {self.n:,} decisions is for the shape or the texture")
        return wilson_interval(self.shape, self.decided)

    @property
    def value(self) -> float:
        """Shape bias in [0, 1]. Raises ValueError as `interval`."""
        return self.interval.value


@dataclass(frozen=True)
class ShapeBias(CueCounts):
    """Counts over all images and, by name, over those of each shape category that was shown (some may be undecided)."""

    by_category: Mapping[str, CueCounts]


def shape_bias(decided: Tensor, shapes: Tensor, textures: Tensor) -> ShapeBias:
    """Count decisions (N,) for the shapes (N,) and the textures (N,) of images, all category indices in 0..15.

    A decision may be NO_ANSWER, which is for neither. Images whose shape and texture are of one category do not
    conflict and are left out. Raises ValueError for no images, for lengths that differ, for an unknown category, and
    where no decision is for a shape or a texture.
    """
    if decided.ndim != 1 or decided.shape != shapes.shape or decided.shape != textures.shape:
        found = ", ".join(str(tuple(part.shape)) for part in (decided, shapes, textures))
        raise ValueError(f"shape bias: decisions, shapes and textures must be (N,) each, not {found}")
    for what, values in (("decision", decided[decided != NO_ANSWER]), ("shape", shapes), ("texture", textures)):
        wrong = values[(values < 0) | (values >= len(CATEGORIES))]
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
    found = ShapeBias(*counts(torch.ones_like(for_shape)), by_category=categories)
    _ = found.value  # no decision at all is an error here, not where the number is used
    return found


@dataclass(frozen=True)
class Trials:
    """Decisions on cue-conflict images, each made of the shape of one image and the texture of another.

    decided: (N,) category in 0..15, or NO_ANSWER; shapes, textures: (N,) categories; shape_images, texture_images: (N,)
    names of the two images, "airplane1". Trials whose cues do not conflict count for nothing.
    """

    decided: Tensor
    shapes: Tensor
    textures: Tensor
    shape_images: Sequence[str]
    texture_images: Sequence[str]

    @property
    def bias(self) -> ShapeBias:
        """Counts of decisions. Raises ValueError as `shape_bias`."""
        return shape_bias(self.decided, self.shapes, self.textures)

    def interval(self, category: int | None = None, seed: int = 0) -> Interval:
        """Shape bias with its 95 % interval over shape images and texture images, crossed, in [0, 1]; of the trials
        with the shape of a category, or of all. Raises ValueError where neither cue was decided for.
        """
        chosen = self.shapes != self.textures
        if category is not None:
            chosen = chosen & (self.shapes == category)
        index = chosen.nonzero()[:, 0].tolist()
        _, rows = np.unique([self.shape_images[i] for i in index], return_inverse=True)
        _, columns = np.unique([self.texture_images[i] for i in index], return_inverse=True)
        for_shape, for_texture = ((self.decided == cue)[chosen].numpy() for cue in (self.shapes, self.textures))
        hits = np.zeros((2, rows.max(initial=0) + 1, columns.max(initial=0) + 1))
        np.add.at(hits[0], (rows, columns), for_shape)
        np.add.at(hits[1], (rows, columns), for_shape | for_texture)
        return crossed_bootstrap(
            hits, np.random.default_rng(derive_seed(seed, "shape-bias", "all" if category is None else category))
        )

    def answers(self, category: int) -> float:
        """Share of the conflicting trials in which a category was the decision, in [0, 1]."""
        return float((self.decided == category)[self.shapes != self.textures].double().mean())
