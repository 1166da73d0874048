"""Where the project lies, where everything that it makes goes, and how a file gets there whole."""

import contextlib
import glob
import hashlib
import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError


def project_root() -> Path:
    """The folder with pyproject.toml above this package, or, if there is none, the folder that holds the package."""
    package = Path(__file__).resolve().parent
    return next((folder for folder in package.parents if (folder / "pyproject.toml").is_file()), package.parent)


def has_home() -> bool:
    """Whether this user has a home folder; in a container, one that the system does not know may have none."""
    return os.path.expanduser("~") != "~"


def in_project(path: str | Path) -> Path:
    """An absolute path: ~ is the user's home, and a relative one begins at the project's root, wherever the process
    runs (notebooks run in notebooks/, commands anywhere). Raises OSError for ~ where there is no home."""
    try:
        return (project_root() / Path(path).expanduser()).resolve()
    except RuntimeError:
        raise OSError(f"{path}: ~ stands for no folder here. Set HOME, or write the path out.") from None


def build_folder() -> Path:
    """Folder of everything generated: the environment variable CGN_BUILD if set, else build/ in the project."""
    return in_project(os.environ.get("CGN_BUILD") or "build")


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A path to write to; on the disk in full, it replaces `path` when the block ends well.

    What a writer that was killed left beside it is removed. Raises OSError where that cannot be written; an error of
    another file passes as it is.
    """
    partial = own_file(path.with_name(f".{path.name}."), ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        with partial.open("rb+") as written:
            os.fsync(written.fileno())
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        if isinstance(error, OSError) and error.filename and Path(error.filename) not in (path, partial, *path.parents):
            raise  # of another file, which the block reads
        raise unwritable(path, error) from error
    except RuntimeError as error:  # torch.save reports a full disk so
        if "write" in str(error) or "inline_container" in str(error):
            raise unwritable(path, OSError("not all of it could be written")) from error
        raise
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def own_file(before: Path, after: str) -> Path:
    """A file or folder that no other process on any machine uses: `before` + machine.process + `after`.

    Those of processes of this machine that run no more are removed.
    """
    mine = f"{before.name}{platform.node()}."
    for left in before.parent.glob(f"{glob.escape(mine)}*{after}"):
        process = left.name[len(mine) :].removesuffix(after)
        if process.isdigit() and not _runs(int(process)):
            with contextlib.suppress(OSError):
                shutil.rmtree(left) if left.is_dir() else left.unlink()
    return before.with_name(f"{mine}{os.getpid()}{after}")


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True


def unwritable(path: Path, error: Exception) -> OSError:
    """The error for a file or folder that cannot be written, with what to do."""
    return OSError(
        f"cannot write {path}: {getattr(error, 'strerror', None) or error}. Free some space, or point CGN_BUILD to a "
        "folder that can be written; what was finished before is kept."
    )


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
