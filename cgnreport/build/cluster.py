"""What a SLURM cluster grants, asked before anything is submitted: a job over its limit would wait for ever."""

import re
import subprocess
from collections.abc import Iterable, Mapping
from typing import Any


def refused(jobs: Iterable[Mapping[str, Any]]) -> str:
    """Why SLURM would never start jobs with these resources (`runtime` in minutes, `slurm_partition`); "" if it would.

    Where sinfo cannot be asked, nothing is known against them: sbatch will say what is wrong.
    """
    try:
        shown = subprocess.run(["sinfo", "-h", "-o", "%P %l"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""
    limits = {name.rstrip("*"): limit for name, limit in map(str.split, shown.splitlines())}
    default = next((name.rstrip("*") for name in shown.split() if name.endswith("*")), "")
    for job in jobs:
        name, asked = job.get("slurm_partition") or default, job.get("runtime")
        if limits and name not in limits:
            return f"SLURM has no partition {name or 'by default'}: choose one of {', '.join(limits)}"
        if limits and asked and minutes(limits[name]) < asked:
            return (
                f"jobs of {asked} minutes would wait for ever: partition {name} allows {limits[name]}. Choose another "
                f"with slurm_partition, or ask for less with MINUTES={minutes(limits[name]):.0f}: a job that was ended "
                "goes on from its last checkpoint"
            )
    return ""


def minutes(limit: str) -> float:
    """A time limit as SLURM writes it (infinite, days-hours:minutes:seconds, minutes:seconds), in minutes."""
    if not (match := re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", limit)):
        return float("inf")
    days, hours, mins, seconds = (int(part or 0) for part in match.groups())
    return (days * 24 + hours) * 60 + mins + seconds / 60
