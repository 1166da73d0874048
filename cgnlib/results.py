"""Results are data: one tidy row per number, in build/results/<profile>/<experiment>.csv.

A row that defines the same number replaces the older one, so runs can be repeated and continued. Published numbers lie
in results/published.csv in the same columns (and source, table, row, column, note); results of published runs in
results/<profile>/. Percentages are 0 to 100, fractions 0 to 1; differences use the unit "points".
"""

import csv
import difflib
import io
import json
import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import pandas as pd

from cgnlib.locking import locked
from cgnlib.parameters import METHODS, PROFILES
from cgnlib.paths import atomic_file, build_folder, project_root, unwritable
from cgnlib.provenance import add_provenance, code_version, provenance
from cgnlib.statistics import Interval, mean_interval, nested_interval, wilson_interval

PUBLISHED_COLUMNS = ("source", "table", "row", "column", "note")
SOURCES = ("SG21", "seed", "Re-CGN")

_LIMITS = {"percent": (0.0, 100.0), "fraction": (0.0, 1.0)}


class ResultsError(RuntimeError):
    """A row that is no result, or a results file that cannot be read or written."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One number and everything that defines it.

    value: finite; in [0, 100] for unit "percent", in [0, 1] for "fraction". n: images (or runs) that it is taken over.
    seed: the innermost seed (of the classifier); other seeds stand in `params` under names that end in "_seed".
    recipe: how the CGN came about (authors, a key of `parameters.TRAININGS`, or "-"). params: what else defines the
    number.
    code: filled in by `append` when empty. Raises ResultsError.
    """

    experiment: str
    dataset: str
    method: str
    recipe: str = "-"
    metric: str
    unit: str = "percent"
    value: float
    n: int
    seed: int
    profile: str
    data: str
    params: Mapping[str, Any] = field(default_factory=dict)
    code: str = ""
    device: str = "cpu"
    seconds: float | None = None

    def __post_init__(self) -> None:
        name = f"{self.experiment}/{self.dataset}/{self.method}/{self.metric}"
        for column in ("experiment", "dataset", "method", "recipe", "metric", "unit", "data"):
            if not str(getattr(self, column)).strip():
                raise ResultsError(f"result {name}: '{column}' is empty")
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.experiment):
            raise ResultsError(f"result {name}: '{self.experiment}' cannot name a file (use a-z, 0-9 and -)")
        _check_known("profile", self.profile, PROFILES, name)
        if self.experiment.startswith("mnist-"):
            _check_known("method", self.method, tuple(METHODS), name)
        try:
            object.__setattr__(self, "value", float(self.value))
        except (TypeError, ValueError) as error:
            raise ResultsError(f"result {name}: value is {self.value!r}; it must be a number") from error
        if not math.isfinite(self.value):
            raise ResultsError(f"result {name}: value is {self.value}; a run that diverged has no result")
        low, high = _LIMITS.get(self.unit, (-math.inf, math.inf))
        if not low <= self.value <= high:
            raise ResultsError(f"result {name}: value {self.value} is outside [{low:g}, {high:g}] {self.unit}")
        for column, least in (("n", 1), ("seed", 0)):
            number = getattr(self, column)
            try:
                wrong = isinstance(number, bool) or int(number) != number or number < least
            except (TypeError, ValueError, OverflowError):  # None, NaN, infinite
                wrong = True
            if wrong:
                raise ResultsError(f"result {name}: {column} is {number!r}; it must be an integer, at least {least}")
            object.__setattr__(self, column, int(number))
        if self.seconds is not None and not (math.isfinite(self.seconds) and self.seconds >= 0):
            raise ResultsError(f"result {name}: seconds is {self.seconds!r}")
        canonical_params(self.params)

    def cells(self) -> dict[str, str]:
        """The row as the texts of its CSV line."""
        cells = {column: str(getattr(self, column)) for column in COLUMNS}
        cells["value"] = repr(self.value)
        cells["params"] = canonical_params(self.params)
        cells["seconds"] = "" if self.seconds is None else f"{self.seconds:.3f}"
        return cells


