"""The whole report in a folder of any name, on a machine that can be written nowhere else; then without Jupyter Book.

One run at scale smoke, under a root file system that is read-only but for one folder where the system allows it.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from cgnlib.paths import project_root
from cgnreport.build import book

ROOT = project_root()
# Binds the folder $1 to itself, makes every other mount read-only, then runs the rest.
READ_ONLY = r"""
mount --bind "$1" "$1" || exit 99
while read -r _ _ _ _ place _; do
    case "$place" in /proc*|/sys*|/dev*|"${1// /\\040}") continue ;; esac
    mount -o remount,ro,bind "$(printf %b "${place//\\/\\0}")"
done < /proc/self/mountinfo
touch "${1%/*}/outside" 2>/dev/null && exit 99
cd "$2" && shift 2 && exec "$@"
"""


@dataclass(frozen=True)
class Run:
    """What `make report` said, and every file that was written in the one folder, by its path there."""

    done: subprocess.CompletedProcess[str]
    folder: Path
    written: list[str]
    sealed: bool  # the rest of the file system was read-only


def clone(target: Path) -> None:
    """The files in git, and an environment there, as pip makes it in a folder whose name has a space."""
    names = subprocess.check_output(["git", "-C", ROOT, "ls-files", "-z"], text=True).split("\0")
    for name in (name for name in names if name and (ROOT / name).is_file()):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target / name)
    venv, ours = target / ".venv", Path(sys.executable).parent
    (venv / "bin").mkdir(parents=True)
    shutil.copy(Path(sys.prefix) / "pyvenv.cfg", venv)
    (venv / "lib").symlink_to(Path(sys.prefix) / "lib")
    (venv / "bin" / "python").symlink_to(os.path.realpath(sys.executable))
    for script in ("snakemake", "jupyter-book"):
        code = (ours / script).read_text().partition("\n")[2].removeprefix("'''exec'").lstrip()
        python = f"#!/bin/sh\n'''exec' \"{venv}/bin/python\" \"$0\" \"$@\"\n' '''\n"
        (venv / "bin" / script).write_text(python + code)
        (venv / "bin" / script).chmod(0o755)
    (venv / ".complete").touch()


def files(folder: Path) -> dict[str, int]:
    """Every file below a folder, with the time of its last change; caches of Python's own are left out."""
    found = {}
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        found |= {str(Path(place, name).relative_to(folder)): Path(place, name).lstat().st_mtime_ns for name in names}
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("elsewhere")
    here = folder / "my clone é"
    clone(here)
    for name in ("my home", "my tmp"):
        (folder / name).mkdir()
    own = {"HOME": "my home", "TMPDIR": "my tmp", "CGN_BUILD": "my build é", "CGN_CACHE": "my cache"}
    dropped = ("CGN_DATA", "XDG_CACHE_HOME", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PYTEST_CURRENT_TEST")
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    environment |= {name: str(folder / place) for name, place in own.items()}
    environment |= {"PYTHONPATH": str(here), "OMP_NUM_THREADS": "1"}
    before = files(folder)
    make = ["make", "report", "PROFILE=smoke"]
    sealed = subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode == 0
    command = ["unshare", "-rm", "bash", "-c", READ_ONLY, "sealed", folder, here, *make] if sealed else make
    done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True)
    after = files(folder)
    yield Run(done, folder, sorted(name for name in after if after[name] != before.get(name)), sealed)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_report_is_made_in_a_folder_of_any_name(run: Run) -> None:
    assert run.done.returncode == 0, run.done.stdout + run.done.stderr
    assert (run.folder / "my build é" / "book" / "smoke" / "index.html").is_file()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_nothing_is_written_but_in_the_build_and_cache_folders(run: Run) -> None:
    """Snakemake's notes lie in the checkout, where git leaves them out, and its scheduler forgets a file."""
    allowed = ("my build é/", "my cache/", "my home/.cache/", "my clone é/.snakemake/")
    others = [name for name in run.written if not name.startswith(allowed)]
    assert [name for name in others if not (name.startswith("my tmp/") and name.endswith("-pulp.mps"))] == []
    if not run.sealed:
        pytest.skip("the rest of the file system could not be made read-only: only the folder was watched")


def pages(folder: Path) -> dict[str, list[str]]:
    """Of each page of a book what it says: words, links, pictures with their texts. The theme's own are left out."""
    found = {}
    for file in sorted(folder.rglob("*.html")):
        article = BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser").select_one("article.bd-article")
        for part in article.select("a.headerlink, script, style") if article else ():
            part.decompose()
        if article:
            parts = [
                f"{part.get('href') or part.get('src')} {part.get('alt')}"
                for part in article.select("a, img, [role=img]")
            ]
            found[file.relative_to(folder).as_posix()] = article.get_text(" ").split() + parts
    return found


@pytest.fixture(scope="module")
def sphinx_9(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of an environment that holds book/without-jupyter-book.txt alone."""
    venv = tmp_path_factory.mktemp("sphinx") / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    pip = [venv / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
    wanted = ["install", "--quiet", "--no-deps", "-r", ROOT / "book" / "without-jupyter-book.txt"]
    got = subprocess.run([*pip, *wanted], capture_output=True, text=True)
    if got.returncode:
        pytest.skip(f"the packages cannot be had: {got.stderr[-300:]}")
    subprocess.run([*pip, "check"], check=True)
    return venv / "bin" / "python"


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_sphinx_9_without_jupyter_book_makes_the_same_book(run: Run, sphinx_9: Path, monkeypatch) -> None:
    """Warnings are errors there, too; so the day on which Jupyter Book breaks costs nothing."""
    monkeypatch.setenv("CGN_BUILD", str(run.folder / "my build é"))
    wanted = pages(run.folder / "my build é" / "book" / "smoke")
    monkeypatch.setattr(book, "find_spec", lambda name: None)
    builder = book._builder
    monkeypatch.setattr(book, "_builder", lambda source: [str(sphinx_9), *builder(source)[1:]])
    made = pages(book.build_book("smoke").parent)
    assert len(wanted) > len(book.notebook_names()) and made.keys() == wanted.keys()
    assert [name for name in wanted if made[name] != wanted[name]] == []
