"""The notebooks at scale smoke: all with the book, each stepped back and forth, and one alone, first and twice."""

import copy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from cgnlib.paths import project_root
from cgnreport.build import pdf, run
from cgnreport.build.cells import SET_UP, code_cells
from cgnreport.build.places import book_pages, notebook_names, notebook_source, notebooks
from cgnreport.protocol import store
from tests.pages.browser import CHROMIUM, DRIVER, Browser, browser


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Build folder of the whole report at scale smoke."""
    folder = tmp_path_factory.mktemp("smoke")
    snakemake = Path(sys.executable).with_name("snakemake")
    options = "--workflow-profile profiles/local --cores 2 --config profile=smoke -- book"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CGN_BUILD", str(folder))
        patch.setenv("OMP_NUM_THREADS", "1")  # as in the workflow; threads that wait for a busy core waste minutes
        patch.setenv("PYTHONPATH", str(project_root()))
        done = subprocess.run([snakemake, *options.split()], cwd=project_root(), capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        yield folder


@pytest.mark.timeout(1800)
def test_the_report_at_scale_smoke(smoke: Path) -> None:
    missing = [page for page in book_pages() if not (smoke / "book" / "smoke" / f"{page}.html").is_file()]
    assert missing == []
    words = (smoke / "book" / "smoke" / "glossary.html").read_text()
    assert words.count("<dt") == words.count("<dd") > 10  # a definition in another form is taken for a term, silently


def test_every_figure_of_the_book_is_printed(smoke: Path) -> None:
    book = smoke / "book" / "smoke"
    shown = [(book / f"{page}.html").read_text().count('class="cgn-figure"') for page in book_pages()]
    assert pdf.print_page(book).count('class="cgn-figure"') == sum(shown) > 60


@pytest.fixture(scope="module")
def window() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium and chromium-driver are not installed")
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", book_pages())
def test_a_page_has_no_fault_on_desktop_and_phone_in_light_and_dark(smoke: Path, window: Browser, page: str) -> None:
    assert window.faults(smoke / "book" / "smoke" / f"{page}.html") == {}
    assert window.complaints() == []


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", notebook_names())
def test_the_set_up_cell_can_be_run_again_at_any_time(smoke: Path, name: str, tmp_path: Path, monkeypatch) -> None:
    """A reader who steps back runs it after any later cell; no cell may have changed what it reads."""
    notebook = nbformat.read(notebook_source(name), as_version=4)
    (set_up,) = [cell for cell in code_cells(notebook) if SET_UP in cell.tags]
    later = [cell.number for cell in code_cells(notebook) if cell.number > set_up.number]
    for number in reversed(later):  # cells count from 1: this inserts after it
        again = copy.deepcopy(set_up.cell)
        again.id = f"again-{number}"
        notebook.cells.insert(number, again)
    path = tmp_path / f"{name}.ipynb"
    nbformat.write(notebook, path)
    monkeypatch.setattr(run, "notebook_source", lambda name: path)
    run.run_notebook(name, "smoke", {"reuse_rows": True}, output=tmp_path / "executed.ipynb")


def test_a_captioned_figure_has_its_cell_to_itself() -> None:
    """Also where the data that the cell needs are not at hand, so that no run shows it."""
    for name, path in notebooks().items():
        for number, cell, _ in code_cells(nbformat.read(path, as_version=4)):
            if "caption=" in cell.source:
                assert cell.source.count("show(") + cell.source.count("display(") == 1, f"{name}, cell {number}"


@pytest.mark.timeout(600)
def test_the_fifth_notebook_runs_first_and_twice_with_the_same_rows(build: Path, monkeypatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    small = {"variants": ["colored"], "methods": ["original", "original+cgn", "oracle"], "authors": False, "seed": 3}
    run.run_notebook("05-claim3-mnist", "smoke", small)
    rows = store.load("smoke", "mnist-indomain", published=False)
    assert set(rows["method"]) == set(small["methods"])
    assert set(rows["seed"]) == {3}
    run.run_notebook("05-claim3-mnist", "smoke", small)
    pd.testing.assert_frame_equal(store.load("smoke", "mnist-indomain", published=False), rows)
