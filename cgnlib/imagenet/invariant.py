"""The invariant classifier (SG21, Section 4.2; seed, Section 3.2): one backbone, a head for each factor.

Real images train the mean of the heads' logits, counterfactual images train each head on the label of its own factor.
The backbone is pre-trained, as published; its batch norms keep the statistics of that pre-training.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgnlib.features import efficientnet_lite0
from cgnlib.imagenet.cue_conflict import IMAGENET, LITE, Normalisation
from cgnlib.images import to_float
from cgnlib.randomness import derive_seed
from cgnlib.registry import require
from cgnlib.toyworld import parts, reader
from cgnlib.toyworld.parts import toy_parts
from cgnlib.training import load_state

HEADS = ("shape", "texture", "background")
EVALUATION_BATCH = 250


# Of ImageNet-9's published evaluation.
IMAGENET_9 = Normalisation("imagenet-9", (0.4717, 0.4499, 0.3837), (0.2600, 0.2516, 0.2575))
PLAIN = Normalisation("plain", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))  # leaves [-1, 1] as it is: the toy world's networks


def standardise(images: Tensor, normalisation: Normalisation) -> Tensor:
    """Images (B, 3, H, W) in [-1, 1] -> less mean, over deviation of each channel, which are of images in [0, 1]."""
    mean, std = (images.new_tensor(each)[:, None, None] for each in (normalisation.mean, normalisation.std))
    return ((images + 1) / 2 - mean) / std


class Logits(NamedTuple):
    """What each head says, (B, num_classes) each."""

    shape: Tensor
    texture: Tensor
    background: Tensor

    @property
    def avg(self) -> Tensor:
        """Mean over the heads: the classifier's answer."""
        return (self.shape + self.texture + self.background) / 3

    @property
    def shape_texture(self) -> Tensor:
        """Mean without the background head, from which the published BG-gap is taken."""
        return (self.shape + self.texture) / 2

    def output(self, name: str) -> Tensor:
        """avg, shape_texture, or the logits of one head. Raises ValueError for another name."""
        if name not in OUTPUTS:
            raise ValueError(f"unknown output {name!r}: choose one of {', '.join(OUTPUTS)}")
        return getattr(self, name)


OUTPUTS = ("avg", "shape_texture", *HEADS)


class InvariantEnsemble(nn.Module):
    """Images (B, 3, R, R) in [-1, 1] -> `Logits`.

    Batch norms of the backbone stay in eval mode, in training too (as published): scale and shift learn, the statistics
    do not move.
    """

    def __init__(self, backbone: nn.Module, features: int, num_classes: int, normalisation: Normalisation) -> None:
        """backbone: standardised images (B, 3, R, R) -> (B, features)."""
        super().__init__()
        self.backbone, self.normalisation, self.num_classes = backbone, normalisation, num_classes
        self.heads = nn.ModuleDict({name: nn.Linear(features, num_classes) for name in HEADS})

    def forward(self, images: Tensor, normalisation: Normalisation | None = None) -> Logits:
        """normalisation: in place of that of the backbone's training, e.g. IMAGENET_9."""
        standard = standardise(images, normalisation or self.normalisation)
        features = self.backbone(standard.contiguous(memory_format=torch.channels_last))
        return Logits(*(self.heads[name](features) for name in HEADS))

    def train(self, mode: bool = True) -> "InvariantEnsemble":
        super().train(mode)
        for layer in self.backbone.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                layer.eval()
        return self

    @property
    def last_convolution(self) -> nn.Module:
        """The layer that GradCAM looks at."""
        return [layer for layer in self.backbone.modules() if isinstance(layer, nn.Conv2d)][-1]

    @torch.inference_mode()
    def read(self, images: Tensor, normalisation: Normalisation | None = None) -> Logits:
        """Logits on the CPU of many images, float in [-1, 1] or uint8, in eval mode."""
        self.eval()
        device = next(self.parameters()).device
        found = []
        for part in images.split(EVALUATION_BATCH):
            part = part.to(device)
            found.append(self(to_float(part) if part.dtype == torch.uint8 else part, normalisation))
        return Logits(*(torch.cat([getattr(each, name) for each in found]).float().cpu() for name in HEADS))


def real_loss(logits: Logits, labels: Tensor) -> Tensor:
    """Cross-entropy of the averaged logits; labels: (B,) class."""
    return F.cross_entropy(logits.avg, labels)


def counterfactual_loss(logits: Logits, labels: Tensor) -> Tensor:
    """Sum of the heads' cross-entropies, each with the label of its own factor; labels: (B, 3), in order of HEADS."""
    return torch.stack([F.cross_entropy(each, y) for each, y in zip(logits, labels.unbind(1), strict=True)]).sum()


class Backbone(NamedTuple):
    """A network up to its features, and what it expects."""

    network: nn.Module
    features: int
    normalisation: Normalisation
    num_classes: int


def ensemble(backbone: str, seed: int, *, pretrained: bool = True) -> InvariantEnsemble:
    """An ensemble with fresh heads. backbone: resnet50 (published), resnet18, efficientnet-lite0, or toy.

    pretrained: with the weights of ImageNet (ResNet-18 has none here and starts at random), or of the toy world's
    classifier; else random ones, for tests and timing.
    Raises ValueError for an unknown name, AssetError where weights are missing.
    """
    if backbone not in BACKBONES:
        raise ValueError(f"unknown backbone {backbone!r}: choose one of {', '.join(BACKBONES)}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "imagenet", "ensemble", "initialisation"))
        made = BACKBONES[backbone](pretrained)
        torch.manual_seed(derive_seed(seed, "imagenet", "ensemble", "heads"))  # whatever the backbone drew
        network = InvariantEnsemble(made.network, made.features, made.num_classes, made.normalisation)
    return network.to(memory_format=torch.channels_last)


def _resnet(name: str, pretrained: bool) -> Backbone:
    from torchvision import models

    network = getattr(models, name)()
    features = network.fc.in_features
    if pretrained:
        load_state(network, require(name), name)
    network.fc = nn.Identity()
    return Backbone(network, features, IMAGENET, 1000)


class _LiteFeatures(nn.Module):
    """EfficientNet-Lite0 up to its pooled features (B, 1280)."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network.extract_features(images).mean(dim=(2, 3))


def _efficientnet_lite0(pretrained: bool) -> Backbone:
    network: Any = efficientnet_lite0().requires_grad_(True)
    features = network._fc.in_features
    network._fc = nn.Identity()
    network._global_params = network._global_params._replace(drop_connect_rate=None)  # it draws unseeded numbers
    if not pretrained:
        _reset(network)
    return Backbone(_LiteFeatures(network), features, LITE, 1000)


def _toy(pretrained: bool) -> Backbone:
    """The toy world's class reader without its head: its ImageNet-pretrained network, so to speak."""
    network = toy_parts().classifier if pretrained else reader.Reader(parts.CLASSIFIER.heads)
    return Backbone(network.trunk.requires_grad_(True), reader.FEATURES, PLAIN, reader.N_CLASSES)


def _reset(network: nn.Module) -> None:
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.BatchNorm2d):
            layer.reset_parameters()


BACKBONES: dict[str, Callable[[bool], Backbone]] = {
    "resnet50": lambda pretrained: _resnet("resnet50", pretrained),
    "resnet18": lambda _: _resnet("resnet18", False),
    "efficientnet-lite0": _efficientnet_lite0,
    "toy": _toy,
}
