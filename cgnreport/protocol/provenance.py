"""What a result was computed with: code version, processor, threads, library versions."""

import functools
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cgnlib import __version__
from cgnlib.paths import project_root
from cgnlib.training.processor import processor

LIBRARIES = (
    "torch", "torchvision", "numpy", "scipy", "pandas", "matplotlib", "grad-cam", "mlxtend", "papermill", "jupyter-book"
)  # fmt: skip
INSTRUCTION_SETS = (
    "sse4_2", "avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "asimd", "sve"
)  # fmt: skip


PROSE = ("results", "README.md", "book")  # changes there change no number
CODE = ("cgnlib/", "cgnreport/")  # where a file that git does not know yet may change one


def code_version() -> str:
    """The git commit ("050a6ce"), or "cgnlib 0.1.0" outside a checkout; "-dirty" where code or parameters differ.

    That of the first call in a process, which a study makes: what is imported then computes the numbers, whatever is
    committed before they are there.
    """
    return code_of(project_root())


@functools.cache
def code_of(root: Path) -> str:
    """As `code_version`, of the checkout in a folder."""
    if (root / ".git").exists():
        git = ["git", "-C", str(root)]
        status = ["status", "--porcelain", "--", ".", *(f":(exclude){name}" for name in PROSE)]
        try:
            run = functools.partial(subprocess.run, capture_output=True, text=True, timeout=20, check=True)
            commit = run([*git, "describe", "--always", "--exclude", "*"]).stdout.strip()
            changed = run([*git, *status]).stdout.splitlines()
            dirty = any(not line.startswith("??") or line[3:].startswith(CODE) for line in changed)
            return f"{commit}-dirty" if dirty else commit
        except (OSError, subprocess.SubprocessError):
            pass
    return f"cgnlib {__version__}"


@functools.cache
def committed(commit: str) -> str:
    """The day of a commit, "2026-11-24"; "" where git does not know it."""
    git = ["git", "-C", str(project_root()), "log", "-1", "--format=%cs", commit.removesuffix("-dirty")]
    try:
        return subprocess.run(git, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


@functools.cache
def _days() -> dict[str, str]:
    """The day of every commit that published rows name, as kept beside them."""
    records = (project_root() / "results").glob("*/provenance.json")
    runs = [run for record in records for run in runs_of(record.read_text(encoding="utf-8", errors="replace"))]
    return {run["code"]: run["committed"] for run in runs if run.get("committed")}


def made_between(codes: Iterable[str]) -> list[str]:
    """The first and the last day of the code that computed rows, from their column `code`; [] where none is known."""
    days = [_days().get(code) or committed(code.split()[-1]) for code in dict.fromkeys(codes) if code]
    found = sorted(day for day in days if day)
    return [found[0], found[-1]] if found else []


def provenance() -> dict[str, Any]:
    """Code version, processor, cores, threads, system and library versions (and GPU where torch sees one)."""
    model, flags = processor()
    found: dict[str, Any] = {
        "code": code_version(),
        "committed": committed("HEAD"),
        "cpu": model,
        "instruction_sets": [name for name in INSTRUCTION_SETS if name in flags],
        "cores": os.cpu_count(),
        "threads": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "libraries": {name: version for name in LIBRARIES if (version := _version(name))},
    }
    torch = sys.modules.get("torch")  # only if the run uses it: importing it takes seconds
    if torch is not None:
        found["threads"] = torch.get_num_threads()
        if torch.cuda.is_available():
            found["gpu"] = torch.cuda.get_device_name()
    return found


def join_provenance(earlier: str, later: str) -> str:
    """Both JSON lists of the runs that wrote into a folder as one, each run once; "" is a list without any."""
    runs = runs_of(later)
    return json.dumps([run for run in runs_of(earlier) if run not in runs] + runs, indent=1) + "\n"


def runs_of(text: str) -> list[Any]:
    """The runs that a record of provenance names; none where it is damaged, which must not cost a result."""
    try:
        runs = json.loads(text) if text.strip() else []
    except json.JSONDecodeError:
        return []
    return runs if isinstance(runs, list) else []


def _version(library: str) -> str | None:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None
