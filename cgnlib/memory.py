"""The memory of the process: what it peaked at, and what becomes of what tensors have given back."""

import ctypes
import functools
import resource
import sys
from pathlib import Path

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of mallopt(3)


@functools.cache
def keep_freed_memory() -> bool:
    """Let the process keep freed memory for its next tensors; whether the C library can (glibc).

    By default glibc returns each large block to the system, and the next tensor of that size is mapped and zeroed page
    by page: about a tenth of the time of a training step on a CPU. The process's peak stays what its tensors need.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(M_MMAP_MAX, 0)) and bool(mallopt(M_TRIM_THRESHOLD, 2**31 - 1))


def peak_memory() -> int:
    """The most memory that the process has held so far, in MB."""
    try:  # what getrusage says is, on Linux, at least the peak of the program that started this one
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        kib = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
        kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit // 1024
    return round(kib * 1024 / 1e6)
