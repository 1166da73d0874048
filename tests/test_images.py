"""Labelled images: conversion, checks, subsets."""

import pytest
import torch

from cgnlib.images import LabelledImages, concatenate, to_float, to_uint8


def images(n: int = 4, name: str = "a", source: str = "s") -> LabelledImages:
    labels = torch.arange(n)
    pixels = torch.arange(n * 3 * 4, dtype=torch.uint8).view(n, 3, 2, 2)
    return LabelledImages(pixels, labels, labels, labels - 1, name, source)


def test_every_grey_level_survives_a_round_trip() -> None:
    levels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(to_float(levels)), levels)
    assert to_float(levels).min() == -1
    assert to_float(levels).max() == 1


def test_floats_outside_the_range_are_clipped() -> None:
    assert to_uint8(torch.tensor([-3.0, -1.0, 0.0, 1.0, 3.0])).tolist() == [0, 0, 128, 255, 255]


@pytest.mark.parametrize(
    "pixels",
    [torch.zeros(2, 3, 4, 4), torch.zeros(2, 1, 4, 4, dtype=torch.uint8)],
    ids=["float", "one channel"],
)
def test_only_uint8_colour_images_are_taken(pixels: torch.Tensor) -> None:
    """So no NaN can enter a training set."""
    labels = torch.zeros(2, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"set/x: images must be uint8 \(N, 3, H, W\), not torch\."):
        LabelledImages(pixels, labels, labels, labels, "set/x", "s")


@pytest.mark.parametrize("labels", [torch.zeros(3, dtype=torch.int64), torch.zeros(2)], ids=["length", "type"])
def test_labels_must_match_the_images(labels: torch.Tensor) -> None:
    right = torch.zeros(2, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"set/x: background labels must be int64 \(2,\)"):
        LabelledImages(torch.zeros(2, 3, 4, 4, dtype=torch.uint8), right, right, labels, "set/x", "s")


def test_subset_keeps_images_and_labels_together() -> None:
    part = images().subset(torch.tensor([2, 0]))
    assert part.shape.tolist() == [2, 0]
    assert part.background.tolist() == [1, -1]
    assert torch.equal(part.images, images().images[[2, 0]])
    assert torch.equal(images().as_float(torch.tensor([2, 0])), to_float(part.images))


def test_the_hash_covers_pixels_and_labels_alone() -> None:
    one = images()
    assert images(name="b", source="t").sha256 == one.sha256
    assert one.subset(torch.tensor([1, 0, 2, 3])).sha256 != one.sha256
    relabelled = LabelledImages(one.images, one.shape, one.shape + 1, one.background, "a", "s")
    assert relabelled.sha256 != one.sha256


def test_concatenation_joins_sources_once() -> None:
    joined = concatenate([images(2), images(1, source="t"), images(1)], "all")
    assert (len(joined), joined.name, joined.source) == (4, "all", "s + t")
    assert joined.shape.tolist() == [0, 1, 0, 0]
