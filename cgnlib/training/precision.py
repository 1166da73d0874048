"""Where to train, and in which precision: bfloat16 where it is multiplied fast."""

import functools

import torch

from cgnlib.training.processor import has_instructions


def default_device() -> str:
    """The device to train on: "cuda" where there is one, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


@functools.cache
def fast_precision(device: str) -> str:
    """Either "float32" or, where it is multiplied at least twice as fast, "bfloat16" (CUDA; processors with AMX or
    AVX-512 BF16)."""
    if device.startswith("cuda"):
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = device == "cpu" and (has_instructions("amx_bf16") or has_instructions("avx512_bf16"))
    return "bfloat16" if fast else "float32"


def fast_autocast(device: str) -> torch.autocast:
    """Networks run in `fast_precision` in this context; weights, optimizers and what needs its digits stay float32."""
    return torch.autocast(device.split(":")[0], torch.bfloat16, enabled=fast_precision(device) == "bfloat16")
