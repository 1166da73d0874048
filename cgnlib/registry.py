"""Find and fetch data and weights by name; `cgnlib.sources` is the list of them.

`find` looks where `assets.search_folders` says, `fetch` downloads into the cache. What has a published checksum is
checked against it; of the rest the first download's SHA-256 is written to a lock file beside it (NAME.sha256), and
every later use checks it. `python -m cgnlib.assets` shows what is there; with `--fetch NAME` it downloads first.
"""

import argparse
import hashlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

import requests

from cgnlib import assets
from cgnlib.fetching import AssetError, Patience, exists, one_download
from cgnlib.fetching import fetch as fetch_file
from cgnlib.paths import atomic_file, file_sha256
from cgnlib.sources import COMMAND, REGISTRY, Asset
from cgnlib.unpacking import unpack

SIZE_FACTOR = 2  # sizes are approximate; a file smaller or larger than this is a web page or another file
KNOWN_DIGITS = 64  # of a SHA-256 in full


def named(name: str) -> Asset:
    """The asset of that name. Raises ValueError for an unknown one."""
    for asset in REGISTRY:
        if asset.name == name:
            return asset
    raise ValueError(f"unknown asset {name!r}: one of {', '.join(asset.name for asset in REGISTRY)}")


# --- Find -----------------------------------------------------------------------------------------------------------


def find(name: str, data_folder: str | Path | None = None) -> Path | None:
    """File or folder of an asset from the first place that has it, verified, or None. Nothing is downloaded.

    Raises AssetError where it is damaged, incomplete or not the file it was.
    """
    asset = named(name)
    for place in asset.places(data_folder):
        path = asset.at(place)
        if path is not None:
            verify(asset, path)
            return path
    return None


def require(name: str, data_folder: str | Path | None = None) -> Path:
    """As `find`, but an asset that is nowhere is an AssetError: what was looked for, where, and how to get it."""
    path = find(name, data_folder)
    if path is None:
        asset = named(name)
        places = " or ".join(str(place) for place in asset.places(data_folder))
        raise AssetError(f"{asset.what}: no {asset.path} in {places}. {asset.remedy()}")
    return path


def missing(names: Sequence[str], data_folder: str | Path | None = None) -> str:
    """Which of these assets are nowhere, and how to get them, in words: "missing X, get it so: ..."; "" for none.

    Raises ValueError for an unknown name, AssetError as `find`.
    """
    lost = [named(name) for name in names if find(name, data_folder) is None]
    if not lost:
        return ""
    fetched = [asset.name for asset in lost if asset.can_be_fetched]
    ways = [f"{COMMAND} --fetch {' '.join(fetched)}"] * bool(fetched)
    ways += [f"{asset.what} by hand: {asset.by_hand.rstrip('.')}" for asset in lost if not asset.can_be_fetched]
    return f"missing {', '.join(asset.what for asset in lost)}, get it so: {'; '.join(ways)}"


def verify(asset: Asset, path: Path) -> None:
    """Check what lies at `path` by kind, size, number of files, checksum and lock file; AssetError if wrong."""
    remedy = f"Delete {path} and get it again. {asset.remedy()}"
    try:
        if path.is_dir():
            _verify_folder(asset, path, remedy)
        elif not asset.size / SIZE_FACTOR <= path.stat().st_size <= asset.size * SIZE_FACTOR:
            found = f"{path.stat().st_size:,} bytes, where about {asset.size:,} are expected"
            raise AssetError(f"{path} is truncated or another file: {found}. {remedy}")
        lock = lock_file(path)
        locked = lock.read_text().split()[:1] if exists(lock) else []
        if not (asset.sha256 or locked):
            return
        found = sha256(path)
    except (OSError, UnicodeDecodeError) as error:
        raise AssetError(f"{path} cannot be read: {error}. {remedy}") from error
    if asset.sha256 and not found.startswith(asset.sha256):
        raise AssetError(f"{path} is not the published file: its SHA-256 is {found}. {remedy}")
    if locked and found != locked[0]:
        raise AssetError(
            f"{path} is not what was downloaded first: its SHA-256 is {found}, that in {lock.name} is {locked[0]}. "
            f"{remedy} If it changed on purpose, delete {lock}."
        )


def _verify_folder(asset: Asset, path: Path, remedy: str) -> None:
    if asset.is_file:
        raise AssetError(f"{path} is a folder, where a file is expected. Move it away. {asset.remedy()}")
    if asset.count is not None:
        count = sum(file.is_file() for file in path.rglob("*"))
        if count != asset.count:
            raise AssetError(f"{path} has {count:,} files, not {asset.count:,}. {remedy}")


def lock_file(path: Path) -> Path:
    """The file beside a download that keeps its SHA-256, as `sha256sum` writes it."""
    return path.with_name(f"{path.name}.sha256")


