"""Data folders in which not all is there, files that are not the published ones, downloads and archives."""

import gzip
import os
import tarfile
from functools import partial
from pathlib import Path

import pytest

from cgnlib.data.catalogue import MNIST_MD5
from cgnlib.data.digits import find_digits
from cgnlib.data.fetching import fetch
from cgnlib.data.finding import find, lock_file, require
from cgnlib.data.unpacking import unpack
from cgnlib.paths import atomic_file, in_project
from tests.data.conftest import tar_bytes
from tests.inputs.cases import Cases

cases = Cases("data")
Patch = pytest.MonkeyPatch


def mnist(folder: Path, raw: str = "raw") -> list[Path]:
    """Four files by MNIST's names."""
    files = [folder / raw / name for name in MNIST_MD5]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bytes(100))
    return files


@cases("A data folder that does not exist")
def nowhere(folder: Path, patch: Patch) -> None:
    find_digits(folder / "nowhere")


@cases("CGN_DATA names a folder that does not exist")
def variable(folder: Path, patch: Patch) -> None:
    patch.setenv("CGN_DATA", str(folder / "nowhere"))
    find("u2net")


@cases("An empty data folder")
def empty(folder: Path, patch: Patch) -> None:
    find_digits(folder)


@cases("A data folder with tables of MNIST instead of its files")
def tables(folder: Path, patch: Patch) -> None:
    (folder / "mnist_train.csv").write_text("label,pixel0\n")
    find_digits(folder)


@cases("MNIST without one of its four files")
def part(folder: Path, patch: Patch) -> None:
    mnist(folder)[3].unlink()
    find_digits(folder)


@cases("MNIST files that are not the published ones")
def other_mnist(folder: Path, patch: Patch) -> None:
    mnist(folder)
    find_digits(folder)


@cases("A compressed MNIST file that breaks off")
def cut_mnist(folder: Path, patch: Patch) -> None:
    for file in mnist(folder):
        content = gzip.compress(file.read_bytes())
        file.with_name(f"{file.name}.gz").write_bytes(content[:-8])
        file.unlink()
    find_digits(folder)


def u2net(folder: Path, size: int = 176_000_000) -> Path:
    """A file of that many bytes, none of which is on the disk."""
    file = folder / "weights" / "u2net.pth"
    file.parent.mkdir(parents=True)
    file.touch()
    os.truncate(file, size)
    return file


@cases("A file that is much too small")
def small(folder: Path, patch: Patch) -> None:
    u2net(folder, 6)
    find("u2net", folder)


@cases("A folder where a file is expected")
def folder_for_file(folder: Path, patch: Patch) -> None:
    (folder / "weights" / "u2net.pth").mkdir(parents=True)
    find("u2net", folder)


@cases("A file that is another than was downloaded")
def changed(folder: Path, patch: Patch) -> None:
    lock_file(u2net(folder)).write_text("0123abcd  u2net.pth\n")
    find("u2net", folder)


@cases("A file beside a download that holds no checksum")
def no_checksum(folder: Path, patch: Patch) -> None:
    lock_file(u2net(folder)).touch()
    find("u2net", folder)


@cases("The authors' weights, another file")
def authors(folder: Path, patch: Patch) -> None:
    file = folder / "authors-weights" / "wildlife_mnist.pth"
    file.parent.mkdir()
    file.write_bytes(bytes(2_660_000))
    find("authors-wildlife", folder)


@cases("ResNet-50 under torchvision's older name, another file")
def older(folder: Path, patch: Patch) -> None:
    (folder / "resnet50-19c8e357.pth").touch()
    os.truncate(folder / "resnet50-19c8e357.pth", 103_000_000)
    find("resnet50", folder)


@cases("A folder that the system does not open (a link to itself)")
def unreadable(folder: Path, patch: Patch) -> None:
    (folder / "cue-conflict").symlink_to(folder / "cue-conflict")
    find("cue-conflict", folder)


@cases("Cue-conflict stimuli of which some are missing")
def stimuli(folder: Path, patch: Patch) -> None:
    (folder / "cue-conflict").mkdir()
    find("cue-conflict", folder)


@cases("The home folder, for a user without one")
def no_home(folder: Path, patch: Patch) -> None:
    patch.setattr("os.path.expanduser", lambda path: path)
    in_project("~/data")


@cases("A file that is nowhere")
def missing(folder: Path, patch: Patch) -> None:
    require("biggan")


@cases("An asset by a name that is none")
def misspelt(folder: Path, patch: Patch) -> None:
    require("u3net")


@cases("A download without network")
def offline(folder: Path, patch: Patch) -> None:
    fetch("u2net")


@cases("A download that needs an account")
def account(folder: Path, patch: Patch) -> None:
    fetch("imagenet-mini")


@cases("A cache that cannot be written")
def cache(folder: Path, patch: Patch) -> None:
    (folder / "cache").write_text("a file")
    patch.setattr("cgnlib.data.fetching.answers", lambda url: True)
    fetch("u2net")


@cases("A full disk")
def full(folder: Path, patch: Patch) -> None:
    with atomic_file(folder / "result.csv"):
        raise OSError(28, "No space left on device")


def archive(content: bytes, folder: Path, patch: Patch) -> None:
    (folder / "a.tar.gz").write_bytes(content)
    unpack(folder / "a.tar.gz", "images", folder / "out")


ONE = {"images/a.png": b"image"}
for name, thing, content in (
    ("outside", "An archive with a file that leads outside", tar_bytes(ONE | {"images/../../evil": b"evil"})),
    ("absolute", "An archive with an absolute path", tar_bytes(ONE | {"/tmp/evil": b"evil"})),
    ("link", "An archive with a link", tar_bytes(ONE, ("images/link", "/etc/passwd"))),
    ("device", "An archive with a device", tar_bytes(ONE, ("images/x", ""), kind=tarfile.CHRTYPE)),
    ("archive", "An archive without its folder", tar_bytes({"other/a.png": b"image"})),
    ("no-archive", "Something else than an archive", b"<html>not found</html>"),
):
    cases.add(name, thing, partial(archive, content))
