"""The class-conditional discriminator that a small BigGAN-deep is trained with, by the hinge loss.

Nobody published BigGAN-deep's own. One that mirrors the generator (Brock et al. 2019, Appendix B) gave blocks of colour
on the toy world after 4,000 updates; one that looks at images through a frozen network (Sauer et al. 2021, "Projected
GANs converge faster") gave textures and shapes after 600, so this is the one. Scores are projections on the class
(Miyato & Koyama 2018).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cgnlib.imagenet.biggan import SpectralConv2d, SpectralLinear


class ProjectedDiscriminator(nn.Module):
    """One small discriminator on each block of a frozen network's feature maps (`PerceptualFeatures`)."""

    def __init__(self, real: Sequence[Tensor], num_classes: int, width: int = 64, eps: float = 1e-4) -> None:
        """real: maps (B, C, H, W) of real images. By their means and deviations, maps are standardised channel by
        channel, so that each block counts alike.
        """
        super().__init__()
        self.blocks = nn.ModuleList(_Judge(maps, num_classes, width, eps) for maps in real)

    def forward(self, maps: Sequence[Tensor], class_vector: Tensor) -> Tensor:
        """Scores (B, S) of images, one per block and position. class_vector: (B, num_classes)."""
        scores = [judge(each, class_vector) for judge, each in zip(self.blocks, maps, strict=True)]
        return torch.cat(scores, dim=1)

    def difference(self, maps: Sequence[Tensor], others: Sequence[Tensor]) -> Tensor:
        """Mean absolute difference of standardised feature maps: how far pairs of images are apart."""
        deviations = [judge.get_buffer("deviation") for judge in self.blocks]
        triples = zip(maps, others, deviations, strict=True)
        return torch.stack([((a - b) / deviation).abs().mean() for a, b, deviation in triples]).mean()


class _Judge(nn.Module):
    mean: Tensor
    deviation: Tensor

    def __init__(self, real: Tensor, num_classes: int, width: int, eps: float) -> None:
        super().__init__()
        deviation, mean = torch.std_mean(real, dim=(0, 2, 3), keepdim=True)
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation.clamp(min=1e-3))
        channels, size = real.shape[1:3]
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
