"""The ImageNet CGN (SG21, Section 3; the study, Section 3.1): a frozen teacher, three mechanisms, a frozen U2-Net.

All mechanisms are BigGAN-deep generators that start from the teacher's weights and share one noise vector u; the mask
is what the U2-Net finds salient in the image of the shape mechanism.
"""

import functools
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from cgnlib.composition import compose
from cgnlib.imagenet.biggan import BigGAN, same_weights
from cgnlib.imagenet.u2net import U2Net, folded
from cgnlib.training.steps import freeze
from cgnlib.training.weights import load_state

MASK_EPS = 1e-4  # published: masks are clamped to [1e-4, 1 - 1e-4]


class Labels(NamedTuple):
    """Which class each mechanism draws: class vectors (B, num_classes), one-hot or, between classes, soft."""

    shape: Tensor
    texture: Tensor
    background: Tensor

    @classmethod
    def of(cls, shape: Tensor, texture: Tensor, background: Tensor, num_classes: int) -> "Labels":
        """From class indices (B,) int64."""
        return cls(*(F.one_hot(each, num_classes).float() for each in (shape, texture, background)))

    @classmethod
    def tied(cls, labels: Tensor, num_classes: int) -> "Labels":
        return cls.of(labels, labels, labels, num_classes)


class Parts(NamedTuple):
    """What the mechanisms give, and the composition."""

    premask: Tensor  # (B, 3, R, R) in [-1, 1], the image of f_shape
    mask: Tensor  # (B, 1, R, R) in [1e-4, 1 - 1e-4]
    foreground: Tensor  # (B, 3, R, R) in [-1, 1]
    background: Tensor  # (B, 3, R, R) in [-1, 1]
    image: Tensor  # (B, 3, R, R) in [-1, 1]


class ImageNetCGN(nn.Module):
    """Latents, labels -> `Parts`. Modules are named as in the authors' file: biggan_GT, f_shape, f_text, f_bg, u2net.

    Teacher and U2-Net are frozen and stay in eval mode. recompute: save memory in training by computing the mechanisms'
    activations again in the backward pass, which must come before the next forward pass: it uses the last weights.
    """

    def __init__(self, teacher: BigGAN, u2net: U2Net, recompute: bool = False) -> None:
        super().__init__()
        self.recompute = recompute
        self.biggan_GT = freeze(teacher)
        self.f_shape, self.f_text, self.f_bg = (_like(teacher) for _ in range(3))
        self.u2net = freeze(u2net)

    @property
    def num_classes(self) -> int:
        return self.f_shape.config.num_classes

    @property
    def z_dim(self) -> int:
        return self.f_shape.config.z_dim

    @torch.no_grad()
    def teacher(self, u: Tensor, class_vector: Tensor, truncation: float = 1.0) -> Tensor:
        """x_gt (B, 3, R, R) in [-1, 1]: what the pre-trained generator draws."""
        return self.biggan_GT(u, class_vector, truncation)

    @functools.cached_property
    def _folded(self) -> U2Net:
        """The U2-Net with its batch norms folded in: faster, and no part of the state dict."""
        return folded(self.u2net)

    def saliency(self, images: Tensor) -> Tensor:
        """What the U2-Net takes for the object in images (B, 3, R, R) in [-1, 1]: (B, 1, R, R) in (0, 1)."""
        return self._folded(images)

    def forward(self, u: Tensor, labels: Labels, truncation: float = 1.0) -> Parts:
        """u: (B, z_dim), shared by the mechanisms, from `biggan.sample_latents` with the same truncation."""
        premask = self._draw(self.f_shape, u, labels.shape, truncation)
        mask = self.saliency(premask).float().clamp(MASK_EPS, 1 - MASK_EPS)
        foreground = self._draw(self.f_text, u, labels.texture, truncation)
        background = self._draw(self.f_bg, u, labels.background, truncation)
        return Parts(premask, mask, foreground, background, compose(mask, foreground, background))

    def _draw(self, mechanism: nn.Module, u: Tensor, class_vector: Tensor, truncation: float) -> Tensor:
        if not (self.recompute and torch.is_grad_enabled()):
            return mechanism(u, class_vector, truncation)

        def contexts() -> tuple[Any, Any]:  # of the forward and of the backward pass
            return nullcontext(), same_weights(mechanism)

        return checkpoint(mechanism, u, class_vector, truncation, use_reentrant=False, context_fn=contexts)

    def _load_from_state_dict(self, *arguments: Any) -> None:
        self.__dict__.pop("_folded", None)  # made of weights that are replaced now
        super()._load_from_state_dict(*arguments)

    def _apply(self, *arguments: Any, **options: Any) -> "ImageNetCGN":
        self.__dict__.pop("_folded", None)  # made of weights that move to another device or dtype now
        return super()._apply(*arguments, **options)


def _like(teacher: BigGAN) -> BigGAN:
    """A mechanism as it starts: a trainable copy of the teacher."""
    mechanism = BigGAN(teacher.config, teacher.swapped_statistics)
    mechanism.load_state_dict(teacher.state_dict())
    return mechanism


def load_published(path: Path | str, cgn: ImageNetCGN) -> ImageNetCGN:
    """Fill `cgn` from the authors' `cgn.pth` (keys with or without `module.`) or a file of this project; eval mode.

    Raises AssetError when the file is missing, corrupt or of another architecture; never executes code.
    """
    load_state(cgn, path, "the ImageNet CGN")
    return cgn.eval()
