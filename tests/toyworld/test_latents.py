"""Latents of the toy world's BigGAN and the scenes that they stand for."""

import pytest
import torch
from torch import Tensor

from cgnlib.imagenet.biggan import TOY_64, sample_latents
from cgnlib.imagenet.evaluation import pairwise_diversity
from cgnlib.imagenet.toy.parts import toy_parts
from cgnlib.randomness import generator
from cgnlib.toyworld.latents import SHAPE_DRAWS, TEXTURE_DRAWS, Z_DIM, scenes_of
from cgnlib.toyworld.sets import tied_factors
from cgnlib.toyworld.world import N_CLASSES, render


def latents(n: int, truncation: float = 1.0) -> tuple[Tensor, Tensor]:
    return sample_latents(n, Z_DIM, truncation, generator(0, "test")), torch.arange(n) % N_CLASSES


def test_every_latent_of_the_toy_biggan_has_a_scene() -> None:
    assert TOY_64.z_dim == Z_DIM
    z, labels = latents(20)
    factors = scenes_of(z, labels)
    assert render(factors).image.shape == (20, 3, 64, 64)
    assert all(torch.equal(each, labels) for each in (factors.shape, factors.texture, factors.background))


def test_draws_are_uniform_and_independent_at_truncation_1() -> None:
    factors = scenes_of(*latents(4000))
    used = torch.cat([factors.shape_draws[:, SHAPE_DRAWS], factors.texture_draws[:, TEXTURE_DRAWS]], dim=1)
    assert used.min() >= 0 and used.max() <= 1
    quantiles = torch.tensor([0.1, 0.25, 0.5, 0.75, 0.9])
    torch.testing.assert_close(
        used.quantile(quantiles, dim=0), quantiles[:, None].expand(-1, used.shape[1]), atol=0.05, rtol=0
    )
    correlations = torch.corrcoef(used.T) - torch.eye(used.shape[1])
    assert correlations.abs().max() < 0.08
    assert abs(factors.background_noise.std().item() - 12**-0.5) < 0.02


def test_every_latent_direction_changes_the_scene() -> None:
    z, labels = torch.zeros(N_CLASSES, Z_DIM), torch.arange(N_CLASSES)
    still = render(scenes_of(z, labels)).image
    for axis in range(Z_DIM):
        moved = render(scenes_of(z + torch.eye(Z_DIM)[axis], labels)).image
        assert (moved - still).abs().amax(dim=(1, 2, 3)).min() > 0.05, axis


def test_scenes_of_latents_are_nearly_as_different_as_those_of_the_world() -> None:
    reader, labels = toy_parts().reader, torch.arange(400) % N_CLASSES
    drawn = {
        "latents": scenes_of(sample_latents(400, Z_DIM, 1.0, generator(0, "test")), labels),
        "world": tied_factors(labels, generator(0, "test")),
    }
    spread = {name: pairwise_diversity(reader.read(render(each).image)[1], labels) for name, each in drawn.items()}
    assert 0.9 < spread["latents"] / spread["world"] < 1.05


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(ValueError, match=r"latents are \(2, 5\), expected \(2, 24\)"):
        scenes_of(torch.zeros(2, 5), torch.zeros(2, dtype=torch.int64))
