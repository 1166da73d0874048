"""Perceptual features: frozen, cut into blocks, calibrated; what happens without VGG16's weights."""

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cgnlib.data import catalogue
from cgnlib.errors import AssetError
from cgnlib.features import (
    STYLE_GRADIENT_NORM,
    PerceptualFeatures,
    efficientnet_lite,
    perceptual_features,
    random_vgg16_features,
)
from cgnlib.paths import file_sha256
from tests.training.test_weights import Evil


@pytest.fixture(scope="module")
def lite() -> PerceptualFeatures:
    return perceptual_features("efficientnet-lite0")


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    stream = torch.Generator().manual_seed(0)
    images = torch.rand(2, 4, 3, 32, 32, generator=stream) * 2 - 1
    return images[0], images[1]


def test_efficientnet_blocks(lite: PerceptualFeatures, pair) -> None:
    assert [tuple(m.shape[1:]) for m in lite(pair[0])] == [(16, 16, 16), (24, 8, 8), (40, 4, 4), (80, 2, 2)]
    assert len(lite(pair[0], 2)) == 2


def test_efficientnet_is_that_of_its_package(lite: PerceptualFeatures, pair) -> None:
    """Folded batch norms change neither maps nor gradients by more than roundings."""
    network, plain = efficientnet_lite(0), pair[0].clone().requires_grad_()
    maps = network._swish(network._bn0(network._conv_stem(plain)))
    for block in network._blocks[:8]:
        maps = block(maps)
    leaf = pair[0].clone().requires_grad_()
    folded = lite(leaf)[3]
    torch.testing.assert_close(folded, maps, rtol=1e-4, atol=1e-4)
    for found in (folded, maps):
        found.square().sum().backward()
    assert leaf.grad is not None and plain.grad is not None and plain.grad.abs().sum() > 0
    torch.testing.assert_close(leaf.grad, plain.grad, rtol=1e-3, atol=1e-3 * plain.grad.abs().max().item())
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in lite.modules())


def test_vgg_blocks(pair) -> None:
    vgg = random_vgg16_features()
    assert [tuple(m.shape[1:]) for m in vgg(pair[0])] == [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4)]
    assert all(m.min() >= 0 for m in vgg(pair[0]))  # each block ends in its last ReLU
    assert torch.equal(vgg(pair[0], 1)[0], random_vgg16_features()(pair[0], 1)[0])
    vgg.calibrate(*pair)
    assert vgg.scale == [1.0] * 4


def test_style_loss_of_vgg_in_bfloat16_points_the_same_way(pair) -> None:
    vgg, losses, gradients = random_vgg16_features(), [], []
    for precision in (torch.float32, torch.bfloat16):
        leaf = pair[0].clone().requires_grad_()
        loss = vgg.to(precision).style_loss(leaf, pair[1], (0.1, 0.1, 0.1, 0.1))
        loss.backward()
        assert loss.dtype == torch.float32 and leaf.grad is not None
        losses.append(loss.item())
        gradients.append(leaf.grad.flatten())
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
    assert not torch.equal(*gradients)
    assert torch.cosine_similarity(*gradients, dim=0) > 0.98


def test_features_never_change(lite: PerceptualFeatures, pair) -> None:
    before = {name: tensor.clone() for name, tensor in lite.state_dict().items()}
    leaf = pair[0].clone().requires_grad_()
    lite.train().style_loss(leaf, pair[1], (0.1, 0.1, 0.1, 0.1)).backward()
    assert not any(module.training for module in lite.modules())
    assert not any(parameter.requires_grad for parameter in lite.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in lite.state_dict().items())
    assert leaf.grad is not None
    assert leaf.grad.abs().sum() > 0


def test_style_of_the_same_batch_is_zero(lite: PerceptualFeatures, pair) -> None:
    assert lite.style_loss(pair[0], pair[0], (1.0, 1.0, 1.0, 1.0)) == 0
    assert lite.style_loss(pair[0], pair[1], (0.0, 0.0, 0.0, 0.0)) == 0


