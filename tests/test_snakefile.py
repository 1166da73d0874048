"""The workflow: order, what makes a notebook run again, failures, and the cluster profile; mostly dry runs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cgnlib.paths import project_root

ROOT = project_root()
SNAKEMAKE = Path(sys.executable).with_name("snakemake")
NAMES = (
    "00-overview",
    "01-variants",
    "02-claim1-mnist",
    "03-claim2-mnist",
    "04-gradcam",
    "05-claim3-mnist",
    "06-cf-ratio",
    "07-claim1-imagenet",
    "08-claim2-imagenet",
    "09-claim3-imagenet",
    "10-scorecard",
    "11-recipe-mnist",
)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A checkout with the real workflow and empty notebooks."""
    shutil.copy(ROOT / "Snakefile", tmp_path)
    for name in ("params", "profiles"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "book").mkdir()
    shutil.copy(ROOT / "book" / "_config.yml", tmp_path / "book")
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "cgnlib").mkdir()
    (tmp_path / "cgnlib" / "losses.py").write_text("WEIGHT = 1\n")
    for name in NAMES:
        (tmp_path / "notebooks" / f"{name}.ipynb").write_text(f"{name}\n")
    return tmp_path


def snakemake(
    folder: Path, *arguments: str, profile: str = "default", more: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """more: environment variables."""
    command = [str(SNAKEMAKE), "--workflow-profile", f"profiles/{profile}", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "CGN_BUILD"} | (more or {})
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)


def planned(folder: Path, *arguments: str, profile: str = "default") -> list[str]:
    """Names of the rules that a dry run would run, in its order."""
    shown = snakemake(folder, "--cores", "2", "-n", "--quiet", "host", *arguments, profile=profile)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    return re.findall(r"^(?:local)?rule (\w+):", shown.stdout + shown.stderr, flags=re.MULTILINE)


def test_the_book_needs_every_notebook_in_order(study: Path) -> None:
    rules = planned(study, "--config", "profile=smoke", "--", "book")
    notebooks = [rule for rule in rules if rule.startswith("notebook_")]
    assert sorted(notebooks) == sorted(f"notebook_{name.replace('-', '_')}" for name in NAMES)
    assert notebooks[-2:] == ["notebook_10_scorecard", "notebook_00_overview"]
    assert rules.index("notebook_00_overview") < rules.index("book")


def test_the_workflow_and_the_book_know_the_same_notebooks() -> None:
    toc = (ROOT / "book" / "_toc.yml").read_text(encoding="utf-8")
    workflow = (ROOT / "Snakefile").read_text(encoding="utf-8")
    for name in re.findall(r"notebooks/([\w-]+)", toc):
        assert f'"{name}"' in workflow


