"""Memory that tensors have given back."""

import resource
import subprocess
import sys

import pytest
import torch

from cgnlib.memory import keep_freed_memory


def faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def test_a_tensor_of_the_same_size_takes_the_memory_of_the_last_one() -> None:
    if not keep_freed_memory():
        pytest.skip("this C library has no mallopt")
    for _ in range(3):
        torch.ones(2**24).add_(1)  # 64 MiB: more than 16,000 pages
    before = faults()
    for _ in range(5):
        torch.ones(2**24).add_(1)
    assert faults() - before < 40_000, "half of what five tensors of new pages take"


def test_the_peak_grows_by_what_is_held() -> None:
    program = """
from cgnlib.memory import peak_memory
before = peak_memory()
held = b"x" * 300_000_000
del held
print(peak_memory() - before)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert 290 <= int(done.stdout) <= 320
