"""The class-conditional discriminator that a small BigGAN-deep is trained with, by the hinge loss.

Nobody published BigGAN-deep's own. One that mirrors the generator (Brock et al. 2019, Appendix B) gave blocks of colour
on the toy world after 4,000 updates; one that looks at images through a frozen network (Sauer et al. 2021, "Projected
GANs converge faster") gave textures and shapes after 600, so this is the one. Scores are projections on the class
(Miyato & Koyama 2018).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cgnlib.features import PerceptualFeatures
from cgnlib.imagenet.biggan import SpectralConv2d, SpectralLinear


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
