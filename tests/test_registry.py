"""Finding, fetching and unpacking by name, against a web server on this machine that can fail in every way."""

import concurrent.futures
import dataclasses
import hashlib
import http.server
import io
import socket
import stat
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from cgnlib import assets, fetching, registry
from cgnlib.fetching import AssetError, Patience
from cgnlib.registry import REGISTRY, fetch, find, lock_file, missing, named, require
from cgnlib.sources import Asset
from cgnlib.unpacking import unpack

PAYLOAD = np.random.default_rng(0).bytes(300_000)
HALF = 150_000
PUBLISHED = hashlib.sha256(PAYLOAD).hexdigest()
QUICK = Patience(connect=1.0, stall=0.3, tries=3, pause=0.01)
ONCE = Patience(connect=1.0, stall=0.3, tries=1, pause=0.01)


class Site:
    """What the web server serves, and what it was asked: one entry (status, Range header) for each request."""

    def __init__(self) -> None:
        self.content = PAYLOAD
        self.content_type = "application/octet-stream"
        self.tag = '"1"'
        self.ranges = True
        self.statuses: list[int] = []  # of the next answers; 200 or 206 after them
        self.cuts: list[int] = []  # bytes after which the next answers break off
        self.stalls: list[float] = []  # seconds for which the next answers hold their second half back
        self.asked: list[tuple[int, str | None]] = []
        self.url = ""


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            start = int(asked[len("bytes=") : -1]) if asked and site.ranges else 0
            status = site.statuses.pop(0) if site.statuses else (206 if start else 200)
            site.asked.append((status, asked))
            body = site.content[start:] if status < 300 else b"no"
            self.send_response(status)
            self.send_header("Content-Type", site.content_type)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", site.tag)
            if status == 206:
                self.send_header("Content-Range", f"bytes {start}-{len(site.content) - 1}/{len(site.content)}")
            self.end_headers()
            cut = site.cuts.pop(0) if site.cuts else len(body)
            try:
                if site.stalls:
                    self.wfile.write(body[:HALF])
                    self.wfile.flush()
                    time.sleep(site.stalls.pop(0))
                    body = body[HALF:]
                self.wfile.write(body[:cut])
            except OSError:  # the other side has given up
                pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    site.url = f"http://127.0.0.1:{server.server_port}/u2net.pth"
    yield site
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No data folder, and empty caches."""
    monkeypatch.delenv("CGN_DATA", raising=False)
    monkeypatch.setenv("CGN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(assets, "shared_folder", lambda: tmp_path / "no-shared-data")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))


@pytest.fixture
def change(monkeypatch: pytest.MonkeyPatch):
    """Replace fields of an asset in the registry."""

    def change(name: str, **fields: object) -> Asset:
        asset = dataclasses.replace(named(name), **fields)
        rest = tuple(asset if old.name == name else old for old in registry.REGISTRY)
        monkeypatch.setattr(registry, "REGISTRY", rest)
        return asset

    return change


@pytest.fixture
def u2net(site: Site, change, tmp_path: Path) -> Path:
    """U2-Net is at the web server, with no published checksum; where its download must land."""
    change("u2net", url=site.url, size=len(PAYLOAD))
    return tmp_path / "cache" / "weights" / "u2net.pth"


def seen(folder: Path) -> list[str]:
    """Names in a folder, without the hidden locks of downloads."""
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


# --- Downloads


def test_a_file_comes_once_with_a_lock_and_a_progress_bar(site, u2net, capsys):
    assert fetch("u2net", QUICK) == find("u2net") == u2net
    assert u2net.read_bytes() == PAYLOAD
    assert lock_file(u2net).read_text() == f"{PUBLISHED}  u2net.pth\n"
    assert "u2net.pth: 100%" in capsys.readouterr().err
    assert fetch("u2net", QUICK) == u2net
    assert len(site.asked) == 1
    assert seen(u2net.parent) == ["u2net.pth", "u2net.pth.sha256"]


def test_a_published_checksum_needs_no_lock(site, u2net, change):
    change("u2net", sha256=PUBLISHED)
    fetch("u2net", QUICK)
    assert not lock_file(u2net).exists()
    u2net.write_bytes(PAYLOAD[::-1])
    with pytest.raises(AssetError, match="is not the published file"):
        find("u2net")


def range_start(asked: str | None) -> int:
    assert asked is not None
    return int(asked[len("bytes=") : -1])


def test_a_broken_line_is_taken_up_again_at_once(site, u2net):
    site.cuts = [HALF, 100_000]
    fetch("u2net", QUICK)
    assert u2net.read_bytes() == PAYLOAD
    assert [status for status, _ in site.asked] == [200, 206, 206]
    starts = [range_start(asked) for _, asked in site.asked[1:]]
    assert 0 < starts[0] <= HALF < starts[1] <= HALF + 100_000


def test_a_broken_download_goes_on_in_a_later_run(site, u2net):
    site.cuts = [HALF]
    with pytest.raises(AssetError, match="U2-Net weights cannot be downloaded.*kept: run again.*Place it at") as caught:
        fetch("u2net", ONCE)
    assert str(u2net) in str(caught.value)
    assert find("u2net") is None
    fetch("u2net", ONCE)
    assert u2net.read_bytes() == PAYLOAD
    assert range_start(site.asked[-1][1]) > 0
    assert not list(u2net.parent.glob("*.part*"))


def test_a_part_that_is_complete_is_not_asked_for_again(site, u2net):
    """As after a stop between the last byte and the renaming."""
    site.cuts = [HALF]
    with pytest.raises(AssetError):
        fetch("u2net", ONCE)
    u2net.with_name("u2net.pth.part").write_bytes(PAYLOAD)
    fetch("u2net", ONCE)
    assert u2net.read_bytes() == PAYLOAD
    assert len(site.asked) == 1


def test_a_part_longer_than_the_file_is_thrown_away(site, u2net):
    site.cuts = [HALF]
    with pytest.raises(AssetError):
        fetch("u2net", ONCE)
    with u2net.with_name("u2net.pth.part").open("ab") as stream:
        stream.write(PAYLOAD)
    site.statuses = [416]
    fetch("u2net", QUICK)
    assert u2net.read_bytes() == PAYLOAD


def test_a_server_without_ranges_sends_all_again(site, u2net):
    site.ranges = False
    site.cuts = [HALF]
    fetch("u2net", QUICK)
    assert u2net.read_bytes() == PAYLOAD
    assert [status for status, _ in site.asked] == [200, 200]


def test_two_versions_are_never_joined(site, u2net):
    site.cuts = [HALF]
    with pytest.raises(AssetError):
        fetch("u2net", ONCE)
    site.content, site.tag = PAYLOAD[::-1], '"2"'
    fetch("u2net", QUICK)
    assert u2net.read_bytes() == PAYLOAD[::-1]


def test_a_line_that_brings_nothing_new_is_given_up(site, u2net):
    site.cuts = [HALF] + [0] * 20
    with pytest.raises(AssetError, match="cannot be downloaded"):
        fetch("u2net", QUICK)
    assert len(site.asked) == QUICK.tries


def test_a_line_that_brings_something_each_time_is_not_given_up(site, u2net):
    site.cuts = [70_000] * (QUICK.tries + 1)
    fetch("u2net", QUICK)
    assert u2net.read_bytes() == PAYLOAD
    assert len(site.asked) > QUICK.tries


@pytest.mark.parametrize("digits", [64, 8])
def test_wrong_bytes_are_refused_and_removed(site, u2net, change, digits):
    change("u2net", sha256=PUBLISHED[:digits])
    site.content = PAYLOAD[:-1] + b"?"
    with pytest.raises(AssetError, match="is corrupt|is not the published file"):
        fetch("u2net", QUICK)
    assert seen(u2net.parent) == []
    site.content = PAYLOAD
    assert fetch("u2net", QUICK).read_bytes() == PAYLOAD


def test_a_file_of_another_size_is_refused(site, u2net):
    site.content = PAYLOAD[:1000]
    with pytest.raises(AssetError, match="truncated or another file: 1,000 bytes, where about 300,000"):
        fetch("u2net", QUICK)
    assert seen(u2net.parent) == []


def test_a_stalled_line_is_left_and_taken_up_again(site, u2net):
    site.stalls = [3.0]
    start = time.perf_counter()
    with pytest.raises(AssetError, match="cannot be downloaded"):
        fetch("u2net", ONCE)
    assert time.perf_counter() - start < 2
    site.stalls = []
    fetch("u2net", ONCE)
    assert u2net.read_bytes() == PAYLOAD
    assert range_start(site.asked[-1][1]) > 0


def test_no_is_taken_for_no(site, u2net):
    site.statuses = [404]
    with pytest.raises(AssetError, match="404.*or by hand: open https://drive.google.com"):
        fetch("u2net", QUICK)
    assert [status for status, _ in site.asked] == [404]


def test_not_now_is_asked_again(site, u2net):
    site.statuses = [503, 429]
    fetch("u2net", QUICK)
    assert [status for status, _ in site.asked] == [503, 429, 200]
    assert u2net.read_bytes() == PAYLOAD


def closed_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_no_network_is_said_at_once(change):
    change("u2net", url=f"http://127.0.0.1:{closed_port()}/u2net.pth")
    start = time.perf_counter()
    with pytest.raises(AssetError, match="cannot be downloaded: .*refused.*by hand"):
        fetch("u2net")  # with its usual patience
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "application/octet-stream"])
def test_a_web_page_is_not_a_file(site, u2net, content_type):
    """What Google Drive answers when too many people have asked for a file."""
    site.content_type = content_type
    site.content = b"\n<!DOCTYPE html><html><head><title>Quota exceeded</title>" + b" " * len(PAYLOAD)
    with pytest.raises(AssetError, match="gave a web page, not a file.*or by hand: open https://drive.google.com"):
        fetch("u2net", QUICK)
    assert seen(u2net.parent) == []
    assert len(site.asked) == 1


def test_a_folder_that_cannot_be_written_is_named(u2net, tmp_path):
    (tmp_path / "cache").write_text("not a folder")
    with pytest.raises(AssetError, match="cannot be (written|looked up)"):
        fetch("u2net", QUICK)


def at_once(*calls: Callable[[], Path]) -> list[Path]:
    """Results of calls that run in threads at the same time."""
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return [running.result() for running in [pool.submit(call) for call in calls]]


def test_two_that_want_the_same_file_download_it_once(site, u2net, capsys):
    site.stalls = [0.2]
    assert at_once(*[lambda: fetch("u2net", QUICK)] * 2) == [u2net, u2net]
    assert u2net.read_bytes() == PAYLOAD
    assert [status for status, _ in site.asked] == [200]
    assert "waiting for another process that downloads u2net" in capsys.readouterr().err


def test_two_that_fetch_the_same_address_never_write_the_same_part(site, tmp_path):
    site.stalls, path = [0.2], tmp_path / "new" / "file"

    def download() -> Path:
        fetching.fetch(site.url, f"sha256:{PUBLISHED}", path, QUICK)
        return path

    assert at_once(download, download) == [path, path]
    assert path.read_bytes() == PAYLOAD
    assert [status for status, _ in site.asked] == [200]


def test_two_that_want_the_same_archive_unpack_it_once(site, change, tmp_path):
    site.content, site.stalls = tar_bytes(COMPLETE), [0.2]
    change("imagenet-9", url=site.url.replace("u2net.pth", "data.tar.gz"))
    folder = tmp_path / "cache" / "bg_challenge"
    assert at_once(*[lambda: fetch("imagenet-9", QUICK)] * 2) == [folder, folder]
    assert seen(folder.parent) == ["bg_challenge", "bg_challenge.sha256"]
    assert len(site.asked) == 1


def test_a_lock_left_behind_is_named(site, u2net, without_flock):
    u2net.parent.mkdir(parents=True)
    (u2net.parents[1] / ".u2net.held").touch()
    with pytest.raises(AssetError, match="u2net cannot be downloaded: another run holds .*delete that file"):
        fetch("u2net", QUICK)
    assert site.asked == []


def test_what_has_its_own_way_to_be_fetched_is_not_fetched_again(change, tmp_path):
    calls: list[str] = []

    def fetcher() -> Path:
        calls.append("dtd")
        (tmp_path / "cache" / "textures").mkdir()
        return tmp_path / "cache"

    change("dtd", fetcher=fetcher, locate=lambda place: place if (place / "textures").exists() else None)
    assert fetch("dtd") == fetch("dtd") == tmp_path / "cache"
    assert calls == ["dtd"]


# --- Lock files


def test_a_file_that_changes_after_its_download_is_refused(u2net):
    fetch("u2net", QUICK)
    u2net.write_bytes(PAYLOAD[:-1] + b"?")
    with pytest.raises(AssetError, match=f"{u2net} is not what was downloaded first.*u2net.pth.sha256"):
        find("u2net")
    lock_file(u2net).unlink()
    assert find("u2net") == u2net


def test_a_second_download_must_equal_the_first(site, u2net):
    fetch("u2net", QUICK)
    u2net.unlink()
    site.content = PAYLOAD[:-1] + b"?"
    with pytest.raises(AssetError, match="is not what was downloaded first"):
        fetch("u2net", QUICK)
    assert not u2net.exists()
    site.content = PAYLOAD
    assert fetch("u2net", QUICK) == u2net


# --- Archives

Members = dict[str, bytes]
IMAGES: Members = {f"bg_challenge/{variant}/val/00_dog/a.png": variant.encode() for variant in ("original", "only_fg")}
COMPLETE = IMAGES | {f"bg_challenge/{name}/val/08_fish/b.png": b"b" for name in ("mixed_same", "mixed_rand")}


def tar_bytes(members: Members, *links: tuple[str, str]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for name, target in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    return stream.getvalue()


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
def archive_bytes(request):
    """Makes an archive of (name -> content) and links (name, target)."""
    return request.param


def test_an_archive_becomes_its_folder(archive_bytes, tmp_path):
    (tmp_path / "a").write_bytes(archive_bytes(IMAGES | {"elsewhere/readme": b"not wanted"}))
    unpack(tmp_path / "a", "bg_challenge", tmp_path / "out" / "in9")
    assert (tmp_path / "out" / "in9" / "original" / "val" / "00_dog" / "a.png").read_bytes() == b"original"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["in9"]
    assert not list(tmp_path.rglob("readme"))


@pytest.mark.parametrize(
    "name", ["../evil", "bg_challenge/../../evil", "/tmp/cgn-report-evil", "bg_challenge\\..\\..\\evil"]
)
def test_an_archive_that_leads_outside_is_refused(archive_bytes, tmp_path, name):
    (tmp_path / "a").write_bytes(archive_bytes(IMAGES | {name: b"evil"}))
    with pytest.raises(AssetError, match="is refused: .* leads outside"):
        unpack(tmp_path / "a", "bg_challenge", tmp_path / "out" / "in9")
    assert list((tmp_path / "out").iterdir()) == []
    assert not list(tmp_path.rglob("*evil*"))
    assert not Path("/tmp/cgn-report-evil").exists()


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../outside", "/etc"])
def test_links_that_lead_outside_are_refused(archive_bytes, tmp_path, target):
    (tmp_path / "outside").write_text("private")
    (tmp_path / "a").write_bytes(archive_bytes(IMAGES, ("bg_challenge/link", target)))
    with pytest.raises(AssetError, match="is refused: .*link"):
        unpack(tmp_path / "a", "bg_challenge", tmp_path / "out" / "in9")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_link_within_a_tar_becomes_a_copy(tmp_path):
    (tmp_path / "a").write_bytes(tar_bytes(IMAGES, ("bg_challenge/again.png", "original/val/00_dog/a.png")))
    unpack(tmp_path / "a", "bg_challenge", tmp_path / "in9")
    assert not (tmp_path / "in9" / "again.png").is_symlink()
    assert (tmp_path / "in9" / "again.png").read_bytes() == b"original"


@pytest.mark.parametrize("damage", [lambda content: content[: len(content) // 2], lambda content: b"no archive"])
def test_a_damaged_archive_leaves_nothing(archive_bytes, tmp_path, damage):
    (tmp_path / "a").write_bytes(damage(archive_bytes({"bg_challenge/x": PAYLOAD})))
    with pytest.raises(AssetError, match=r"cannot be unpacked.*Delete .*/a and fetch it again"):
        unpack(tmp_path / "a", "bg_challenge", tmp_path / "out" / "in9")
    assert list((tmp_path / "out").iterdir()) == []


def test_an_archive_without_the_folder_is_named(archive_bytes, tmp_path):
    (tmp_path / "a").write_bytes(archive_bytes(IMAGES))
    with pytest.raises(AssetError, match="has no folder other"):
        unpack(tmp_path / "a", "other", tmp_path / "in9")


def test_a_fetched_archive_is_unpacked_locked_and_removed(site, change, tmp_path):
    site.content = tar_bytes(COMPLETE)
    change("imagenet-9", url=site.url.replace("u2net.pth", "data.tar.gz"))
    folder = tmp_path / "cache" / "bg_challenge"
    assert fetch("imagenet-9", QUICK) == find("imagenet-9") == folder
    assert seen(folder.parent) == ["bg_challenge", "bg_challenge.sha256"]
    image = folder / "mixed_same" / "val" / "08_fish" / "b.png"
    image.write_bytes(b"c")
    with pytest.raises(AssetError, match="bg_challenge is not what was downloaded first"):
        find("imagenet-9")
    image.write_bytes(b"b")
    assert find("imagenet-9") == folder
    image.rename(image.with_name("d.png"))
    with pytest.raises(AssetError, match="bg_challenge is not what was downloaded first"):
        find("imagenet-9")


def test_an_archive_with_parts_missing_is_discarded(site, change, tmp_path):
    site.content = tar_bytes(IMAGES)
    change("imagenet-9", url=site.url.replace("u2net.pth", "data.tar.gz"))
    with pytest.raises(AssetError, match="mixed_same/val is missing"):
        fetch("imagenet-9", QUICK)
    assert find("imagenet-9") is None


# --- Finding


def place_u2net(folder: Path) -> Path:
    path = folder / "weights" / "u2net.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(PAYLOAD)
    return path


def test_places_are_looked_into_in_order(u2net, tmp_path, monkeypatch):
    assert find("u2net") is None
    expected = place_u2net(tmp_path / "cache")
    assert find("u2net") == expected
    monkeypatch.setattr(assets, "shared_folder", lambda: tmp_path / "shared")
    expected = place_u2net(tmp_path / "shared")
    assert find("u2net") == expected
    expected = place_u2net(tmp_path / "environment")
    monkeypatch.setenv("CGN_DATA", str(tmp_path / "environment"))
    assert find("u2net") == expected
    expected = place_u2net(tmp_path / "named")
    assert find("u2net", tmp_path / "named") == require("u2net", tmp_path / "named") == expected


def test_what_is_nowhere_is_named_with_places_and_remedy(tmp_path):
    (tmp_path / "named").mkdir()
    with pytest.raises(AssetError) as caught:
        require("u2net", tmp_path / "named")
    for part in ("weights/u2net.pth", str(tmp_path / "named"), str(tmp_path / "cache"), "--fetch u2net", "CGN_DATA"):
        assert part in str(caught.value)


def test_a_file_placed_by_hand_is_checked_too(u2net):
    place_u2net(u2net.parents[1]).write_bytes(b"<html>")
    with pytest.raises(AssetError, match="truncated or another file: 6 bytes"):
        find("u2net")
    u2net.unlink()
    u2net.mkdir()
    with pytest.raises(AssetError, match="is a folder, where a file is expected"):
        find("u2net")


def test_a_part_of_a_data_set_is_an_error(tmp_path):
    (tmp_path / "cache" / "imagenet-mini" / "train").mkdir(parents=True)
    with pytest.raises(AssetError, match="imagenet-mini/val is missing, while other parts of ImageNet-mini are there"):
        find("imagenet-mini")
    (tmp_path / "cache" / "imagenet-mini" / "val").mkdir()
    assert find("imagenet-mini") == tmp_path / "cache" / "imagenet-mini"


def test_missing_stimuli_are_counted(change, tmp_path):
    change("cue-conflict", count=2)
    folder = tmp_path / "cache" / "cue-conflict" / "cat"
    folder.mkdir(parents=True)
    (folder / "cat1-dog1.png").touch()
    with pytest.raises(AssetError, match="has 1 files, not 2"):
        find("cue-conflict")
    (folder / "cat2-dog1.png").touch()
    assert find("cue-conflict") == folder.parent


def test_a_remedy_names_one_place_for_one_thing(tmp_path):
    words = named("dtd").remedy()
    assert f"into a data folder (as dtd/dtd/images in it). The data folder is {tmp_path / 'cache'}, or" in words
    assert "textures," not in words
    assert "mnist/MNIST/raw of a data folder. The data folder is" in named("mnist").remedy()
    assert f"Place it at {tmp_path / 'hub' / 'checkpoints'}/vgg16-397923af.pth." in named("vgg16").remedy()


def test_what_needs_an_account_says_so():
    with pytest.raises(AssetError, match="ImageNet-mini cannot be downloaded by a program. By hand: .*Kaggle account"):
        fetch("imagenet-mini")


def test_an_unknown_name_is_an_error_with_the_choices():
    with pytest.raises(ValueError, match="unknown asset 'u3net': one of mnist, dtd"):
        find("u3net")


# --- The list


def test_the_list_is_complete_and_consistent():
    names = [asset.name for asset in REGISTRY]
    assert len(set(names)) == len(names) == 15
    for asset in REGISTRY:
        assert asset.size > 1_000_000
        assert asset.by_hand.endswith(".")
        assert not Path(asset.path).is_absolute()
        assert all(file.startswith(asset.path) for file in asset.files)
        assert asset.url is None or asset.url.startswith("https://")
    assert [asset.name for asset in REGISTRY if not asset.can_be_fetched] == ["imagenet-mini"]


def test_weights_of_torchvision_are_those_of_its_enums():
    from torchvision.models import Inception_V3_Weights, ResNet50_Weights, VGG16_Weights

    enums = {"vgg16": VGG16_Weights, "resnet50": ResNet50_Weights, "inception-v3": Inception_V3_Weights}
    for name, weights in enums.items():
        asset, published = named(name), weights.IMAGENET1K_V1
        assert asset.url == published.url
        assert asset.sha256 is not None
        assert len(asset.sha256) == 8
        assert asset.size == pytest.approx(published.meta["_file_size"] * 2**20, rel=0.01)
        assert asset.home() / asset.path == Path(torch.hub.get_dir()) / "checkpoints" / Path(published.url).name


def test_files_beside_the_checkout(monkeypatch):
    folder = Path(assets.__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no ../shared/data beside the checkout")
    for asset in REGISTRY:
        if asset.name.startswith(("mnist", "dtd", "cue-conflict")) or asset.sha256 in assets.AUTHORS_WEIGHTS.values():
            path = find(asset.name, folder)
            assert path is not None
            assert path.is_relative_to(folder.resolve())


# --- Command line


def test_the_command_shows_what_is_there_and_how_to_get_the_rest(u2net, capsys):
    place_u2net(u2net.parents[1])
    assert registry.main([]) == 0
    output = capsys.readouterr().out
    lines = {line.split()[0]: line for line in output.splitlines() if line and not line.startswith(" ")}
    assert lines["u2net"].endswith(str(u2net))
    assert lines["biggan"].endswith("not found")
    assert output.count("not found") == len(REGISTRY) - 1
    for asset in REGISTRY:
        assert asset.licence in output
        assert (asset.by_hand in output) == (asset.name != "u2net")


def test_the_command_fetches_what_is_named(site, u2net, capsys):
    assert registry.main(["--fetch", "u2net"]) == 0
    assert str(u2net) in capsys.readouterr().out
    assert u2net.read_bytes() == PAYLOAD


def test_all_goes_on_after_an_error(site, u2net, monkeypatch, capsys):
    monkeypatch.setattr(
        registry, "REGISTRY", (registry.named("imagenet-mini"), *map(registry.named, ("biggan", "u2net")))
    )
    monkeypatch.setattr(
        registry,
        "REGISTRY",
        tuple(
            dataclasses.replace(asset, url=f"http://127.0.0.1:{closed_port()}/x") if asset.name == "biggan" else asset
            for asset in registry.REGISTRY
        ),
    )
    with pytest.raises(SystemExit) as caught:
        registry.main(["--fetch", "all"])
    assert caught.value.code == 1
    assert u2net.exists()
    errors = capsys.readouterr().err
    assert "biggan: BigGAN-deep-256 weights cannot be downloaded" in errors
    assert "imagenet-mini:" not in errors


def test_the_command_shows_damage(u2net, capsys):
    place_u2net(u2net.parents[1]).write_bytes(b"cut")
    assert registry.main([]) == 1
    output = capsys.readouterr().out
    assert "damaged, see below" in output
    assert "u2net.pth is truncated or another file" in output


def test_a_folder_that_is_not_there_is_one_line(capsys):
    with pytest.raises(SystemExit) as caught:
        registry.main(["--folder", "nowhere"])
    assert caught.value.code == 1
    errors = capsys.readouterr().err
    assert "nowhere does not exist" in errors
    assert errors.count("\n") == 1


def test_missing_things_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "find", lambda name, _: tmp_path if name == "biggan" else None)
    assert missing(["biggan"]) == ""
    assert missing(["biggan", "u2net"]) == "missing U2-Net weights, get it so: python -m cgnlib.assets --fetch u2net"
    words = missing(["imagenet-mini", "u2net", "resnet50"])
    assert words.startswith("missing ImageNet-mini, U2-Net weights, ResNet-50 weights, get it so: ")
    assert "--fetch u2net resnet50; ImageNet-mini by hand: download it from https://www.kaggle.com" in words
    with pytest.raises(ValueError, match="unknown asset"):
        missing(["resnet"])
