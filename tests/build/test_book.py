"""Building the book."""

import re
import runpy
import shutil
import zlib
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml
from jupyter_book.config import get_final_config
from nbformat.v4 import new_markdown_cell

from cgnlib.data.catalogue import CATALOGUE
from cgnlib.paths import project_root
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
    (icons,) = (index.parent / "_static").rglob("fontawesome.js")
    drawn = dict(re.findall(r'([\w-]+)"?:\[\d+,\d+,\[[^\]]*\],"[0-9a-f]+","([^"]*)"\]', icons.read_text()))
    assert len(drawn) > 1000 and 10 < sum(map(bool, drawn.values())) < 100
    assert drawn["sun"] and drawn["moon"] and drawn["magnifying-glass"] and not drawn["monero"]
    data = (index.parent / "reproduce.html").read_text()
    cells = r'<span class="pre">([\w-]+)</span></code></p></td>\s*<td><p><a class="reference external" href="([^"]*)"'
    assert re.findall(cells, data) == [(asset.name, asset.source) for asset in CATALOGUE]


def test_an_icon_is_drawn_where_one_of_its_names_is_used_and_the_others_are_left_undrawn() -> None:
    icons = 'var s={sun:[512,512,[9728],"f185","M1 2z"],"circle-half":[512,512,["adjust",9680],"f042",["M3","M4z"]],'
    icons += '"x-ray":[8,8,[],"f1",["M5","M6"]],aws:[640,512,[],"f375","M7z"]};'
    left = icons.replace('"M7z"', '""').replace('["M5","M6"]', '""')
    assert book.without_icons(icons, {"sun", "adjust", "solid"}) == left
    assert book.without_icons(icons, {"sun", "circle-half", "x-ray", "aws"}) == icons


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


def test_jupyter_book_and_sphinx_alone_have_one_configuration() -> None:
    """Every setting of conf.py is Jupyter Book's; what it sets beside, no line of _config.yml asks for."""
    folder, of_nobody = project_root() / "book", {"latex_individualpages": False}
    given = yaml.safe_load((folder / "_config.yml").read_text())
    wanted: dict[str, Any]
    wanted, _ = get_final_config(user_yaml=given, cli_config=dict(of_nobody), sourcedir=folder)
    default, _ = get_final_config(user_yaml={}, cli_config=dict(of_nobody))
    made = {name: value for name, value in runpy.run_path(str(folder / "conf.py")).items() if not name.startswith("_")}
    made = {name: made[name] for name in made.keys() & {*wanted, *given["sphinx"]["config"]}}
    own = {"jupyter_book", "sphinx_thebe", "sphinx_comments", "sphinx_jupyterbook_latex", "sphinx_multitoc_numbering"}
    own |= {"sphinx.ext.intersphinx"}  # without any other project to link to
    assert set(made.pop("extensions")) == set(wanted.pop("extensions")) - own
    assert set(made.pop("exclude_patterns")) <= set(wanted.pop("exclude_patterns"))
    for name in ("html_css_files", "html_static_path"):  # Jupyter Book names the files that it finds, too
        assert set(made.pop(name)) == set(wanted.pop(name))
    assert made == {name: wanted[name] for name in made}
    assert {name for name in wanted.keys() - made.keys() if wanted[name] != default.get(name)} <= {"html_baseurl"}


def test_the_book_is_one_page_to_print(report, build: Path) -> None:
    run.run_notebook("00-overview", "smoke")
    page = pdf.print_page(book.build_book("smoke").parent)
    assert re.findall(r'<section class="page bd-article" id="([\w-]+)">', page) == [
        *("page-00-overview", "page-bibliography", "page-reproduce", "page-bad-inputs", "page-parameters")
    ]
    assert set(re.findall(r'href="(?!http|#|\.\./_static)([^"]*)', page.partition("<body")[2])) == set()
    with pytest.raises(ReportError, match="no book at scale quick to print: make report PROFILE=quick"):
        pdf.make_pdf("quick")


DRAWN = """from matplotlib.figure import Figure
from cgnreport.pages.figures import Figures, Picture, show
drawn = Figure(figsize=(2, 1), dpi=96)
drawn.add_axes([0, 0, 1, 1]).plot([0, 1], color={colour!r})
figures = Figures(drawn, drawn, {kind!r})
show({shown}, alt="A line.", caption="A line.")"""
LINES, IMAGE = {"kind": "svg", "shown": "figures"}, {"kind": "png", "shown": "Picture(figures.save('drawn'))"}


@pytest.mark.slow
@pytest.mark.skipif(not any(map(shutil.which, pdf.BROWSERS)), reason="no browser is installed")
def test_the_book_is_printed_with_every_figure_and_the_front_page_leads_to_it(report, build: Path) -> None:
    """Lines as lines, images as images, what is folded, too."""
    lines = [DRAWN.format(colour=colour, **LINES) for colour in ("#336699", "#993366")]
    with report.changed(report.write(*lines, DRAWN.format(colour="k", **IMAGE))) as notebook:
        notebook.cells[3].metadata["tags"] = ["hide-output"]
        notebook.cells.append(new_markdown_cell('Read. <span class="cgn-pdf"></span>'))
    run.run_notebook("00-overview", "smoke")
    front = book.build_book("smoke").parent / "notebooks" / "00-overview.html"
    assert "report.pdf" not in front.read_text()
    for _ in range(2):  # the second is not of a page that names the first
        made = pdf.make_pdf("smoke")
        assert re.findall(r'<span class="cgn-pdf"><a href="([^"]*)"', front.read_text()) == ["../report.pdf"]
        assert "report.pdf" not in pdf.print_page(front.parent.parent)
    assert not (front.parent / "print.html").exists()
    content = made.read_bytes()
    streams = [zlib.decompressobj().decompress(part) for part in re.findall(rb"(?s)stream\n(x.*?)endstream", content)]
    for colour in (rb"\.2 \.4[\d]* \.6[\d]* RG", rb"\.6[\d]* \.2 \.4[\d]* RG"):
        assert any(re.search(colour, stream) for stream in streams), colour
    assert re.search(rb"/Width 192\s*/Height 96\b", content)
