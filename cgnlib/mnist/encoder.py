"""The encoder that stands in for a teacher while a CGN is trained by our recipe; the CGN itself never sees it again."""

import torch
from torch import Tensor, nn

from cgnlib.mnist.cgn import CLASSES, LATENT

LOG_VARIANCE_LIMITS = (-8.0, 4.0)  # keeps the exponential finite in the first steps


class Encoder(nn.Module):
    """Which noise would give this image? A normal distribution over u for each image and its class label."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.label_embedding = nn.Embedding(CLASSES, width)
        self.layers = nn.Sequential(
            nn.Conv2d(3, width, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 2 * width, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
        )
        self.head = nn.Sequential(nn.Linear(2 * width * 16 + width, 256), nn.LeakyReLU(0.2), nn.Linear(256, 2 * LATENT))

    def forward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, 32, 32) in [-1, 1], (B,) -> mean and log variance of u, (B, 32) each."""
        hidden = torch.cat([self.layers(images), self.label_embedding(labels)], dim=1)
        mean, log_variance = self.head(hidden).chunk(2, dim=1)
        return mean, log_variance.clamp(*LOG_VARIANCE_LIMITS)
