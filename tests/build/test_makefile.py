"""The make targets, without running what they start."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cgnlib.paths import project_root

ROOT = project_root()
TARGETS = (
    *("report", "study", "sweep", "book", "pdf", "lab", "verify", "test", "test-slow"),
    *("assets", "bench", "pretrain", "publish", "readme"),
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in which nothing was made yet."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("params", "profiles", ".ci"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("cgnlib", "cgnreport", "benchmarks", "tests"):
        (tmp_path / name).mkdir()
    return tmp_path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(["make", *arguments], folder)


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    # A make started by another make (as in `make test`) would take over its options and say which folder it enters.
    outer = ("CGN_BUILD", "PROFILE", "ON", "SEED", "CORES", "MAKEFLAGS", "MFLAGS", "MAKELEVEL")
    environment = {name: value for name, value in os.environ.items() if name not in outer}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)


def test_make_alone_lists_the_targets(checkout: Path) -> None:
    shown = make(checkout)
    assert shown.returncode == 0
    for target in (*TARGETS, "clean"):
        assert f"\n  {target} " in shown.stdout


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("PROFILE=tiny", ("PROFILE=tiny", "smoke", "quick", "paper")),
        ("ON=moon", ("ON=moon", "kubernetes", "local", "slurm")),
        ("SEED=abc", ("SEED=abc", "whole number")),
        ("SEEDS=0 -1", ("SEEDS=0 -1", "whole number")),
        ("SEED=010", ("SEED=010", "without a leading zero")),
        ("SEED=1 2", ("SEED=1 2", "whole number")),
        ("SEEDS=0 01", ("SEEDS=0 01", "without a leading zero")),
        ("CORES=two", ("CORES=two", "number from 1 on")),
        ("FRESH=0", ("FRESH=0", "1 or left out")),
    ],
)
def test_a_wrong_setting_is_named_before_anything_starts(checkout: Path, setting: str, words: tuple[str, ...]) -> None:
    shown = make(checkout, "report", setting)
    assert shown.returncode != 0
    assert all(word in shown.stderr for word in words)
    assert not shown.stdout


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_makes_the_environment_first(checkout: Path, target: str) -> None:
    assert make(checkout, "-n", target).stdout.startswith("bash .ci/environment .venv")


@pytest.mark.parametrize(
    ("arguments", "passed", "not_passed"),
    [
        (["report"], "profile=quick ", "seed="),
        (["report"], "--cores 2 ", "reuse_rows"),
        (["report", "PROFILE=paper", "SEED=3"], "profile=paper seed=3 ", "profile quick"),
        (["report", "PROFILE=paper"], "cgnreport.build book --profile paper\n", "profile quick"),
        (["report", "CORES=8", "FRESH=1"], "--config reuse_rows=false ", "--cores 2"),
        (["sweep", "SEEDS=4 5"], 'seeds="4 5" ', "reuse_rows"),
        (["report"], "--workflow-profile profiles/local ", "slurm"),
        (["report", "ON=slurm"], "--workflow-profile profiles/slurm ", "local"),
        (["sweep", "ON=slurm", "GPUS=1", "MINUTES=600"], "gpus=1 minutes=600 ", "local"),
        (["test"], '-m "not slow"\n', "-m slow"),
        (["test-slow"], "-m slow\n", "ruff"),
        (["lint"], "lint-imports", "pytest"),
    ],
)
def test_settings_are_passed_on(checkout: Path, arguments: list[str], passed: str, not_passed: str) -> None:
    shown = make(checkout, "-n", *arguments).stdout
    assert passed in shown
    assert not_passed not in shown


def test_a_checkout_that_cannot_be_written_is_named(checkout: Path) -> None:
    script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && cd "$1" && make report'
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        pytest.skip("no folder can be made read-only here")
    shown = run(["unshare", "-rm", "bash", "-c", script, "-", str(checkout)], checkout)
    assert shown.returncode != 0
    assert f"{checkout} cannot be written" in shown.stderr and not shown.stdout


@pytest.mark.parametrize("home", [None, "/nonexistent"])
def test_a_home_that_cannot_be_written_is_replaced(checkout: Path, monkeypatch: pytest.MonkeyPatch, home) -> None:
    """Containers give unknown users HOME=/, Debian its services /nonexistent; pip and Jupyter write there."""
    monkeypatch.setenv("HOME", home) if home else monkeypatch.delenv("HOME")
    with (checkout / "Makefile").open("a") as makefile:
        makefile.write('\nhome:\n\t@echo "$$HOME"\n')
    found = Path(make(checkout, "-s", "home").stdout.strip())
    assert found == (checkout / "build" / "home" if home else Path("~").expanduser())


def test_a_user_without_a_name_gets_one(checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As in a container: Python's getpass.getuser, which Snakemake asks, fails there unless a variable names one."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "id").write_text('#!/bin/sh\necho 12345\n[ "$1" = -u ]\n')
    (tmp_path / "bin" / "id").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with (checkout / "Makefile").open("a") as makefile:
        makefile.write('\nname:\n\t@echo "$$LOGNAME"\n')
    assert make(checkout, "-s", "name").stdout == "user-12345\n"


def test_a_python_that_does_not_fit_is_a_clear_error(checkout: Path) -> None:
    false_python = checkout / "python2"
    false_python.write_text("#!/bin/sh\nexit 1\n")
    false_python.chmod(0o755)
    shown = make(checkout, "env", f"PYTHON={false_python}")
    assert shown.returncode != 0
    assert re.search(rf"{false_python}.* must be version 3.11.4 to 3.13", shown.stderr)
    assert not (checkout / ".venv" / ".complete").exists()


@pytest.mark.parametrize("build", ["build", "elsewhere", "~/cgn build"])
def test_what_is_removed_lies_in_the_build_folder_and_models_are_kept(checkout: Path, build: str) -> None:
    made = Path(build.replace("~", str(checkout / "home"))) if "~" in build else checkout / build
    names = ("notebooks", "book", "results", "artefacts", "durations", "other")
    files = {name: made / name / "file" for name in names} | {"venv": checkout / ".venv" / "pyvenv.cfg"}
    here = checkout / "build" / "notebooks" / "here"
    for path in (*files.values(), *([] if build == "build" else [here])):
        path.parent.mkdir(parents=True)
        path.touch()
    settings = ([] if build == "build" else [f"CGN_BUILD={build}"]) + [f"HOME={checkout / 'home'}"]
    assert make(checkout, "clean", *settings).returncode == 0
    assert {name for name, path in files.items() if path.exists()} == {"artefacts", "durations", "other", "venv"}
    assert make(checkout, "distclean", *settings).returncode == 0
    assert {name for name, path in files.items() if path.exists()} == {"other"}, "nobody else's files"
    assert here.exists() == (build != "build")
    shutil.rmtree(files["other"].parent)
    assert make(checkout, "distclean", *settings).returncode == 0
    assert not made.exists()
