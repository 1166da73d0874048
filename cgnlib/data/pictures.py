"""Pictures from files, opened at one place: 8 bits per channel, or refused with what is wrong; and what lies in folders
beside them.
"""

import contextlib
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from cgnlib.errors import AssetError

# Modes of Pillow with 8 bits per channel or fewer. Of deeper ones (I;16, I, F) it keeps no range: 12 bits in 16 would
# be nearly black, 32 bits white.
MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV", "LAB")
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error, zlib.error)
# What systems and editors leave in folders, and no one put there.
STRAY_FILES = (".DS_Store", "Thumbs.db", "desktop.ini", ".directory")
STRAY_FOLDERS = (".ipynb_checkpoints", "__MACOSX", ".AppleDouble", "@eaDir", ".git")


class PictureError(AssetError):
    """A file is no picture that can be used. why: what is wrong, for a list of files; remedy: where `why` has none."""

    def __init__(self, path: Path, why: str, remedy: str = ". Get it again, or remove it") -> None:
        super().__init__(f"{path} cannot be read as an image: {why}{remedy}.")
        self.why = why


@contextlib.contextmanager
def opened_picture(path: Path, *, decode: bool = True) -> Iterator[Image.Image]:
    """The picture in a file, decoded. Alpha is left to `convert`, which drops it.

    decode: False for the head alone, and for `decoded` after `draft`. Raises PictureError for what is no intact
    picture, more than 8 bits per channel, and more pixels than Pillow decodes; errors of the block are the block's own.
    """
    with contextlib.ExitStack() as stack:
        with _refused(path):
            picture = stack.enter_context(Image.open(path))
        if picture.mode not in MODES:
            why = f"its mode is {picture.mode}, more than 8 bits per channel; save it with 8, scaled"
            raise PictureError(path, why, remedy="")
        yield decoded(picture) if decode else picture


def decoded(picture: Image.Image) -> Image.Image:
    """The picture, its pixels read if it is of a file. Raises PictureError as `opened_picture`."""
    with _refused(Path(getattr(picture, "filename", ""))):
        picture.load()
    return picture


@contextlib.contextmanager
def _refused(path: Path) -> Iterator[None]:
    """Nearly anything that Pillow raises for a damaged file, as PictureError."""
    try:
        yield
    except Image.DecompressionBombError:
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise PictureError(path, f"over {limit:,} pixels; save it smaller", remedy="") from None
    except Image.UnidentifiedImageError as error:
        raise PictureError(path, "it is no image that Pillow knows") from error
    except DAMAGE as error:
        raise PictureError(path, " ".join(str(getattr(error, "strerror", None) or error).split())) from error


def is_stray(path: Path) -> bool:
    """Whether it is left by a system or an editor: .DS_Store, Thumbs.db, ._x, .ipynb_checkpoints, ..."""
    return path.name in STRAY_FILES or path.name in STRAY_FOLDERS or path.name.startswith("._")


def entries(folder: Path) -> list[Path]:
    """What lies in a folder, sorted, strays left out."""
    return sorted(path for path in folder.iterdir() if not is_stray(path))


def files_below(folder: Path) -> list[Path]:
    """All files below a folder, sorted, strays left out; links to folders are followed, each folder once."""
    found, seen = [], set()
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        folders[:] = [] if real in seen else [name for name in folders if not is_stray(Path(name))]
        if real not in seen:
            found += [Path(place, name) for name in files if not is_stray(Path(name))]
        seen.add(real)
    return sorted(found)
