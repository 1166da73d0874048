"""ImageNet itself: what is missing is said, with what it takes; rows have the settings of the study."""

from pathlib import Path

import pytest
import torch

from cgnlib.errors import Blocked
from cgnlib.imagenet.sampling import stored_bytes
from cgnreport.protocol import imagenet_settings
from cgnreport.protocol.imagenet_settings import (
    DATASETS,
    NEEDED,
    SHAPE_BIAS,
    SHORT,
    TENSORFLOW,
    UNTRAINED,
    announcement,
    blocked,
    cgn_recipe,
    classifier,
    for_classifier,
    for_table_3,
    minutes,
    recipe_for,
    table_3,
)
from cgnreport.protocol.parameters import Parameters

PAPER = Parameters.load("paper")
AUTHORS, ALL = (PAPER.with_changes(imagenet_real=real) for real in ("authors", "all"))


@pytest.fixture
def nothing_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("CGN_CACHE", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "cache"))
    monkeypatch.setattr("cgnlib.data.finding.shared_folder", lambda: tmp_path / "none")


@pytest.fixture
def everything_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagenet_settings, "missing", lambda names, folder: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.parametrize("what", NEEDED)
def test_what_is_missing_is_named_with_its_command(what: str, nothing_there) -> None:
    found, unasked = blocked(what, ALL), blocked(what, PAPER)
    assert found and unasked
    assert found.reason.startswith("missing ") and "--fetch " in found.remedy
    assert unasked.reason.endswith("; not asked for in this run")
    assert unasked.remedy.endswith(f"; set imagenet_real: {'authors' if what in UNTRAINED else 'all'}")


def test_all_but_samples_ask_for_a_device_once_the_files_are_there(everything_there) -> None:
    assert blocked("samples", AUTHORS) is None
    assert str(blocked("table 3", AUTHORS)).startswith("missing a CUDA device")
    assert blocked("samples", PAPER) == Blocked("not asked for in this run", "set imagenet_real: authors")
    assert blocked("training", ALL.with_changes(imagenet_device="cpu")) is None


def test_nothing_is_trained_for_what_the_authors_weights_give(everything_there) -> None:
    on_cpu = AUTHORS.with_changes(imagenet_device="cpu")
    assert {what for what in NEEDED if not blocked(what, on_cpu)} == set(UNTRAINED)


def test_what_a_run_computes_is_announced_with_its_hours(everything_there) -> None:
    assert announcement(PAPER.with_changes(imagenet_device="cpu")) == []
    one = announcement(AUTHORS.with_changes(imagenet_device="cpu", imagenet_real_samples=25_000))
    assert one == ["Table 3 of the authors' CGN, 25,000 images: about 0.5 GPU hours"]
    asked = ALL.with_changes(imagenet_device="cpu", imagenet_real_seeds=5)
    _, cgn, _, theirs, own, trainings = announcement(asked)
    assert cgn == "the study's CGN, 500,000 images: about 30 GPU hours"
    assert theirs == "100,000 counterfactuals of the authors' CGN: about 2.0 GPU hours, 26 GB of disk"
    assert stored_bytes(256) == imagenet_settings.BYTES_PER_IMAGE
    assert own == theirs.replace("authors'", "study's")
    assert trainings == "15 trainings of ResNet-50: about 60 to 120 GPU hours"
    grid = announcement(asked.with_changes(imagenet_real_grid=True))[-1]
    assert grid == "7 more for Table 7: about 28 to 56 GPU hours"


def test_a_cluster_is_asked_for_the_hours_of_each_page(everything_there) -> None:
    """The login node needs no GPU: hours are those of the machine that will have one."""
    assert announcement(ALL) == [] and minutes(PAPER, "07-claim1-imagenet") == 0
    pages = ("06-cf-ratio", "07-claim1-imagenet", "08-claim2-imagenet", "09-claim3-imagenet")
    assert [minutes(ALL, page) for page in pages] == [0, 2_880, 5_220, 5_220]  # 32 and 58 hours, and half as many more
    assert [minutes(AUTHORS, page) for page in pages] == [0, 90, 0, 0]


def test_a_method_needs_its_own_files_alone() -> None:
    assert "authors-imagenet" not in for_classifier("original") and "biggan" in for_classifier(SHORT)
    assert "cue-conflict" in for_classifier("original", SHAPE_BIAS)
    assert for_table_3("paper", TENSORFLOW) == ("biggan", "u2net", "vgg16", "inception-tf")


def test_lengths_are_parameters() -> None:
    short = PAPER.with_changes(imagenet_real_epochs=3, imagenet_real_updates=2, imagenet_real_counterfactuals=64)
    assert (recipe_for("original", short).epochs, recipe_for("original", short).decay_epochs) == (3, 1)
    assert classifier(short, "imagenet-indomain", "original+cgn").params["generated"] == 64
    assert cgn_recipe(short).images == 5_000 and table_3(short, "cgn", "paper").params["cgn_updates"] == 2


def test_settings_are_the_studys() -> None:
    assert (recipe_for("original", PAPER).cf_ratio, recipe_for("original+cgn", PAPER).cf_ratio) == (0, 2)
    rows = [classifier(PAPER, experiment, "original+cgn") for experiment in DATASETS]
    data = ["imagenet-mini+imagenet-9", "imagenet-mini", "imagenet-mini+cue-conflict", "imagenet-mini+imagenet-9"]
    assert [each.data for each in rows] == data
    assert {(each.recipe, each.params["epochs"], each.params["generated"]) for each in rows} == {
        ("authors", 30, 100_000)
    }
    assert table_3(PAPER, "biggan", "paper").recipe == "-" and table_3(PAPER, "cgn", "paper").params["cgn_seed"] == 0
    own = classifier(PAPER, "imagenet-background", SHORT)
    assert (own.recipe, own.params["cgn_updates"], own.params["cf_ratio"]) == ("paper", 200, 2)
    assert cgn_recipe(PAPER).interval == (0.03, 0.9)  # as in the study's code
