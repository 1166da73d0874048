"""Files of weights that hold something else, or tensors that are no weights."""

import pickle
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from cgnlib.features import perceptual_features
from cgnlib.imagenet.networks import squeezenet
from cgnlib.training.weights import load_state
from tests.inputs.cases import Cases
from tests.training.test_weights import Evil

cases = Cases("weights")
Patch = pytest.MonkeyPatch


def state(**changes: Any) -> dict[str, Any]:
    """Of a batch norm over two channels, with these changes."""
    norm = nn.BatchNorm2d(2)
    return dict(norm.state_dict()) | changes


def loaded(content: object, folder: Path, patch: Patch) -> None:
    patch.chdir(folder)
    torch.save(content() if callable(content) else content, folder / "weights.pth")
    load_state(nn.BatchNorm2d(2), folder / "weights.pth", "a layer")


def written(content: bytes, suffix: str, folder: Path, patch: Patch) -> None:
    (folder / f"weights{suffix}").write_bytes(content)
    load_state(nn.BatchNorm2d(2), folder / f"weights{suffix}", "a layer")


def cut(folder: Path, patch: Patch, suffix: str = ".pth") -> None:
    file = folder / f"weights{suffix}"
    if suffix == ".pth":
        torch.save(state(), file)
    else:
        save_file(state(), file)
    file.write_bytes(file.read_bytes()[:-200] if suffix == ".pth" else file.read_bytes()[:-4])
    load_state(nn.BatchNorm2d(2), file, "a layer")


def quantised() -> Mapping[str, Any]:
    return state(weight=torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8))


two = torch.ones(2)
CONTENTS = {
    "code": ("Weights that would run code when they are read", {"weight": Evil()}),
    "list": ("A list instead of weights", [1, 2]),
    "nested": ("A checkpoint with the weights inside", {"epoch": 3, "state_dict": state()}),
    "inside": ("Weights inside another dictionary", {"state_dict": state()}),
    "whole-keys": ("Weights by number instead of name", {0: two}),
    "missing": ("Weights of which one is missing", {"weight": two}),
    "other": ("Weights of another network", state(head=two)),
    "twice": ("Weights of two networks in one file", state(**{"module.weight": two})),
    "shape": ("A weight of another shape", state(bias=torch.ones(3))),
    "nan": ("A weight of NaN", state(bias=torch.tensor([1.0, float("nan")]))),
    "inf": ("A weight of inf", state(bias=torch.tensor([1.0, float("inf")], dtype=torch.float16))),
    "overflow": ("A weight that float32 cannot hold", state(bias=torch.tensor([1.0, 1e300], dtype=torch.float64))),
    "int8": ("Weights of whole numbers", state(weight=two.to(torch.int8))),
    "bool": ("Weights of yes and no", state(weight=two.bool())),
    "complex": ("Complex weights", state(weight=two.to(torch.complex64))),
    "float8": ("Weights of 8 bits", state(weight=two.to(torch.float8_e4m3fn))),
    "quantised": ("Quantised weights", quantised),
    "sparse": ("Sparse weights", state(weight=two.to_sparse())),
    "variance": ("A negative running variance", state(running_var=torch.tensor([1.0, -0.5]))),
    "count": ("A negative count of batches", state(num_batches_tracked=torch.tensor(-1))),
    "count-float": ("A count of batches in floating point", state(num_batches_tracked=torch.tensor(1.0))),
}
for name, (thing, content) in CONTENTS.items():
    cases.add(name, thing, partial(loaded, content))
cases.add("page", "A web page instead of weights", partial(written, b"<html>quota</html>", ".pth"))
cases.add("empty", "An empty file instead of weights", partial(written, b"", ".pth"))
cases.add("pickle", "A pickle instead of weights", partial(written, pickle.dumps({"a": 1}), ".safetensors"))
cases.add("cut", "Weights that break off", cut)
cases.add("cut-safetensors", "A .safetensors file that breaks off", partial(cut, suffix=".safetensors"))


@cases("No file of weights")
def nowhere(folder: Path, patch: Patch) -> None:
    load_state(nn.BatchNorm2d(2), folder / "weights.pth", "a layer")


@cases("Another file in the place of VGG16, which is asked for")
def vgg16(folder: Path, patch: Patch) -> None:
    file = folder / "torch" / "hub" / "checkpoints" / "vgg16-397923af.pth"
    file.parent.mkdir(parents=True)
    file.write_bytes(bytes(1000))
    perceptual_features("vgg16")


@cases("An ncnn file of another network")
def ncnn(folder: Path, patch: Patch) -> None:
    (folder / "x.bin").write_bytes(bytes(1000))
    squeezenet(folder / "x.bin")
