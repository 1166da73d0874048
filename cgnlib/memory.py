"""How the C library treats memory that tensors have given back."""

import ctypes
import functools

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
