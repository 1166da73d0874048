"""Where the report's parts lie, and which notebooks it has."""

import difflib
from pathlib import Path

import yaml

from cgnlib.parameters import PROFILES
from cgnlib.paths import build_folder, project_root
from cgnlib.report import ReportError


def profile_name(profile: str) -> str:
    """The profile itself if it is known. Raises ReportError with the choices."""
    if profile not in PROFILES:
        raise ReportError(f"unknown profile '{profile}'; choose one of: {', '.join(PROFILES)}")
    return profile


def notebook_names() -> list[str]:
    """Names of the report's notebooks (no suffix) in reading order: those in book/_toc.yml."""
    return [Path(page).name for page in book_pages() if page.startswith("notebooks/")]


def book_pages() -> list[str]:
    """Every page of book/_toc.yml, in reading order, as written there (no suffix)."""
    toc = yaml.safe_load((project_root() / "book" / "_toc.yml").read_text(encoding="utf-8"))
    chapters = [chapter for part in toc["parts"] for chapter in part["chapters"]]
    return [toc["root"], *(chapter["file"] for chapter in chapters)]


def notebook_source(name: str) -> Path:
    """The notebook in git that is called `name` (with or without folder and suffix). Raises ReportError."""
    stem = Path(name).name.removesuffix(".ipynb")
    path = project_root() / "notebooks" / f"{stem}.ipynb"
    if not path.is_file():
        known = sorted(file.stem for file in path.parent.glob("*.ipynb"))
        near = difflib.get_close_matches(stem, known, n=1, cutoff=0.3)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known) or 'none'}"
        raise ReportError(f"no notebook {path.name} in {path.parent}; {hint}")
    return path


def parameter_file(profile: str) -> Path:
    """The file of a profile's parameters."""
    return project_root() / "params" / f"{profile_name(profile)}.yaml"


def executed_notebook(profile: str, name: str) -> Path:
    """Where the executed copy of a notebook is kept."""
    return build_folder() / "notebooks" / profile_name(profile) / f"{name}.ipynb"
