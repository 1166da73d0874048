"""U2-Net (Qin et al., 2020): the salient-object network that turns a premask into the mask of the ImageNet CGN.

A U of U-blocks: six encoder and five decoder stages, each a small U-Net with a residual sum. State-dict keys and shapes
are those of the published files. Upsampling aligns corners, as in the code of SG21 (the network's own code does not).
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from cgnlib.training.steps import freeze
from cgnlib.training.weights import load_state

STAGES = 6
LEVELS = {"RSU7": 7, "RSU6": 6, "RSU5": 5, "RSU4": 4, "RSU4F": 4}
KINDS = ("RSU7", "RSU6", "RSU5", "RSU4", "RSU4F", "RSU4F", "RSU4F", "RSU4", "RSU5", "RSU6", "RSU7")  # of the stages


@dataclass(frozen=True)
class RSUConfig:
    """One stage: its kind (a key of LEVELS; F: dilated instead of pooled) and its channels."""

    kind: str
    in_channels: int
    mid_channels: int
    out_channels: int


@dataclass(frozen=True)
class U2NetConfig:
    """The stages by their published names, in the order in which they run."""

    stage1: RSUConfig
    stage2: RSUConfig
    stage3: RSUConfig
    stage4: RSUConfig
    stage5: RSUConfig
    stage6: RSUConfig
    stage5d: RSUConfig
    stage4d: RSUConfig
    stage3d: RSUConfig
    stage2d: RSUConfig
    stage1d: RSUConfig


def configuration(*channels: tuple[int, int, int]) -> U2NetConfig:
    """The stages with these channels: in, mid, out of each."""
    return U2NetConfig(*(RSUConfig(kind, *each) for kind, each in zip(KINDS, channels, strict=True)))


def uniform(mid: int, out: int) -> U2NetConfig:
    """The same channels in every stage; a decoder stage gets those of the stage below and of its encoder stage."""
    return configuration((3, mid, out), *[(out, mid, out)] * 5, *[(2 * out, mid, out)] * 5)


ENCODER = ((3, 32, 64), (64, 32, 128), (128, 64, 256), (256, 128, 512), (512, 256, 512), (512, 256, 512))
DECODER = ((1024, 256, 512), (1024, 128, 256), (512, 64, 128), (256, 32, 64), (128, 16, 64))
FULL = configuration(*ENCODER, *DECODER)  # as published: 44.0 M parameters
TOY = uniform(mid=8, out=16)  # for images of 64 x 64 on a CPU


def resize(images: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear (B, C, *size), corners aligned."""
    if images.shape[2:] == tuple(size):
        return images
    return F.interpolate(images, size=tuple(size), mode="bilinear", align_corners=True)


def halve(images: Tensor) -> Tensor:
    """Maximum of 2 x 2 pixels; an odd size is rounded up."""
    return F.max_pool2d(images, 2, stride=2, ceil_mode=True)


