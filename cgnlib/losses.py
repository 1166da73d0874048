"""Loss terms of both CGNs, one function each (seed, Eq. 2; SG21, Section 3.2): scalars, means over the batch."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

STYLE_SCALE = 5000.0  # published constant of the style loss: each block's term counts w^2 * 5000


def adversarial(validity: Tensor, real: bool) -> Tensor:
    """Least-squares GAN: (D - 1)^2 for images that should pass as real, D^2 for those that should not."""
    return (validity - float(real)).square().mean()


def binary_entropy(mask: Tensor) -> Tensor:
    """Entropy of a mask in bits, 0 where it is binary, 1 where it is 0.5. mask: in (0, 1), the ends excluded."""
    return -(mask * mask.log2() + (1 - mask) * (1 - mask).log2()).mean()


def mask_interval(mask: Tensor, low: float, high: float) -> Tensor:
    """How far the mean of each mask (B, 1, H, W) lies outside [low, high] (L_mask; published: 0.1 and 0.9)."""
    area = mask.mean(dim=(1, 2, 3))
    return (F.relu(low - area) + F.relu(area - high)).mean()


def border_residue(mask: Tensor, width: int) -> Tensor:
    """Mean of the mask on a frame of `width` pixels: an object is not expected to touch the border (polarity prior)."""
    inner = mask[..., width:-width, width:-width]
    frame = mask.sum(dim=(1, 2, 3)) - inner.sum(dim=(1, 2, 3))
    return frame.mean() / (mask[0].numel() - inner[0].numel())


def gram(features: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, C): channel products over C * H * W, the texture statistic of Gatys et al."""
    batch, channels, height, width = features.shape
    flat = features.reshape(batch, channels, height * width)
    return flat @ flat.transpose(1, 2) / (channels * height * width)


def style(generated: Sequence[Tensor], target: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Sum over blocks of w^2 * 5000 * L1(gram(generated), gram(target)); image i is compared with target i."""
    terms = [
        w**2 * STYLE_SCALE * F.l1_loss(gram(g), gram(t))
        for g, t, w in zip(generated, target, weights, strict=True)
        if w > 0
    ]
    return torch.stack(terms).sum() if terms else generated[0].new_zeros(())
