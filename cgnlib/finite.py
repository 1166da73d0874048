"""Refuse numbers that are no numbers before they decide: NaN loses every comparison, so a metric may take it for best.

Half precision overflows to infinity at 65,504; of logits of +inf, or all -inf, the first class would win.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def finite(values: Tensor, what: str) -> Tensor:
    """The values themselves, of any shape. Raises ValueError that counts those that are NaN or infinite."""
    good = values.isfinite()
    if not good.all():
        bad = int((~good).sum())
        remedy = "compute them in float32, or look for the diverged network"
        raise ValueError(f"{what}: {bad:,} of {values.numel():,} values are not finite (NaN or inf); {remedy}")
    return values


def shares(values: Tensor, what: str) -> Tensor:
    """The values themselves, bool or in [0, 1]. Raises ValueError for others and for NaN."""
    if not ((values >= 0) & (values <= 1)).all():
        finite(values, what)
        raise ValueError(f"{what}: values must lie in [0, 1], not in [{values.min():g}, {values.max():g}]")
    return values


def decided(logits: Tensor, what: str = "logits") -> Tensor:
    """Index (N,) of the largest of logits or log-probabilities (N, classes). Raises ValueError as `finite`."""
    return finite(logits, what).argmax(dim=1)
