"""One file at a time: look it up, read it, download it; whatever goes wrong ends in one clear AssetError."""

import gzip
import os
import threading
import zlib
from pathlib import Path

import pooch
import requests

CONNECT_SECONDS = 3.0  # a mirror that is silent for so long counts as offline


class AssetError(RuntimeError):
    """Data or weights are missing or damaged. The message names the thing, where it was looked for, and the remedy."""


def cache_folder() -> Path:
    """Where downloads are kept: CGN_CACHE, else the user's cache folder. It need not exist yet."""
    return Path(os.environ.get("CGN_CACHE") or pooch.os_cache("cgn-report"))


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


def fetch(url: str, md5: str, path: Path) -> None:
    """Fetch one file into the cache, with a progress bar; it appears under its name only when complete and verified.

    Raises AssetError for a wrong checksum or an unwritable cache, requests.RequestException where the line breaks.
    """
    pooch.get_logger().setLevel("WARNING")  # the progress bar says it all
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pooch.retrieve(url, f"md5:{md5}", fname=path.name, path=path.parent, progressbar=True)
    except ValueError as error:  # pooch's word for a wrong hash
        raise AssetError(f"The download of {url} is corrupt ({error}). Run again, or fetch {path} by hand.") from error
    except requests.RequestException:
        raise
    except OSError as error:
        raise AssetError(
            f"{path} cannot be written: {error}. Free some space, or set CGN_CACHE to a writable folder."
        ) from error
