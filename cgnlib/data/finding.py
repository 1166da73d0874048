"""Find data and weights by name, and verify them. Nothing is downloaded here, and nothing needs torch.

Places are tried in this order: the folder that a user names (argument or CGN_DATA), `../shared/data` beside the
checkout, the cache (CGN_CACHE). What has a published checksum is checked against it; of the rest the first download's
SHA-256 lies in a lock file beside it (NAME.sha256), and every later use checks it.
"""

import functools
import gzip
import hashlib
import os
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import platformdirs

from cgnlib.data import catalogue
from cgnlib.data.catalogue import AUTHORS_WEIGHTS, COMMAND, Asset, named
from cgnlib.data.pictures import files_below
from cgnlib.errors import AssetError, Blocked, known
from cgnlib.paths import build_folder, file_sha256, has_home, in_project

FEATURES = ("auto", "vgg16", "efficientnet-lite0")  # networks of the style loss
SIZE_FACTOR = 2  # sizes are approximate; a file smaller or larger than this is a web page or another file


# --- Places ----------------------------------------------------------------------------------------------------------


def cache_folder() -> Path:
    """Where downloads are kept: CGN_CACHE, else the user's cache folder, or the build folder for a user without a home.

    It need not exist yet.
    """
    usual = platformdirs.user_cache_path("cgn-report") if has_home() else build_folder() / "cache"
    return in_project(os.environ.get("CGN_CACHE") or usual)


def torch_folder() -> Path:
    """Where torch keeps its downloads: `torch.hub.get_dir()` without torch; with no home, as `cache_folder`."""
    cache = os.environ.get("XDG_CACHE_HOME") or ("~/.cache" if has_home() else build_folder() / "cache")
    return Path(os.environ.get("TORCH_HOME", os.path.join(cache, "torch")), "hub").expanduser()


def shared_folder() -> Path:
    """`../shared/data` beside the checkout. It need not exist."""
    return in_project("../shared/data")


def search_folders(folder: str | Path | None = None) -> list[Path]:
    """Folders to look into, in order. A folder that the user names must exist and hold something of the catalogue, or
    it is an AssetError. A relative one begins at the project's root.
    """
    given = folder or os.environ.get("CGN_DATA")
    named_folders = [in_project(given)] if given else []
    for path in named_folders:
        origin = "data folder" if folder else "CGN_DATA folder"
        if not (exists(path) and path.is_dir()):
            raise AssetError(f"The {origin} {path} does not exist. Correct the path, or leave it out.")
        if not any(_lies_in(asset, path) for asset in catalogue.CATALOGUE):
            wanted = ", ".join(dict.fromkeys(f"{asset.path.partition('/')[0]}/" for asset in catalogue.CATALOGUE))
            raise AssetError(
                f"The {origin} {path} holds nothing that is known here, and other data would take its place. Looked "
                f"for {wanted}, and for the files of MNIST and DTD themselves. Name the folder that holds one of these."
            )
    return [*named_folders, *filter(Path.is_dir, [shared_folder()]), cache_folder()]


def home(asset: Asset) -> Path:
    """The folder that the asset's downloads go to: the cache, or torch's own."""
    return torch_folder() if asset.torch_hub else cache_folder()


def places(asset: Asset, folder: str | Path | None = None) -> list[Path]:
    """Folders in which the asset may lie, in order: torch's weights in a data folder, too."""
    return search_folders(folder) + [home(asset)] * asset.torch_hub


