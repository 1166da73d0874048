"""Class-conditional discriminators to train a small BigGAN-deep with.

`Discriminator` follows Brock et al. (2019, Appendix B) and mirrors the generator; nobody published BigGAN-deep's own.
`ProjectedDiscriminator` looks at images through a frozen network (Sauer et al. 2021, "Projected GANs converge faster").
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgnlib.features import PerceptualFeatures
from cgnlib.imagenet.biggan import BOTTLENECK, SelfAttention, SpectralConv2d, SpectralLinear


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Raises ValueError where the numbers do not fit each other.

    layers: (downsample, input, output) of each residual block, the last two as multiples of `channel_width`.
    attention_position: index in the list of layers at which self-attention is inserted.
    patch: images are first folded into patches of patch x patch pixels, whose colours are channels (2: a cheap start).
    eps: the floor of norms in spectral normalisation.
    """

    resolution: int
    channel_width: int
    num_classes: int
    layers: tuple[tuple[bool, int, int], ...]
    attention_position: int
    patch: int = 1
    eps: float = 1e-4

    def __post_init__(self) -> None:
        if self.resolution % (self.patch * 2 ** sum(downsample for downsample, _, _ in self.layers)):
            raise ValueError(f"{self.resolution} px cannot be halved as often as these layers do: {self.layers}")
        inputs, outputs = [layer[1] for layer in self.layers], [layer[2] for layer in self.layers]
        if inputs[0] != 1 or inputs[1:] != outputs[:-1]:
            raise ValueError(f"the first layer takes 1, each other what the one before gives: {self.layers}")
        if any(narrow > wide for narrow, wide in zip(inputs, outputs, strict=True)):
            raise ValueError(f"a layer cannot give fewer channels than it takes: {self.layers}")
        if not 0 <= self.attention_position < len(self.layers):
            raise ValueError(f"attention_position is {self.attention_position}, of {len(self.layers)} layers")
        if self.channel_width % BOTTLENECK or self.attention_channels % 8:
            raise ValueError(f"channel_width {self.channel_width} cannot be split into bottleneck or attention")

    @property
    def attention_channels(self) -> int:
        return self.channel_width * self.layers[self.attention_position][1]


TOY_64 = DiscriminatorConfig(
    resolution=64,
    channel_width=32,
    num_classes=10,
    layers=((True, 1, 2), (True, 2, 4), (True, 4, 4)),
    attention_position=1,
    patch=2,
)


class Block(nn.Module):
    """Residual bottleneck block: 1 x 1, two 3 x 3 and 1 x 1 convolutions, each after ReLU; average pooling by 2.

    The shortcut keeps its channels as they are and adds the missing ones by a 1 x 1 convolution.
    """

    def __init__(self, inputs: int, outputs: int, downsample: bool, eps: float) -> None:
        super().__init__()
        inner = outputs // BOTTLENECK
        self.downsample = downsample
        self.conv_0 = SpectralConv2d(inputs, inner, 1, eps)
        self.conv_1 = SpectralConv2d(inner, inner, 3, eps)
        self.conv_2 = SpectralConv2d(inner, inner, 3, eps)
        self.conv_3 = SpectralConv2d(inner, outputs, 1, eps)
        self.shortcut = SpectralConv2d(inputs, outputs - inputs, 1, eps) if outputs > inputs else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H, W), or half as high and wide."""
        y = self.conv_0(F.relu(x))
        y = self.conv_1(F.relu(y, inplace=True))
        y = self.conv_2(F.relu(y, inplace=True))
        y = self.conv_3(self._resized(F.relu(y, inplace=True)))
        x = self._resized(x)
        return y + (x if self.shortcut is None else torch.cat([x, self.shortcut(x)], dim=1))

    def _resized(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 2) if self.downsample else x


class Discriminator(nn.Module):
    """How real images look for their class: unbounded scores, for the hinge loss (projection: Miyato & Koyama 2018)."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        width, eps = config.channel_width, config.eps
        self.config = config
        self.from_rgb = SpectralConv2d(3 * config.patch**2, width, 3, eps)
        layers: list[nn.Module] = [
            Block(width * inputs, width * outputs, downsample, eps) for downsample, inputs, outputs in config.layers
        ]
        layers.insert(config.attention_position, SelfAttention(config.attention_channels, eps))
        self.layers = nn.Sequential(*layers)
        features = width * config.layers[-1][2]
        self.embeddings = SpectralLinear(config.num_classes, features, eps, bias=False)
        self.score = SpectralLinear(features, 1, eps)

    def forward(self, images: Tensor, class_vector: Tensor) -> Tensor:
        """images: (B, 3, R, R) in [-1, 1]; class_vector: (B, num_classes), one-hot or soft. Returns (B,).

        Raises ValueError for other shapes.
        """
        size, classes = (len(images), 3, *2 * (self.config.resolution,)), (len(images), self.config.num_classes)
        for name, tensor, expected in (("images", images, size), ("class_vector", class_vector, classes)):
            if tensor.shape != expected:
                raise ValueError(f"{name} is {tuple(tensor.shape)}, expected {expected}")
        patches = F.pixel_unshuffle(images, self.config.patch)
        x = self.from_rgb(patches.contiguous(memory_format=torch.channels_last))  # the fastest layout for CPUs
        features = F.relu(self.layers(x)).sum(dim=(2, 3))
        return self.score(features).squeeze(1) + (self.embeddings(class_vector) * features).sum(dim=1)


