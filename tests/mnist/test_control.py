"""Control, measured on generators whose control is known: perfect, swapped, blank."""

from typing import cast

import pytest
import torch
from torch import Tensor, nn

from cgnlib.images import LabelledImages
from cgnlib.mnist.cgn import CGN
from cgnlib.mnist.classifier import Classifier
from cgnlib.mnist.control import (
    CounterfactualParts,
    free_labels,
    mask_diversity,
    measure_control,
    one_factor_at_a_time,
    painted_colours,
    sample_parts,
    train_readers,
)
from cgnlib.mnist.counterfactuals import MASKS_PER_BATCH
from cgnlib.mnist.names import FACTORS
from cgnlib.mnist.recipes import ClassifierConfig
from cgnlib.mnist.variants import make_variant

SEED = 0


class Blocks(CGN):
    """A generator by hand: digit d is a bar of 3 (d + 1) rows, a texture of class c is the grey level c / 10."""

    def mask(self, u: Tensor, y: Tensor) -> Tensor:
        bar = torch.arange(32) < 3 * (y[:, None] + 1)
        return bar.float()[:, None, :, None].expand(-1, 1, 32, 32)

    def foreground(self, u: Tensor, y: Tensor) -> Tensor:
        return (y / 10)[:, None, None, None].expand(-1, 3, 32, 32)

    def background(self, u: Tensor, y: Tensor) -> Tensor:
        return self.foreground(u, y)


class Swapped(Blocks):
    """Mask inverted: background textures appear in the object's place."""

    def mask(self, u: Tensor, y: Tensor) -> Tensor:
        return 1 - super().mask(u, y)


class Blank(Blocks):
    """No object at all."""

    def mask(self, u: Tensor, y: Tensor) -> Tensor:
        return super().mask(u, y) * 0


class Reader(nn.Module):
    """A factor reader by hand: the number of white rows tells the digit, a corner pixel the grey level."""

    def __init__(self, factor: str) -> None:
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1))
        self.factor = factor

    def forward(self, images: Tensor) -> Tensor:
        if self.factor == "shape":
            label = (images[:, 0, :, 0] > 0).sum(1) / 3 - 1
        else:
            label = images[:, 0, 0 if self.factor == "foreground" else -1, 0] * 10
        return nn.functional.one_hot(label.round().long().clamp(0, 9), 10)


READERS = {factor: cast(Classifier, Reader(factor)) for factor in FACTORS}


def control_of(network: CGN, n: int = 600):
    return measure_control(sample_parts(network, *free_labels(n, SEED), seed=SEED), READERS)


def test_a_perfect_generator() -> None:
    control = control_of(Blocks())
    for requested in FACTORS:
        for recovered in FACTORS:
            if requested == recovered:
                assert control.matrix[requested][recovered] == 100
            else:
                assert control.matrix[requested][recovered] == pytest.approx(10, abs=5)
    assert control.n == 600
    assert control.shape_by_class.tolist() == [100] * 10
    assert control.diversity == 0  # one template per digit


def test_an_inverted_mask_swaps_the_textures_and_loses_the_shape() -> None:
    matrix = control_of(Swapped()).matrix
    assert matrix["background"]["foreground"] == matrix["foreground"]["background"] == 100
    assert matrix["foreground"]["foreground"] < 20
    assert matrix["shape"]["shape"] < 20


def test_a_blank_mask_shows_background_alone() -> None:
    control = control_of(Blank())
    assert control.matrix["background"] == pytest.approx({"shape": 10, "foreground": 100, "background": 100}, abs=5)
    assert control.matrix["shape"]["shape"] == pytest.approx(10, abs=5)
    assert control.shape_read.unique().tolist() == [0]
    assert control.area == 0


def test_too_few_images_are_an_error() -> None:
    with pytest.raises(ValueError, match="control needs at least 100 images, not 99"):
        control_of(Blocks(), 99)


