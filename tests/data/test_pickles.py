"""Arrays come out of pickles; nothing else does, and nothing in a pickle is run."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from cgnlib.data.pickles import read_npy_dict, read_pickle
from cgnlib.errors import AssetError

CONTENT = {"image": np.arange(24, dtype=np.uint8).reshape(2, 3, 4), "label": np.array([3, 7]), "names": ["a", "b"]}


class Command:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.file),)


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_arrays_lists_and_dicts_are_read(tmp_path: Path, protocol: int) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(CONTENT, protocol))
    np.save(tmp_path / "a.npy", CONTENT)  # type: ignore[arg-type]
    for found in (read_pickle(tmp_path / "a.pkl"), read_npy_dict(tmp_path / "a.npy")):
        assert np.array_equal(found["image"], CONTENT["image"]) and found["image"].dtype == np.uint8
        assert found["label"].tolist() == [3, 7] and found["names"] == ["a", "b"]


def test_what_would_run_is_refused_and_not_run(tmp_path: Path) -> None:
    made = tmp_path / "made"
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"image": Command(made)}))
    np.save(tmp_path / "a.npy", {"image": Command(made)})  # type: ignore[arg-type]
    for read, name in ((read_pickle, "a.pkl"), (read_npy_dict, "a.npy")):
        with pytest.raises(AssetError, match=f"{name} cannot be read .*posix.mkdir, which is no part of an array"):
            read(tmp_path / name)
    assert not made.exists()


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x93NUMPY\x01\x00", pickle.dumps(CONTENT)[:-9]])
def test_damaged_files_are_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    for read in (read_pickle, read_npy_dict):
        with pytest.raises(AssetError, match="a cannot be read"):
            read(tmp_path / "a")


def test_a_file_of_plain_numbers_is_no_dict(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[1, "b"]], dtype=object))
    with pytest.raises(AssetError, match="holds no dict of arrays"):
        read_npy_dict(tmp_path / "a.npy")
