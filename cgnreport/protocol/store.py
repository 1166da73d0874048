"""Where rows are kept: one CSV file per experiment, in build/results/<profile>/ and, published, in results/<profile>/.

A row with the same key replaces the older one, so runs can be repeated and continued. Published numbers of the papers
lie in results/published.csv, in the same columns and PUBLISHED_COLUMNS.
"""

import csv
import functools
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from cgnlib.errors import known
from cgnlib.locking import locked
from cgnlib.paths import atomic_file, build_folder, project_root, unwritable
from cgnreport.protocol.parameters import PROFILES
from cgnreport.protocol.provenance import code_version, join_provenance, provenance
from cgnreport.protocol.rows import COLUMNS, KEY, NUMBERS, WHOLE, ResultsError, Row, frame_of, select

PUBLISHED_COLUMNS = ("source", "table", "row", "column", "note")
SOURCES = ("SG21", "RS22", "Re-CGN")  # the original paper, the study under test, Bagad et al.
REMEDY = "Delete it, or restore it with git checkout, and run again."

Cells = dict[str, str]


def own_folder(profile: str) -> Path:
    """Where rows of this machine are kept."""
    return build_folder() / "results" / profile


def published_folder(profile: str) -> Path:
    """Where git keeps the rows of published runs."""
    return project_root() / "results" / profile


def keep(rows: Iterable[Row], *, whole: bool = False) -> pd.DataFrame:
    """Add rows to their experiments' files and return them as a frame; a row with the same key replaces the older one.

    whole: they are all the numbers of their measurements, each of one setting and random seed, so that all older ones
    go: a training that stopped now leaves no accuracy of before.

    Safe against concurrent writers and interruption: under a lock, the whole file is written beside the old one and put
    in its place at once. Raises ResultsError, or LockHeld; both leave the rows kept before as they were.
    """
    version = code_version()
    new = [row.cells() for row in (row if row.code else replace(row, code=version) for row in rows)]
    for profile, experiment in dict.fromkeys((cells["profile"], cells["experiment"]) for cells in new):
        file = own_folder(profile) / f"{experiment}.csv"
        own = [cells for cells in new if (cells["profile"], cells["experiment"]) == (profile, experiment)]
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with locked(file.with_name(f".{file.name}.lock")):
                _replace(file, as_csv(_merged(read_cells(file), own, whole=whole)))
            record = file.with_name("provenance.json")
            with locked(record.with_name(f".{record.name}.lock")):
                earlier = record.read_text(encoding="utf-8", errors="replace") if record.is_file() else ""
                _replace(record, join_provenance(earlier, json.dumps([provenance()])))
        except OSError as error:
            said = unwritable(file, error) if error.errno else error  # an atomic file says it already
            raise ResultsError(
                f"{said} Rows kept before are untouched; run again: finished trainings are reused."
            ) from error
    return frame_of(new)


def load(profile: str, experiment: str | None = None, *, published: bool = True, own: bool = True) -> pd.DataFrame:
    """Rows of one experiment (or of all); empty when there are none.

    published: take in the measurements of published runs that this machine has not made. own: take in the rows of
    this machine. Raises ResultsError for an unknown profile or a damaged file.
    """
    return frame_of(stored_cells(profile, experiment, published=published, own=own))


def stored_cells(profile: str, experiment: str | None, *, published: bool, own: bool) -> list[Cells]:
    """As `load`, as the texts of the files, sorted by key."""
    try:
        known("profile", profile, PROFILES)
    except ValueError as error:
        raise ResultsError(str(error)) from None
    found = list[Cells]()
    for folder in [published_folder(profile)] * published + [own_folder(profile)] * own:
        files = sorted(folder.glob("*.csv")) if experiment is None else [folder / f"{experiment}.csv"]
        found = _merged(found, [line for file in files for line in read_cells(file)], whole=True)
    return found


def taken_from_published(rows: pd.DataFrame) -> int:
    """How many of these rows this machine has not computed."""
    own = {
        key_of(line)
        for profile in set(rows["profile"])
        for line in stored_cells(profile, None, published=False, own=True)
    }
    return sum(key not in own for key in rows[list(KEY)].astype(str).itertuples(index=False, name=None))


