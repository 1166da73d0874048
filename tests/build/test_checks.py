"""What git may hold of a notebook."""

from argparse import Namespace

import nbformat
import pytest

from cgnreport.build import checks
from cgnreport.build.cells import bound_names


def test_a_clean_notebook_passes(report, capsys) -> None:
    assert checks.main(Namespace()) == 0
    assert capsys.readouterr().out == "00-overview: 0 of 2 code cells hidden\n"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"execution_count": 3}, "execution counts"),
        ({"outputs": [nbformat.v4.new_output("stream", text="1")]}, "has outputs"),
        ({"metadata": {}}, "tag 'parameters'"),
        ({"source": "x = 1\n" * 31}, "cell 2 has 31 lines"),
        ({"source": "ratio = ("}, "not a readable notebook"),
    ],
)
def test_what_git_must_not_hold_is_named(report, changes: dict, words: str) -> None:
    with report.changed(report.write("seed")) as notebook:
        notebook.cells[1].update(changes)
    assert any(words in trouble for trouble in checks.report_troubles())


def test_no_cell_assigns_a_parameter(report) -> None:
    report.write("print([seed for seed in range(3)])", "for seed in range(3):\n    pass", "profiles = profile")
    trouble = "00-overview.ipynb: cell 4 assigns seed, which is a parameter: choose another name"
    assert checks.report_troubles() == [trouble]


def test_no_cell_assigns_what_the_set_up_cell_binds(report) -> None:
    with report.changed(report.write("import os\nstudy = 1", "print(study)", "study = os = 2")) as notebook:
        notebook.cells[2].metadata["tags"] = ["set-up"]
    told = [f"00-overview.ipynb: cell 5 assigns {name}, which the set-up cell binds" for name in ("os", "study")]
    assert checks.report_troubles() == [f"{each}: choose another name" for each in told]


def test_every_way_to_bind_a_name_counts() -> None:
    source = """
a = b[0] = 1
c += 1
d: int = 2
for e, (f, *g) in []: pass
with open("x") as h: pass
import i.j, k as l
from m import n as o
print(p := 3, [q for q in r if (s := q)], lambda t: t)
def u(v):
    global w
    w = x = v
class y: z = 1
try: pass
except ValueError as error: pass
match a:
    case [first, {"key": second, **rest}]: pass
"""
    names = {"a", "c", "d", "e", "f", "g", "h", "i", "l", "o", "p", "s", "u", "w", "y", "error"}
    assert bound_names(source) == names | {"first", "second", "rest"}


@pytest.mark.parametrize(("name", "named"), [("02-claim1-mnist", True), ("10-scorecard", False)])
def test_a_page_that_hides_its_code_is_named(report, name: str, named: bool) -> None:
    with report.changed(report.write("1", "2", "3", path=f"notebooks/{name}.ipynb")) as notebook:
        for cell, tag in zip(notebook.cells[2:], ("hide-input", "remove-cell", "figure"), strict=True):
            cell.metadata["tags"] = [tag]
    assert any("hides 2 of 4 code cells" in trouble for trouble in checks.report_troubles()) == named


def test_a_notebook_that_is_broken_or_outside_the_book_is_named(report) -> None:
    report.write(path="notebooks/99-lost.ipynb").write_text("{")
    broken, lost = checks.report_troubles()
    assert broken.startswith("99-lost.ipynb: not a readable notebook")
    assert lost == "99-lost.ipynb: not listed in book/_toc.yml"
