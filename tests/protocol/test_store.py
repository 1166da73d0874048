"""Rows are kept, replaced by key, and never lost."""

import errno
import json
import multiprocessing
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cgnreport.protocol import store
from cgnreport.protocol.provenance import join_provenance
from cgnreport.protocol.rows import COLUMNS, ResultsError
from cgnreport.protocol.store import every_seed, keep, load, taken_from_published

pytestmark = pytest.mark.usefixtures("build")


@pytest.fixture
def file(build: Path) -> Path:
    return build / "results" / "quick" / "mnist-ood.csv"


def test_a_row_comes_back_as_it_went(row, file: Path) -> None:
    kept = keep([row(value=84.123456789012345, params={"b": 2, "a": [1]}, seconds=1.5)])
    frame = load("quick", "mnist-ood")
    for line in (kept.iloc[0], frame.iloc[0]):
        assert line["value"] == 84.123456789012345
        assert line["params"] == '{"a":[1],"b":2}'
        assert line["code"]
        assert line["seconds"] == 1.5
    assert file.is_file()


def test_the_same_number_is_replaced_and_others_stay(row) -> None:
    keep([row(), row(seed=1), row(params={"cf_ratio": 5}), row(epoch="best"), row(experiment="mnist-indomain")])
    kept = keep([row(value=90.0, n=5_000, device="cuda")])
    assert kept["value"].tolist() == [90.0]
    assert sorted(load("quick", "mnist-ood")["value"]) == [84.0, 84.0, 84.0, 90.0]
    assert len(load("quick")) == 5


def test_a_whole_measurement_leaves_no_number_of_the_one_before(row) -> None:
    keep([row(metric="accuracy/test"), row(metric="training/stopped", value=0.0), row(seed=1)], whole=True)
    keep([row(metric="training/stopped", value=100.0)], whole=True)
    left = load("quick", "mnist-ood")
    found = left[["seed", "metric", "value"]].to_numpy().tolist()
    assert found == [[1, "accuracy/test", 84.0], [0, "training/stopped", 100.0]]


def test_no_published_number_stands_beside_those_of_a_measurement_made_here(row, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(store, "project_root", lambda: tmp_path)
    there = keep([row(metric="accuracy/test"), row(metric="accuracy/train"), row(seed=1)])
    shutil.copytree(store.own_folder("quick"), store.published_folder("quick"))
    assert len(load("quick", "mnist-ood")) == len(there) == 3
    keep([row(metric="training/stopped", value=100.0)], whole=True)
    assert load("quick", "mnist-ood")["metric"].tolist() == ["accuracy/test", "training/stopped"]


def test_no_rows_are_kept_as_no_rows(build: Path) -> None:
    kept = keep([])
    assert kept.empty and set(COLUMNS) <= set(kept.columns)
    assert not build.exists()
    with pytest.raises(ResultsError, match="unknown profile"):
        load("fast")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text.replace("metric", "metrik"), "unknown columns"),
        (lambda text: text[:-20], "at line 2"),
        (lambda text: "", "columns are not those"),
        (lambda text: text.replace("84.0", "nan"), "value 'nan' is no number"),
        (lambda text: text.replace(",10000,0,", ",ten,0,"), r"at line 2: n 'ten' is no whole number\. Delete"),
        (lambda text: text.replace("{", "["), "is no JSON object"),
    ],
)
def test_a_damaged_file_is_named_and_left_alone(row, file: Path, damage, message: str) -> None:
    keep([row()])
    file.write_text(damage(file.read_text()))
    before = file.read_text()
    for attempt in (lambda: load("quick", "mnist-ood"), lambda: keep([row()])):
        with pytest.raises(ResultsError, match=rf"mnist-ood\.csv is damaged.*{message}"):
            attempt()
    assert file.read_text() == before


def test_a_file_that_cannot_be_read_is_named(file: Path) -> None:
    file.mkdir(parents=True)
    with pytest.raises(ResultsError, match=r"cannot read .*mnist-ood\.csv: Is a directory"):
        load("quick", "mnist-ood")


def test_the_table_of_published_numbers_is_restored_by_its_path(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(store, "project_root", lambda: tmp_path)
    with pytest.raises(ResultsError, match="'git checkout results'"):
        store.published()


def test_a_full_disk_loses_nothing(row, file: Path, monkeypatch) -> None:
    keep([row()])

    def fail(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(ResultsError, match="Rows kept before are untouched"):
            keep([row(seed=1)])
    assert len(load("quick", "mnist-ood")) == 1
    assert not list(file.parent.glob(".*.partial"))
    keep([row(seed=1)])
    assert len(load("quick", "mnist-ood")) == 2


def test_a_folder_that_cannot_be_made_is_one_error(row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setenv("CGN_BUILD", str(tmp_path / "taken"))
    with pytest.raises(ResultsError, match="CGN_BUILD"):
        keep([row()])


def _write(folder: str, row: Any, writer: int) -> None:
    os.environ["CGN_BUILD"] = folder
    for seed in range(5):
        keep([type(row)(**{**row.__dict__, "seed": seed, "params": {"writer": writer}})])


def test_concurrent_writers_lose_nothing(row, build: Path) -> None:
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(_write, [str(build)] * 3, [row()] * 3, range(3)))
    assert len(load("quick", "mnist-ood")) == 15


def test_published_runs_fill_in_what_this_machine_has_not_computed(
    row, build: Path, tmp_path: Path, monkeypatch
) -> None:
    keep([row(value=1.0), row(seed=1, value=2.0)])
    (tmp_path / "project").mkdir()
    (build / "results").rename(tmp_path / "project" / "results")
    monkeypatch.setattr(store, "project_root", lambda: tmp_path / "project")
    keep([row(value=3.0)])
    assert load("quick", "mnist-ood", published=False)["value"].tolist() == [3.0]
    assert load("quick", "mnist-ood", own=False)["value"].tolist() == [1.0, 2.0]
    both = load("quick", "mnist-ood")
    assert sorted(both["value"]) == [2.0, 3.0]
    assert taken_from_published(both) == 1
    assert load("quick", "mnist-gradcam").empty


def test_all_seeds_of_a_setting_come_together(row) -> None:
    keep([row(seed=0, params={"epochs": 2}), row(seed=1, params={"epochs": 2}), row(seed=2, params={"epochs": 9})])
    keep([row(seed=1, params={"epochs": 2}, metric="training/stopped", value=100.0)])
    kept = load("quick", "mnist-ood")
    found = every_seed(kept.loc[kept["seed"] == 0])
    assert sorted(set(found["seed"])) == [0, 1], "the third has another setting"
    assert set(found["metric"]) == {"accuracy/test", "training/stopped"}
    assert every_seed(kept.iloc[:0]).empty


def test_runs_of_two_machines_join() -> None:
    here, there = {"code": "a", "cpu": "here"}, {"code": "a", "cpu": "there"}
    earlier, later = json.dumps([there]), json.dumps([here])
    both = join_provenance(earlier, later)
    assert json.loads(both) == [there, here]
    assert join_provenance(both, later) == both, "publishing twice changes nothing"
    assert json.loads(join_provenance("damaged", later)) == [here]


def test_provenance_names_machine_and_versions(row, file: Path) -> None:
    keep([row()])
    keep([row(seed=1)])
    runs = json.loads((file.parent / "provenance.json").read_text())
    assert len(runs) == 1, "the same machine and code are one record"
    assert {"code", "cpu", "instruction_sets", "threads", "python", "libraries"} <= set(runs[0])
    assert "numpy" in runs[0]["libraries"]
