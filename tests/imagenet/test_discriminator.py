"""The discriminator that a small BigGAN is trained with, and its hinge losses."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cgnlib.features import PerceptualFeatures
from cgnlib.imagenet import biggan
from cgnlib.imagenet.biggan import BigGAN, SpectralNorm, initialise, sample_latents
from cgnlib.imagenet.discriminator import (
    TOY_64,
    Block,
    Discriminator,
    DiscriminatorConfig,
    ProjectedDiscriminator,
)
from cgnlib.losses import hinge_discriminator, hinge_generator
from cgnlib.randomness import generator

TINY = DiscriminatorConfig(
    resolution=64,
    channel_width=8,
    num_classes=4,
    layers=((True, 1, 2), (True, 2, 4), (True, 4, 8), (False, 8, 8)),
    attention_position=2,
)


def discriminator(seed: int = 0) -> Discriminator:
    judge = Discriminator(TINY)
    initialise(judge, generator(seed, "weights"))
    return judge


def batch(n: int) -> tuple[Tensor, Tensor]:
    images = torch.rand(n, 3, 64, 64, generator=generator(0, "images")) * 2 - 1
    return images, F.one_hot(torch.arange(n) % TINY.num_classes, TINY.num_classes).float()


def test_one_score_per_image_that_does_not_depend_on_its_neighbours() -> None:
    judge = discriminator().eval()
    images, y = batch(5)
    scores = judge(images, y)
    assert scores.shape == (5,)
    assert scores.std() > 0
    torch.testing.assert_close(judge(images[2:3], y[2:3]), scores[2:3], atol=1e-4, rtol=1e-4)


def test_toy_size_judges_every_pixel_of_the_toy_generator() -> None:
    judge, gan = Discriminator(TOY_64), BigGAN(biggan.TOY_64)
    initialise(judge, generator(0, "weights"))
    initialise(gan, generator(0, "weights"))
    gan.use_batch_statistics(True)
    y = F.one_hot(torch.tensor([3, 7]), 10).float()
    images = gan(sample_latents(2, 32, 1.0, generator(0, "latents")), y).detach().requires_grad_()
    scores = judge(images, y)
    assert scores.shape == (2,)
    scores.sum().backward()
    assert images.grad is not None and (images.grad.abs().amax(dim=1) > 0).float().mean() > 0.99


def test_gradients_reach_every_parameter_and_the_images() -> None:
    judge = discriminator()
    attention = judge.layers[TINY.attention_position]
    assert isinstance(attention, biggan.SelfAttention)
    with torch.no_grad():
        attention.gamma.fill_(0.5)
    images, y = batch(4)
    images.requires_grad_()
    judge(images, y).square().sum().backward()
    for name, parameter in judge.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
    assert images.grad is not None and (images.grad.abs().sum(dim=(1, 2, 3)) > 0).all()


def test_the_score_is_a_projection_on_the_class() -> None:
    """Linear in the class vector, apart from the part that is the same for all classes."""
    judge = discriminator().eval()
    images, y = batch(4)
    same = images[:1].expand(4, -1, -1, -1)
    scores = judge(same, y)
    assert (scores - scores[0])[1:].abs().min() > 1e-3
    mixed = judge(images[:1], torch.tensor([[0.25, 0.75, 0.0, 0.0]]))
    torch.testing.assert_close(mixed[0], 0.25 * scores[0] + 0.75 * scores[1], atol=1e-4, rtol=1e-4)


def test_blocks_keep_their_input_in_the_first_channels() -> None:
    """With a silent residual branch, what is left of the input is its average over 2 x 2 pixels."""
    block = Block(8, 16, downsample=True, eps=1e-4).eval()
    with torch.no_grad():
        block.conv_3.weight_orig.mul_(0).add_(torch.eye(16, 4)[:, :, None, None])
        block.conv_3.iterate(5)
        for convolution in (block.conv_0, block.conv_1, block.conv_2):
            assert convolution.bias is not None
            convolution.bias.fill_(-1e3)  # nothing passes the ReLU
    x = torch.randn(2, 8, 6, 6, generator=generator(0, "x"))
    out = block(x)
    assert out.shape == (2, 16, 3, 3)
    torch.testing.assert_close(out[:, :8], F.avg_pool2d(x, 2))
    assert Block(8, 8, downsample=False, eps=1e-4)(x).shape == x.shape


def test_train_mode_alone_moves_the_singular_vectors() -> None:
    judge = discriminator()
    images, y = batch(2)
    weights = [part for part in judge.modules() if isinstance(part, SpectralNorm)]
    torch.nn.init.normal_(judge.from_rgb.weight_orig, generator=generator(1, "weights"))
    judge.eval()(images, y)
    before = [part.weight_u.clone() for part in weights]
    judge(images, y)
    assert all(torch.equal(u, part.weight_u) for u, part in zip(before, weights, strict=True))
    judge.train()(images, y)
    assert not torch.equal(before[0], judge.from_rgb.weight_u)


def test_two_passes_before_one_backward() -> None:
    """Real and fake images are judged in turn: singular vectors that moved in between are no trouble."""
    judge = discriminator()
    images, y = batch(4)
    hinge_discriminator(judge(images[:2], y[:2]), judge.eval()(images[2:], y[2:])).backward()
    judge.zero_grad()
    loss = hinge_discriminator(judge.train()(images[:2], y[:2]), judge(images[2:], y[2:]))
    loss.backward()
    assert all(parameter.grad is not None for parameter in judge.parameters())


def test_a_discriminator_learns_to_tell_two_kinds_of_images_apart() -> None:
    judge = discriminator()
    optimizer = torch.optim.Adam(judge.parameters(), lr=1e-3, betas=(0.0, 0.999))
    noise, y = batch(8)
    smooth = F.interpolate(F.avg_pool2d(noise, 16), scale_factor=16)
    losses = []
    for _ in range(12):
        loss = hinge_discriminator(judge(smooth, y), judge(noise, y))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_hinge_losses_by_hand() -> None:
    real, fake = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-3.0, 0.0])
    assert hinge_discriminator(real, fake).item() == pytest.approx((0 + 0.5 + 2) / 3 + (0 + 1) / 2)
    assert hinge_generator(fake).item() == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("images", "y", "message"),
    [
        ((2, 3, 32, 32), (2, 4), r"images is \(2, 3, 32, 32\)"),
        ((2, 1, 64, 64), (2, 4), r"images is \(2, 1, 64, 64\)"),
        ((2, 3, 64, 64), (2, 10), r"class_vector is \(2, 10\), expected \(2, 4\)"),
        ((2, 3, 64, 64), (1, 4), r"class_vector is \(1, 4\)"),
    ],
)
def test_wrong_inputs_are_named(images: tuple[int, ...], y: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Discriminator(TINY)(torch.zeros(images), torch.zeros(y))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"resolution": 68}, "68 px cannot be halved"),
        ({"layers": ((True, 2, 2), (True, 2, 4), (True, 4, 8), (True, 8, 8))}, "first layer takes 1"),
        ({"layers": ((True, 1, 2), (True, 4, 4), (True, 4, 8), (True, 8, 8))}, "what the one before gives"),
        ({"layers": ((True, 1, 2), (True, 2, 4), (True, 4, 2), (True, 2, 2))}, "fewer channels"),
        ({"attention_position": -1}, "attention_position is -1"),
        ({"channel_width": 6}, "channel_width 6"),
    ],
)
def test_configurations_that_do_not_fit(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(TINY, **change)


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
