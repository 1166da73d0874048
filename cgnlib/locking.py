"""One process at a time: a lock by file, for whatever several processes read and write."""

import contextlib
import errno
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, SoftFileLock, Timeout

from cgnlib.errors import LockHeld
from cgnlib.progress import tqdm

BEAT = 15.0  # seconds between two signs of life, of who holds a lock and of who waits for it
STALE = 60.0  # seconds without any, after which a lock without a file system's help was left behind


@contextlib.contextmanager
def locked(file: Path, waiting: str = "", beat: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Hold the lock `file`, which is made and left there; where the file system cannot lock, NAME.held beside it.

    NAME.held is touched as long as it is held, however long that is, so that one left behind can be told. waiting: said
    on stderr if another has the lock. beat: called every BEAT seconds of a wait. Raises OSError where the lock cannot
    be made, LockHeld if NAME.held is not touched any more.
    """
    lock = FileLock(file, fallback_to_soft=False)
    try:
        held = _acquired(lock, waiting, beat)
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):  # this file system cannot lock
            raise
        soft = file.with_suffix(".held")
        with _acquired(SoftFileLock(soft), waiting, beat, soft), _touched(soft):
            yield
        return
    with held:
        yield


def _acquired(
    lock: FileLock | SoftFileLock, waiting: str, beat: Callable[[], object], touched: Path | None = None
) -> contextlib.AbstractContextManager:
    """The lock, held until the context that is returned ends; a word to stderr if it is not free at once.

    touched: a file that whoever holds the lock touches. Raises LockHeld if that is not done for STALE seconds.
    """
    with contextlib.suppress(Timeout):
        return lock.acquire(timeout=0)
    if waiting:
        tqdm.write(waiting, file=sys.stderr)
    seen, unchanged = 0, 0.0
    while True:
        pause = min(BEAT, STALE)
        with contextlib.suppress(Timeout):
            return lock.acquire(timeout=pause)
        beat()
        if touched:
            # Its time is compared with itself alone: clocks of two machines differ.
            now = _changed(touched)
            seen, unchanged = now, unchanged + pause if now and now == seen else 0.0
            if unchanged >= STALE:
                remedy = "if none is running, delete that file, or point CGN_BUILD to a file system with locks"
                raise LockHeld(f"another run holds {touched}; no sign of life for {STALE:g} s: {remedy}")


def _changed(file: Path) -> int:
    """When `file` was last changed or touched, in nanoseconds; 0 if it is not there."""
    try:
        return file.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


@contextlib.contextmanager
def _touched(file: Path) -> Iterator[None]:
    """Within the block, `file` is touched again and again."""
    ended = threading.Event()

    def touch() -> None:
        while not ended.wait(min(BEAT, STALE / 4)):
            with contextlib.suppress(OSError):  # gone with the block, or a network's moment of absence
                os.utime(file)

    thread = threading.Thread(target=touch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
