"""Textures of the toy world: patterns between two colours.

A pattern takes coordinates x, y (n, H, W) in pixels, turned and shifted at random, draws u (n, 4), uniform in [0, 1],
and noise (n, H, W), a smooth random field in [0, 1]. It returns the share of the second colour at each pixel, in
[0, 1].
"""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

Pattern = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
Colour = tuple[int, int, int]


class Texture(NamedTuple):
    """A pattern and its two colours (8-bit RGB), around which images vary."""

    pattern: Pattern
    colours: tuple[Colour, Colour]


def _period(u: Tensor, low: float, high: float) -> Tensor:
    """2 pi over a period between low and high pixels, (n, 1, 1)."""
    return (2 * math.pi / (low + (high - low) * u))[:, None, None]


def _edge(wave: Tensor, sharpness: float = 2.0) -> Tensor:
    """A wave in [-1, 1] as bands with soft edges, in [0, 1]."""
    return (0.5 + sharpness * wave).clamp(0, 1)


def checks(x: Tensor, y: Tensor, u: Tensor, noise: Tensor) -> Tensor:
    rate = _period(u[:, 0], 14, 18)
    return _edge((rate * x).sin() * (rate * y).sin(), 4.0)


def dots(x: Tensor, y: Tensor, u: Tensor, noise: Tensor) -> Tensor:
    rate = _period(u[:, 0], 9, 12)
    return _edge(((rate * x).cos() + (rate * y).cos()) / 2 - 0.3, 2.5)


def zigzag(x: Tensor, y: Tensor, u: Tensor, noise: Tensor) -> Tensor:
    fold = ((x / 12).remainder(1) - 0.5).abs() * 12
    return _edge((_period(u[:, 0], 8, 10) * (y + fold)).sin())


def bricks(x: Tensor, y: Tensor, u: Tensor, noise: Tensor) -> Tensor:
    height = (6 + 2 * u[:, 0])[:, None, None]
    row = (y / height).floor()
    across, down = (x / (2 * height) + 0.5 * row).remainder(1), (y / height).remainder(1)
    joint = torch.maximum(2 * (across - 0.5).abs() * 2 - 1, 2 * (down - 0.5).abs())  # 1 at a joint, in both directions
    return ((joint - 0.65) * 5).clamp(0, 1)


def plaid(x: Tensor, y: Tensor, u: Tensor, noise: Tensor) -> Tensor:
    rate = _period(u[:, 0], 12, 16)
    return 0.5 * _edge((rate * x).sin()) + 0.5 * _edge((rate * y).sin())


def lattice(x: Tensor, y: Tensor, u: Tensor, noise: Tensor) -> Tensor:
    rate = _period(u[:, 0], 16, 26)
    return _edge(torch.maximum((rate * (x + y)).cos(), (rate * (x - y)).cos()) - 0.75, 4.0)


def spots(x: Tensor, y: Tensor, u: Tensor, noise: Tensor) -> Tensor:
    rate = _period(u[:, 0], 10, 20)
    return _edge((rate * x + 3 * noise).cos() * (0.8 * rate * y).cos() - 0.2, 2.0)


CLASSES: Mapping[str, Texture] = {
    "stripes": Texture(
        lambda x, y, u, noise: _edge((_period(u[:, 0], 8, 11) * x).sin()), ((200, 40, 40), (245, 225, 210))
    ),
    "checks": Texture(checks, ((35, 35, 40), (235, 235, 230))),
    "dots": Texture(dots, ((60, 90, 200), (250, 240, 120))),
    "circles": Texture(
        lambda x, y, u, noise: _edge((_period(u[:, 0], 8, 11) * torch.hypot(x, y)).sin()),
        ((240, 130, 30), (90, 40, 20)),
    ),
    "zigzag": Texture(zigzag, ((130, 50, 150), (235, 190, 240))),
    "bricks": Texture(bricks, ((180, 85, 60), (225, 210, 195))),
    "blotches": Texture(lambda x, y, u, noise: _edge(noise - 0.5, 5.0), ((240, 200, 60), (70, 45, 25))),
    "plaid": Texture(plaid, ((20, 110, 80), (215, 60, 90))),
    "waves": Texture(
        lambda x, y, u, noise: _edge(
            (_period(u[:, 0], 9, 12) * (y + 3 * (_period(u[:, 1], 18, 24) * x).sin())).sin(), 1.0
        ),
        ((20, 60, 130), (80, 210, 220)),
    ),
    "smooth": Texture(
        lambda x, y, u, noise: 0.5 + 0.5 * (_period(u[:, 0], 60, 90) * x).sin(), ((235, 90, 150), (255, 200, 215))
    ),
}
OTHERS: Mapping[str, Pattern] = {
    "grain": lambda x, y, u, noise: (0.5 + (noise - 0.5) * 2 + 0.3 * (_period(u[:, 0], 5, 7) * x).sin()).clamp(0, 1),
    "lattice": lattice,
    "marble": lambda x, y, u, noise: 0.5 + 0.5 * (_period(u[:, 0], 20, 40) * x + 9 * noise).sin(),
    "spots": spots,
    "plain": lambda x, y, u, noise: 0.3 * noise,
}
