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


def test_ten_classes_of_each_factor_and_none_among_the_others() -> None:
    for part in (shapes, textures, scenes):
        assert len(part.CLASSES) == 10
        assert not set(part.CLASSES) & set(part.OTHERS)


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


def test_a_ring_is_as_wide_as_drawn() -> None:
    """Draw 0 gives a width of 2 x 0.22 inside a radius of 0.95, draw 1 of 2 x 0.3."""
    along = GRID.expand(2, 1, 201)
    level = shapes.ring(along, torch.zeros_like(along), torch.tensor([[0.0], [1.0]]).expand(2, 4).double())
    for row, width in zip(level[:, 0], (0.44, 0.6), strict=True):
        filled = GRID[row > 0].abs()
        assert filled.max() == pytest.approx(0.95, abs=STEP)
        assert filled.min() == pytest.approx(0.95 - width, abs=STEP)


def test_a_polygon_has_five_to_seven_corners() -> None:
    """A regular polygon looks the same when turned by one corner."""
    u = torch.tensor([[0.0], [0.5], [1.0]]).expand(3, 4)
    x, y = torch.rand(2, 3, 1, 500, generator=generator(0, "plane")) * 2 - 1
    level = shapes.polygon(x, y, u)
    for row, corners in enumerate((5, 6, 7)):
        for tried in (5, 6, 7):
            cos, sin = math.cos(2 * math.pi / tried), math.sin(2 * math.pi / tried)
            turned = shapes.polygon(cos * x - sin * y, sin * x + cos * y, u)
            assert torch.allclose(turned[row], level[row], atol=1e-5) == (tried == corners)


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns_are_shares_with_contrast(name: str) -> None:
    x = (torch.arange(64.0) - 32).expand(N, 64, 64)
    share = PATTERNS[name](x, x.mT, draws(4, name), torch.rand(N, 64, 64, generator=generator(0, name, "noise")))
    assert share.shape == (N, 64, 64)
    assert share.min() >= 0
    assert share.max() <= 1
    assert (share.std(dim=(1, 2)) > (0.05 if name == "plain" else 0.25)).all()


def test_stripes_repeat_with_their_period() -> None:
    """Draw 0 gives a period of 8 pixels."""
    x = torch.arange(64.0).expand(1, 64, 64)
    share = textures.stripes(x, x.mT, torch.zeros(1, 4), torch.zeros(1, 64, 64))
    torch.testing.assert_close(share[:, :, 8:], share[:, :, :-8], rtol=0, atol=1e-4)
    assert share[0, 0, 2] == 1
    assert share[0, 0, 6] == 0
    assert torch.equal(share, share[:, :1].expand_as(share))  # upright


@pytest.mark.parametrize("name", SCENES)
def test_scenes_are_images_at_most_a_little_out_of_range(name: str) -> None:
    grid = (torch.arange(64) + 0.5) / 64
    noise = torch.rand(N, 2, 64, 64, generator=generator(0, name, "noise"))
    image = SCENES[name](grid[None, None], grid[None, :, None], draws(8, name), noise)
    assert image.shape == (N, 3, 64, 64)
    assert image.abs().max() < 1.3
    assert (image.std(dim=(2, 3)).amax(dim=1) > 0.01).all()


def test_a_horizon_lies_where_drawn() -> None:
    """Sea: draw 2 places the horizon between 0.2 and 0.45 of the height; the sky above is of one colour."""
    grid = (torch.arange(64) + 0.5) / 64
    u = torch.full((2, 8), 0.5)
    u[:, 2] = torch.tensor([0.0, 1.0])
    image = scenes.sea(grid[None, None], grid[None, :, None], u, torch.rand(2, 2, 64, 64))
    sky = (image == image[:, :, :1, :1]).all(dim=3).all(dim=1)  # (2, 64)
    assert sky.sum(dim=1).tolist() == pytest.approx([0.2 * 64, 0.45 * 64], abs=1)
    torch.testing.assert_close(image[0, :, 0, 0], torch.tensor([195, 210, 220]) / 127.5 - 1)
