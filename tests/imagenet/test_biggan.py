"""BigGAN-deep: parity with the reference implementation, published keys, batch-norm statistics, latents."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import pytorch_pretrained_biggan as reference
import scipy.stats
import torch
import torch.nn.functional as F
from torch import Tensor

from cgnlib.imagenet.biggan import (
    BIGGAN_DEEP_256,
    TOY_64,
    BatchNorm,
    BigGAN,
    BigGANConfig,
    SpectralConv2d,
    SpectralNorm,
    initialise,
    load_published,
    measure_statistics,
    rows_around,
    sample_latents,
)
from cgnlib.randomness import generator

# Small, with every kind of layer; the reference starts with 16 x channel_width and has equal latent and class sizes.
SMALL = BigGANConfig(
    resolution=32,
    channel_width=8,
    z_dim=12,
    class_embed_dim=12,
    num_classes=7,
    layers=((False, 16, 16), (True, 16, 8), (True, 8, 4), (False, 4, 2), (True, 2, 1)),
    attention_position=2,
    n_stats=6,
)
TINY = replace(TOY_64, channel_width=8, num_classes=4, n_stats=3)
BETWEEN = 0.375  # neither stored nor half-way, in SMALL (steps of 0.2) and in the published configuration (0.02)


def published_model(config: BigGANConfig) -> reference.BigGAN:
    """The reference implementation, of the same configuration."""
    return reference.BigGAN(
        reference.BigGANConfig(
            output_dim=config.resolution,
            z_dim=config.z_dim,
            class_embed_dim=config.class_embed_dim,
            channel_width=config.channel_width,
            num_classes=config.num_classes,
            layers=[list(layer) for layer in config.layers],
            attention_layer_position=config.attention_position,
            eps=config.eps,
            n_stats=config.n_stats,
        )
    )


def randomise(gan: BigGAN, seed: int) -> None:
    """Every tensor random: variances positive, singular vectors close to right ones but not converged."""
    stream = generator(seed, "weights")
    with torch.no_grad():
        for name, tensor in gan.state_dict().items():
            if name.endswith("running_vars"):
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=stream))
            elif name.endswith("gamma"):
                tensor.fill_(0.8)
            else:
                tensor.copy_(torch.randn(tensor.shape, generator=stream) * 0.5)
        for part in gan.modules():
            if isinstance(part, SpectralNorm):
                part.iterate(2)


def inputs(config: BigGANConfig, n: int, truncation: float = 1.0) -> tuple[Tensor, Tensor]:
    """Latents, and one-hot classes that follow one another."""
    z = sample_latents(n, config.z_dim, truncation, generator(1, "latents"))
    return z, F.one_hot(torch.arange(n) % config.num_classes, config.num_classes).float()


def pair(config: BigGANConfig) -> tuple[BigGAN, reference.BigGAN]:
    """Ours in the published mode and the reference, with the same random tensors."""
    ours, theirs = BigGAN(config, swapped_statistics=True), published_model(config)
    randomise(ours, seed=0)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    return ours, theirs


@pytest.mark.parametrize("truncation", [BETWEEN, 0.2, 1.0])
def test_images_are_those_of_the_reference(truncation: float) -> None:
    ours, theirs = (model.eval() for model in pair(SMALL))
    z, y = inputs(SMALL, 5, truncation)
    with torch.no_grad():
        images, expected = ours(z, y, truncation), theirs(z, y, truncation)
    assert images.shape == (5, 3, 32, 32)
    assert expected.std() > 0.1 and expected.abs().max() < 1  # neither flat nor saturated
    torch.testing.assert_close(images, expected, atol=1e-5, rtol=0)


def test_training_steps_are_those_of_the_reference() -> None:
    """Gradients of every parameter, and the singular vectors after it, in train mode."""
    ours, theirs = (model.train() for model in pair(SMALL))
    z, y = inputs(SMALL, 3)
    for model in (ours, theirs):
        model(z, y, BETWEEN).square().sum().backward()
    gradients = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name], atol=1e-4, rtol=1e-3, msg=name)
    before, after = pair(SMALL)[0].state_dict(), theirs.state_dict()
    for name, tensor in ours.state_dict().items():
        torch.testing.assert_close(tensor, after[name], atol=1e-6, rtol=1e-5)
        assert torch.equal(tensor, before[name]) != name.endswith(("weight_u", "weight_v"))


def test_the_published_file_has_these_keys_and_shapes() -> None:
    ours, theirs = BigGAN(BIGGAN_DEEP_256).state_dict(), published_model(BIGGAN_DEEP_256).state_dict()
    assert {name: tensor.shape for name, tensor in ours.items()} == {n: tensor.shape for n, tensor in theirs.items()}
    shapes = {
        "embeddings.weight": (128, 1000),
        "generator.gen_z.weight_orig": (4 * 4 * 16 * 128, 256),
        "generator.gen_z.weight_u": (4 * 4 * 16 * 128,),
        "generator.gen_z.weight_v": (256,),
        "generator.layers.0.bn_0.running_means": (51, 2048),
        "generator.layers.0.bn_0.scale.weight_orig": (2048, 256),
        "generator.layers.0.conv_0.weight_orig": (512, 2048, 1, 1),
        "generator.layers.7.conv_3.weight_orig": (512, 1024 // 4, 1, 1),
        "generator.layers.8.snconv1x1_g.weight_orig": (256, 512, 1, 1),
        "generator.layers.8.gamma": (1,),
        "generator.layers.12.conv_3.bias": (128,),
        "generator.bn.running_vars": (51, 128),
        "generator.conv_to_rgb.weight_orig": (128, 128, 3, 3),
    }
    assert {name: tuple(ours[name].shape) for name in shapes} == shapes
    blocks = 12 * (4 * (2 + 2 * 3) + 4 * 4)  # per block: 4 batch norms of 2 tables and 2 matrices, 4 convolutions
    assert len(ours) == 1 + 4 + blocks + (4 * 3 + 1) + 4 + 4
    layers = {int(name.split(".")[2]) for name in ours if name.startswith("generator.layers.")}
    assert layers == set(range(13))


@pytest.mark.slow
def test_full_size_images_are_those_of_the_reference(tmp_path: Path) -> None:
    """256 px, read from a file as published: attention and statistics between two truncations included."""
    ours, theirs = pair(BIGGAN_DEEP_256)
    torch.save(theirs.state_dict(), tmp_path / "biggan256.pth")
    ours = load_published(tmp_path / "biggan256.pth", swapped_statistics=True)
    z, y = inputs(BIGGAN_DEEP_256, 2, BETWEEN)
    with torch.no_grad():
        images, expected = ours(z, y, BETWEEN), theirs.eval()(z, y, BETWEEN)
    assert images.shape == (2, 3, 256, 256)
    assert expected.std() > 0.1
    torch.testing.assert_close(images, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("truncation", "swapped", "expected"),
    [
        *((0.0, False, 0.0), (0.1, False, 2.0), (0.25, False, 5.0), (0.9, False, 26.0), (1.0, False, 30.0)),
        *((0.0, True, 0.0), (0.1, True, 8.0), (0.25, True, 5.0), (0.9, True, 14.0), (1.0, True, 30.0)),
    ],
)
def test_statistics_between_two_truncations(truncation: float, swapped: bool, expected: float) -> None:
    """Rows 0, 10, 30 at truncations 0, 0.5, 1; the published weights are swapped."""
    low, high, share = rows_around(truncation, 3, swapped)
    assert torch.lerp(torch.tensor([0.0, 10.0, 30.0])[low], torch.tensor([0.0, 10.0, 30.0])[high], share) == expected


def test_every_stored_truncation_gives_its_own_row() -> None:
    """Rounding of truncation / step may not take the row before."""
    places = [rows_around(row / 50, 51) for row in range(51)]
    assert [low + share for low, _, share in places] == pytest.approx(list(range(51)), abs=1e-4)


def test_batch_norm_by_hand() -> None:
    norm = BatchNorm(1, replace(TINY, eps=1e-9))
    norm.running_means.fill_(1.0)
    norm.running_vars.fill_(4.0)
    x = torch.tensor([1.0, 5.0]).view(2, 1, 1, 1)
    gain, offset = torch.tensor([[1.0], [3.0]]), torch.tensor([[0.5], [-1.0]])  # one of each per image
    assert norm.normalise(x, (0, 0, 0.0), gain, offset).flatten().tolist() == [0.5, 5.0]  # (5 - 1) / 2 * 3 - 1
    norm.batch_statistics = True  # mean 3, standard deviation 2
    torch.testing.assert_close(norm.normalise(x, (0, 0, 0.0), gain, offset).flatten(), torch.tensor([-0.5, 2.0]))


def test_upsampling_convolution_is_upsampling_then_convolution() -> None:
    convolution = SpectralConv2d(3, 5, 3, eps=1e-4).eval()
    assert convolution.bias is not None
    torch.nn.init.normal_(convolution.bias)
    x = torch.randn(2, 3, 4, 6, generator=generator(0, "x"))
    expected = convolution(F.interpolate(x, scale_factor=2, mode="nearest"))
    torch.testing.assert_close(convolution.upsampled(x), expected, atol=1e-5, rtol=0)
    assert torch.equal(convolution(x, first=2), convolution(x)[:, :2])


def test_measured_statistics_are_means_and_variances_over_all_batches() -> None:
    """Of what enters the first batch norm, by hand: the same samples, drawn from the same stream."""
    gan = BigGAN(TINY).eval()
    initialise(gan, generator(0, "weights"))
    measure_statistics(gan, images=24, batch_size=8, stream=generator(3, "statistics"))
    stream, entering = generator(3, "statistics"), {}
    for row in range(TINY.n_stats):
        maps = []
        for _ in range(3):
            z = sample_latents(8, TINY.z_dim, row / 2, stream)
            y = F.one_hot(torch.randint(TINY.num_classes, (8,), generator=stream), TINY.num_classes).float()
            flat = gan.generator.gen_z(torch.cat([z, gan.embeddings(y)], dim=1))
            maps.append(flat.view(8 * 4 * 4, TINY.layers[0][1] * TINY.channel_width))
        entering[row] = torch.cat(maps)
    norm = gan.batch_norms()[0]
    for row, values in entering.items():
        torch.testing.assert_close(norm.running_means[row], values.mean(dim=0), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(norm.running_vars[row], values.var(dim=0, correction=0), atol=1e-5, rtol=1e-4)
    assert (norm.running_vars[2] > norm.running_vars[0]).all()  # more noise, more variance


def test_measuring_refuses_a_broken_batch_and_keeps_the_mode() -> None:
    gan = BigGAN(TINY)
    for images in (0, 20):
        with pytest.raises(ValueError, match="whole batches of 16"):
            measure_statistics(gan, images=images, batch_size=16, stream=generator(0, "statistics"))
    assert gan.training


@pytest.mark.parametrize(
    ("z", "y", "truncation", "message"),
    [
        ((2, 23), (2, 4), 1.0, r"z is \(2, 23\), expected \(2, 24\)"),
        ((2, 24), (2, 10), 1.0, r"class_vector is \(2, 10\), expected \(2, 4\)"),
        ((2, 24), (2, 4), 1.2, "truncation is 1.2"),
    ],
)
def test_wrong_inputs_are_named(z: tuple[int, ...], y: tuple[int, ...], truncation: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BigGAN(TINY)(torch.zeros(z), torch.zeros(y), truncation)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"resolution": 128}, "images of 64 px, not 128"),
        ({"layers": ((True, 8, 8), (True, 4, 4), (True, 4, 2), (True, 2, 1))}, "what the one before gives"),
        ({"layers": ((True, 8, 8), (True, 8, 4), (True, 4, 2), (True, 2, 2))}, "the last gives 1"),
    ],
)
def test_configurations_that_do_not_fit(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(TOY_64, **change)


def test_latents_are_a_truncated_normal() -> None:
    z = sample_latents(400, 50, 1.0, generator(0, "latents"))
    assert z.shape == (400, 50) and z.dtype == torch.float32
    assert z.abs().max() <= 2
    assert scipy.stats.kstest(np.asarray(z.flatten()), scipy.stats.truncnorm(-2, 2).cdf).pvalue > 0.01
    assert torch.equal(z, sample_latents(400, 50, 1.0, generator(0, "latents")))
    assert torch.equal(z * 0.5, sample_latents(400, 50, 0.5, generator(0, "latents")))
    assert not sample_latents(3, 4, 0.0, generator(0, "latents")).any()
