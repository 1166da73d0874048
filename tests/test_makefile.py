"""The make targets, without running what they start."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cgnlib.paths import project_root

ROOT = project_root()


def make(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    # A make started by another make (as in `make test`) would take over its options and say which folder it enters.
    outer = ("CGN_BUILD", "PROFILE", "SEED", "CORES", "MAKEFLAGS", "MFLAGS", "MAKELEVEL")
    environment = {name: value for name, value in os.environ.items() if name not in outer}
    return subprocess.run(["make", *arguments], cwd=folder, capture_output=True, text=True, env=environment)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in which nothing was made yet."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("params", ".ci"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def test_make_alone_lists_the_targets() -> None:
    shown = make()
    assert shown.returncode == 0
    for target in ("report", "test", "test-slow", "lab", "book", "bench", "assets", "pretrain", "publish", "clean"):
        assert f"  {target} " in shown.stdout


def test_an_unknown_profile_is_named_with_the_choices() -> None:
    shown = make("report", "PROFILE=tiny")
    assert shown.returncode != 0
    for word in ("tiny", "smoke", "quick", "paper"):
        assert word in shown.stderr


TARGETS = (
    *("report", "study", "sweep", "book", "lab", "test", "test-slow"),
    *("assets", "bench", "pretrain", "publish", "readme"),
)


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_makes_the_environment_first(checkout: Path, target: str) -> None:
    lines = make("-n", target, folder=checkout).stdout.splitlines()
    assert lines[0].startswith("bash .ci/environment .venv")


def test_profile_cores_and_seed_are_passed_on(checkout: Path) -> None:
    shown = make("-n", "report", "PROFILE=paper", "CORES=8", "SEED=3", folder=checkout).stdout
    assert "--cores 8" in shown
    assert "--config profile=paper seed=3" in shown
    assert "cgnlib.report book --profile paper" in shown


@pytest.mark.parametrize("target", ["report", "sweep"])
def test_rows_that_are_there_are_computed_anew_on_request(checkout: Path, target: str) -> None:
    assert "reuse_rows" not in make("-n", target, folder=checkout).stdout
    assert "reuse_rows=false" in make("-n", target, "FRESH=1", folder=checkout).stdout


def test_quick_is_the_default_and_has_no_seed_of_its_own(checkout: Path) -> None:
    shown = make("-n", "report", folder=checkout).stdout
    assert "profile=quick" in shown
    assert "seed=" not in shown


def test_seeds_of_a_sweep_are_passed_on(checkout: Path) -> None:
    assert 'seeds="4 5"' in make("-n", "sweep", "SEEDS=4 5", folder=checkout).stdout


def test_every_test_belongs_to_one_of_two_targets(checkout: Path) -> None:
    fast, slow = (make("-n", target, folder=checkout).stdout for target in ("test", "test-slow"))
    assert re.search(r'pytest -n 2 .*-m "not slow"\n', fast)
    assert "pytest -m slow\n" in slow
    assert "ruff" in fast
    assert "ruff" not in slow


def test_a_python_that_does_not_fit_is_a_clear_error(checkout: Path) -> None:
    false_python = checkout / "python2"
    false_python.write_text("#!/bin/sh\nexit 1\n")
    false_python.chmod(0o755)
    shown = make("env", f"PYTHON={false_python}", folder=checkout)
    assert shown.returncode != 0
    assert str(false_python) in shown.stderr
    assert "3.11 to 3.13" in shown.stderr
    assert not (checkout / ".venv" / ".complete").exists()


def test_clean_keeps_trained_models_and_the_environment(checkout: Path) -> None:
    kept = [checkout / "build" / "artefacts" / "cgn.safetensors", checkout / ".venv" / "pyvenv.cfg"]
    removed = [
        checkout / "build" / "notebooks" / "quick" / "a.ipynb",
        checkout / "build" / "book" / "quick" / "index.html",
    ]
    for path in (*kept, *removed):
        path.parent.mkdir(parents=True)
        path.touch()
    for folder in ("cgnlib", "tests"):
        (checkout / folder).mkdir()
    assert make("clean", folder=checkout).returncode == 0
    assert all(path.exists() for path in kept)
    assert not any(path.exists() for path in removed)


@pytest.mark.parametrize("build", ["elsewhere", "~/cgn build"])
def test_what_is_removed_lies_in_the_build_folder_that_is_named(checkout: Path, build: str) -> None:
    made = Path(build.replace("~", str(checkout / "home"))) if "~" in build else checkout / build
    files = {name: made / name / "file" for name in ("notebooks", "results", "artefacts", "durations")}
    files |= {"other": made / "other" / "file", "here": checkout / "build" / "notebooks" / "file"}
    for path in files.values():
        path.parent.mkdir(parents=True)
        path.touch()
    for folder in ("cgnlib", "tests"):
        (checkout / folder).mkdir()
    home = f"HOME={checkout / 'home'}"
    assert make("clean", f"CGN_BUILD={build}", home, folder=checkout).returncode == 0
    assert {name for name, path in files.items() if path.exists()} == {"artefacts", "durations", "other", "here"}
    assert make("distclean", f"CGN_BUILD={build}", home, folder=checkout).returncode == 0
    assert {name for name, path in files.items() if path.exists()} == {"other", "here"}, "nobody else's files"
    files["other"].unlink()
    files["other"].parent.rmdir()
    assert make("distclean", f"CGN_BUILD={build}", home, folder=checkout).returncode == 0
    assert not made.exists()
