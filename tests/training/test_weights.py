"""Weights from files: strict, without executing code; what cannot be used is named."""

import os
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from cgnlib.errors import AssetError
from cgnlib.training import weights
from cgnlib.training.weights import load_state, load_tensors, save_tensors, save_weights


class Evil:
    """Would make a file when unpickled without care."""

    def __reduce__(self) -> tuple:
        return os.system, ("touch evil",)


GOOD = {"weight": torch.ones(1, 3), "bias": torch.ones(1)}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        ("truncated", "is truncated or corrupt"),
        ({"weight": Evil()}, "is not a plain state dict"),
        ([1, 2], "holds a list, not a state dict"),
        ({"weight": GOOD["weight"]}, r"is of another architecture \(missing \['bias'\], extra \[\]\)"),
        (GOOD | {"weight": torch.zeros(1, 4)}, r"weight is \(1, 4\), expected \(1, 3\)"),
        (GOOD | {"bias": torch.tensor([float("nan")])}, "bias holds values that are not finite"),
    ],
)
def test_weights_that_cannot_be_used_are_named(tmp_path: Path, monkeypatch, content, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    path, layer = tmp_path / "w.pth", nn.Linear(3, 1)
    if content is not None:
        torch.save(GOOD if content == "truncated" else content, path)
    if content == "truncated":
        path.write_bytes(path.read_bytes()[:300])
    before = layer.weight.clone()
    with pytest.raises(AssetError, match=f"weights of a layer: .*w.pth.*{message}"):
        load_state(layer, path, "a layer")
    assert torch.equal(layer.weight, before)
    assert not (tmp_path / "evil").exists()


def test_both_kinds_of_weight_files_are_read(tmp_path: Path) -> None:
    torch.save(GOOD, tmp_path / "w.pth")
    save_file(GOOD, tmp_path / "w.safetensors")
    for name in ("w.pth", "w.safetensors"):
        layer = nn.Linear(3, 1)
        load_state(layer, tmp_path / name, "a layer")
        assert torch.equal(layer.weight, GOOD["weight"])
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-4])
    with pytest.raises(AssetError, match="w.safetensors is truncated or corrupt"):
        load_state(layer, tmp_path / name, "a layer")


def test_counts_of_batches_alone_may_be_missing(tmp_path: Path) -> None:
    """As in files of PyTorch 0.4.0, and in torchvision's of ResNet-50."""
    norm, found = nn.BatchNorm2d(2), nn.BatchNorm2d(2)
    norm(torch.randn(4, 2, 3, 3))
    found.num_batches_tracked = torch.tensor(7)
    old = {name: tensor for name, tensor in norm.state_dict().items() if name != "num_batches_tracked"}
    torch.save(old, tmp_path / "old.pth")
    load_state(found, tmp_path / "old.pth", "a norm")
    assert found.num_batches_tracked == 7
    assert torch.equal(found.state_dict()["running_mean"], norm.state_dict()["running_mean"])


def test_weights_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """safetensors writes to a file of its own beside the one that it is given, and has an error of its own."""

    def refuse(tensors: dict[str, Tensor], path: Path) -> None:
        path.write_bytes(b"half")
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(weights, "save_file", refuse)
    with pytest.raises(OSError, match="cannot write .*Free some space"):
        save_weights(nn.Linear(100, 100), tmp_path / "w.safetensors")
    assert not list(tmp_path.iterdir())


def test_own_tensors_are_read_as_strictly(tmp_path: Path) -> None:
    file = tmp_path / "shard.safetensors"
    save_tensors({"a": torch.ones(2), "b": torch.zeros(2, 3)}, file)
    assert load_tensors(file, "a shard", ["a", "b"], 2)["b"].shape == (2, 3)
    for names, n, message in [
        (["a"], None, r"holds \['a', 'b'\], expected \['a'\]"),
        (["a", "b"], 3, "a has 2 values, expected 3"),
    ]:
        with pytest.raises(AssetError, match=f"a shard: .*shard.safetensors.*{message}. Delete .* it is made anew"):
            load_tensors(file, "a shard", names, n)
    save_tensors({"a": torch.tensor([1.0, float("inf")])}, file)
    with pytest.raises(AssetError, match="a holds values that are not finite"):
        load_tensors(file, "a shard", ["a"])
