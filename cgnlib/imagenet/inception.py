"""The two networks whose Inception Scores are reported: TensorFlow's, which published scores are of, and torchvision's.

Images (B, 3, R, R) in [-1, 1] -> logits. Scores of the one cannot be compared with those of the other.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.inception import (
    BasicConv2d,
    Inception3,
    InceptionA,
    InceptionAux,
    InceptionB,
    InceptionC,
    InceptionD,
    InceptionE,
)

from cgnlib.images import to_uint8
from cgnlib.training.weights import load_state

SIZE = 299  # pixels that both networks see
TF_CLASSES = 1_008  # logits of TensorFlow's network: ImageNet's classes and eight that were never trained


class _Pooled:
    """TensorFlow's mean of neighbours, which does not count what is beyond the border."""

    @staticmethod
    def pool(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class _A(_Pooled, InceptionA):
    def _forward(self, x: Tensor) -> list[Tensor]:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return [self.branch1x1(x), self.branch5x5_2(self.branch5x5_1(x)), double, self.branch_pool(self.pool(x))]


class _C(_Pooled, InceptionC):
    def _forward(self, x: Tensor) -> list[Tensor]:
        once = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        twice = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        twice = self.branch7x7dbl_5(self.branch7x7dbl_4(twice))
        return [self.branch1x1(x), once, twice, self.branch_pool(self.pool(x))]


class _E(_Pooled, InceptionE):
    def __init__(self, in_channels: int, **more: object) -> None:
        super().__init__(in_channels, **more)  # pyright: ignore[reportArgumentType]
        self.last = in_channels == 2048  # the last block takes the largest neighbour, not the mean

    def _forward(self, x: Tensor) -> list[Tensor]:
        once, twice = self.branch3x3_1(x), self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        parts = [self.branch1x1(x)]
        parts.append(torch.cat([self.branch3x3_2a(once), self.branch3x3_2b(once)], dim=1))
        parts.append(torch.cat([self.branch3x3dbl_3a(twice), self.branch3x3dbl_3b(twice)], dim=1))
        pooled = F.max_pool2d(x, 3, stride=1, padding=1) if self.last else self.pool(x)
        return [*parts, self.branch_pool(pooled)]


class TensorFlowInception(nn.Module):
    """TensorFlow's Inception of 2015-12-05 as torch-fidelity ports it: the network of published Inception Scores.

    Images are rounded to 8 bits and enlarged as TensorFlow 1 does; logits (B, 1008) are without their bias, as in the
    published score.
    """

    def __init__(self) -> None:
        super().__init__()
        blocks = [BasicConv2d, _A, InceptionB, _C, InceptionD, _E, InceptionAux]
        self.network = Inception3(TF_CLASSES, aux_logits=False, inception_blocks=blocks, init_weights=False)  # pyright: ignore[reportArgumentType]

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, R, R) in [-1, 1] -> logits (B, 1008)."""
        pixels = enlarged(to_uint8(images).float(), SIZE)
        return self.network((pixels - 128) / 128) - self.network.fc.bias


class TorchvisionInception(nn.Module):
    """torchvision's Inception-v3, trained by Google in another run: images are resized with antialiasing."""

    def __init__(self) -> None:
        super().__init__()
        self.network = Inception3(transform_input=False, init_weights=False)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, R, R) in [-1, 1] -> logits (B, 1000)."""
        return self.network(F.interpolate(images, size=(SIZE, SIZE), mode="bilinear", antialias=True))


def enlarged(images: Tensor, size: int) -> Tensor:
    """Bilinear as in TensorFlow 1, whose pixel i lies at i * R / size of the image: (B, C, R, R) -> (B, C, size, size).

    Neither `align_corners` of torch's interpolation does that.
    """

    def along(values: Tensor, dim: int) -> Tensor:
        length = values.shape[dim]
        place = torch.arange(size, device=values.device) * torch.tensor(length / size)
        low = place.long()
        share = (place - low).view([-1 if axis == dim else 1 for axis in range(4)])
        first, second = (values.index_select(dim, each) for each in (low, (low + 1).clamp(max=length - 1)))
        return first + (second - first) * share

    return along(along(images, 3), 2)


def load_inception(network: TensorFlowInception | TorchvisionInception, path: Path, device: str = "cpu") -> nn.Module:
    """A network with the published weights of a file, in eval mode. Raises AssetError as `load_state`."""
    load_state(network.network, path, type(network).__name__)
    return network.eval().requires_grad_(False).to(device)
