"""A small CGN, and the toy world's parts, with random weights: every part real, nothing trained."""

from collections.abc import Callable

import pytest
import torch

from cgnlib.features import PerceptualFeatures, perceptual_features
from cgnlib.imagenet.biggan import BigGAN, BigGANConfig, measure_statistics
from cgnlib.imagenet.cgn import ImageNetCGN
from cgnlib.imagenet.toy.parts import ToyParts, untrained_parts
from cgnlib.imagenet.u2net import U2Net, uniform
from cgnlib.training.steps import freeze

SMALL = BigGANConfig(
    resolution=32,
    channel_width=8,
    z_dim=8,
    class_embed_dim=8,
    num_classes=5,
    layers=((True, 4, 4), (True, 4, 2), (True, 2, 1)),
    attention_position=1,
    n_stats=2,
)


def small_cgn(recompute: bool = False) -> ImageNetCGN:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        teacher, u2net = BigGAN(SMALL), U2Net(uniform(mid=2, out=4))
        measure_statistics(teacher, 32, 16, torch.Generator().manual_seed(0))
    return ImageNetCGN(teacher, u2net, recompute)


@pytest.fixture
def cgn() -> ImageNetCGN:
    return small_cgn()


@pytest.fixture(scope="session")
def features() -> PerceptualFeatures:
    return perceptual_features("efficientnet-lite0")


@pytest.fixture
def random_parts() -> Callable[[], ToyParts]:
    return _random_parts


def _random_parts() -> ToyParts:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        parts = untrained_parts()
    measure_statistics(parts.biggan, 16, 16, torch.Generator().manual_seed(0))
    for network in parts:
        freeze(network)
    return parts
