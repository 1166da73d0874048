"""Rows are checked, kept, replaced by key, and never lost."""

import errno
import json
import math
import multiprocessing
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cgnlib import results
from cgnlib.locking import LockHeld
from cgnlib.provenance import join_provenance
from cgnlib.results import COLUMNS, ResultsError, Row, append, beside_published, interval_of, load, select, summarise


@pytest.fixture(autouse=True)
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CGN_BUILD", str(tmp_path / "build"))
    return tmp_path / "build"


def row(**changes: Any) -> Row:
    given: dict[str, Any] = {
        "experiment": "mnist-ood", "dataset": "wildlife", "method": "cgn", "recipe": "authors",
        "metric": "accuracy/test/last", "value": 84.0, "n": 10_000, "seed": 0, "profile": "quick",
        "data": "mnist-full+dtd", "params": {"cf_ratio": 1},
    }  # fmt: skip
    return Row(**(given | changes))


def keep(*rows: Row) -> pd.DataFrame:
    append(rows, rows[0].profile, rows[0].experiment)
    return load(rows[0].profile, rows[0].experiment)


def test_a_row_comes_back_as_it_went(build: Path) -> None:
    frame = keep(row(value=84.123456789012345, params={"b": 2, "a": [1]}, seconds=1.5))
    assert tuple(frame.columns) == COLUMNS
    line = frame.iloc[0]
    assert line["value"] == 84.123456789012345
    assert line["params"] == '{"a":[1],"b":2}'
    assert line["code"]
    assert line["seconds"] == 1.5
    assert (build / "results" / "quick" / "mnist-ood.csv").is_file()


def test_the_same_number_is_replaced_and_others_stay() -> None:
    keep(row(), row(seed=1), row(params={"cf_ratio": 5}))
    frame = keep(row(value=90.0, n=5_000, device="cuda"))
    assert len(frame) == 3
    assert sorted(frame["value"]) == [84.0, 84.0, 90.0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"value": math.nan}, "value is nan"),
        ({"value": math.inf}, "value is inf"),
        ({"value": 100.1}, r"outside \[0, 100\] percent"),
        ({"value": 1.1, "unit": "fraction"}, r"outside \[0, 1\] fraction"),
        ({"method": "orignal"}, "did you mean 'original'"),
        ({"profile": "papr"}, "did you mean 'paper'"),
        ({"n": 0}, "n is 0"),
        ({"n": float("nan")}, "n is nan"),
        ({"n": None}, "n is None"),
        ({"value": None}, "value is None"),
        ({"seed": -1}, "seed is -1"),
        ({"data": ""}, "'data' is empty"),
        ({"experiment": "../x"}, "cannot name a file"),
        ({"params": {"a": object()}}, "cannot be kept"),
        ({"params": {"a": math.nan}}, "cannot be kept"),
    ],
)
def test_what_is_no_result_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ResultsError, match=words):
        row(**changes)


def test_unknown_columns_are_errors() -> None:
    with pytest.raises(TypeError, match="colour"):
        row(colour="red")


def test_a_row_goes_to_its_own_file_only() -> None:
    with pytest.raises(ResultsError, match="cannot go to"):
        append([row()], "quick", "mnist-indomain")
    with pytest.raises(ResultsError, match="unknown profile"):
        load("fast")


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace("metric", "metrik"),
        lambda text: text[:-20],
        lambda text: text.replace("84.0", "nan"),
        lambda text: "",
        lambda text: text.replace("84.0", "x"),
        lambda text: text.replace(",10000,", ",many,"),
        lambda text: text.replace(",10000,0,", ",10000,,"),
        lambda text: text.replace(",1.500", ",long"),
        lambda text: text.replace("{", "["),
    ],
)
def test_a_damaged_file_is_named_and_left_alone(build: Path, damage) -> None:
    keep(row(seconds=1.5))
    file = build / "results" / "quick" / "mnist-ood.csv"
    file.write_text(damage(file.read_text()))
    before = file.read_text()
    with pytest.raises(ResultsError, match=r"mnist-ood\.csv"):
        load("quick", "mnist-ood")
    with pytest.raises(ResultsError, match=r"mnist-ood\.csv"):
        append([row()], "quick", "mnist-ood")
    assert file.read_text() == before


def test_the_damaged_cell_is_named(build: Path) -> None:
    keep(row(), row(seed=1))
    file = build / "results" / "quick" / "mnist-ood.csv"
    file.write_text(file.read_text().replace(",10000,1,", ",ten,1,"))
    with pytest.raises(ResultsError, match=r"mnist-ood\.csv is damaged at line 3: n 'ten' is no whole number\. Delete"):
        load("quick", "mnist-ood")


