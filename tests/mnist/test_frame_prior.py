"""Digits that touch the frame and backgrounds that fade, and what both do to the masks that are found."""

from dataclasses import replace

import torch

from cgnlib.data.digits import embedded_digits
from cgnlib.imagenet.evaluation import intersection_over_union
from cgnlib.mnist.frame_prior import fading, shaded, zoomed
from cgnlib.mnist.segmentation import segment

DIGITS, N = embedded_digits(), 500


def test_digits_grow_about_their_centre() -> None:
    same, twice = zoomed(DIGITS, 1), zoomed(DIGITS, 2)
    assert torch.equal(same.train_images, DIGITS.train_images) and torch.equal(same.test_images, DIGITS.test_images)
    square = torch.zeros(1, 28, 28, dtype=torch.uint8)
    square[:, 11:17, 11:17] = 255
    drawn = zoomed(replace(DIGITS, train_images=square), 2).train_images[0] > 127
    assert drawn[8:20, 8:20].all() and drawn.sum() == 12 * 12
    assert (twice.test_images[:, 0] > 0).any(), "they reach the border"


def test_backgrounds_fade_and_digits_do_not() -> None:
    (images, masks), (faded, _) = (fading(DIGITS, "train", 50, slope) for slope in (0.0, 0.2))
    on_digit = masks[:, None].expand(-1, 3, -1, -1)
    assert torch.equal(faded.images[on_digit], images.images[on_digit])
    grey = replace(images, images=torch.full_like(images.images, 128))
    change = shaded(grey, torch.zeros_like(masks), 0.2, seed=0).images.int() - 128
    reach = change.amax((1, 2, 3)) - change.amin((1, 2, 3))
    assert (reach >= 50).all() and (reach <= 51 * 2**0.5 + 1).all()  # along an edge, and along the diagonal
    assert not torch.equal(change[0], change[1]), "each image has a direction of its own"
    assert torch.equal(faded.images, fading(DIGITS, "train", 50, 0.2)[0].images)


def test_where_found_masks_end() -> None:
    """What page 11 says in words: large digits do little for long, and of four fades the slightest does most."""

    def found(factor: float, slope: float) -> float:
        images, masks = fading(zoomed(DIGITS, factor), "train", N, slope)
        return intersection_over_union(segment(images) / 255, masks[:, None]).mean().item()

    zooms = [found(factor, 0) for factor in (1, 1.4, 1.7, 2)]
    assert zooms[0] > 0.99 and zooms[1] > 0.95 and 0.4 < zooms[2] < 0.8 and 0.2 < zooms[3] < zooms[2]
    fades = [found(1, slope) for slope in (0.1, 0.2, 0.4, 0.8)]
    assert 0.4 < fades[0] < 0.7 and fades == sorted(fades) and fades[-1] < 0.95
