"""A row to vary, and the fixtures of the MNIST half."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cgnlib.data.digits import Digits
from cgnlib.data.finding import find_authors_weights
from cgnlib.features import PerceptualFeatures
from cgnreport.protocol.mnist import MnistStudy
from cgnreport.protocol.parameters import Parameters
from cgnreport.protocol.rows import Row

Make = Callable[..., Row]


@pytest.fixture(scope="session")
def row() -> Make:
    """`row(value=90.0, seed=1)`: a row of mnist-ood with these changes."""

    def make(**changes: Any) -> Row:
        given: dict[str, Any] = {
            "experiment": "mnist-ood", "dataset": "wildlife", "method": "cgn", "recipe": "authors",
            "metric": "accuracy/test", "epoch": "last", "value": 84.0, "n": 10_000, "seed": 0, "profile": "quick",
            "data": "mnist-full+dtd", "params": {"cf_ratio": 1},
        }  # fmt: skip
        return Row(**(given | changes))

    return make


TINY = Parameters.load(
    "smoke",
    {
        "cgn_images": 128, "gan_images": 128, "features": "efficientnet-lite0", "train_images": 80, "test_images": 40,
        "counterfactuals": 70, "classifier_batch": 32, "reader_images": 100, "control_samples": 200,
        "ratio_values": [1, 5, 20], "training_images": 64,
    },
)  # fmt: skip


@pytest.fixture(scope="module")
def build_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One build folder for the module: what one test trains, another loads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CGN_BUILD", str(tmp_path_factory.mktemp("study")))
        yield


@pytest.fixture
def make(build_once: None, digits: Digits) -> Callable[..., MnistStudy]:
    """A study on the embedded digits with small features; keywords change its parameters."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        blocks = [nn.Sequential(nn.Conv2d(c, 4, 3, 2, 1), nn.ReLU()) for c in (3, 4, 4, 4)]

    def study(**changes: Any) -> MnistStudy:
        made = MnistStudy(TINY.with_changes(**changes), device="cpu")
        made.digits, made.settings.digits = digits, digits.source
        made.features = PerceptualFeatures("tiny", blocks)
        return made

    return study


@pytest.fixture(scope="session")
def authors_file() -> Callable[[str], Path]:
    """Path of the authors' weights of a variant; the test is skipped where they are not there."""

    def find(variant: str) -> Path:
        path = find_authors_weights(variant)
        return path or pytest.skip(f"the authors' weights of {variant} are not there")

    return find