def test_a_file_that_cannot_be_read_is_named(build: Path) -> None:
    (build / "results" / "quick" / "mnist-ood.csv").mkdir(parents=True)
    with pytest.raises(ResultsError, match=r"cannot read .*mnist-ood\.csv: Is a directory"):
        load("quick", "mnist-ood")


def test_no_rows_are_kept_as_no_rows(build: Path) -> None:
    kept = results.keep([])
    assert (len(kept), tuple(kept.columns)) == (0, COLUMNS)
    assert not build.exists()


def test_the_table_of_published_numbers_is_restored_by_its_path(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(results, "project_root", lambda: tmp_path)
    with pytest.raises(ResultsError, match="'git checkout results/published.csv'"):
        results.published()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO])
def test_a_full_or_read_only_folder_loses_nothing(build: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    keep(row())

    def fail(*_: Any) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(ResultsError, match="Rows kept before are untouched"):
            append([row(seed=1)], "quick", "mnist-ood")
    assert len(load("quick", "mnist-ood")) == 1
    assert not list((build / "results" / "quick").glob(".*.partial"))
    assert len(keep(row(seed=1))) == 2


def test_a_folder_that_cannot_be_made_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setenv("CGN_BUILD", str(tmp_path / "taken"))
    with pytest.raises(ResultsError, match="CGN_BUILD"):
        append([row()], "quick", "mnist-ood")


def _write(folder: str, writer: int) -> None:
    os.environ["CGN_BUILD"] = folder
    for seed in range(5):
        append([row(seed=seed, params={"writer": writer})], "quick", "mnist-ood")


def test_concurrent_writers_lose_nothing(build: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(str(build), number)) for number in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert len(load("quick", "mnist-ood")) == 15


def test_a_lock_left_behind_is_named_and_no_row_is_lost(build: Path, without_flock: None) -> None:
    assert len(keep(row())) == 1
    held = build / "results" / "quick" / ".mnist-ood.csv.held"
    assert not held.exists()
    held.touch()
    with pytest.raises(LockHeld, match=r"\.mnist-ood\.csv\.held; .*delete that file"):
        append([row(seed=1)], "quick", "mnist-ood")
    assert len(load("quick", "mnist-ood")) == 1


def test_published_runs_fill_in_what_this_machine_has_not_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(row(value=1.0), row(seed=1, value=2.0))
    shipped = tmp_path / "project" / "results"
    shipped.mkdir(parents=True)
    (tmp_path / "build" / "results" / "quick").rename(shipped / "quick")
    monkeypatch.setattr(results, "project_root", lambda: tmp_path / "project")
    keep(row(value=3.0))
    assert sorted(load("quick", "mnist-ood")["value"]) == [3.0]
    assert sorted(load("quick", "mnist-ood", published=True)["value"]) == [2.0, 3.0]
    assert load("quick", "mnist-gradcam", published=True).empty


def test_earlier_rows_are_all_seeds_of_one_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = [f"accuracy/own/{colour}" for colour in range(10)]
    keep(*(row(seed=0, metric=metric) for metric in metrics), row(seed=3, params={"cf_ratio": 5}))
    about = {name: getattr(row(), name) for name in results.KEY} | {"code": "any", "device": "cuda"}
    found = results.earlier(about, [0])
    assert found is not None
    assert list(found["metric"]) == metrics
    for seeds in ([0, 1], [0, 3], range(2)):
        assert results.earlier(about, seeds) is None, "ten rows of one seed are not two seeds"
    assert results.earlier(about | {"params": {"cf_ratio": 1, "classifier": 3}}, [0]) is None
    assert results.earlier(about | {"recipe": "robust"}, [0]) is None
    assert capsys.readouterr().err == ""
    (tmp_path / "project").mkdir()
    (tmp_path / "build" / "results").rename(tmp_path / "project" / "results")
    monkeypatch.setattr(results, "project_root", lambda: tmp_path / "project")
    keep(row(seed=1, metric=metrics[0]))
    found = results.earlier(about, range(2))
    assert found is not None
    assert (len(found), results.not_computed_here(found)) == (11, 10)
    assert "wildlife, cgn: 10 published rows from results/quick (reuse_rows: false" in capsys.readouterr().err


def test_runs_of_two_machines_join() -> None:
    here, there = {"code": "a", "cpu": "here"}, {"code": "a", "cpu": "there"}
    earlier, later = json.dumps([there]), json.dumps([here])
    joined = join_provenance(earlier, later)
    assert json.loads(joined) == [there, here]
    assert join_provenance(joined, later) == joined, "publishing twice changes nothing"
    assert json.loads(join_provenance("damaged", later)) == [here]


def test_provenance_names_machine_and_versions(build: Path) -> None:
    keep(row())
    keep(row(seed=1))
    runs = json.loads((build / "results" / "quick" / "provenance.json").read_text())
    assert len(runs) == 1, "the same machine and code are one record"
    assert {"code", "cpu", "instruction_sets", "threads", "python", "libraries"} <= set(runs[0])
    assert "numpy" in runs[0]["libraries"]


def test_select_by_column_and_parameter() -> None:
    frame = keep(row(), row(method="original", recipe="-", params={}), row(params={"cf_ratio": 5}))
    assert len(select(frame, method="cgn")) == 2
    assert len(select(frame, method=["cgn", "original"], cf_ratio=5)) == 1
    assert select(frame, method="gan").empty


def test_no_interval_of_a_share_goes_beyond_its_limits() -> None:
    found = interval_of(keep(*(row(value=value, params={"cgn_seed": seed}) for seed, value in enumerate((10, 12, 60)))))
    assert (found.low, found.kind) == (0.0, "t over seeds")
    assert found.high > 60


def test_intervals_over_levels() -> None:
    assert interval_of(keep(row(seed=0))).kind == "Wilson over images"
    same_cgn = keep(*(row(seed=s, value=84.0 + s, params={"cgn_seed": 0}, dataset="colored") for s in range(3)))
    assert interval_of(select(same_cgn, dataset="colored")).kind == "t over classifier seeds"
    pairs = [(c, s) for c in range(3) for s in range(2)]
    nested = keep(*(row(seed=s, value=80.0 + c, params={"cgn_seed": c}, dataset="double-colored") for c, s in pairs))
    found = interval_of(select(nested, dataset="double-colored"))
    assert (found.kind, found.value) == ("t over CGN seeds", 81.0)
    assert found.high == pytest.approx(81 + 4.302653 / math.sqrt(3), abs=1e-5)
    with pytest.raises(ResultsError, match="no rows"):
        interval_of(select(nested, dataset="none"))


def test_summary_joins_seeds_but_not_settings() -> None:
    frame = keep(*(row(seed=s, params={"cf_ratio": r, "cgn_seed": s}) for s in range(3) for r in (1, 5)))
    table = summarise(frame)
    assert sorted(table["seeds"]) == [3, 3]
    assert set(table["params"]) == {'{"cf_ratio":1}', '{"cf_ratio":5}'}


def test_summary_counts_trained_cgns_and_not_their_classifiers() -> None:
    pairs = [(0, 0), (0, 1), (1, 1), (2, 2)]
    frame = keep(*(row(seed=seed, params={"cgn_seed": cgn, "classifier_seed": seed}) for cgn, seed in pairs))
    assert summarise(frame)["seeds"].tolist() == [3]
    assert summarise(frame.iloc[:2])["seeds"].tolist() == [2]


def test_all_seeds_of_a_setting_come_together(build: Path) -> None:
    keep(row(seed=0, params={"epochs": 2}), row(seed=1, params={"epochs": 2}), row(seed=2, params={"epochs": 9}))
    kept = results.load(row().profile, row().experiment)
    one = kept.loc[kept["seed"] == 0]
    assert results.with_all_seeds(one)["seed"].tolist() == [0, 1], "the third has another setting"
    assert results.with_all_seeds(one.iloc[:0]).empty


def test_published_values_stand_beside_ours() -> None:
    frame = keep(
        row(), row(recipe="robust", value=90.0), row(method="original", recipe="-", value=10.0),
        row(method="oracle", recipe="-", value=98.0),
    )  # fmt: skip
    table = {(line["method"], line["recipe"]): line for line in beside_published(frame).to_dict("records")}
    assert table["cgn", "authors"]["seed"] == 84.4, "authors' weights stand beside Table 6"
    assert table["cgn", "robust"]["seed"] == 70.2, "our training stands beside Table 2"
    assert table["cgn", "robust"]["ours - seed"] == pytest.approx(19.8)
    assert table["original", "-"]["SG21"] == 10.1
    assert table["original", "-"]["Re-CGN"] == 10.8
    assert math.isnan(table["oracle", "-"]["seed"])
    with pytest.raises(ResultsError, match="did you mean 'SG21'"):
        beside_published(frame, ["SG2"])
