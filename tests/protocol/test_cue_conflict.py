"""Rows on the cue-conflict stimuli, from decisions that are made up."""

from pathlib import Path

import pytest
import torch
from torch import nn

from cgnlib.errors import Blocked, needed
from cgnlib.imagenet.cue_conflict import read_record
from cgnlib.imagenet.names import CATEGORIES
from cgnlib.imagenet.networks import NORMALISATIONS, Pretrained
from cgnlib.imagenet.normalisation import IMAGENET, LITE
from cgnlib.imagenet.shape_bias import Trials
from cgnlib.statistics import Unit
from cgnreport.protocol import cue_conflict as module
from cgnreport.protocol.cue_conflict import bias_numbers, network_rows, record_rows
from cgnreport.protocol.experiments import collected
from cgnreport.protocol.parameters import Parameters
from cgnreport.protocol.rows import select
from cgnreport.protocol.store import load
from cgnreport.protocol.summary import interval_of

BEAR, DOG = CATEGORIES.index("bear"), CATEGORIES.index("dog")


def counted(*_: object, **__: object) -> Trials:
    """Airplanes: 2 decisions for the shape, 1 for the texture, 1 other; one bear: other."""
    shapes, textures = torch.tensor([0, 0, 0, 0, BEAR]), torch.tensor([BEAR, BEAR, BEAR, BEAR, 0])
    names = (
        ["airplane1", "airplane2", "airplane1", "airplane2", "bear1"],
        ["bear1", "bear2", "bear2", "bear1", "airplane1"],
    )
    return Trials(torch.tensor([0, 0, BEAR, DOG, DOG]), shapes, textures, *names)


@pytest.fixture
def there(build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "missing", lambda names, folder: None)
    monkeypatch.setattr(module, "require", lambda name, folder: tmp_path / "data" / name)
    monkeypatch.setattr(
        module, "pretrained", lambda name, folder: Pretrained(name, nn.Identity(), 224, LITE, nn.Identity())
    )
    monkeypatch.setattr(module, "evaluate", counted)


def test_rows_carry_both_counts_the_decisions_as_n_and_crossed_intervals() -> None:
    numbers = {number.metric: number for number in bias_numbers(counted())}
    answers = {name: numbers.pop(f"answers/{name}").value for name in CATEGORIES}
    assert (answers["airplane"], answers["bear"], answers["dog"], sum(answers.values())) == (40, 20, 40, 100)
    assert {metric: (number.value, number.n, number.unit) for metric, number in numbers.items()} == {
        "shape-bias": (pytest.approx(200 / 3), 3, "percent"),
        "decisions/shape": (2, 5, "images"),
        "decisions/texture": (1, 5, "images"),
        "shape-bias/category/airplane": (pytest.approx(200 / 3), 3, "percent"),
        "decisions/shape/category/airplane": (2, 4, "images"),
        "decisions/texture/category/airplane": (1, 4, "images"),
        "decisions/shape/category/bear": (0, 1, "images"),
        "decisions/texture/category/bear": (0, 1, "images"),
    }
    assert (numbers["shape-bias"].low, numbers["shape-bias"].high) == (0, 100)


def test_rows_of_a_part_say_so(there) -> None:
    rows = needed(network_rows(Parameters(seed=3), normalisation=IMAGENET, enlarge=True))
    assert len(select(rows, stimuli=160, sample_seed=3, normalisation="imagenet", enlarge=True)) == len(rows) == 24
    assert interval_of(select(rows, metric="shape-bias")).unit is Unit.CROSSED
    assert rows["seed"].tolist() == [0] * 24 and all(seconds > 0 for seconds in rows["seconds"])


def test_published_rows_are_taken_before_stimuli_are_looked_for(build, monkeypatch, capsys) -> None:
    why = Blocked("missing cue-conflict", "fetch it")
    monkeypatch.setattr(module, "missing", lambda names, folder: why)
    paper = Parameters.load("paper")
    assert select(needed(network_rows(paper)), metric="decisions/shape")["n"].tolist() == [1200]
    assert [network_rows(paper.with_changes(reuse_rows=False))] == [why]
    with pytest.raises(SystemExit) as error:
        module.main(["--part", "networks"])
    assert error.value.code == 1
    assert "not tested: missing cue-conflict: fetch it" in capsys.readouterr().err


def test_command_keeps_rows_of_both_sizes(there, capsys: pytest.CaptureFixture[str]) -> None:
    assert module.main(["--profile", "quick"]) == 0
    rows = select(load("quick", "imagenet-shape-bias", published=False), metric="shape-bias", stimuli="all")
    ways = set(zip(rows["method"], rows["normalisation"], rows["enlarge"], strict=True))
    lite0 = {("efficientnet-lite0", how, enlarge) for how in ("lite", "imagenet") for enlarge in (False, True)}
    assert ways == lite0 | {(name, how.name, False) for name, how in NORMALISATIONS.items()}
    assert '"normalisation":"lite","stimuli":"all"}: 66.7 % [0.0, 100.0] (n = 3)' in capsys.readouterr().out


def test_records_are_read_once_each_and_named_by_source(build, tmp_path, monkeypatch) -> None:
    lines = "object_response,imagename\ncat,cat1-dog2.png\ndog,cat2-dog2.png\n"
    texts = {"subject-01": lines, "subject-10": lines, "resnet50": lines.replace("dog,", "cat,")}
    for name, text in (texts | {"mine": "x" * 200_000, "yours": "answer\n"}).items():
        file = tmp_path / "cue-conflict-trials" / "model-vs-human" / f"cue-conflict_{name}_session_1.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    read = []
    monkeypatch.setattr(module, "read_record", lambda file: read.append(file) or read_record(file))
    rows, lacking = collected(record_rows(Parameters(data_folder=str(tmp_path))))
    assert len(read) == len(set(read)) == 5
    assert [("mine_" in str(why), "yours_" in str(why)) for why in lacking] == [(True, False), (False, True)]
    bias = select(rows, metric="shape-bias", source="model-vs-human")
    assert dict(zip(bias["method"], bias["value"], strict=True)) == {"subject-01": 50.0, "resnet50": 100.0}
    again = collected(record_rows(Parameters(data_folder=str(tmp_path))))[0]
    assert len(again) == len(rows), "no rows of the same decisions, also where the first one's are kept already"
    monkeypatch.setattr(module, "missing", lambda names, folder: Blocked("missing records"))
    assert record_rows(Parameters(data_folder=str(tmp_path))) == [Blocked("missing records")]
