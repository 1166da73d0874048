"""Weights in files: saved atomically, loaded strictly and without executing code, told apart by their fingerprint."""

import hashlib
import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cgnlib.errors import AssetError
from cgnlib.paths import atomic_file

WRAPPERS = ("module", "_orig_mod")  # parts of keys: of networks trained in parallel, and of compiled ones
VARIANCES = ("running_var", "running_vars")  # ends of keys: of PyTorch's batch norm, and of BigGAN's
COUNT = "num_batches_tracked"
ROUNDING = 1e-6  # below zero, of a variance taken as the mean of squares less the squared mean
FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
INTEGERS = (torch.int64, torch.int32)


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


def load_state(module: nn.Module, path: Path | str, what: str, part: str = "") -> None:
    """Load a `.safetensors` or PyTorch state dict into `module`, strictly and without executing code.

    Batch norms keep their own count of batches where an old file has none (PyTorch 0.4.0 did not count). What wrappers
    put into keys is taken out (WRAPPERS). part: load what lies below this prefix alone ("features." of a VGG).

    Raises AssetError naming the file and what is wrong: missing, unreadable, wrong keys, or a tensor that `_fault`
    finds unfit.
    """
    path, expected = Path(path), module.state_dict()
    refused = f"weights of {what}: {path}"
    tensors: dict[str, Tensor] = {}
    for name, tensor in _read(path, refused).items():
        key = name if name in expected else ".".join(each for each in name.split(".") if each not in WRAPPERS)
        if key.startswith(part):
            if key.removeprefix(part) in tensors:
                raise AssetError(f"{refused} holds {key} twice, with and without a wrapper's name. Save one network.")
            tensors[key.removeprefix(part)] = tensor
    fill(module, {name: count for name, count in expected.items() if name.endswith(COUNT)} | tensors, refused)


def load_tensors(path: Path, what: str, names: Iterable[str], n: int | None = None) -> dict[str, Tensor]:
    """Tensors that `save_tensors` wrote, by name; n: how many values each has along its first axis.

    Raises AssetError naming the file where it is missing or unreadable, holds others, or holds what is not finite.
    """
    refused, remedy = f"{what}: {path}", f"Delete {path.parent}: it is made anew."
    found = _read(path, refused)
    if set(found) != set(names):
        raise AssetError(f"{refused} holds {sorted(found)}, expected {sorted(names)}. {remedy}")
    for name, tensor in found.items():
        if n is not None and len(tensor) != n:
            raise AssetError(f"{refused}: {name} has {len(tensor):,} values, expected {n:,}. {remedy}")
        if not tensor.isfinite().all():
            raise AssetError(f"{refused}: {name} holds values that are not finite. {remedy}")
    return found


def fill(module: nn.Module, tensors: Mapping[str, Tensor], refused: str) -> None:
    """Let tensors be the module's state. Raises AssetError, which begins with `refused`, for other keys and for tensors
    that `_fault` finds unfit, and leaves the module as it was."""
    expected = module.state_dict()
    if set(tensors) != set(expected):
        missing, extra = sorted(set(expected) - set(tensors)), sorted(set(tensors) - set(expected))
        raise AssetError(f"{refused} is of another architecture (missing {missing[:3]}, extra {extra[:3]}).")
    for name, tensor in tensors.items():
        if fault := _fault(name, tensor, expected[name]):
            raise AssetError(f"{refused}: {name} {fault}.")
    module.load_state_dict(tensors)


def _read(path: Path, refused: str) -> dict[str, Tensor]:
    """Tensors by name from a file. Raises AssetError for anything else."""
    if not path.exists():
        raise AssetError(f"{refused} does not exist. Check the path, or train it anew.")
    try:
        if path.suffix == ".safetensors":
            found = load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # its own words advise to load it without care
        code = "global" in str(error).lower()
        why = "to read it would execute code. Save its tensors alone" if code else "it is another kind of file"
        raise AssetError(f"{refused} is not a plain state dict: {why}.") from error
    except (SafetensorError, OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        why = " ".join(str(error).split()).partition(". ")[0] or type(error).__name__
        raise AssetError(f"{refused} is truncated or corrupt ({why}). Fetch it again.") from error
    except Exception as error:  # torch.load raises nearly anything for a file of another kind
        raise AssetError(f"{refused} is not a plain state dict ({type(error).__name__}). Fetch it again.") from error
    if not isinstance(found, Mapping):
        raise AssetError(f"{refused} holds a {type(found).__name__}, not a state dict.")
    for name, tensor in found.items():
        if not (isinstance(name, str) and isinstance(tensor, Tensor)):
            inside = ": save that alone" if isinstance(tensor, Mapping) else ""
            raise AssetError(f"{refused} holds {name!r} of type {type(tensor).__name__}, not a named tensor{inside}.")
    return dict(found)


def _fault(name: str, tensor: Tensor, expected: Tensor) -> str:
    """What makes a tensor unfit to take the place of `expected`; "" for nothing.

    A cast that loses what it means is refused: only real floating point becomes floating point, only integers a count.
    """
    if tensor.shape != expected.shape:
        return f"is {tuple(tensor.shape)}, expected {tuple(expected.shape)}"
    fits = FLOATS if expected.is_floating_point() else INTEGERS
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta or tensor.dtype not in fits:
        found = f"{tensor.dtype} {tensor.layout}".replace("torch.", "").removesuffix(" strided")
        return f"is {found}, expected {' or '.join(str(each).removeprefix('torch.') for each in fits)}"
    if not tensor.to(expected.dtype).isfinite().all():
        return f"holds values that are not finite in {str(expected.dtype).removeprefix('torch.')}"
    if name.endswith((*VARIANCES, COUNT)) and (tensor < -ROUNDING).any():
        return f"holds negative values, down to {tensor.min().item():g}; of a variance or a count none can be"
    return ""
