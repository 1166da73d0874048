"""What keeps the packages apart and small; `make lint` checks what they import from each other."""

import subprocess
import sys
from pathlib import Path

import pytest

from cgnlib.paths import project_root

ROOT = project_root()
LONGEST = 450  # lines of a module
# What is reached, so that it grows only where somebody decides so; lower these with every cut. The last rise was for
# CGNs trained one at a time (the published recipe at full length), how such a training came about, and what the ledger
# says of rows, tested. The sweep's command and figure; baselines in the classifier's precision; notebooks stepped back.
# Every condition of a verdict as data; whole measurements; one way to tell errors; faults mended, each with its test.
# Rows that are asked for and not there, counted; where a verdict flips; numbers side by side of the same classifiers.
LIMITS = {"cgnlib": 11_140, "cgnreport": 11_140, "tests": 17_360, "benchmarks": 1_345}
TORCH_FREE = ("verdicts", "pages", "build", "protocol/rows.py", "protocol/store.py", "protocol/parameters.py")
# Imports the modules named in its arguments; prints those that try to import torch, or that need it.
PROBE = """
import importlib, importlib.abc, sys
class Watch(importlib.abc.MetaPathFinder):
    tried = False
    def find_spec(self, name, path, target=None):
        if name == "torch":
            self.tried = True
            raise ModuleNotFoundError("torch", name="torch")
watch = Watch()
sys.meta_path.insert(0, watch)
for name in sys.argv[1:]:
    watch.tried = False
    try:
        importlib.import_module(name)
    except ImportError as error:
        if not watch.tried:
            print(name, error)
    if watch.tried:
        print(name)
"""


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("package", LIMITS)
def test_packages_and_their_modules_stay_small(package: str) -> None:
    found = {str(path.relative_to(ROOT)): lines(path) for path in (ROOT / package).rglob("*.py")}
    assert {name: count for name, count in found.items() if count > LONGEST} == {}
    assert sum(found.values()) <= LIMITS[package]


def test_drawing_judging_and_building_import_no_torch() -> None:
    report = ROOT / "cgnreport"
    files = [file for name in TORCH_FREE for file in (sorted((report / name).rglob("*.py")) or [report / name])]
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in files]
    done = subprocess.run([sys.executable, "-c", PROBE, *names], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == []


def test_no_experiment_imports_torchvision_before_it_needs_it() -> None:
    """With it come torch._dynamo and two seconds of each page's start."""
    names = [f"cgnreport.protocol.{file.stem}" for file in (ROOT / "cgnreport" / "protocol").glob("[a-z]*.py")]
    code = f"import sys, {', '.join(names)}; sys.exit('torchvision' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_every_test_file_is_collected(pytestconfig: pytest.Config, collected: set[Path]) -> None:
    """pytest leaves out folders of some names, such as build, unless it is told otherwise."""
    if {Path(each).resolve() for each in pytestconfig.args} != {ROOT / "tests"}:
        pytest.skip("only a part of the tests was asked for")
    assert set((ROOT / "tests").rglob("test_*.py")) == collected
