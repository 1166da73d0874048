"""The whole report at scale smoke: every notebook through papermill in its order, and the book from them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cgnlib.paths import project_root
from cgnlib.report.places import book_pages


@pytest.mark.slow
@pytest.mark.timeout(1200)
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