def exists(path: Path) -> bool:
    """Whether `path` exists. Not being allowed to know is an error, not a no: it would bring in a stand-in silently."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise AssetError(f"{path} cannot be looked up: {error.strerror}. Make its folder readable.") from error
    return True


def _lies_in(asset: Asset, place: Path) -> bool:
    """Whether anything of the asset is there, in any layout."""
    return any(exists(place / file) for layout in (*asset.other_files, asset.files) for file in layout)


# --- Find ------------------------------------------------------------------------------------------------------------


def files_at(asset: Asset, place: Path) -> list[Path] | None:
    """The asset's files below `place`, in one of its layouts and not yet verified, or None.

    Raises AssetError if only a part of them is there.
    """
    fault = ""
    for layout in (*asset.other_files, asset.files):
        files = [place / file for file in layout]
        # Kaggle's copy of MNIST has folders by the names of its files.
        lost = [file for file in files if not exists(file) or (len(asset.checksums) > 1 and file.is_dir())]
        if not lost:
            return files
        if len(lost) < len(files) and not fault:
            words = f"while other parts of {asset.what} are there. Add it, or remove {common(files)}."
            fault = f"{lost[0]} is missing, {words}"
    if fault:
        raise AssetError(fault)
    return None


def find_files(name: str, folder: str | Path | None = None, *, verified: bool = True) -> list[Path] | None:
    """The files of an asset, in the order of the catalogue, from the first place that has them, or None.

    Raises AssetError where they are incomplete and, if `verified`, where they are damaged or not what they were.
    """
    asset = named(name)
    for place in places(asset, folder):
        files = files_at(asset, place)
        if files is not None:
            if verified:
                verify(asset, files)
            return files
    return None


def find(name: str, folder: str | Path | None = None, *, verified: bool = True) -> Path | None:
    """File or folder of an asset from the first place that has it, or None. Raises as `find_files`."""
    files = find_files(name, folder, verified=verified)
    return None if files is None else common(files)


def require(name: str, folder: str | Path | None = None) -> Path:
    """As `find`, but an asset that is nowhere is an AssetError: what was looked for, where, and how to get it."""
    path = find(name, folder)
    if path is None:
        asset = named(name)
        looked = " or ".join(str(place) for place in places(asset, folder))
        raise AssetError(f"{asset.what}: no {asset.path} in {looked}. {remedy(asset)}")
    return path


def find_authors_weights(variant: str, folder: str | Path | None = None) -> Path | None:
    """The published MNIST CGN of `variant`, checked by sha256, or None where it is not there."""
    return find(f"authors-{known('variant', variant, AUTHORS_WEIGHTS)}", folder)


def features_name(name: str = "auto", folder: str | Path | None = None) -> str:
    """Name of the network that `perceptual_features` gives, without loading it. folder: your own copies of weights.

    A file of VGG16 that is not the published one is warned of, and `auto` does without it.
    """
    known("features", name, FEATURES)
    if name != "auto":
        return name
    try:
        return "vgg16" if find("vgg16", folder) else "efficientnet-lite0"
    except AssetError as error:
        warnings.warn(f"VGG16 is left out, EfficientNet-Lite0 taken instead: {error}", stacklevel=2)
        return "efficientnet-lite0"


def missing(names: Sequence[str], folder: str | Path | None = None) -> Blocked | None:
    """Which of these assets are nowhere, and the commands that get them, or what is wrong with one; None if all are
    there and sound. Raises ValueError for an unknown name.
    """
    try:
        lost = [named(name) for name in names if find(name, folder) is None]
    except AssetError as error:  # costs what needs it, and no page its other parts
        return Blocked(str(error).rstrip("."))
    if not lost:
        return None
    fetched = [asset.name for asset in lost if asset.urls]
    ways = [f"{COMMAND} --fetch {' '.join(fetched)}"] * bool(fetched)
    ways += [f"{asset.what} by hand: {asset.by_hand}" for asset in lost if not asset.urls]
    return Blocked(f"missing {', '.join(asset.what for asset in lost)}", "; ".join(ways))


def contents(names: Sequence[str], folder: str | Path | None = None) -> str | None:
    """First 12 hex digits of the SHA-256 of what the files of these assets hold: what tells their results from those
    of other files, sound or not. None where one is nowhere, or cannot be read.
    """
    try:
        found = [find_files(name, folder, verified=False) for name in names]
        files = [file for each in found for file in each or ()]
        text = " ".join(_content(file, file.stat().st_size, file.stat().st_mtime_ns) for file in files)
    except (AssetError, OSError):
        return None
    return hashlib.sha256(text.encode()).hexdigest()[:12] if all(found) else None


@functools.cache
def _content(file: Path, size: int, changed: int) -> str:
    return digest(file)


def remedy(asset: Asset) -> str:
    """What a person can do to get it."""
    way = asset.by_hand or f"download {_addresses(asset)}" + (f" and unpack {asset.unpack}" if asset.unpack else "")
    other = f"or as {asset.path} below the folder that CGN_DATA names"
    words = f"by hand: {way}. Place it at {home(asset) / asset.path}, {other}."
    words = f"run `{COMMAND} --fetch {asset.name}`, or {words}" if asset.urls else words
    return words[0].upper() + words[1:]


def _addresses(asset: Asset) -> str:
    """Where a person gets it: addresses of files or, of many, their page; mirrors after the word "or"."""
    return " or ".join(
        [" ".join(asset.urls) if len(asset.urls) < 9 else f"the files of {asset.source}", *asset.mirrors]
    )


# --- Verify ----------------------------------------------------------------------------------------------------------


def common(files: Sequence[Path]) -> Path:
    """The one file, or the folder that holds all files."""
    return Path(os.path.commonpath(files))


def lock_file(path: Path) -> Path:
    """The file beside a download that keeps its SHA-256, as `sha256sum` writes it."""
    return path.with_name(f"{path.name}.sha256")


def opened(path: Path) -> IO[bytes]:
    """The file's content as a stream of bytes, decompressed if its name ends in .gz."""
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # pyright: ignore[reportReturnType]


