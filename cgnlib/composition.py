"""The composition mechanism (the study's Eq. 1): analytic, not learned, and the same for MNIST and ImageNet."""

from torch import Tensor


def compose(mask: Tensor, foreground: Tensor, background: Tensor) -> Tensor:
    """x_gen = m * f + (1 - m) * b.

    mask: (B, 1, H, W) in [0, 1]; foreground, background: (B, 3, H, W) in [-1, 1]; returns (B, 3, H, W) in [-1, 1].
    """
    return mask * foreground + (1 - mask) * background
