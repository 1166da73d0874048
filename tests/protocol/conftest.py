"""A row to vary, and the fixtures of the MNIST half."""

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pytest

from cgnlib.data.digits import Digits
from cgnreport.protocol.mnist import MnistStudy
from cgnreport.protocol.parameters import Parameters
from cgnreport.protocol.rows import Row, frame_of
from tests.mnist.conftest import make_features

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


@pytest.fixture(scope="session")
def frame(row: Make) -> Callable[..., pd.DataFrame]:
    """`frame({"seed": 0}, {"seed": 1})`: a frame of rows with these changes."""
    return lambda *changes: frame_of([row(**change).cells() for change in changes])


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

    def study(**changes: Any) -> MnistStudy:
        made = MnistStudy(TINY.with_changes(**changes), device="cpu")
        made.digits, made.settings.digits = digits, digits.source
        made.features = make_features()
        return made

    return study
