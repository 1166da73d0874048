"""GradCAM by its definition (Selvaraju et al., 2016): where a layer has evidence for a score.

The channels of a layer are weighted by the mean gradient of the score and added up. What is positive, divided by its
maximum and enlarged to the image, is the map. The package `grad-cam` gives the sum; its own scaling (`package_maps`)
also subtracts the least value of each map, and so takes evidence that is everywhere for none.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cgnlib.finite import finite

if TYPE_CHECKING:
    from torch import Tensor, nn

    Score = Callable[[Tensor], Tensor]  # of one image's outputs

GRADCAM_VERSION = 2  # part of what tells results apart; 1 was the package's scaling, of log-probabilities on MNIST
BATCH = 50


def grad_cam(network: nn.Module, layer: nn.Module, images: Tensor, scores: Sequence[Score]) -> Tensor:
    """Maps (N, H, W) float32 in [0, 1] on the CPU; sets eval mode. A map without positive evidence is 0 everywhere.

    images: (N, C, H, W). scores: of each image; take a logit, since a log-probability vanishes where a network is sure.
    Raises ValueError where images and scores are not as many, and for maps that are not finite.
    """
    import torch
    import torch.nn.functional as F

    raw = finite(raw_maps(network, layer, images, scores), "heat maps").clamp(min=0)
    peaks = raw.amax(dim=(1, 2), keepdim=True)
    scaled = raw / torch.where(peaks > 0, peaks, 1)
    return F.interpolate(scaled[:, None], size=images.shape[2:], mode="bilinear")[:, 0]


def raw_maps(network: nn.Module, layer: nn.Module, images: Tensor, scores: Sequence[Score]) -> Tensor:
    """The weighted sums of the layer's channels, (N, h, w) float32 on the CPU, as they are: of any size and sign."""
    import torch
    from pytorch_grad_cam import GradCAM  # here: to import it takes seconds

    if len(images) != len(scores):
        raise ValueError(f"each image needs a score: there are {len(images)} and {len(scores)}")
    maps, device = [], next(network.parameters()).device
    with contextlib.ExitStack() as stack:  # not the package's own context, which swallows an IndexError
        cam = GradCAM(model=network.eval(), target_layers=[layer])
        hooks = cam.activations_and_grads
        stack.callback(hooks.release)
        for start in range(0, len(images), BATCH):
            part = images[start : start + BATCH].detach().clone().to(device).requires_grad_()
            outputs = hooks(part)
            pairs = zip(scores[start : start + BATCH], outputs, strict=True)
            total = torch.stack([score(each) for score, each in pairs]).sum()
            torch.autograd.grad(total, part)  # for the hooks alone: leaves no gradient in the network
            seen, gradients = hooks.activations[0].numpy(), hooks.gradients[0].numpy()
            maps.append(torch.from_numpy(cam.get_cam_image(part, layer, [], seen, gradients)).float())
    return torch.cat(maps)


def package_maps(network: nn.Module, layer: nn.Module, images: Tensor, scores: Sequence[Score]) -> Tensor:
    """The same as the package scales it: from each map its least value is taken, before and after it is enlarged.

    Equal to `grad_cam` (divided by its maximum) where a map has a zero before and after.
    """
    import torch
    from pytorch_grad_cam import GradCAM

    cam = GradCAM(model=network.eval(), target_layers=[layer])
    maps = torch.from_numpy(cam(input_tensor=images.detach().clone().requires_grad_(), targets=list(scores)))  # type: ignore[arg-type]
    network.zero_grad()
    return maps
