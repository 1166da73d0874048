"""Downloads by name, against a web server on this machine that fails in every way."""

import concurrent.futures
import hashlib
import time
from pathlib import Path

import pytest

from cgnlib.data import fetching
from cgnlib.data.catalogue import named
from cgnlib.data.fetching import Unreachable, fetch
from cgnlib.data.finding import find, lock_file, remedy
from cgnlib.errors import AssetError
from tests.data.conftest import tar_bytes

HALF = 150_000


def seen(folder: Path) -> list[str]:
    """Names in a folder, without hidden locks and the folder of downloads that broke off."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock" and path.name != "downloads")


# --- one file -------------------------------------------------------------------------------------------------------


def test_a_file_comes_once_with_a_lock_and_a_progress_bar(site, u2net, bare_machine, capsys):
    assert fetch("u2net") == find("u2net") == fetch("u2net") == u2net
    assert u2net.read_bytes() == site.payload
    assert lock_file(u2net).read_text() == f"{hashlib.sha256(site.payload).hexdigest()}  u2net.pth\n"
    assert "u2net.pth: 100%" in capsys.readouterr().err
    assert site.answered == [200]
    assert seen(u2net.parent) == ["u2net.pth", "u2net.pth.sha256"]
    assert list((bare_machine / "downloads").iterdir()) == []


@pytest.mark.parametrize(
    ("trouble", "answered"),
    [
        ({"cuts": [HALF, 100_000]}, [200, 206, 206]),
        ({"cuts": [70_000] * 4}, [200, 206, 206, 206, 206]),  # more tries than are allowed to bring nothing new
        ({"cuts": [HALF], "ranges": False}, [200, 200]),
        ({"stalls": [3.0]}, [200, 206]),
        ({"statuses": [503, 429]}, [503, 429, 200]),
    ],
)
def test_a_broken_line_is_taken_up_again_where_it_broke(site, u2net, trouble, answered):
    vars(site).update(trouble)
    start = time.perf_counter()
    fetch("u2net")
    assert u2net.read_bytes() == site.payload
    assert site.answered == answered
    assert all(byte > 0 for status, byte in site.asked if status == 206)
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize(
    ("part", "now", "answered"),
    [
        (1, {}, [200, 206]),
        (2, {}, [200, 416]),  # complete, as after a stop between the last byte and the renaming
        (4, {}, [200, 416, 200]),  # longer than the file
        (1, {"tag": '"2"', "content": bytes(300_000)}, [200, 200]),
        (1, {"tag": '"2"', "content": bytes(300_000), "if_range": False}, [200, 206, 200]),
    ],
)
def test_a_later_run_goes_on_but_never_joins_two_versions(site, u2net, monkeypatch, part, now, answered):
    """part: what lies there of the file, in halves."""
    site.cuts = [HALF]
    with monkeypatch.context() as patch, pytest.raises(Unreachable, match=r"kept: run again .*Place it at .*u2net.pth"):
        patch.setattr(fetching, "TRIES", 1)
        fetch("u2net")
    assert find("u2net") is None
    (file,) = u2net.parents[1].rglob("u2net.pth.part")
    file.write_bytes((site.payload * 2)[: part * HALF])
    vars(site).update(now)
    fetch("u2net")
    assert u2net.read_bytes() == site.content
    assert site.answered == answered
    assert not file.exists()


PAGE = b"\n<!DOCTYPE html><html><head><title>Quota exceeded</title>" + bytes(300_000)  # as Google Drive answers


@pytest.mark.parametrize(
    ("trouble", "message", "times"),
    [
        ({"cuts": [0] * 20}, "cannot be downloaded", 3),
        ({"statuses": [404]}, "404.*or by hand: download http", 1),
        ({"content": PAGE}, "gave a web page, not a file.*or by hand: download http", 1),
        ({"content_type": "text/html; charset=utf-8"}, "gave a web page, not a file", 1),
        ({"content": bytes(1000)}, "truncated or another file: 1,000 bytes, where about 300,000", 1),
    ],
)
def test_what_is_not_the_file_is_refused_and_removed(site, u2net, bare_machine, trouble, message, times):
    vars(site).update(trouble)
    with pytest.raises(AssetError, match=message):
        fetch("u2net")
    assert len(site.asked) == times
    assert seen(bare_machine) == []


@pytest.mark.parametrize("digits", [64, 8, 0])
def test_a_checksum_is_that_published_or_that_of_the_first_download(site, u2net, change, digits):
    if digits:
        change("u2net", checksums=(f"sha256:{hashlib.sha256(site.payload).hexdigest()[:digits]}",))
    else:
        fetch("u2net").unlink()
    site.content = site.payload[:-1] + b"?"
    with pytest.raises(AssetError, match="is not the published file" if digits else "is not what was downloaded first"):
        fetch("u2net")
    assert not u2net.exists()
    site.content = site.payload
    assert fetch("u2net").read_bytes() == site.payload
    assert lock_file(u2net).exists() == (digits == 0)


# --- what cannot be had ---------------------------------------------------------------------------------------------


def test_no_network_is_said_at_once():
    start = time.perf_counter()
    with pytest.raises(Unreachable, match="U2-Net weights: .* cannot be reached.*by hand"):
        fetch("u2net")
    assert time.perf_counter() - start < 1


def test_what_needs_an_account_says_so():
    with pytest.raises(AssetError, match="ImageNet-mini cannot be downloaded by a program. By hand: .*Kaggle account"):
        fetch("imagenet-mini")


def test_a_disk_that_cannot_be_written_is_named(u2net, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(AssetError, match="No space left on device. Free some space"):
        patch.setattr(fetching.itertools, "chain", full)
        fetch("u2net")
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("CGN_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(AssetError, match=r"u2net.pth cannot be written.*set CGN_CACHE"):
        fetch("u2net")


# --- archives, and several at once ----------------------------------------------------------------------------------


@pytest.fixture
def imagenet_9(site, change, bare_machine) -> Path:
    """An ImageNet-9 with an image in each set is at the web server; where it must land."""
    names = ("original", "mixed_same", "mixed_rand", "only_fg")
    site.content = tar_bytes({f"bg_challenge/{name}/val/00_dog/a.png": b"image" for name in names})
    change("imagenet-9", urls=(f"{site.url}/data.tar.gz",))
    return bare_machine / "bg_challenge"


def test_two_that_want_the_same_download_it_once(site, imagenet_9, capsys):
    site.stalls = [0.2]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        assert list(pool.map(fetch, ["imagenet-9"] * 2)) == [imagenet_9, imagenet_9]
    assert site.answered == [200]
    assert seen(imagenet_9.parent) == [imagenet_9.name, f"{imagenet_9.name}.sha256"]
    assert "waiting for another process that downloads imagenet-9" in capsys.readouterr().err


def test_a_lock_left_behind_is_named(site, u2net, bare_machine, without_flock):
    bare_machine.mkdir()
    (bare_machine / ".u2net.held").touch()
    with pytest.raises(AssetError, match="U2-Net weights cannot be downloaded: another run holds .*delete that file"):
        fetch("u2net")
    assert site.asked == []


def test_a_folder_from_an_archive_is_locked_as_a_whole(imagenet_9, bare_machine):
    assert fetch("imagenet-9") == find("imagenet-9") == imagenet_9
    assert list((bare_machine / "downloads").iterdir()) == []
    image = imagenet_9 / "only_fg" / "val" / "00_dog" / "a.png"
    for damage in (lambda: image.write_bytes(b"other"), image.unlink):
        damage()
        with pytest.raises(AssetError, match=r"bg_challenge is not what was downloaded first.*bg_challenge.sha256"):
            find("imagenet-9")


def test_the_20_textures_come_one_by_one_each_by_its_hash(site, change):
    """Of copies from elsewhere no hash is asked: DTD's own files may hold other bytes."""
    asset = change("dtd", urls=(f"{site.url}/texture.jpg",) * 20)
    with pytest.raises(AssetError, match="0_striped_0001.jpg is not the published file"):
        fetch("dtd")
    assert find("dtd") is None
    change("dtd", served=(f"sha256:{hashlib.sha256(site.payload).hexdigest()}",) * 20)
    assert len([path for path in fetch("dtd").rglob("*") if path.is_file()]) == 20
    assert len(set(asset.served)) == len(set(named("dtd").files)) == 20


def test_a_second_address_is_tried_where_the_first_has_the_file_no_more(site, u2net, change):
    change("u2net", urls=(f"{site.url}/u2net.pth",), mirrors=(f"{site.url}/other",), size=len(site.payload))
    site.statuses = [404]
    assert fetch("u2net") == u2net
    assert site.answered == [404, 200]
    assert named("u2net").mirrors[0] in remedy(named("u2net"))
