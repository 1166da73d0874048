"""One process at a time: a lock by file, for whatever several processes read and write."""

import contextlib
import errno
import sys
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, SoftFileLock, Timeout

from cgnlib.errors import LockHeld
from cgnlib.progress import tqdm

HELD_SECONDS = 60.0  # after which a lock that a killed process may have left behind is an error


@contextlib.contextmanager
def locked(file: Path, waiting: str = "") -> Iterator[None]:
    """Hold the lock `file`, which is made and left there; where the file system cannot lock, NAME.held beside it.

    waiting: said on stderr if another has it. Raises OSError where it cannot be made, LockHeld if NAME.held stays.
    """
    try:
        held = _acquired(FileLock(file, fallback_to_soft=False), waiting)
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):  # this file system cannot lock
            raise
        try:
            held = _acquired(SoftFileLock(file.with_suffix(".held"), timeout=HELD_SECONDS), waiting)
        except Timeout as left:
            remedy = "if none is running, delete that file, or point CGN_BUILD to a file system with locks"
            raise LockHeld(f"another run holds {left.lock_file}; {remedy}") from None
    with held:
        yield


def _acquired(lock: FileLock | SoftFileLock, waiting: str) -> contextlib.AbstractContextManager:
    """The lock, held until the context that is returned ends; a word to stderr if it is not free at once."""
    with contextlib.suppress(Timeout):
        return lock.acquire(timeout=0)
    if waiting:
        tqdm.write(waiting, file=sys.stderr)
    return lock.acquire()
