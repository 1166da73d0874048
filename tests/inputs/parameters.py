"""Parameters that are unknown, of another type, out of range or read in two ways; commands; rows of results."""

import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cgnreport.build import run
from cgnreport.protocol import store
from cgnreport.protocol.parameters import Parameters, page_parameters, read_file, read_text
from cgnreport.verdicts import matrix
from tests.inputs.cases import ROOT, Cases, Refused

cases = Cases("parameters")
Patch = pytest.MonkeyPatch

VALUES: dict[str, tuple[str, dict[str, Any]]] = {
    "unknown": ("A misspelt parameter", {"sede": 3}),
    "negative": ("A seed below 0", {"seed": -1}),
    "truth": ("A seed of true", {"seed": True}),
    "text": ("A number in quotes", {"seed": "3"}),
    "fraction": ("A seed with a fraction", {"seed": 3.5}),
    "exponent": ("A count with an exponent", {"counterfactuals": "1e5"}),
    "one": ("A 1 for true", {"reuse_rows": 1}),
    "choice": ("A variant that does not exist", {"variants": ["wildlive"]}),
    "no-list": ("One variant where a list is asked for", {"variants": "wildlife"}),
    "no-item": ("An empty list", {"variants": []}),
    "twice": ("An item that is there twice", {"variants": ["wildlife", "wildlife"]}),
    "range": ("A number that is too small", {"imagenet_samples": 3}),
    "scale": ("A scale that does not exist", {"profile": "quik"}),
}
for name, (thing, given) in VALUES.items():
    cases.add(name, thing, lambda folder, patch, given=given: Parameters.of(given))

for name, word in (
    ("octal", "010"),
    ("hexadecimal", "0x10"),
    ("sexagesimal", "1:30"),
    ("science", "1e-3"),
    ("yes", "yes"),
    ("none", "None"),
    ("tilde", "~"),
):
    cases.add(f"word-{name}", f"`-p seed {word}`", lambda folder, patch, word=word: read_text(word, "seed"))


def file(text: str, folder: Path, patch: Patch) -> None:
    (folder / "my.yaml").write_text(text)
    read_file(folder / "my.yaml")


for name, thing, text in (
    ("file", "A file that is no YAML", "seed: ["),
    ("lines", "A file without parameters", "- 1\n"),
    ("double", "A file with a parameter twice", "seed: 1\nseed: 2\n"),
    ("tag", "A file that would make an object", "seed: !!python/object/apply:os.getcwd []\n"),
):
    cases.add(name, thing, partial(file, text))


@cases("A file of parameters that does not exist")
def no_file(folder: Path, patch: Patch) -> None:
    read_file(folder / "my.yaml")


@cases("`-p seed 1 -p seed 2`")
def said_twice(folder: Path, patch: Patch) -> None:
    run.parse_overrides([("seed", "1"), ("seed", "2")])


@cases("A notebook that does not exist")
def notebook(folder: Path, patch: Patch) -> None:
    run.run_notebook("02-claim1-mnits", "smoke")


@cases("Another scale as a parameter")
def other_scale(folder: Path, patch: Patch) -> None:
    run.run_notebook("01-variants", "smoke", {"profile": "paper"})


@cases("A notebook's scale changed, and its values not")
def only_profile(folder: Path, patch: Patch) -> None:
    page_parameters({"profile": "paper", "train_images": 7500})


@cases("A build folder that is a file")
def build_file(folder: Path, patch: Patch) -> None:
    (folder / "build").write_text("a file")
    run.run_notebook("01-variants", "smoke")


def make(setting: str, folder: Path, patch: Patch) -> None:
    shutil.copy(ROOT / "Makefile", folder)
    shutil.copytree(ROOT / "params", folder / "params")
    done = subprocess.run(["make", "report", setting], cwd=folder, capture_output=True, text=True)
    raise Refused(done.stderr.strip().partition("*** ")[2].removesuffix("  Stop."))


for name, setting in (
    ("profile", "PROFILE=tiny"),
    ("seed", "SEED=010"),
    ("two-seeds", "SEED=1 2"),
    ("seeds", "SEEDS=0 -1"),
    ("cores", "CORES=two"),
    ("fresh", "FRESH=0"),
):
    cases.add(f"make-{name}", f"`make report {setting}`", partial(make, setting))


def results(text: str, folder: Path, patch: Patch) -> None:
    (folder / "mnist-ood.csv").write_text(text)
    store.read_cells(folder / "mnist-ood.csv")


def verdicts(folder: Path, patch: Patch) -> None:
    (folder / "results").mkdir()
    (folder / "results" / "claims.json").write_text("<<<<<<< HEAD\n")
    patch.setattr(matrix, "project_root", lambda: folder)
    matrix.published_records()


cases.add("verdicts", "Published verdicts with a conflict of git in them", verdicts)
HEAD = ",".join(store.COLUMNS)
cases.add("columns", "Results with other columns", partial(results, "a,b\n1,2\n"))
cases.add("columns-short", "Results with a line that breaks off", partial(results, f"{HEAD}\nmnist-ood,wildlife\n"))
cases.add("columns-word", "Results with a word for a number", partial(results, f"{HEAD}\n{',' * HEAD.count(',')}\n"))
