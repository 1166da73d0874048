"""The whole report from a bare clone, two commits in turns: `python -m benchmarks.report 7a59128 HEAD`.

Each turn clones a commit, makes its environment, runs the study and builds the book, with caches of its own for what is
downloaded, and prints what it took. Linux alone: memory and time of a process and its descendants are read in /proc.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
STAGES = {"environment": "env", "study": "study", "book": "book"}  # each a target of the Makefile


@dataclass(frozen=True)
class Stage:
    """What one stage took. cpu_seconds: of all its processes; peak_mb: of all of them together, shared pages once."""

    commit: str
    turn: int
    stage: str
    seconds: float
    cpu_seconds: float
    peak_mb: float

    @property
    def busy(self) -> float:
        """Share of the machine's processors that computed."""
        return self.cpu_seconds / self.seconds / (os.cpu_count() or 1)


class Watched(NamedTuple):
    """A process and all that descend from it, at one moment. seconds: of the processor, by process."""

    seconds: dict[int, float]
    mb: float


def watch(pid: int) -> Watched:
    """Read /proc. Memory is proportional (PSS): pages that several processes share count once."""
    children, spent = defaultdict(list), {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            own, fields = int(entry.parent.name), entry.read_text().rpartition(")")[2].split()
        except OSError:  # ended meanwhile
            continue
        children[int(fields[1])].append(own)
        spent[own] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    found, left, kilobytes = {}, [pid], 0
    while left:
        one = left.pop()
        found[one] = spent.get(one, 0.0)
        left += children[one]
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
            kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return Watched(found, 1024 * kilobytes / 1e6)


def run(commit: str, turn: int, stage: str, command: list[str], folder: Path, environment: dict[str, str]) -> Stage:
    """Run a command in a clone and measure it. Raises CalledProcessError, with its output printed, where it fails.

    The processor's time of each process is that of the last look, a second or less before it ended: kernels of
    notebooks are nobody's waited-for children, so the system adds theirs to no one's.
    """
    start, seconds, peak = time.monotonic(), dict[int, float](), 0.0
    with (folder.parent / f"{folder.name}-{stage}.log").open("w+") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
        while True:
            seen = watch(process.pid)
            seconds, peak = seconds | seen.seconds, max(peak, seen.mb)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1)
                break
        if process.returncode:
            log.seek(0)
            sys.stderr.write(log.read()[-5000:])
            raise subprocess.CalledProcessError(process.returncode, command)
    return Stage(commit, turn, stage, time.monotonic() - start, sum(seconds.values()), peak)


def hash_of(commit: str) -> str:
    """A commit of this checkout, by its short hash. Raises SystemExit for a name that is none."""
    asked = ["git", "rev-parse", "--verify", "--quiet", "--short", f"{commit}^{{commit}}"]
    found = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True)
    if found.returncode:
        raise SystemExit(f"'{commit}' is no commit of this checkout: git log --oneline lists them")
    return found.stdout.strip()


def turn_of(commit: str, turn: int, profile: str, scratch: Path, keep: Path | None = None) -> list[Stage]:
    """The whole report of one commit, from a clone in an empty folder to the book; prints a line for each stage.

    keep: a folder that takes a copy of the book.
    """
    folder, cache = scratch / commit, scratch / "cache"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    subprocess.run(["git", "checkout", "--quiet", commit], cwd=folder, check=True)
    caches = {name: str(cache / name.lower()) for name in ("XDG_CACHE_HOME", "UV_CACHE_DIR", "PIP_CACHE_DIR")}
    ours = ("CGN_", "MAKE", "MFLAGS")  # settings of this checkout, and of the make that runs this
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    stages = []
    for name, target in STAGES.items():
        command = ["make", target, f"PROFILE={profile}"]
        stages.append(run(commit, turn, name, command, folder, inherited | caches))
        one = stages[-1]
        print(
            f"{commit} {name:12} {one.seconds:6.0f} s, {one.busy:.0%} of the cores, {one.peak_mb:,.0f} MB", flush=True
        )
    records = (folder / "build" / "artefacts").glob("*/*/record.json")
    trained = sum(json.loads(record.read_text())["seconds"] for record in records)
    print(
        f"{commit} trainings {trained:.0f} s by their records, one thread each; study {stages[1].cpu_seconds:.0f} s",
        flush=True,
    )
    book = folder / "build" / "book"
    html = sum(path.stat().st_size for path in book.rglob("*") if path.is_file())
    if keep:
        shutil.copytree(book, keep / commit, dirs_exist_ok=True)
    print(f"{commit} book {html / 1e6:.1f} MB, report {sum(one.seconds for one in stages):.0f} s", flush=True)
    return stages


def main(arguments: list[str] | None = None) -> int:
    """Measure two commits, or more, in turns."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument("commits", nargs="+", help="commits of this repository")
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--profile", default="quick")
    parser.add_argument("--output", type=Path, help="a CSV file of the stages")
    parser.add_argument("--keep", type=Path, help="a folder for a copy of each commit's book")
    given = parser.parse_args(arguments)
    commits, stages = [hash_of(commit) for commit in given.commits], []
    for turn in range(given.turns):
        for commit in commits:
            with tempfile.TemporaryDirectory(prefix="cgn-report-") as scratch:
                stages += turn_of(commit, turn, given.profile, Path(scratch), given.keep)
                if given.output:
                    frame = pd.DataFrame([asdict(stage) for stage in stages])
                    frame.to_csv(given.output, index=False, float_format="%.1f")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
