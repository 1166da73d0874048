"""From a number to its origin: a figure or table, its rows, the record of one of them."""

import csv
import io
import re
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from cgnlib.paths import project_root
from cgnreport.build.rows_page import commands, link_rows, write_rows
from cgnreport.pages.boxes import comparison_table, table
from cgnreport.pages.origin import query
from cgnreport.pages.plots import dot_plot
from cgnreport.pages.tables import cells
from cgnreport.protocol.rows import select
from cgnreport.protocol.store import load
from cgnreport.protocol.summary import beside_published
from tests.pages.browser import CHROMIUM, DRIVER, browser

ASKED = r'<span class="cgn-origin" data-rows="([^"]*)"></span>'
PAGE = (project_root() / "book" / "rows.md").read_text()


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    everything = load("paper", "mnist-ood", own=False)
    return select(everything, dataset="wildlife", metric="accuracy/test", epoch="last", method=["original", "oracle"])


def test_figures_and_tables_say_which_rows_they_are_made_of(rows: pd.DataFrame) -> None:
    asked = "experiment=mnist-ood&dataset=wildlife&method=oracle,original&recipe=-&metric=accuracy/test&output=-"
    asked += "&epoch=last&profile=paper"
    assert query(rows) == asked and query({"a": rows}, 3) == asked and query(pd.DataFrame({"a": [1]})) == ""
    assert dot_plot(rows, []).origin == asked
    beside = comparison_table(beside_published(rows))
    summary = table(cells(rows, ["dataset", "method"], {"last": "accuracy/test"}).drop(columns="n"))
    for shown in (table(rows), beside, summary):
        assert re.findall(ASKED, shown) == [asked.replace("&", "&amp;")]
    assert re.findall(ASKED, table(pd.DataFrame({"a": [1]}))) == []


def test_in_the_book_they_lead_to_the_page_of_rows(rows: pd.DataFrame) -> None:
    output = new_output("display_data", {"text/html": str(table(rows))})
    notebook = new_notebook(cells=[new_code_cell("table(rows)", outputs=[output])])
    link_rows(notebook)
    shown = notebook.cells[0].outputs[0].data["text/html"]
    assert re.findall(r'href="\.\./rows\.html#([^"]*)"', shown) == [query(rows).replace("&", "&amp;")]
    assert re.findall(ASKED, shown) == [] and nbformat.validate(notebook) is None


def test_every_experiment_has_a_command() -> None:
    names = {file.stem for file in (project_root() / "results").glob("*/*.csv")}
    assert {name for name in names if not commands(name)} == set()


@pytest.mark.skipif(not CHROMIUM or not DRIVER, reason="no browser is installed")
def test_three_clicks_lead_from_a_figure_to_the_record(rows: pd.DataFrame, build: Path, tmp_path: Path) -> None:
    write_rows(tmp_path, "paper")
    page = tmp_path / "rows.html"
    page.write_text(f"<!doctype html><meta charset=utf-8><a href='rows.html#{query(rows)}'>Rows</a>{PAGE}")
    wait = "return new Promise(done => { const look = () => document.querySelector('#cgn-rows tbody tr') ? done(1) : "
    with browser() as window:
        window.open(page)
        window.run(f"document.querySelector('a').click(); {wait} setTimeout(look, 20); look(); }})")
        assert window.run("return document.querySelector('#cgn-rows p + p').textContent").startswith(f"{len(rows)} of ")
        window.run("document.querySelector('#cgn-rows tbody button').click()")
        code = window.run("return document.querySelector('#cgn-rows tbody button').textContent")
        record = window.run("return document.querySelector('.cgn-record').innerText")
        saved = window.run("return fetch(document.querySelector('a[download]').href).then(file => file.text())")
        window.run("document.querySelector('#cgn-rows p button').click()")  # all variants
        fewer = window.run("return new Promise(done => setTimeout(() => done(location.hash), 100))")
        assert window.complaints() == []
    assert f"git show {code.split()[-1]}" in record and "Record" in record and "torch" in record
    assert "python -m cgnreport.build run 03-claim2-mnist --profile paper -p seed " in record
    lines = list(csv.DictReader(io.StringIO(saved)))
    assert sorted(float(line["value"]) for line in lines) == sorted(rows["value"])
    assert {line["code"] for line in lines} == set(rows["code"]) and "dataset" not in fewer
