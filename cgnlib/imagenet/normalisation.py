"""How networks of ImageNet want their images: less a mean, over a deviation, of each channel."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Normalisation:
    """What is subtracted from images in [0, 1], and what they are divided by, per channel."""

    name: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __call__(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W), uint8 or float in [-1, 1], as normalised float32."""
        mean, std = (torch.tensor(each, device=images.device)[:, None, None] for each in (self.mean, self.std))
        shares = images.float() / 255 if images.dtype == torch.uint8 else (images + 1) / 2
        return (shares - mean) / std


IMAGENET = Normalisation("imagenet", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
IMAGENET_9 = Normalisation("imagenet-9", (0.4717, 0.4499, 0.3837), (0.2600, 0.2516, 0.2575))  # its evaluation's
# As EfficientNet-Lite0 was trained: (x - 127) / 128 for x in [0, 255].
LITE = Normalisation("lite", (127 / 255, 127 / 255, 127 / 255), (128 / 255, 128 / 255, 128 / 255))
PLAIN = Normalisation("plain", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))  # leaves [-1, 1] as it is: the toy world's networks
