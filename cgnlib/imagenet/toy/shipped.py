"""The toy world's pre-trained networks as files in `weights/toyworld`: records and fingerprints, without torch."""

import functools
import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import load_file

from cgnlib.errors import AssetError
from cgnlib.paths import project_root

PARTS = ("biggan", "u2net", "classifier", "oracle")  # by the names of their files; "oracle" is the factor reader
JUDGES = ("oracle", "u2net", "classifier")  # those that results are read by


def shipped_folder() -> Path:
    """The folder of the shipped networks."""
    return project_root() / "weights" / "toyworld"


def part_file(name: str, folder: Path | None = None) -> Path:
    """Weights of a shipped network, one of PARTS."""
    return (folder or shipped_folder()) / f"{name}.safetensors"


def part_record(name: str, folder: Path | None = None) -> dict[str, Any]:
    """How a shipped network was trained: recipe, seed, seconds, checksum.

    Raises AssetError where the record is missing, cannot be read or has no checksum.
    """
    file = (folder or shipped_folder()) / f"{name}.json"
    try:
        record = json.loads(file.read_text())
        _ = record["weights_sha256"]
    except (OSError, ValueError, KeyError) as error:
        raise AssetError(
            f"{file}, the record of a shipped part, cannot be used ({error!r}). Restore it: git checkout weights, or "
            "train the parts: make pretrain."
        ) from error
    return record


def judges_fingerprint(folder: Path | None = None) -> str:
    """First 12 hex digits of the SHA-256 of the checksums of the networks that judge, as result rows name them.

    Raises AssetError as `part_record`.
    """
    lines = [f"{name} {part_record(name, folder)['weights_sha256']}\n" for name in JUDGES]
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:12]


@functools.cache
def fingerprint_of_file(path: Path) -> str:
    """Fingerprint of the network in a .safetensors file: what `training.weights.fingerprint` gives once it is loaded.

    Raises AssetError where the file is missing or damaged.
    """
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise AssetError(f"{path} cannot be read ({error}). Restore it: git checkout weights.") from error
    digest = hashlib.sha256()
    for name, values in sorted(tensors.items()):
        digest.update(name.encode() + values.tobytes())
    return digest.hexdigest()[:12]
