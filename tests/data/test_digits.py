"""MNIST, its stand-in, and every way in which a file of it can be wrong."""

import gzip
import hashlib
import struct
import time
from pathlib import Path

import numpy as np
import pytest
import requests
import torch

from cgnlib.data import fetching
from cgnlib.data.catalogue import AUTHORS_WEIGHTS, MNIST_MD5, named
from cgnlib.data.digits import digits_source, find_digits
from cgnlib.data.finding import require, shared_folder
from cgnlib.data.textures import find_textures, textures_source
from cgnlib.errors import AssetError

SHARED = shared_folder()  # as it is, before a test replaces it
RAW = "mnist/MNIST/raw"


@pytest.fixture(autouse=True)
def _read_once(digits, monkeypatch):
    monkeypatch.setattr("cgnlib.data.digits.embedded_digits", lambda: digits)


@pytest.fixture
def small(change, tmp_path) -> Path:
    """A data folder that holds an "MNIST" of 40 + 20 digits, with the checksums expected of it; its raw folder."""
    raw = tmp_path / "data" / RAW
    raw.mkdir(parents=True)
    checksums = []
    for seed, name in enumerate(MNIST_MD5):
        shape = (40 if name.startswith("train") else 20, *(28, 28)[: 2 * ("images" in name)])
        pixels = np.random.default_rng(seed).integers(0, 10, size=shape, dtype=np.uint8).tobytes()
        content = bytes((0, 0, 8, len(shape))) + struct.pack(f">{len(shape)}I", *shape) + pixels
        (raw / name).write_bytes(content)
        checksums.append(f"md5:{hashlib.md5(content).hexdigest()}")
    change("mnist", checksums=tuple(checksums))
    return raw


@pytest.fixture
def mirror(small, site, change) -> Path:
    """The small MNIST is at the web server as .gz files; the cache's folder for it."""
    site.content = {f"{path.name}.gz": gzip.compress(path.read_bytes()) for path in small.iterdir()}
    change("mnist", urls=tuple(f"{site.url}/{name}.gz" for name in MNIST_MD5))
    return small.parents[3] / "cache" / RAW


def test_embedded_digits_are_the_stand_in_and_the_same_everywhere():
    found = find_digits()
    assert found.source == digits_source() == "mnist-5000"
    parts = (found.train_images, found.train_labels, found.test_images, found.test_labels)
    assert [tuple(part.shape) for part in parts] == [(4000, 28, 28), (4000,), (1000, 28, 28), (1000,)]
    assert [part.dtype for part in parts] == [torch.uint8, torch.int64] * 2
    assert found.train_labels.bincount().tolist() == [400] * 10
    assert found.test_labels.bincount().tolist() == [100] * 10
    content = b"".join(part.numpy().tobytes() for part in parts)
    assert hashlib.sha256(content).hexdigest() == "242b127db1d32578ce8b2d36a9474ce425567f05d897f71bc620c6e38f479773"


def compress(path: Path) -> None:
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


@pytest.mark.parametrize("layout", [RAW, "MNIST/raw", "mnist/raw", "raw", "mnist", ""])
@pytest.mark.parametrize("compressed", [False, True])
def test_digits_in_a_folder(small, tmp_path, layout, compressed):
    expected = list((small / "train-labels-idx1-ubyte").read_bytes()[8:])
    for path in list(small.iterdir()) if compressed else []:
        compress(path)
    target = tmp_path / "mine" / layout
    target.parent.mkdir(parents=True, exist_ok=True)
    small.rename(target)
    found = find_digits(tmp_path / "mine")
    assert found.source == digits_source(tmp_path / "mine") == "mnist-full"
    assert found.train_images.shape == (40, 28, 28)
    assert found.test_images.shape == (20, 28, 28)
    assert found.train_labels.tolist() == expected


@pytest.mark.parametrize("dotted", [False, True])
def test_digits_as_kaggle_packs_them(small, tmp_path, dotted):
    """Each file in a folder of its own name and, in some copies, once more with a dot beside them."""
    mine = tmp_path / "mine"
    for path in list(small.iterdir()):
        (mine / path.name).mkdir(parents=True)
        path.rename(mine / path.name.replace("-idx", ".idx") if dotted else mine / path.name / path.name)
    assert find_digits(mine).source == digits_source(mine) == "mnist-full"


def break_archive(path: Path) -> None:
    for each in list(path.parent.iterdir()):
        compress(each)
    archive = path.with_name(f"{path.name}.gz")
    archive.write_bytes(archive.read_bytes()[:-300])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-5]), r"not the published .* its md5 .* \(31,371 bytes\)"),
        (break_archive, "gz cannot be read"),
    ],
)
def test_damaged_digits_are_named(small, tmp_path, damage, message):
    damage(small / "train-images-idx3-ubyte")
    with pytest.raises(AssetError, match=message) as caught:
        find_digits(tmp_path / "data")
    assert "train-images-idx3-ubyte" in str(caught.value)


def test_digits_are_downloaded_once(mirror, site, tmp_path, capsys):
    assert digits_source() == "mnist-full"
    site.content = {}
    found = find_digits()
    assert found.source == "mnist-full"
    assert found.train_images.shape == (40, 28, 28)
    assert sorted(path.name for path in mirror.iterdir()) == sorted(f"{name}.gz" for name in MNIST_MD5)
    assert str(tmp_path) not in "".join(capsys.readouterr())


def test_an_interrupted_download_goes_on(mirror, site):
    last = site.content.pop("t10k-labels-idx1-ubyte.gz")
    assert find_digits().source == digits_source() == "mnist-5000"  # three of four files came
    site.content = {"t10k-labels-idx1-ubyte.gz": last}  # the others are not asked for again
    assert find_digits().source == "mnist-full"


def test_a_cache_that_cannot_be_written_matters_only_to_a_download(mirror, tmp_path, monkeypatch, change):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("CGN_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(AssetError, match="cannot be written.*set CGN_CACHE"):
        find_digits()
    assert find_digits(download=False).source == "mnist-5000"
    change("mnist", urls=named("biggan").urls)
    assert find_digits().source == "mnist-5000"


def test_offline_is_decided_soon(monkeypatch):
    """A name look-up or a connection that hangs costs no more than the limit."""
    monkeypatch.setattr(fetching, "ANSWER_SECONDS", 0.2)

    def hang(*args, **kwargs):
        time.sleep(2)
        raise requests.ConnectTimeout

    monkeypatch.setattr(requests, "head", hang)
    start = time.perf_counter()
    assert find_digits().source == "mnist-5000"
    assert time.perf_counter() - start < 1


def test_full_data_beside_the_checkout():
    if not SHARED.is_dir():
        pytest.skip("no ../shared/data beside the checkout")
    found = find_digits(SHARED)
    assert found.source == digits_source(SHARED) == "mnist-full"
    assert found.train_images.shape == (60_000, 28, 28)
    assert found.test_labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert find_textures(SHARED).source == textures_source(SHARED) == "dtd"
    for name in ("cue-conflict", *(f"authors-{variant}" for variant in AUTHORS_WEIGHTS)):
        assert require(name, SHARED).is_relative_to(SHARED.resolve())
