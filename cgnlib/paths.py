"""Where the project lies and where everything that it makes goes."""

import os
from pathlib import Path


def project_root() -> Path:
    """The folder with pyproject.toml above this package, or, if there is none, the folder that holds the package."""
    package = Path(__file__).resolve().parent
    return next((folder for folder in package.parents if (folder / "pyproject.toml").is_file()), package.parent)


def build_folder() -> Path:
    """Folder of everything generated: the environment variable CGN_BUILD if set, else build/ in the project."""
    named = os.environ.get("CGN_BUILD")
    return Path(named).expanduser().resolve() if named else project_root() / "build"
