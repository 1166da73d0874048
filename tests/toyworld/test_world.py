"""The renderer: composition, poses, masks of every family, and independence of images and factors from each other."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from cgnlib.randomness import generator
from cgnlib.toyworld import shapes, textures
from cgnlib.toyworld.world import (
    N_CLASSES,
    N_OTHERS,
    NEUTRAL,
    SHAPES,
    SIZE,
    TEXTURES,
    Factors,
    Scenes,
    draw_factors,
    render,
    render_others,
)

Render = Callable[[Factors], Scenes]
PER_FAMILY = 100
FAMILIES = [(render, label, name) for label, name in enumerate(SHAPES)]
FAMILIES += [(render_others, label, name) for label, name in enumerate(shapes.OTHERS)]
NAMES = [name for _, _, name in FAMILIES]


def some_factors(n: int, *names: str, labels: tuple[int, int, int] = (N_CLASSES, N_CLASSES, N_CLASSES)) -> Factors:
    stream = generator(0, "test", *names)
    shape, texture, background = (torch.randint(each, (n,), generator=stream) for each in labels)
    return draw_factors(shape, texture, background, stream)


def masks_of(renderer: Render, label: int, n: int = PER_FAMILY) -> Tensor:
    """(n, 64, 64): one family in random poses."""
    zero = torch.zeros(n, dtype=torch.int64)
    return renderer(draw_factors(torch.full_like(zero, label), zero, zero, generator(0, "masks"))).mask[:, 0]


def still(shape: Tensor, **changes: float) -> Factors:
    """Upright objects in the middle, of middle size: every draw of the shape is a half, but those named u0, u1..."""
    factors = draw_factors(shape, shape, shape, generator(0, "still"))
    draws = torch.full_like(factors.shape_draws, 0.5)
    for name, value in changes.items():
        draws[:, int(name[1:])] = value
    return replace(factors, shape_draws=draws)


@pytest.fixture(scope="module")
def factors() -> Factors:
    return some_factors(200)


@pytest.fixture(scope="module")
def rendered(factors: Factors) -> Scenes:
    return render(factors)


# --- images ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("renderer", "labels"), [(render, (10, 10, 11)), (render_others, N_OTHERS)])
def test_shapes_and_ranges(renderer: Render, labels: tuple[int, int, int]) -> None:
    scenes = renderer(some_factors(60, labels=labels))
    for name, part in scenes._asdict().items():
        assert part.shape == (60, 1 if name == "mask" else 3, SIZE, SIZE)
        assert part.dtype == torch.float32
        assert part.isfinite().all()
        assert part.min() >= (0 if name == "mask" else -1)
        assert part.max() <= 1


def test_composition(rendered: Scenes) -> None:
    """x = m f + (1 - m) b, where the mask is 1 exactly f, and where it is 0 exactly b."""
    m, f, b = rendered.mask, rendered.foreground, rendered.background
    torch.testing.assert_close(rendered.image, m * f + (1 - m) * b, rtol=0, atol=1e-6)
    for value, part in ((1, f), (0, b)):
        where = (m == value).expand_as(f)
        assert where.float().mean() > 0.1
        assert torch.equal(rendered.image[where], part[where])


def test_factors_are_rendered_apart(factors: Factors, rendered: Scenes) -> None:
    """A new background, texture or shape changes its own part and no other."""
    other = some_factors(200, "other")
    changed = {
        "mask": replace(factors, shape=other.shape, shape_draws=other.shape_draws),
        "foreground": replace(
            factors, texture=other.texture, texture_draws=other.texture_draws, texture_noise=other.texture_noise
        ),
        "background": factors.with_background_of(other),
    }
    for name, these in changed.items():
        scenes = render(these)
        for part in changed:
            same = (getattr(scenes, part) - getattr(rendered, part)).abs().flatten(1).amax(dim=1) < 1e-3
            assert (same.float().mean() < 0.05) if part == name else same.all()


@pytest.mark.parametrize("factor", ["shape", "texture", "background"])
@pytest.mark.parametrize(
    ("renderer", "limits"), [(render, (N_CLASSES, N_CLASSES, N_CLASSES + 1)), (render_others, N_OTHERS)]
)
def test_labels_out_of_range_are_named(renderer: Render, limits: tuple[int, int, int], factor: str) -> None:
    limit = limits[("shape", "texture", "background").index(factor)]
    label = torch.zeros(3, dtype=torch.int64)
    for low, high in ((-1, 0), (0, limit)):
        labels = {"shape": label, "texture": label, "background": label} | {factor: torch.tensor([low, 0, high])}
        with pytest.raises(ValueError, match=rf"{factor} labels lie in \[{low}, {high}\], expected \[0, {limit - 1}\]"):
            renderer(draw_factors(**labels, stream=generator(0)))


# --- masks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("renderer", "label", "name"), FAMILIES, ids=NAMES)
def test_objects_are_neither_tiny_nor_huge(renderer: Render, label: int, name: str) -> None:
    area = masks_of(renderer, label).mean(dim=(1, 2))
    low, high = (0.09, 0.4) if renderer is render else (0.04, 0.46)
    assert area.min() > low
    assert area.max() < high


@pytest.mark.parametrize(("right", "down"), [(0.5, 0.5), (0.0, 0.5), (0.5, 1.0), (0.2, 0.9)])
def test_objects_lie_where_drawn(right: float, down: float) -> None:
    """Draws of a half: the middle of the image; of 0 and 1: 6.4 pixels to either side."""
    mask = render(still(torch.tensor([SHAPES.index("disc")]), u0=0.0, u1=right, u2=down)).mask[0, 0]
    pixels = torch.arange(SIZE)
    centre = [(mask.sum(dim=0) * pixels).sum() / mask.sum(), (mask.sum(dim=1) * pixels).sum() / mask.sum()]
    expected = [31.5 + 12.8 * (right - 0.5), 31.5 + 12.8 * (down - 0.5)]
    torch.testing.assert_close(torch.stack(centre), torch.tensor(expected), rtol=0, atol=0.05)


# --- textures and backgrounds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", range(N_CLASSES), ids=TEXTURES)
def test_textures_vary_around_the_colours_of_their_class(label: int) -> None:
    """Every pixel lies between two colours, each within 0.24 (of 2) of its class's; both are seen."""
    labels = torch.full((50,), label)
    foreground = render(draw_factors(labels, labels, labels, generator(0, "colours"))).foreground
    colours = torch.tensor(textures.CLASSES[TEXTURES[label]].colours) / 127.5 - 1
    low, high = colours.amin(dim=0), colours.amax(dim=0)
    channels = foreground.transpose(0, 1).flatten(1)
    assert (channels.amin(dim=1) >= (low - 0.25).clamp(min=-1)).all()
    assert (channels.amax(dim=1) <= (high + 0.25).clamp(max=1)).all()
    extremes = torch.stack([foreground.amin(dim=(2, 3)).mean(dim=0), foreground.amax(dim=(2, 3)).mean(dim=0)])
    torch.testing.assert_close(extremes, torch.stack([low, high]), rtol=0, atol=0.15)


def test_the_neutral_background_is_grey() -> None:
    labels = torch.arange(5)
    background = render(draw_factors(labels, labels, torch.full((5,), NEUTRAL), generator(0))).background
    assert torch.equal(background, torch.zeros(5, 3, SIZE, SIZE))
