"""A bad input: a thing in words, and an attempt to use it. `python -m tests.inputs.cases` writes the book's table.

Every case runs on a machine without data, network and home, in a folder of its own.
"""

import contextlib
import importlib
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cgnlib.errors import AssetError, LockHeld, TrainingStopped, Unavailable
from cgnlib.paths import project_root
from cgnreport.build import ReportError
from cgnreport.protocol.rows import ResultsError

ROOT = project_root()
PAGE = ROOT / "book" / "bad-inputs.md"
GROUPS = {
    "pictures": "Pictures and folders of them",
    "data": "Data folders, files and downloads",
    "shapes": "Own shapes in place of digits",
    "weights": "Weights",
    "numbers": "Numbers that are none",
    "parameters": "Parameters, commands and results",
}
TOLD = (AssetError, LockHeld, TrainingStopped, Unavailable, ReportError, ResultsError, ValueError, OSError)
ABOUT = """\
# Bad inputs

What is said when a file, a folder, a parameter or a number cannot be used. None is taken silently: each line is a test
(`tests/inputs`), which runs the case and compares its error with the one that stands here. FOLDER is a user's folder.
"""

Attempt = Callable[[Path, pytest.MonkeyPatch], object]


class Refused(ValueError):
    """What a command said before it ended with an error."""


@dataclass(frozen=True)
class Case:
    """thing: what is given. attempt: uses it, in an empty folder, and must fail."""

    group: str
    name: str
    thing: str
    attempt: Attempt

    @property
    def key(self) -> str:
        """How pytest and the table name it."""
        return f"{self.group}/{self.name}"

    def error(self) -> str:
        """What is said, on one line; the folder is FOLDER. Fails where nothing is said."""
        with prepared() as (folder, patch):
            try:
                self.attempt(folder, patch)
            except TOLD as error:
                words = str(error).replace(str(folder), "FOLDER")
                assert "\n" not in words and not words.startswith("[Errno"), words
                return words
        raise AssertionError(f"{self.key}: taken without a word")


class Cases(dict[str, Case]):
    """The cases of a group by name; a decorator adds one: `@cases("an empty file")`, or `cases.add` a partial."""

    def __init__(self, group: str) -> None:
        super().__init__()
        self.group = group

    def __call__(self, thing: str) -> Callable[[Attempt], Attempt]:
        return lambda attempt: self.add(getattr(attempt, "__name__", "").replace("_", "-"), thing, attempt)

    def add(self, name: str, thing: str, attempt: Attempt) -> Attempt:
        assert name not in self, name
        self[name] = Case(self.group, name, thing, attempt)
        return attempt


@contextlib.contextmanager
def prepared() -> Iterator[tuple[Path, pytest.MonkeyPatch]]:
    """An empty folder, and a machine without data, network or home."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = Path(name).resolve()
        for variable in ("CGN_DATA", "XDG_CACHE_HOME", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "SEED", "CORES", "PROFILE"):
            patch.delenv(variable, raising=False)
        for variable, place in {"CGN_CACHE": "cache", "TORCH_HOME": "torch", "CGN_BUILD": "build"}.items():
            patch.setenv(variable, str(folder / place))
        patch.setattr("cgnlib.data.finding.shared_folder", lambda: folder / "no-shared-data")
        patch.setattr("cgnlib.data.fetching.answers", lambda url: False)
        yield folder, patch


def all_cases() -> list[Case]:
    """Every case, in the order of the table."""
    return [case for group in GROUPS for case in importlib.import_module(f"tests.inputs.{group}").cases.values()]


def lines() -> dict[str, str]:
    """The table's lines as they stand in the book, by key."""
    there = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    return {line.split("`")[-2]: line for line in there if line.endswith("` |")}


def line(case: Case, error: str) -> str:
    """A line of the table."""
    cells = (text.replace("|", r"\|").replace("<", "&lt;").replace("*", r"\*") for text in (case.thing, error))
    return f"| {' | '.join(cells)} | `{case.key}` |"


def page() -> str:
    """The book's page: every case is run."""
    cases, text = all_cases(), ABOUT
    for group, title in GROUPS.items():
        text += f"\n## {title}\n\n| given | said | test |\n|---|---|---|\n"
        text += "".join(f"{line(case, case.error())}\n" for case in cases if case.group == group)
    return text


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
