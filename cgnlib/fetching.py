"""One file at a time: look it up, read it, download it; whatever goes wrong ends in one clear AssetError."""

import contextlib
import gzip
import itertools
import json
import os
import re
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pooch
import requests

from cgnlib.locking import LockHeld, locked
from cgnlib.paths import in_project
from cgnlib.progress import tqdm

CONNECT_SECONDS = 3.0  # a mirror that is silent for so long counts as offline
CHUNK = 1 << 16  # bytes written at a time: so much is lost when a line breaks
RETRIED_STATUSES = (408, 425, 429)  # "not now"; other 4xx mean no


class AssetError(RuntimeError):
    """Data or weights are missing or damaged. The message names the thing, where it was looked for, and the remedy."""


def cache_folder() -> Path:
    """Where downloads are kept: CGN_CACHE, else the user's cache folder. It need not exist yet."""
    return in_project(os.environ.get("CGN_CACHE") or pooch.os_cache("cgn-report"))


def exists(path: Path) -> bool:
    """Whether `path` exists. Not being allowed to know is an error, not a no: it would bring in a stand-in silently."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise AssetError(f"{path} cannot be looked up: {error.strerror}. Make its folder readable.") from error
    return True


def read(path: Path) -> bytes:
    """The bytes of a file, decompressed if its name ends in .gz."""
    try:
        if path.suffix == ".gz":
            with gzip.open(path) as stream:
                return stream.read()
        return path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise AssetError(f"{path} cannot be read: {error}. Delete it, or make it readable, and run again.") from error


def answers(url: str) -> bool:
    """Whether `url` can be fetched, decided within CONNECT_SECONDS (name look-up has no time limit of its own)."""
    answer: list[bool] = []

    def ask() -> None:
        try:
            answer.append(requests.head(url, timeout=CONNECT_SECONDS, allow_redirects=True).ok)
        except requests.RequestException:
            answer.append(False)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(CONNECT_SECONDS)
    return bool(answer and answer[0])


@dataclass(frozen=True)
class Patience:
    """How long a download waits: seconds to connect, seconds without a byte, tries in a row that bring nothing new,
    and seconds before the second of them (doubled before each further one)."""

    connect: float = 10.0
    stall: float = 30.0
    tries: int = 4
    pause: float = 1.0


class ResumingDownloader:
    """A downloader for pooch that goes on where the last one broke off, in this process or an earlier one.

    What has come lies in `part` until it is complete; beside it a note of the version of the file that it belongs to,
    so that two versions are never joined. Raises requests.RequestException where the line breaks or the address is
    wrong, AssetError where a web page comes instead of a file.
    """

    def __init__(self, part: Path, patience: Patience) -> None:
        self.part = part
        self.note = part.with_name(f"{part.name}.json")
        self.patience = patience
        self._answered = False

    def __call__(self, url: str, output_file: str | os.PathLike, pooch: object = None) -> None:
        failures, most = 0, self._done()
        while True:
            try:
                self._transfer(url)
                break
            except requests.RequestException as error:
                failures = 1 if self._done() > most else failures + 1
                most = max(most, self._done())
                if failures >= self.patience.tries or self._is_final(error):
                    raise
                time.sleep(self.patience.pause * 2 ** (failures - 1))
        os.replace(self.part, output_file)
        self.note.unlink(missing_ok=True)

    def _is_final(self, error: requests.RequestException) -> bool:
        """Whether another try is useless: nobody answered at all, or the server said no."""
        if isinstance(error, requests.HTTPError) and error.response is not None:
            return error.response.status_code not in RETRIED_STATUSES and error.response.status_code < 500
        return isinstance(error, requests.ConnectionError) and not self._answered

    def _done(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _transfer(self, url: str) -> None:
        """One try: ask for what is missing, append it to the part, and check that all has come."""
        done, version = self._done(), self._version()
        if done and version and version["total"] == done:  # stopped between the last byte and the renaming
            return
        headers = {"Accept-Encoding": "identity"}  # lengths count bytes of the file itself
        if done and version:
            headers["Range"] = f"bytes={done}-"
        limits = (self.patience.connect, self.patience.stall)
        with requests.get(url, headers=headers, stream=True, timeout=limits) as response:
            self._answered = True
            start, total = _content_range(response)
            if response.status_code in (206, 416) and (start != done or _version(response, total) != version):
                self.note.unlink(missing_ok=True)  # another version of the file: the next try begins anew
                raise requests.ConnectionError(f"{url} has changed")
            response.raise_for_status()
            goes_on = response.status_code == 206
            if not goes_on:
                done = 0
                self.part.unlink(missing_ok=True)
                self.note.write_text(json.dumps(_version(response, total)))
            chunks = response.iter_content(CHUNK)
            head = next(chunks, b"")
            if "text/html" in response.headers.get("Content-Type", "") or (not goes_on and _is_web_page(head)):
                self.note.unlink(missing_ok=True)
                raise AssetError(f"{url} gave a web page, not a file.")
            name = self.part.name.removesuffix(".part")
            with (
                self.part.open("ab") as stream,
                tqdm(total=total, initial=done, unit="B", unit_scale=True, desc=name) as bar,
            ):
                for chunk in itertools.chain((head,), chunks):
                    stream.write(chunk)
                    bar.update(len(chunk))
            if total is not None and self._done() != total:
                raise requests.ConnectionError(f"{self._done()} of {total} bytes came")

    def _version(self) -> dict | None:
        try:
            return json.loads(self.note.read_text())
        except (OSError, ValueError):
            return None


def _version(response: requests.Response, total: int | None) -> dict:
    """What tells one version of a served file from another."""
    return {"total": total, **{name: response.headers.get(name) for name in ("ETag", "Last-Modified")}}


def _content_range(response: requests.Response) -> tuple[int, int | None]:
    """First byte and full length of what a response brings: from Content-Range ("bytes 5-9/10"), else the length."""
    match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", response.headers.get("Content-Range", ""))
    if match:
        return int(match[1] or 0), None if match[2] == "*" else int(match[2])
    length = response.headers.get("Content-Length")
    return 0, int(length) if length and response.status_code == 200 else None


def _is_web_page(head: bytes) -> bool:
    return head[:512].lstrip().lower().startswith((b"<!doctype html", b"<html"))


@contextlib.contextmanager
def one_download(path: Path) -> Iterator[None]:
    """Hold the download of `path`, whose folder is made: a second process that wants the same waits for the first.

    The lock is the hidden file .NAME.lock beside it, which stays. Raises AssetError where that cannot be made or held.
    """
    with contextlib.ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            waiting = f"waiting for another process that downloads {path.name}"
            stack.enter_context(locked(path.with_name(f".{path.name}.lock"), waiting))
        except LockHeld as error:
            raise AssetError(f"{path} cannot be downloaded: {error}.") from error
        except OSError as error:
            raise _unwritable(path, error) from error
        yield


def _unwritable(path: Path, error: OSError) -> AssetError:
    return AssetError(f"{path} cannot be written: {error}. Free some space, or set CGN_CACHE to a writable folder.")


def fetch(url: str, checksum: str | None, path: Path, patience: Patience | None = None) -> None:
    """Fetch one file, with a progress bar; it appears under its name only when complete and verified.

    Two processes never write the same part: the second waits and finds the file, which it verifies.

    `checksum` is "md5:..." or "sha256:..." in full, or None. A download that broke off goes on from `path`.part.
    Raises AssetError for a wrong checksum, a web page in its place or a folder that cannot be written to,
    requests.RequestException where the line breaks.
    """
    pooch.get_logger().setLevel("WARNING")  # the progress bar says it all
    downloader = ResumingDownloader(path.with_name(f"{path.name}.part"), patience or Patience())
    try:
        with one_download(path):
            pooch.retrieve(
                url,
                checksum,
                fname=path.name,
                path=path.parent,
                downloader=downloader,  # pyright: ignore[reportArgumentType]  # pooch's hint is of another signature
            )
    except ValueError as error:  # pooch's word for a wrong hash
        raise AssetError(f"The download of {url} is corrupt ({error}). Run again, or fetch {path} by hand.") from error
    except requests.RequestException:
        raise
    except OSError as error:
        raise _unwritable(path, error) from error