class ConvNormReLU(nn.Module):
    """3 x 3 convolution, batch norm, ReLU: the published `rebnconv`. Keeps the size."""

    def __init__(self, in_channels: int, out_channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv_s1 = nn.Conv2d(in_channels, out_channels, 3, padding=dilation, dilation=dilation)
        self.bn_s1: nn.Module = nn.BatchNorm2d(out_channels)

    def forward(self, images: Tensor) -> Tensor:
        return F.relu(self.bn_s1(self.conv_s1(images)), inplace=True)


class RSU(nn.Module):
    """Residual U-block: a U-Net of a few levels on the features of its first convolution, added to these features.

    Between levels the size is halved and the deepest level is dilated by 2; RSU4F keeps the size and dilates by 1, 2,
    4, 8 instead, because its input is small already.
    """

    def __init__(self, config: RSUConfig) -> None:
        super().__init__()
        self.levels, self.pooled = LEVELS[config.kind], config.kind != "RSU4F"
        mid, out = config.mid_channels, config.out_channels
        self.rebnconvin = ConvNormReLU(config.in_channels, out)
        for level in range(1, self.levels + 1):
            dilation = 2 ** (level - 1) if not self.pooled else 2 if level == self.levels else 1
            setattr(self, f"rebnconv{level}", ConvNormReLU(out if level == 1 else mid, mid, dilation))
            if level < self.levels:
                setattr(self, f"rebnconv{level}d", ConvNormReLU(2 * mid, out if level == 1 else mid, dilation))

    def forward(self, images: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H, W)."""
        entry = features = self.rebnconvin(images)
        encoded = []
        for level in range(1, self.levels):
            if self.pooled and level > 1:
                features = halve(features)
            features = getattr(self, f"rebnconv{level}")(features)
            encoded.append(features)
        features = getattr(self, f"rebnconv{self.levels}")(features)
        for level in range(self.levels - 1, 0, -1):
            partner = encoded[level - 1]
            joined = torch.cat([resize(features, partner.shape[2:]), partner], dim=1)
            features = getattr(self, f"rebnconv{level}d")(joined)
        return features + entry


class U2Net(nn.Module):
    """Saliency from images (B, 3, H, W), H and W at least 32, published for H = W = 320 and used in the CGN for 256.

    The CGN feeds images in [-1, 1] without any normalisation.
    """

    def __init__(self, config: U2NetConfig = FULL) -> None:
        super().__init__()
        self.config = config
        for field in fields(config):
            setattr(self, field.name, RSU(getattr(config, field.name)))
        for stage in range(1, STAGES + 1):
            last: RSUConfig = getattr(config, "stage6" if stage == STAGES else f"stage{stage}d")
            setattr(self, f"side{stage}", nn.Conv2d(last.out_channels, 1, 3, padding=1))
        self.outconv = nn.Conv2d(STAGES, 1, 1)
        self.to(memory_format=torch.channels_last)  # on a CPU 1.3 (with gradient) to 1.6 times as fast

    def forward(self, images: Tensor) -> Tensor:
        """Mask (B, 1, H, W) in [0, 1]: the sigmoid of d0."""
        return torch.sigmoid(self.side_logits(images)[0])

    def side_logits(self, images: Tensor) -> list[Tensor]:
        """Logits (B, 1, H, W) of d0, the mask, and of the sides d1 (finest) to d6 that it is mixed from."""
        sides = [resize(side, images.shape[2:]) for side in self._sides(images)]
        return [self.outconv(torch.cat(sides, dim=1)), *sides]

    def _sides(self, images: Tensor) -> list[Tensor]:
        """d1 to d6, each at the resolution of its stage."""
        features, encoded = images.contiguous(memory_format=torch.channels_last), []
        for stage in range(1, STAGES + 1):
            features = getattr(self, f"stage{stage}")(features if stage == 1 else halve(features))
            encoded.append(features)
        decoded = [features]
        for stage in range(STAGES - 1, 0, -1):
            partner = encoded[stage - 1]
            joined = torch.cat([resize(features, partner.shape[2:]), partner], dim=1)
            features = getattr(self, f"stage{stage}d")(joined)
            decoded.insert(0, features)
        return [getattr(self, f"side{stage}")(features) for stage, features in enumerate(decoded, start=1)]


def saliency_loss(logits: Sequence[Tensor], mask: Tensor) -> Tensor:
    """Sum over the outputs of `side_logits` of the binary cross entropy in nats, mean over pixels and images.

    mask: the true one, (B, 1, H, W), float in [0, 1].
    """
    return torch.stack([F.binary_cross_entropy_with_logits(output, mask) for output in logits]).sum()


def folded(network: U2Net) -> U2Net:
    """A frozen copy whose batch norms, in eval mode, are folded into the convolutions before them.

    The same function up to rounding, with its gradient 1.3 times as fast; its state dict has no batch norms.
    """
    network = copy.deepcopy(network).eval()
    for block in list(network.modules()):
        if isinstance(block, ConvNormReLU) and isinstance(block.bn_s1, nn.BatchNorm2d):
            block.conv_s1 = fuse_conv_bn_eval(block.conv_s1, block.bn_s1)
            block.bn_s1 = nn.Identity()
    return freeze(network)


def load_published(path: Path | str, config: U2NetConfig = FULL) -> U2Net:
    """A frozen network from a published `.pth` state dict or a `.safetensors` file of this project.

    Raises AssetError when the file is missing, corrupt or does not hold this architecture; never executes code.
    """
    network = U2Net(config)
    load_state(network, path, "a U2-Net")
    return freeze(network)
