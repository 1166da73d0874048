"""The toy world's pre-trained networks, as shipped: what ImageNet's BigGAN, U2-Net and classifiers are to the study."""

from pathlib import Path
from typing import NamedTuple

import torch

from cgnlib.errors import AssetError
from cgnlib.imagenet.biggan import BigGAN
from cgnlib.imagenet.toy.pretraining import CLASSIFIER, FACTOR_READER, BigGANRecipe, SaliencyRecipe
from cgnlib.imagenet.toy.shipped import PARTS, part_file, part_record
from cgnlib.imagenet.u2net import U2Net
from cgnlib.paths import file_sha256
from cgnlib.toyworld.reader import Reader
from cgnlib.training.steps import freeze
from cgnlib.training.weights import load_state


class ToyParts(NamedTuple):
    """Frozen networks in eval mode."""

    biggan: BigGAN
    u2net: U2Net
    classifier: Reader  # reads the class; trained on class-tied images
    reader: Reader  # the factor reader: reads shape, texture and background; trained on free factors


def untrained_parts() -> ToyParts:
    """The same networks with fresh weights, drawn from the global generator."""
    networks = BigGAN(BigGANRecipe().generator), U2Net(SaliencyRecipe().network)
    return ToyParts(*networks, Reader(CLASSIFIER.heads), Reader(FACTOR_READER.heads))


def toy_parts(folder: Path | None = None) -> ToyParts:
    """The shipped networks. Raises AssetError where one is missing or does not match its record."""
    parts = untrained_parts()
    for name, network in zip(PARTS, parts, strict=True):
        file, record = part_file(name, folder), part_record(name, folder)
        load_state(network, file, f"the toy world's {name}")
        if record["weights_sha256"] != file_sha256(file):
            raise AssetError(f"{file} does not have the checksum in its record. Restore both: git checkout weights.")
        freeze(network.to(memory_format=torch.channels_last))
    return parts
