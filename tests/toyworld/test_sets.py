"""The sets: tied and free labels, twins of ImageNet-9 and of the cue-conflict stimuli, determinism, errors."""

from itertools import combinations

import pytest
import torch
from torch import Tensor

from cgnlib.images import to_float
from cgnlib.randomness import generator
from cgnlib.toyworld.sets import (
    FREE,
    MIXED_BOTH,
    TEST_SETS,
    TRAIN,
    ToyImages,
    build,
    factors_of,
    free_factors,
    noisy,
    salient_scenes,
)
from cgnlib.toyworld.world import N_CLASSES, NEUTRAL, Factors, render

NAMES = (TRAIN, FREE, MIXED_BOTH, *TEST_SETS)
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
def test_the_seed_fixes_the_images(sets: dict[str, ToyImages], name: str) -> None:
    again, other = build(name, N, 0), build(name, N, 1)
    for part, part_again in zip(sets[name], again, strict=True):
        assert torch.equal(part, part_again)
    assert not torch.equal(again.images, other.images)
    assert not torch.equal(again.shape, other.shape)


@pytest.mark.parametrize("n", [2, 10, 1003])
@pytest.mark.parametrize("name", [name for name in NAMES if name != FREE])
def test_classes_are_balanced_in_random_order(name: str, n: int) -> None:
    shape = factors_of(name, n, 0).shape
    counts = shape.bincount(minlength=N_CLASSES)
    assert counts.max() - counts.min() <= 1
    assert n < 1000 or not torch.equal(shape, torch.arange(n) % N_CLASSES)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown toy set 'mixed_rand'; did you mean 'mixed-rand'"):
        build("mixed_rand", 10, 0)


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


def test_free_sets_are_free() -> None:
    for a, b in combinations(labels_of(free_factors(20_000, generator(0))), 2):
        assert independent(a, b)
        assert not independent(a, a)


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


def test_backgrounds_of_the_mixed_sets() -> None:
    original, same, other = (factors_of(name, 20_000, 0) for name in ("original", "mixed-same", "mixed-rand"))
    assert torch.equal(same.background, original.shape)
    assert independent(other.background, original.shape)
    for mixed in (same, other):
        drawn_again = (mixed.background_draws != original.background_draws).any(dim=1)
        assert drawn_again.all()


def test_in_mixed_both_the_silhouette_alone_tells_the_class(sets: dict[str, ToyImages]) -> None:
    assert torch.equal(sets["original"].masks, sets[MIXED_BOTH].masks)
    original, both = factors_of("original", 20_000, 0), factors_of(MIXED_BOTH, 20_000, 0)
    assert torch.equal(original.shape, both.shape) and torch.equal(original.shape_draws, both.shape_draws)
    for a, b in combinations(labels_of(both), 2):
        assert independent(a, b)


def test_only_background_is_the_original_without_its_object(sets: dict[str, ToyImages]) -> None:
    original, alone = sets["original"], sets["only-background"]
    assert not alone.masks.any()
    outside = (original.masks == 0)[:, None].expand_as(original.images)
    assert same(original.images[outside], alone.images[outside])
    scenes = render(factors_of("original", N, 0))
    assert (to_float(alone.images) - scenes.background).abs().max() <= 0.5 / 127.5 + 1e-6
    inside = (original.masks == 255)[:, None].expand_as(original.images)
    assert (original.images[inside] != alone.images[inside]).float().mean() > 0.8


def test_noise_has_its_deviation_and_its_seed(sets: dict[str, ToyImages]) -> None:
    grey = torch.full((200, 3, 64, 64), 128, dtype=torch.uint8)
    for deviation in (0.08, 0.12):
        noise = (noisy(grey, deviation, seed=0).float() - 128) / 255
        assert noise.std().item() == pytest.approx(deviation, rel=0.01) and abs(noise.mean().item()) < 1e-3
    original = sets["original"].images
    assert torch.equal(noisy(original, 0.1, seed=0), noisy(original, 0.1, seed=0))
    assert not torch.equal(noisy(original, 0.1, seed=0), noisy(original, 0.1, seed=1))
    assert torch.equal(noisy(original, 0.0, seed=0), original)
    assert noisy(original, 0.38, seed=0).unique().tolist() == list(range(256))  # cut, not wrapped


def test_cues_conflict_always() -> None:
    factors = factors_of("cue-conflict", 9_000, 0)
    assert (factors.background == NEUTRAL).all()
    counts = (N_CLASSES * factors.shape + factors.texture).bincount(minlength=100).view(N_CLASSES, N_CLASSES)
    assert (counts.diagonal() == 0).all()
    others = counts[~torch.eye(N_CLASSES, dtype=torch.bool)]
    assert others.min() > 50  # 100 expected, of standard deviation 9.4
    assert others.max() < 150


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
