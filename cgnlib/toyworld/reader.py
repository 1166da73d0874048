"""A small network that reads labels off toy images: the toy world's classifier, and its factor reader."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from cgnlib.finite import finite
from cgnlib.images import to_float
from cgnlib.toyworld.world import N_CLASSES

FEATURES = 96


class Reader(nn.Module):
    """(B, 3, 64, 64) in [-1, 1] -> logits (B, 10) for each head by name; `features` gives (B, 96) before the heads."""

    def __init__(self, heads: Sequence[str], width: int = 24) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, width, 5, 2, 2, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        for channels, out in ((width, 2 * width), (2 * width, 4 * width), (4 * width, FEATURES)):
            layers += [nn.Conv2d(channels, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
            layers += [nn.MaxPool2d(2)]
        layers += [nn.Conv2d(FEATURES, FEATURES, 3, padding=1, bias=False), nn.BatchNorm2d(FEATURES), nn.ReLU()]
        self.trunk = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.heads = nn.ModuleDict({name: nn.Linear(FEATURES, N_CLASSES) for name in heads})

    def features(self, images: Tensor) -> Tensor:
        return self.trunk(images.contiguous(memory_format=torch.channels_last))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        features = self.features(images)
        return {name: head(features) for name, head in self.heads.items()}

    @torch.inference_mode()
    def read(self, images: Tensor, batch: int = 100) -> tuple[Mapping[str, Tensor], Tensor]:
        """Logits by head and features of many images, float in [-1, 1] or uint8, in eval mode; on the reader's device.

        Raises ValueError for features that are not finite.
        """
        self.eval()
        uint8, device = images.dtype == torch.uint8, next(self.parameters()).device
        parts = (to_float(part) if uint8 else part for part in images.split(batch))
        features = torch.cat([self.features(part.to(device)) for part in parts])
        finite(features, "features of the reader")
        return {name: head(features) for name, head in self.heads.items()}, features
