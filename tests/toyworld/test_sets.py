"""The sets: tied and free labels, twins of ImageNet-9 and of the cue-conflict stimuli, determinism, errors."""

from itertools import combinations

import pytest
import torch
from torch import Tensor

from cgnlib.images import to_float
from cgnlib.randomness import generator
from cgnlib.toyworld.sets import (
    FREE,
    TEST_SETS,
    TRAIN,
    ToyImages,
    build,
    factors_of,
    free_factors,
    salient_scenes,
    tied_factors,
)
from cgnlib.toyworld.world import N_CLASSES, NEUTRAL, Factors, render

NAMES = (TRAIN, FREE, *TEST_SETS)
TIED = (TRAIN, "original", "mixed-same", "only-background")
N = 60


@pytest.fixture(scope="module")
def sets() -> dict[str, ToyImages]:
    return {name: build(name, N, 0) for name in NAMES}


def labels_of(factors: Factors | ToyImages) -> list[Tensor]:
    return [factors.shape, factors.texture, factors.background]


def independent(a: Tensor, b: Tensor) -> bool:
    """Whether a 10 x 10 table of labels looks like one of independent uniform draws: chi-squared with 99 degrees of
    freedom stays below its mean plus six standard deviations, 99 + 6 sqrt(198)."""
    counts = (N_CLASSES * a + b).bincount(minlength=N_CLASSES**2).double()
    expected = len(a) / N_CLASSES**2
    return bool(((counts - expected).square() / expected).sum() < 183)


def same(a: Tensor, b: Tensor) -> bool:
    """Whether pixels agree but for one level: a mask of 255 may stand for 0.998, one of 0 for 0.002."""
    return bool((a.int() - b.int()).abs().max() <= 1)


# --- every set ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_shapes_and_types(sets: dict[str, ToyImages], name: str) -> None:
    found = sets[name]
    assert len(found) == N
    assert found.images.shape == (N, 3, 64, 64)
    assert found.masks.shape == (N, 64, 64)
    assert found.images.dtype == found.masks.dtype == torch.uint8
    for label in labels_of(found):
        assert label.shape == (N,)
        assert label.dtype == torch.int64
        assert label.min() >= 0
        assert label.max() <= NEUTRAL


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_fixes_the_images(sets: dict[str, ToyImages], name: str) -> None:
    again, other = build(name, N, 0), build(name, N, 1)
    for part, part_again in zip(sets[name], again, strict=True):
        assert torch.equal(part, part_again)
    assert not torch.equal(again.images, other.images)
    assert not torch.equal(again.shape, other.shape)


def test_the_batch_size_does_not_matter() -> None:
    """But for rounding, by one level, and for single pixels of hard edges."""
    whole, parts = build(FREE, 30, 0), build(FREE, 30, 0, batch=7)
    for name in ("images", "masks"):
        difference = (getattr(whole, name).int() - getattr(parts, name).int()).abs()
        assert (difference > 1).float().mean() < 1e-4
    for a, b in zip(labels_of(whole), labels_of(parts), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", ["train", "free", "mixed-rand"])
def test_pixels_are_those_of_the_renderer(sets: dict[str, ToyImages], name: str) -> None:
    scenes = render(factors_of(name, N, 0))
    assert (to_float(sets[name].images) - scenes.image).abs().max() <= 0.5 / 127.5 + 1e-6
    assert (sets[name].masks / 255 - scenes.mask[:, 0]).abs().max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize("n", [2, 10, 1003])
@pytest.mark.parametrize("name", [name for name in NAMES if name != FREE])
def test_classes_are_balanced_in_random_order(name: str, n: int) -> None:
    shape = factors_of(name, n, 0).shape
    counts = shape.bincount(minlength=N_CLASSES)
    assert counts.max() - counts.min() <= 1
    assert n < 1000 or not torch.equal(shape, torch.arange(n) % N_CLASSES)


def test_training_and_test_images_differ(sets: dict[str, ToyImages]) -> None:
    """Also with the same seed: no training image is a test image."""
    test = {image.numpy().tobytes() for image in sets["original"].images}
    assert len(test) == N
    assert test.isdisjoint(image.numpy().tobytes() for image in sets[TRAIN].images)


def test_uint8_to_float() -> None:
    assert to_float(torch.tensor([0, 51, 255], dtype=torch.uint8)).tolist() == pytest.approx([-1, -0.6, 1])


@pytest.mark.parametrize("name", ["mixed_rand", "test", "", "Original"])
def test_unknown_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"unknown toy set '{name}': expected one of .*'mixed-rand'"):
        build(name, 10, 0)


@pytest.mark.parametrize("n", [1, 0, -5])
@pytest.mark.parametrize("name", NAMES)
def test_too_few_images_are_refused(name: str, n: int) -> None:
    with pytest.raises(ValueError, match=f"a set of {n} images is too small"):
        build(name, n, 0)


