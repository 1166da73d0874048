"""Archives unpacked all or nothing: a member that would be written outside its folder makes the archive refused."""

import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from cgnlib.fetching import AssetError
from cgnlib.progress import tqdm


class UnsafeMember(Exception):
    """A member of an archive that leads outside the folder it is unpacked into."""


def unpack(archive: Path, inside: str, target: Path) -> None:
    """Make the folder `inside` of a tar (also compressed) or zip archive the folder `target`, which must not exist.

    It is unpacked beside `target` and renamed when complete. Raises AssetError, and leaves nothing, for an archive that
    is damaged, has an absolute path, a `..` or a link that leads outside anywhere, or has no such folder.
    """
    remedy = f"Delete {archive} and fetch it again."
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as scratch:
            if zipfile.is_zipfile(archive):
                _unzip(archive, inside, scratch)
            else:
                _untar(archive, inside, scratch)
            source = Path(scratch, inside)
            if not source.is_dir():
                raise AssetError(f"{archive} has no folder {inside}. {remedy}")
            os.rename(source, target)
    except AssetError:
        raise
    except UnsafeMember as error:
        raise AssetError(f"{archive} is refused: {error}. {remedy}") from error
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError) as error:
        reason = " ".join(str(error).split())  # on one line
        raise AssetError(
            f"{archive} cannot be unpacked into {target}: {reason}. Free some space, or: {remedy}"
        ) from error


def _untar(archive: Path, inside: str, folder: str) -> None:
    """Files and folders alone are made; a link becomes a copy of the member that it points to. (So no filter of
    `tarfile` is needed, which Python has only since 3.11.4.)"""
    with tarfile.open(archive) as tar:
        members = tar.getmembers()
        for member in members:
            _check(member.name)
        chosen = [member for member in members if _below(member.name, inside)]
        for member in tqdm(chosen, desc=f"unpack {archive.name}", unit="file"):
            target = Path(folder, member.name)
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            try:
                content = tar.extractfile(member)
            except KeyError as error:
                raise UnsafeMember(f"{member.name!r} is a link that leads outside") from error
            if content is None:
                raise UnsafeMember(f"{member.name!r} is neither a file nor a folder")
            target.parent.mkdir(parents=True, exist_ok=True)
            with content, target.open("wb") as stream:
                shutil.copyfileobj(content, stream)


def _unzip(archive: Path, inside: str, folder: str) -> None:
    with zipfile.ZipFile(archive) as bundle:
        members = bundle.infolist()
        for member in members:
            _check(member.filename)
            if stat.S_ISLNK(member.external_attr >> 16):
                raise UnsafeMember(f"{member.filename!r} is a link")
        chosen = [member for member in members if _below(member.filename, inside)]
        for member in tqdm(chosen, desc=f"unpack {archive.name}", unit="file"):
            bundle.extract(member, folder)


def _check(name: str) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts:
        raise UnsafeMember(f"{name!r} leads outside its folder")


def _below(name: str, inside: str) -> bool:
    return PurePosixPath(name).is_relative_to(inside)
