"""MathJax as one file, 2 of the 24 MB that the environment's package holds: the book opens without a network."""

import shutil
from importlib.util import find_spec
from pathlib import Path

from sphinx.application import Sphinx

NAME = "tex-svg.js"  # TeX in, SVG out: it needs no fonts


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.config.mathjax_path = f"mathjax/{NAME}"
    app.connect("build-finished", _copy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _copy(app: Sphinx, error: Exception | None) -> None:
    package = find_spec("sphinx-mathjax-offline")
    if error is None and package and package.origin:
        target = Path(app.outdir, "_static", "mathjax", NAME)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Path(package.origin).parent / "static" / "mathjax" / NAME, target)
