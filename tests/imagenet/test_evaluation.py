"""Measures of the ImageNet CGN: known values, invariances, and errors for too few images."""

import warnings

import numpy as np
import pytest
import torch
from scipy import linalg
from torch import Tensor, nn
from torchmetrics.image.inception import InceptionScore
from torchmetrics.image.kid import poly_mmd

from cgnlib.imagenet.evaluation import (
    frechet_distance,
    inception_score,
    intersection_over_union,
    kernel_distance,
    mask_statistics,
    pairwise_diversity,
)
from cgnlib.randomness import derive_seed, generator


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


# --- Inception Score ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [50.0, 1000.0])
@pytest.mark.parametrize(("classes", "splits"), [(10, 1), (4, 5)])
def test_certain_and_uniform_predictions_score_the_number_of_classes(classes: int, splits: int, scale: float) -> None:
    logits = torch.zeros(classes * 300, classes)
    hot = torch.nn.functional.one_hot(torch.arange(len(logits)) % classes).bool()
    logits[~hot] = -scale
    # Splits are drawn: their classes are only nearly uniform.
    assert inception_score(logits, splits=splits).value == pytest.approx(classes, rel=1e-5 if splits == 1 else 0.03)


@pytest.mark.parametrize("splits", [1, 4])
def test_score_is_that_of_torchmetrics(splits: int) -> None:
    logits = 3 * normal(120, 6).float()
    metric = InceptionScore(feature=nn.Identity(), splits=splits)
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings(action="ignore"):
        torch.manual_seed(derive_seed(2, "inception-score"))
        metric.update(logits)
        value, deviation = metric.compute()
    found = inception_score(logits, splits, seed=2)
    assert found.value == pytest.approx(value.item(), abs=1e-6) and 1 < found.value < 6
    assert found.deviation == (pytest.approx(deviation.item(), abs=1e-6) if splits > 1 else None)


@pytest.mark.parametrize("block", [40, 120])
def test_kernel_distance_is_that_of_torchmetrics(block: int) -> None:
    a, b = normal(120, 6), normal(120, 6, seed=1) + 0.3
    parts = [poly_mmd(x, y).item() for x, y in zip(a.split(block), b.split(block), strict=True)]
    assert kernel_distance(a, b, block) == pytest.approx(sum(parts) / len(parts), abs=1e-12)
    assert kernel_distance(b, a, block) > 0.1 > abs(kernel_distance(a, normal(120, 6, seed=2), block))


@pytest.mark.parametrize(("n", "m"), [(120, 119), (1, 1)])
def test_kernel_distance_needs_two_sets_of_one_size(n: int, m: int) -> None:
    with pytest.raises(ValueError, match="two sets of one size are needed"):
        kernel_distance(normal(n, 6), normal(m, 6))


def test_kernel_distance_leaves_out_no_image() -> None:
    with pytest.raises(ValueError, match="150 images are no whole blocks of 100; take 100, or one block"):
        kernel_distance(normal(150, 6), normal(150, 6), 100)