def every_seed(rows: pd.DataFrame) -> pd.DataFrame:
    """All rows, computed or published, of the settings of these, with these or other random seeds.

    With all their metrics: a training that stopped lacks those that others have.
    """
    names = ["experiment", "dataset", "method", "recipe", "profile", "data", "setting"]
    wanted = rows[names].drop_duplicates()
    files = rows[["profile", "experiment"]].drop_duplicates().itertuples(index=False, name=None)
    kept = [load(profile, experiment) for profile, experiment in files]
    if not kept:
        return rows
    return pd.concat(kept, ignore_index=True).merge(wanted, on=names).reset_index(drop=True)


def published(experiment: str | None = None) -> pd.DataFrame:
    """Published numbers of the papers (results/published.csv); unknown cells are empty or NA."""
    frame = _published(project_root() / "results" / "published.csv")
    return frame if experiment is None else select(frame, experiment=experiment)


@functools.cache
def _published(file: Path) -> pd.DataFrame:
    if not file.is_file():
        raise ResultsError(f"{file} is missing; it is part of the project: restore it with 'git checkout results'")
    columns = COLUMNS + PUBLISHED_COLUMNS
    return frame_of(read_cells(file, columns), columns)


# --- Files ------------------------------------------------------------------------------------------------------------


def key_of(cells: Mapping[str, str]) -> tuple[str, ...]:
    """What tells a row from others; see `rows.KEY`."""
    return tuple(cells[column] for column in KEY)


def _merged(older: Sequence[Cells], newer: Sequence[Cells], *, whole: bool) -> list[Cells]:
    """Lines sorted by key: the newer ones, and older ones with other keys or, where `whole`, of other measurements."""

    def measurement(cells: Cells) -> tuple[str, ...]:
        return tuple(cells[column] for column in KEY if column not in ("metric", "output", "epoch"))

    again = {measurement(cells) for cells in newer} if whole else set()
    kept = [cells for cells in older if measurement(cells) not in again]
    by_key = {key_of(cells): cells for cells in (*kept, *newer)}
    return [by_key[key] for key in sorted(by_key)]


def as_csv(cells: Iterable[Mapping[str, str]]) -> str:
    """The text of a results file."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(cells)
    return text.getvalue()


def read_cells(file: Path, columns: Sequence[str] = COLUMNS) -> list[Cells]:
    """Lines of a results file as texts, [] when there is no file. Raises ResultsError when it is damaged."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except UnicodeDecodeError as error:
        raise ResultsError(f"{file} is damaged: not UTF-8 text. {REMEDY}") from error
    except OSError as error:
        raise ResultsError(f"cannot read {file}: {error.strerror or error}. Make it readable and run again.") from error
    lines = list(csv.reader(io.StringIO(text)))
    if not lines or lines[0] != list(columns):
        unknown = [name for name in (lines[0] if lines else []) if name not in columns]
        what = f"unknown columns {unknown}" if unknown else "its columns are not those of a results file"
        raise ResultsError(f"{file} is damaged: {what}. {REMEDY}")
    found = []
    for number, line in enumerate(lines[1:], start=2):
        cells = dict(zip(columns, line, strict=False))
        if len(line) != len(columns) or (what := _damage(cells, complete=columns == COLUMNS)):
            raise ResultsError(
                f"{file} is damaged at line {number}{f': {what}' if len(line) == len(columns) else ''}. {REMEDY}"
            )
        found.append(cells)
    return found


def _damage(cells: Cells, *, complete: bool) -> str:
    """What is wrong with a line; "" for nothing. complete: only the columns that may be empty are."""
    for column in (*NUMBERS, *WHOLE, "params"):
        text = cells[column]
        if not text and (column in ("low", "high", "seconds") or not complete and column != "value"):
            continue
        try:
            value = json.loads(text) if column == "params" else int(text) if column in WHOLE else float(text)
            wrong = not isinstance(value, dict) if column == "params" else not math.isfinite(value)
        except ValueError:
            wrong = True
        if wrong:
            kind = "JSON object" if column == "params" else "whole number" if column in WHOLE else "number"
            return f"{column} '{text}' is no {kind}"
    return ""


def _replace(file: Path, text: str) -> None:
    """Put `text` in the file's place at once: readers see the old or the new file, never a part."""
    with atomic_file(file) as partial:
        partial.write_text(text, encoding="utf-8", newline="")
