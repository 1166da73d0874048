"""The book's page of rows: what leads to it, and what it shows."""

import fnmatch
import json
import re
import shutil
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat

from cgnlib.paths import project_root
from cgnreport import pages
from cgnreport.pages.explorer import packed
from cgnreport.protocol.provenance import runs_of
from cgnreport.protocol.rows import COLUMNS
from cgnreport.protocol.store import own_folder, published_folder, stored_cells

MARK = re.compile(r'<span class="cgn-origin" data-rows="([^"]+)"></span>')


def link_rows(notebook: nbformat.NotebookNode) -> None:
    """Make links to the page of rows of the marks that figures and tables of an executed notebook leave."""
    for output in (output for cell in notebook.cells for output in cell.get("outputs", ())):
        data = output.get("data", {})
        if "text/html" in data:
            link = r'<p class="cgn-origin"><a href="../rows.html#\1">Rows</a></p>'
            data["text/html"] = MARK.sub(link, data["text/html"])


def write_rows(book: Path, profile: str) -> None:
    """Put the rows of a profile, and those published at full scale, beside the pages of a built book, as scripts: a
    page that is opened from its file may load nothing else.
    """
    target = book / "_static" / "rows"
    target.mkdir(parents=True, exist_ok=True)
    profiles = dict.fromkeys((profile, "paper"))
    cells = [line for each in profiles for line in stored_cells(each, None, published=True, own=each == profile)]
    by_experiment: dict[str, list[list[str]]] = defaultdict(list)
    for line in cells:
        by_experiment[line["experiment"]].append([line[column] for column in COLUMNS])
    for experiment, rows in by_experiment.items():
        (target / f"{experiment}.js").write_text(f"cgnRows[{experiment!r}]={packed(_script(rows).encode())!r};\n")
    records = [folder(each) / "provenance.json" for each in profiles for folder in (published_folder, own_folder)]
    index = {
        "columns": COLUMNS,
        "experiments": sorted(by_experiment),
        "commands": {experiment: commands(experiment) for experiment in by_experiment},
        "runs": _runs(records, {line["code"] for line in cells}),
    }
    (target / "index.js").write_text(f"cgnIndex={_script(index)};\n", encoding="utf-8")
    shutil.copy(Path(pages.__file__).with_name("rows.js"), target)


def commands(experiment: str) -> list[tuple[str, str]]:
    """What computes rows of an experiment, (what it gives, command), from the table of book/reproduce.md."""
    text = (project_root() / "book" / "reproduce.md").read_text(encoding="utf-8")
    found = []
    for line in text.partition("\n| Result | Command |")[2].partition("\n\n")[0].splitlines()[2:]:
        words, command, files = (cell.strip() for cell in line.strip("| ").split(" | "))
        if any(fnmatch.fnmatch(f"{experiment}.csv", name) for name in re.findall(r"`([^`]+)`", files)):
            found.append((words, command.strip("`") if command.count("`") == 2 else command.replace("`", "")))
    return found


def _runs(files: Iterable[Path], codes: set[str]) -> dict[str, list[Any]]:
    """Of each code the records of its runs."""
    runs: dict[str, list[Any]] = defaultdict(list)
    for run in (run for file in files if file.is_file() for run in runs_of(_text(file))):
        if run["code"] in codes and run not in runs[run["code"]]:
            runs[run["code"]].append(run)
    return runs


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")


def _script(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
