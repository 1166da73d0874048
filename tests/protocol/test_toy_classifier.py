"""The toy world's Tables 4, 5 and 7, and what is measured of any three-headed classifier: every step real."""

import re
from dataclasses import replace

import pandas as pd
import pytest
import torch

from cgnlib.errors import TrainingStopped, needed
from cgnlib.imagenet.names import OUTPUTS
from cgnreport.protocol import ensembles, experiments, store, toy_world
from cgnreport.protocol import toy_classifier as module
from cgnreport.protocol.ensembles import gap_change
from cgnreport.protocol.experiments import collected
from cgnreport.protocol.parameters import IMAGENET_METHODS, Parameters
from cgnreport.protocol.rows import select
from cgnreport.protocol.toy_classifier import ClassifierStudy
from cgnreport.protocol.toy_settings import GRID_RATES, GRID_RATIOS

SMALL = Parameters.of(
    {
        "profile": "smoke",
        "imagenet_updates": 1,
        "imagenet_train_images": 32,
        "imagenet_counterfactuals": 32,
        "imagenet_test_images": 50,
        "imagenet_classifier_epochs": 1,
        "imagenet_classifier_seeds": 2,
    }
)


@pytest.fixture
def study(build) -> ClassifierStudy:
    return ClassifierStudy(SMALL, device="cpu")


def value(rows: pd.DataFrame, metric: str, **wanted: object) -> float:
    return float(select(rows, metric=metric, **wanted)["value"].item())


# --- Change of the gap ------------------------------------------------------------------------------------------------


def test_change_of_the_gap_by_hand() -> None:
    """Image by image ours minus base: 1 - 0, -1 - 0, 0 - 1, 0 - (-1), 0 - 0: the mean is 0."""
    ours = {"mixed-same": torch.tensor([1, 0, 1, 0, 0]) > 0, "mixed-rand": torch.tensor([0, 1, 1, 0, 0]) > 0}
    base = {"mixed-same": torch.tensor([1, 0, 1, 0, 1]) > 0, "mixed-rand": torch.tensor([1, 0, 0, 1, 1]) > 0}
    found = gap_change(ours, base)
    assert found.value == 0
    assert found.low < 0 < found.high
    # Their variance is 4 / 5, so the deviation of the mean of five is 0.4.
    assert found.high - found.low == pytest.approx(2 * 1.96 * 0.4, abs=0.15)
    assert gap_change(ours, ours) == replace(found, value=0.0, low=0.0, high=0.0)
    wide = {"mixed-same": torch.ones(5) > 0, "mixed-rand": torch.tensor([1, 0, 0, 0, 1]) > 0}  # a gap of 0.6
    assert gap_change({"mixed-same": wide["mixed-rand"], "mixed-rand": wide["mixed-same"]}, wide).value == -1.2


def test_results_on_other_images_are_refused() -> None:
    ours = {"mixed-same": torch.ones(4) > 0, "mixed-rand": torch.ones(3) > 0}
    with pytest.raises(ValueError, match=r"four results on the same images, not \[4, 3, 4, 3\]"):
        gap_change(ours, ours)


# --- What methods add -------------------------------------------------------------------------------------------------


def test_what_methods_add(study: ClassifierStudy) -> None:
    assert study.generated("original") is None
    free, tied = study.generated("original+oracle"), study.generated("original+gan")
    assert free is not None and tied is not None
    for added in (free, tied):
        assert added.images.shape == (32, 3, 64, 64) and added.images.dtype == torch.uint8
        assert added.labels.shape == (32, 3) and added.labels.min() >= 0 and added.labels.max() < 10
    assert (tied.labels == tied.labels[:, :1]).all()
    assert (free.labels[:, 0] == free.labels[:, 1]).float().mean() < 0.5
    assert study.generated("original+gan") is tied
    with pytest.raises(ValueError, match="unknown method 'original\\+cnn'"):
        study.generated("original+cnn")


# --- Rows -------------------------------------------------------------------------------------------------------------


def test_rows_that_are_there_take_no_network_and_no_image(build, monkeypatch: pytest.MonkeyPatch) -> None:
    for where, name in ((module, "build"), (ensembles, "ensemble"), (module, "toy_cgn"), (module, "toy_parts")):
        monkeypatch.setattr(where, name, lambda *_, name=name: pytest.fail(f"{name} was called"))
    study = ClassifierStudy(Parameters.load("paper"))
    for method in IMAGENET_METHODS:
        for rows in (study.background_rows(method), study.indomain_rows(method), study.shape_bias_rows(method)):
            assert sorted(needed(rows)["seed"].unique()) == [0, 1, 2, 3, 4]
    assert [len(needed(cell)) for cell in study.grid_rows()] == [11] * 9
    with pytest.raises(pytest.fail.Exception, match="was called"):
        study.head_map_rows("original")


