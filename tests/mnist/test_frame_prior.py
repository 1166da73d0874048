"""Digits that touch the frame and backgrounds that fade, and what both do to the masks that are found."""

from dataclasses import replace

import pytest
import torch

from cgnlib.data.digits import embedded_digits
from cgnlib.imagenet.evaluation import intersection_over_union
from cgnlib.mnist.frame_prior import shaded, zoomed
from cgnlib.mnist.segmentation import segment
from cgnlib.mnist.variants import digit_masks, make_variant, select_digits

DIGITS, N = embedded_digits(), 500


def test_digits_grow_about_their_centre() -> None:
    digits = DIGITS.train_images[:20]
    assert torch.equal(zoomed(digits, 1), digits)
    square = torch.zeros(1, 28, 28, dtype=torch.uint8)
    square[:, 11:17, 11:17] = 255
    twice = zoomed(square, 2)[0] > 127
    assert twice[8:20, 8:20].all() and twice.sum() == 12 * 12
    assert (zoomed(digits, 2)[:, 0] > 0).any(), "they reach the border"


def test_backgrounds_fade_and_digits_do_not() -> None:
    images = make_variant("double-colored", "train", DIGITS, limit=50)
    masks = digit_masks(select_digits("double-colored", "train", DIGITS)[0][:50])
    assert torch.equal(shaded(images, masks, 0.0, seed=0).images, images.images)
    faded = shaded(images, masks, 0.2, seed=0)
    on_digit = masks[:, None].expand(-1, 3, -1, -1)
    assert torch.equal(faded.images[on_digit], images.images[on_digit])
    grey = replace(images, images=torch.full_like(images.images, 128))
    change = shaded(grey, torch.zeros_like(masks), 0.2, seed=0).images.int() - 128
    reach = change.amax((1, 2, 3)) - change.amin((1, 2, 3))
    assert (reach >= 50).all() and (reach <= 51 * 2**0.5 + 1).all()  # along an edge, and along the diagonal
    assert not torch.equal(change[0], change[1]), "each image has a direction of its own"
    assert torch.equal(faded.images, shaded(images, masks, 0.2, seed=0).images)


@pytest.mark.parametrize(
    ("factor", "slope", "low", "high"), [(1.4, 0, 0.95, 1), (1.7, 0, 0, 0.8), (1, 0.1, 0, 0.8), (1, 0.8, 0.8, 0.95)]
)
def test_where_found_masks_end(factor: float, slope: float, low: float, high: float) -> None:
    """What page 11 says in words: large digits do little for long, a slight fade does more than a strong one."""
    larger = replace(DIGITS, train_images=zoomed(DIGITS.train_images, factor))
    masks = digit_masks(select_digits("double-colored", "train", larger)[0][:N])
    images = shaded(make_variant("double-colored", "train", larger, limit=N), masks, slope, seed=1)
    found = intersection_over_union(segment(images) / 255, masks[:, None]).mean().item()
    assert low <= found <= high
