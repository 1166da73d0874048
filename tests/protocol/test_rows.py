"""Rows are checked when they are made; frames of them have typed columns, and are chosen by named settings."""

import math
from typing import Any

import pytest

from cgnreport.protocol.rows import COLUMNS, Number, ResultsError, Setting, frame_of, joined, one_setting, select


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"value": math.nan}, "value is nan"),
        ({"value": math.inf}, "value is inf"),
        ({"value": None}, "real number"),
        ({"low": math.nan}, "low is nan"),
        ({"value": 100.1}, r"outside \[0, 100\] percent"),
        ({"value": 1.1, "unit": "fraction"}, r"outside \[0, 1\] fraction"),
        ({"method": "orignal"}, "did you mean 'original'"),
        ({"profile": "papr"}, "did you mean 'paper'"),
        ({"epoch": "first"}, "unknown epoch 'first'"),
        ({"n": 0}, "n is 0"),
        ({"n": math.nan}, "NaN"),
        ({"n": None}, "NoneType"),
        ({"seed": -1}, "seed is -1"),
        ({"data": ""}, "'data' is empty"),
        ({"experiment": "../x"}, "cannot name a file"),
        ({"params": {"a": object()}}, "cannot be kept"),
        ({"params": {"a": math.nan}}, "cannot be kept"),
    ],
)
def test_what_is_no_result_is_refused(row, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ResultsError, match=words):
        row(**changes)


def test_unknown_columns_are_errors(row) -> None:
    with pytest.raises(TypeError, match="colour"):
        row(colour="red")


def test_params_become_columns_and_seeds_are_told_from_settings(row) -> None:
    frame = frame_of(
        [row(params={"cf_ratio": 5, "cgn_seed": 3, "shipped": True}).cells(), row(params={}, seed=7).cells()]
    )
    assert set(COLUMNS) < set(frame.columns)
    assert (frame.loc[0, "cf_ratio"], frame.loc[0, "shipped"]) == (5, True)
    assert frame["setting"].tolist() == ['{"cf_ratio":5,"shipped":true}', "{}"]
    assert frame["run"].tolist() == ["3", "7"]
    assert frame["value"].dtype == float and frame["n"].dtype == "Int64"


def test_rows_are_selected_by_column_parameter_and_absence(row) -> None:
    rows = [row(), row(method="original", recipe="-", params={}), row(params={"cf_ratio": 5})]
    frame = frame_of([each.cells() for each in rows])
    assert len(select(frame, method="cgn")) == 2
    assert len(select(frame, method=["cgn", "original"], cf_ratio=5)) == 1
    assert select(frame, cf_ratio=None)["method"].tolist() == ["original"]
    assert len(select(frame, cf_ratio=[1, None])) == 2
    assert select(frame, lr=0.1).empty and len(select(frame, lr=None)) == 3


def test_two_settings_that_fit_are_an_error_that_names_them(row) -> None:
    frame = frame_of([row(params={"epochs": epochs, "cgn_seed": epochs}).cells() for epochs in (4, 10)])
    assert len(one_setting(select(frame, epochs=4))) == 1
    with pytest.raises(ResultsError, match=r"2 fit: name one of .*epochs"):
        one_setting(frame)


def test_a_setting_makes_rows_and_finds_them() -> None:
    setting = Setting("mnist-ood", "colored", "cgn", "robust", "quick", "mnist-full", {"epochs": 4, "cgn_seed": 0})
    made = setting.row(Number("bg-gap", 3.0, 10, "points", output="avg", low=1.0, high=5.0), seed=2, seconds=1.0)
    frame = frame_of([made.cells()])
    assert (frame.loc[0, "low"], frame.loc[0, "high"], frame.loc[0, "seconds"]) == (1.0, 5.0, 1.0)
    assert len(setting.of(frame)) == 1
    other = Setting("mnist-ood", "colored", "cgn", "robust", "quick", "mnist-full", {"epochs": 9, "cgn_seed": 0})
    assert other.of(frame).empty


def test_frames_are_joined_without_doubling(row) -> None:
    one, two = frame_of([row().cells()]), frame_of([row().cells(), row(seed=1).cells()])
    assert joined([one, two])["seed"].tolist() == [0, 1]
    assert joined([]).empty and set(COLUMNS) <= set(joined([]).columns)