def run_falsely(
    study: Path, monkeypatch: pytest.MonkeyPatch, script: str, target: str = "study"
) -> subprocess.CompletedProcess[str]:
    """Run the workflow with a `cgnlib.report` that only does what `script` says with `name`, `output` and `profile`."""
    package = study / "cgnlib" / "report"
    package.mkdir(exist_ok=True)
    (study / "cgnlib" / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(
        "import argparse, pathlib, sys\n"
        "p = argparse.ArgumentParser(); p.add_argument('command'); p.add_argument('name')\n"
        "p.add_argument('-p', nargs=2, action='append'); p.add_argument('--profile')\n"
        "p.add_argument('--output'); p.add_argument('--log')\n"
        "given = p.parse_args(); name, output = given.name, pathlib.Path(given.output)\n"
        "print('RAN', name, given.p)\n" + script
    )
    monkeypatch.setenv("PYTHONPATH", str(study))
    return snakemake(study, "--cores", "2", "--config", "profile=smoke", "--", target)


def test_what_changed_runs_again_and_nothing_else(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run_falsely(study, monkeypatch, "output.write_text(name)\n")
    assert first.returncode == 0, first.stdout + first.stderr
    config = ("--config", "profile=smoke", "--", "study")
    assert planned(study, *config) == []
    later = study.stat().st_mtime + 100

    def change(path: Path) -> None:
        path.write_text(path.read_text() + "# changed\n")
        os.utime(path, (later, later))

    change(study / "cgnlib" / "report" / "__main__.py")
    assert planned(study, *config) == []
    change(study / "notebooks" / "04-gradcam.ipynb")
    again = planned(study, *config)
    assert again[0] == "notebook_04_gradcam"
    assert "notebook_03_claim2_mnist" not in again
    change(study / "cgnlib" / "losses.py")
    assert len([rule for rule in planned(study, *config) if rule.startswith("notebook_")]) == len(NAMES)


def test_another_seed_is_another_run(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_falsely(study, monkeypatch, "output.write_text(name)\n").returncode == 0
    rules = planned(study, "--config", "profile=smoke", "seed=3", "--", "study")
    assert len([rule for rule in rules if rule.startswith("notebook_")]) == len(NAMES)


@pytest.mark.parametrize("target", ["study", "sweep"])
def test_rows_are_computed_anew_on_request(study: Path, target: str) -> None:
    arguments = ("--cores", "1", "-n", "-p", "--config", "profile=smoke", "seeds=4", "reuse_rows=false", "--", target)
    commands = re.findall(r"cgnlib.report run .*", snakemake(study, *arguments).stdout)
    assert commands
    assert all("-p reuse_rows false" in command for command in commands)
    assert all(("-p seed 4 " in command) == (target == "sweep") for command in commands)


def test_one_failure_stops_what_needs_it_and_nothing_else(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = run_falsely(
        study,
        monkeypatch,
        "if name == '04-gradcam': sys.exit('error: notebook 04-gradcam failed')\noutput.write_text(name)\n",
    )
    assert shown.returncode != 0
    assert "error: notebook 04-gradcam failed" in shown.stderr
    done = {path.stem for path in (study / "build" / "notebooks" / "smoke").glob("*.ipynb")}
    assert done == set(NAMES) - {"04-gradcam", "10-scorecard", "00-overview"}


def test_a_sweep_runs_the_training_notebooks_once_for_each_seed(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = planned(study, "--config", "profile=smoke", "seeds=4 5", "--", "sweep")
    assert rules.count("seed_02_claim1_mnist") == 2
    assert rules.count("seed_03_claim2_mnist") == 2
    assert rules.count("seed_05_claim3_mnist") == 2


def test_the_build_folder_may_lie_in_the_home_folder(study: Path) -> None:
    arguments = ("--cores", "1", "-n", "--config", "profile=smoke", "--", "notebook_01_variants")
    shown = snakemake(study, *arguments, more={"CGN_BUILD": "~/reports", "HOME": str(study)})
    assert f"output: {study}/reports/notebooks/smoke/01-variants.ipynb" in shown.stdout + shown.stderr


def test_an_unknown_profile_is_named(study: Path) -> None:
    shown = snakemake(study, "--cores", "1", "-n", "--config", "profile=tiny", "--", "study")
    assert shown.returncode != 0
    assert "unknown profile 'tiny'" in shown.stdout + shown.stderr


@pytest.mark.parametrize(("target", "config", "wrong"), [("study", "seed=abc", "abc"), ("sweep", "seeds=0 -1", "-1")])
def test_a_wrong_seed_is_named_once(study: Path, target: str, config: str, wrong: str) -> None:
    shown = snakemake(study, "--cores", "1", "-n", "--config", "profile=smoke", config, "--", target)
    assert shown.returncode != 0
    assert (shown.stdout + shown.stderr).count(f"seed '{wrong}' is not a whole number") == 1


def test_the_slurm_profile_plans_the_same_study(study: Path) -> None:
    pytest.importorskip("snakemake_executor_plugin_slurm")
    planned_without_cores = snakemake(study, "-n", "--config", "profile=paper", "--", "book", profile="slurm")
    assert "number of cores" not in planned_without_cores.stdout + planned_without_cores.stderr
    rules = planned(study, "--config", "profile=paper", "--", "book", profile="slurm")
    assert len([rule for rule in rules if rule.startswith("notebook_")]) == len(NAMES)
