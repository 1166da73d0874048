"""Archives: unpacked whole below their target, or refused."""

import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cgnlib.data.unpacking import unpack
from cgnlib.errors import AssetError
from tests.data.conftest import tar_bytes

Members = dict[str, bytes]
IMAGES: Members = {f"bg_challenge/{variant}/val/00_dog/a.png": variant.encode() for variant in ("original", "only_fg")}


def zip_bytes(members: Members, *links: tuple[str, str]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as bundle:
        for name, content in members.items():
            bundle.writestr(name, content)
        for name, target in links:
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
            bundle.writestr(info, target)
    return stream.getvalue()


@pytest.fixture(params=[tar_bytes, zip_bytes], ids=["tar", "zip"])
def archive_bytes(request: pytest.FixtureRequest) -> Callable[..., bytes]:
    return request.param


def unpacked(tmp_path: Path, content: bytes, inside: str = "bg_challenge") -> Path:
    """Unpack an archive into out/in9; that folder."""
    (tmp_path / "a").write_bytes(content)
    unpack(tmp_path / "a", inside, tmp_path / "out" / "in9")
    return tmp_path / "out" / "in9"


def refused(tmp_path: Path, content: bytes, message: str, inside: str = "bg_challenge") -> None:
    """The archive is an error, and nothing of it is left anywhere."""
    with pytest.raises(AssetError, match=message):
        unpacked(tmp_path, content, inside)
    assert list((tmp_path / "out").iterdir()) == []
    assert not list(tmp_path.rglob("*evil*"))


def test_an_archive_becomes_its_folder(archive_bytes, tmp_path):
    content = archive_bytes(IMAGES | {"elsewhere/readme": b"not wanted"})
    folder = unpacked(tmp_path, content)
    assert (folder / "original" / "val" / "00_dog" / "a.png").read_bytes() == b"original"
    assert [path.name for path in folder.parent.iterdir()] == ["in9"]
    assert not list(tmp_path.rglob("readme"))


@pytest.mark.parametrize("name", ["../evil", "bg_challenge/../../evil", "/tmp/cgn-evil", "bg_challenge\\..\\..\\evil"])
def test_an_archive_that_leads_outside_is_refused(archive_bytes, tmp_path, name):
    refused(tmp_path, archive_bytes(IMAGES | {name: b"evil"}), "is refused: .* leads outside")
    assert not Path("/tmp/cgn-evil").exists()


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../outside", "/etc", "original"])
def test_symbolic_links_are_refused(archive_bytes, tmp_path, target):
    refused(tmp_path, archive_bytes(IMAGES, ("bg_challenge/link", target)), "is refused: .*link")


def test_hard_links_within_a_tar_are_followed_and_nothing_else(tmp_path):
    refused(tmp_path, tar_bytes(IMAGES, ("bg_challenge/x", "../../outside"), kind=tarfile.LNKTYPE), "is refused")
    refused(tmp_path, tar_bytes(IMAGES, ("bg_challenge/x", ""), kind=tarfile.CHRTYPE), "is refused: .*special file")
    link = ("bg_challenge/again.png", "bg_challenge/original/val/00_dog/a.png")
    assert (unpacked(tmp_path, tar_bytes(IMAGES, link, kind=tarfile.LNKTYPE)) / "again.png").read_bytes() == b"original"


@pytest.mark.parametrize("damage", [lambda content: content[: len(content) // 2], lambda content: b"no archive"])
def test_a_damaged_archive_leaves_nothing(archive_bytes, tmp_path, damage):
    content = damage(archive_bytes({"bg_challenge/x": np.random.default_rng(0).bytes(300_000)}))
    refused(tmp_path, content, r"cannot be unpacked.*Delete .*/a and fetch it again")
    refused(tmp_path, archive_bytes(IMAGES), "has no folder other", inside="other")
