"""One process at a time: a lock by file, for whatever several processes read and write."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from cgnlib.progress import tqdm

HELD_SECONDS = 60.0  # after which a lock that a killed process may have left behind is an error


class LockHeld(RuntimeError):
    """Somebody else has the lock, or left it behind. The message names the file and what to do."""


@contextlib.contextmanager
def locked(file: Path, waiting: str = "") -> Iterator[None]:
    """Hold the lock `file`, made in a folder that exists: flock where the system and the file system have it, which
    ends with the process, else a file NAME.held beside it that must not exist.

    waiting: said on stderr if another process has the lock. Raises OSError where `file` cannot be made, and LockHeld if
    the file beside it is there for HELD_SECONDS; a flock is waited for without end.
    """
    with file.open("a") as stream, contextlib.ExitStack() as stack:
        if not _flock(stream, waiting):
            stack.enter_context(_exclusive_file(file.with_suffix(".held"), waiting))
        yield


def _flock(stream: IO[str], waiting: str) -> bool:
    """Lock an open file until it is closed; False where this system or file system cannot."""
    try:
        import fcntl

        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(waiting)
            fcntl.flock(stream, fcntl.LOCK_EX)
    except (ImportError, OSError):
        return False
    return True


@contextlib.contextmanager
def _exclusive_file(file: Path, waiting: str) -> Iterator[None]:
    deadline = time.monotonic() + HELD_SECONDS
    while True:
        try:
            os.close(os.open(file, os.O_CREAT | os.O_EXCL))
            break
        except FileExistsError:
            if time.monotonic() > deadline:
                raise LockHeld(
                    f"another run holds {file}; if none is running, delete that file, or point CGN_BUILD to a file "
                    "system with locks"
                ) from None
            _say(waiting)
            waiting = ""  # said once
            time.sleep(0.05)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def _say(waiting: str) -> None:
    if waiting:
        tqdm.write(waiting, file=sys.stderr)
