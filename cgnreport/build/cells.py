"""What the code cells of a notebook bind and hide."""

import dis
from collections.abc import Iterator
from types import CodeType
from typing import NamedTuple

import nbformat

PARAMETERS, SET_UP = "parameters", "set-up"  # tags of a notebook's two special cells
HIDDEN = {"hide-input", "remove-input", "hide-cell", "remove-cell"}  # tags that take code out of a reader's sight


class CodeCell(NamedTuple):
    """A code cell, its number in the notebook (from 1), and its tags."""

    number: int
    cell: nbformat.NotebookNode
    tags: set[str]


def code_cells(notebook: nbformat.NotebookNode) -> list[CodeCell]:
    """The code cells of a notebook, in order."""
    cells = enumerate(notebook.cells, 1)
    return [CodeCell(n, cell, set(cell.metadata.get("tags", []))) for n, cell in cells if cell.cell_type == "code"]


def hidden_cells(cells: list[CodeCell]) -> int:
    """How many of the cells keep their code out of a reader's sight."""
    return sum(bool(cell.tags & HIDDEN) for cell in cells)


def bound_names(source: str) -> set[str]:
    """Names of the notebook that a cell binds, in whichever way: =, for, with, import, walrus, def, global.

    The compiler says it, which keeps what comprehensions and functions bind for themselves apart. Raises SyntaxError.
    """
    return set(_stored(compile(source, "cell", "exec"), "STORE_NAME"))


def _stored(code: CodeType, kind: str) -> Iterator[str]:
    yield from (step.argval for step in dis.get_instructions(code) if step.opname in (kind, "STORE_GLOBAL"))
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _stored(inner, "STORE_GLOBAL")


def folded_set_up(notebook: nbformat.NotebookNode) -> None:
    """Make of the cells that prepare a page, its parameters and its set-up, one that the page shows as one fold."""
    first = [cell for cell in code_cells(notebook) if cell.tags & {PARAMETERS, "injected-parameters", SET_UP}]
    if shown := [each.cell for each in first if "remove-input" not in each.tags]:
        shown[0].source = "\n\n".join(cell.source for cell in shown)
        shown[0].outputs = [output for cell in shown for output in cell.outputs]
        shown[0].metadata = {
            "tags": ["hide-input"],
            "mystnb": {"code_prompt_show": "Parameters and set-up of this page"},
        }
        notebook.cells = [cell for cell in notebook.cells if cell not in shown[1:]]
