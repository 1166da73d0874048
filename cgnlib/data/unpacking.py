"""Archives unpacked all or nothing: a member that would be written outside its folder makes the archive refused."""

import os
import stat
import tarfile
import tempfile
import zipfile
import zlib
from functools import partial
from pathlib import Path, PurePosixPath

from cgnlib.errors import AssetError
from cgnlib.progress import tqdm


def unpack(archive: Path, inside: str, target: Path) -> None:
    """Make the folder `inside` of a tar (also compressed) or zip archive the folder `target`, which must not exist.

    It is unpacked beside `target` and renamed when complete. Raises AssetError, and leaves nothing, for an archive that
    is damaged, has an absolute path, a `..` or a symbolic link anywhere, a hard link that leads outside, or no such
    folder.
    """

    def chosen(name: str) -> bool:
        return PurePosixPath(name).is_relative_to(inside)

    remedy, shown = f"Delete {archive} and fetch it again.", partial(tqdm, desc=f"unpack {archive.name}", unit="file")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as scratch:
            if zipfile.is_zipfile(archive):
                with zipfile.ZipFile(archive) as bundle:
                    for info in bundle.infolist():
                        _check(info.filename, stat.S_ISLNK(info.external_attr >> 16))
                    bundle.extractall(scratch, shown([name for name in bundle.namelist() if chosen(name)]))
            else:
                with tarfile.open(archive) as tar:
                    members = tar.getmembers()
                    for member in members:
                        _check(member.name, member.issym())
                        tarfile.data_filter(member, scratch)  # raises for devices and links that lead outside
                    members = [member for member in members if chosen(member.name)]
                    tar.extractall(scratch, shown(members), filter="data")
            if not Path(scratch, inside).is_dir():
                raise AssetError(f"{archive} has no folder {inside}. {remedy}")
            os.rename(Path(scratch, inside), target)
    except tarfile.FilterError as error:
        raise AssetError(f"{archive} is refused: {error}. {remedy}") from error
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        reason = " ".join(str(error).split())  # on one line
        raise AssetError(
            f"{archive} cannot be unpacked into {target}: {reason}. Free some space, or: {remedy}"
        ) from error


def _check(name: str, is_link: bool) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or is_link:
        raise tarfile.FilterError(f"{name!r} is a link" if is_link else f"{name!r} leads outside its folder")
