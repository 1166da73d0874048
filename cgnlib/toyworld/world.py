"""The renderer of the toy world: labels and random draws of three factors in, image, mask and parts out.

An image is composed as the CGN composes (Eq. 1), x = m * f + (1 - m) * b, from a silhouette, a texture and a scene. In
class-tied sets, as in photographs, class i always comes with shape i, texture i and background i.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
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
        return replace(
            self,
            background=other.background,
            background_draws=other.background_draws,
            background_noise=other.background_noise,
        )


def draw_factors(shape: Tensor, texture: Tensor, background: Tensor, stream: torch.Generator) -> Factors:
    """Random draws for given labels, each (B,) int64."""
    n = len(shape)

    def uniform(*size: int) -> Tensor:
        return torch.rand(n, *size, generator=stream)

    return Factors(
        shape,
        texture,
        background,
        uniform(12),
        uniform(16),
        uniform(1, NOISE_GRID, NOISE_GRID),
        uniform(8),
        uniform(2, NOISE_GRID, NOISE_GRID),
    )


def render(factors: Factors) -> Scenes:
    """Images of the ten classes."""
    return _render(factors, list(shapes.CLASSES.values()), _class_texture, [*scenes.CLASSES.values(), _neutral])


def render_others(factors: Factors) -> Scenes:
    """Images of other silhouettes, patterns and scenes than those of the ten classes, in free colours.

    Labels count from 0 to `N_OTHERS` of each factor. A network that finds objects in general is trained on these.
    """
    return _render(factors, list(shapes.OTHERS.values()), _other_texture, list(scenes.OTHERS.values()))


N_OTHERS = (len(shapes.OTHERS), len(textures.OTHERS), len(scenes.OTHERS))  # shapes, textures, scenes


def _render(
    factors: Factors,
    silhouettes: Sequence[shapes.Silhouette],
    texture: Callable[[int, Factors], Tensor],
    backdrops: Sequence[scenes.Scene],
) -> Scenes:
    n = len(factors)
    mask = torch.empty(n, 1, SIZE, SIZE)
    foreground, background = torch.empty(n, 3, SIZE, SIZE), torch.empty(n, 3, SIZE, SIZE)
    for label, index in _groups(factors.shape, len(silhouettes), "shape"):
        mask[index, 0] = _silhouette(silhouettes[label], factors.shape_draws[index])
    for label, index in _groups(factors.texture, N_CLASSES, "texture"):
        foreground[index] = texture(label, factors[index])
    for label, index in _groups(factors.background, len(backdrops), "background"):
        grid = (torch.arange(SIZE) + 0.5) / SIZE
        noise = _smooth(factors.background_noise[index])
        background[index] = backdrops[label](
            grid[None, None], grid[None, :, None], factors.background_draws[index], noise
        )
    foreground, background = (image.clamp_(0, 1).mul_(2).sub_(1) for image in (foreground, background))
    return Scenes(compose(mask, foreground, background), mask, foreground, background)


def _groups(labels: Tensor, n: int, factor: str) -> list[tuple[int, Tensor]]:
    """Indices of the images of each label that occurs."""
    present = labels.unique().tolist()
    if present and not (present[0] >= 0 and present[-1] < n):
        raise ValueError(f"{factor} labels lie in [{present[0]}, {present[-1]}], expected [0, {n - 1}]")
    return [(label, (labels == label).nonzero()[:, 0]) for label in present]


def _smooth(noise: Tensor) -> Tensor:
    """(n, C, 9, 9) -> (n, C, 64, 64): a smooth random field in [0, 1] of full contrast in the middle."""
    field = F.interpolate(noise, size=(SIZE, SIZE), mode="bilinear", align_corners=True)
    return (0.5 + 1.4 * (field - 0.5)).clamp_(0, 1)


def _silhouette(silhouette: shapes.Silhouette, u: Tensor) -> Tensor:
    """Masks (n, 64, 64) of a silhouette in a random pose, slightly bent."""
    grid = (torch.arange(SIZE) + 0.5) * (2 / SIZE) - 1
    u = u[:, :, None, None]
    size = 0.55 + 0.25 * u[:, 0]
    x, y = grid - 0.4 * (u[:, 1] - 0.5), grid[:, None] - 0.4 * (u[:, 2] - 0.5)
    angle = 0.9 * (u[:, 3] - 0.5)
    x, y = angle.cos() * x + angle.sin() * y, angle.cos() * y - angle.sin() * x
    stretch = (0.3 * (u[:, 4] - 0.5)).exp()
    x, y = x * stretch / size, y / (stretch * size)
    bend = 0.12 * (u[:, 5] - 0.5)
    x, y = x + bend * (3 * y + 6 * u[:, 6]).sin(), y + bend * (3 * x + 6 * u[:, 7]).sin()
    level = silhouette(x, y, u[:, 8:, 0, 0])
    return (0.5 + level * (size * SIZE / 2)).clamp(0, 1)


def _class_texture(label: int, factors: Factors) -> Tensor:
    pattern, colours = tuple(textures.CLASSES.values())[label]
    spread = 0.24 * (factors.texture_draws[:, 4:10] - 0.5)
    first, second = (torch.tensor(colour) / 255 + spread[:, 3 * i : 3 * i + 3] for i, colour in enumerate(colours))
    return _painted(pattern, first, second, factors)


def _other_texture(label: int, factors: Factors) -> Tensor:
    pattern = tuple(textures.OTHERS.values())[label]
    return _painted(pattern, factors.texture_draws[:, 4:7], factors.texture_draws[:, 7:10], factors)


def _painted(pattern: textures.Pattern, first: Tensor, second: Tensor, factors: Factors) -> Tensor:
    """A pattern, turned and shifted at random, in two colours (n, 3): (n, 3, 64, 64)."""
    u = factors.texture_draws[:, :, None, None]
    grid = torch.arange(SIZE) - SIZE / 2
    angle = 1.2 * (u[:, 10] - 0.5)
    x, y = grid + 40 * (u[:, 11] - 0.5), grid[:, None] + 40 * (u[:, 12] - 0.5)
    x, y = angle.cos() * x + angle.sin() * y, angle.cos() * y - angle.sin() * x
    share = pattern(x, y, factors.texture_draws[:, :4], _smooth(factors.texture_noise)[:, 0])
    return first[:, :, None, None] + (second - first)[:, :, None, None] * share[:, None]


def _neutral(x: Tensor, y: Tensor, u: Tensor, noise: Tensor) -> Tensor:
    return torch.full((len(u), 3, SIZE, SIZE), 0.5)
