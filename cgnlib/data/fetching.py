"""Download data and weights: resumed where the line broke, verified, one process at a time."""

import contextlib
import itertools
import os
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import requests

from cgnlib.data.catalogue import Asset, named
from cgnlib.data.finding import common, digest, exists, files_at, home, lock_file, remedy, verify
from cgnlib.data.unpacking import unpack
from cgnlib.errors import AssetError, LockHeld
from cgnlib.locking import locked
from cgnlib.paths import atomic_file
from cgnlib.progress import tqdm

ANSWER_SECONDS = 3.0  # a server that is silent for so long counts as offline
TIMEOUTS = (10.0, 30.0)  # seconds to connect, and without a byte
TRIES, PAUSE = (
    4,
    1.0,
)  # tries in a row that bring nothing new; seconds before the second, doubled before each further one
NOT_NOW = (408, 425, 429)  # statuses that are asked again, as 5xx are; other 4xx mean no
CHUNK = 1 << 16  # bytes written at a time: so much is lost when a line breaks


class Unreachable(AssetError):
    """Nobody answers, the line broke, or something else than the file is served (as before a log-in to a network)."""


def answers(url: str) -> bool:
    """Whether a server answers at `url`, decided within ANSWER_SECONDS (name look-up has no time limit of its own)."""
    answer: list[requests.Response] = []

    def ask() -> None:
        with contextlib.suppress(requests.RequestException):
            answer.append(requests.head(url, timeout=ANSWER_SECONDS, allow_redirects=True))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(ANSWER_SECONDS)
    return bool(answer)


def fetch(name: str) -> Path:
    """Download an asset into the cache (weights of torch into torch's own), unless it is there; verified.

    It appears under its name only when complete. An interrupted download goes on where it broke off; a second process
    waits for the first and finds it. Raises Unreachable where nothing can be had, AssetError for a wrong file, a folder
    that cannot be written to, and what a person must fetch; each says what to do by hand.
    """
    asset = named(name)
    place = home(asset)
    if files_at(asset, place) is None:
        if not asset.urls:
            raise AssetError(f"{asset.what} cannot be downloaded by a program. {remedy(asset)}")
        if not any(map(answers, (asset.urls[0], *asset.mirrors))):
            raise Unreachable(f"{asset.what}: {asset.urls[0]} cannot be reached. {remedy(asset)}")
    try:
        place.mkdir(parents=True, exist_ok=True)
        with locked(place / f".{name}.lock", f"waiting for another process that downloads {name}"):
            files = files_at(asset, place)
            if files is None:
                return _fetch(asset, place)
            verify(asset, files)
            return common(files)
    except LockHeld as error:
        raise AssetError(f"{asset.what} cannot be downloaded: {error}.") from error
    except requests.RequestException as error:
        kept = "What has come is kept: run again to go on."
        raise Unreachable(f"{asset.what} cannot be downloaded: {error}. {kept} {remedy(asset)}") from error
    except OSError as error:
        words = f"Free some space, or set {'TORCH_HOME' if asset.torch_hub else 'CGN_CACHE'} to a writable folder."
        raise AssetError(f"{place / asset.path} cannot be written: {error.strerror or error}. {words}") from error


def _fetch(asset: Asset, place: Path) -> Path:
    """Download into a folder that is laid out as a data folder, verify there, and move into place."""
    target, scratch = place / asset.path, place / "downloads" / asset.name
    complete, archive = scratch / asset.path, scratch / PurePosixPath(asset.urls[0]).name
    for url, file in zip(asset.urls, asset.files, strict=asset.unpack is None):
        download_from((url, *asset.mirrors), archive if asset.unpack else scratch / file)
    if asset.unpack and not exists(complete):
        unpack(archive, asset.unpack, complete)
    try:
        served = replace(asset, checksums=asset.checksums or asset.served)
        verify(served, files_at(asset, scratch) or [], lock_file(target))
    except AssetError:
        shutil.rmtree(scratch)
        raise
    target.parent.mkdir(parents=True, exist_ok=True)
    if not asset.checksums and not exists(lock_file(target)):
        with atomic_file(lock_file(target)) as partial:
            partial.write_text(f"{digest(complete)}  {target.name}\n")
    os.replace(complete, target)
    shutil.rmtree(scratch)
    return target


def download_from(urls: Sequence[str], path: Path) -> None:
    """As `download`, from the first of several addresses of one file that has it; raises what the last one raised."""
    for number, url in enumerate(urls, start=1):
        try:
            download(url, path)
            return
        except requests.RequestException:
            if number == len(urls):
                raise


def download(url: str, path: Path) -> None:
    """Fetch one file, with a progress bar, unless it is there; it has its name only when it is complete.

    What has come lies in `path`.part and is gone on with, in this process or a later one; beside it a note of its
    version, so that two versions are never joined. Raises requests.RequestException where the line breaks, the address
    is wrong or a web page comes instead of a file.
    """
    if exists(path):
        return
    part, note = path.with_name(f"{path.name}.part"), path.with_name(f"{path.name}.version")
    path.parent.mkdir(parents=True, exist_ok=True)
    failures, most = 0, _size(part)
    while True:
        try:
            _transfer(url, part, note)
            break
        except requests.RequestException as error:
            failures = 1 if _size(part) > most else failures + 1
            most = max(most, _size(part))
            status = error.response.status_code if error.response is not None else 500
            if failures >= TRIES or (status < 500 and status not in NOT_NOW):
                raise
            time.sleep(PAUSE * 2 ** (failures - 1))
    os.replace(part, path)
    note.unlink(missing_ok=True)


def _transfer(url: str, part: Path, note: Path) -> None:
    """One try: ask for what is missing, append it to the part, and check that all has come."""
    done = _size(part)
    version = note.read_text() if done and note.exists() else ""
    headers = {"Accept-Encoding": "identity"}  # lengths count bytes of the file itself
    if version:
        headers |= {"Range": f"bytes={done}-", "If-Range": version}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUTS) as response:
        status, sent = response.status_code, response.headers.get("Content-Range", "")
        if status == 416 and sent == f"bytes */{done}":
            return  # stopped between the last byte and the renaming
        if status == 416 or (status == 206 and not (_version(response) == version and f" {done}-" in sent)):
            note.unlink(missing_ok=True)  # the next try begins anew
            raise requests.ConnectionError(f"{url} has changed")
        response.raise_for_status()
        if status != 206:
            part.unlink(missing_ok=True)
            note.write_text(_version(response))
            done = 0
        chunks = response.iter_content(CHUNK)
        head = next(chunks, b"")
        page = not done and head[:512].lstrip().lower().startswith((b"<!doctype html", b"<html"))
        if page or "text/html" in response.headers.get("Content-Type", ""):
            raise requests.HTTPError(f"{url} gave a web page, not a file", response=response)
        length, name = response.headers.get("Content-Length"), part.name.removesuffix(".part")
        total = done + int(length) if length else None
        with part.open("ab") as stream, tqdm(total=total, initial=done, unit="B", unit_scale=True, desc=name) as bar:
            for chunk in itertools.chain((head,), chunks):
                stream.write(chunk)
                bar.update(len(chunk))
        if total is not None and _size(part) != total:
            raise requests.ConnectionError(f"{_size(part)} of {total} bytes came")


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _version(response: requests.Response) -> str:
    """What tells one version of a served file from another, as If-Range takes it: a strong ETag, else the date."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "")
