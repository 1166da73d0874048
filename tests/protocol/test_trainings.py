"""CGNs trained one at a time, with their rows."""

from collections.abc import Callable

import pytest

from cgnlib.errors import Blocked, needed
from cgnlib.mnist.names import VARIANTS
from cgnreport.protocol import trainings
from cgnreport.protocol.mnist import MnistStudy, TrainedCGN
from cgnreport.protocol.mnist_experiments import course_samples
from cgnreport.protocol.mnist_settings import MnistSettings
from cgnreport.protocol.parameters import Parameters
from cgnreport.protocol.rows import select

Make = Callable[..., MnistStudy]


def test_one_cgn_of_the_published_recipe_and_its_classifiers(make: Make) -> None:
    control, *accuracies = (needed(rows) for rows in trainings.full_rows(make(), "double-colored"))
    assert set(control["recipe"]) == {"paper"}
    assert select(control, metric="training/stopped")["value"].tolist() == [0]
    assert [set(rows["method"]) for rows in accuracies] == [{"cgn"}, {"original+cgn"}]
    assert {"accuracy/test", "accuracy/train"} <= set(accuracies[0]["metric"])


def test_at_scale_paper_the_published_recipe_has_its_length() -> None:
    for variant in VARIANTS:
        setting = needed(MnistSettings(Parameters.load("paper"), full_data=True).control(variant, "paper"))
        assert setting.params["cgn_images"] == 750_000


def test_a_training_that_stopped_has_a_row_and_no_classifiers(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TrainedCGN, "stopped", "masks collapsed at step 3")
    (rows,) = trainings.full_rows(make(), "double-colored")
    assert needed(rows)[["metric", "value"]].values.tolist() == [["training/stopped", 100]]


def test_a_cgn_that_cannot_be_trained_is_one_line(
    make: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trainings, "MnistStudy", lambda parameters: make())
    monkeypatch.setattr(trainings, "control_rows", lambda *_: Blocked("missing textures", "get them"))
    with pytest.raises(SystemExit, match="1"):
        trainings.main(["--part", "wildlife:full"])
    assert capsys.readouterr().err == "not tested: missing textures: get them\n"


def test_the_command_trains_one_cgn_of_a_changed_recipe(
    make: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trainings, "MnistStudy", lambda parameters: make())
    assert trainings.main(["--part", "double-colored:no-masks"]) == 0
    said = capsys.readouterr().out
    assert "mnist-training double-colored cgn no-masks 0 accuracy/dev:" in said


def test_the_course_of_a_training_of_the_published_recipe_is_kept(make: Make) -> None:
    study = make()
    assert course_samples(study.settings, "double-colored", 7) is None  # no CGN has this random seed
    trainings.full_rows(study, "double-colored")
    tiles = course_samples(study.settings, "double-colored", 0)
    assert tiles is not None and tiles.shape[1:] == (10, 3, 32, 32)
    assert len(tiles) == 2 * 4  # masks and images; of eight updates the first two shares are one
    assert (tiles[0::2] == tiles[0::2, :, :1]).all()  # masks are grey
