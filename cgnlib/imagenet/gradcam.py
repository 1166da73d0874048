"""Where each head of the invariant classifier looks: GradCAM (Selvaraju et al., 2016), as the seed's Figure 3 on MNIST.

A head that goes by shape or texture finds its evidence on the object, the background head beside it. Where true masks
are known, the toy world, that is one number per head.
"""

from dataclasses import dataclass

import numpy as np
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from cgnlib.imagenet.invariant import InvariantEnsemble

BATCH = 50


@dataclass(frozen=True)
class HeadMaps:
    """Heat maps of one head for the class that it decides for."""

    maps: Tensor  # (N, H, W) float in [0, 1], each with maximum 1 unless it is empty
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


def last_layer(network: InvariantEnsemble) -> nn.Module:
    """The last convolution of the backbone, with its batch norm: without, each channel would bring an offset of its own
    into the map, and what is evidence against a class would depend on it.
    """
    norms = [layer for layer in network.backbone.modules() if isinstance(layer, nn.BatchNorm2d)]
    return norms[-1] if norms else network.last_convolution


def head_maps(network: InvariantEnsemble, images: Tensor, output: str) -> HeadMaps:
    """GradCAM of one output (invariant.OUTPUTS) for images (N, 3, H, W), float in [-1, 1]; the network is in eval mode.

    Maps are enlarged to the images (bilinear), and scaled to [0, 1], each on its own, by the package.
    Raises ValueError for an unknown output.
    """
    network.eval()
    with torch.inference_mode():
        decided = torch.cat([network(part).output(output).argmax(dim=1) for part in images.split(BATCH)])
    maps = []
    with GradCAM(model=_Output(network, output), target_layers=[last_layer(network)]) as cam:
        for part, classes in zip(images.split(BATCH), decided.split(BATCH), strict=True):
            targets: list[nn.Module] = [ClassifierOutputTarget(label) for label in classes.tolist()]  # type: ignore[misc]
            maps.append(np.asarray(cam(input_tensor=part.clone().requires_grad_(), targets=targets)))
    return HeadMaps(torch.from_numpy(np.concatenate(maps)), decided.cpu())