COLUMNS = tuple(spec.name for spec in fields(Row))
KEY = ("experiment", "dataset", "method", "recipe", "metric", "seed", "profile", "data", "params")


def canonical_params(params: Mapping[str, Any]) -> str:
    """Params as canonical JSON: sorted keys, no spaces. Raises ResultsError for what JSON cannot hold."""
    try:
        return json.dumps(dict(params), sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ResultsError(f"params {params!r} cannot be kept: {error}") from error


def results_file(profile: str, experiment: str) -> Path:
    """Where the rows of an experiment are kept."""
    return build_folder() / "results" / profile / f"{experiment}.csv"


def picture_file(profile: str, name: str) -> Path:
    """Where a small picture that belongs to rows is kept."""
    return build_folder() / "results" / profile / f"{name}.png"


def kept_pictures(profile: str, name: str) -> list[Path]:
    """The pictures of that name: made on this machine, then published."""
    files = picture_file(profile, name), project_root() / "results" / profile / f"{name}.png"
    return [file for file in files if file.is_file()]


def append(rows: Iterable[Row], profile: str, experiment: str) -> Path:
    """Add rows to an experiment; a row with the same key (KEY) replaces the older one. Returns the file.

    Safe against concurrent writers and interruption: under a lock, the whole file is written beside the old one and
    put in its place at once. Raises ResultsError, or LockHeld; both leave the rows kept before as they were.
    """
    version = code_version()
    new = [row if row.code else replace(row, code=version) for row in rows]
    for row in new:
        if (row.profile, row.experiment) != (profile, experiment):
            raise ResultsError(f"a row of {row.profile}/{row.experiment} cannot go to {profile}/{experiment}")
    file = results_file(profile, experiment)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with locked(_lock_file(file)):
            merged = {_key(cells): cells for cells in _read_cells(file, COLUMNS)}
            merged |= {_key(row.cells()): row.cells() for row in new}
            _replace_file(file, _as_csv(merged[key] for key in sorted(merged)))
        _keep_provenance(file.parent / "provenance.json")
    except OSError as error:
        said = unwritable(file, error) if error.errno else error  # an atomic file says it already
        raise ResultsError(
            f"{said} Rows kept before are untouched; run again: finished trainings are reused."
        ) from error
    return file


def keep(rows: Iterable[Row]) -> pd.DataFrame:
    """Append rows of one experiment and profile, and return them, and no others, as a frame; empty without rows."""
    rows = list(rows)
    if not rows:
        return _frame([], COLUMNS)
    profile, experiment = rows[0].profile, rows[0].experiment
    append(rows, profile, experiment)
    kept = load(profile, experiment)
    keys = {_key(row.cells()) for row in rows}
    return kept.loc[[key in keys for key in _keys(kept)]].reset_index(drop=True)


def load(profile: str, experiment: str | None = None, *, published: bool = False, own: bool = True) -> pd.DataFrame:
    """Rows of one experiment (or of all), as a data frame with COLUMNS; empty when there are none.

    published: take in the rows of published runs, in results/<profile>/, whose keys this machine has not computed.
    own: take in the rows of this machine, in build/results/<profile>/.
    Raises ResultsError for an unknown profile or a damaged file.
    """
    return _frame(_stored(profile, experiment, published=published, own=own), COLUMNS)


def joined(profile: str, experiment: str, superseded: Callable[[Mapping[str, str]], bool]) -> tuple[str, int]:
    """What results/<profile>/<experiment>.csv should hold: its rows and this machine's, which replace those of the
    same key, without rows whose cells are `superseded`. The text, and how many rows were left out.

    Raises ResultsError as `load` does.
    """
    cells = _stored(profile, experiment, published=True, own=True)
    kept = [line for line in cells if not superseded(line)]
    return _as_csv(kept), len(cells) - len(kept)


def _stored(profile: str, experiment: str | None, *, published: bool, own: bool) -> list[dict[str, str]]:
    _check_known("profile", profile, PROFILES, "load")
    folders = [project_root() / "results" / profile] * published + [build_folder() / "results" / profile] * own
    cells: dict[tuple[str, ...], dict[str, str]] = {}
    for folder in folders:
        files = sorted(folder.glob("*.csv")) if experiment is None else [folder / f"{experiment}.csv"]
        for file in files:
            cells |= {_key(line): line for line in _read_cells(file, COLUMNS)}
    return [cells[key] for key in sorted(cells)]


def earlier(about: Mapping[str, Any], seeds: Iterable[int]) -> pd.DataFrame | None:
    """Rows of one configuration, computed here or published; None unless there are some of each of `seeds`.

    about: columns of the configuration: profile, experiment, dataset, method, recipe, data and params; others do not
    count. Says on stderr how many of the rows are published ones, and what computes them here.
    """
    wanted = {name: about[name] for name in ("dataset", "method", "recipe", "data")}
    rows = load(about["profile"], about["experiment"], published=True)
    rows = select(rows, **wanted, params=canonical_params(about["params"]))
    seeds = set(seeds)
    rows = rows.loc[rows["seed"].isin(list(seeds))].reset_index(drop=True)
    if set(rows["seed"]) != seeds:
        return None
    if taken := not_computed_here(rows):
        name = f"{about['experiment']}, {about['dataset']}, {about['method']}"
        where = f"results/{about['profile']}"
        print(f"{name}: {taken} published rows from {where} (reuse_rows: false computes them here)", file=sys.stderr)
    return rows


def not_computed_here(rows: pd.DataFrame) -> int:
    """How many of these rows come from published runs alone."""
    files = {(line["profile"], line["experiment"]) for line in rows.to_dict("records")}
    own = {key for profile, experiment in sorted(files) for key in _keys(load(profile, experiment))}
    return sum(key not in own for key in _keys(rows))


def published(experiment: str | None = None) -> pd.DataFrame:
    """Published numbers (results/published.csv): COLUMNS and PUBLISHED_COLUMNS, unknown ones empty or NA."""
    file = project_root() / "results" / "published.csv"
    if not file.is_file():
        place = file.relative_to(project_root())
        raise ResultsError(f"{file} is missing; it is part of the project: restore it with 'git checkout {place}'")
    frame = _frame(_read_cells(file, COLUMNS + PUBLISHED_COLUMNS), COLUMNS + PUBLISHED_COLUMNS)
    return frame if experiment is None else select(frame, experiment=experiment)


def with_all_seeds(rows: pd.DataFrame) -> pd.DataFrame:
    """These rows and those, computed or published earlier, of the same settings with these or other seeds.

    With all their metrics: a training that stopped lacks those that others have.
    """
    if rows.empty:
        return rows
    profile, experiment = str(rows["profile"].iloc[0]), str(rows["experiment"].iloc[0])
    wanted = set(_settings(rows))
    kept = load(profile, experiment, published=True)
    return kept.loc[[key in wanted for key in _settings(kept)]].reset_index(drop=True)


def _settings(rows: pd.DataFrame) -> list[tuple[str, ...]]:
    plain = rows.assign(params=[split_seeds(text)[0] for text in rows["params"]])
    columns = [name for name in SUMMARY_COLUMNS if name not in ("metric", "unit")]
    return list(plain[columns].itertuples(index=False, name=None))


def select(frame: pd.DataFrame, **wanted: Any) -> pd.DataFrame:
    """Rows whose columns, or keys of `params`, have the wanted values (a list means: any of these).

    `select(rows, dataset="wildlife", method=["original", "cgn"], cf_ratio=1)`
    """
    allowed = {name: value if isinstance(value, list | tuple | set) else [value] for name, value in wanted.items()}
    keep = []
    for line in frame.to_dict("records"):
        found = json.loads(line["params"] or "{}") | line
        keep.append(all(found.get(str(name)) in values for name, values in allowed.items()))
    return frame.loc[keep].reset_index(drop=True)


def split_seeds(params: str) -> tuple[str, str]:
    """Params without its seeds, and the seeds alone (names that end in "_seed"), both as canonical JSON."""
    given = json.loads(params or "{}")
    seeds = {name: value for name, value in given.items() if name.endswith("_seed")}
    return canonical_params({k: v for k, v in given.items() if k not in seeds}), canonical_params(seeds)


def interval_of(rows: pd.DataFrame) -> Interval:
    """Mean and 95 % interval of rows that differ in seeds alone.

    At least 3 CGN seeds: t over their means. Else at least 3 seeds in all: t over these. Else, for a percentage or
    fraction, Wilson over the images of a row around the mean, which leaves out the spread between seeds. No interval
    of a percentage or fraction goes beyond its limits.
    Raises ResultsError without rows.
    """
    if rows.empty:
        raise ResultsError("no rows to take an interval of")
    values = [float(value) for value in rows["value"]]
    groups = seed_groups(rows)
    limits = _LIMITS.get(str(rows["unit"].iloc[0]), (-math.inf, math.inf))
    if len(groups) >= 3 and len(groups) == len(values):
        return mean_interval(values).cut(*limits)
    if len(groups) >= 3:
        return nested_interval(groups).interval.cut(*limits)
    if len(values) >= 3:
        return replace(mean_interval(values).cut(*limits), kind="t over classifier seeds")
    mean, scale = sum(values) / len(values), limits[1]
    if scale == math.inf:
        return Interval(mean, math.nan, math.nan, "no interval: fewer than 3 seeds")
    n = min(int(n) for n in rows["n"])
    return wilson_interval(mean / scale * n, n).scaled(scale)


def seed_groups(rows: pd.DataFrame) -> list[list[float]]:
    """Values of rows that differ in seeds alone, one list per outer seed (per CGN seed, where params name one).

    Where no seed stands in params, each row's own seed is the outer one.
    """
    groups: dict[str, list[float]] = {}
    for line in rows.to_dict("records"):
        seeds = json.loads(split_seeds(line["params"])[1])
        outer = str(seeds.get("cgn_seed", seeds or line["seed"]))
        groups.setdefault(outer, []).append(float(line["value"]))
    return list(groups.values())


SUMMARY_COLUMNS = ("experiment", "dataset", "method", "recipe", "metric", "unit", "profile", "data", "params")


def summarise(ours: pd.DataFrame) -> pd.DataFrame:
    """One line per number over its seeds: SUMMARY_COLUMNS (params without seeds), mean, low, high, kind, n, seeds.

    n: images per seed; seeds: what the interval is over, where it is over seeds: CGNs, or classifiers of fewer than 3.
    """
    lines = []
    plain = ours.assign(params=[split_seeds(text)[0] for text in ours["params"]])
    keys = [tuple(line) for line in plain[list(SUMMARY_COLUMNS)].itertuples(index=False)]
    for key in dict.fromkeys(keys):
        rows = ours.loc[[other == key for other in keys]]
        found = interval_of(rows)
        n = min(int(n) for n in rows["n"])
        groups = len(seed_groups(rows))
        lines.append((*key, found.value, found.low, found.high, found.kind, n, groups if groups >= 3 else len(rows)))
    return pd.DataFrame(lines, columns=[*SUMMARY_COLUMNS, "mean", "low", "high", "kind", "n", "seeds"])


def beside_published(ours: pd.DataFrame, sources: Sequence[str] = SOURCES) -> pd.DataFrame:
    """`summarise(ours)` with one column per source, holding the published value (NaN where there is none), and one
    per source "ours - <source>" with the difference of the means.

    Joined on experiment, dataset, method and metric. Where a source has several numbers for one key (the seed's
    Tables 2 and 6), that of the same recipe is taken, with "robust" counting as "paper"; else that of its first table.
    """
    wide = summarise(ours)
    theirs = published()
    for source in sources:
        _check_known("source", source, SOURCES, "beside_published")
        lines = [line for line in theirs.to_dict("records") if line["source"] == source]
        wide[source] = [_published_value(lines, line) for line in wide.to_dict("records")]
        wide[f"ours - {source}"] = wide["mean"] - wide[source]
    return wide


def _published_value(lines: Sequence[Mapping[Any, Any]], ours: Mapping[Any, Any]) -> float:
    join = ("experiment", "dataset", "method", "metric")
    recipe = "paper" if ours["recipe"] == "robust" else ours["recipe"]
    same = [line for line in lines if all(line[column] == ours[column] for column in join)]
    same.sort(key=lambda line: (line["recipe"] != recipe, line["table"]))
    return float(same[0]["value"]) if same else math.nan


def _check_known(kind: str, value: str, known: Sequence[str], where: str) -> None:
    if value not in known:
        near = difflib.get_close_matches(str(value), known, n=1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'?" if near else "known: " + ", ".join(known)
        raise ResultsError(f"{where}: unknown {kind} '{value}'; {hint}")


def _key(cells: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(cells[column] for column in KEY)


def _keys(frame: pd.DataFrame) -> list[tuple[str, ...]]:
    return list(frame[list(KEY)].astype(str).itertuples(index=False, name=None))


def _read_cells(file: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Lines of a results file as texts, [] when there is no file. Raises ResultsError when it is damaged."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except UnicodeDecodeError as error:
        raise ResultsError(f"{file} is damaged: not UTF-8 text. {_REMEDY}") from error
    except OSError as error:
        raise ResultsError(f"cannot read {file}: {error.strerror or error}. Make it readable and run again.") from error
    lines = list(csv.reader(io.StringIO(text)))
    if not lines or lines[0] != list(columns):
        unknown = [name for name in (lines[0] if lines else []) if name not in columns]
        what = f"unknown columns {unknown}" if unknown else "its columns are not those of a results file"
        raise ResultsError(f"{file} is damaged: {what}. {_REMEDY}")
    for number, line in enumerate(lines[1:], start=2):
        if len(line) != len(columns):
            raise ResultsError(f"{file} is damaged at line {number}. {_REMEDY}")
        cells = dict(zip(columns, line, strict=True))
        for column, (kind, fits) in _KINDS.items():
            unknown = not cells[column] and (column == "seconds" or (columns != COLUMNS and column != "value"))
            if not unknown and not fits(cells[column]):
                what = f"{column} '{cells[column]}' is no {kind}"
                raise ResultsError(f"{file} is damaged at line {number}: {what}. {_REMEDY}")
    return [dict(zip(columns, line, strict=True)) for line in lines[1:]]


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


_KINDS: dict[str, tuple[str, Callable[[str], bool]]] = {
    "value": ("number", _is_number),
    "n": ("whole number", str.isdecimal),
    "seed": ("whole number", str.isdecimal),
    "seconds": ("number", _is_number),
    "params": ("JSON object", _is_object),
}
_REMEDY = "Delete it, or restore it with git checkout, and run again."


def _as_csv(cells: Iterable[Mapping[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(cells)
    return text.getvalue()


def _frame(cells: Sequence[Mapping[str, str]], columns: Sequence[str]) -> pd.DataFrame:
    frame = pd.DataFrame([dict(line) for line in cells], columns=list(columns), dtype=str)
    for column in ("value", "seconds"):
        frame[column] = pd.array([float(text) if text else math.nan for text in frame[column]], dtype="float64")
    for column in ("n", "seed"):
        frame[column] = pd.array([int(text) if text else None for text in frame[column]], dtype="Int64")
    return frame


def _replace_file(file: Path, text: str) -> None:
    """Put `text` in the file's place at once: readers see the old or the new file, never a part."""
    with atomic_file(file) as partial:
        partial.write_text(text, encoding="utf-8", newline="")


def _lock_file(file: Path) -> Path:
    return file.with_name(f".{file.name}.lock")


def _keep_provenance(file: Path) -> None:
    with locked(_lock_file(file)):
        earlier = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
        _replace_file(file, add_provenance(earlier, provenance()))
