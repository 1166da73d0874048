"""From rows to numbers with intervals: means over random seeds, differences, and ours beside the published ones."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import pandas as pd

from cgnlib.data.shapes import is_own
from cgnlib.errors import known
from cgnlib.statistics import (
    Interval,
    Unit,
    independent_difference,
    mean_difference_interval,
    mean_interval,
    nested_interval,
    wilson_interval,
)
from cgnreport.protocol.rows import ABOUT, LIMITS, ResultsError, one_setting, select
from cgnreport.protocol.store import SOURCES, published

SEEDS_FOR_INTERVAL = 3  # from here on intervals are taken over runs, below over images


def interval_of(rows: pd.DataFrame) -> Interval:
    """Mean and 95 % interval of rows of one setting.

    At least three CGNs: t over their means. Else at least three classifiers: t over these. Else as `_over_images`. No
    interval of a percentage or fraction goes beyond its limits.
    Raises ResultsError without rows, or with rows of two settings.
    """
    if rows.empty:
        raise ResultsError("no rows to take an interval of")
    one_setting(rows)
    values = _numbers(rows, "value")
    limits = LIMITS.get(str(rows["unit"].iloc[0]), (-math.inf, math.inf))
    groups = by_run(rows)
    if len(groups) >= SEEDS_FOR_INTERVAL:
        return nested_interval(groups, unit=_unit_of_runs(rows)).interval.cut(*limits)
    if len(values) >= SEEDS_FOR_INTERVAL:
        return mean_interval(values, unit=Unit.CLASSIFIERS).cut(*limits)
    return _over_images(rows)


def _over_images(rows: pd.DataFrame) -> Interval:
    """Mean of rows with the rows' own bounds where all have them, or Wilson's interval around the mean of percentages,
    which are shares of counted images; the spread between seeds is left out. Of anything else no interval.
    """
    mean, low, high = (fmean(_numbers(rows, column)) for column in ("value", "low", "high"))
    if not math.isnan(low):  # every row has an interval of its own
        crossed = "crossed" in rows and bool(rows["crossed"].fillna(False).all())
        return Interval(mean, low, high, Unit.CROSSED if crossed else Unit.IMAGES)
    if rows["unit"].iloc[0] != "percent":
        return Interval.point(mean)
    n = smallest_n(rows)
    return wilson_interval(mean / 100 * n, n).scaled(100)


def counted(rows: pd.DataFrame) -> int:
    """What `interval_of` is over, where that is runs: CGNs, or classifiers; else the rows."""
    runs = len(set(rows["run"]))
    return runs if runs >= SEEDS_FOR_INTERVAL else len(rows)


def of_runs_with(rows: pd.DataFrame, metric: str | Sequence[str]) -> pd.DataFrame:
    """Rows of the trainings of which `metric`, or one of several, was measured, too: numbers of the same ones."""
    training = ["dataset", "method", "recipe", "data", "params", "seed"]
    return rows.merge(select(rows, metric=metric)[training].drop_duplicates(), on=training)


def mean_of(rows: pd.DataFrame) -> float:
    """Mean of the values; NaN without rows."""
    return fmean(_numbers(rows, "value")) if len(rows) else math.nan


def smallest_n(rows: pd.DataFrame) -> int:
    """The smallest number of images that a row is taken over."""
    return min(int(n) for n in rows["n"])


def _numbers(rows: pd.DataFrame, column: str) -> list[float]:
    return [float(value) for value in rows[column]]


def by_run(rows: pd.DataFrame) -> list[list[float]]:
    """Values of rows of one setting, one list per CGN, or per classifier where no CGN is named."""
    return [_numbers(group, "value") for _, group in rows.groupby("run", sort=False)]


def _unit_of_runs(rows: pd.DataFrame) -> Unit:
    named = "cgn_seed" in rows.columns and not rows["cgn_seed"].isna().to_numpy().any()
    return Unit.CGNS if named else Unit.CLASSIFIERS


def difference(ours: pd.DataFrame, base: pd.DataFrame, *, splits: bool = False) -> Interval:
    """ours - base in the unit of the rows: over runs where both have enough of them, else over images. splits: as in
    `difference_over_runs`.

    Over images: Newcombe's, as if independent, which is wider, from their own bounds or Wilson's of percentages, which
    are shares of counted images. Raises ResultsError for other units without bounds: nothing says how they vary.
    """
    over_runs = difference_over_runs(ours, base, splits=splits)
    if over_runs is not None:
        return over_runs
    for rows in (ours, base):
        one_setting(rows)
        metric, unit = rows[["metric", "unit"]].iloc[0]
        if unit != "percent" and not all(map(math.isfinite, _numbers(rows, "low"))):
            raise ResultsError(
                f"{metric}, in {unit}, has no interval over images: compare {SEEDS_FOR_INTERVAL} runs of each"
            )
    return independent_difference(_over_images(ours), _over_images(base))


def difference_over_runs(ours: pd.DataFrame, base: pd.DataFrame, *, splits: bool = False) -> Interval | None:
    """ours - base: Welch over CGNs (or sets of images) where both have enough of them, else over classifiers, paired by
    seed; None where both have too few. splits: the seed draws the test images, which both share, so it pairs them.
    """
    groups = by_run(ours), by_run(base)
    if min(map(len, groups)) >= SEEDS_FOR_INTERVAL and not splits:
        a, b = ([fmean(group) for group in each] for each in groups)
        over_cgns = Unit.CGNS in map(_unit_of_runs, (ours, base))
        return mean_difference_interval(a, b, unit=Unit.CGNS if over_cgns else Unit.CLASSIFIERS)
    first, second = ({seed: mean_of(group) for seed, group in rows.groupby("seed")} for rows in (ours, base))
    pairs = [first[seed] - second[seed] for seed in first if seed in second]
    if len(pairs) < SEEDS_FOR_INTERVAL:
        return None
    return mean_interval(pairs, unit=Unit.CLASSIFIERS)


def summarise(rows: pd.DataFrame) -> pd.DataFrame:
    """One line per number over its random seeds: ABOUT, `interval`, its `mean`, `low`, `high`, and `n`, `seeds`.

    n: images per run. seeds: as `counted`.
    """
    lines = []
    for _, group in rows.groupby(list(ABOUT), sort=False, dropna=False):
        found = interval_of(group)
        numbers = (found, found.value, found.low, found.high, smallest_n(group), counted(group))
        lines.append((*group.iloc[0][list(ABOUT)], *numbers))
    return pd.DataFrame(lines, columns=[*ABOUT, "interval", "mean", "low", "high", "n", "seeds"])


def beside_published(rows: pd.DataFrame, sources: Sequence[str] = SOURCES) -> pd.DataFrame:
    """`summarise(rows)` with a column per source, holding the published value (NaN where there is none), and one
    "ours - <source>" with the difference.

    Joined on experiment, dataset, method, metric, output and epoch. Where a source has several numbers for one key (the
    study's Tables 2 and 6), that of the same recipe is taken, with "robust" counting as "paper", else that of its first
    table. Nothing is published of own shapes.
    """
    wide, theirs = summarise(rows), published()
    for source in sources:
        known("source", source, SOURCES)
        lines = [dict(line) for line in theirs.loc[theirs["source"] == source].to_dict("records")]
        wide[source] = [_published_value(lines, line) for line in wide.to_dict("records")]
        wide[f"ours - {source}"] = wide["mean"] - wide[source]
    return wide


def _published_value(lines: Sequence[Mapping[Any, Any]], ours: Mapping[Any, Any]) -> float:
    if is_own(ours["data"]):
        return math.nan
    join = ("experiment", "dataset", "method", "metric", "output", "epoch")
    recipe = "paper" if ours["recipe"] == "robust" else ours["recipe"]
    same = [line for line in lines if all(line[column] == ours[column] for column in join)]
    same.sort(key=lambda line: (line["recipe"] != recipe, line["table"]))
    return float(same[0]["value"]) if same else math.nan
