"""The renderer: composition, poses, masks of every family, and independence of images and factors from each other."""

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from cgnlib.randomness import generator
from cgnlib.toyworld import shapes, textures
from cgnlib.toyworld.world import (
    BACKGROUNDS,
    N_CLASSES,
    N_OTHERS,
    NEUTRAL,
    SHAPES,
    SIZE,
    TEXTURES,
    Factors,
    Scenes,
    _smooth,
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


def pieces(inside: np.ndarray) -> int:
    _, count = cast(tuple[np.ndarray, int], ndimage.label(inside))
    return count


@pytest.fixture(scope="module")
def factors() -> Factors:
    return some_factors(200)


@pytest.fixture(scope="module")
def rendered(factors: Factors) -> Scenes:
    return render(factors)


# --- images ---------------------------------------------------------------------------------------------------------


def test_ten_classes_of_each_factor() -> None:
    assert len(SHAPES) == len(TEXTURES) == len(BACKGROUNDS) == N_CLASSES == NEUTRAL == 10


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


def test_a_generator_fixes_everything(factors: Factors, rendered: Scenes) -> None:
    again, other = some_factors(200), some_factors(200, "other")
    for name, value in vars(factors).items():
        assert torch.equal(getattr(again, name), value)
        assert not torch.equal(getattr(other, name), value)
    for part, part_again in zip(rendered, render(again), strict=True):
        assert torch.equal(part, part_again)


def test_an_image_does_not_depend_on_the_others_of_its_batch(factors: Factors, rendered: Scenes) -> None:
    """But for rounding, which the length of a batch changes, and which decides single pixels of hard edges."""
    order = torch.randperm(200, generator=generator(0, "order"))[:40]
    for i, alone in [
        (order, render(factors[order])),
        *((slice(i, i + 1), render(factors[i : i + 1])) for i in range(9)),
    ]:
        for part, expected in zip(alone, rendered, strict=True):
            assert ((part - expected[i]).abs() > 1e-3).float().mean() < 1e-4


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


def test_draws_do_not_depend_on_labels() -> None:
    zero = torch.zeros(50, dtype=torch.int64)
    first, second = (draw_factors(label, label, label, generator(3)) for label in (zero, torch.arange(50) % 10))
    for name, value in vars(first).items():
        if "_" in name:
            assert torch.equal(value, getattr(second, name))
            assert value.min() >= 0
            assert value.max() <= 1
            assert len(value.flatten(1).unique(dim=0)) == 50


def test_some_of_the_factors(factors: Factors) -> None:
    index = torch.tensor([5, 2, 2])
    assert len(factors) == 200
    assert len(factors[10:30]) == 20
    for name, value in vars(factors[index]).items():
        assert torch.equal(value, getattr(factors, name)[index])


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


@pytest.mark.parametrize(("renderer", "label", "name"), FAMILIES, ids=NAMES)
def test_objects_stay_in_the_image(renderer: Render, label: int, name: str) -> None:
    """At most a tip is cut: few touch the border, and those with a small part of it."""
    mask = masks_of(renderer, label)
    border = torch.cat([mask[:, 0], mask[:, -1], mask[:, :, 0], mask[:, :, -1]], dim=1)
    assert (border.amax(dim=1) > 0.5).float().mean() < 0.25
    assert border.mean(dim=1).max() < 0.15


@pytest.mark.parametrize(("renderer", "label", "name"), FAMILIES, ids=NAMES)
def test_outlines_are_antialiased_and_the_rest_is_not(renderer: Render, label: int, name: str) -> None:
    mask = masks_of(renderer, label)
    soft = ((mask > 0) & (mask < 1)).float().mean(dim=(1, 2))
    assert soft.min() > 0.005
    assert soft.mean() < 0.1
    assert (mask.amax(dim=(1, 2)) == 1).all()


@pytest.mark.parametrize(("families", "renderer"), [(SHAPES, render), (tuple(shapes.OTHERS), render_others)])
def test_families_differ(families: tuple[str, ...], renderer: Render) -> None:
    """Upright and in the middle, the closest are disc and square, of IoU 0.83; class means in all poses differ too."""
    factors = still(torch.arange(len(families)))
    if renderer is render_others:
        factors = replace(factors, texture=0 * factors.shape, background=0 * factors.shape)
    upright = (renderer(factors).mask > 0.5).flatten(1)
    means = torch.stack([masks_of(renderer, label).mean(dim=0).flatten() for label in range(len(families))])
    for a in range(len(families)):
        for b in range(a):
            iou = (upright[a] & upright[b]).sum() / (upright[a] | upright[b]).sum()
            assert iou < 0.85, (families[a], families[b])
            soft_iou = torch.minimum(means[a], means[b]).sum() / torch.maximum(means[a], means[b]).sum()
            assert soft_iou < 0.98, (families[a], families[b])


@pytest.mark.parametrize(
    ("name", "holes"),
    [("ring", 1), ("frame", 1), *((name, 0) for name in ("disc", "square", "flower", "blob", "polygon", "capsule"))],
)
def test_objects_are_in_one_piece(name: str, holes: int) -> None:
    renderer, label, _ = FAMILIES[NAMES.index(name)]
    for mask in masks_of(renderer, label, 50):
        inside = F.pad(mask > 0.5, (1, 1, 1, 1)).numpy()
        assert pieces(inside) == 1
        assert pieces(~inside) == 1 + holes


@pytest.mark.parametrize(
    ("name", "area"), [("disc", torch.pi * 0.85**2), ("square", 1.5**2), ("ring", torch.pi * (0.95**2 - 0.43**2))]
)
def test_area_follows_size_alone(name: str, area: float) -> None:
    """A unit of the silhouette's plane is 32 (0.55 + 0.25 u0) pixels, whatever the place, turn and aspect."""
    shape = torch.tensor([SHAPES.index(name)])
    for size in (0.0, 0.5, 1.0):
        expected = area * (32 * (0.55 + 0.25 * size)) ** 2
        for changes in ({}, {"u1": 0.8, "u2": 0.1}, {"u3": 0.9}, {"u4": 0.7}):
            measured = render(still(shape, u0=size, **changes)).mask.sum()
            assert measured.item() == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(("right", "down"), [(0.5, 0.5), (0.0, 0.5), (0.5, 1.0), (0.2, 0.9)])
def test_objects_lie_where_drawn(right: float, down: float) -> None:
    """Draws of a half: the middle of the image; of 0 and 1: 6.4 pixels to either side."""
    mask = render(still(torch.tensor([SHAPES.index("disc")]), u0=0.0, u1=right, u2=down)).mask[0, 0]
    pixels = torch.arange(SIZE)
    centre = [(mask.sum(dim=0) * pixels).sum() / mask.sum(), (mask.sum(dim=1) * pixels).sum() / mask.sum()]
    expected = [31.5 + 12.8 * (right - 0.5), 31.5 + 12.8 * (down - 0.5)]
    torch.testing.assert_close(torch.stack(centre), torch.tensor(expected), rtol=0, atol=0.05)


# --- textures and backgrounds ---------------------------------------------------------------------------------------


def test_smooth_noise_is_bilinear_interpolation() -> None:
    noise = torch.rand(5, 2, 9, 9, generator=generator(0, "noise"))
    plain = F.interpolate(noise, size=(SIZE, SIZE), mode="bilinear", align_corners=True)
    torch.testing.assert_close(_smooth(noise), (0.5 + 1.4 * (plain - 0.5)).clamp(0, 1), rtol=0, atol=1e-5)


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


def test_class_means_of_colour_tell_backgrounds_apart() -> None:
    labels = torch.arange(N_CLASSES).repeat_interleave(50)
    background = render(draw_factors(labels, labels, labels, generator(0, "means"))).background
    upper, lower = (half.mean(dim=(2, 3)) for half in background.chunk(2, dim=2))
    means = torch.cat([upper, lower], dim=1).view(N_CLASSES, 50, 6).mean(dim=1)
    assert torch.pdist(means).min() > 0.2


def test_the_neutral_background_is_grey() -> None:
    labels = torch.arange(5)
    background = render(draw_factors(labels, labels, torch.full((5,), NEUTRAL), generator(0))).background
    assert torch.equal(background, torch.zeros(5, 3, SIZE, SIZE))
