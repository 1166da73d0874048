"""A user's own shapes in place of MNIST's digits: ten classes of small grey images. Needs no torch.

Three layouts: a folder of ten class folders of images, or of `train` and `test` with ten each; MNIST's four files; a
.npz with `images` and `labels`, or with `x_train`, `y_train`, `x_test`, `y_test` as Keras writes MNIST. Where nothing
says which images are for testing, a fifth of each class is. Images stand in the order of the SHA-256 of their pixels,
each once: the same shapes give the same bits in every layout, whatever their files are called.
"""

import hashlib
import math
import struct
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cgnlib.data.catalogue import named
from cgnlib.data.finding import exists, files_at, opened
from cgnlib.data.pictures import entries, opened_picture
from cgnlib.errors import AssetError
from cgnlib.paths import in_project

SIDE, CLASSES = 28, 10  # pixels, as MNIST's; kinds of shape
MASK_LEVEL = 25  # a pixel belongs to the shape, or digit, where pixel / 255 > 0.1, so from grey level 26 on
LEAST = 10  # distinct images of a class
TEST_SHARE = 5  # one in five images of a class is a test image
PREFIX = "shapes-"  # of the names of own shapes in rows
KERAS = ("x_train", "y_train", "x_test", "y_test")
Pair = tuple[np.ndarray, np.ndarray]  # images (N, 28, 28) uint8, labels (N,) int64


