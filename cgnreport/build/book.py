"""Compile the book from the notebooks that were executed last, without a network; warnings are errors."""

import argparse
import csv
import re
import shutil
import subprocess
import sys
from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nbformat
import yaml

from cgnlib.data.catalogue import CATALOGUE
from cgnlib.locking import locked
from cgnlib.paths import build_folder, own_file, project_root
from cgnreport.build import ReportError, workflow
from cgnreport.build.cells import folded_set_up
from cgnreport.build.places import executed_notebook, notebook_names
from cgnreport.build.rows_page import link_rows, write_rows
from cgnreport.pages.figures import apply_captions
from cgnreport.protocol.provenance import code_version

_SCALES = {
    "smoke": "Scale smoke: a test of every code path on a few images. The numbers mean nothing.",
    "quick": "Scale quick: short trainings on a part of the data; what they are too short for is not tested.",
    "paper": "Scale paper: full data.",
}


def build_book(profile: str) -> Path:
    """Build build/book/<profile>; return its index.html.

    Raises ReportError naming every notebook that is missing or failed, or the warnings of the book's builder.
    """
    source = book_source(profile)
    log = build_folder() / "logs" / profile / "book.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(_builder(source), capture_output=True, text=True)
    words = done.stdout + done.stderr
    log.write_text(words, encoding="utf-8")
    if done.returncode != 0:
        named = [line for line in words.splitlines() if "WARNING" in line or "ERROR" in line]
        shown = "\n".join(line.replace(f"{source}/", "") for line in named) or words[-2000:]
        raise ReportError(f"the book was not built (warnings are errors):\n{shown}\nAll messages: {log}")
    _lighten(source / "_build" / "html")
    write_rows(source / "_build" / "html", profile)
    book = build_folder() / "book" / profile
    earlier = own_file(book.with_name(f".{profile}."), "")
    book.parent.mkdir(parents=True, exist_ok=True)
    with locked(book.with_name(f".{profile}.lock")):
        shutil.rmtree(earlier, ignore_errors=True)
        if book.exists():
            book.replace(earlier)
        (source / "_build" / "html").replace(book)
    shutil.rmtree(earlier, ignore_errors=True)
    shutil.rmtree(source)
    return book / "index.html"


def book_source(profile: str) -> Path:
    """Everything that the book's builder reads, in a folder of this process: pages, configuration, executed notebooks.

    Raises ReportError as `check_executed` does.
    """
    check_executed(profile)
    source = own_file(build_folder() / "book-src" / f"{profile}.", "")  # a killed build's Sphinx may go on in its own
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(project_root() / "book", source)
    (source / "notebooks").mkdir()
    for name in notebook_names():
        executed = nbformat.read(executed_notebook(profile, name), as_version=4)
        apply_captions(executed)
        folded_set_up(executed)
        link_rows(executed)
        nbformat.write(executed, source / "notebooks" / f"{name}.ipynb")
    _fill_in(source / "_config.yml", profile)
    return source


def _builder(source: Path) -> list[str]:
    """The command that makes source/_build/html: Jupyter Book's or, without it, Sphinx's, which reads book/conf.py."""
    options, built = ("-W", "--keep-going", "-q"), source / "_build"
    if find_spec("jupyter_book"):
        return [str(Path(sys.executable).with_name("jupyter-book")), "build", *options, str(source)]
    places = [str(path) for path in (built / ".doctrees", source, built / "html")]
    return [sys.executable, "-m", "sphinx", *options, "-d", *places]


def _lighten(html: Path) -> None:
    """Take out what no reader opens: source maps, words of other languages, fonts that are there as woff2, too, the
    outputs of notebooks for download, which the pages hold, and drawings of icons that stand nowhere.
    """
    for path in (html / "_sources").rglob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            cell.update({"outputs": [], "execution_count": None} if cell.cell_type == "code" else {})
        nbformat.write(notebook, path)
    for path in (found for kind in ("map", "po", "mo", "ttf") for found in (html / "_static").rglob(f"*.{kind}")):
        path.unlink()
    for path in (html / "_static").rglob("fontawesome.js"):  # of the theme: 1.5 MB that every page loads
        others = (each for kind in ("html", "js") for each in html.rglob(f"*.{kind}") if each != path)
        used = {name for each in others for name in re.findall(r"fa-([a-z0-9-]+)", each.read_text(encoding="utf-8"))}
        path.write_text(without_icons(path.read_text(encoding="utf-8"), used), encoding="utf-8")