def test_shuffling_is_seeded_and_leaves_the_global_generator_alone() -> None:
    logits, state = 3 * normal(150, 5), torch.random.get_rng_state()
    first, again, other = (inception_score(logits, splits=6, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.value != other.value
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(("n", "splits"), [(49, 1), (99, 2), (101, 2), (60, 0), (0, 1)])
def test_too_few_images_or_unequal_splits_are_refused(n: int, splits: int) -> None:
    with pytest.raises(ValueError, match=f"{n} images do not make {splits} equal splits"):
        inception_score(torch.zeros(n, 10), splits=splits)


@pytest.mark.parametrize("row", [[float("nan"), 0, 0], [float("inf"), 0, 0], [float("-inf")] * 3])
def test_logits_that_are_no_prediction_are_refused(row: list[float]) -> None:
    logits = torch.zeros(20, 3)
    logits[4] = torch.tensor(row)
    with pytest.raises(ValueError, match="logits: . of 60 values are not finite"):
        inception_score(logits)


# --- masks ----------------------------------------------------------------------------------------------------------


def test_mask_statistics_are_over_images() -> None:
    masks = torch.stack([torch.full((1, 4, 4), 0.2), torch.full((1, 4, 4), 0.6)])
    found = mask_statistics(masks)
    assert found == (pytest.approx(0.4), pytest.approx(0.08**0.5))
    masks[1, 0, :2], masks[1, 0, 2:] = 1.0, 0.2  # spread within an image does not count
    assert mask_statistics(masks).deviation == pytest.approx(0.08**0.5)


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        (torch.zeros(1, 1, 4, 4), "at least 2"),
        (torch.zeros(2, 3, 4, 4), "must be"),
        (torch.full((2, 1, 4, 4), 1.1), r"\[0, 1\]"),
        (torch.full((2, 1, 4, 4), float("nan")), "32 of 32 values are not finite"),
    ],
)
def test_masks_that_cannot_be_measured_are_refused(masks: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mask_statistics(masks)


def test_intersection_over_union_by_hand() -> None:
    masks, true = torch.zeros(5, 1, 4, 4), torch.zeros(5, 1, 4, 4)
    masks[0], true[0] = 1, 1  # equal
    masks[1, :, :2], true[1, :, 1:3] = 0.6, 1  # one row of three
    masks[2, :, :2], true[2, :, 2:] = 1, 1  # apart
    masks[3] = 0.5  # empty, as 0.5 is not object, and so is the true one
    true[4] = 1  # only one is empty
    assert intersection_over_union(masks, true).tolist() == pytest.approx([1, 1 / 3, 0, 1, 0])
    assert torch.equal(intersection_over_union(masks, true), intersection_over_union(true, masks))


# --- features -------------------------------------------------------------------------------------------------------


def test_frechet_distance_of_a_set_from_itself_is_zero() -> None:
    features = normal(200, 8)
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-8)
    assert frechet_distance(features, features + 3) == pytest.approx(8 * 9)  # moved: the distance of the means
    assert frechet_distance(features + 1e6, features + 1e6 + 3) == pytest.approx(8 * 9)


def test_frechet_distance_equals_the_matrix_square_root() -> None:
    a, b = normal(400, 6, seed=1) @ normal(6, 6, seed=2), normal(500, 6, seed=3) @ normal(6, 6, seed=4) + 0.5
    s, t = a.T.cov().numpy(), b.T.cov().numpy()
    root = np.real(linalg.sqrtm(s @ t))
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum().item() + (s + t - 2 * root).trace()
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-8)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (normal(15, 8), normal(100, 8), "15 images are too few for 8 features"),
        (normal(100, 8), normal(15, 8), "15 images are too few"),
        (normal(100, 8), normal(100, 7), "8 and 7"),
        (normal(100, 8) / 0, normal(100, 8), "not finite"),
        (normal(100), normal(100), "must be"),
    ],
)
def test_features_without_a_frechet_distance_are_refused(a: Tensor, b: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        frechet_distance(a, b)


def test_pairwise_diversity_by_hand() -> None:
    features = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0], [100.0, 0.0], [100.0, 1.0]])
    labels = torch.tensor([0, 0, 0, 7, 7])  # distances 5, 0, 5 and 1
    assert pairwise_diversity(features, labels) == pytest.approx((10 / 3 + 1) / 2)
    assert pairwise_diversity(torch.ones(4, 3), torch.tensor([1, 1, 2, 2])) == 0


def test_pairwise_diversity_needs_two_images_of_each_class() -> None:
    with pytest.raises(ValueError, match=r"fewer: \[4\]"):
        pairwise_diversity(torch.zeros(3, 2), torch.tensor([1, 4, 1]))
    with pytest.raises(ValueError, match="labels of shape"):
        pairwise_diversity(torch.zeros(3, 2), torch.tensor([1, 1]))
    with pytest.raises(ValueError, match="2 images"):
        pairwise_diversity(torch.zeros(0, 2), torch.zeros(0, dtype=torch.long))