@dataclass(frozen=True)
class Shapes:
    """Grey shapes, bright on black: images (N, 28, 28) uint8, labels (N,) int64; names of the classes by label."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: tuple[str, ...]

    @property
    def source(self) -> str:
        """What they are called in rows: "shapes-", the number for training, 8 digits of the SHA-256 of them all."""
        parts = (self.train_images, self.train_labels, self.test_images, self.test_labels)
        digest = hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()
        return f"{PREFIX}{len(self.train_labels)}-{digest[:8]}"


def is_own(data: str) -> bool:
    """Whether the data of a row are own shapes."""
    return data.startswith(PREFIX)


def read_shapes(path: str | Path) -> Shapes:
    """The shapes in a folder or a .npz, see the module. A relative path begins at the project's root.

    Raises AssetError for anything but ten classes of grey images of 28 x 28 pixels, bright on black, for an image that
    is in two classes or both in training and test, and for files that cannot be read.
    """
    place = in_project(path)
    if not exists(place):
        raise AssetError(f"The shapes {place} do not exist. Correct the path.")
    numbers = tuple(str(label) for label in range(CLASSES))
    if not place.is_dir():
        return _put_together(place, _from_npz(place), numbers)
    if idx := files_at(named("mnist"), place):
        arrays = [read_idx(file) for file in idx]
        return _put_together(place, [(arrays[0], arrays[1]), (arrays[2], arrays[3])], numbers)
    parts = [place / name for name in ("train", "test") if (place / name).is_dir()]
    classes = _class_folders((parts or [place])[0])
    return _put_together(place, [_from_folders(part, classes) for part in parts or [place]], classes)


def read_idx(path: Path) -> np.ndarray:
    """The uint8 array of an MNIST file: its number of dimensions, their lengths (big-endian), its bytes.

    Raises AssetError for another kind of file, or one that breaks off.
    """
    try:
        with opened(path) as stream:
            content = stream.read()
        zero, kind, dimensions = struct.unpack(">HBB", content[:4])
        shape = struct.unpack(f">{dimensions}I", content[4 : 4 + 4 * dimensions])
        if (zero, kind) != (0, 8) or len(content) != 4 + 4 * dimensions + math.prod(shape):
            raise ValueError(f"{len(content):,} bytes that are no idx file of uint8")
    except (OSError, EOFError, ValueError, struct.error, zlib.error) as error:
        raise AssetError(f"{path} cannot be read: {error}. Write it again.") from error
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def _from_npz(path: Path) -> list[Pair]:
    """Images and labels, in one part or for training and for test."""
    if not zipfile.is_zipfile(path):
        raise AssetError(f"{path} is neither a folder nor a .npz. Save arrays with numpy.savez.")
    try:
        with np.load(path, allow_pickle=False) as file:
            names = KERAS if set(KERAS) <= set(file.files) else ("images", "labels")
            if not set(names) <= set(file.files):
                raise AssetError(
                    f"{path} holds {', '.join(file.files)}. Name its arrays images and labels, or {', '.join(KERAS)}."
                )
            arrays = [file[name] for name in names]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        why = "it holds a pickled object, which could run code" if "allow_pickle" in str(error) else str(error)
        raise AssetError(f"{path} cannot be read as .npz: {why}. Save plain arrays with numpy.savez.") from error
    return list(zip(arrays[::2], arrays[1::2], strict=True))


def _class_folders(place: Path) -> tuple[str, ...]:
    found = tuple(path.name for path in entries(place) if path.is_dir())
    if len(found) != CLASSES:
        there = f" ({', '.join(found[:CLASSES])}{', ...' * (len(found) > CLASSES)})" if found else ""
        raise AssetError(f"{place} has {len(found)} class folders{there}. Ten are needed, one for each kind of shape.")
    return found


def _from_folders(place: Path, classes: tuple[str, ...]) -> Pair:
    if (there := _class_folders(place)) != classes:
        raise AssetError(f"{place} has the classes {', '.join(there)}, training {', '.join(classes)}. Name them alike.")
    files = [entries(place / name) for name in classes]
    if empty := [name for name, paths in zip(classes, files, strict=True) if not paths]:
        raise AssetError(f"{place / empty[0]} holds no image. Put images of that class there.")
    pixels = np.stack([_grey(path) for paths in files for path in paths])
    return pixels, np.repeat(np.arange(CLASSES), [len(paths) for paths in files])


def _grey(path: Path) -> np.ndarray:
    with opened_picture(path) as picture:
        pixels = np.asarray(picture.convert("L") if picture.mode == "1" else picture)
    if picture.size != (SIDE, SIDE):
        raise AssetError(f"{path} has {_wrong(picture.size)}")
    if pixels.ndim == 3 and picture.mode == "RGB" and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., 0]  # grey, saved as colour
    if pixels.ndim != 2 or picture.mode == "P":
        raise AssetError(
            f"{path} is not plain grey (mode {picture.mode}). Save it so: `mogrify -alpha off -colorspace gray FILES`."
        )
    return pixels


def _wrong(size: tuple[int, ...]) -> str:
    found, needed = (" x ".join(map(str, each)) for each in (size, (SIDE, SIDE)))
    return f"{found} pixels, {needed} are needed: `mogrify -resize {SIDE}x{SIDE}! FILES`, or as you see fit."


def _put_together(place: Path, parts: list[Pair], classes: tuple[str, ...]) -> Shapes:
    """Checks, order, and the split where there is none."""
    sorted_parts = [_in_order(place, *part) for part in parts]
    if len(sorted_parts) == 1:
        images, labels, hashes = sorted_parts[0]
        rank, counts = np.empty_like(labels), np.bincount(labels, minlength=CLASSES)
        for label in range(CLASSES):
            rank[labels == label] = np.arange(counts[label])
        test = rank < counts[labels] // TEST_SHARE
        sorted_parts = [(images[which], labels[which], hashes[which]) for which in (~test, test)]
    train, test = sorted_parts
    if shared := len(np.intersect1d(train[2], test[2])):
        raise AssetError(f"{place}: test images that are training images, too: {shared:,}. Take them out of one.")
    return Shapes(*train[:2], *test[:2], classes)


def _in_order(place: Path, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images, labels and hashes of pixels, sorted by these, each image once."""
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if images.ndim != 3 or images.dtype != np.uint8:
        found = f"{images.dtype} {images.shape}"
        raise AssetError(f"{place}: images are {found}. Grey ones, uint8 (N, {SIDE}, {SIDE}) in 0 to 255, are needed.")
    if images.shape[1:] != (SIDE, SIDE):
        raise AssetError(f"{place}: images have {_wrong(images.shape[1:])}")
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
        raise AssetError(f"{place}: labels are {labels.dtype} {labels.shape}. One whole number an image is needed.")
    if not np.array_equal(np.unique(labels), np.arange(CLASSES)):
        found = ", ".join(map(str, np.unique(labels)[: CLASSES + 1]))
        raise AssetError(f"{place}: its classes are {found}. Ten, 0 to 9, are needed, and each in training and test.")
    drawn = images > MASK_LEVEL
    if blank := int((~drawn.any(axis=(1, 2))).sum()):
        raise AssetError(f"{place}: images without a pixel above grey level {MASK_LEVEL}: {blank:,}. Take them out.")
    frame = np.concatenate([drawn[:, :: SIDE - 1].ravel(), drawn[:, :, :: SIDE - 1].ravel()])
    if frame.mean() > 0.5:
        raise AssetError(f"{place}: the border is bright. Shapes must be bright on black: `mogrify -negate FILES`.")
    hashes = np.array([hashlib.sha256(image.tobytes()).hexdigest() for image in images])
    unique, first = np.unique(hashes, return_index=True)
    classes_of = Counter(hash for hash, _ in set(zip(hashes.tolist(), labels.tolist(), strict=True)))
    if twice := sum(count > 1 for count in classes_of.values()):
        raise AssetError(f"{place}: images that are in two classes: {twice:,}. Take them out of one.")
    counts = np.bincount(labels[first], minlength=CLASSES)
    if counts.min() < LEAST:
        few = f"class {counts.argmin()} has {counts.min()} distinct images"
        raise AssetError(f"{place}: {few}. At least {LEAST} are needed, in training and test each.")
    return images[first], labels[first].astype(np.int64), unique
