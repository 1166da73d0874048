"""Rows of EfficientNet-Lite0 on the cue-conflict stimuli, from counts that are made up."""

from pathlib import Path

import pytest
import torch

from cgnlib.errors import Blocked, needed
from cgnlib.imagenet.names import CATEGORIES
from cgnlib.imagenet.normalisation import IMAGENET
from cgnlib.imagenet.shape_bias import ShapeBias, shape_bias
from cgnreport.protocol import cue_conflict as module
from cgnreport.protocol.cue_conflict import bias_numbers, lite0_rows
from cgnreport.protocol.parameters import Parameters
from cgnreport.protocol.rows import select
from cgnreport.protocol.store import load

BEAR, DOG = CATEGORIES.index("bear"), CATEGORIES.index("dog")


def counted(*_: object, **__: object) -> ShapeBias:
    """Airplanes: 2 decisions for the shape, 1 for the texture, 1 other; one bear: other."""
    decided = torch.tensor([0, 0, BEAR, DOG, DOG])
    return shape_bias(decided, torch.tensor([0, 0, 0, 0, BEAR]), torch.tensor([BEAR, BEAR, BEAR, BEAR, 0]))


@pytest.fixture
def there(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "missing", lambda names, folder: None)
    monkeypatch.setattr(module, "require", lambda name, folder: Path())
    monkeypatch.setattr(module, "evaluate", counted)


def test_rows_carry_both_counts_and_the_decisions_as_n() -> None:
    assert {number.metric: (number.value, number.n, number.unit) for number in bias_numbers(counted())} == {
        "shape-bias": (pytest.approx(200 / 3), 3, "percent"),
        "decisions/shape": (2, 5, "images"),
        "decisions/texture": (1, 5, "images"),
        "shape-bias/category/airplane": (pytest.approx(200 / 3), 3, "percent"),
        "decisions/shape/category/airplane": (2, 4, "images"),
        "decisions/texture/category/airplane": (1, 4, "images"),
        "decisions/shape/category/bear": (0, 1, "images"),
        "decisions/texture/category/bear": (0, 1, "images"),
    }


def test_rows_of_a_part_say_so(there) -> None:
    rows = needed(lite0_rows(Parameters(seed=3), IMAGENET, enlarge=True))
    assert len(select(rows, stimuli=160, sample_seed=3, normalisation="imagenet", enlarge=True)) == len(rows) == 8
    assert rows["seed"].tolist() == [0] * 8 and all(seconds > 0 for seconds in rows["seconds"])


def test_published_rows_are_taken_before_stimuli_are_looked_for(build, monkeypatch, capsys) -> None:
    why = Blocked("missing cue-conflict", "fetch it")
    monkeypatch.setattr(module, "missing", lambda names, folder: why)
    paper = Parameters.load("paper")
    assert select(needed(lite0_rows(paper)), metric="decisions/shape")["n"].tolist() == [1200]
    assert [lite0_rows(paper.with_changes(reuse_rows=False))] == [why]
    with pytest.raises(SystemExit) as error:
        module.main([])
    assert error.value.code == 1
    assert "not tested: missing cue-conflict: fetch it" in capsys.readouterr().err


def test_command_keeps_rows_of_both_sizes(there, capsys: pytest.CaptureFixture[str]) -> None:
    assert module.main(["--profile", "quick"]) == 0
    rows = select(load("quick", "imagenet-shape-bias", published=False), metric="shape-bias", stimuli="all")
    assert set(zip(rows["normalisation"], rows["enlarge"], strict=True)) == {
        (normalisation, enlarge) for normalisation in ("lite", "imagenet") for enlarge in (False, True)
    }
    said = capsys.readouterr().out
    assert '{"enlarge":true,"normalisation":"lite","stimuli":"all"} shape-bias: 66.67 percent (n = 3)' in said
