"""A small report of its own: one notebook and two pages, with the real parameters, style and configuration."""

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from cgnlib.paths import project_root

ROOT = project_root()
PARAMETERS = '# Parameters of this notebook\nprofile = "quick"\nseed = 0'
TOC = """format: jb-book
root: notebooks/00-overview
parts:
  - caption: Behind it
    chapters:
      - file: bibliography
      - file: reproduce
      - file: bad-inputs
      - file: parameters
"""


@dataclass(frozen=True)
class Report:
    """The report's checkout."""

    root: Path

    def write(self, *sources: str, path: str = "notebooks/00-overview.ipynb") -> Path:
        """A notebook as git should hold it: title, parameters cell, then code cells."""
        cells = [new_markdown_cell("# A title\n\nBy {cite:t}`sauer2021counterfactual`: $m \\odot f$.")]
        cells += [new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})]
        cells += [new_code_cell(source) for source in sources]
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), self.root / path)
        return self.root / path

    @contextlib.contextmanager
    def changed(self, path: Path) -> Iterator[nbformat.NotebookNode]:
        """A notebook to change; then it is written back."""
        notebook = nbformat.read(path, as_version=4)
        yield notebook
        nbformat.write(notebook, path)

    def commit(self) -> str:
        """Commit everything; the commit's short name."""
        for command in ("init -q", "add .", "-c user.name=A -c user.email=a@b.c commit -qm all"):
            subprocess.run(["git", "-C", str(self.root), *command.split()], check=True)
        return subprocess.check_output(["git", "-C", self.root, "rev-parse", "--short", "HEAD"], text=True).strip()


@pytest.fixture
def report(tmp_path: Path, build: Path, monkeypatch: pytest.MonkeyPatch) -> Report:
    """The report, which all imported modules take for the project. What it builds lies in `build`."""
    made = Report(tmp_path / "checkout")
    for folder in ("params", "book"):
        shutil.copytree(ROOT / folder, made.root / folder)
    (made.root / "book" / "_toc.yml").write_text(TOC)
    made.write("seed")
    for name, module in list(sys.modules.items()):
        if name.startswith(("cgnlib", "cgnreport")) and hasattr(module, "project_root"):
            monkeypatch.setattr(module, "project_root", lambda: made.root)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return made
