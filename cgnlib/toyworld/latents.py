"""Which scene each latent of the toy world's BigGAN stands for.

The real BigGAN found the meaning of its latents by itself, in one to two days on 128 to 512 TPU cores (Brock et al.,
2019). The small one is told it: a latent is turned by a fixed random rotation, so that no axis is a factor, and read as
the draws that a scene is rendered from. They move place, size, aspect and family of the shape, the colours of the
texture, and the background; objects stand upright and their patterns keep their phase, since a generator of this size
drew turned patterns as blurs, in which stars, squares and flowers could not be told. Within a class, scenes of latents
are 97 % as far apart as those of the world (mean distance of the factor reader's features).
"""

import math

import torch
from torch import Tensor

from cgnlib.randomness import generator
from cgnlib.toyworld.world import NOISE_GRID, Factors

# Which of the random numbers of `world.Factors` a latent moves; the others stay in the middle of their range.
SHAPE_DRAWS, TEXTURE_DRAWS, BACKGROUND_DRAWS = (0, 1, 2, 4, 8), (4, 5, 6, 7, 8, 9), (0, 1, 2, 3, 4, 5)
NOISE_DIRECTIONS = 7  # latents that move the smooth random fields
Z_DIM = len(SHAPE_DRAWS) + len(TEXTURE_DRAWS) + len(BACKGROUND_DRAWS) + NOISE_DIRECTIONS
DEVIATION = 0.88  # of a standard normal truncated to [-2, 2]


def scenes_of(z: Tensor, labels: Tensor) -> Factors:
    """Class-tied factors for latents z (B, 24), as `biggan.sample_latents` draws them, and labels (B,) int64.

    At truncation 1 every draw is uniform in [0, 1], nearly; smaller truncations stay nearer to the middle.
    """
    if z.shape != (len(labels), Z_DIM):
        raise ValueError(f"latents are {tuple(z.shape)}, expected {(len(labels), Z_DIM)}")
    rotation = torch.linalg.qr(torch.randn(Z_DIM, Z_DIM, generator=generator(0, "toyworld", "latents", "rotation")))[0]
    # How each value of the three noise grids depends on the remaining latents.
    stream = generator(0, "toyworld", "latents", "noise")
    directions = torch.randn(NOISE_DIRECTIONS, 3 * NOISE_GRID**2, generator=stream)
    turned = z @ rotation
    noise = _uniform(turned[:, -NOISE_DIRECTIONS:] @ (directions / directions.norm(dim=0)))
    noise = noise.unflatten(1, (3, NOISE_GRID, NOISE_GRID))
    draws = _uniform(turned[:, :-NOISE_DIRECTIONS])
    shape, texture, background = draws.split([len(SHAPE_DRAWS), len(TEXTURE_DRAWS), len(BACKGROUND_DRAWS)], dim=1)
    shape, texture = _placed(shape, SHAPE_DRAWS, 12), _placed(texture, TEXTURE_DRAWS, 16)
    background = _placed(background, BACKGROUND_DRAWS, 8)
    return Factors(labels, labels, labels, shape, texture, noise[:, :1], background, noise[:, 1:])


def _uniform(normal: Tensor) -> Tensor:
    """Normal numbers of deviation 0.88 as uniform ones in [0, 1]."""
    return 0.5 + 0.5 * torch.erf(normal / (DEVIATION * math.sqrt(2)))


def _placed(draws: Tensor, places: tuple[int, ...], n: int) -> Tensor:
    """Draws (B, k) at their places among n, the others at 0.5."""
    full = torch.full((len(draws), n), 0.5)
    full[:, list(places)] = draws
    return full
