"""The discriminator that a small BigGAN is trained with, and its hinge losses."""

import pytest
import torch
import torch.nn.functional as F

from cgnlib.features import PerceptualFeatures
from cgnlib.imagenet.biggan import initialise
from cgnlib.imagenet.discriminator import ProjectedDiscriminator
from cgnlib.losses import hinge_discriminator, hinge_generator
from cgnlib.randomness import generator
from cgnlib.training.steps import update


def test_hinge_losses_by_hand() -> None:
    real, fake = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-3.0, 0.0])
    assert hinge_discriminator(real, fake).item() == pytest.approx((0 + 0.5 + 2) / 3 + (0 + 1) / 2)
    assert hinge_generator(fake).item() == pytest.approx(1.5)


def test_scores_of_every_block_follow_the_class_and_pass_gradients(features: PerceptualFeatures) -> None:
    images = (torch.rand(4, 3, 32, 32, generator=generator(0, "images")) * 2 - 1).requires_grad_()
    maps = features(images)
    judge = ProjectedDiscriminator([each.detach() for each in maps], num_classes=5)
    for block, each in zip(judge.blocks, maps, strict=True):
        standard = (each - block.get_buffer("mean")) / block.get_buffer("deviation")
        torch.testing.assert_close(standard.mean(dim=(0, 2, 3)), torch.zeros(each.shape[1]), atol=1e-3, rtol=0)
    first, second = (judge(maps, F.one_hot(torch.full((4,), label), 5).float()) for label in (0, 1))
    assert first.shape == (4, 16 + 16 + 16 + 4)  # 4 x 4 positions of each block, 2 x 2 of the last
    assert not torch.allclose(first, second)
    first.sum().backward()
    assert images.grad is not None and images.grad.flatten(1).abs().sum(1).min() > 0
    assert all(parameter.grad is not None for parameter in judge.parameters())


def test_it_learns_to_tell_two_kinds_of_images_apart(features: PerceptualFeatures) -> None:
    noise = torch.rand(8, 3, 32, 32, generator=generator(0, "images")) * 2 - 1
    real, fake = features(F.interpolate(F.avg_pool2d(noise, 16), scale_factor=16)), features(noise)
    judge = ProjectedDiscriminator(real, num_classes=4, width=16)
    initialise(judge, generator(0, "weights"))
    optimizer = torch.optim.Adam(judge.parameters(), lr=1e-3, betas=(0.0, 0.999))
    y, losses = F.one_hot(torch.arange(8) % 4, 4).float(), []
    for _ in range(12):
        losses.append(hinge_discriminator(judge(real, y), judge(fake, y)))
        update(optimizer, losses[-1])
    assert losses[-1] < 0.5 * losses[0]
