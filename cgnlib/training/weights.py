"""Weights in files: saved atomically, loaded strictly and without executing code, told apart by their fingerprint."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cgnlib.errors import AssetError
from cgnlib.paths import atomic_file


def fingerprint(module: nn.Module) -> str:
    """First 12 hex digits of the SHA-256 of a module's state dict: what tells two networks apart."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def save_weights(module: nn.Module, path: Path) -> None:
    """The module's state dict as safetensors, written atomically."""
    save_tensors(module.state_dict(), path)


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Tensors by name as safetensors, written atomically."""
    with atomic_file(path) as partial:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, partial)


def load_state(module: nn.Module, path: Path | str, what: str, drop_prefix: str = "") -> None:
    """Load a `.safetensors` or PyTorch state dict into `module`, strictly and without executing code.

    Batch norms keep their own count of batches where an old file has none (PyTorch 0.4.0 did not count).
    drop_prefix: taken off the keys that have it ("module." of a network that was trained in parallel).

    Raises AssetError naming the file and what is wrong: missing, unreadable, wrong keys, wrong shapes, not finite.
    """
    path = Path(path)
    refused = f"weights of {what}: {path}"
    if not path.exists():
        raise AssetError(f"{refused} does not exist. Check the path, or train it anew.")
    try:
        if path.suffix == ".safetensors":
            tensors = load_file(path)
        else:
            tensors = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise AssetError(f"{refused} is truncated or corrupt ({error}). Fetch it again.") from error
    except Exception as error:  # pickle.UnpicklingError: the file holds more than tensors
        raise AssetError(f"{refused} is not a plain state dict ({error}).") from error
    if not isinstance(tensors, Mapping):
        raise AssetError(f"{refused} holds a {type(tensors).__name__}, not a state dict.")
    tensors = {name.removeprefix(drop_prefix): tensor for name, tensor in tensors.items()}
    expected = module.state_dict()
    tensors = {name: count for name, count in expected.items() if name.endswith("num_batches_tracked")} | tensors
    if set(tensors) != set(expected):
        missing, extra = sorted(set(expected) - set(tensors)), sorted(set(tensors) - set(expected))
        raise AssetError(f"{refused} is of another architecture (missing {missing[:3]}, extra {extra[:3]}).")
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            raise AssetError(f"{refused}: {name} is {tuple(tensor.shape)}, expected {tuple(expected[name].shape)}.")
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise AssetError(f"{refused}: {name} holds values that are not finite.")
    module.load_state_dict(tensors)
