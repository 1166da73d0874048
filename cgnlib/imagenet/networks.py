"""Networks trained on ImageNet-1k that are small enough to have at hand, each with its own preprocessing.

EfficientNet-Lite0 to Lite2 come with packages, SqueezeNet 1.1 as a file of ncnn, which is read without executing code.
"""

import copy
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgnlib.data.finding import require
from cgnlib.errors import AssetError, known
from cgnlib.features import efficientnet_lite
from cgnlib.imagenet.normalisation import LITE, Normalisation
from cgnlib.training.precision import fast_autocast
from cgnlib.training.weights import fill

T = TypeVar("T")
BATCH = 8  # images that go through a network at a time: larger batches leave a processor's caches, at half the speed
# What SqueezeNet's images are less, after which they are not scaled; published for [0, 255] in the order BGR.
SQUEEZENET = Normalisation("squeezenet", (123 / 255, 117 / 255, 104 / 255), (1 / 255, 1 / 255, 1 / 255))
NORMALISATIONS = {  # of each network its own
    "efficientnet-lite0": LITE,
    "efficientnet-lite1": LITE,
    "efficientnet-lite2": LITE,
    "squeezenet1.1": SQUEEZENET,
}
NEEDED = {"squeezenet1.1": ("squeezenet",)}  # assets of those that do not come with a package
HALF_PRECISION = 0x01306B47  # what ncnn writes before weights of 16 bits


@dataclass(frozen=True)
class Pretrained:
    """A network in eval mode, normalised images (B, 3, size, size) -> logits (B, 1000), and what it wants to see.

    features: the network up to its last layer, -> (B, D). maps: the network up to its last block, -> (B, C, h, w).
    last_block: makes a copy of what leads from maps to features, to be trained. None where a network has no blocks.
    """

    name: str
    network: Any  # nn.Module, whose parts have any name
    size: int
    normalisation: Normalisation
    features: Callable[[Tensor], Tensor]
    maps: Callable[[Tensor], Tensor] | None = None
    last_block: Callable[[], nn.Module] | None = None

    def prepared(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, H) uint8, resized (bilinear, with antialiasing) and normalised."""
        pixels = images.float()
        if images.shape[-1] != self.size:
            pixels = F.interpolate(pixels, size=(self.size, self.size), mode="bilinear", antialias=True)
        return self.normalisation(pixels / 127.5 - 1).contiguous(memory_format=torch.channels_last)

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (N, 1000) of images (N, 3, H, H) uint8."""
        return self._read(self.network, images)

    def describe(self, images: Tensor) -> Tensor:
        """Features (N, D) of images (N, 3, H, H) uint8: what its last layer reads."""
        return self._read(self.features, images)

    def before_last_block(self, images: Tensor) -> Tensor:
        """Maps (N, C, h, w) of images (N, 3, H, H) uint8: what its last block reads.

        Raises ValueError for a network without blocks.
        """
        return self._read(self._of_blocks(self.maps), images)

    def trainable_block(self) -> nn.Module:
        """A copy of its last block and what follows: maps -> features. Raises ValueError for one without blocks."""
        return self._of_blocks(self.last_block)()

    def _of_blocks(self, part: T | None) -> T:
        if part is None:
            raise ValueError(f"{self.name} has no blocks; EfficientNet-Lite has")
        return part

    @torch.no_grad()  # not inference_mode, whose tensors no training can take: blocks are trained on these maps
    def _read(self, part: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
        return torch.cat([part(self.prepared(each)) for each in images.split(BATCH)]).float()


class LastBlock(nn.Module):
    """The last block of an EfficientNet-Lite and what follows it: maps (B, C, h, w) -> features (B, D).

    Batch norms keep the statistics of the network's training.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        parts = (network._blocks[-1], network._conv_head, network._bn1, network._swish)
        self.parts = copy.deepcopy(nn.Sequential(*parts)).eval().requires_grad_(True)

    def forward(self, maps: Tensor) -> Tensor:
        with fast_autocast(maps.device.type):
            return self.parts(maps.contiguous(memory_format=torch.channels_last)).float().mean(dim=(2, 3))


def pretrained(name: str, folder: str | Path | None = None) -> Pretrained:
    """A network of NORMALISATIONS. Raises ValueError for another name, AssetError where its file is missing or damaged.

    SqueezeNet's last layer is a convolution, so its features are the mean of what that layer reads.
    """
    known("network", name, NORMALISATIONS)
    if name == "squeezenet1.1":
        network, size = squeezenet(require("squeezenet", folder)), 227
        return Pretrained(name, network, size, SQUEEZENET, lambda images: network.features(images).mean(dim=(2, 3)))
    number = int(name[-1])
    network, size = efficientnet_lite(number).to(memory_format=torch.channels_last), (224, 240, 260)[number]
    return Pretrained(
        name,
        network,
        size,
        NORMALISATIONS[name],
        lambda images: network.extract_features(images).mean(dim=(2, 3)),
        nn.Sequential(network._conv_stem, network._bn0, network._swish, *network._blocks[:-1]),
        functools.partial(LastBlock, network),
    )


def squeezenet(file: Path) -> Any:
    """SqueezeNet 1.1 with the weights of an ncnn file, frozen.

    The file holds, for each convolution in its order, a mark, weights as (out, in, h, w) in 16 bits, and a bias in 32.
    It wants channels in the order BGR; those of the first layer are turned, so that the network takes RGB. Raises
    AssetError for a file of another network.
    """
    from torchvision.models import squeezenet1_1  # here: to import it takes seconds

    network, content, place = squeezenet1_1(), file.read_bytes(), 0
    layers = {name: layer for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d)}
    wanted = sum(4 + 2 * layer.weight.numel() + 4 * len(layer.weight) for layer in layers.values())
    refused, tensors = f"weights of SqueezeNet 1.1: {file}", {}
    if len(content) != wanted:
        raise AssetError(f"{refused} has {len(content):,} bytes, not {wanted:,}. Get it again.")
    for name, layer in layers.items():
        if int.from_bytes(content[place : place + 4], "little") != HALF_PRECISION:
            raise AssetError(f"{refused} is of another network or precision. Get it again.")
        weights = np.frombuffer(content, "<f2", layer.weight.numel(), place + 4)
        place += 4 + weights.nbytes
        bias = np.frombuffer(content, "<f4", len(layer.weight), place)
        place += bias.nbytes
        tensors[f"{name}.weight"] = torch.from_numpy(weights.astype(np.float32)).view_as(layer.weight)
        tensors[f"{name}.bias"] = torch.from_numpy(bias.copy())
    first = next(iter(tensors))
    tensors[first] = tensors[first].flip(1)
    fill(network, tensors, refused)
    return network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