# --- labels ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TIED)
def test_tied_sets_tie(name: str) -> None:
    shape, texture, background = labels_of(factors_of(name, 500, 0))
    assert torch.equal(shape, texture)
    assert torch.equal(shape, background)


def test_tied_factors_differ_in_their_draws() -> None:
    labels = torch.full((20,), 4)
    factors = tied_factors(labels, generator(0))
    for label in labels_of(factors):
        assert torch.equal(label, labels)
    assert len(factors.shape_draws.unique(dim=0)) == 20


def test_free_sets_are_free() -> None:
    for a, b in combinations(labels_of(free_factors(20_000, generator(0))), 2):
        assert independent(a, b)
        assert not independent(a, a)


def test_draws_do_not_tell_the_class() -> None:
    """Class means of every draw are those of uniform numbers, within five standard errors."""
    factors = factors_of(TRAIN, 5000, 0)
    for name in ("shape_draws", "texture_draws", "texture_noise", "background_draws", "background_noise"):
        values = getattr(factors, name).flatten(1)
        for label in range(N_CLASSES):
            mean = values[factors.shape == label].mean(dim=0)
            assert (mean - 0.5).abs().max() < 5 * (1 / 12 / 500) ** 0.5


# --- ImageNet-9 and cue conflict ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mixed-same", "mixed-rand"])
def test_mixed_sets_show_the_same_objects(sets: dict[str, ToyImages], name: str) -> None:
    original, mixed = sets["original"], sets[name]
    assert torch.equal(original.masks, mixed.masks)
    assert torch.equal(original.shape, mixed.shape)
    assert torch.equal(original.texture, mixed.texture)
    inside = (original.masks == 255)[:, None].expand_as(original.images)
    assert same(original.images[inside], mixed.images[inside])
    outside = (original.masks == 0)[:, None].expand_as(original.images)
    assert (original.images[outside] != mixed.images[outside]).float().mean() > 0.8


@pytest.mark.parametrize("name", ["mixed-same", "mixed-rand", "only-background"])
def test_objects_are_rendered_alike(name: str) -> None:
    original, other = render(factors_of("original", N, 0)), render(factors_of(name, N, 0))
    assert torch.equal(original.mask, other.mask)
    assert torch.equal(original.foreground, other.foreground)


def test_backgrounds_of_the_mixed_sets() -> None:
    original, same, other = (factors_of(name, 20_000, 0) for name in ("original", "mixed-same", "mixed-rand"))
    assert torch.equal(same.background, original.shape)
    assert independent(other.background, original.shape)
    for mixed in (same, other):
        drawn_again = (mixed.background_draws != original.background_draws).any(dim=1)
        assert drawn_again.all()


def test_only_background_is_the_original_without_its_object(sets: dict[str, ToyImages]) -> None:
    original, alone = sets["original"], sets["only-background"]
    assert not alone.masks.any()
    outside = (original.masks == 0)[:, None].expand_as(original.images)
    assert same(original.images[outside], alone.images[outside])
    scenes = render(factors_of("original", N, 0))
    assert (to_float(alone.images) - scenes.background).abs().max() <= 0.5 / 127.5 + 1e-6
    inside = (original.masks == 255)[:, None].expand_as(original.images)
    assert (original.images[inside] != alone.images[inside]).float().mean() > 0.8


def test_cues_conflict_always() -> None:
    factors = factors_of("cue-conflict", 9_000, 0)
    assert (factors.background == NEUTRAL).all()
    counts = (N_CLASSES * factors.shape + factors.texture).bincount(minlength=100).view(N_CLASSES, N_CLASSES)
    assert (counts.diagonal() == 0).all()
    others = counts[~torch.eye(N_CLASSES, dtype=torch.bool)]
    assert others.min() > 50  # 100 expected, of standard deviation 9.4
    assert others.max() < 150


def test_cue_conflict_images_are_grey_around_the_object(sets: dict[str, ToyImages]) -> None:
    found = sets["cue-conflict"]
    outside = (found.masks == 0)[:, None].expand_as(found.images)
    assert same(found.images[outside], torch.tensor(128))
    inside = (found.masks == 255)[:, None].expand_as(found.images)
    assert (found.images[inside] != 128).float().mean() > 0.9


def test_salient_scenes() -> None:
    scenes = salient_scenes(100, generator(0))
    again, other = salient_scenes(100, generator(0)), salient_scenes(100, generator(1))
    assert torch.equal(scenes.image, again.image)
    assert not torch.equal(scenes.image, other.image)
    area = scenes.mask.mean(dim=(1, 2, 3))
    assert area.min() > 0.04
    assert area.max() < 0.46
    difference = ((scenes.foreground - scenes.background).abs().amax(dim=1) * scenes.mask[:, 0]).sum(dim=(1, 2))
    assert (difference / scenes.mask.sum(dim=(1, 2, 3)) > 0.1).all()  # no object is invisible
