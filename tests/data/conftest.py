"""A machine without data, and a web server on it that can fail in every way."""

import contextlib
import dataclasses
import http.server
import io
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from cgnlib.data import catalogue, fetching
from cgnlib.data.catalogue import Asset, named


@pytest.fixture(autouse=True)
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No data folder, empty caches, no network: what a test needs, it adds. The folder that is the cache."""
    monkeypatch.delenv("CGN_DATA", raising=False)
    monkeypatch.setenv("CGN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("cgnlib.data.finding.shared_folder", lambda: tmp_path / "no-shared-data")
    nowhere = "http://127.0.0.1:9/x"  # the discard port: refused at once
    assets = [dataclasses.replace(asset, urls=(nowhere,) * len(asset.urls)) for asset in catalogue.CATALOGUE]
    monkeypatch.setattr(catalogue, "CATALOGUE", tuple(assets))
    return tmp_path / "cache"


def tar_bytes(members: dict[str, bytes], *links: tuple[str, str], kind: bytes = tarfile.SYMTYPE) -> bytes:
    """An archive of (name -> content) and links (name, target)."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for name, target in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            tar.addfile(info)
    return stream.getvalue()


Change = Callable[..., Asset]


@pytest.fixture
def change(monkeypatch: pytest.MonkeyPatch) -> Change:
    """Replaces fields of an asset in the catalogue."""

    def change(name: str, **fields: object) -> Asset:
        asset = dataclasses.replace(named(name), **fields)
        rest = tuple(asset if old.name == name else old for old in catalogue.CATALOGUE)
        monkeypatch.setattr(catalogue, "CATALOGUE", rest)
        return asset

    return change


class Site:
    """What the web server serves, and what it was asked: one entry (status, first byte) for each GET."""

    def __init__(self) -> None:
        self.payload = np.random.default_rng(0).bytes(300_000)
        self.content: bytes | dict[str, bytes] = self.payload  # of any address, or by the last part of it
        self.content_type = "application/octet-stream"
        self.tag = '"1"'
        self.ranges = self.if_range = True
        self.statuses: list[int] = []  # of the next answers; 200 or 206 after them
        self.cuts: list[int] = []  # bytes after which the next answers break off
        self.stalls: list[float] = []  # seconds for which the next answers hold their second half back
        self.asked: list[tuple[int, int]] = []
        self.url = ""

    @property
    def answered(self) -> list[int]:
        return [status for status, _ in self.asked]

    def reply(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        name = handler.path.rpartition("/")[2]
        content = self.content if isinstance(self.content, bytes) else self.content.get(name)
        asked, start = handler.headers.get("Range"), 0
        if asked and self.ranges and not (self.if_range and handler.headers.get("If-Range") != self.tag):
            start = int(asked[len("bytes=") : -1])
        status = 404 if content is None else 416 if start >= len(content) else 206 if start else 200
        status = self.statuses.pop(0) if self.statuses else status
        self.asked.append((status, start))
        content = content or b""
        body = content[start:] if status < 300 else b"no"
        handler.send_response(status)
        handler.send_header("Content-Type", self.content_type)
        handler.send_header("Content-Length", str(len(body)))
        handler.send_header("ETag", self.tag)
        if status in (206, 416):
            sent = f"{start}-{len(content) - 1}" if status == 206 else "*"
            handler.send_header("Content-Range", f"bytes {sent}/{len(content)}")
        handler.end_headers()
        cut = self.cuts.pop(0) if self.cuts else len(body)
        if self.stalls:
            handler.wfile.write(body[:150_000])
            handler.wfile.flush()
            time.sleep(self.stalls.pop(0))
            body = body[150_000:]
        handler.wfile.write(body[:cut])


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A web server at `site.url`, and little patience with it."""
    site = Site()

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            with contextlib.suppress(OSError):  # the other side has given up
                site.reply(self)

    monkeypatch.setattr(fetching, "TIMEOUTS", (1.0, 0.3))
    monkeypatch.setattr(fetching, "TRIES", 3)
    monkeypatch.setattr(fetching, "PAUSE", 0.01)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    site.url = f"http://127.0.0.1:{server.server_port}"
    yield site
    server.shutdown()
    server.server_close()


@pytest.fixture
def u2net(site: Site, change: Change, bare_machine: Path) -> Path:
    """U2-Net is at the web server, with no published checksum; where its download must land."""
    change("u2net", urls=(f"{site.url}/u2net.pth",), mirrors=(), size=len(site.payload))
    return bare_machine / "weights" / "u2net.pth"