def test_diversity_by_hand() -> None:
    masks = torch.zeros(30, 1, 2, 2)
    labels = torch.arange(10).repeat(3)
    masks[10:20, 0, 0, 0] = 1  # of three masks of each digit the middle one differs in one of four pixels
    assert mask_diversity(masks, labels) == pytest.approx(0.25)
    with pytest.raises(ValueError, match="digit 0 has 1 masks: diversity needs two"):
        mask_diversity(masks[:10], labels[:10])


def test_parts_compose_the_images_and_repeat(cgn: CGN) -> None:
    labels = free_labels(MASKS_PER_BATCH + 20, SEED)
    parts, again = (sample_parts(cgn, *labels, seed=SEED) for _ in range(2))
    assert parts.images.sha256 == again.images.sha256
    assert parts.masks.shape == (MASKS_PER_BATCH + 20, 1, 32, 32)
    composed = parts.masks * parts.foreground + (1 - parts.masks) * parts.background
    assert (parts.images.as_float() - composed).abs().max() < 1 / 127
    for factor, label in zip(FACTORS, labels, strict=True):
        assert torch.equal(getattr(parts.images, factor), label)
    assert parts.images.sha256 != sample_parts(cgn, *labels, seed=SEED + 1).images.sha256


def test_readers_are_trained_on_their_own_factor(digits, tmp_path, monkeypatch) -> None:
    seen: dict[str, tuple[LabelledImages, LabelledImages, ClassifierConfig]] = {}

    def fake(training, evaluations, config, seed, **options):
        import pandas as pd

        seen[config.target] = (training, evaluations["test"], config)
        history = pd.DataFrame({"epoch": [1, 1], "split": ["train", "test"], "accuracy": [99.0, 50.0], "n": [1, 1]})
        return Classifier(), history, None

    monkeypatch.setattr("cgnlib.mnist.control.train_classifier", fake)
    free = make_variant("double-colored", "free-train", digits, limit=50)
    test = make_variant("double-colored", "test", digits, limit=40)
    config = ClassifierConfig(epochs=2)
    readers, accuracies = train_readers(digits, free, test, config, limit=30)
    assert set(readers) == set(FACTORS)
    assert accuracies == dict.fromkeys(FACTORS, 50.0)
    assert (len(seen["shape"][0]), seen["shape"][0].name) == (30, "digits/train")
    assert torch.equal(seen["shape"][0].shape, digits.train_labels[:30])
    assert torch.equal(seen["shape"][1].shape, digits.test_labels)
    assert seen["background"][:2] == (free, test)
    readers, _ = train_readers(digits, free, test, config, has_background=False)
    assert set(readers) == {"shape", "foreground"}


def test_one_factor_changes_at_a_time(cgn: CGN) -> None:
    grid, labels = one_factor_at_a_time(cgn.eval(), "wildlife", seed=0)
    assert grid.shape == (4, 7, 3, 32, 32)
    assert labels == ["start", "shape", "", "texture", "", "background", ""]
    for row, factor in ((1, "shape"), (2, "texture"), (3, "background")):
        changed = [not torch.equal(grid[row, 0], grid[row, column]) for column in range(1, 7)]
        where = labels.index(factor)
        assert [column for column, other in enumerate(changed, 1) if other] == [where, where + 1]
    assert one_factor_at_a_time(cgn, "colored", seed=0)[1] == ["start", "shape", "", "texture", ""]


def test_painted_colours_are_those_under_the_solid_mask() -> None:
    labels = torch.arange(10)
    masks = torch.zeros(10, 1, 32, 32)
    masks[:, :, 8:24, 8:24] = 1
    images = torch.full((10, 3, 32, 32), 255, dtype=torch.uint8)
    images[:, :, 8:24, 8:24] = (labels * 20).to(torch.uint8)[:, None, None, None]
    empty = torch.zeros(10, 3, 32, 32)
    parts = CounterfactualParts(masks, empty, empty, LabelledImages(images, labels, labels, labels, "a", "b"))
    assert painted_colours(parts)[:, 1].tolist() == (labels * 20).tolist()
    parts.masks[3] = 0.5
    with pytest.raises(ValueError, match="no colour"):
        painted_colours(parts)
