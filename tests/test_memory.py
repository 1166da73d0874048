"""Memory that tensors have given back."""

import resource

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
    assert faults() - before < 16_000
