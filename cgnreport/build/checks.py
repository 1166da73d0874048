"""What git may hold of a notebook: no outputs, one parameters cell, short and open code cells, a place in the book."""

import argparse
import sys
from pathlib import Path

import nbformat

from cgnreport.build.cells import PARAMETERS, SET_UP, bound_names, code_cells, hidden_cells
from cgnreport.build.places import notebook_names, notebooks

CELL_LINES = 30  # longer code belongs in a package
MOST_HIDDEN = 1 / 3  # of a page's code cells
SUMMARIES = ("00-overview", "10-scorecard")  # pages for readers who want no code


def notebook_troubles(path: Path) -> list[str]:
    """What is wrong with a notebook as it is kept in git; empty if nothing is."""
    try:
        notebook = nbformat.read(path, as_version=4)
        code = code_cells(notebook)
        bound = {number: bound_names(cell.source) for number, cell, _ in code}
    except Exception as error:  # nbformat raises many kinds; each means that the file is no notebook
        return [f"not a readable notebook: {' '.join(str(error).split())[:200]}"]
    troubles = []
    stale = [str(number) for number, cell, _ in code if cell.outputs or cell.execution_count is not None]
    if stale:
        troubles.append(f"has outputs or execution counts (cells {', '.join(stale)}); run: nbstripout {path.name}")
    parameters = [number for number, _, tags in code if PARAMETERS in tags]
    if len(parameters) != 1:
        troubles.append("needs exactly one cell with the tag 'parameters'")
    kept = dict.fromkeys(parameters[:1], "is a parameter")
    kept |= {number: "the set-up cell binds" for number, _, tags in code if SET_UP in tags}
    for number, cell, _ in code:
        lines = len(cell.source.splitlines())
        if lines > CELL_LINES:
            troubles.append(f"cell {number} has {lines} lines (at most {CELL_LINES}); move its substance to a package")
        for first, what in kept.items():
            for name in sorted(bound[number] & bound[first] if number != first else []):
                troubles.append(f"cell {number} assigns {name}, which {what}: choose another name")
    hidden = hidden_cells(code)
    if hidden > MOST_HIDDEN * len(code) and path.stem not in SUMMARIES:
        troubles.append(f"hides {hidden} of {len(code)} code cells (at most a third); open those with the method")
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        troubles.append("needs the kernel 'python3'")
    if "widgets" in notebook.metadata or "papermill" in notebook.metadata:
        troubles.append("carries traces of a run in its metadata")
    return troubles


def report_troubles() -> list[str]:
    """Troubles of all notebooks, and of the table of contents against the folder."""
    files = notebooks()
    troubles = [f"{name}.ipynb: {trouble}" for name, path in files.items() for trouble in notebook_troubles(path)]
    for name in sorted(set(files) ^ set(notebook_names())):
        where = "not listed in book/_toc.yml" if name in files else "listed in book/_toc.yml, but there is no such file"
        troubles.append(f"{name}.ipynb: {where}")
    return troubles


def main(given: argparse.Namespace) -> int:
    """The command `check`: prints every trouble, else how much code each notebook hides; 1 if there is any trouble."""
    troubles = report_troubles()
    for trouble in troubles:
        print(f"notebooks/{trouble}", file=sys.stderr)
    if troubles:
        return 1
    for name, path in notebooks().items():
        cells = code_cells(nbformat.read(path, as_version=4))
        print(f"{name}: {hidden_cells(cells)} of {len(cells)} code cells hidden")
    return 0
