"""How long each cell of a notebook took, so that the next run can say how much is left.

A machine's own last run is kept in the build folder. For its first run there are those in params/durations.json,
measured once by the project.
"""

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path

from cgnlib.paths import atomic_file, build_folder, project_root
from cgnlib.report import ReportError


def last_durations(profile: str, name: str) -> list[float] | None:
    """Seconds of each cell of a notebook in the last finished run here, else in the project's; None if unknown."""
    for file, keys in ((_own(profile, name), ()), (_shipped(), (profile, name))):
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            found = json.loads(file.read_text(encoding="utf-8"))
            for key in keys:
                found = found[key]
            return [float(seconds) for seconds in found]
    return None


def remember_durations(profile: str, name: str, seconds: Sequence[float]) -> None:
    """Keep the seconds of each cell of a finished run."""
    file = _own(profile, name)
    with contextlib.suppress(OSError), atomic_file(file) as partial:  # an estimate, not worth a failure
        partial.write_text(json.dumps([round(value, 2) for value in seconds]), encoding="utf-8")


def main_durations(profile: str) -> int:
    """The command `durations`: let this machine's last runs at `profile` be those that a first run goes by."""
    files = sorted(_own(profile, "").parent.glob("*.json"))
    if not files:
        raise ReportError(f"no notebook was run at scale {profile}; make study PROFILE={profile}")
    shipped = json.loads(_shipped().read_text(encoding="utf-8")) if _shipped().exists() else {}
    shipped[profile] = {file.stem: [round(float(s)) for s in json.loads(file.read_text())] for file in files}
    with atomic_file(_shipped()) as partial:
        partial.write_text(json.dumps(shipped, sort_keys=True).replace("]", "]\n") + "\n", encoding="utf-8")
    print(f"{len(files)} notebooks at scale {profile} in {_shipped().relative_to(project_root())}")
    return 0


def _own(profile: str, name: str) -> Path:
    return build_folder() / "durations" / profile / f"{name}.json"


def _shipped() -> Path:
    return project_root() / "params" / "durations.json"
