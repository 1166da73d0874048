"""ImageNet itself: what is missing is said, with what it takes; rows have the settings of the study."""

from pathlib import Path

import pytest
import torch

from cgnlib.errors import Blocked
from cgnreport.protocol import imagenet_settings
from cgnreport.protocol.imagenet_settings import DATASETS, NEEDED, blocked, classifier, recipe_for, table_3
from cgnreport.protocol.parameters import Parameters

PAPER, QUICK = Parameters.load("paper"), Parameters()


@pytest.fixture
def nothing_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("CGN_CACHE", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "cache"))
    monkeypatch.setattr("cgnlib.data.finding.shared_folder", lambda: tmp_path / "none")


@pytest.mark.parametrize("what", NEEDED)
def test_what_is_missing_is_named_with_its_command(what: str, nothing_there) -> None:
    found, elsewhere = blocked(what, PAPER), blocked(what, QUICK)
    assert found and elsewhere
    assert found.reason.startswith("missing ") and "--fetch " in found.remedy
    assert elsewhere.reason.endswith("; not part of scale quick")
    assert "; run scale paper" in elsewhere.remedy


def test_all_but_samples_ask_for_a_gpu_once_the_files_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagenet_settings, "missing", lambda names, folder: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert blocked("samples", PAPER) is None
    assert str(blocked("table 3", PAPER)).startswith("missing a CUDA device")
    assert blocked("samples", QUICK) == Blocked("not part of scale quick", "run scale paper")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert blocked("imagenet-indomain", PAPER) is None


def test_settings_are_the_studys() -> None:
    assert (recipe_for("original").cf_ratio, recipe_for("original+cgn").cf_ratio) == (0, 2)
    rows = [classifier(PAPER, experiment, "original+cgn") for experiment in DATASETS]
    data = ["imagenet-mini+imagenet-9", "imagenet-mini", "imagenet-mini+cue-conflict"]
    assert [each.data for each in rows] == data
    assert {(each.recipe, each.params["epochs"], each.params["generated"]) for each in rows} == {
        ("authors", 30, 100_000)
    }
    assert table_3(PAPER, "biggan", "paper").recipe == "-" and table_3(PAPER, "cgn", "paper").params["cgn_seed"] == 0
