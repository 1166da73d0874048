"""Methods for which nothing is generated: what they show of an image, and what they do not read."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from cgnlib.data.digits import Digits
from cgnlib.data.textures import find_textures
from cgnlib.images import LabelledImages
from cgnlib.mnist.variants import DIGIT_SHIFT, digit_masks, make_variant, select_digits
from cgnlib.mnist.without_cgn import (
    AUGMENTATION,
    PREPROCESSING,
    border_colour,
    border_cut,
    border_grey,
    border_stretched,
    edges,
    from_border,
    paste,
    preprocessed,
    recolour,
)


@pytest.fixture(scope="module")
def train(digits: Digits) -> LabelledImages:
    return make_variant("double-colored", "train", digits, limit=200)


def two_colours(inside: tuple[int, int, int], outside: tuple[int, int, int]) -> torch.Tensor:
    """One image with a square of 10 x 10 pixels of one colour on the other."""
    image = torch.tensor(outside, dtype=torch.uint8)[:, None, None].repeat(1, 32, 32)
    image[:, 11:21, 11:21] = torch.tensor(inside, dtype=torch.uint8)[:, None, None]
    return image[None]


def test_border_by_hand() -> None:
    image = two_colours((110, 40, 90), (100, 50, 90))
    assert from_border(image)[0, :, 15, 15].tolist() == [10, -10, 0]
    assert border_colour(image)[0, :, 15, 15].tolist() == [132, 122, 128]
    assert border_grey(image)[0, :, 15, 15].tolist() == [8, 8, 8]  # (200 / 3) ** 0.5
    assert border_cut(image).max() == 0  # its length, 14, is below 25
    assert border_cut(two_colours((130, 50, 90), (100, 50, 90)))[0, :, 15, 15].tolist() == [255, 255, 255]
    assert border_stretched(image)[0, 0, 15, 15] == 255
    assert {border(image)[0, 0, 3, 3].item() for border in (border_grey, border_cut, border_stretched)} == {0}


def test_the_frame_decides_and_not_what_touches_it_once() -> None:
    image = two_colours((200, 0, 0), (0, 0, 200))
    image[..., 0, :20] = 255  # 20 of the frame's 348 pixels
    assert from_border(image)[0, :, 15, 15].tolist() == [200, 0, -200]


def test_edges_lie_on_outlines() -> None:
    image = edges(two_colours((200, 0, 0), (0, 0, 200)))[0, 0]
    assert image[15, 11] == 255 and image[15, 10] == 255
    assert image[15, 15] == 0 and image[3, 3] == 0


def test_stretched_shows_a_digit_in_the_colour_of_its_background(digits: Digits) -> None:
    images = make_variant("double-colored", "test", digits, limit=300)
    same = (images.foreground - DIGIT_SHIFT) % 10 == images.background
    assert same.any()
    shown = preprocessed(images, "border-stretched").images[same][:, 0] > 127
    true = digit_masks(select_digits("double-colored", "test", digits)[0][:300])[same]
    assert (shown == true).flatten(1).all(1).float().mean() > 0.9


@pytest.mark.parametrize("name", PREPROCESSING)
def test_each_image_is_preprocessed_by_itself_from_its_pixels_alone(name: str, train: LabelledImages) -> None:
    whole = preprocessed(train, name)
    assert whole.images.shape == train.images.shape and whole.images.dtype == torch.uint8
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))
    shuffled = replace(train, **{f: getattr(train, f)[order] for f in ("shape", "foreground", "background")})
    assert torch.equal(preprocessed(shuffled, name).images, whole.images)
    assert torch.equal(preprocessed(train.subset(order[:3]), name).images, whole.images[order[:3]])


@pytest.mark.parametrize("name", AUGMENTATION)
def test_augmentation_reads_no_factor_and_follows_its_seed(name: str, train: LabelledImages) -> None:
    make: Callable[..., LabelledImages] = AUGMENTATION[name]
    images = make(train, 250, 1)
    blind = replace(train, foreground=train.foreground.flip(0), background=torch.full_like(train.background, -1))
    assert len(images) == 250
    assert torch.equal(make(blind, 250, 1).images, images.images)
    assert not torch.equal(make(train, 250, 2).images, images.images)
    assert torch.equal(torch.arange(10), images.shape.unique())


def test_recolour_keeps_what_is_flat_flat(train: LabelledImages) -> None:
    images = recolour(train, 200, 0)
    for before, after in zip(train.images[:20], images.images[:20], strict=True):
        assert len(after.flatten(1).unique(dim=1).T) <= len(before.flatten(1).unique(dim=1).T)
    assert torch.equal(images.shape, train.shape)
    black = replace(train, images=torch.zeros_like(train.images))
    assert recolour(black, 200, 0).images.max() == 0


@pytest.mark.parametrize("variant", ["double-colored", "wildlife"])
def test_paste_frees_the_factors(variant: str, digits: Digits) -> None:
    train = make_variant(variant, "train", digits, find_textures() if variant == "wildlife" else None)
    images = paste(train, 2000, 0)
    for factor in (images.foreground, images.background):
        assert (factor == images.shape).float().mean() == pytest.approx(0.1, abs=0.03)


def test_pasted_double_colored_digits_are_those_of_free_factors(digits: Digits) -> None:
    train = make_variant("double-colored", "train", digits)
    images = paste(train, 300, 0)
    for image, colour, ground in zip(images.images, images.foreground, images.background, strict=True):
        colours = len(image.flatten(1).unique(dim=1).T)  # of the digit and of the background
        assert colours == 2 or (colours == 1 and (colour - DIGIT_SHIFT) % 10 == ground)


def test_paste_needs_a_digit(train: LabelledImages) -> None:
    flat = replace(train, images=torch.full_like(train.images, 7))
    with pytest.raises(ValueError, match="no digit was found"):
        paste(flat, 10, 0)
