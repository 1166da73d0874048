"""The discriminator that a small BigGAN is trained with, and its hinge losses."""

import pytest
import torch
import torch.nn.functional as F

from cgnlib.features import PerceptualFeatures
from cgnlib.imagenet.biggan import initialise
from cgnlib.imagenet.discriminator import ProjectedDiscriminator
from cgnlib.losses import hinge_discriminator, hinge_generator
from cgnlib.randomness import generator


def test_hinge_losses_by_hand() -> None:
    real, fake = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-3.0, 0.0])
    assert hinge_discriminator(real, fake).item() == pytest.approx((0 + 0.5 + 2) / 3 + (0 + 1) / 2)
    assert hinge_generator(fake).item() == pytest.approx(1.5)


def test_the_projected_discriminator_scores_every_block_by_class(features: PerceptualFeatures) -> None:
    judge = ProjectedDiscriminator(features, num_classes=5, size=32).eval()
    images = torch.rand(4, 3, 32, 32, generator=generator(0, "images")) * 2 - 1
    judge.standardise(images)
    for block, maps in zip(judge.blocks, judge.look(images), strict=True):
        mean, deviation = (block.get_buffer(name) for name in ("mean", "deviation"))
        standard = (maps - mean) / deviation
        torch.testing.assert_close(standard.mean(dim=(0, 2, 3)), torch.zeros(maps.shape[1]), atol=1e-3, rtol=0)
    first, second = (judge(images, F.one_hot(torch.full((4,), label), 5).float()) for label in (0, 1))
    assert first.shape == (4, 16 + 16 + 16 + 4)  # 4 x 4 positions of each block, 2 x 2 of the last
    assert not torch.allclose(first, second)
    assert not any(name.startswith("features") for name, _ in judge.named_parameters())


def test_the_projected_discriminator_passes_gradients_to_the_images(features: PerceptualFeatures) -> None:
    judge = ProjectedDiscriminator(features, num_classes=5, size=32)
    images = torch.zeros(2, 3, 32, 32, requires_grad=True)
    judge(images, F.one_hot(torch.tensor([0, 1]), 5).float()).sum().backward()
    assert images.grad is not None and images.grad.flatten(1).abs().sum(1).min() > 0
    assert all(parameter.grad is not None for parameter in judge.parameters())


def test_the_projected_discriminator_learns_to_tell_two_kinds_of_images_apart(features: PerceptualFeatures) -> None:
    judge = ProjectedDiscriminator(features, num_classes=4, size=32, width=16)
    initialise(judge, generator(0, "weights"))
    optimizer = torch.optim.Adam(judge.parameters(), lr=1e-3, betas=(0.0, 0.999))
    noise = torch.rand(8, 3, 32, 32, generator=generator(0, "images")) * 2 - 1
    smooth = F.interpolate(F.avg_pool2d(noise, 16), scale_factor=16)
    judge.standardise(smooth)
    y = F.one_hot(torch.arange(8) % 4, 4).float()
    losses = []
    for _ in range(12):
        loss = hinge_discriminator(judge(smooth, y), judge(noise, y))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