def test_a_method_whose_cgn_cannot_be_trained_is_blocked(study: ClassifierStudy, monkeypatch) -> None:
    def stop(*_: object) -> None:
        raise TrainingStopped("the masks collapsed")

    monkeypatch.setattr(module, "toy_cgn", stop)
    assert str(study.background_rows("original+cgn")) == "toy, original+cgn, recipe toy: the masks collapsed"
    grid = ClassifierStudy(SMALL.with_changes(imagenet_grid=True), "cpu")
    monkeypatch.setattr(module, "GRID_RATIOS", (1.0,))
    assert [str(cell) for cell in grid.grid_rows()] == [
        f"learning rate {rate:g}, CF ratio 1: toy, original+cgn, recipe toy: the masks collapsed" for rate in GRID_RATES
    ]


@pytest.mark.slow
def test_rows_of_a_method(study: ClassifierStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = needed(study.background_rows("original+oracle"))
    assert set(rows["n"]) == {50} and set(rows["seed"]) == {0, 1}
    images = study.test_set("mixed-rand")
    logits = study.network("original+oracle", 0).read(images.images)
    right = (logits.shape_texture.argmax(1) == images.shape).float().mean().item()
    found = value(rows, "accuracy/mixed-rand", seed=0, epoch="last", output="shape_texture")
    assert found == pytest.approx(100 * right)

    monkeypatch.setattr(ensembles, "train_ensemble", None)  # calling it would be a TypeError
    again = needed(ClassifierStudy(SMALL.with_changes(reuse_rows=True)).background_rows("original+oracle"))
    assert sorted(again["value"]) == sorted(rows["value"])


@pytest.mark.slow
def test_shape_biases_are_of_the_toy_stimuli(study: ClassifierStudy) -> None:
    biases, images = needed(study.shape_bias_rows("original")), study.test_set("cue-conflict")
    decided = study.network("original", 1).read(images.images).texture.argmax(1)
    shape, texture = (decided == images.shape).sum().item(), (decided == images.texture).sum().item()
    of = {"seed": 1, "epoch": "last", "output": "texture"}
    assert value(biases, "decided", **of) == pytest.approx(100 * (shape + texture) / 50)
    if shape + texture:
        assert value(biases, "shape-bias", **of) == pytest.approx(100 * shape / (shape + texture))


@pytest.mark.slow
def test_the_grid_has_every_cell(study: ClassifierStudy) -> None:
    assert study.grid_rows() == []
    more = SMALL.with_changes(imagenet_grid=True, imagenet_counterfactuals=64)  # a batch at a CF ratio of 2
    rows, blocked = collected(ClassifierStudy(more, "cpu").grid_rows())
    assert not blocked
    for rate, ratio in [(rate, ratio) for rate in GRID_RATES for ratio in GRID_RATIOS]:
        cell = select(rows, lr=rate, cf_ratio=ratio)
        assert set(cell["method"]) == {"original+cgn" if ratio else "original"}
        assert value(cell, "best-epoch") == 1
        gap = value(cell, "accuracy/mixed-same", epoch="best") - value(cell, "accuracy/mixed-rand", epoch="best")
        assert value(cell, "bg-gap", epoch="best") == pytest.approx(gap)


@pytest.mark.slow
def test_heat_maps_are_kept_beside_their_rows(study: ClassifierStudy) -> None:
    assert study.head_map_tiles("original") == {}
    rows = needed(study.head_map_rows("original"))
    assert {"empty", "on-object", "on-object/uniform"} >= set(rows["metric"]) and set(rows["seed"]) == {0, 1}
    assert set(select(rows, metric="empty")["output"]) == set(OUTPUTS)
    uniform = select(rows, metric="on-object/uniform")
    assert set(uniform["unit"]) == {"fraction"} and max(uniform["value"]) < 1
    tiles = study.head_map_tiles("original")
    assert set(tiles) == set(OUTPUTS)
    assert {maps.shape for maps in tiles.values()} == {(8, 64, 64)}
    assert all(maps.min() >= 0 and maps.max() <= 1 for maps in tiles.values())


@pytest.mark.slow
def test_one_run_of_another_seed_by_the_command(
    build, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(experiments.Parameters, "load", lambda profile, changes: SMALL.with_changes(**changes))
    assert toy_world.main(["--profile", "smoke", "--seed", "3", "--part", "original", "--part", "original+oracle"]) == 0
    assert re.fullmatch(r"toy original\+oracle 3: BG-gap -?\d+\.\d points \(n = 50\)\n", capsys.readouterr().out)
    rows = select(store.load("smoke", "imagenet-background", published=False), metric="accuracy/mixed-both")
    assert set(rows["seed"]) == set(rows["data_seed"]) == {3} and {*rows["output"]} == {"avg", "shape", "shape_texture"}
