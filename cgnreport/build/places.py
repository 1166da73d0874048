"""Where the report's parts lie, what git says of them, and which notebooks it has."""

import subprocess
from pathlib import Path

import yaml

from cgnlib.errors import known
from cgnlib.paths import build_folder, project_root
from cgnreport.build import ReportError

PICTURE = "book/_static/one-factor.png"  # the README's


def notebook_names() -> list[str]:
    """Names of the report's notebooks (no suffix) in reading order: those in book/_toc.yml."""
    return [Path(page).name for page in book_pages() if page.startswith("notebooks/")]


def book_pages() -> list[str]:
    """Every page of book/_toc.yml, in reading order, as written there (no suffix)."""
    toc = yaml.safe_load((project_root() / "book" / "_toc.yml").read_text(encoding="utf-8"))
    chapters = [chapter for part in toc["parts"] for chapter in part["chapters"]]
    return [toc["root"], *(chapter["file"] for chapter in chapters)]


def notebooks() -> dict[str, Path]:
    """The notebooks in git by name."""
    return {path.stem: path for path in sorted((project_root() / "notebooks").glob("*.ipynb"))}


def notebook_source(name: str) -> Path:
    """The notebook in git that is called `name` (with or without folder and suffix). Raises ReportError."""
    there = notebooks()
    try:
        return there[known("notebook", Path(name).name.removesuffix(".ipynb"), there)]
    except ValueError as error:
        raise ReportError(str(error)) from None


def executed_notebook(profile: str, name: str) -> Path:
    """Where the executed copy of a notebook is kept."""
    return build_folder() / "notebooks" / profile / f"{name}.ipynb"


def git(*arguments: str, given: str = "") -> str:
    """What git prints of the project's repository, `given` on its standard input. Raises ReportError."""
    command = ["git", "-C", str(project_root()), *arguments]
    try:
        return subprocess.run(command, input=given, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        reason = " ".join(str(getattr(error, "stderr", "") or error).split())
        raise ReportError(f"this needs the project's git repository: {reason}") from None
