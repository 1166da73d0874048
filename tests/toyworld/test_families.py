"""What the renderer is made of: silhouettes, texture patterns and scenes, each by what its module promises."""

import math

import pytest
import torch

from cgnlib.randomness import generator
from cgnlib.toyworld import scenes, shapes, textures

SILHOUETTES = {**shapes.CLASSES, **shapes.OTHERS}
PATTERNS = {**{name: texture.pattern for name, texture in textures.CLASSES.items()}, **textures.OTHERS}
SCENES = {**scenes.CLASSES, **scenes.OTHERS}
GRID = torch.linspace(-1.3, 1.3, 201, dtype=torch.float64)
STEP = float(GRID[1] - GRID[0])
N = 20


def draws(columns: int, *names: str) -> torch.Tensor:
    return torch.rand(N, columns, generator=generator(0, *names))


def levels(name: str) -> torch.Tensor:
    """(20, 201, 201): a silhouette 20 times in its own frame."""
    u = draws(4, name).double()
    return SILHOUETTES[name](GRID.expand(N, 201, 201), GRID[:, None].expand(N, 201, 201), u)


@pytest.mark.parametrize("name", SILHOUETTES)
def test_silhouettes_are_about_as_large_as_one(name: str) -> None:
    inside = levels(name) > 0
    assert inside.any(dim=2).any(dim=1).all()
    distance = torch.hypot(GRID, GRID[:, None]).expand_as(inside)[inside]
    assert 0.8 < distance.max() < 1.3


@pytest.mark.parametrize("name", SILHOUETTES)
def test_levels_grow_about_as_fast_as_the_distance_from_the_outline(name: str) -> None:
    level = levels(name)
    down = (level[:, 2:, 1:-1] - level[:, :-2, 1:-1]) / (2 * STEP)
    right = (level[:, 1:-1, 2:] - level[:, 1:-1, :-2]) / (2 * STEP)
    rate = torch.hypot(down, right)[level[:, 1:-1, 1:-1].abs() < 0.03]
    assert 0.8 < rate.quantile(0.5) < 1.4
    assert rate.quantile(0.05) > 0.75  # nowhere blurred


@pytest.mark.parametrize(
    ("name", "area"),
    [
        ("disc", math.pi * 0.85**2),
        ("square", 1.5**2),
        ("triangle", 3 * 3**0.5 / 4 * 1.15**2),
        ("gear", math.pi * (0.75**2 + 0.12**2)),  # half the turn at radius 0.87, half at 0.63
    ],
)
def test_areas_are_those_of_geometry(name: str, area: float) -> None:
    measured = (levels(name) > 0).sum(dim=(1, 2)) * STEP**2
    torch.testing.assert_close(measured, torch.full_like(measured, area), rtol=0.02, atol=0)


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns_are_shares_with_contrast(name: str) -> None:
    x = (torch.arange(64.0) - 32).expand(N, 64, 64)
    share = PATTERNS[name](x, x.mT, draws(4, name), torch.rand(N, 64, 64, generator=generator(0, name, "noise")))
    assert share.shape == (N, 64, 64)
    assert share.min() >= 0
    assert share.max() <= 1
    assert (share.std(dim=(1, 2)) > (0.05 if name == "plain" else 0.25)).all()


@pytest.mark.parametrize("name", SCENES)
def test_scenes_are_images_at_most_a_little_out_of_range(name: str) -> None:
    grid = (torch.arange(64) + 0.5) / 64
    noise = torch.rand(N, 2, 64, 64, generator=generator(0, name, "noise"))
    image = SCENES[name](grid[None, None], grid[None, :, None], draws(8, name), noise)
    assert image.shape == (N, 3, 64, 64)
    assert image.abs().max() < 1.3
    assert (image.std(dim=(2, 3)).amax(dim=1) > 0.01).all()
