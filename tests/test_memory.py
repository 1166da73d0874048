"""Memory that tensors have given back."""

import resource

import pytest
import torch

from cgnlib.memory import keep_freed_memory, peak_memory


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


def test_the_peak_holds_the_largest_tensor() -> None:
    before = peak_memory()
    size = 200_000_000
    torch.ones(size, dtype=torch.uint8)
    assert peak_memory() >= before
    assert peak_memory() >= size / 1e6
