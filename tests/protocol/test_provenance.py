"""Rows name the code that computed them."""

import subprocess
from pathlib import Path

import pytest

from cgnreport.protocol import provenance
from cgnreport.protocol.provenance import code_of, code_version


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "cgnlib").mkdir()
    (tmp_path / "cgnlib" / "first.py").write_text("")
    who = ["-c", "user.name=test", "-c", "user.email=test"]
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "First"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    monkeypatch.setattr(provenance, "project_root", lambda: tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "dirty"),
    [("notes.txt", False), ("results/more.csv", False), ("cgnlib/second.py", True), ("cgnlib/first.py", True)],
)
def test_a_commit_is_clean_if_it_holds_all_code(checkout: Path, file: str, dirty: bool) -> None:
    (checkout / file).parent.mkdir(exist_ok=True)
    (checkout / file).write_text("changed")
    assert code_version().endswith("-dirty") is dirty


def test_the_code_of_a_process_is_what_it_started_with(checkout: Path) -> None:
    before = code_version()
    (checkout / "cgnlib" / "first.py").write_text("changed while a training runs")
    assert code_version() == before
    code_of.cache_clear()
    assert code_version() == f"{before}-dirty"
