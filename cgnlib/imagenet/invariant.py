"""The invariant classifier (SG21, Section 4.2; the study, Section 3.2): one backbone, a head for each factor.

Real images train the mean of the heads' logits, counterfactual images train each head on the label of its own factor.
The backbone is pre-trained, as published; its batch norms keep the statistics of that pre-training.
"""

from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgnlib.data.finding import require
from cgnlib.errors import known
from cgnlib.finite import finite
from cgnlib.imagenet.names import FACTORS, N_CLASSES, OUTPUTS
from cgnlib.imagenet.normalisation import IMAGENET, PLAIN, Normalisation
from cgnlib.imagenet.toy.parts import CLASSIFIER, toy_parts
from cgnlib.images import to_float
from cgnlib.randomness import seeded
from cgnlib.toyworld import reader
from cgnlib.training.weights import load_state

EVALUATION_BATCH = 250
BACKBONES = ("resnet50", "toy")  # published; of the toy world


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
        """One of names.OUTPUTS: avg, shape_texture, or the logits of a head. Raises ValueError for another name."""
        return getattr(self, known("output", name, OUTPUTS))


class InvariantEnsemble(nn.Module):
    """Images (B, 3, R, R) in [-1, 1] -> `Logits`.

    Batch norms of the backbone stay in eval mode, in training too (as published): scale and shift learn, the statistics
    do not move.
    """

    def __init__(self, backbone: nn.Module, features: int, num_classes: int, normalisation: Normalisation) -> None:
        """backbone: normalised images (B, 3, R, R) -> (B, features)."""
        super().__init__()
        self.backbone, self.normalisation, self.num_classes = backbone, normalisation, num_classes
        self.heads = nn.ModuleDict({name: nn.Linear(features, num_classes) for name in FACTORS})

    def forward(self, images: Tensor, normalisation: Normalisation | None = None) -> Logits:
        """normalisation: in place of that of the backbone's training, e.g. that of ImageNet-9's evaluation."""
        normalised = (normalisation or self.normalisation)(images)
        features = self.backbone(normalised.contiguous(memory_format=torch.channels_last))
        return Logits(*(self.heads[name](features) for name in FACTORS))

    def train(self, mode: bool = True) -> "InvariantEnsemble":
        super().train(mode)
        for layer in self.backbone.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                layer.eval()
        return self

    @torch.inference_mode()
    def read(self, images: Tensor, normalisation: Normalisation | None = None) -> Logits:
        """Logits on the CPU of many images, float in [-1, 1] or uint8, in eval mode.

        Raises ValueError for logits that are not finite.
        """
        self.eval()
        device = next(self.parameters()).device
        found = []
        for part in images.split(EVALUATION_BATCH):
            part = part.to(device)
            found.append(self(to_float(part) if part.dtype == torch.uint8 else part, normalisation))
        return Logits(*(finite(torch.cat(each).float().cpu(), "logits") for each in zip(*found, strict=True)))


def real_loss(logits: Logits, labels: Tensor) -> Tensor:
    """Cross-entropy of the averaged logits; labels: (B,) class."""
    return F.cross_entropy(logits.avg, labels)


def counterfactual_loss(logits: Logits, labels: Tensor) -> Tensor:
    """Sum of the heads' cross-entropies, each with the label of its own factor; labels: (B, 3), ordered as FACTORS."""
    return torch.stack([F.cross_entropy(each, y) for each, y in zip(logits, labels.unbind(1), strict=True)]).sum()


def ensemble(
    backbone: str, seed: int, *, pretrained: bool = True, folder: str | Path | None = None
) -> InvariantEnsemble:
    """The three-headed classifier with fresh heads, which `seed` decides. backbone: resnet50 (published) or toy.

    pretrained: with the weights of ImageNet, or of the toy world's classifier; else random ones, for tests and timing.
    folder: your own copies of weights.
    Raises ValueError for an unknown name, AssetError where weights are missing.
    """
    known("backbone", backbone, BACKBONES)
    with seeded(seed, "imagenet", "ensemble", "initialisation"):
        made = _toy(pretrained) if backbone == "toy" else _resnet50(pretrained, folder)
    with seeded(seed, "imagenet", "ensemble", "heads"):  # whatever the backbone drew
        network = InvariantEnsemble(*made)
    return network.to(memory_format=torch.channels_last)


def _resnet50(pretrained: bool, folder: str | Path | None) -> tuple[nn.Module, int, int, Normalisation]:
    """Backbone, features, classes and normalisation, as `InvariantEnsemble` takes them."""
    from torchvision.models import resnet50  # here: to import it takes seconds

    network = resnet50()
    features = network.fc.in_features
    if pretrained:
        load_state(network, require("resnet50", folder), "resnet50")
    network.fc = nn.Identity()  # type: ignore[assignment]
    return network, features, N_CLASSES, IMAGENET


def _toy(pretrained: bool) -> tuple[nn.Module, int, int, Normalisation]:
    """The same of the toy world's class reader without its head: its ImageNet-pretrained network, so to speak."""
    network = toy_parts().classifier if pretrained else reader.Reader(CLASSIFIER.heads)
    return network.trunk.requires_grad_(True), reader.FEATURES, reader.N_CLASSES, PLAIN
