"""Intervals and tests for the report: pure functions of counts and numbers, torch-free.

All intervals are two-sided. Too few samples for a method is an error, never a quieter number.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Literal

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit  # scipy.stats takes a second to import

TAILS = (1 - 0.95) / 2, (1 + 0.95) / 2  # quantiles between which a 95 % interval lies


class Unit(Enum):
    """The unit of replication: what an interval is over, what would vary if the measurement were made again."""

    CGNS = "CGNs"
    CLASSIFIERS = "classifiers"
    IMAGES = "images"
    CROSSED = "crossed images"
    NONE = "nothing"  # a number without an interval


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval, all in the estimate's own scale, and what the interval is over.

    A number without an interval has low = high = value and Unit.NONE; a rank correlation of 1, whose interval is not
    defined, has NaN for both.
    """

    value: float
    low: float
    high: float
    unit: Unit

    @classmethod
    def point(cls, value: float) -> "Interval":
        """A number without an interval."""
        return cls(value, value, value, Unit.NONE)

    def scaled(self, factor: float) -> "Interval":
        """The same interval in another unit, e.g. `scaled(100)` from shares to percent. factor > 0."""
        return replace(self, value=self.value * factor, low=self.low * factor, high=self.high * factor)

    def cut(self, least: float, most: float) -> "Interval":
        """The same without what lies below `least` or above `most`, where the quantity has such limits."""
        return replace(self, low=max(self.low, least), high=min(self.high, most))

    def text(self, decimals: int = 1, *, signed: bool = False) -> str:
        """For people: "90.2 [89.1, 91.3]"; a change has its signs, "+1.2 [+0.4, +2.0]"; without interval "90.2"."""
        sign = "+" if signed else ""
        numbers = [self.value] if self.unit is Unit.NONE else [self.value, self.low, self.high]
        value, *ends = (f"{number:{sign}.{decimals}f}".replace("-", "\u2212") for number in numbers)
        return f"{value} [{', '.join(ends)}]" if ends else value


def wilson_interval(successes: float, n: int) -> Interval:
    """Wilson score interval of a share of n trials (Wilson 1927), in [0, 1]. Raises ValueError for n < 1."""
    if not n >= 1:  # NaN, too
        raise ValueError(f"a share needs at least 1 trial, got n = {n}")
    if not 0 <= successes <= n:
        raise ValueError(f"successes must lie in [0, {n}], got {successes}")
    z = float(ndtri(TAILS[1]))
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At 0 and n successes the bound is exactly the share; rounding must not put it beside.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Interval(share, low, high, Unit.IMAGES)


def difference_interval(successes_a: float, n_a: int, successes_b: float, n_b: int) -> Interval:
    """Interval of share a - share b for independent samples, in [-1, 1] (Newcombe 1998, method 10).

    For two classifiers on the same images it is on the wide side: their errors go together.
    """
    return independent_difference(wilson_interval(successes_a, n_a), wilson_interval(successes_b, n_b))


def independent_difference(a: Interval, b: Interval) -> Interval:
    """Interval of a - b from those of two independent estimates over images (Newcombe 1998)."""
    difference = a.value - b.value
    low = difference - math.hypot(a.value - a.low, b.high - b.value)
    high = difference + math.hypot(a.high - a.value, b.value - b.low)
    return Interval(difference, low, high, Unit.IMAGES)


def paired_bootstrap(differences: np.ndarray, draw: np.random.Generator, *, resamples: int = 10_000) -> Interval:
    """Percentile bootstrap of the mean of (N,) whole-number differences, one per image measured twice.

    A resample of N images is a multinomial draw of how often each difference occurs. Raises ValueError for no images,
    and for fewer than 1000 resamples, too few for a percentile.
    """
    if differences.ndim != 1 or len(differences) == 0:
        raise ValueError(f"a paired bootstrap needs differences (N,) with N > 0, not {differences.shape}")
    if not np.isfinite(differences).all():
        raise ValueError("a paired bootstrap needs finite differences")
    if resamples < 1000:
        raise ValueError(f"a paired bootstrap needs at least 1000 resamples, not {resamples}")
    values, counts = np.unique(differences, return_counts=True)
    n = len(differences)
    means = draw.multinomial(n, counts / n, size=resamples) @ values / n
    low, high = np.quantile(means, TAILS)
    return Interval(float(differences.mean()), float(low), float(high), Unit.IMAGES)


