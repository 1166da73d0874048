"""Discriminators of the MNIST half: the two published ones (SG21's code), those of recipe `robust` and of the GAN."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from cgnlib.mnist.cgn import EMBEDDING
from cgnlib.mnist.names import N_CLASSES, SIZE
from cgnlib.mnist.recipes import GROUP

Pair = tuple[Tensor, Tensor]  # images (B, 3, 32, 32) and their labels (B,)
DROPOUT = 0.4  # of the published linear discriminator


class LinearDiscriminator(nn.Module):
    """Flattened image and label embedding -> 512 -> 512 -> 512 -> 1 (colored and double-colored MNIST)."""

    def __init__(self, width: int = 512) -> None:
        super().__init__()
        self.label_embedding = nn.Embedding(N_CLASSES, EMBEDDING)
        self.layers = nn.ModuleList(
            [nn.Linear(3 * SIZE * SIZE + EMBEDDING, width), nn.Linear(width, width), nn.Linear(width, width)]
        )
        self.output = nn.Linear(width, 1)

    def forward(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """(B, 3, 32, 32), (B,) -> (B,) validity; `generator` draws the dropout (0.4 after the 2nd and 3rd layer)."""
        return self._validity(images, labels, self._kept(images, generator))

    def both(self, real: Pair, fake: Pair, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Validity of two (images, labels) of the same size: the draws of two calls, the weights read once.

        Raises ValueError for sizes that differ.
        """
        if len(real[0]) != len(fake[0]):
            raise ValueError(f"two batches of one size are needed, not of {len(real[0])} and {len(fake[0])}")
        kept = [
            torch.cat(layers) for layers in zip(*(self._kept(each[0], generator) for each in (real, fake)), strict=True)
        ]
        images, labels = (torch.cat(each) for each in zip(real, fake, strict=True))
        valid, invalid = self._validity(images, labels, kept).chunk(2)
        return valid, invalid

    def _kept(self, images: Tensor, generator: torch.Generator) -> list[Tensor]:
        """For each layer with dropout, 1 where a value of (B, width) is kept, else 0; nothing in eval mode."""
        size = (len(images), self.output.in_features)
        dropped = range(1, len(self.layers)) if self.training else ()
        return [images.new_empty(size).bernoulli_(1 - DROPOUT, generator=generator) for _ in dropped]

    def _validity(self, images: Tensor, labels: Tensor, kept: Sequence[Tensor]) -> Tensor:
        hidden = torch.cat([images.flatten(1), self.label_embedding(labels)], dim=1)
        for depth, layer in enumerate(self.layers):
            hidden = layer(hidden)
            if depth > 0 and kept:
                hidden = hidden * kept[depth - 1] / (1 - DROPOUT)
            hidden = F.leaky_relu(hidden, 0.2)
        return self.output(hidden).squeeze(1)


class ConvDiscriminator(nn.Module):
    """Convolutional discriminator on image and label plane, one number per class (wildlife MNIST; ndf 32)."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.label_embedding = nn.Embedding(N_CLASSES, 1)
        blocks: list[nn.Module] = []
        for channels, out, kernel, stride in [
            (4, width, 3, 1),
            (width, 2 * width, 3, 1),
            (2 * width, 4 * width, 4, 2),
            (4 * width, 4 * width, 4, 2),
        ]:
            blocks += [nn.Conv2d(channels, out, kernel, stride, bias=False), nn.BatchNorm2d(out), nn.LeakyReLU(0.2)]
        self.features = nn.Sequential(*blocks, nn.AvgPool2d(3), nn.Conv2d(4 * width, 1, 1, bias=False))

    def forward(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """(B, 3, 32, 32), (B,) -> (B,) validity. No random draw: `generator` is part of the common signature."""
        plane = self.label_embedding(labels)[:, :, None, None].expand(-1, 1, SIZE, SIZE)
        return self.features(torch.cat([images, plane], dim=1)).flatten()

    def both(self, real: Pair, fake: Pair, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Validity of two (images, labels), each in its own pass: batch norm must not see them together."""
        return self(*real, generator), self(*fake, generator)


class StridedDiscriminator(nn.Module):
    """Strided convolutions with spectral norm on image and label plane: of our GAN baseline."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.label_embedding = nn.Embedding(N_CLASSES, SIZE * SIZE)
        blocks: list[nn.Module] = []
        for channels, out in ((4, width), (width, 2 * width), (2 * width, 4 * width)):
            blocks += [spectral_norm(nn.Conv2d(channels, out, 4, 2, 1)), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*blocks, nn.Flatten(), spectral_norm(nn.Linear(4 * width * 16, 1)))

    def forward(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """(B, 3, 32, 32), (B,) -> (B,) validity. No random draw: `generator` is part of the common signature."""
        plane = self.label_embedding(labels).view(-1, 1, SIZE, SIZE)
        return self.layers(torch.cat([images, plane], dim=1)).squeeze(1)


class ShapeDiscriminator(nn.Module):
    """Does this mask belong to a real digit of its class? Strided convolutions, an output for each class. With three
    channels: does this image?

    How much the features of `GROUP` consecutive masks differ is an input of the last layers (Karras et al., 2018), so
    that masks of one class which look alike give themselves away.
    """

    def __init__(self, width: int = 32, channels: int = 1) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for inputs, out in ((channels, width), (width, 2 * width), (2 * width, 4 * width)):
            blocks += [nn.Conv2d(inputs, out, 4, 2, 1), nn.LeakyReLU(0.2)]
        self.features = nn.Sequential(*blocks)
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear((4 * width + 1) * 16, 256), nn.LeakyReLU(0.2), nn.Linear(256, N_CLASSES)
        )

    def forward(self, masks: Tensor, labels: Tensor) -> Tensor:
        """(B, channels, 32, 32), (B,) -> (B,) score. B is a multiple of `GROUP`, a group is of one class."""
        features = self.features(masks)
        groups = features.float().unflatten(0, (-1, GROUP))
        variance = (groups - groups.mean(1, keepdim=True)).square().mean(1)  # torch.var takes four times as long here
        spread = (variance + 1e-8).sqrt().mean(1, keepdim=True)
        scores = self.head(torch.cat([features, spread.repeat_interleave(GROUP, 0).to(features.dtype)], dim=1))
        return scores.gather(1, labels[:, None]).squeeze(1)


class TextureDiscriminator(nn.Module):
    """Does this texture, seen through a mask, belong to its class? Judged in windows of 20 x 20 pixels.

    So a texture is judged by what it looks like anywhere and not by how it is laid out (Isola et al., 2017).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(4, 16, 3, 1, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(16, width, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 2 * width, 3, 1, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, N_CLASSES, 1),
        )

    def forward(self, images: Tensor, region: Tensor, labels: Tensor) -> Tensor:
        """(B, 3, 32, 32) that are 0 outside their region, the region (B, 1, 32, 32), (B,) -> (B, 8, 8) scores."""
        scores = self.layers(torch.cat([images, region], dim=1))
        return scores[torch.arange(len(labels), device=labels.device), labels]


DISCRIMINATORS = {"linear": LinearDiscriminator, "conv": ConvDiscriminator}
Discriminator = LinearDiscriminator | ConvDiscriminator
