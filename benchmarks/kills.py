"""Kill real work at random moments and see that nothing is lost: `python -m benchmarks.kills`.

Each work runs once without a break, then again and again with kills: SIGKILL, SIGTERM or SIGINT (seeded), at a moment
drawn over the length of the whole work. After each kill the folder is examined and the same call goes on. When it comes
to its end, the results must be those of the first run to the bit, and the next round begins with an empty folder. Of
two processes at once one is killed, or both. Kills that are written down are not done again: stop whenever you like.
"""

import argparse
import contextlib
import csv
import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import nbformat
import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

from benchmarks.works import WORKS, Work
from cgnlib.paths import atomic_file, project_root
from cgnlib.randomness import derive_seed

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
COUNTS = {"training": 45, "notebook": 12, "book": 12, "publishing": 15}  # of kills; others: OTHERS
OTHERS = 25
HUNG = 90.0  # seconds after which a process that was told to end counts as hung
COLUMNS: tuple[str, ...] = (
    "work",
    "kill",
    "signal",
    "moment",
    "ended",
    "lost",
    "lost_rows",
    "damaged",
    "rounds",
    "different",
)

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["benchmarks.works"])


def serve(name: str, folder: Path, process: int, ready: Path, done: Path) -> None:
    """In a process of its own: do a work. What it says goes to a file; a count in `done` is what it acknowledges."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    said = os.open(folder / f"said-{process}.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(said, stream)
    torch.set_num_threads(1)
    count = os.open(done, os.O_WRONLY | os.O_CREAT)
    ready.touch()
    WORKS[name].do(folder, process, lambda number: os.pwrite(count, b"%10d" % number, 0))


class Running:
    """The processes of a work in a folder, from the moment when all of them are ready."""

    def __init__(self, name: str, folder: Path) -> None:
        self.done = [folder / f"done-{process}" for process in range(WORKS[name].processes)]
        ready = [folder / f"ready-{process}" for process in range(WORKS[name].processes)]
        for file in (*ready, *self.done):
            file.unlink(missing_ok=True)
        given = [(name, folder, process, ready[process], self.done[process]) for process in range(len(ready))]
        self.processes: list[ForkServerProcess] = [context.Process(target=serve, args=each) for each in given]
        for process in self.processes:
            process.start()
        while not all(file.exists() for file in ready) and all(process.is_alive() for process in self.processes):
            time.sleep(0.005)
        self.start = time.monotonic()

    def ended(self, seconds: float) -> bool:
        """Wait for their end; whether all have ended, by then."""
        deadline = time.monotonic() + seconds
        for process in self.processes:
            process.join(max(0.0, deadline - time.monotonic()))
        return not any(process.is_alive() for process in self.processes)

    def kill(self, number: signal.Signals, count: int, draw: np.random.Generator) -> bool:
        """Send a signal to so many of the processes that run, at most; whether one was there to get it."""
        landed = False
        running = [process for process in self.processes if process.is_alive()]
        for index in draw.permutation(len(running))[:count]:
            with contextlib.suppress(ProcessLookupError):  # it ended in this moment
                os.kill(running[index].pid or 0, number)
                landed = True
        return landed

    def acknowledged(self, work: Work) -> int:
        """What was acknowledged: in all where each process keeps rows of its own, the most where both do the same."""
        counts = [int(file.read_text() or 0) for file in self.done if file.exists()]
        return sum(counts) if work.unit == "rows" else max(counts, default=0)

    def whole(self) -> bool:
        """Whether all processes came to the end of the work."""
        return all(process.exitcode == 0 for process in self.processes)


def digest(folder: Path, work: Work) -> dict[str, str]:
    """SHA-256 of the files that make up the result, by name."""
    files = sorted({file for pattern in work.results for file in folder.glob(pattern) if file.is_file()})
    return {str(file.relative_to(folder)): sha256(file) for file in files}


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def damaged(folder: Path, expected: dict[str, str]) -> list[str]:
    """Files under a name of their own that cannot be read, whole; pages of the book that are not those `expected`."""
    read = {
        ".json": lambda file: json.loads(file.read_text()),
        ".csv": whole_table,
        ".safetensors": load_file,
        ".pt": lambda file: torch.load(file, weights_only=True),
        ".ipynb": lambda file: nbformat.read(file, as_version=4),
        ".png": lambda file: Image.open(file).load(),
        ".html": lambda file: expected.get(str(file.relative_to(folder)), "") in ("", sha256(file)) or 1 / 0,
        ".pth": lambda file: file.stat().st_size == 6_000_000 or 1 / 0,
    }
    hidden = ("downloads", "book-src", ".running", ".git", "ipython")
    wrong = []
    for file in sorted(folder.rglob("*")):
        parts = file.relative_to(folder).parts
        if file.suffix not in read or file.name.startswith(".") or any(part in hidden for part in parts):
            continue
        try:
            read[file.suffix](file)
        except Exception as error:  # a reader raises nearly anything for a damaged file
            wrong.append(f"{'/'.join(parts)} ({type(error).__name__})")
    return wrong


def whole_table(file: Path) -> None:
    """Raises ValueError for a table that was cut."""
    text = file.read_text()
    if not text.endswith("\n") or len({len(line) for line in csv.reader(text.splitlines())}) != 1:
        raise ValueError(file)


def fresh(name: str) -> Path:
    """An empty folder, prepared for a work."""
    folder = Path(tempfile.mkdtemp(prefix="kills-"))
    WORKS[name].prepare(folder)
    return folder


def uninterrupted(name: str) -> tuple[dict[str, str], float]:
    """The result of a work without a break, and how long it took."""
    folder = fresh(name)
    running = Running(name, folder)
    if not running.ended(20 * HUNG) or not (expected := digest(folder, WORKS[name])):
        raise RuntimeError(f"{name} does not come to its end:\n{(folder / 'said-0.txt').read_text()[-2000:]}")
    seconds = time.monotonic() - running.start
    shutil.rmtree(folder)
    return expected, seconds


def campaign(name: str, wanted: int, seed: int, file: Path) -> None:
    """Kill a work until `file` has so many kills of it, a row each."""
    work = WORKS[name]
    kill = 1 + sum(line["work"] == name for line in written(file))
    if kill > wanted:
        return
    draw = np.random.default_rng(derive_seed(seed, "kills", name, kill))
    (expected, length), folder, before, ends = uninterrupted(name), fresh(name), 0, []
    while kill <= wanted:
        number, moment = SIGNALS[draw.integers(3)], float(draw.uniform(0, length))
        running = Running(name, folder)
        running.ended(moment)
        landed = running.kill(number, int(draw.integers(1, work.processes + 1)), draw)
        hung = not running.ended(HUNG)
        for process in running.processes if hung else ():
            process.kill()
            process.join()
        spared = work.lossless or number != signal.SIGKILL
        counted, now, wrong = running.acknowledged(work) if spared else 0, work.kept(folder), damaged(folder, expected)
        lost, before = max(0, counted - now, before - now), now
        if landed and kill == wanted and not running.whole():  # the last: see to it that its round ends well, too
            running = Running(name, folder)
            running.ended(HUNG)
        if running.whole():
            ends.append(digest(folder, work) == expected)
            if ends[-1]:
                shutil.rmtree(folder)
            else:
                print(f"{name}: other bits in {folder}")
            folder, before = fresh(name), 0
        if landed:
            ended = "hung" if hung else "broken off"
            row = (name, kill, signal.Signals(number).name, f"{moment:.2f}", ended, lost)
            row += (lost if work.unit == "rows" else 0, len(wrong), len(ends), len(ends) - sum(ends))
            add(file, dict(zip(COLUMNS, map(str, row), strict=True)))
            print(*row, *wrong, sep="  ", flush=True)
            kill, ends = kill + 1, []
    shutil.rmtree(folder)


def add(file: Path, row: dict[str, str]) -> None:
    """Write a kill down."""
    lines = [*written(file), row]
    with atomic_file(file) as partial, partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(COLUMNS), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


def written(file: Path) -> list[dict[str, str]]:
    """The kills in a file."""
    if not file.exists():
        return []
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=__doc__)
    parser.add_argument("works", nargs="*", metavar="WORK", help=f"any of {', '.join(WORKS)}; default: all")
    parser.add_argument("--kills", type=int, help="of each work; default: 25 or as much as its length allows")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=project_root() / "benchmarks" / "kills.csv")
    given = parser.parse_args(arguments)
    for name in given.works or WORKS:
        campaign(name, given.kills or COUNTS.get(name, OTHERS), given.seed, given.output)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
