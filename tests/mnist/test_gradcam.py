"""Heat maps on the grid of colour themes and digits."""

import numpy as np
import pytest
import torch
from torch import nn

from cgnlib.mnist.classifier import Classifier
from cgnlib.mnist.gradcam import HeatMaps, heat_maps, theme_grid
from cgnlib.mnist.variants import DOUBLE_COLORED_PALETTE, digit_masks


def test_the_ratio_by_hand() -> None:
    """Pixels are d + 2 c: the variance over c is four times the variance over d."""
    values = np.arange(10.0)[:, None] + 2 * np.arange(10.0)[None]
    maps = HeatMaps(np.broadcast_to(values[:, :, None, None], (10, 10, 2, 2)), np.zeros((10, 10), int))
    assert maps.digit_effect == pytest.approx(np.arange(10).var())
    assert maps.colour_effect == pytest.approx(4 * np.arange(10).var())
    assert maps.colour_over_digit == pytest.approx(4)
    assert maps.empty.sum() == 1 and maps.empty[0, 0]  # the one without a positive value


def test_the_ratio_is_not_defined_without_an_effect_of_the_digit() -> None:
    with pytest.raises(ValueError, match="do not change with the digit"):
        _ = HeatMaps(np.zeros((10, 10, 2, 2)), np.zeros((10, 10), int)).colour_over_digit


def test_theme_grid(digits) -> None:
    grid = theme_grid(digits)
    assert grid.shape.tolist() == [d for d in range(10) for _ in range(10)]
    assert grid.foreground.tolist() == grid.background.tolist() == list(range(10)) * 10
    palette = torch.tensor(DOUBLE_COLORED_PALETTE)
    first = [int((digits.test_labels == d).nonzero()[0, 0]) for d in range(10)]
    masks = digit_masks(digits.test_images[first])
    for index in (0, 17, 42, 99):
        digit, theme = divmod(index, 10)
        pixels, mask = grid.images[index].permute(1, 2, 0), masks[digit]
        assert (pixels[mask] == palette[(theme - 6) % 10]).all()
        assert (pixels[~mask] == palette[theme]).all()


@pytest.fixture
def classifier() -> Classifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Classifier()


def test_heat_maps_of_a_classifier(classifier, digits) -> None:
    grid = theme_grid(digits)
    seen = heat_maps(classifier, grid)
    assert seen.maps.shape == (10, 10, 32, 32)
    assert seen.maps.min() >= 0
    assert seen.maps.max() <= 1
    with torch.inference_mode():
        assert np.array_equal(seen.predicted.ravel(), classifier(grid.as_float()).argmax(1).numpy())
    again = heat_maps(classifier, grid)
    assert np.array_equal(seen.maps, again.maps)


def test_a_classifier_without_positive_evidence_has_empty_maps(classifier, digits) -> None:
    """Every class is evidenced by features that are absent: weights of the last layer below zero."""
    last = classifier[-2]
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        last.weight.zero_()
        last.weight[3] = -1
        last.bias.zero_()
        last.bias[3] = 100
    assert heat_maps(classifier, theme_grid(digits)).empty.all()


@pytest.mark.parametrize("factor", [100, 1e6])
def test_a_classifier_that_is_surer_has_the_same_maps(classifier, digits, factor: float) -> None:
    """Its last layer times a factor: log-probabilities vanish where it is sure, and with them the package's maps."""
    grid = theme_grid(digits)
    before = heat_maps(classifier, grid)
    with torch.no_grad():
        classifier[-2].weight *= factor
        classifier[-2].bias *= factor
    after = heat_maps(classifier, grid)
    assert after.empty.sum() == before.empty.sum() == 0
    np.testing.assert_allclose(after.maps, before.maps, atol=1e-5)
    assert (heat_maps(classifier, grid, package=True).empty.sum() > 50) == (factor > 100)