def digest(path: Path, kind: str = "sha256") -> str:
    """Checksum of a file's content; SHA-256 of a folder: that of a list of SHA-256 and path of each file, sorted."""
    if kind == "sha256" and path.is_dir():
        files = sorted((file.relative_to(path).as_posix(), file) for file in files_below(path))
        return hashlib.sha256("".join(f"{file_sha256(file)}  {name}\n" for name, file in files).encode()).hexdigest()
    with opened(path) as stream:
        return hashlib.file_digest(stream, kind).hexdigest()  # pyright: ignore[reportArgumentType]


def verify(asset: Asset, files: Sequence[Path], lock: Path | None = None) -> None:
    """Check files by kind, size, number, and published checksums, else the lock file (that beside them by default).

    Raises AssetError that names the file and the remedy.
    """
    if not files:
        raise AssetError(f"What was downloaded holds no {asset.path}. {remedy(asset)}")
    file = path = common(files)
    again = f"Delete it and get it again. {remedy(asset)}"
    if asset.name == "mnist":
        again = f"Digits or shapes of your own go into the parameter shapes. {again}"
    try:
        if asset.is_file and path.is_dir():
            raise AssetError(f"{path} is a folder, where a file is expected. Move it away. {remedy(asset)}")
        size = path.stat().st_size
        if asset.is_file and not asset.size / SIZE_FACTOR <= size <= asset.size * SIZE_FACTOR:
            found = f"{size:,} bytes, where about {asset.size:,} are expected"
            raise AssetError(f"{path} is truncated or another file: {found}. {again}")
        count = len(files_below(path)) if asset.count else None
        if count != asset.count:
            raise AssetError(f"{path} has {count:,} files, not {asset.count:,}. {again}")
        checksums, origin = dict(zip(files, asset.checksums, strict=False)), "the published file"
        if asset.torch_hub and path.name != Path(asset.path).name:  # an older one, which names its checksum
            checksums = {path: f"sha256:{path.stem.rpartition('-')[2]}"}
        file = lock = lock or lock_file(path)
        if not checksums and exists(lock):
            first, _, _ = lock.read_text().partition(" ")
            if not first:
                raise AssetError(f"{lock} cannot be read: it holds no checksum. Delete it.")
            checksums, origin = {path: f"sha256:{first}"}, "what was downloaded first"
            again += f" If it changed on purpose, delete {lock}."
        for file, checksum in checksums.items():
            kind, _, wanted = checksum.partition(":")
            found = digest(file, kind)
            if not found.startswith(wanted):
                size = f"{file.stat().st_size:,} bytes"
                raise AssetError(f"{file} is not {origin}: its {kind} is {found}, not {wanted} ({size}). {again}")
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise AssetError(f"{file} cannot be read: {error}. {again}") from error
