"""How a rate is measured and shown, and what the machine could do at most."""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

STEPS = 8  # training steps per timing
SAMPLES = 2000  # counterfactual or toy images made per timing


@dataclass(frozen=True)
class Measurement:
    """One line of the table: `rate` and `plain_rate` in `unit`; plain_rate is None where there is no plain code."""

    name: str
    unit: str
    rate: float
    plain_rate: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times faster than the plain code."""
        return None if self.plain_rate is None else self.rate / self.plain_rate


def best_seconds(action: Callable[[], object], repeats: int = 3) -> float:
    """The shortest of `repeats` timings of `action`, in seconds: the one least disturbed by other programs."""
    return best_in_turns(action, repeats=repeats)[0]


def best_in_turns(*actions: Callable[[], object], repeats: int = 3) -> list[float]:
    """The same for each of several actions, which take turns, so that a busy minute of the machine meets them all."""
    best = [float("inf")] * len(actions)
    for _ in range(repeats):
        for index, action in enumerate(actions):
            start = time.perf_counter()
            action()
            best[index] = min(best[index], time.perf_counter() - start)
    return best


@functools.cache
def machine() -> list[Measurement]:
    """What the machine can do: a product of two square matrices, float32. Measured once."""
    size = 1024
    a, b = torch.rand(2, size, size)
    seconds = best_seconds(lambda: a @ b, repeats=50)
    return [Measurement("matrix product", "GFLOP/s", 2 * size**3 / seconds / 1e9, note=f"{size} x {size}, float32")]


def peak() -> float:
    """The rate of `machine`."""
    return machine()[0].rate


def bound_words(flops: float, images: int, seconds: float) -> str:
    """Of `flops` for so many images in so many seconds: multiply-adds per image, share of the matrix product."""
    return f"{flops / 2e6 / images:,.0f} M multiply-adds, {flops / 1e9 / seconds / peak():.0%} of the matrix product"


def counted_flops(action: Callable[[], object]) -> int:
    """What `action` multiplies and adds in convolutions and matrix products, forward and backward."""
    with FlopCounterMode(display=False) as counted:
        action()
    return counted.get_total_flops()


def table(measurements: list[Measurement]) -> str:
    """The measurements as aligned text: name, rate, rate of the plain code, ratio."""
    rows = [("what", "rate", "plain code", "ratio", "")]
    for one in measurements:
        plain = "-" if one.plain_rate is None else f"{one.plain_rate:,.0f} {one.unit}"
        ratio = "-" if one.ratio is None else f"{one.ratio:.{0 if one.ratio > 10 else 1}f}x"
        rows.append((one.name, f"{one.rate:,.0f} {one.unit}", plain, ratio, one.note))
    widths = np.max([[len(cell) for cell in row] for row in rows], axis=0)
    lines = []
    for name, *cells, note in rows:
        columns = [f"{cell:>{width}}" for cell, width in zip(cells, widths[1:], strict=False)]
        lines.append("  ".join([f"{name:<{widths[0]}}", *columns, note]).rstrip())
    return "\n".join(lines)
