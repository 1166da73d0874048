"""Intervals against hand-computed and published values."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cgnlib.statistics import (
    Interval,
    Unit,
    difference_interval,
    holm,
    independent_difference,
    mean_difference_interval,
    mean_interval,
    nested_interval,
    paired_bootstrap,
    rank_correlation,
    welch_p,
    wilson_interval,
    within_margin,
)


def test_wilson_golden_values() -> None:
    found = wilson_interval(90, 100)
    assert (found.value, found.low, found.high) == pytest.approx((0.9, 0.825634, 0.944771), abs=1e-6)
    none = wilson_interval(0, 10)
    assert none.low == 0.0
    assert none.high == pytest.approx(0.277533, abs=1e-6)
    assert wilson_interval(10, 10).high == 1.0


@given(n=st.integers(1, 10_000), share=st.floats(0, 1))
def test_wilson_holds_its_share_and_stays_in_range(n: int, share: float) -> None:
    found = wilson_interval(round(share * n), n)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_difference_is_newcombes_example() -> None:
    found = difference_interval(56, 70, 48, 80)  # Newcombe 1998, Table II (a), method 10
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)


def test_independent_difference_by_hand() -> None:
    found = independent_difference(Interval(10, 7, 12, Unit.IMAGES), Interval(4, 3, 8, Unit.IMAGES))
    assert (found.value, found.low, found.high) == pytest.approx((6, 6 - 5, 6 + math.sqrt(5)))


def test_paired_bootstrap_is_the_binomial_where_differences_go_one_way() -> None:
    differences = np.array([1] * 15 + [0] * 85)
    found = paired_bootstrap(differences, np.random.default_rng(0))
    assert found.value == pytest.approx(0.15)
    assert (found.low, found.high) == pytest.approx((0.08, 0.22), abs=0.011)
    assert paired_bootstrap(differences, np.random.default_rng(0)) == found
    mirrored = paired_bootstrap(-2 * differences, np.random.default_rng(1))
    assert (mirrored.low, mirrored.high) == pytest.approx((-0.44, -0.16), abs=0.022)
    same = paired_bootstrap(np.full(10, 2), np.random.default_rng(0))
    assert (same.value, same.low, same.high) == (2, 2, 2)


def test_paired_bootstrap_agrees_with_resampling_images() -> None:
    draw = np.random.default_rng(0)
    differences = draw.choice([-2, -1, 0, 1], 400, p=[0.1, 0.2, 0.4, 0.3])
    found = paired_bootstrap(differences, draw)
    means = differences[draw.integers(0, 400, (4000, 400))].mean(axis=1)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])), abs=0.01)


def test_mean_interval_by_hand() -> None:
    found = mean_interval([1, 2, 3])  # standard error 1 / sqrt(3), t(0.975, 2) = 4.302653
    assert (found.low, found.high) == pytest.approx(
        (2 - 4.302653 / math.sqrt(3), 2 + 4.302653 / math.sqrt(3)), abs=1e-6
    )


def test_welch_by_hand() -> None:
    found = mean_difference_interval([2, 3, 4], [1, 2, 3])  # standard error sqrt(2 / 3), 4 degrees of freedom
    half = 2.776445 * math.sqrt(2 / 3)
    assert (found.value, found.low, found.high) == pytest.approx((1, 1 - half, 1 + half), abs=1e-5)
    same = mean_difference_interval([5, 5], [4, 4])
    assert (same.low, same.high) == (1, 1)


def test_nested_levels_by_hand() -> None:
    found = nested_interval([[1, 3], [5, 7], [9, 11]])  # means 2, 6, 10; within each group variance 2
    half = 4.302653 * 4 / math.sqrt(3)
    assert (found.interval.value, found.interval.high) == pytest.approx((6, 6 + half), abs=1e-5)
    assert found.inner_deviation == pytest.approx(math.sqrt(2))
    assert found.outer_deviation == pytest.approx(math.sqrt(16 - 2 / 2))
    assert nested_interval([[1], [2]]).inner_deviation is None


def test_more_classifiers_of_one_cgn_do_not_narrow_the_interval() -> None:
    few, many = nested_interval([[80], [90], [85]]), nested_interval([[80] * 9, [90] * 9, [85] * 9])
    assert (few.interval.low, few.interval.high) == pytest.approx((many.interval.low, many.interval.high))


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-1.4, 0.2, "within"),
        (0.5, 2.0, "within"),
        (-1.6, -0.2, "undecided"),
        (-3, -1.6, "beyond"),
        (-1.5, 0, "undecided"),
    ],
)
def test_margin(low: float, high: float, verdict: str) -> None:
    assert within_margin(Interval((low + high) / 2, low, high, Unit.IMAGES), 1.5) == verdict


@pytest.mark.parametrize(
    "call",
    [
        lambda: wilson_interval(0, 0),
        lambda: wilson_interval(3, 2),
        lambda: mean_interval([1.0]),
        lambda: mean_interval([1.0, math.nan]),
        lambda: mean_difference_interval([1, 2], [1]),
        lambda: nested_interval([[1, 2]]),
        lambda: nested_interval([[1], []]),
        lambda: within_margin(Interval(0, 0, 0, Unit.IMAGES), 0),
        lambda: paired_bootstrap(np.array([], dtype=int), np.random.default_rng(0)),
        lambda: paired_bootstrap(np.array([1, 0]), np.random.default_rng(0), resamples=999),
    ],
)
def test_too_few_or_impossible_samples_are_errors(call) -> None:
    with pytest.raises(ValueError):
        call()


def test_rank_correlation_by_hand() -> None:
    found = rank_correlation([1, 2, 3, 4, 5], [1, 2, 3, 5, 4])  # 1 - 6 * 2 / (5 * 24)
    assert found.value == pytest.approx(0.9)
    half = 1.959964 * math.sqrt((1 + 0.9**2 / 2) / 2)
    assert found.low == pytest.approx(math.tanh(math.atanh(0.9) - half))
    reversed_order = rank_correlation([1, 2, 3, 4], [8, 6, 4, 1])
    assert reversed_order.value == pytest.approx(-1)
    assert math.isnan(reversed_order.low) and math.isnan(reversed_order.high)
    with pytest.raises(ValueError, match="at least 4 pairs"):
        rank_correlation([1, 2, 3], [1, 2, 3])
    with pytest.raises(ValueError, match="does not vary"):
        rank_correlation([1, 2, 3, 4], [1, 1, 1, 1])


def test_one_formatter_for_every_interval() -> None:
    assert wilson_interval(902, 1000).scaled(100).text() == "90.2 [88.2, 91.9]"
    change = Interval(-0.65, -1.25, 0.04, Unit.CGNS)
    assert change.text(2) == "\u22120.65 [\u22121.25, 0.04]"
    assert change.text(2, signed=True) == "\u22120.65 [\u22121.25, +0.04]"
    assert Interval.point(3.14159).text(2) == "3.14", "no interval, no brackets"


def test_holm_by_hand() -> None:
    """Holm's order: 4 times the smallest, 3 times the next, 2 times the third, which may not fall below it."""
    assert holm([0.04, 0.01, 0.03, 0.005]) == pytest.approx([0.06, 0.03, 0.06, 0.02])
    assert holm([0.9, 0.6]) == pytest.approx([1.0, 1.0])
    assert holm([0.02]) == [0.02] and holm([]) == []
    with pytest.raises(ValueError, match="p-values lie in"):
        holm([1.2])


def test_welch_p_and_interval_are_those_of_scipy() -> None:
    from scipy.stats import ttest_ind

    a, b = [90.1, 90.9, 91.4, 89.8], [88.0, 90.2, 87.1]
    theirs, ours = ttest_ind(a, b, equal_var=False), mean_difference_interval(a, b)
    assert welch_p(a, b) == pytest.approx(theirs.pvalue)  # pyright: ignore
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs.confidence_interval(0.95)))  # pyright: ignore
    assert welch_p([1.0, 1.0], [1.0, 1.0]) == 1.0 and welch_p([1.0, 1.0], [2.0, 2.0]) == 0.0
