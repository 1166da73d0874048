"""The discriminators: shapes, published sizes, dropout from a generator, gradients."""

import pytest
import torch

from cgnlib.mnist.discriminators import (
    DISCRIMINATORS,
    GROUP,
    ConvDiscriminator,
    LinearDiscriminator,
    ShapeDiscriminator,
    TextureDiscriminator,
)

IMAGES = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
LABELS = torch.arange(6)


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", DISCRIMINATORS)
def test_one_validity_per_image(kind: str) -> None:
    discriminator = DISCRIMINATORS[kind]()
    images = IMAGES.clone().requires_grad_()
    validity = discriminator(images, LABELS, stream())
    assert validity.shape == (6,)
    assert not torch.equal(validity, discriminator(images, LABELS.flip(0), stream()))
    validity.sum().backward()
    assert images.grad is not None
    assert (images.grad.flatten(1).norm(dim=1) > 0).all()
    assert all(parameter.grad is not None for parameter in discriminator.parameters())


@pytest.mark.parametrize("kind", DISCRIMINATORS)
def test_both_kinds_are_scored_as_in_two_calls(kind: str) -> None:
    """With the same dropout and, with batch norm, the same statistics."""
    discriminator, draws = DISCRIMINATORS[kind](), stream(3)
    pairs = (IMAGES, LABELS), (IMAGES.flip(0) / 2, LABELS)
    together = discriminator.both(*pairs, stream(3))
    for ours, pair in zip(together, pairs, strict=True):
        torch.testing.assert_close(ours, discriminator(*pair, draws))


def test_sizes_of_the_published_networks() -> None:
    def numbers(module: torch.nn.Module) -> int:
        return sum(parameter.numel() for parameter in module.parameters())

    assert numbers(LinearDiscriminator()) == 100 + 3083 * 512 + 2 * 513 * 512 + 513
    convolutions = 4 * 32 * 9 + 32 * 64 * 9 + 64 * 128 * 16 + 128 * 128 * 16 + 128
    assert numbers(ConvDiscriminator()) == 10 + convolutions + 2 * (32 + 64 + 128 + 128)


def test_dropout_draws_from_its_generator_alone() -> None:
    discriminator = LinearDiscriminator()
    before = torch.get_rng_state()
    first = discriminator(IMAGES, LABELS, stream())
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, discriminator(IMAGES, LABELS, stream()))
    assert not torch.equal(first, discriminator(IMAGES, LABELS, stream(1)))
    discriminator.eval()
    assert torch.equal(discriminator(IMAGES, LABELS, stream()), discriminator(IMAGES, LABELS, stream(1)))


def test_masks_are_scored_by_class_and_compared_within_groups() -> None:
    discriminator = ShapeDiscriminator()
    masks = torch.rand(2 * GROUP, 1, 32, 32, generator=stream())
    labels = torch.tensor([3, 7]).repeat_interleave(GROUP)
    scores = discriminator(masks, labels)
    assert scores.shape == (2 * GROUP,)
    assert not torch.equal(scores, discriminator(masks, labels.flip(0)))
    changed = masks.clone()
    changed[1:GROUP] = masks[0]  # the first mask has the same neighbours as before no more
    again = discriminator(changed, labels)
    assert again[0] != scores[0]
    assert torch.allclose(again[GROUP:], scores[GROUP:])


def test_textures_are_scored_in_windows() -> None:
    """A score sees 20 x 20 pixels: what lies farther off does not reach it."""
    discriminator = TextureDiscriminator(8)
    region = torch.ones(6, 1, 32, 32)
    scores = discriminator(IMAGES, region, LABELS)
    assert scores.shape == (6, 8, 8)
    changed = IMAGES.clone()
    changed[:, :, 24:, 24:] = 0
    again = discriminator(changed, region, LABELS)
    reached = (again != scores).any(dim=0)
    assert reached[7, 7]
    assert torch.equal(reached.nonzero().min(dim=0).values, torch.tensor([4, 4]))
    assert not torch.equal(scores, discriminator(IMAGES, region, LABELS.flip(0)))