def crossed_bootstrap(hits: np.ndarray, draw: np.random.Generator, *, resamples: int = 10_000) -> Interval:
    """Percentile bootstrap of a share of trials that cross two kinds of items, in [0, 1] (Owen, 2007).

    hits: (2, R, C) counts of trials that show item r of the first kind and item c of the second: those that count for
    the share, and all that it is a share of. A resample draws R and C items with replacement, and a trial counts as
    often as its two items together; resamples without any trial are left out. Trials that share an item are no
    independent draws, so this is wider than Wilson's interval. Raises ValueError without trials, and for fewer than
    1000 resamples.
    """
    if hits.ndim != 3 or len(hits) != 2 or hits[1].sum() == 0:
        raise ValueError(f"a crossed bootstrap needs counts (2, R, C) of at least one trial, not {hits.shape}")
    if resamples < 1000:
        raise ValueError(f"a crossed bootstrap needs at least 1000 resamples, not {resamples}")
    rows, columns = (draw.multinomial(n, np.full(n, 1 / n), size=resamples).astype(float) for n in hits.shape[1:])
    found, of = (((rows @ each) * columns).sum(axis=1) for each in hits.astype(float))
    shares = found[of > 0] / of[of > 0]
    low, high = np.quantile(shares, TAILS)
    return Interval(float(hits[0].sum() / hits[1].sum()), float(low), float(high), Unit.CROSSED)


def mean_interval(values: Sequence[float], unit: Unit = Unit.CGNS) -> Interval:
    """Student t interval of the mean over independent runs: CGNs, or classifiers.

    Raises ValueError for fewer than 2 values.
    """
    sample = _sample(values)
    half = float(stdtrit(len(sample) - 1, TAILS[1])) * _standard_error(sample)
    mean = float(sample.mean())
    return Interval(mean, mean - half, mean + half, unit)


def mean_difference_interval(a: Sequence[float], b: Sequence[float], unit: Unit = Unit.CGNS) -> Interval:
    """Welch t interval of mean(a) - mean(b), the seeds of a and b independent. Raises ValueError below 2 values."""
    difference, error, freedom = _welch(a, b)
    half = float(stdtrit(freedom, TAILS[1])) * error if error else 0.0
    return Interval(difference, difference - half, difference + half, unit)


def rank_correlation(x: Sequence[float], y: Sequence[float]) -> Interval:
    """Spearman's rank correlation of pairs, its interval by Fisher's transformation (Bonett and Wright, 2000).

    Where the order is the same throughout, or reversed, there is no interval: NaN. Raises ValueError for fewer than 4
    pairs, or where one side does not vary.
    """
    if len(x) != len(y) or len(x) < 4:
        raise ValueError(f"rank_correlation needs at least 4 pairs, not {len(x)} and {len(y)} values")
    if not np.isfinite([*x, *y]).all():
        raise ValueError("rank_correlation needs finite values")
    if len(set(x)) < 2 or len(set(y)) < 2:
        raise ValueError("rank_correlation: one side does not vary")
    from scipy.stats import rankdata  # takes a second to import

    value = float(np.corrcoef(rankdata(x), rankdata(y))[0, 1])
    if abs(value) > 1 - 1e-9:
        return Interval(value, math.nan, math.nan, Unit.NONE)
    centre = math.atanh(value)
    half = float(ndtri(TAILS[1])) * math.sqrt((1 + value**2 / 2) / (len(x) - 3))
    return Interval(value, math.tanh(centre - half), math.tanh(centre + half), Unit.CGNS)