def sha256(path: Path) -> str:
    """SHA-256 of a file; of a folder that of a list: for each file below it, sorted, path and SHA-256, one a line."""
    if not path.is_dir():
        return file_sha256(path)
    files = sorted((file.relative_to(path).as_posix(), file) for file in path.rglob("*") if file.is_file())
    lines = [f"{sha256(file)}  {name}\n" for name, file in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


# --- Fetch ----------------------------------------------------------------------------------------------------------


def fetch(name: str, patience: Patience | None = None) -> Path:
    """Download an asset into the cache (weights of torch into torch's own), unless it is there; verified.

    An interrupted download goes on where it broke off; one process at a time downloads and unpacks, the next finds it.
    Raises AssetError, with what to do by hand, where it cannot be.
    """
    asset = named(name)
    with one_download(asset.home() / asset.name):
        path = asset.at(asset.home())
        if path is not None:
            verify(asset, path)
            return path
        if not asset.can_be_fetched:
            raise AssetError(f"{asset.what} cannot be downloaded by a program. {asset.remedy()}")
        return asset.fetcher() if asset.fetcher is not None else _fetch(asset, patience)


def _fetch(asset: Asset, patience: Patience | None) -> Path:
    target = asset.home() / asset.path
    try:
        if asset.unpack is None:
            _fetch_plain(asset, target, patience)
        else:
            _fetch_archive(asset, target, patience)
    except requests.RequestException as error:
        raise AssetError(
            f"{asset.what} cannot be downloaded: {error}. What has come is kept: run again to go on. {asset.remedy()}"
        ) from error
    return target


def _fetch_plain(asset: Asset, target: Path, patience: Patience | None) -> None:
    assert asset.url is not None
    checksum = f"sha256:{asset.sha256}" if asset.sha256 and len(asset.sha256) == KNOWN_DIGITS else None
    try:
        fetch_file(asset.url, checksum, target, patience)
    except AssetError as error:
        raise AssetError(f"{error} {asset.remedy()}") from error
    _accept(asset, target, target.unlink)


def _fetch_archive(asset: Asset, target: Path, patience: Patience | None) -> None:
    """Download the archive, or take one that a person placed there, unpack it and remove it."""
    assert asset.url is not None
    assert asset.unpack is not None
    archive = asset.home() / f"{asset.name}-{PurePosixPath(asset.url).name}"
    try:
        fetch_file(asset.url, None, archive, patience)
    except AssetError as error:
        raise AssetError(f"{error} {asset.remedy()}") from error
    unpack(archive, asset.unpack, target)
    _accept(asset, target, lambda: shutil.rmtree(target))
    archive.unlink()


def _accept(asset: Asset, target: Path, discard: Callable[[], object]) -> None:
    """Keep a fresh download that is what it should be, with a lock file if nothing was published; else discard it."""
    try:
        asset.at(asset.home())
        verify(asset, target)
    except AssetError:
        discard()
        raise
    lock = lock_file(target)
    if asset.sha256 is None and not exists(lock):
        with atomic_file(lock) as partial:
            partial.write_text(f"{sha256(target)}  {target.name}\n")


# --- Command line ---------------------------------------------------------------------------------------------------


def inventory(data_folder: str | Path | None = None) -> list[tuple[Asset, Path | None, str]]:
    """For every asset: where it is, or None and what is wrong with it ("not found" if nothing but that)."""
    assets.search_folders(data_folder)  # a folder that does not exist is one error, not one for each asset
    rows = []
    for asset in REGISTRY:
        try:
            path = find(asset.name, data_folder)
            rows.append((asset, path, str(path or "not found")))
        except AssetError as error:
            rows.append((asset, None, str(error)))
    return rows


def megabytes(size: int) -> str:
    """Bytes as text, in MB."""
    return f"{size / 1e6:,.0f} MB"


def _show(rows: list[tuple[Asset, Path | None, str]]) -> None:
    table = [("asset", "size", "licence", "found in")]
    for asset, path, state in rows:
        place = state if path or state == "not found" else "damaged, see below"
        table.append((asset.name, megabytes(asset.size), asset.licence, place))
    widths = [max(len(row[column]) for row in table) for column in range(3)]
    for name, size, licence, place in table:
        print(f"{name:<{widths[0]}}  {size:>{widths[1]}}  {licence:<{widths[2]}}  {place}")
    for asset, path, state in rows:
        if path is None:
            how = f"Without it: {asset.without}. {asset.remedy()}" if state == "not found" else state
            print(f"\n{asset.name}, {asset.what}\n  {how}")


def _fetch_all(names: list[str], data_folder: str | None) -> list[str]:
    """Fetch what is not there; one error does not stop the rest. "all" leaves out what a person must fetch."""
    if "all" in names:
        names = [asset.name for asset in REGISTRY if asset.can_be_fetched]
    errors = []
    for name in names:
        try:
            if find(name, data_folder) is None:
                fetch(name)
        except AssetError as error:
            errors.append(f"{name}: {error}")
    return errors


def main(arguments: list[str] | None = None) -> int:
    """Show what is there and how to get the rest; with --fetch, download first. 1 if anything failed or is damaged."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Data and weights: what is there, how to get the rest.")
    parser.add_argument("--folder", help="a folder to look into first (default: CGN_DATA)")
    choices = ["all", *(asset.name for asset in REGISTRY)]
    parser.add_argument("--fetch", nargs="+", choices=choices, default=[], metavar="NAME", help=", ".join(choices))
    options = parser.parse_args(arguments)
    try:
        assets.search_folders(options.folder)
        errors = _fetch_all(options.fetch, options.folder)
        rows = inventory(options.folder)
    except AssetError as error:
        parser.exit(1, f"{error}\n")
    _show(rows)
    if errors:
        parser.exit(1, "".join(f"{error}\n" for error in errors))
    return int(any(path is None and state != "not found" for _, path, state in rows))


if __name__ == "__main__":
    raise SystemExit(main())
