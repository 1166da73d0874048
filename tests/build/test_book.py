"""Building the book."""

import re
import shutil
from pathlib import Path

import nbformat
import pytest

from cgnlib.data.catalogue import CATALOGUE
from cgnreport.build import ReportError, book, pdf, places, run


def test_the_book_is_built_and_needs_no_network(report, build: Path) -> None:
    run.run_notebook("00-overview", "smoke")
    index = book.build_book("smoke")
    assert index == build / "book" / "smoke" / "index.html"
    page = (index.parent / "notebooks" / "00-overview.html").read_text()
    assert "The numbers mean nothing" in page
    assert re.findall(r"<(?:script|link|img)[^>]*?(?:src|href)=\"(https?:[^\"]*)\"", page) == []
    assert "mathjax/tex-svg.js" in page
    assert [path.name for path in (index.parent / "_static" / "mathjax").iterdir()] == ["tex-svg.js"]
    source = nbformat.read(index.parent / "_sources" / "notebooks" / "00-overview.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in source.cells)
    assert sum(path.stat().st_size for path in index.parent.rglob("*")) < 10_000_000
    data = (index.parent / "reproduce.html").read_text()
    cells = r'<span class="pre">([\w-]+)</span></code></p></td>\s*<td><p><a class="reference external" href="([^"]*)"'
    assert re.findall(cells, data) == [(asset.name, asset.source) for asset in CATALOGUE]


def test_a_warning_fails_the_book_and_is_named(report, build: Path) -> None:
    run.run_notebook("00-overview", "smoke")
    with (report.root / "book" / "bibliography.md").open("a") as page:
        page.write("\nSee [nothing](nowhere.md).\n")
    with pytest.raises(ReportError, match="bibliography.md.*nowhere"):
        book.build_book("smoke")
    assert not (build / "book" / "smoke").exists()


def test_a_notebook_that_was_not_run_or_ended_in_an_error_is_named(report) -> None:
    with pytest.raises(ReportError, match=r"00-overview: not executed\n.*make report PROFILE=smoke"):
        book.build_book("smoke")
    with report.changed(report.write(path=str(places.executed_notebook("smoke", "00-overview")))) as notebook:
        notebook.metadata["papermill"] = {"exception": True}
    with pytest.raises(ReportError, match="00-overview: ended in an error"):
        book.build_book("smoke")


def test_the_book_is_one_page_to_print(report, build: Path) -> None:
    run.run_notebook("00-overview", "smoke")
    page = pdf.print_page(book.build_book("smoke").parent)
    assert re.findall(r'<section class="page bd-article" id="([\w-]+)">', page) == [
        *("page-00-overview", "page-bibliography", "page-reproduce", "page-bad-inputs", "page-parameters")
    ]
    assert set(re.findall(r'href="(?!http|#|\.\./_static)([^"]*)', page.partition("<body")[2])) == set()
    with pytest.raises(ReportError, match="no book at scale quick to print: make report PROFILE=quick"):
        pdf.make_pdf("quick")


@pytest.mark.slow
@pytest.mark.skipif(not any(map(shutil.which, pdf.BROWSERS)), reason="no browser is installed")
def test_the_book_is_printed(report, build: Path) -> None:
    run.run_notebook("00-overview", "smoke")
    book.build_book("smoke")
    assert pdf.make_pdf("smoke").read_bytes().startswith(b"%PDF-")
    assert not (build / "book" / "smoke" / "notebooks" / "print.html").exists()
