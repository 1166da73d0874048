"""The renderer of the toy world: labels and random draws of three factors in, image, mask and parts out.

An image is composed as the CGN composes (Eq. 1), x = m * f + (1 - m) * b, from a silhouette, a texture and a scene. In
class-tied sets, as in photographs, class i always comes with shape i, texture i and background i.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from cgnlib.composition import compose
from cgnlib.toyworld import scenes, shapes, textures

SIZE = 64
SHAPES, TEXTURES, BACKGROUNDS = tuple(shapes.CLASSES), tuple(textures.CLASSES), tuple(scenes.CLASSES)
N_CLASSES = len(SHAPES)
NEUTRAL = N_CLASSES  # background label of the plain grey scene, which cue-conflict images have
NOISE_GRID = 9  # random values per side from which smooth fields are interpolated


class Scenes(NamedTuple):
    """Rendered images with their true factors."""

    image: Tensor  # (B, 3, 64, 64) in [-1, 1]
    mask: Tensor  # (B, 1, 64, 64) in [0, 1], antialiased
    foreground: Tensor  # (B, 3, 64, 64) in [-1, 1]: the texture on the whole plane
    background: Tensor  # (B, 3, 64, 64) in [-1, 1]: the scene without the object


@dataclass(frozen=True)
class Factors:
    """What an image is rendered from: a label and random draws, uniform in [0, 1], for each factor."""

    shape: Tensor  # (B,) int64
    texture: Tensor  # (B,) int64
    background: Tensor  # (B,) int64
    shape_draws: Tensor  # (B, 12): place, size, turn, aspect, bend, and what the silhouette's family varies
    texture_draws: Tensor  # (B, 16)
    texture_noise: Tensor  # (B, 1, 9, 9)
    background_draws: Tensor  # (B, 8)
    background_noise: Tensor  # (B, 2, 9, 9)

    def __len__(self) -> int:
        return len(self.shape)

    def __getitem__(self, index: Tensor | slice) -> "Factors":
        return Factors(**{name: value[index] for name, value in vars(self).items()})

    def with_background_of(self, other: "Factors") -> "Factors":
        """The same objects before the backgrounds of other factors."""
        names = ("background", "background_draws", "background_noise")
        return replace(self, **{name: getattr(other, name) for name in names})

    def with_texture_of(self, other: "Factors") -> "Factors":
        """Objects of the same silhouettes in the textures of other factors."""
        names = ("texture", "texture_draws", "texture_noise")
        return replace(self, **{name: getattr(other, name) for name in names})


def draw_factors(shape: Tensor, texture: Tensor, background: Tensor, stream: torch.Generator) -> Factors:
    """Random draws for given labels, each (B,) int64."""
    sizes = ((12,), (16,), (1, NOISE_GRID, NOISE_GRID), (8,), (2, NOISE_GRID, NOISE_GRID))
    draws = [torch.rand(len(shape), *size, generator=stream) for size in sizes]
    return Factors(shape, texture, background, *draws)


def render(factors: Factors) -> Scenes:
    """Images of the ten classes. Raises ValueError for labels out of range."""
    patterns = [texture.pattern for texture in textures.CLASSES.values()]
    backdrops = [*scenes.CLASSES.values(), lambda x, y, u, noise: torch.zeros(len(u), 3, SIZE, SIZE)]
    return _render(factors, list(shapes.CLASSES.values()), patterns, backdrops, _class_colours)


def render_others(factors: Factors) -> Scenes:
    """Images of other silhouettes, patterns and scenes than those of the ten classes, in free colours.

    Labels count from 0 to `N_OTHERS` of each factor (ValueError). A network that finds objects in general is trained on
    these.
    """
    silhouettes, backdrops = list(shapes.OTHERS.values()), list(scenes.OTHERS.values())
    return _render(factors, silhouettes, list(textures.OTHERS.values()), backdrops, _free_colours)


N_OTHERS = (len(shapes.OTHERS), len(textures.OTHERS), len(scenes.OTHERS))  # shapes, textures, scenes


def _render(
    factors: Factors,
    silhouettes: Sequence[shapes.Silhouette],
    patterns: Sequence[textures.Pattern],
    backdrops: Sequence[scenes.Scene],
    colours: Callable[[Factors], tuple[Tensor, Tensor]],
) -> Scenes:
    x, y, scale = _pose(factors.shape_draws)
    level = _drawn(silhouettes, factors.shape, "shape", x, y, factors.shape_draws[:, 8:])
    mask = level.mul_(scale).add_(0.5).clamp_(0, 1)[:, None]

    x, y = _texture_plane(factors.texture_draws)
    noise = _smooth(factors.texture_noise)[:, 0]
    share = _drawn(patterns, factors.texture, "texture", x, y, factors.texture_draws[:, :4], noise)
    first, second = colours(factors)
    foreground = ((second - first) * share[:, None]).add_(first).clamp_(-1, 1)

    grid = (torch.arange(SIZE) + 0.5) / SIZE
    scenery = [functools.partial(each, grid[None, None], grid[None, :, None]) for each in backdrops]
    noise = _smooth(factors.background_noise)
    background = _drawn(scenery, factors.background, "background", factors.background_draws, noise).clamp_(-1, 1)
    return Scenes(compose(mask, foreground, background), mask, foreground, background)


def _drawn(families: Sequence[Callable[..., Tensor]], labels: Tensor, factor: str, *inputs: Tensor) -> Tensor:
    """What the family of each label (n,) gives for its part of the inputs, each (n, ...)."""
    present = labels.unique().tolist()
    if present and not (present[0] >= 0 and present[-1] < len(families)):
        raise ValueError(f"{factor} labels lie in [{present[0]}, {present[-1]}], expected [0, {len(families) - 1}]")
    order = [(labels == label).nonzero()[:, 0] for label in present]
    parts = [families[label](*(each[index] for each in inputs)) for label, index in zip(present, order, strict=True)]
    return torch.cat(parts)[torch.cat(order).argsort()]


def _smooth(noise: Tensor) -> Tensor:
    """(n, C, 9, 9) -> (n, C, 64, 64): a smooth random field in [0, 1] of full contrast in the middle."""
    place = torch.linspace(0, NOISE_GRID - 1, SIZE)[:, None]
    weights = (1 - (place - torch.arange(NOISE_GRID)).abs()).clamp(min=0)  # (64, 9): linear interpolation
    return (weights @ ((0.5 + 1.4 * (noise - 0.5)) @ weights.T)).clamp_(0, 1)


def _pose(u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Coordinates x, y (n, 64, 64) in the frames of objects in random poses, slightly bent, and pixels per unit."""
    u = u[:, :, None, None]
    grid = (torch.arange(SIZE) + 0.5) * (2 / SIZE) - 1
    size = 0.55 + 0.25 * u[:, 0]
    x, y = grid - 0.4 * (u[:, 1] - 0.5), grid[:, None] - 0.4 * (u[:, 2] - 0.5)
    angle, stretch = 0.9 * (u[:, 3] - 0.5), (0.3 * (u[:, 4] - 0.5)).exp()
    cos, sin = angle.cos() / size, angle.sin() / size
    x, y = stretch * cos * x + stretch * sin * y, cos / stretch * y - sin / stretch * x
    bend = 0.12 * (u[:, 5] - 0.5)
    x, y = x + bend * (3 * y + 6 * u[:, 6]).sin(), y + bend * (3 * x + 6 * u[:, 7]).sin()
    return x, y, size * SIZE / 2


