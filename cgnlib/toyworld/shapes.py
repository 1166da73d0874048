"""Silhouettes of the toy world: signed levels, positive inside, in a plane where an object is about as large as 1.

Every function takes coordinates x, y (n, H, W) in the object's own frame (x to the right, y down) and draws u (n, 4),
uniform in [0, 1], which vary the silhouette within its family. It returns levels (n, H, W) that grow about as fast as
the distance from the outline, so that one pixel of antialiasing is one pixel.
"""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Silhouette = Callable[[Tensor, Tensor, Tensor], Tensor]


def between(u: Tensor, low: float, high: float) -> Tensor:
    """Draws (n,) as numbers in [low, high], shaped to go with images (n, 1, 1)."""
    return (low + (high - low) * u)[:, None, None]


def _polygon(x: Tensor, y: Tensor, corners: int, radius: Tensor | float) -> Tensor:
    """A regular polygon with one corner up."""
    turns = [-math.pi / 2 + math.pi / corners + 2 * math.pi * side / corners for side in range(corners)]
    sides = [math.cos(turn) * x + math.sin(turn) * y for turn in turns]
    return radius * math.cos(math.pi / corners) - torch.stack(sides).amax(0)


def star(x: Tensor, y: Tensor, u: Tensor) -> Tensor:
    turn = (torch.atan2(x, -y) * (5 / (2 * math.pi))).remainder(1)  # 0 at a tip
    tip = (2 * turn - 1).abs()
    inner = between(u[:, 0], 0.38, 0.48)
    return 0.75 * (inner + (1.1 - inner) * tip - torch.hypot(x, y))


def ring(x: Tensor, y: Tensor, u: Tensor) -> Tensor:
    width = between(u[:, 0], 0.22, 0.3)
    return width - (torch.hypot(x, y) - 0.95 + width).abs()


def cross(x: Tensor, y: Tensor, u: Tensor) -> Tensor:
    x, y, arm = x.abs(), y.abs(), between(u[:, 0], 0.26, 0.36)
    return torch.maximum(torch.minimum(0.95 - x, arm - y), torch.minimum(arm - x, 0.95 - y))


def arrow(x: Tensor, y: Tensor, u: Tensor) -> Tensor:
    half = between(u[:, 0], 0.2, 0.3)
    shaft = torch.minimum(half - y.abs(), torch.minimum(x + 0.95, 0.3 - x))
    head = torch.minimum(x + 0.05, 0.7 * (0.95 - x - 1.15 * y.abs()))
    return torch.maximum(shaft, head)


def blob(x: Tensor, y: Tensor, u: Tensor) -> Tensor:
    angle = torch.atan2(y, x)
    outline = 0.75 * torch.ones_like(x)
    for order, (size, phase) in enumerate(((u[:, 0], u[:, 1]), (u[:, 2], u[:, 3]), (u[:, 1], u[:, 2])), start=2):
        outline = outline + between(size, 0, 0.36 / order) * (order * angle + between(phase, 0, 2 * math.pi)).cos()
    return 0.85 * (outline - torch.hypot(x, y))


def polygon(x: Tensor, y: Tensor, u: Tensor) -> Tensor:
    corners = 5 + (3 * u[:, :1, None]).floor().clamp(max=2)  # 5, 6 or 7
    levels = torch.stack([_polygon(x, y, each, 0.95) for each in (5, 6, 7)])
    return levels.gather(0, (corners - 5).long().expand_as(x)[None])[0]


def dumbbell(x: Tensor, y: Tensor, u: Tensor) -> Tensor:
    ends = between(u[:, 0], 0.32, 0.42) - torch.hypot(x.abs() - 0.6, y)
    return torch.maximum(ends, torch.minimum(0.6 - x.abs(), between(u[:, 1], 0.1, 0.2) - y.abs()))


def corner(x: Tensor, y: Tensor, u: Tensor) -> Tensor:
    width = between(u[:, 0], 0.25, 0.4)
    inside = 0.8 - torch.maximum(x.abs(), y.abs())
    notch = torch.maximum(x, y) + 0.8 - 2 * width
    return torch.minimum(inside, -torch.minimum(notch, torch.minimum(x, y) + 0.8 - 2 * width))


def drop(x: Tensor, y: Tensor, u: Tensor) -> Tensor:
    taper = between(u[:, 0], 0.35, 0.55)
    side = 1.3 * taper * (0.95 - y.abs()) * (1 + 0.7 * y)
    return torch.minimum(0.8 * (side - x.abs()), 0.95 - y.abs())


def frame(x: Tensor, y: Tensor, u: Tensor) -> Tensor:
    width = between(u[:, 0], 0.2, 0.3)
    return width - (torch.maximum(x.abs(), y.abs()) - 0.9 + width).abs()


CLASSES: Mapping[str, Silhouette] = {
    "disc": lambda x, y, u: 0.85 - torch.hypot(x, y),
    "star": star,
    "triangle": lambda x, y, u: _polygon(x, y - 0.15, 3, 1.15),
    "square": lambda x, y, u: 0.75 - torch.maximum(x.abs(), y.abs()),
    "ring": ring,
    "cross": cross,
    "crescent": lambda x, y, u: torch.minimum(
        0.95 - torch.hypot(x, y), torch.hypot(x - between(u[:, 0], 0.65, 0.8), y) - 0.62
    ),
    "flower": lambda x, y, u: (
        0.85 * (0.76 + between(u[:, 0], 0.18, 0.26) * (6 * torch.atan2(y, x)).cos() - torch.hypot(x, y))
    ),
    "arrow": arrow,
    "hourglass": lambda x, y, u: torch.minimum(
        0.9 - y.abs(), 0.8 * (between(u[:, 0], 0.18, 0.28) + 0.7 * y.abs() - x.abs())
    ),
}
OTHERS: Mapping[str, Silhouette] = {
    "blob": blob,
    "polygon": polygon,
    "capsule": lambda x, y, u: (
        between(u[:, 1], 0.25, 0.45) - torch.hypot((x.abs() - between(u[:, 0], 0.4, 0.7)).clamp(min=0), y)
    ),
    "dumbbell": dumbbell,
    "corner": corner,
    "drop": drop,
    "frame": frame,
    "gear": lambda x, y, u: 0.75 + 0.12 * (3 * (8 * torch.atan2(y, x)).cos()).clamp(-1, 1) - torch.hypot(x, y),
    "half-disc": lambda x, y, u: torch.minimum(0.95 - torch.hypot(x, y - 0.35), 0.35 + between(u[:, 0], 0, 0.2) - y),
    "lens": lambda x, y, u: 1.05 - torch.hypot(x, y.abs() + 1.05 - between(u[:, 0], 0.35, 0.6)),
}
