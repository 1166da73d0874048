"""Data sets of the toy world: class-tied training images, and test sets in which one factor at a time is freed.

The test sets are twins of the real ones: ImageNet-9 (Xiao et al., 2021) as original, mixed-same, mixed-rand
and only-background, and the cue-conflict stimuli (Geirhos et al., 2019). Images of one index show the same object in
original, mixed-same and mixed-rand. "mixed-both" has no twin: background and texture are each of a random class, and
the silhouette alone tells the class.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from cgnlib.errors import known
from cgnlib.images import to_float, to_uint8
from cgnlib.randomness import generator
from cgnlib.toyworld.world import N_CLASSES, N_OTHERS, NEUTRAL, Factors, Scenes, draw_factors, render, render_others

TRAIN, FREE, MIXED_BOTH = "train", "free", "mixed-both"
TEST_SETS = ("original", "mixed-same", "mixed-rand", "only-background", "cue-conflict")


class ToyImages(NamedTuple):
    """A finished set: images, labels of each factor, and masks."""

    images: Tensor  # (N, 3, 64, 64) uint8
    masks: Tensor  # (N, 64, 64) uint8, 255 inside
    shape: Tensor  # (N,) int64
    texture: Tensor  # (N,) int64
    background: Tensor  # (N,) int64

    def __len__(self) -> int:
        return len(self.images)


def tied_factors(labels: Tensor, stream: torch.Generator) -> Factors:
    """Class-tied factors, as in photographs: class i has shape i, texture i and background i."""
    return draw_factors(labels, labels, labels, stream)


def free_factors(n: int, stream: torch.Generator) -> Factors:
    """Three independent uniform labels per image: what an ideal counterfactual generator would give."""
    shape, texture, background = torch.randint(N_CLASSES, (3, n), generator=stream)
    return draw_factors(shape, texture, background, stream)


def salient_scenes(n: int, stream: torch.Generator) -> Scenes:
    """Images of other objects, textures and scenes than the ten classes', with their masks."""
    shape, texture, background = (torch.randint(each, (n,), generator=stream) for each in N_OTHERS)
    return render_others(draw_factors(shape, texture, background, stream))


def factors_of(name: str, n: int, seed: int) -> Factors:
    """The factors of a set by name: "train", "free", "mixed-both" or one of TEST_SETS.

    Classes are balanced in random order.
    Raises ValueError for unknown names, and for fewer than two images.
    """
    if n < 2:
        raise ValueError(f"a set of {n} images is too small: take 2 or more")
    if name == FREE:
        return free_factors(n, generator(seed, "toyworld", FREE))
    known("toy set", name, (TRAIN, FREE, MIXED_BOTH, *TEST_SETS))
    stream = generator(seed, "toyworld", TRAIN if name == TRAIN else "test")
    labels = torch.randperm(n, generator=stream) % N_CLASSES
    if name == "cue-conflict":
        texture = (labels + torch.randint(1, N_CLASSES, (n,), generator=stream)) % N_CLASSES
        return draw_factors(labels, texture, torch.full_like(labels, NEUTRAL), stream)
    objects = tied_factors(labels, stream)
    if name in (TRAIN, "original", "only-background"):
        return objects
    other = labels if name == "mixed-same" else torch.randint(N_CLASSES, (n,), generator=stream)
    if name == MIXED_BOTH:
        textures = torch.randint(N_CLASSES, (n,), generator=stream)
        objects = objects.with_texture_of(tied_factors(textures, generator(seed, "toyworld", "test", name, "texture")))
    return objects.with_background_of(tied_factors(other, generator(seed, "toyworld", "test", name)))


def noisy(images: Tensor, deviation: float, seed: int) -> Tensor:
    """Images (N, 3, H, W), uint8, with Gaussian noise; cut at 0 and 255. deviation: in shares of that range."""
    noise = torch.randn(images.shape, generator=generator(seed, "toyworld", "noise", f"{deviation:g}"))
    return to_uint8(to_float(images) + 2 * deviation * noise)  # of floats the range is 2


def build(name: str, n: int, seed: int, batch: int = 50) -> ToyImages:
    """Render a set as uint8. In "only-background" the object is left out and the mask is empty; arguments as above.

    Batches of 50 images take 100 MB, of 200 twice that, for a seventh less time.
    """
    factors = factors_of(name, n, seed)
    images, masks = [], []
    for start in range(0, n, batch):
        scenes = render(factors[start : start + batch])
        image, mask = (scenes.background, 0 * scenes.mask) if name == "only-background" else (scenes.image, scenes.mask)
        images.append(to_uint8(image))
        masks.append(mask[:, 0].mul(255).round_().to(torch.uint8))
    return ToyImages(torch.cat(images), torch.cat(masks), factors.shape, factors.texture, factors.background)
