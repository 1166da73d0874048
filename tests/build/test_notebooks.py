"""The notebooks at scale smoke: all with the book, stepped back and forth, and one alone, first and twice."""

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

AGAIN = "again.txt"  # in the build folder: notebooks and hashes of cells before which the set-up cell ran again
# Start-up file of the kernels, after SET_UPS and RECORD: it runs the set-up cell before each later cell, too.
STEPS_BACK = """
PAGE = {}

def step_back(lines):
    source = "".join(lines).strip()
    if source in SET_UPS:
        PAGE.update(name=SET_UPS[source], set_up=source.splitlines(True))
    elif PAGE:
        with open(RECORD, "a") as record:
            record.write(f"{PAGE['name']} {hash(source)}\\n")
        lines = [*PAGE["set_up"], "\\n", *lines]
    return lines

get_ipython().input_transformers_post.append(step_back)
"""


def set_up_and_later(name: str) -> tuple[str, set[str]]:
    """The source of a notebook's set-up cell, and those of the code cells after it."""
    cells = code_cells(nbformat.read(notebook_source(name), as_version=4))
    (at,) = [position for position, cell in enumerate(cells) if SET_UP in cell.tags]
    return cells[at].cell.source.strip(), {later.cell.source.strip() for later in cells[at + 1 :]}


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Build folder of the whole report at scale smoke, read as by one who runs the set-up cell again and again."""
    folder = tmp_path_factory.mktemp("smoke")
    start = folder / "ipython" / "profile_default" / "startup" / "steps.py"
    start.parent.mkdir(parents=True)
    set_ups = {set_up_and_later(name)[0]: name for name in notebook_names()}
    start.write_text(f"SET_UPS = {set_ups!r}\nRECORD = {str(folder / AGAIN)!r}\n{STEPS_BACK}")
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


@pytest.mark.parametrize("name", notebook_names())
def test_the_set_up_cell_can_be_run_again_at_any_time(smoke: Path, name: str) -> None:
    """A reader who steps back runs it before any later cell, and so did this run. `build check` has what cells bind."""
    lines = set((smoke / AGAIN).read_text().splitlines())  # IPython looks at a cell more than once
    assert [line.split()[0] for line in lines].count(name) == len(set_up_and_later(name)[1]) > 0


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
