"""Loss terms of both CGNs, one function each (the study's Eq. 2; SG21, Section 3.2): scalars, means over the batch."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

STYLE_SCALE = 5000.0  # published constant of the style loss: each block's term counts w^2 * 5000
CACHED_ENTRIES = 2**18  # of Gram matrices, that a core keeps in its cache (1 MB)


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


def gram(features: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, C): channel products over C * H * W, the texture statistic of Gatys et al."""
    batch, channels, height, width = features.shape
    flat = features.reshape(batch, channels, height * width)
    return flat @ flat.transpose(1, 2) / (channels * height * width)


def gram_distance(generated: Tensor, target: Tensor) -> Tensor:
    """L1 between `gram` of (B, C, H, W) and of a constant (B, C, H', W'), a mean over their B * C * C entries: float32.

    Maps may be bfloat16: sums are taken in float32 there too, and only differences of Gram matrices are rounded.
    Raises ValueError when batch or channels differ.
    """
    if generated.shape[:2] != target.shape[:2]:
        raise ValueError(f"maps {tuple(generated.shape)} and {tuple(target.shape)} differ in batch or channels")
    distance: Tensor = _GramDistance.apply(*(each.flatten(2).transpose(1, 2) for each in (generated, target)))
    return distance


class _GramDistance(torch.autograd.Function):
    """Of pixels by channels (B, H * W, C), as channels-last maps lie in memory.

    Matrices of 512 x 512 cost more to move than to multiply: the gradient is taken with the distance, a few at a time.
    """

    @staticmethod
    def forward(ctx: Any, generated: Tensor, target: Tensor) -> Tensor:
        images, pixels, channels = generated.shape
        at_once = max(1, CACHED_ENTRIES // channels**2)
        distance = generated.new_zeros((), dtype=torch.promote_types(generated.dtype, torch.float32))
        gradient = torch.empty_like(generated)
        for g, t, out in zip(*(each.split(at_once) for each in (generated, target, gradient)), strict=True):
            difference = _product_difference(g, t)
            distance += difference.abs().sum(dtype=distance.dtype)
            torch.bmm(g, difference.sgn_().to(g.dtype), out=out)
        scale = 1 / (images * channels**2 * pixels * channels)
        ctx.save_for_backward(gradient)
        ctx.scale = 2 * scale  # signs are symmetric
        return distance * scale

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, outside: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * (outside * ctx.scale), None


def _product_difference(generated: Tensor, target: Tensor) -> Tensor:
    """Difference of Gram matrices times C * H * W of `generated`, for pixels by channels (B, H * W, C)."""
    weight = generated.shape[1] / target.shape[1]
    if generated.dtype == torch.bfloat16:  # one product, whose sums are float32: two would be rounded before they meet
        return torch.cat([generated, target], dim=1).mT @ torch.cat([generated, target * -weight], dim=1)
    return (generated.mT @ generated).sub_(target.mT @ target, alpha=weight)


def style(generated: Sequence[Tensor], target: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Sum over blocks of w^2 * 5000 * L1(gram(generated), gram(target)); image i is compared with target i."""
    terms = [
        w**2 * STYLE_SCALE * gram_distance(g, t) for g, t, w in zip(generated, target, weights, strict=True) if w > 0
    ]
    return torch.stack(terms).sum() if terms else generated[0].new_zeros(())


def non_saturating(scores: Tensor, real: bool) -> Tensor:
    """Logistic GAN loss (Goodfellow et al., 2014): high scores for what should pass as real, low ones for the rest."""
    return F.softplus(-scores if real else scores).mean()


def gradient_penalty(scores: Tensor, true: Tensor) -> Tensor:
    """R1 (Mescheder et al., 2018): squared gradient of the scores with respect to real data (B, C, H, W), per sample.

    Where a sample has a score for each of several places, it is divided by their number.
    """
    (gradient,) = torch.autograd.grad(scores.sum(), true, create_graph=True)
    return gradient.square().sum() / scores.numel()


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Hinge loss of a discriminator: real scores should be above 1, fake ones below -1 (Lim & Ye 2017)."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def hinge_generator(fake: Tensor) -> Tensor:
    """Hinge loss of a generator: its images should score high."""
    return -fake.mean()


def reconstruction(x_gen: Tensor, x_gt: Tensor) -> Tensor:
    """L1 between the composed image and the teacher's (L_L1 of Eq. 2; published weight: 100)."""
    return F.l1_loss(x_gen, x_gt)


def background_residue(bg_mask: Tensor) -> Tensor:
    """How much object is found in the background (L_bg of Eq. 2; published weight: 2000): relu of each mask's mean.

    bg_mask: (B, 1, H, W), the saliency network's mask of the background mechanism's output.
    """
    return F.relu(bg_mask.mean(dim=(1, 2, 3))).mean()
