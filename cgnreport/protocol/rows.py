"""Rows: one number each, with everything that defines it, and frames of them with typed columns.

Percentages are 0 to 100, fractions 0 to 1; differences use the unit "points". A frame of rows has the columns of
`Row`, one column per key that occurs in `params` (None where a row has no such key), and two that tell replications
apart: `setting`, params without their random seeds, and `run`, what the innermost seed is nested in.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import pandas as pd

from cgnlib.errors import Told, known
from cgnreport.protocol.parameters import METHODS, PROFILES, SWEEP, WITHOUT_CGN

LIMITS = {"percent": (0.0, 100.0), "fraction": (0.0, 1.0)}
EPOCHS = ("last", "best", "-")
ANY = "any"  # for a param that cannot be known here: rows with any value of it will do
NUMBERS, WHOLE = ("value", "low", "high", "seconds"), ("n", "seed")  # columns that hold numbers


class ResultsError(Told, RuntimeError):
    """A row that is no result, or a results file that cannot be read or written."""


class Number(NamedTuple):
    """What one measurement gave. output: of a classifier with several; epoch: "last" or "best", where that matters.

    low, high: the ends of its own 95 % interval over images, where the measurement has one.
    """

    metric: str
    value: float
    n: int
    unit: str = "percent"
    output: str = "-"
    epoch: str = "-"
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Setting:
    """What defines the numbers of an experiment, all but the innermost random seed.

    recipe: how the CGN came about (authors, one of `parameters.TRAININGS`, toy, or "-"). params: what else defines
    them; names of random seeds end in "_seed"; ANY for what is not known before files are at hand.
    """

    experiment: str
    dataset: str
    method: str
    recipe: str
    profile: str
    data: str
    params: Mapping[str, Any] = field(hash=False)

    def row(self, number: Number, seed: int, *, device: str = "cpu", seconds: float | None = None) -> "Row":
        """A row of this setting. Raises ResultsError."""
        return Row(**vars(self), **number._asdict(), seed=seed, device=device, seconds=seconds)

    def of(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows of this very setting."""
        if ANY not in self.params.values():
            return select(rows, **vars(self) | {"params": canonical(self.params)})
        rows = select(rows, **{name: value for name, value in vars(self).items() if name != "params"})
        return rows.loc[[self.fits(json.loads(text)) for text in rows["params"]]].reset_index(drop=True)

    def fits(self, params: Mapping[str, Any]) -> bool:
        """Whether params are those of this setting, with any value where it has ANY."""
        loose = {name: ANY for name, value in self.params.items() if value == ANY and name in params}
        return canonical({**params, **loose}) == canonical(self.params)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One number and everything that defines it; see `Number` and `Setting`.

    n: images (or runs) that it is taken over. seed: the innermost random seed (of the classifier). code: the commit
    that computed it, filled in when it is kept. Raises ResultsError.
    """

    experiment: str
    dataset: str
    method: str
    recipe: str = "-"
    metric: str
    output: str = "-"
    epoch: str = "-"
    unit: str = "percent"
    value: float
    low: float | None = None
    high: float | None = None
    n: int
    seed: int
    profile: str
    data: str
    params: Mapping[str, Any] = field(default_factory=dict)
    code: str = ""
    device: str = "cpu"
    seconds: float | None = None

    def __post_init__(self) -> None:
        try:
            self._check()
        except (TypeError, ValueError, OverflowError) as error:
            raise ResultsError(
                f"result {self.experiment}/{self.dataset}/{self.method}/{self.metric}: {error}"
            ) from None

    def _check(self) -> None:
        for column in ("experiment", "dataset", "method", "recipe", "metric", "output", "unit", "data"):
            if not str(getattr(self, column)).strip():
                raise ValueError(f"'{column}' is empty")
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.experiment):
            raise ValueError(f"'{self.experiment}' cannot name a file (use a-z, 0-9 and -)")
        known("profile", self.profile, PROFILES)
        known("epoch", self.epoch, EPOCHS)
        if self.experiment.startswith("mnist-"):
            known("method", self.method, [*METHODS, *WITHOUT_CGN, *SWEEP])
        for column in NUMBERS:
            if column != "value" and getattr(self, column) is None:
                continue
            number = getattr(self, column)
            if not math.isfinite(number):
                raise ValueError(f"{column} is {number}; a run that diverged has no result")
            object.__setattr__(self, column, float(number))
        low, high = LIMITS.get(self.unit, (-math.inf, math.inf))
        if not low <= self.value <= high:
            raise ValueError(f"value {self.value} is outside [{low:g}, {high:g}] {self.unit}")
        for column, least in (("n", 1), ("seed", 0)):
            number = getattr(self, column)
            if isinstance(number, bool) or int(number) != number or number < least:
                raise ValueError(f"{column} is {number!r}; it must be an integer, at least {least}")
            object.__setattr__(self, column, int(number))
        if self.seconds is not None and self.seconds < 0:
            raise ValueError(f"seconds is {self.seconds!r}")
        canonical(self.params)

    def cells(self) -> dict[str, str]:
        """The row as the texts of its CSV line."""
        cells = {column: "" if getattr(self, column) is None else str(getattr(self, column)) for column in COLUMNS}
        cells |= {column: repr(getattr(self, column)) for column in ("value", "low", "high") if cells[column]}
        cells["params"] = canonical(self.params)
        return cells | ({} if self.seconds is None else {"seconds": f"{self.seconds:.3f}"})


COLUMNS = tuple(spec.name for spec in fields(Row))
# Rows that agree in these differ in random seeds alone.
ABOUT = ("experiment", "dataset", "method", "recipe", "metric", "output", "epoch", "unit", "profile", "data", "setting")
# Two rows with the same key are the same number, measured twice.
KEY = ("experiment", "dataset", "method", "recipe", "metric", "output", "epoch", "seed", "profile", "data", "params")


def canonical(params: Mapping[str, Any]) -> str:
    """Params as canonical JSON: sorted keys, no spaces. Raises ResultsError for what JSON cannot hold."""
    try:
        return json.dumps(dict(params), sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ResultsError(f"params {params!r} cannot be kept: {error}") from error


def frame_of(cells: Sequence[Mapping[str, str]], columns: Sequence[str] = COLUMNS) -> pd.DataFrame:
    """Lines of a results file as a frame: numbers as such, params expanded."""
    frame = pd.DataFrame([dict(line) for line in cells], columns=list(columns), dtype=object)
    for column in NUMBERS:
        frame[column] = pd.Series([float(text) if text else math.nan for text in frame[column]], dtype="float64")
    for column in WHOLE:
        frame[column] = pd.array([int(text) if text else None for text in frame[column]], dtype="Int64")
    return expanded(frame)


def expanded(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with a column per key of its params, and with `setting` and `run`."""
    given = [json.loads(text or "{}") for text in frame["params"]]
    more: dict[str, list[Any]] = {name: [params.get(name) for params in given] for name in sorted(set().union(*given))}
    more["setting"] = [canonical({k: v for k, v in each.items() if not k.endswith("_seed")}) for each in given]
    seeds = [{name: value for name, value in params.items() if name.endswith("_seed")} for params in given]
    parts = zip(given, seeds, frame["seed"], strict=True)
    more["run"] = [str(params.get("cgn_seed", own or seed)) for params, own, seed in parts]
    columns = pd.DataFrame(more, frame.index, dtype=object)
    return pd.concat([frame[[name for name in frame.columns if name not in more]], columns], axis=1)