class ProjectedDiscriminator(nn.Module):
    """One small discriminator on each block of frozen features; scores (B, S), one per block and position.

    Feature maps are standardised with the statistics of real images (`standardise`), so that each block counts alike.
    """

    def __init__(
        self, features: PerceptualFeatures, num_classes: int, size: int, width: int = 64, eps: float = 1e-4
    ) -> None:
        super().__init__()
        self.features = [features]  # not a submodule: frozen, the same for all, no part of a state dict
        with torch.no_grad():
            maps = features(torch.zeros(1, 3, size, size))
        self.blocks = nn.ModuleList(_Judge(maps_.shape[1], maps_.shape[2], width, num_classes, eps) for maps_ in maps)

    @torch.no_grad()
    def standardise(self, images: Tensor) -> None:
        """Take mean and deviation of every channel from real images (B, 3, H, W) in [-1, 1]."""
        for judge, maps in zip(self.blocks, self.features[0](images), strict=True):
            assert isinstance(judge, _Judge)
            deviation, mean = torch.std_mean(maps, dim=(0, 2, 3), keepdim=True)
            judge.mean.copy_(mean)
            judge.deviation.copy_(deviation.clamp(min=1e-3))

    def look(self, images: Tensor) -> list[Tensor]:
        """The feature maps that `judge` scores, for images (B, 3, H, W) in [-1, 1]."""
        return self.features[0](images.contiguous(memory_format=torch.channels_last))

    def judge(self, maps: Sequence[Tensor], class_vector: Tensor) -> Tensor:
        """Scores (B, S) of what `look` gave. class_vector: (B, num_classes)."""
        scores = [judge(each, class_vector) for judge, each in zip(self.blocks, maps, strict=True)]
        return torch.cat(scores, dim=1)

    def difference(self, maps: Sequence[Tensor], others: Sequence[Tensor]) -> Tensor:
        """Mean absolute difference of standardised feature maps: how far pairs of images are apart."""
        deviations = [judge.get_buffer("deviation") for judge in self.blocks]
        triples = zip(maps, others, deviations, strict=True)
        return torch.stack([((a - b) / deviation).abs().mean() for a, b, deviation in triples]).mean()

    def forward(self, images: Tensor, class_vector: Tensor) -> Tensor:
        return self.judge(self.look(images), class_vector)


class _Judge(nn.Module):
    mean: Tensor
    deviation: Tensor

    def __init__(self, channels: int, size: int, width: int, num_classes: int, eps: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, channels, 1, 1))
        self.register_buffer("deviation", torch.ones(1, channels, 1, 1))
        layers: list[nn.Module] = [SpectralConv2d(channels, width, 1, eps), nn.LeakyReLU(0.2)]
        while size > 4:
            layers += [nn.AvgPool2d(2), SpectralConv2d(width, width, 3, eps), nn.LeakyReLU(0.2)]
            size //= 2
        layers += [SpectralConv2d(width, width, 3, eps), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers)
        self.embeddings = SpectralLinear(num_classes, width, eps, bias=False)
        self.score = SpectralConv2d(width, 1, 1, eps)

    def forward(self, maps: Tensor, class_vector: Tensor) -> Tensor:
        hidden = self.layers((maps - self.mean) / self.deviation)
        match = (hidden * self.embeddings(class_vector)[:, :, None, None]).sum(dim=1)
        return (self.score(hidden).squeeze(1) + match).flatten(1)