@pytest.mark.parametrize(
    ("weights", "used"), [((0.1, 0, 0, 0), 1), ((0, 0.1, 0, 0), 2), ((0.1, 0, 0, 0.1), 4), ((0, 0, 0, 0), 1)]
)
def test_blocks_after_the_last_weight_are_skipped(lite: PerceptualFeatures, pair, weights, used: int) -> None:
    seen: set[torch.nn.Module] = set()

    def note(block: torch.nn.Module, images: object, maps: object) -> None:
        seen.add(block)

    hooks = [block.register_forward_hook(note) for block in lite.blocks]
    lite.style_loss(pair[0], pair[1], weights)
    for hook in hooks:
        hook.remove()
    assert seen == set(lite.blocks[:used])


def test_calibration_gives_every_term_the_stated_gradient(lite: PerceptualFeatures, pair) -> None:
    lite.calibrate(*pair)
    first = list(lite.scale)
    for block in range(4):
        leaf = pair[0].clone().requires_grad_()
        (len(leaf) * lite.style_loss(leaf, pair[1], [float(i == block) for i in range(4)])).backward()
        assert leaf.grad is not None
        assert leaf.grad.flatten(1).norm(dim=1).mean().item() == pytest.approx(STYLE_GRADIENT_NORM, rel=1e-3)
    lite.calibrate(*pair)
    assert lite.scale == pytest.approx(first)  # whatever it was calibrated on before


def test_calibration_needs_two_batches(lite: PerceptualFeatures, pair) -> None:
    with pytest.raises(ValueError, match="efficientnet-lite0 cannot be calibrated: block 1 sees two equal batches"):
        lite.calibrate(pair[0], pair[0])


@pytest.fixture
def vgg_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where VGG16's weights must lie, in an empty cache and without network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("cgnlib.data.fetching.answers", lambda url: False)
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    return tmp_path / "hub" / "checkpoints" / "vgg16-397923af.pth"


def publish(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the file be the published one: its size and the leading digits of its checksum."""
    checksums = (f"sha256:{file_sha256(file)[:8]}",)
    published = replace(catalogue.named("vgg16"), size=file.stat().st_size, checksums=checksums)
    monkeypatch.setattr(catalogue, "CATALOGUE", (published,))


def test_vgg_without_network_names_file_and_remedy(vgg_file: Path) -> None:
    with pytest.raises(AssetError, match=r"VGG16 weights: https://.* cannot be reached") as error:
        perceptual_features("vgg16")
    assert f"Place it at {vgg_file}" in str(error.value)
    assert "Or choose features: efficientnet-lite0" in str(error.value)
    assert perceptual_features("auto").name == "efficientnet-lite0"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", pickle.dumps(Evil(), protocol=2)])
def test_damaged_vgg_weights_are_named(vgg_file: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.chdir(vgg_file.parent)
    vgg_file.write_bytes(content)
    with pytest.raises(AssetError, match=r"vgg16-397923af.pth is truncated or another file: .*Delete .*efficientnet"):
        perceptual_features("vgg16")
    with pytest.warns(UserWarning, match=r"VGG16 is left out, .*vgg16-397923af.pth is truncated or another file"):
        assert perceptual_features("auto").name == "efficientnet-lite0"
    publish(vgg_file, monkeypatch)
    with pytest.raises(AssetError, match=r"weights of VGG16: .*vgg16-397923af.pth is "):
        perceptual_features("auto")
    assert not Path("evil").exists()


def test_vgg_weights_are_read_from_the_cache_or_a_folder(
    vgg_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pair
) -> None:
    vgg = random_vgg16_features(seed=1)
    names = [f"features.{i}.{kind}" for i in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21) for kind in ("weight", "bias")]
    state = dict(zip(names, vgg.state_dict().values(), strict=True))
    for index in (24, 26, 28):  # the fifth block, which is not used
        state |= {f"features.{index}.weight": torch.zeros(512, 512, 3, 3), f"features.{index}.bias": torch.zeros(512)}
    state["classifier.6.bias"] = torch.zeros(1000)
    torch.save(state, vgg_file)
    publish(vgg_file, monkeypatch)
    found = perceptual_features("auto")
    assert found.name == "vgg16"
    assert torch.equal(found(pair[0])[3], vgg(pair[0])[3])
    own = (tmp_path / "hub").rename(tmp_path / "own")
    assert (perceptual_features("auto").name, perceptual_features("auto", own).name) == ("efficientnet-lite0", "vgg16")
