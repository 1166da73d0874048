"""The workflow: order, what makes a notebook run again, failures, and the cluster profile; mostly dry runs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cgnlib.paths import project_root
from cgnreport.build import cluster, workflow
from cgnreport.build.places import notebook_names

ROOT = project_root()
SNAKEMAKE = Path(sys.executable).with_name("snakemake")
NAMES = notebook_names()
RULES = {f"notebook_{name.replace('-', '_')}" for name in NAMES}
SMOKE = ("--config", "profile=smoke")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A checkout with the real workflow and empty notebooks."""
    shutil.copy(ROOT / "Snakefile", tmp_path)
    for name in ("params", "profiles"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("book/_config.yml", *(f"notebooks/{name}.ipynb" for name in NAMES), "cgnlib/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"# {name}\n")
    return tmp_path


def snakemake(folder: Path, *arguments: str, profile: str = "local", **more: str) -> subprocess.CompletedProcess[str]:
    """more: environment variables."""
    command = [str(SNAKEMAKE), "--workflow-profile", f"profiles/{profile}", "--cores", "2", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "CGN_BUILD"} | more
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)


def planned(folder: Path, *arguments: str, profile: str = "local") -> list[str]:
    """Names of the rules that a dry run would run, in its order."""
    shown = snakemake(folder, "-n", "--quiet", "host", *arguments, profile=profile)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    return re.findall(r"^(?:local)?rule (\w+):", shown.stdout + shown.stderr, flags=re.MULTILINE)


def run_falsely(study: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run the workflow with a build that only does what `script` says with `name` and `output`."""
    package = study / "cgnreport" / "build"
    package.mkdir(parents=True, exist_ok=True)
    for file in (study / "cgnreport" / "__init__.py", package / "__init__.py"):
        file.touch()
    (package / "__main__.py").write_text(
        "import pathlib, sys\n"
        "name, output = sys.argv[2], pathlib.Path(sys.argv[sys.argv.index('--output') + 1])\n" + script
    )
    return snakemake(study, *SMOKE, "--", "study", PYTHONPATH=str(study))


def test_the_book_needs_every_notebook_in_order(study: Path) -> None:
    rules = planned(study, *SMOKE, "--", "book")
    notebooks = [rule for rule in rules if rule.startswith("notebook_")]
    assert sorted(notebooks) == sorted(RULES)
    assert notebooks[-2:] == ["notebook_10_scorecard", "notebook_00_overview"]
    assert rules.index("notebook_00_overview") < rules.index("book")


def test_what_changed_runs_again_and_nothing_else(study: Path) -> None:
    first = run_falsely(study, "output.write_text(name)\n")
    assert first.returncode == 0, first.stdout + first.stderr
    target = (*SMOKE, "--", "study")
    assert planned(study, *target) == []
    assert set(planned(study, "--config", "profile=smoke", "seed=3", "--", "study")) >= RULES, "another seed"
    later = study.stat().st_mtime + 100

    def change(path: Path) -> None:
        path.write_text(path.read_text() + "# changed\n")
        os.utime(path, (later, later))

    change(study / "cgnreport" / "build" / "__main__.py")
    assert planned(study, *target) == []
    change(study / "notebooks" / "04-gradcam.ipynb")
    again = planned(study, *target)
    assert again[0] == "notebook_04_gradcam"
    assert "notebook_03_claim2_mnist" not in again
    change(study / "cgnlib" / "__init__.py")
    assert set(planned(study, *target)) >= RULES


def test_published_rows_and_verdicts_that_change_are_shown_by_every_page(study: Path) -> None:
    claims = study / "results" / "claims.json"
    claims.parent.mkdir()
    claims.write_text("[]")
    assert run_falsely(study, "output.write_text(name)\n").returncode == 0
    assert planned(study, *SMOKE, "--", "study") == []
    claims.write_text("[1]")
    later = study.stat().st_mtime + 100
    os.utime(claims, (later, later))
    assert set(planned(study, *SMOKE, "--", "study")) >= RULES


@pytest.mark.parametrize("target", ["study", "sweep"])
def test_rows_are_computed_anew_on_request(study: Path, target: str) -> None:
    arguments = ("-n", "-p", "--config", "profile=smoke", "seeds=4", "reuse_rows=false", "--", target)
    commands = re.findall(r"cgnreport.build run .*", snakemake(study, *arguments).stdout)
    assert commands
    assert all("-p reuse_rows false" in command for command in commands)
    assert all(("-p seed 4 " in command) == (target == "sweep") for command in commands)


def test_one_failure_stops_what_needs_it_and_nothing_else(study: Path) -> None:
    shown = run_falsely(study, "if name == '04-gradcam': sys.exit('error: it failed')\noutput.write_text(name)\n")
    assert shown.returncode != 0
    assert "error: it failed" in shown.stderr
    done = {path.stem for path in (study / "build" / "notebooks" / "smoke").glob("*.ipynb")}
    assert done == set(NAMES) - {"04-gradcam", "10-scorecard", "00-overview"}


def test_a_sweep_runs_the_training_notebooks_once_for_each_seed(study: Path) -> None:
    rules = planned(study, "--config", "profile=smoke", "seeds=4 5", "--", "sweep")
    for name in ("02_claim1_mnist", "03_claim2_mnist", "05_claim3_mnist", "11_recipe_mnist"):
        assert rules.count(f"seed_{name}") == 2


def test_the_build_folder_may_lie_in_the_home_folder(study: Path) -> None:
    shown = snakemake(study, "-n", *SMOKE, "--", "notebook_01_variants", CGN_BUILD="~/reports", HOME=str(study))
    assert f"output: {study}/reports/notebooks/smoke/01-variants.ipynb" in shown.stdout + shown.stderr


@pytest.mark.parametrize(("seeds", "build"), [("0 0", "build"), ("0 01", "build"), ("0 1", "a {b}")])
def test_what_snakemake_would_misread_is_refused(study: Path, seeds: str, build: str) -> None:
    shown = snakemake(study, "-n", "--config", "profile=smoke", f"seeds={seeds}", "--", "sweep", CGN_BUILD=build)
    words = f"CGN_BUILD is {build}" if "{" in build else f"seeds={seeds}: write whole numbers"
    assert shown.returncode != 0 and words in shown.stdout + shown.stderr


def test_an_unknown_profile_is_named(study: Path) -> None:
    shown = snakemake(study, "-n", "--config", "profile=tiny", "--", "study")
    assert shown.returncode != 0
    assert "params/tiny.yaml" in shown.stdout + shown.stderr


@pytest.mark.parametrize("machine", ["slurm", "kubernetes"])
def test_another_machine_plans_the_same_study_and_every_job_says_what_it_needs(study: Path, machine: str) -> None:
    pytest.importorskip(f"snakemake_executor_plugin_{machine}")
    shown = snakemake(study, "-n", "--config", "profile=paper", "gpus=1", "--", "book", profile=machine)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    jobs = re.findall(r"^(?:local)?rule (\w+):.*?resources: ([^\n]*)", shown.stdout + shown.stderr, re.M | re.S)
    assert {name for name, _ in jobs} >= RULES
    for name, resources in jobs:
        named = set(re.findall(r"(\w+)=", resources))
        assert named >= {"mem_mb", "runtime"} | ({"gpu"} if name in RULES else set()), name


STAND_IN = {
    "parameters": """
class ParameterError(ValueError): pass
class Parameters:
    load = staticmethod(lambda profile, given: given["imagenet_real"])
""",
    "imagenet_settings": "minutes = lambda real, page: {'all': 2880, 'authors': 90}[real] if page[:2] == '07' else 0\n",
}


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ((), (1440, 7500, False)),
        (("real=all",), (2880, 24000, True)),
        (("real=authors",), (1440, 24000, True)),
        (("real=all", "minutes=600"), (600, 24000, True)),
    ],
)
def test_a_page_of_imagenet_itself_asks_for_its_gpu_and_hours(
    study: Path, given: tuple[str, ...], asked: tuple
) -> None:
    """And passes on what was asked for; the others ask as before. Which files are there is another test's matter."""
    for name in ("", "protocol"):
        (study / "cgnreport" / name).mkdir(exist_ok=True)
        (study / "cgnreport" / name / "__init__.py").touch()
    for name, text in STAND_IN.items():
        (study / "cgnreport" / "protocol" / f"{name}.py").write_text(text)
    arguments = ("-n", "-p", "--config", "profile=paper", *given, "--", "study")
    shown = snakemake(study, *arguments, PYTHONPATH=str(study))
    assert shown.returncode == 0, shown.stdout + shown.stderr
    jobs = re.findall(
        r"^rule (\w+):.*?resources: ([^\n]*)\n(.*?)(?=^rule|\Z)", shown.stdout + shown.stderr, re.M | re.S
    )
    found = {name: (resources, rest) for name, resources, rest in jobs}
    resources, command = found["notebook_07_claim1_imagenet"]
    minutes, memory, gpu = asked
    assert f"runtime={minutes}" in resources and f"mem_mb={memory}" in resources and ("gpu=1" in resources) == gpu
    assert (f"-p imagenet_real {given[0][5:]}" in command) if given else ("imagenet_real" not in command)
    other, command = found["notebook_03_claim2_mnist"]
    assert "gpu" not in other and "mem_mb=4000" in other and "imagenet_real" not in command


def test_no_profile_decides_the_number_of_threads() -> None:
    for file in (ROOT / "profiles").glob("*/config.yaml"):
        assert "cpus_per_task" not in yaml.safe_load(file.read_text()).get("default-resources", {}), file


def test_an_error_of_the_workflow_is_shown(study: Path) -> None:
    """With what `make` leaves out, too."""
    (quiet,) = re.findall(r"^QUIET *= (.*)", (ROOT / "Makefile").read_text(), re.M)
    (study / "notebooks" / "04-gradcam.ipynb").unlink()
    shown = snakemake(study, *quiet.split(), *SMOKE, "--", "study")
    assert shown.returncode != 0
    assert "notebooks/04-gradcam.ipynb" in shown.stdout + shown.stderr


SINFO = "work* 2:00:00\nlong 4-00:00:00\nfree infinite\n"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"runtime": 120}, ""),
        ({"runtime": 1440, "slurm_partition": "long"}, ""),
        ({"runtime": 99_999, "slurm_partition": "free"}, ""),
        ({"runtime": 121}, "jobs of 121 minutes would wait for ever: partition work allows 2:00:00.*MINUTES=120"),
        ({"runtime": 1, "slurm_partition": "gpu"}, "SLURM has no partition gpu: choose one of work, long, free"),
    ],
)
def test_jobs_that_slurm_would_never_start_are_refused(monkeypatch, asked: dict, words: str) -> None:
    answer = subprocess.CompletedProcess([], 0, SINFO)
    monkeypatch.setattr(cluster.subprocess, "run", lambda *command, **options: answer)
    said = cluster.refused([{"runtime": 1}, asked])
    assert bool(re.search(words, said)) if words else said == ""


def test_the_picture_of_the_workflow_shows_each_page_after_what_it_needs() -> None:
    of = workflow.needs()
    assert set(of) == set(NAMES) and of["03-claim2-mnist"] == []
    assert of["00-overview"] == ["10-scorecard", "11-recipe-mnist"]  # all else follows from these
    assert all(list(of).index(other) < list(of).index(name) for name, others in of.items() for other in others)
    drawn = workflow.picture(of)
    assert re.findall(r'href="notebooks/([\w-]+)\.html"', drawn) == list(of)
    assert drawn.count("<path d=") == sum(map(len, of.values())) + 1  # the head of the arrows
    assert set(re.findall(r'(?:fill|stroke)="([^"]*)"', drawn)) == {
        "none",
        "currentColor",
    }  # of the theme, light or dark
