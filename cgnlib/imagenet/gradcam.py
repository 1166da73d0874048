"""Where each head of the invariant classifier looks: GradCAM (Selvaraju et al., 2016), as the seed's Figure 3 on MNIST.

A head that goes by shape or texture finds its evidence on the object, the background head beside it. Where true masks
are known, the toy world, that is one number per head.
"""

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from matplotlib import colormaps
from torch import Tensor, nn

from cgnlib import results
from cgnlib.imagenet.invariant import OUTPUTS, InvariantEnsemble
from cgnlib.imagenet.invariant_study import ClassifierStudy
from cgnlib.imagenet.shape_bias import CATEGORIES, CATEGORY_INDICES
from cgnlib.images import to_float
from cgnlib.results import Row

BATCH = 50
IMAGES = 200  # whose maps are measured


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


class _Category:
    """Mean logit of the ImageNet classes of a category of the cue-conflict stimuli."""

    def __init__(self, category: int) -> None:
        self.indices = list(CATEGORY_INDICES[CATEGORIES[category]])

    def __call__(self, logits: Tensor) -> Tensor:
        return logits[self.indices].mean()


def category_maps(network: nn.Module, images: Tensor, categories: Tensor) -> Tensor:
    """GradCAM of EfficientNet-Lite0 for a category of each image: maps (N, 224, 224) in [0, 1].

    images: (N, 3, 224, 224), normalised; categories: (N,) in 0..15.
    """
    from pytorch_grad_cam import GradCAM  # here: to import it takes seconds

    layer = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)][-1]
    targets: list[nn.Module] = [_Category(category) for category in categories.tolist()]  # type: ignore[misc]
    with GradCAM(model=network.eval(), target_layers=[layer]) as cam:
        maps = cam(input_tensor=images.clone().requires_grad_(), targets=targets)
    return torch.from_numpy(np.asarray(maps))


def overlay(images: Tensor, maps: Tensor, strength: float = 0.6) -> Tensor:
    """Heat maps (N, H, W) in [0, 1] over grey versions of images (N, 3, H, W) uint8: (N, 3, H, W) uint8."""
    grey = images.float().mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
    heat = torch.from_numpy(colormaps["viridis"](maps.numpy())[..., :3]).permute(0, 3, 1, 2).float() * 255
    return (strength * heat + (1 - strength) * grey).round().to(torch.uint8)


def head_maps(network: InvariantEnsemble, images: Tensor, output: str) -> HeadMaps:
    """GradCAM of one output (invariant.OUTPUTS) for images (N, 3, H, W), float in [-1, 1]; the network is in eval mode.

    Maps are enlarged to the images (bilinear), and scaled to [0, 1], each on its own, by the package.
    Raises ValueError for an unknown output.
    """
    from pytorch_grad_cam import GradCAM  # here: to import it takes seconds
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    network.eval()
    images = images.to(next(network.parameters()).device)
    with torch.inference_mode():
        decided = torch.cat([network(part).output(output).argmax(dim=1) for part in images.split(BATCH)])
    maps = []
    with GradCAM(model=_Output(network, output), target_layers=[last_layer(network)]) as cam:
        for part, classes in zip(images.split(BATCH), decided.split(BATCH), strict=True):
            targets: list[nn.Module] = [ClassifierOutputTarget(label) for label in classes.tolist()]  # type: ignore[misc]
            maps.append(np.asarray(cam(input_tensor=part.clone().requires_grad_(), targets=targets)))
    return HeadMaps(torch.from_numpy(np.concatenate(maps)), decided.cpu())


def looking_rows(study: ClassifierStudy, method: str) -> tuple[dict[str, HeadMaps], pd.DataFrame]:
    """Maps of each output for the first seed, and the rows of all seeds (experiment imagenet-gradcam), kept.

    On images of mixed-rand, whose background is of another class than the object, at most IMAGES. on-object/<output>:
    mean share of the map on the object, in percent, n maps that are not empty (no row where there is none);
    empty/<output>: percent of maps; on-object/uniform: of a map that is the same everywhere.
    """
    images = study.test_set("mixed-rand")
    masks = images.masks[:IMAGES].float() / 255
    known = study.indomain_rows(method).drop_duplicates("seed")
    rows, shown = [], {}
    for about in known.to_dict("records"):
        network = study.trained(method, int(about["seed"])).last
        maps = {name: head_maps(network, to_float(images.images[: len(masks)]), name) for name in OUTPUTS}
        shown = shown or maps
        columns = {
            str(name): about[name] for name in ("dataset", "method", "recipe", "profile", "data", "device", "code")
        }
        columns |= {"experiment": "imagenet-gradcam", "seed": about["seed"], "seconds": about["seconds"]}
        columns["params"] = json.loads(str(about["params"]))
        for name, found in maps.items():
            shares = found.on_object(masks)
            shares = shares[~shares.isnan()]
            empty = 100 * found.empty.float().mean().item()
            rows.append(Row(**columns, metric=f"empty/{name}", value=empty, n=len(masks)))
            if len(shares):
                value = 100 * shares.mean().item()
                rows.append(Row(**columns, metric=f"on-object/{name}", value=value, n=len(shares)))
        rows.append(Row(**columns, metric="on-object/uniform", value=100 * masks.mean().item(), n=len(masks)))
    return shown, results.keep(rows)
