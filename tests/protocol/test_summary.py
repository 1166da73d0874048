"""Intervals are over the right unit, differences too, and published numbers stand beside ours."""

import math
from typing import Any

import pandas as pd
import pytest

from cgnlib.statistics import Unit
from cgnreport.protocol.rows import ResultsError
from cgnreport.protocol.summary import beside_published, difference, difference_over_runs, interval_of, summarise


def of_cgns(*values: float, **more: Any) -> list[dict[str, Any]]:
    return [{"value": value, "seed": seed, "params": {"cgn_seed": seed}} | more for seed, value in enumerate(values)]


def test_no_interval_of_a_share_goes_beyond_its_limits(frame) -> None:
    found = interval_of(frame(*of_cgns(10, 12, 60)))
    assert (found.low, found.unit) == (0.0, Unit.CGNS)
    assert found.high > 60


def test_the_unit_is_the_outermost_level_with_three_or_more(frame) -> None:
    assert interval_of(frame({})).unit is Unit.IMAGES
    same_cgn = frame(*({"seed": s, "value": 84.0 + s, "params": {"cgn_seed": 0}} for s in range(3)))
    assert interval_of(same_cgn).unit is Unit.CLASSIFIERS
    no_cgn = frame(*({"seed": s, "value": 84.0 + s, "params": {}, "method": "original"} for s in range(3)))
    assert interval_of(no_cgn).unit is Unit.CLASSIFIERS
    pairs = [(c, s) for c in range(3) for s in range(2)]
    found = interval_of(frame(*({"seed": s, "value": 80.0 + c, "params": {"cgn_seed": c}} for c, s in pairs)))
    assert (found.unit, found.value) == (Unit.CGNS, 81.0)
    assert found.high == pytest.approx(81 + 4.302653 / math.sqrt(3), abs=1e-5)


def test_own_bounds_are_used_over_images_and_nothing_is_made_up(frame) -> None:
    gap = {"metric": "bg-gap", "unit": "points", "value": 30.0}
    bounded = interval_of(frame(gap | {"low": 28.0, "high": 33.0}))
    assert (bounded.low, bounded.high, bounded.unit) == (28.0, 33.0, Unit.IMAGES)
    assert interval_of(frame(gap)).unit is Unit.NONE


def test_rows_of_two_settings_or_of_none_have_no_interval(frame) -> None:
    with pytest.raises(ResultsError, match="no rows"):
        interval_of(frame())
    with pytest.raises(ResultsError, match="2 fit"):
        interval_of(frame({"params": {"epochs": 1}}, {"params": {"epochs": 2}, "seed": 1}))


def test_differences_are_over_runs_where_there_are_enough(frame) -> None:
    ours, base = frame(*of_cgns(90, 91, 92)), frame(*of_cgns(80, 81, 82, method="original"))
    assert (difference(ours, base).value, difference(ours, base).unit) == (10.0, Unit.CGNS)
    paired = frame(*({"seed": s, "value": 80.0 + s, "params": {"cgn_seed": 0}} for s in range(3)))
    plain = frame(*({"seed": s, "value": 70.0 + s, "params": {}} for s in range(4)))
    found = difference(paired, plain)
    assert (found.low, found.high, found.unit) == (10.0, 10.0, Unit.CLASSIFIERS), "paired by seed"
    of_splits = [frame(*({"method": "original", "seed": s, "value": b + s} for s in range(3))) for b in (80.0, 70.0)]
    assert difference(*of_splits, splits=True) == found and difference(*of_splits).low < 8, "else Welch's"
    one = frame({"value": 90.0})
    assert difference_over_runs(one, base) is None
    assert difference(one, base).unit is Unit.IMAGES


def test_means_of_fractions_have_no_interval_over_images(frame) -> None:
    assert interval_of(frame({"unit": "fraction", "value": 0.3})).unit is Unit.NONE


def test_a_difference_over_images_is_of_shares_or_of_rows_with_bounds(frame) -> None:
    found = difference(frame({"value": 30.0, "n": 1000}), frame({"value": 20.0, "n": 1000}))
    assert (found.value, found.low, found.high) == pytest.approx((10, 6.21, 13.75), abs=0.01), "Newcombe's"
    for unit in ("fraction", "distance", "points"):
        ours, base = ({"unit": unit, "value": value, "n": 1000} for value in (0.3, 0.2))
        with pytest.raises(ResultsError, match=f"accuracy/test, in {unit}, has no interval .* compare 3 runs of each"):
            difference(frame(ours), frame(base))
        bounded = difference(frame(ours | {"low": 0.27, "high": 0.34}), frame(base | {"low": 0.16, "high": 0.24}))
        assert (bounded.low, bounded.high) == pytest.approx((0.05, 0.1 + math.hypot(0.04, 0.04)))


def test_summary_joins_seeds_but_not_settings(frame) -> None:
    table = summarise(frame(*({"seed": s, "params": {"cf_ratio": r, "cgn_seed": s}} for s in range(3) for r in (1, 5))))
    assert table["seeds"].tolist() == [3, 3]
    assert set(table["setting"]) == {'{"cf_ratio":1}', '{"cf_ratio":5}'}


def test_summary_counts_trained_cgns_and_not_their_classifiers(frame) -> None:
    pairs = [(0, 0), (0, 1), (1, 1), (2, 2)]
    rows = frame(*({"seed": seed, "params": {"cgn_seed": cgn, "sample_seed": seed}} for cgn, seed in pairs))
    assert summarise(rows)["seeds"].tolist() == [3]
    assert summarise(rows.iloc[:2])["seeds"].tolist() == [2]


def test_published_values_stand_beside_ours(frame) -> None:
    rows = frame(
        {}, {"recipe": "robust", "value": 90.0}, {"method": "original", "recipe": "-", "value": 10.0},
        {"method": "oracle", "recipe": "-", "value": 98.0},
    )  # fmt: skip
    table = beside_published(rows).set_index(["method", "recipe"])
    assert table.loc[("cgn", "authors"), "RS22"] == 84.4, "Table 6 for the authors' weights"
    assert table.loc[("cgn", "robust"), "RS22"] == 70.2, "Table 2 for our recipe"
    assert table.loc[("cgn", "robust"), "ours - RS22"] == pytest.approx(19.8)
    assert table.loc[("original", "-"), "SG21"] == 10.1
    assert pd.isna(table.loc[("oracle", "-"), "RS22"])
    with pytest.raises(ValueError, match="unknown source 'Re-CGM'; did you mean .Re-CGN'"):
        beside_published(rows, ["Re-CGM"])