def select(rows: pd.DataFrame, **wanted: Any) -> pd.DataFrame:
    """Rows whose columns have the wanted values; a list means any of these, None where there is no value.

    `select(rows, dataset="wildlife", method=["original", "cgn"], epoch="last", cf_ratio=1)`
    """
    keep = pd.Series(True, rows.index)
    for name, value in wanted.items():
        values = list(value) if isinstance(value, list | tuple | set) else [value]
        if name not in rows.columns:
            keep &= None in values
            continue
        # bool and 0 or 1 are equal in Python; a list of objects is compared by value
        keep &= rows[name].isin([each for each in values if each is not None]) | (rows[name].isna() & (None in values))
    return rows.loc[keep].reset_index(drop=True)


def joined(parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Frames of rows one after the other, each row once; without parts an empty frame."""
    parts = [part for part in parts if len(part)]
    if not parts:
        return frame_of([])
    return pd.concat(parts, ignore_index=True).drop_duplicates([*KEY, "value"], ignore_index=True)


def one_setting(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows, checked to differ in random seeds alone. Raises ResultsError where two settings fit, and names them."""
    found = rows[list(ABOUT)].drop_duplicates()
    if len(found) < 2:
        return rows
    values = {name: sorted({str(value) for value in found[name]}) for name in ABOUT}
    differ = {name: several for name, several in values.items() if len(several) > 1}
    raise ResultsError(f"rows of one setting are needed, but {len(found)} fit: name one of {differ}")
