"""One line in the terminal for a running notebook: which, how far, how long, how much longer, and its last message."""

import contextlib
import os
import shutil
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import TextIO

STALE = 5.0  # seconds after which the line of another notebook counts as left over


class ProgressLine:
    """Progress of one notebook, refreshed each second where stderr is a terminal, else printed every half minute.

    name: of the notebook. log: a text file that also gets the lines and whatever cells wrote to stderr.
    history: seconds of each cell in an earlier run, if known; the estimate of the time left comes from it.
    board: a folder in which notebooks that run side by side leave their lines, so that a terminal shows them all.
    After use `seconds` holds each cell's duration.
    """

    def __init__(self, name: str, log: Path | None, history: list[float] | None, board: Path | None = None) -> None:
        self.name = name
        self.cells = 0
        self.seconds: list[float] = []
        self._history = history
        self._log_path = log
        self._note = board / f"{name}-{os.getpid()}.line" if board else None
        self._log: TextIO | None = None
        self._live = sys.stderr.isatty()
        self._began = self._cell_began = time.monotonic()
        self._cell = 0
        self._message = ""
        self._stop = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> "ProgressLine":
        self._log = self._log_path.open("w", encoding="utf-8") if self._log_path else None
        self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._ticker.join()
        if self._note:
            self._note.unlink(missing_ok=True)
        self._clear()
        if self._log:
            if error is not None:
                self._log.write(f"{type(error).__name__}: {error}\n")
            self._log.close()

    def start(self, cell: int) -> None:
        """Cell number `cell` (from 0) starts."""
        self._cell, self._cell_began, self._message = cell, time.monotonic(), ""

    def complete(self, cell: int) -> None:
        """Cell number `cell` ended; keep its duration."""
        self.seconds[cell:] = [time.monotonic() - self._cell_began]

    def text(self, text: str) -> None:
        """What a cell wrote to stderr: its last line becomes the message."""
        if self._log:
            self._log.write(text.replace("\r", "\n"))
            self._log.flush()
        lines = [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
        if lines:
            self._message = lines[-1]

    def finish(self, words: str) -> None:
        """Print a last line that stays."""
        self._clear()
        print(f"{self.name}: {words}", file=sys.stderr, flush=True)

    def line(self) -> str:
        """The line as it stands now."""
        done = f"cell {min(self._cell + 1, self.cells)}/{self.cells}" if self.cells else "starting"
        left = self._seconds_left()
        times = f"{clock(time.monotonic() - self._began)}" + (f", about {clock(left)} left" if left is not None else "")
        return f"{self.name}: {done}  {times}" + (f"  {self._message}" if self._message else "")

    def lines(self) -> list[str]:
        """This line and those of notebooks that run beside this one, in the order of their names."""
        if not self._note:
            return [self.line()]
        with contextlib.suppress(OSError):  # a full disk stops no notebook here
            self._note.write_text(self.line(), encoding="utf-8")
        lines = {self._note: self.line()}
        for other in self._note.parent.glob("*.line"):
            with contextlib.suppress(OSError):  # it may just have ended
                if other != self._note and time.time() - other.stat().st_mtime < STALE:
                    lines[other] = other.read_text(encoding="utf-8")
        return [lines[note] for note in sorted(lines)]

    def _seconds_left(self) -> float | None:
        if not self._history or len(self._history) != self.cells:
            return None
        in_cell = time.monotonic() - self._cell_began
        return max(0.0, self._history[self._cell] - in_cell) + sum(self._history[self._cell + 1 :])

    def _tick(self) -> None:
        pause = 1.0 if self._live else 30.0
        while not self._stop.wait(pause):
            if self._live:
                sys.stderr.write("\r\x1b[2K" + side_by_side(self.lines(), shutil.get_terminal_size().columns - 1))
            else:
                sys.stderr.write(self.line() + "\n")
            sys.stderr.flush()

    def _clear(self) -> None:
        if self._live:
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write("\r\x1b[2K")
                sys.stderr.flush()


def side_by_side(lines: list[str], width: int) -> str:
    """Lines in one, each cut to its share of the width."""
    gap = "  |  "
    share = (width - len(gap) * (len(lines) - 1)) // len(lines)
    return gap.join(line[: max(share, 0)] for line in lines)


def clock(seconds: float) -> str:
    """Seconds as m:ss or h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
