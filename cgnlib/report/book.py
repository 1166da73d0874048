"""Compile the book from the notebooks that were executed last, without a network; warnings are errors."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import yaml

from cgnlib.paths import build_folder, project_root
from cgnlib.plotting import apply_captions
from cgnlib.provenance import code_version
from cgnlib.registry import megabytes
from cgnlib.report import ReportError
from cgnlib.report.places import executed_notebook, notebook_names, profile_name
from cgnlib.sources import REGISTRY

_SCALES = {
    "smoke": "Scale smoke: a test of every code path on a few images. The numbers mean nothing.",
    "quick": "Scale quick: short trainings on a part of the data; what they are too short for is not tested.",
    "paper": "Scale paper: full data.",
}


def build_book(profile: str) -> Path:
    """Build build/book/<profile>; return its index.html.

    Raises ReportError naming every notebook that is missing or failed, or the warnings of the book's builder.
    """
    check_executed(profile)
    source = build_folder() / "book-src" / profile
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(project_root() / "book", source)
    (source / "notebooks").mkdir()
    for name in notebook_names():
        executed = nbformat.read(executed_notebook(profile, name), as_version=4)
        apply_captions(executed)
        nbformat.write(executed, source / "notebooks" / f"{name}.ipynb")
    _fill_in(source / "_config.yml", profile)

    log = build_folder() / "logs" / profile / "book.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", "-W", "--keep-going", "-q", str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    words = done.stdout + done.stderr
    log.write_text(words, encoding="utf-8")
    if done.returncode != 0:
        named = [line for line in words.splitlines() if "WARNING" in line or "ERROR" in line]
        shown = "\n".join(line.replace(f"{source}/", "") for line in named) or words[-2000:]
        raise ReportError(f"the book was not built (warnings are errors):\n{shown}\nAll messages: {log}")
    book = build_folder() / "book" / profile
    shutil.rmtree(book, ignore_errors=True)
    book.parent.mkdir(parents=True, exist_ok=True)
    (source / "_build" / "html").replace(book)
    return book / "index.html"


def check_executed(profile: str) -> None:
    """Raise ReportError if an executed notebook of the book is missing, broken or ended in an error."""
    troubles = []
    for name in notebook_names():
        path = executed_notebook(profile_name(profile), name)
        kept = path.parent / "failed" / path.name
        if kept.exists():
            troubles.append(f"{name}: its last run failed; as far as it came: {kept}")
        elif not path.exists():
            troubles.append(f"{name}: not executed")
        else:
            troubles += [f"{name}: {trouble}" for trouble in _errors_in(path)]
    if troubles:
        listed = "\n".join(f"  {trouble}" for trouble in troubles)
        raise ReportError(
            f"the book needs every notebook executed at profile '{profile}':\n{listed}\n"
            f"Run what is missing with: make report PROFILE={profile}"
        )


def _errors_in(path: Path) -> list[str]:
    try:
        notebook = nbformat.read(path, as_version=4)
    except Exception as error:  # nbformat raises many kinds; each means that the file is no notebook
        return [f"not a readable notebook ({type(error).__name__}); remove {path} and run it again"]
    if notebook.metadata.get("papermill", {}).get("exception"):
        return ["ended in an error"]
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [f"a cell shows {output.ename}" for output in outputs if output.output_type == "error"]


def data_table() -> str:
    """Markdown: all data and weights of `cgnlib.sources`, by the names that `make assets` takes."""
    lines = ["| Name | What | Size | Licence | Without it |", "|---|---|--:|---|---|"]
    for asset in REGISTRY:
        what = f"[{asset.what}]({asset.source})" + ("" if asset.can_be_fetched else ", to be fetched by hand")
        lines.append(f"| `{asset.name}` | {what} | {megabytes(asset.size)} | {asset.licence} | {asset.without} |")
    return "\n".join(lines)


def _fill_in(config_file: Path, profile: str) -> None:
    """What pages take from the code: the table that stands for {{ data_and_weights }}, and the scale on every page, in
    the footer and, where verdicts cannot be relied on, above the page.
    """
    config: dict[str, Any] = yaml.safe_load(config_file.read_text(encoding="utf-8"))
    config["parse"]["myst_substitutions"] = {"data_and_weights": data_table()}
    theme = config["sphinx"]["config"]["html_theme_options"]
    theme["extra_footer"] = f'<p class="cgn-scale">{_SCALES[profile]} Code {code_version()}.</p>'
    if profile in ("smoke", "quick"):
        theme["announcement"] = _SCALES[profile]
    config_file.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8")


def main_book(profile: str) -> int:
    """The command `book`: prints where to open it."""
    print(f"The book is ready. Open {build_book(profile).as_uri()}")
    return 0
