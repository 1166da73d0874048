"""Paths do not depend on where a process runs; files appear whole or not at all."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from cgnlib.paths import atomic_file, build_folder, in_project, project_root

# --- places ---------------------------------------------------------------------------------------------------------


def test_a_relative_path_is_one_place_wherever_the_process_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CGN_BUILD", "elsewhere/build")
    monkeypatch.chdir(tmp_path)
    assert in_project("data") == project_root() / "data"
    assert in_project("../data") == project_root().parent / "data"
    assert build_folder() == project_root() / "elsewhere" / "build"


def test_absolute_paths_and_the_home_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CGN_BUILD", str(tmp_path / "build"))
    assert in_project("~/data") == tmp_path / "data"
    assert build_folder() == tmp_path / "build"
    monkeypatch.setenv("CGN_BUILD", "")
    assert build_folder() == project_root() / "build"


# --- files ----------------------------------------------------------------------------------------------------------


def test_an_atomic_file_appears_only_when_complete(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    with pytest.raises(KeyboardInterrupt), atomic_file(path) as partial:
        partial.write_text("half")
        raise KeyboardInterrupt
    assert not list(path.parent.iterdir())
    with atomic_file(path) as partial:
        partial.write_text("whole")
        assert not path.exists()
    assert [file.name for file in path.parent.iterdir()] == ["file"]


def test_an_atomic_file_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, synced = tmp_path / "file", []
    monkeypatch.setattr(
        "cgnlib.paths.os.fsync", lambda number: synced.append((os.fstat(number).st_size, path.exists()))
    )
    with atomic_file(path) as partial:
        partial.write_text("whole")
    assert synced == [(5, False)]
    assert path.read_text() == "whole"


def test_what_a_killed_writer_left_is_removed_and_nothing_of_one_that_runs(tmp_path: Path) -> None:
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True
    ).stdout
    here, elsewhere = f".file.{platform.node()}.", ".file.another-machine."
    names = [f"{here}{gone.strip()}.partial", f"{here}1.partial", f"{elsewhere}{gone.strip()}.partial", ".file.partial"]
    for name in names:
        (tmp_path / name).touch()
    with atomic_file(tmp_path / "file") as partial:
        partial.write_text("whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*names[1:], "file"])


def test_an_old_file_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(ValueError, match="^halfway$"), atomic_file(path) as partial:
        partial.write_text("new")
        raise ValueError("halfway")
    assert path.read_text() == "old"


def test_an_error_of_another_file_names_that_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"'[^']*missing'$"), atomic_file(tmp_path / "file") as partial:
        partial.write_bytes((tmp_path / "missing").read_bytes())


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file")
    with (
        pytest.raises(OSError, match=r"cannot write .*folder/file: .*point CGN_BUILD"),
        atomic_file(tmp_path / "folder" / "file"),
    ):
        pytest.fail("there is no such folder")
