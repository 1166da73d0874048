"""U2-Net: published sizes and keys, its wiring against one written out step by step, folding, loss, files."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgnlib.imagenet.u2net import (
    FULL,
    RSU,
    TOY,
    RSUConfig,
    U2Net,
    U2NetConfig,
    folded,
    load_published,
    saliency_loss,
    uniform,
)
from cgnlib.training.weights import save_weights


def make_network(config: U2NetConfig = TOY, seed: int = 0) -> U2Net:
    """Random weights, and batch norms that are not the identity."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = U2Net(config)
        for part in network.modules():
            if isinstance(part, nn.BatchNorm2d):
                assert part.running_mean is not None and part.running_var is not None
                nn.init.uniform_(part.weight, 0.8, 1.6)
                nn.init.normal_(part.bias, 0.1, 0.2)
                nn.init.normal_(part.running_mean, 0.0, 0.2)
                nn.init.uniform_(part.running_var, 0.1, 0.5)
    return network.eval()


@pytest.fixture(scope="module")
def network() -> U2Net:
    return make_network()


def make_images(n: int = 2, height: int = 32, width: int = 32, seed: int = 0) -> Tensor:
    return torch.rand(n, 3, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def layout(config: U2NetConfig) -> U2Net:
    with torch.device("meta"):
        return U2Net(config)


@pytest.mark.parametrize(("config", "parameters"), [(FULL, 44_009_869), (uniform(mid=16, out=64), 1_131_181)])
def test_parameters_are_as_many_as_published(config: U2NetConfig, parameters: int) -> None:
    assert sum(parameter.numel() for parameter in layout(config).parameters()) == parameters


def test_state_dict_has_the_published_keys_and_shapes() -> None:
    state = layout(FULL).state_dict()
    blocks = {"stage1": 14, "stage2": 12, "stage3": 10, "stage4": 8, "stage5": 8, "stage6": 8}
    blocks |= {"stage5d": 8, "stage4d": 8, "stage3d": 10, "stage2d": 12, "stage1d": 14}
    for stage, n in blocks.items():
        assert len([key for key in state if key.startswith(f"{stage}.")]) == n * 7, stage
    assert len(state) == 112 * 7 + 2 * 7
    assert [key for key in state if key.startswith("stage1.rebnconvin.")] == [
        "stage1.rebnconvin.conv_s1.weight",
        "stage1.rebnconvin.conv_s1.bias",
        "stage1.rebnconvin.bn_s1.weight",
        "stage1.rebnconvin.bn_s1.bias",
        "stage1.rebnconvin.bn_s1.running_mean",
        "stage1.rebnconvin.bn_s1.running_var",
        "stage1.rebnconvin.bn_s1.num_batches_tracked",
    ]
    shapes = {
        "stage1.rebnconvin.conv_s1.weight": (64, 3, 3, 3),
        "stage1.rebnconv1.conv_s1.weight": (32, 64, 3, 3),
        "stage1.rebnconv7.conv_s1.weight": (32, 32, 3, 3),
        "stage1.rebnconv6d.conv_s1.weight": (32, 64, 3, 3),
        "stage1.rebnconv1d.conv_s1.weight": (64, 64, 3, 3),
        "stage5d.rebnconvin.conv_s1.weight": (512, 1024, 3, 3),
        "stage5d.rebnconv4.bn_s1.running_var": (256,),
        "stage1d.rebnconv1d.conv_s1.weight": (64, 32, 3, 3),
        "side1.weight": (1, 64, 3, 3),
        "side4.weight": (1, 256, 3, 3),
        "side6.weight": (1, 512, 3, 3),
        "outconv.weight": (1, 6, 1, 1),
    }
    assert {key: tuple(state[key].shape) for key in shapes} == shapes


def test_dilations_are_the_published_ones() -> None:
    network = layout(TOY)

    def dilations(stage: str) -> dict[str, tuple[int, ...]]:
        blocks = getattr(network, stage).named_children()
        return {name: block.conv_s1.dilation for name, block in blocks if block.conv_s1.dilation != (1, 1)}

    assert dilations("stage1") == {"rebnconv7": (2, 2)}
    assert dilations("stage4d") == {"rebnconv4": (2, 2)}
    for stage in ("stage5", "stage6", "stage5d"):
        assert dilations(stage) == {
            "rebnconv2": (2, 2),
            "rebnconv3": (4, 4),
            "rebnconv4": (8, 8),
            "rebnconv3d": (4, 4),
            "rebnconv2d": (2, 2),
        }


def up(images: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(images, size=like.shape[2:], mode="bilinear", align_corners=True)


def cat(*parts: Tensor) -> Tensor:
    return torch.cat(parts, 1)


POOL = nn.MaxPool2d(2, 2, ceil_mode=True)


@torch.no_grad()
def test_block_is_the_one_written_out() -> None:
    torch.manual_seed(0)
    block = RSU(RSUConfig("RSU5", 3, 4, 6)).eval()

    def step(name: str, images: Tensor) -> Tensor:
        part = getattr(block, name)
        norm, dilation = part.bn_s1, 2 if name == "rebnconv5" else 1
        images = F.conv2d(images, part.conv_s1.weight, part.conv_s1.bias, padding=dilation, dilation=dilation)
        images = F.batch_norm(images, norm.running_mean, norm.running_var, norm.weight, norm.bias)
        return images.clamp(min=0)

    images = make_images(2, 37, 50)
    entry = step("rebnconvin", images)
    x1 = step("rebnconv1", entry)
    x2 = step("rebnconv2", POOL(x1))
    x3 = step("rebnconv3", POOL(x2))
    x4 = step("rebnconv4", POOL(x3))
    x5 = step("rebnconv5", x4)
    y4 = step("rebnconv4d", cat(x5, x4))
    y3 = step("rebnconv3d", cat(up(y4, x3), x3))
    y2 = step("rebnconv2d", cat(up(y3, x2), x2))
    y1 = step("rebnconv1d", cat(up(y2, x1), x1))
    torch.testing.assert_close(block(images), y1 + entry, rtol=1e-5, atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize(("height", "width"), [(32, 32), (47, 65)])
def test_network_is_the_one_written_out(network: U2Net, height: int, width: int) -> None:
    s: Callable[[str], nn.Module] = network.get_submodule
    images = make_images(2, height, width)
    x1 = s("stage1")(images)
    x2 = s("stage2")(POOL(x1))
    x3 = s("stage3")(POOL(x2))
    x4 = s("stage4")(POOL(x3))
    x5 = s("stage5")(POOL(x4))
    x6 = s("stage6")(POOL(x5))
    y5 = s("stage5d")(cat(up(x6, x5), x5))
    y4 = s("stage4d")(cat(up(y5, x4), x4))
    y3 = s("stage3d")(cat(up(y4, x3), x3))
    y2 = s("stage2d")(cat(up(y3, x2), x2))
    y1 = s("stage1d")(cat(up(y2, x1), x1))
    sides = [up(s(f"side{i}")(y), images) for i, y in enumerate((y1, y2, y3, y4, y5, x6), start=1)]
    expected = [s("outconv")(cat(*sides)), *sides]
    for found, wanted in zip(network.side_logits(images), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(network(images), expected[0].sigmoid(), rtol=1e-5, atol=1e-6)


def test_loss_sums_the_outputs_and_averages_pixels() -> None:
    mask = torch.tensor([0.0, 1.0]).reshape(1, 1, 1, 2)
    assert saliency_loss([torch.zeros_like(mask)] * 7, mask).item() == pytest.approx(7 * math.log(2))
    # sigmoid(log 3) = 3/4: -log(1/4) for the pixel outside, -log(3/4) for the one inside
    logits = torch.full_like(mask, math.log(3.0))
    assert saliency_loss([logits], mask).item() == pytest.approx((math.log(4) + math.log(4 / 3)) / 2)
    right = (2 * mask - 1) * 1000
    assert saliency_loss([right, right], mask).item() == 0
    assert saliency_loss([-right], mask).item() == pytest.approx(1000)


def input_gradient(network: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    leaf = images.clone().requires_grad_()
    mask = network(leaf)
    # uneven weights, so that no two pixels are the same to the gradient
    (mask * torch.linspace(-1, 1, mask.numel()).reshape(mask.shape)).sum().backward()
    assert leaf.grad is not None
    return mask.detach(), leaf.grad


@pytest.mark.parametrize(("height", "width"), [(64, 64), (47, 65)])
def test_folded_network_is_the_same_function(network: U2Net, height: int, width: int) -> None:
    images = make_images(2, height, width)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    mask, gradient = input_gradient(network, images)
    copied = folded(network)
    same_mask, same_gradient = input_gradient(copied, images)
    assert gradient.abs().max() > 1e-4
    torch.testing.assert_close(same_mask, mask, rtol=0, atol=1e-5)
    torch.testing.assert_close(same_gradient, gradient, rtol=1e-4, atol=1e-5 * gradient.abs().max().item())
    assert not any(isinstance(part, nn.BatchNorm2d) for part in copied.modules())
    for name, tensor in network.state_dict().items():  # the original is as it was
        assert torch.equal(tensor, before[name]), name


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_saved_network_comes_back_frozen(network: U2Net, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"u2net{suffix}"
    if suffix == ".pth":
        torch.save(network.state_dict(), path)
    else:
        save_weights(network, path)
    loaded = load_published(path, TOY)
    assert not loaded.training and not any(parameter.requires_grad for parameter in loaded.parameters())
    with torch.no_grad():
        assert torch.equal(loaded(make_images()), network(make_images()))


@pytest.mark.slow
def test_full_size_network_at_the_size_of_the_study(tmp_path: Path) -> None:
    network = make_network(FULL)
    save_weights(network, tmp_path / "u2net.safetensors")
    images = make_images(1, 256, 256)
    mask, gradient = input_gradient(load_published(tmp_path / "u2net.safetensors"), images)
    assert mask.shape == (1, 1, 256, 256)
    assert gradient.shape == images.shape and gradient.isfinite().all() and gradient.abs().max() > 0
    with torch.no_grad():
        torch.testing.assert_close(folded(network)(images), mask, rtol=0, atol=1e-5)