def without_icons(script: str, used: Collection[str]) -> str:
    """The script of Font Awesome (6 and 7) with an empty drawing for each icon of which no name is used."""

    def kept(icon: re.Match[str]) -> str:
        names = {icon["name"], *re.findall(r'"([^"]+)"', icon["others"])}
        return icon[0] if names & set(used) else f'{icon["head"]},""]'

    head = r'(?P<head>(?P<quote>"?)(?P<name>[\w-]+)(?P=quote):\[\d+,\d+,\[(?P<others>[^\]]*)\],"[0-9a-f]+")'
    return re.sub(head + r',(?:"[^"]*"|\[[^\]]*\])\]', kept, script)


def check_executed(profile: str) -> None:
    """Raise ReportError if an executed notebook of the book is missing, broken or ended in an error."""
    found = {name: _trouble_with(executed_notebook(profile, name)) for name in notebook_names()}
    listed = "\n".join(f"  {name}: {trouble}" for name, trouble in found.items() if trouble)
    if listed:
        raise ReportError(
            f"the book needs every notebook executed at profile '{profile}':\n{listed}\n"
            f"Run what is missing with: make report PROFILE={profile}"
        )


def _trouble_with(path: Path) -> str:
    kept = path.parent / "failed" / path.name
    if kept.exists():
        return f"its last run failed; as far as it came: {kept}"
    if not path.exists():
        return "not executed"
    try:
        notebook = nbformat.read(path, as_version=4)
    except Exception as error:  # nbformat raises many kinds; each means that the file is no notebook
        return f"not a readable notebook ({type(error).__name__}); remove {path} and run it again"
    shown = any(output.output_type == "error" for cell in notebook.cells for output in cell.get("outputs", []))
    return "ended in an error" if shown or notebook.metadata.get("papermill", {}).get("exception") else ""


def data_table() -> str:
    """Markdown: all data and weights of `cgnlib.data.catalogue`, by the names that `make assets` takes."""
    lines = ["| Name | What | Size | Licence | Without it |", "|---|---|--:|---|---|"]
    for asset in CATALOGUE:
        what = f"[{asset.what}]({asset.source})" + ("" if asset.urls else ", to be fetched by hand")
        lines.append(f"| `{asset.name}` | {what} | {asset.megabytes} | {asset.licence} | {asset.without} |")
    return "\n".join(lines)


def kills_table() -> str:
    """Markdown: benchmarks/kills.csv, which `python -m benchmarks.kills` writes, by what was killed."""
    file = project_root() / "benchmarks" / "kills.csv"
    if not file.exists():
        return "Nothing was killed yet."
    with file.open(encoding="utf-8", newline="") as stream:
        kills = list(csv.DictReader(stream))
    signals, sums = ("SIGKILL", "SIGTERM", "SIGINT"), ("lost_rows", "lost", "damaged", "rounds", "different")
    head = (*signals, "Rows lost", "Anything lost", "Damaged files", "Ends compared", "Other bits")
    lines = [f"| Killed | {' | '.join(head)} |", f"|---|{'--:|' * len(head)}"]
    for name in [*dict.fromkeys(kill["work"] for kill in kills), "all"]:
        of = [kill for kill in kills if name in (kill["work"], "all")]
        counts = [sum(kill["signal"] == signal for kill in of) for signal in signals]
        counts += [sum(int(kill[column]) for kill in of) for column in sums]
        lines.append(f"| {name} | {' | '.join(map(str, counts))} |")
    return "\n".join(lines)


def _fill_in(config_file: Path, profile: str) -> None:
    """What pages take from code and results: tables and the workflow, which stand for {{ names }}; and the scale on
    every page, in the footer and, where verdicts cannot be relied on, above the page.
    """
    config: dict[str, Any] = yaml.safe_load(config_file.read_text(encoding="utf-8"))
    tables = {"data_and_weights": data_table(), "kills": kills_table()}
    config["parse"]["myst_substitutions"] = tables | {"workflow": workflow.picture(workflow.needs())}
    theme = config["sphinx"]["config"]["html_theme_options"]
    theme["extra_footer"] = f'<p class="cgn-scale">{_SCALES[profile]} Code {code_version()}.</p>'
    if profile != "paper":
        theme["announcement"] = _SCALES[profile]
    config_file.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8")


def main(given: argparse.Namespace) -> int:
    """The command `book`: prints where to open it."""
    print(f"The book is ready. Open {build_book(given.profile).as_uri()}")
    return 0
