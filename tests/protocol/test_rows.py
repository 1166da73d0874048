"""Rows are checked when they are made; frames of them have typed columns, and are chosen by named settings."""

import math
from dataclasses import replace
from typing import Any

import pytest

from cgnreport.protocol.rows import COLUMNS, Number, ResultsError, Setting, frame_of, joined, one_setting, select


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"value": math.nan}, "value is nan"),
        ({"low": math.nan}, "low is nan"),
        ({"value": 100.1}, r"outside \[0, 100\] percent"),
        ({"value": 1.1, "unit": "fraction"}, r"outside \[0, 1\] fraction"),
        ({"method": "orignal"}, "did you mean 'original'"),
        ({"profile": "papr"}, "did you mean 'paper'"),
        ({"epoch": "first"}, "unknown epoch 'first'"),
        ({"n": 0}, "n is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"data": ""}, "'data' is empty"),
        ({"experiment": "../x"}, "cannot name a file"),
        ({"params": {"a": math.nan}}, "cannot be kept"),
    ],
)
def test_what_is_no_result_is_refused(row, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ResultsError, match=words):
        row(**changes)


def test_params_become_columns_and_seeds_are_told_from_settings(frame) -> None:
    found = frame({"params": {"cf_ratio": 5, "cgn_seed": 3, "shipped": True}}, {"params": {}, "seed": 7})
    assert set(COLUMNS) < set(found.columns)
    assert (found.loc[0, "cf_ratio"], found.loc[0, "shipped"]) == (5, True)
    assert found["setting"].tolist() == ['{"cf_ratio":5,"shipped":true}', "{}"]
    assert found["run"].tolist() == ["3", "7"]
    assert found["value"].dtype == float and found["n"].dtype == "Int64"


def test_rows_are_selected_by_column_parameter_and_absence(frame) -> None:
    rows = frame({}, {"method": "original", "recipe": "-", "params": {}}, {"params": {"cf_ratio": 5}})
    assert len(select(rows, method="cgn")) == 2
    assert len(select(rows, method=["cgn", "original"], cf_ratio=5)) == 1
    assert select(rows, cf_ratio=None)["method"].tolist() == ["original"]
    assert len(select(rows, cf_ratio=[1, None])) == 2
    assert select(rows, lr=0.1).empty and len(select(rows, lr=None)) == 3


def test_two_settings_that_fit_are_an_error_that_names_them(frame) -> None:
    rows = frame(*({"params": {"epochs": epochs, "cgn_seed": epochs}} for epochs in (4, 10)))
    assert len(one_setting(select(rows, epochs=4))) == 1
    with pytest.raises(ResultsError, match=r"2 fit: name one of .*epochs"):
        one_setting(rows)


def test_a_setting_makes_rows_and_finds_them() -> None:
    setting = Setting("mnist-ood", "colored", "cgn", "robust", "quick", "mnist-full", {"epochs": 4, "cgn_seed": 0})
    made = setting.row(Number("bg-gap", 3.0, 10, "points", output="avg", low=1.0, high=5.0), seed=2, seconds=1.0)
    rows = frame_of([made.cells()])
    assert (rows.loc[0, "low"], rows.loc[0, "high"], rows.loc[0, "seconds"]) == (1.0, 5.0, 1.0)
    assert len(setting.of(rows)) == 1
    assert replace(setting, params={"epochs": 9, "cgn_seed": 0}).of(rows).empty


def test_frames_are_joined_without_doubling(frame) -> None:
    assert joined([frame({}), frame({}, {"seed": 1})])["seed"].tolist() == [0, 1]
    assert joined([]).empty and set(COLUMNS) <= set(joined([]).columns)
