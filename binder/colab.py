"""Colab: what the notebooks need, from the lock, beside what is there, and a page in a notebook of Colab's.

Colab's PyTorch stays where it is new enough.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import nbformat
from IPython import get_ipython
from IPython.display import Markdown, display
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
KEPT = re.compile(
    r"torch|torchvision|triton|numpy|nvidia-.*|cuda-.*|ipython|ipykernel|ipywidgets|jupyter.*|pyzmq|tornado"
)
ROLE = re.compile(r"\{[a-z:]+\}`([^`<]+?)(?: <[^>`]*>)?`")  # MyST's, of which Colab shows the text
SHOWN = ["ipywidgets", "itables"]  # beside the library's own needs, those of the pages


def installed(name: str) -> str:
    """The version that is there, without its local part; "" without any."""
    try:
        return version(name).split("+")[0]
    except PackageNotFoundError:
        return ""


def pins() -> list[str]:
    """Lines of constraints.txt, but for what Colab has of PyTorch and of the notebook's own kernel."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    wanted = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return [str(pin) for pin in wanted if not (KEPT.fullmatch(canonicalize_name(pin.name)) and installed(pin.name))]


def replaced() -> list[str]:
    """Of what should stay, whatever is older than pyproject.toml asks: pip replaces it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [Requirement(line) for line in project["dependencies"]]
    there = {need.name: installed(need.name) for need in needed if KEPT.fullmatch(canonicalize_name(need.name))}
    return [
        f"{need.name} {there[need.name]}"
        for need in needed
        if there.get(need.name) and there[need.name] not in need.specifier
    ]


def show_page(name: str) -> None:
    """Run a notebook of the report in the one that calls this, and show all of it: prose, prints, values, figures.

    IPython's own %run shows of a notebook what is printed or displayed, and neither prose nor the values of its cells.
    Ends at the first cell that fails, as a notebook does.
    """
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            display(Markdown(ROLE.sub(r"\1", cell.source)))
        else:
            get_ipython().run_cell(cell.source).raise_error()


def main() -> int:
    """Install, and say what stays and what does not."""
    kept = [f"{name} {installed(name)}" for name in ("torch", "torchvision", "numpy") if installed(name)]
    old = replaced()
    print(f"Stays as it is here: {', '.join(name for name in kept if name not in old) or 'nothing'}.")
    if old:
        print(f"Too old for the report, so replaced: {', '.join(old)}. Restart the runtime afterwards.")
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(pins()) + "\n")
        file.flush()
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "-c", file.name, "-e", str(ROOT), *SHOWN]
        return subprocess.run(pip).returncode


if __name__ == "__main__":
    sys.exit(main())