@dataclass(frozen=True)
class NestedInterval:
    """Interval over an outer level (CGN seeds), with the spread found at each level, in the unit of the values."""

    interval: Interval
    outer_deviation: float  # standard deviation between CGNs, classifier noise removed; 0 where none is left
    inner_deviation: float | None  # standard deviation between classifiers of one CGN; None where each has only one


def nested_interval(groups: Sequence[Sequence[float]], unit: Unit = Unit.CGNS) -> NestedInterval:
    """Interval of the mean when classifier seeds (inner) are nested in CGN seeds (outer): one group per CGN seed.

    The outer level decides: a t interval over the group means, so ten classifiers on one CGN do not count as ten
    results. Raises ValueError for fewer than 2 groups or an empty group.
    """
    if any(len(group) == 0 for group in groups):
        raise ValueError("nested_interval: each CGN seed needs at least one value")
    means = [float(np.mean(group)) for group in groups]
    interval = mean_interval(means, unit)
    freedom = sum(len(group) - 1 for group in groups)
    outer_variance = float(np.var(means, ddof=1))
    inner_deviation = None
    if freedom > 0:
        inner_variance = sum(float(np.var(g, ddof=1)) * (len(g) - 1) for g in groups if len(g) > 1) / freedom
        inner_deviation = math.sqrt(inner_variance)
        outer_variance -= inner_variance * float(np.mean([1 / len(group) for group in groups]))
    return NestedInterval(interval, math.sqrt(max(0.0, outer_variance)), inner_deviation)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for their number (Holm 1979): where one is at most 0.05, so is the chance of any false finding.

    The smallest of m is multiplied by m, the next by m - 1, and so on; none falls below the one before, or above 1.
    Raises ValueError for a p-value outside [0, 1].
    """
    if not all(0 <= p <= 1 for p in p_values):
        raise ValueError(f"p-values lie in [0, 1], not {list(p_values)}")
    adjusted, least = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = least
    return adjusted


def welch_p(a: Sequence[float], b: Sequence[float]) -> float:
    """Two-sided p-value of Welch's t test of mean(a) = mean(b), the samples independent. Raises ValueError below 2."""
    difference, error, freedom = _welch(a, b)
    return 2 * float(stdtr(freedom, -abs(difference) / error)) if error else float(difference == 0)


def within_margin(difference: Interval, margin: float) -> Literal["within", "beyond", "undecided"]:
    """Is a change no worse than -margin? Non-inferiority, decided by the interval as in two one-sided tests.

    "within": the whole interval lies above -margin. "beyond": all of it lies below. "undecided": it holds -margin.
    A gain of any size is within. `difference` (new - old) and `margin` (> 0) are in one unit.
    """
    if not all(map(math.isfinite, (difference.low, difference.high, margin))):
        raise ValueError(f"within_margin: a difference of {difference.text()} or a margin of {margin} is not finite")
    if margin <= 0:
        raise ValueError(f"within_margin: margin must be above 0, not {margin}")
    if difference.low > -margin:
        return "within"
    return "beyond" if difference.high < -margin else "undecided"


def _sample(values: Sequence[float]) -> np.ndarray:
    sample = np.asarray(values, dtype=float)
    if sample.ndim != 1 or len(sample) < 2:
        raise ValueError(f"an interval over seeds needs at least 2 values, got {sample.size}")
    if not np.isfinite(sample).all():
        raise ValueError("an interval over seeds needs finite values")
    return sample


def _standard_error(sample: np.ndarray) -> float:
    return float(sample.std(ddof=1)) / math.sqrt(len(sample))


def _welch(a: Sequence[float], b: Sequence[float]) -> tuple[float, float, float]:
    """Difference of two means, its standard error, and its degrees of freedom (Welch); NaN of them without error."""
    first, second = _sample(a), _sample(b)
    v1, v2 = _standard_error(first) ** 2, _standard_error(second) ** 2
    both = v1**2 / (len(first) - 1) + v2**2 / (len(second) - 1)
    return float(first.mean() - second.mean()), math.sqrt(v1 + v2), (v1 + v2) ** 2 / both if both else math.nan
