from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from cgnlib.errors import AssetError
from cgnlib.imagenet import biggan
from cgnlib.imagenet.biggan import BigGAN, measure_statistics
from cgnlib.imagenet.toy.parts import toy_parts
from cgnlib.imagenet.toy.quality import generator_quality, reader_quality
from cgnlib.imagenet.toy.shipped import part_record
from cgnlib.images import to_float
from cgnlib.randomness import generator
from cgnlib.toyworld.reader import Reader
from cgnlib.toyworld.sets import build
from cgnlib.toyworld.world import N_CLASSES


@pytest.fixture(scope="module")
def gan() -> BigGAN:
    network = BigGAN(replace(biggan.TOY_64, channel_width=8, n_stats=2))
    measure_statistics(network, 32, 16, generator(0, "test"))
    return network.eval()


@pytest.fixture(scope="module")
def reader() -> Reader:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Reader(("shape", "texture", "background")).eval()


class RealImages(BigGAN):
    """Draws real toy images instead, of the classes that are asked for."""

    def __init__(self) -> None:
        super().__init__(replace(biggan.TOY_64, channel_width=8, n_stats=2))
        self.data = build("original", 400, 3)
        self.next = [(self.data.shape == label).nonzero()[:, 0].tolist() for label in range(N_CLASSES)]

    def forward(self, z: Tensor, class_vector: Tensor, truncation: float = 1.0) -> Tensor:
        return to_float(self.data.images[[self.next[label].pop() for label in class_vector.argmax(1).tolist()]])


def test_real_images_are_better_than_those_of_an_untrained_generator(gan: BigGAN, reader: Reader) -> None:
    untrained = generator_quality(gan, reader, reader, 300, 0)
    real = generator_quality(RealImages(), reader, reader, 300, 0)
    assert real.fid < untrained.fid / 5
    assert real.fid < 3 * real.fid_of_halves
    assert 0.9 < real.diversity < 1.1


def test_a_reader_is_asked_only_for_factors_that_a_set_shows(reader: Reader) -> None:
    quality = reader_quality(reader, 20, 0)
    assert set(quality["only-background"]) == {"background"}
    assert set(quality["cue-conflict"]) == {"shape", "texture"}
    assert set(quality["free"]) == {"shape", "texture", "background"}


def test_missing_parts_are_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="make pretrain"):
        part_record("biggan", tmp_path)
    with pytest.raises(AssetError, match="biggan"):
        toy_parts(tmp_path)
