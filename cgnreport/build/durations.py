"""How long each cell of a notebook took, so that the next run can say how much is left.

A machine's own last run is kept in the build folder. For its first run there are those in params/durations.json,
measured once by the project.
"""

import argparse
import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cgnlib.paths import atomic_file, build_folder, project_root
from cgnreport.build import ReportError

SHIPPED = "params/durations.json"


def last_durations(profile: str, name: str) -> list[float] | None:
    """Seconds of each cell of a notebook in the last finished run here, else in the project's; None if unknown."""
    return _read(_own(profile, name)) or _read(project_root() / SHIPPED).get(profile, {}).get(name)


def remember_durations(profile: str, name: str, seconds: Sequence[float]) -> None:
    """Keep the seconds of each cell of a finished run."""
    with contextlib.suppress(OSError), atomic_file(_own(profile, name)) as partial:  # an estimate, not worth a failure
        partial.write_text(json.dumps([round(value, 2) for value in seconds]), encoding="utf-8")


def main(given: argparse.Namespace) -> int:
    """The command `durations`: let this machine's last runs at a profile be those that a first run goes by."""
    files = sorted(_own(given.profile, "").parent.glob("*.json"))
    if not files:
        raise ReportError(f"no notebook was run at scale {given.profile}; make study PROFILE={given.profile}")
    seconds = {file.stem: [round(value) for value in json.loads(file.read_text())] for file in files}
    with atomic_file(project_root() / SHIPPED) as partial:
        text = json.dumps(_read(project_root() / SHIPPED) | {given.profile: seconds}, sort_keys=True)
        partial.write_text(text.replace("]", "]\n") + "\n", encoding="utf-8")
    print(f"{len(files)} notebooks at scale {given.profile} in {SHIPPED}")
    return 0


def _own(profile: str, name: str) -> Path:
    return build_folder() / "durations" / profile / f"{name}.json"


def _read(file: Path) -> Any:
    with contextlib.suppress(OSError, ValueError):
        return json.loads(file.read_text(encoding="utf-8"))
    return {}
