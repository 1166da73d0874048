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


def precision_key(device: str) -> dict[str, str]:
    """What the key of an artefact says of the precision of its training: nothing of float32."""
    precision = fast_precision(device)
    return {} if precision == "float32" else {"precision": precision}


def fast_autocast(device: str) -> torch.autocast:
    """Networks run in `fast_precision` in this context; weights, optimizers and what needs its digits stay float32."""
    return torch.autocast(device.split(":")[0], torch.bfloat16, enabled=fast_precision(device) == "bfloat16")
