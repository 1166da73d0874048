"""Masks found from images and class labels alone, against the true ones."""

import pytest
import torch

from cgnlib.data.digits import Digits
from cgnlib.data.textures import find_textures
from cgnlib.images import LabelledImages
from cgnlib.mnist.segmentation import segment
from cgnlib.mnist.variants import digit_masks, make_variant, resize_digits, select_digits


def overlap(found: torch.Tensor, true: torch.Tensor) -> float:
    """Mean intersection over union of two sets of bool masks (N, 32, 32)."""
    both, either = ((op(found, true)).sum((1, 2)) for op in (torch.logical_and, torch.logical_or))
    return (both / either.clamp(min=1)).mean().item()


@pytest.mark.parametrize(("variant", "least"), [("double-colored", 0.999), ("wildlife", 0.85)])
def test_masks_are_the_true_ones(variant: str, least: float, digits: Digits) -> None:
    images = make_variant(variant, "train", digits, find_textures() if variant == "wildlife" else None)
    masks = segment(images)
    assert masks.shape == (len(images), 1, 32, 32)
    assert masks.dtype == torch.uint8
    assert masks.unique().tolist() == [0, 255]
    assert overlap(masks[:, 0] > 0, digit_masks(select_digits(variant, "train", digits)[0])) > least


def test_soft_masks_are_the_grey_levels_of_the_digit(digits: Digits) -> None:
    images = make_variant("colored", "train", digits)
    grey = resize_digits(select_digits("colored", "train", digits)[0], "nearest-exact")
    difference = (segment(images, soft=True).float() - grey.float()).abs().mean() / 255
    assert difference < 0.004


def test_other_factors_are_not_looked_at(digits: Digits) -> None:
    images = make_variant("double-colored", "train", digits, limit=500)
    nothing = torch.full_like(images.shape, -1)
    blind = LabelledImages(images.images, images.shape, nothing, nothing, images.name, images.source)
    assert torch.equal(segment(images), segment(blind))


def test_an_image_of_one_colour_has_no_digit() -> None:
    pixels = torch.full((20, 3, 32, 32), 77, dtype=torch.uint8)
    labels = torch.zeros(20, dtype=torch.int64)
    images = LabelledImages(pixels, labels, labels, labels, "flat", "made-up")
    for soft in (False, True):
        assert segment(images, soft=soft).max() == 0