def _texture_plane(u: Tensor) -> tuple[Tensor, Tensor]:
    """Coordinates x, y (n, 64, 64) in pixels, turned and shifted at random."""
    u = u[:, :, None, None]
    grid = torch.arange(SIZE) - SIZE / 2
    angle = 0.9 * (u[:, 10] - 0.5)
    x, y = grid + 16 * (u[:, 11] - 0.5), grid[:, None] + 16 * (u[:, 12] - 0.5)
    return angle.cos() * x + angle.sin() * y, angle.cos() * y - angle.sin() * x


def _class_colours(factors: Factors) -> tuple[Tensor, Tensor]:
    """The two colours of each image's texture, each (B, 3, 1, 1), around those of its class."""
    table = torch.tensor([colours for _, colours in textures.CLASSES.values()]) / 127.5 - 1
    spread = 0.48 * (factors.texture_draws[:, 4:10].unflatten(1, (2, 3)) - 0.5)
    first, second = (table[factors.texture] + spread)[..., None, None].unbind(1)
    return first, second


def _free_colours(factors: Factors) -> tuple[Tensor, Tensor]:
    """Two colours for each image, each (B, 3, 1, 1) in [-1, 1]."""
    first, second = (2 * factors.texture_draws[:, 4:10] - 1).unflatten(1, (2, 3))[..., None, None].unbind(1)
    return first, second
