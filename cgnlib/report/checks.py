"""What git may hold of a notebook: no outputs, one parameters cell, short code cells, and a place in the book."""

import sys
from pathlib import Path

import nbformat

from cgnlib.paths import project_root
from cgnlib.report.places import notebook_names

CELL_LINES = 30  # longer code belongs in cgnlib


def notebook_troubles(path: Path) -> list[str]:
    """What is wrong with a notebook as it is kept in git; empty if nothing is."""
    try:
        notebook = nbformat.read(path, as_version=4)
    except Exception as error:  # nbformat raises many kinds; each means that the file is no notebook
        return [f"not a readable notebook: {' '.join(str(error).split())[:200]}"]
    troubles = []
    code = [(number, cell) for number, cell in enumerate(notebook.cells, 1) if cell.cell_type == "code"]
    stale = [str(number) for number, cell in code if cell.outputs or cell.execution_count is not None]
    if stale:
        troubles.append(f"has outputs or execution counts (cells {', '.join(stale)}); run: nbstripout {path.name}")
    if sum("parameters" in cell.metadata.get("tags", []) for _, cell in code) != 1:
        troubles.append("needs exactly one cell with the tag 'parameters'")
    for number, cell in code:
        lines = len(cell.source.splitlines())
        if lines > CELL_LINES:
            troubles.append(f"cell {number} has {lines} lines (at most {CELL_LINES}); move its substance into cgnlib")
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        troubles.append("needs the kernel 'python3'")
    if "widgets" in notebook.metadata or "papermill" in notebook.metadata:
        troubles.append("carries traces of a run in its metadata")
    return troubles


def report_troubles() -> list[str]:
    """Troubles of all notebooks, and of the table of contents against the folder."""
    folder = project_root() / "notebooks"
    files = {path.stem: path for path in sorted(folder.glob("*.ipynb"))}
    troubles = [f"{name}.ipynb: {trouble}" for name, path in files.items() for trouble in notebook_troubles(path)]
    for name in sorted(set(files) ^ set(notebook_names())):
        where = "not listed in book/_toc.yml" if name in files else "listed in book/_toc.yml, but there is no such file"
        troubles.append(f"{name}.ipynb: {where}")
    return troubles


def main_check() -> int:
    """The command `check`: prints every trouble; 1 if there is any."""
    troubles = report_troubles()
    for trouble in troubles:
        print(f"notebooks/{trouble}", file=sys.stderr)
    if not troubles:
        print(f"{len(notebook_names())} notebooks checked")
    return 1 if troubles else 0
