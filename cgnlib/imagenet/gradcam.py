"""Where each head of the invariant classifier looks: GradCAM (Selvaraju et al., 2016), as in the study's Figure 3.

A head that goes by shape or texture finds its evidence on the object, the background head beside it. Where true masks
are known, the toy world, that is one number per head.
"""

from dataclasses import dataclass

import torch
from matplotlib import colormaps
from torch import Tensor, nn

from cgnlib.gradcam import grad_cam
from cgnlib.imagenet.invariant import InvariantEnsemble
from cgnlib.imagenet.names import CATEGORY_INDICES


@dataclass(frozen=True)
class HeadMaps:
    """Heat maps of one head for the class that it decides for."""

    maps: Tensor  # (N, H, W) float in [0, 1]
    decided: Tensor  # (N,) int64

    @property
    def empty(self) -> Tensor:
        """(N,) bool: maps without any positive value, so without positive evidence."""
        return self.maps.amax(dim=(1, 2)) <= 0

    def on_object(self, masks: Tensor) -> Tensor:
        """Share of each map that lies on the object, (N,) in [0, 1]; NaN for empty maps. masks: (N, H, W) in [0, 1].

        A map that is the same everywhere gives the object's share of the image. Raises ValueError for other shapes.
        """
        if masks.shape != self.maps.shape:
            raise ValueError(f"maps {tuple(self.maps.shape)} and masks {tuple(masks.shape)} do not match")
        total = self.maps.sum(dim=(1, 2))
        return torch.where(self.empty, torch.nan, (self.maps * masks).sum(dim=(1, 2)) / total)


class _Output(nn.Module):
    """One output of the ensemble as a classifier of its own."""

    def __init__(self, network: InvariantEnsemble, name: str) -> None:
        super().__init__()
        self.network, self.name = network, name

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images).output(self.name)


def head_maps(network: InvariantEnsemble, images: Tensor, output: str) -> HeadMaps:
    """GradCAM of one output (`names.OUTPUTS`) for images (N, 3, H, W), float in [-1, 1]; sets eval mode.

    Raises ValueError for an unknown output.
    """
    images = images.to(next(network.parameters()).device)
    decided = network.read(images).output(output).argmax(dim=1)
    scores = [lambda logits, label=label: logits[label] for label in decided.tolist()]
    return HeadMaps(grad_cam(_Output(network, output), _layer(network.backbone), images, scores), decided)


def category_maps(network: nn.Module, images: Tensor, categories: Tensor) -> Tensor:
    """GradCAM of a network of ImageNet-1k for the mean logit of a category of each image: maps (N, H, W) in [0, 1].

    images: (N, 3, H, W), normalised; categories: (N,) in 0..15, those of the cue-conflict stimuli.
    """
    indices = [list(each) for each in CATEGORY_INDICES.values()]
    scores = [lambda logits, of=indices[category]: logits[of].mean() for category in categories.tolist()]
    return grad_cam(network, _layer(network), images, scores)


def _layer(backbone: nn.Module) -> nn.Module:
    """The backbone's last batch norm: of the convolution before it each channel would bring an offset of its own into
    the map, and what is evidence against a class would depend on it.
    """
    return [layer for layer in backbone.modules() if isinstance(layer, nn.BatchNorm2d)][-1]


def overlay(images: Tensor, maps: Tensor, strength: float = 0.6) -> Tensor:
    """Heat maps (N, H, W) in [0, 1] over grey versions of images (N, 3, H, W) uint8: (N, 3, H, W) uint8."""
    grey = images.float().mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
    heat = torch.from_numpy(colormaps["viridis"](maps.numpy())[..., :3]).permute(0, 3, 1, 2).float() * 255
    return (strength * heat + (1 - strength) * grey).round().to(torch.uint8)
