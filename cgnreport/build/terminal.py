"""A line in the terminal every few seconds for a running notebook: how far, how long, how much longer, what it does."""

import sys
import threading
import time
from pathlib import Path
from types import TracebackType

PAUSE = 10.0  # seconds between two lines


class ProgressLine:
    """Progress of one notebook, printed every ten seconds; several that run side by side take turns.

    name: of the notebook. log: a text file that gets what cells write to stderr. history: seconds of each cell in an
    earlier run, if known; the estimate of the time left comes from it. Set `cells`, their number, before the first
    starts. `seconds` holds the duration of each cell that has ended.
    """

    def __init__(self, name: str, log: Path | None, history: list[float] | None) -> None:
        self.name = name
        self.cells = 0
        self.seconds: list[float] = []
        self._history = history
        self._log = log.open("w", encoding="utf-8") if log else None
        self._began = self._cell_began = time.monotonic()
        self._message = ""
        self._stop = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> "ProgressLine":
        self._ticker.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._stop.set()
        self._ticker.join()
        if self._log:
            self._log.write(f"{kind.__name__}: {error}\n" if kind else "")
            self._log.close()

    def start(self, cell: int) -> None:
        """Cell number `cell` (from 0) starts; the one before has ended."""
        now = time.monotonic()
        if cell > 0:
            self.seconds.append(now - self._cell_began)
        self._cell_began, self._message = now, ""

    def text(self, text: str) -> None:
        """What a cell wrote to stderr: its last line becomes the message."""
        text = text.replace("\r", "\n")
        if self._log:
            self._log.write(text)
            self._log.flush()
        self._message = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), self._message)

    def finish(self) -> None:
        """The last cell has ended: print how long all took."""
        self.start(self.cells)
        print(f"{self.name}: done in {clock(time.monotonic() - self._began)}", file=sys.stderr, flush=True)

    def line(self) -> str:
        """The line as it stands now."""
        cell, now = len(self.seconds), time.monotonic()
        done = f"cell {cell + 1}/{self.cells}" if self.cells else "starting"
        left = ""
        if self._history and len(self._history) == self.cells:
            in_cell = max(0.0, self._history[cell] - (now - self._cell_began))
            left = f", about {clock(in_cell + sum(self._history[cell + 1 :]))} left"
        return f"{self.name}: {done}  {clock(now - self._began)}{left}  {self._message}".rstrip()

    def _tick(self) -> None:
        while not self._stop.wait(PAUSE):
            print(self.line(), file=sys.stderr, flush=True)


def clock(seconds: float) -> str:
    """Seconds as m:ss or h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
