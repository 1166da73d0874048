"""The notebooks at scale smoke: all of them in their order with the book from them, and one alone, first and twice."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from cgnlib import results
from cgnlib.paths import project_root
from cgnlib.report.places import book_pages
from cgnlib.report.run import run_notebook


@pytest.mark.timeout(1800)
def test_the_report_at_scale_smoke(build: Path) -> None:
    snakemake = Path(sys.executable).with_name("snakemake")
    command = [
        snakemake,
        "--workflow-profile",
        "profiles/default",
        "--cores",
        "2",
        "--config",
        "profile=smoke",
        "--",
        "book",
    ]
    environment = os.environ | {"PYTHONPATH": str(project_root())}
    done = subprocess.run(command, cwd=project_root(), env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    for page in book_pages():
        assert (build / "book" / "smoke" / f"{page}.html").is_file()


def test_a_captioned_figure_has_its_cell_to_itself() -> None:
    """Also where the data that the cell needs are not at hand, so that no run shows it."""
    for path in sorted((project_root() / "notebooks").glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code" and "caption=" in cell.source:
                assert cell.source.count("show(") + cell.source.count("display(") == 1, f"{path.name}, cell {cell.id}"


@pytest.mark.timeout(600)
def test_the_fifth_notebook_runs_first_and_twice_with_the_same_rows(build: Path, monkeypatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as in the workflow; threads that wait for a busy core waste minutes
    small = {"variants": ["colored"], "methods": ["original", "original+cgn", "oracle"], "authors": False, "seed": 3}
    run_notebook("05-claim3-mnist", "smoke", small)
    rows = results.load("smoke", "mnist-indomain")
    assert set(rows["method"]) == set(small["methods"])
    assert set(rows["seed"]) == {3}
    run_notebook("05-claim3-mnist", "smoke", small)
    pd.testing.assert_frame_equal(results.load("smoke", "mnist-indomain"), rows)
