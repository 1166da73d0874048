"""Which scene each latent of the toy world's BigGAN stands for.

The real BigGAN found the meaning of its latents by itself, in one to two days on 128 to 512 TPU cores (Brock et al.,
2019). The small one is told it: a latent is turned by a fixed random rotation, so that no axis is a factor, and read as
the draws that a scene is rendered from.
"""

import math

import torch
from torch import Tensor

from cgnlib.randomness import generator
from cgnlib.toyworld.world import NOISE_GRID, Factors

# How many random numbers the ten classes make use of, of those that `world.Factors` has.
SHAPE_DRAWS, TEXTURE_DRAWS, BACKGROUND_DRAWS = 9, (0, 1, 4, 5, 6, 7, 8, 9, 10, 11, 12), 6
NOISE_DIRECTIONS = 6  # what is left of 32 latents moves the smooth random fields
Z_DIM = SHAPE_DRAWS + len(TEXTURE_DRAWS) + BACKGROUND_DRAWS + NOISE_DIRECTIONS
DEVIATION = 0.88  # of a standard normal truncated to [-2, 2]


def scenes_of(z: Tensor, labels: Tensor) -> Factors:
    """Class-tied factors for latents z (B, 32), as `biggan.sample_latents` draws them, and labels (B,) int64.

    At truncation 1 every draw is uniform in [0, 1], nearly; smaller truncations stay nearer to the middle.
    """
    if z.shape != (len(labels), Z_DIM):
        raise ValueError(f"latents are {tuple(z.shape)}, expected {(len(labels), Z_DIM)}")
    rotation, directions = _rotation(), _directions()
    turned = z @ rotation
    draws, rest = _uniform(turned[:, :-NOISE_DIRECTIONS]), turned[:, -NOISE_DIRECTIONS:]
    shape, texture, background = draws.split((SHAPE_DRAWS, len(TEXTURE_DRAWS), BACKGROUND_DRAWS), dim=1)
    noise = _uniform(rest @ directions).unflatten(1, (3, NOISE_GRID, NOISE_GRID))
    return Factors(
        labels,
        labels,
        labels,
        _placed(shape, range(SHAPE_DRAWS), 12),
        _placed(texture, TEXTURE_DRAWS, 16),
        noise[:, :1],
        _placed(background, range(BACKGROUND_DRAWS), 8),
        noise[:, 1:],
    )


def _rotation() -> Tensor:
    return torch.linalg.qr(torch.randn(Z_DIM, Z_DIM, generator=generator(0, "toyworld", "latents", "rotation")))[0]


def _directions() -> Tensor:
    """(6, 243): how each value of the three noise grids depends on the remaining latents; unit columns."""
    stream = generator(0, "toyworld", "latents", "noise")
    directions = torch.randn(NOISE_DIRECTIONS, 3 * NOISE_GRID**2, generator=stream)
    return directions / directions.norm(dim=0)


def _uniform(normal: Tensor) -> Tensor:
    """Normal numbers of deviation 0.88 as uniform ones in [0, 1]."""
    return 0.5 + 0.5 * torch.erf(normal / (DEVIATION * math.sqrt(2)))


def _placed(draws: Tensor, places: range | tuple[int, ...], n: int) -> Tensor:
    """Draws (B, k) at their places among n, the others at 0.5."""
    full = torch.full((len(draws), n), 0.5)
    full[:, list(places)] = draws
    return full
