"""The MNIST CGN: shapes, published state dict, parity with the authors' weights, and its layers against PyTorch's."""

import doctest
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cgnlib.mnist import cgn as cgn_module
from cgnlib.mnist import counterfactuals, variants
from cgnlib.mnist.cgn import (
    CGN,
    MASK_FLOOR,
    InstanceNorm,
    UpsampledConv2d,
    draw_noise,
    initialise,
    load_weights,
    shuffle_texture,
)
from cgnlib.mnist.names import VARIANTS
from cgnlib.paths import project_root
from cgnlib.randomness import generator


def test_fused_layers_are_the_same_function_in_eval_mode(cgn: CGN) -> None:
    draws = generator(1, "test")
    for layer in cgn.modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None and layer.running_var is not None
            layer.running_mean.normal_(generator=draws)
            layer.running_var.uniform_(0.2, 3.0, generator=draws)
            nn.init.normal_(layer.bias, generator=draws)
    fused, labels = cgn.fused(), torch.arange(10)
    assert cgn.training and not any(isinstance(layer, nn.BatchNorm2d) for layer in fused.modules())
    cgn.eval()
    for part in ("mask", "foreground", "background"):
        noise = draw_noise(10, draws)
        expected, got = (getattr(each, part)(noise, labels) for each in (cgn, fused))
        assert expected.std() > 0.05
        torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)


def test_state_dict_is_the_published_one(cgn: CGN) -> None:
    numbers = {"f_shape": (0, 4, 5, 9, 10), "f_text1": (0, 3, 4, 7, 8, 10, 11), "f_text2": (0, 3, 4, 7, 8, 10, 11)}
    layers = {"label_emb", *(f"{name}.{number}" for name, those in numbers.items() for number in those)}
    state = cgn.state_dict()
    assert {name.rpartition(".")[0] for name in state} == layers
    assert (len(state), sum(tensor.numel() for tensor in state.values())) == (57, 660_462)


def test_a_counterfactual_has_a_label_and_noise_for_each_mechanism(cgn: CGN) -> None:
    shape, foreground, background = torch.tensor([3, 3]), torch.tensor([7, 7]), torch.tensor([0, 1])
    draws = generator(0, "counterfactual")
    parts = cgn.eval().counterfactual(shape, foreground, background, draws)
    again = generator(0, "counterfactual")
    f, b, mask = (draw_noise(2, again) for _ in range(3))
    assert torch.equal(parts.mask, cgn.mask(mask, shape))
    assert torch.equal(parts.foreground, shuffle_texture(cgn.foreground(f, foreground), again))
    assert torch.equal(parts.background, shuffle_texture(cgn.background(b, background), again))


@pytest.mark.parametrize("training", [True, False])
def test_shapes_and_ranges(cgn: CGN, training: bool) -> None:
    stream = generator(0, "shapes")
    y = torch.arange(10)
    parts = cgn.train(training)(draw_noise(10, stream), y, stream)
    assert parts.mask.shape == (10, 1, 32, 32)
    assert parts.mask.min() >= MASK_FLOOR
    assert parts.mask.max() <= 1 - MASK_FLOOR
    for image in (parts.foreground, parts.background, parts.image):
        assert image.shape == (10, 3, 32, 32)
        assert image.abs().max() <= 1
    assert torch.equal(parts.image, parts.mask * parts.foreground + (1 - parts.mask) * parts.background)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_authors_weights_give_what_their_code_gives(
    variant: str, authors_file: Callable[[str], Path], golden: dict[str, np.ndarray]
) -> None:
    network = load_weights(authors_file(variant))
    assert not network.training
    u, y = torch.from_numpy(golden["u"]), torch.from_numpy(golden["y"])
    for part in ("mask", "foreground", "background"):
        with torch.inference_mode():
            ours = getattr(network, part)(u, y)
        np.testing.assert_allclose(ours, golden[f"{variant.replace('-', '_')}/{part}"], rtol=0, atol=1e-5)


# --- layers ---------------------------------------------------------------------------------------------------------


def assert_same_function(ours: torch.Tensor, plain: torch.Tensor, inputs: list[torch.Tensor]) -> None:
    """Equal in value and in every gradient."""
    torch.testing.assert_close(ours, plain)
    cotangent = torch.randn_like(plain)
    torch.testing.assert_close(*(torch.autograd.grad(output, inputs, cotangent) for output in (ours, plain)))


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(1, 6), st.integers(1, 6), st.booleans())
def test_upsampled_convolution_is_upsampling_and_convolution(
    batch: int, channels: int, out: int, height: int, width: int, channels_last: bool
) -> None:
    layer = UpsampledConv2d(channels, out).double()
    images = torch.randn(batch, channels, height, width, dtype=torch.float64)
    if channels_last:
        images = images.contiguous(memory_format=torch.channels_last)
    images.requires_grad_()
    plain = F.conv2d(F.interpolate(images, scale_factor=2), layer.weight, padding=1)
    assert_same_function(layer(images), plain, [images, layer.weight])


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 3), st.integers(1, 4), st.integers(2, 6))
def test_instance_norm_is_pytorchs(batch: int, channels: int, size: int) -> None:
    images = (torch.randn(batch, channels, size, size + 1, dtype=torch.float64) * 3 + 1).requires_grad_()
    assert_same_function(InstanceNorm()(images), nn.InstanceNorm2d(channels)(images), [images])


# --- shuffler -------------------------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 3), st.integers(1, 2), st.integers(1, 5), st.integers(1, 5), st.integers(0, 1000))
def test_the_shuffler_shifts_each_image_cyclically(batch: int, channels: int, height: int, width: int, seed: int):
    images = torch.arange(batch * channels * height * width).view(batch, channels, height, width).float()
    shuffled = shuffle_texture(images, torch.Generator().manual_seed(seed))
    for image, result in zip(images, shuffled, strict=True):
        shifts = [image.roll((-i, -j), (1, 2)) for i in range(height) for j in range(width)]
        assert any(torch.equal(result, shift) for shift in shifts)


def test_all_shifts_are_equally_likely() -> None:
    image = torch.arange(4.0).view(1, 1, 2, 2).expand(4000, 1, 2, 2)
    corner = shuffle_texture(image, torch.Generator().manual_seed(0))[:, 0, 0, 0]
    counts = torch.bincount(corner.long(), minlength=4)
    assert (counts - 1000).abs().max() < 150  # five standard deviations


# --- initialisation -------------------------------------------------------------------------------------------------


def test_published_initialisation() -> None:
    network, other = CGN(), CGN()
    initialise(network, "orthogonal", 0.1, generator(0, "a"))
    torch.manual_seed(7)  # global draws change nothing
    initialise(other, "orthogonal", 0.1, generator(0, "a"))
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), other.parameters(), strict=True))
    state = network.state_dict()
    weight = state["f_text1.3.weight"].flatten(1)
    torch.testing.assert_close(weight @ weight.T, 0.01 * torch.eye(64), atol=1e-6, rtol=0)
    assert state["f_shape.0.bias"].abs().max() == 0
    assert state["f_text1.4.bias"].abs().max() == 0
    assert abs(state["f_text1.4.weight"].mean().item() - 1) < 0.05
    initialise(network, "normal", 0.03, generator(0, "a"))
    assert network.state_dict()["f_shape.0.weight"].std().item() == pytest.approx(0.03, rel=0.02)


@pytest.mark.parametrize("module", [cgn_module, counterfactuals, variants], ids=lambda module: module.__name__)
def test_examples_in_docstrings(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project_root())
    result = doctest.testmod(module)
    assert result.attempted > 1 and result.failed == 0
