"""Named random generators: every random draw of the study comes from one of these.

A stream is identified by a run seed and names, so adding a draw in one place never shifts the numbers drawn in another.
"""

import contextlib
import hashlib
from collections.abc import Iterator

import torch


def derive_seed(seed: int, *names: str | int) -> int:
    """A 63-bit seed that depends on `seed` and on every name, in order."""
    key = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *names: str | int, device: str | torch.device = "cpu") -> torch.Generator:
    """A fresh generator for the stream `seed/name/name/...`, e.g. `generator(3, "wildlife", "cgn", "noise")`."""
    return torch.Generator(device=device).manual_seed(derive_seed(seed, *names))


@contextlib.contextmanager
def seeded(seed: int, *names: str | int) -> Iterator[None]:
    """Within the block PyTorch's global generator draws from the stream: for layers that initialise themselves."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, *names))
        yield
