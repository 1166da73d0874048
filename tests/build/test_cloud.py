"""GitHub's workflow, Binder and Colab: what can be told of them without their machines."""

import os
import re
import runpy
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import nbformat
import pytest
import yaml
from IPython.core.inputtransformer2 import TransformerManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from packaging.requirements import Requirement

from cgnlib.paths import project_root
from cgnreport.build.places import notebooks
from cgnreport.protocol.parameters import page_parameters

ROOT = project_root()
BINDER = ROOT / "binder"


def test_github_runs_the_checks_as_here_then_builds_prints_and_publishes() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "report.yml").read_text())
    steps = {name: [step.get("run", "") for step in job["steps"]] for name, job in workflow["jobs"].items()}
    assert "bash .ci/run" in steps["test"] and (ROOT / ".ci" / "run").is_file()
    assert workflow["jobs"]["book"]["needs"] == "test" and workflow["jobs"]["publish"]["needs"] == "book"
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = [word for lines in steps.values() for line in lines for word in re.findall(r"^make ([a-z-]+)", line)]
    assert called == ["report", "pdf"] and set(called) <= targets
    book = [step for step in workflow["jobs"]["book"]["steps"] if "upload-pages-artifact" in step.get("uses", "")]
    assert [step["with"]["path"] for step in book] == ["build/book/quick"]  # report.pdf lies in it


def test_binder_makes_the_locked_environment_and_a_kernel_of_it(tmp_path: Path) -> None:
    """In a fresh folder, with a make that only notes what it is asked for and gives this environment's Python."""
    shutil.copytree(BINDER, tmp_path / "binder")
    make, python = tmp_path / "bin" / "make", tmp_path / ".venv" / "bin" / "python"
    make.parent.mkdir()
    script = (
        f"mkdir -p {python.parent}; printf '#!/bin/sh\\nexec {sys.executable} \"$@\"\\n' > {python}; chmod +x {python}"
    )
    make.write_text(f'#!/bin/sh\necho "$@" > asked\n{script}\n')
    make.chmod(0o755)
    environment = os.environ | {
        "PATH": f"{make.parent}:{os.environ['PATH']}",
        "NB_PYTHON_PREFIX": str(tmp_path / "jupyter"),
    }
    subprocess.run(["binder/postBuild"], cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert re.fullmatch(r"env TORCH=cpu PYTHON=/\S+python\S*\n", (tmp_path / "asked").read_text())
    kernel = (tmp_path / "jupyter" / "share" / "jupyter" / "kernels" / "python3" / "kernel.json").read_text()
    assert sys.prefix in kernel and (BINDER / "runtime.txt").read_text().startswith("python-3.11")


def test_colab_keeps_its_torch_and_says_where_it_cannot(monkeypatch) -> None:
    colab = runpy.run_path(str(BINDER / "colab.py"))
    kept = {"torch", "torchvision", "numpy", "ipython"}
    names = {Requirement(line).name for line in colab["pins"]()}
    assert not names & kept and {"pandas", "torchmetrics", "safetensors", "itables"} <= names
    assert colab["replaced"]() == []
    old = lambda name: "2.1.0" if name == "torch" else version(name).split("+")[0]  # noqa: E731
    monkeypatch.setitem(colab["replaced"].__globals__, "installed", old)
    assert colab["replaced"]() == ["torch 2.1.0"]
    monkeypatch.setitem(colab["pins"].__globals__, "installed", lambda name: "")  # a bare machine takes the lock's
    assert kept <= {Requirement(line).name for line in colab["pins"]()}


def test_colabs_notebook_is_one_that_ipython_understands_and_names_files_that_are_there() -> None:
    notebook = nbformat.read(BINDER / "colab.ipynb", as_version=4)
    nbformat.validate(notebook)
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    for source in sources:
        compile(TransformerManager().transform_cell(source), "cell", "exec")
    assert re.findall(r"%run (\S+\.py)", sources[0]) == ["binder/colab.py"]
    assert re.findall(r'PAGE = "([^"]*)"', sources[1])[0] in notebooks()
    names = [name for source in sources for name in re.findall(r"^(\w+) = ", source, re.MULTILINE)]
    assert len(names) == 3
    page_parameters({"profile": "quick"} | dict.fromkeys(names, "a value"))  # none is taken for a page's parameter
    assert not any(cell.get("outputs") for cell in notebook.cells)


def test_colab_shows_all_of_a_page(tmp_path: Path) -> None:
    """Prose, prints and values, in order, up to the first cell that fails; the page's names are there afterwards."""
    (tmp_path / "notebooks").mkdir()
    new = nbformat.v4
    cells = [new.new_markdown_cell("As {cite:p}`sauer2021` says"), new.new_code_cell("print('printed')\n40 + 2")]
    cells += [new.new_code_cell("found = 7\n1 / 0"), new.new_code_cell("print('never')")]
    nbformat.write(new.new_notebook(cells=cells), tmp_path / "notebooks" / "page.ipynb")
    read = f"import runpy; colab = runpy.run_path({str(BINDER / 'colab.py')!r})"
    place = f"from pathlib import Path; colab['show_page'].__globals__['ROOT'] = Path({str(tmp_path)!r})"
    asked = new.new_notebook(
        cells=[new.new_code_cell(text) for text in (read, f"{place}\ncolab['show_page']('page')", "found")]
    )
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        NotebookClient(asked, kernel_name="python3").execute()
    said = [each.get("text") or each.get("data", {}).get("text/markdown") or each.get("data", {}).get("text/plain")
            for each in asked.cells[1].outputs]  # fmt: skip
    assert said[:3] == ["As sauer2021 says", "printed\n", "42"] and not any("never" in str(each) for each in said)
