"""Arrays from pickles of other projects, without running what a pickle may hold.

A pickle names functions to call. Here the names that rebuild NumPy arrays are known; at any other reading stops.
"""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from cgnlib.data.finding import opened
from cgnlib.errors import AssetError

_PARTS = ("multiarray", "_reconstruct"), ("multiarray", "scalar"), ("numeric", "_frombuffer")
_ALLOWED = {(f"numpy.{core}.{module}", name) for core in ("core", "_core") for module, name in _PARTS}  # NumPy 1, 2
_ALLOWED |= {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")}


class _Arrays(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no part of an array")
        return super().find_class(module, name)


def read_pickle(path: Path) -> Any:
    """Numbers, texts, lists, dicts and arrays from a pickle. Raises AssetError for one that holds anything else."""
    return _read(path, lambda stream: None)


def read_npy_dict(path: Path) -> dict[str, Any]:
    """The dict in a .npy file that holds one, as `numpy.save(path, {...})` writes it. Raises AssetError."""

    def skip_header(stream: IO[bytes]) -> None:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        read(stream)

    found = _read(path, skip_header)
    content = found.item() if isinstance(found, np.ndarray) and found.ndim == 0 else found
    if not isinstance(content, dict):
        raise AssetError(f"{path} holds no dict of arrays. Delete it, or replace it by the file that was published.")
    return content


def _read(path: Path, skip: Callable[[IO[bytes]], None]) -> Any:
    try:
        with opened(path) as stream:
            skip(stream)
            return _Arrays(stream, encoding="latin1").load()  # latin1: of Python 2
    except Exception as error:  # whatever a damaged pickle leads to
        remedy = "Delete it, or replace it by the file that was published."
        raise AssetError(f"{path} cannot be read ({error}). {remedy}") from error
