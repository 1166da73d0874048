"""Own shapes that are not ten classes of grey 28 x 28 images, bright on black."""

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cgnlib.data.catalogue import MNIST_MD5
from cgnlib.data.digits import find_digits
from tests.data.shapes import drawn
from tests.inputs.cases import Cases

cases = Cases("shapes")
Patch = pytest.MonkeyPatch
IMAGES, LABELS = drawn(10)


def folders(folder: Path) -> Path:
    """A sound folder of ten class folders."""
    for number, (image, label) in enumerate(zip(IMAGES, LABELS, strict=True)):
        file = folder / "shapes" / f"{label}" / f"{number:02}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(file)
    return folder / "shapes"


def npz(folder: Path, patch: Patch, **arrays: np.ndarray) -> None:
    np.savez(folder / "shapes.npz", allow_pickle=True, **arrays)
    find_digits(shapes=folder / "shapes.npz")


@cases("A path where nothing is")
def nowhere(folder: Path, patch: Patch) -> None:
    find_digits(shapes=folder / "nowhere")


@cases("Nine class folders")
def nine(folder: Path, patch: Patch) -> None:
    shutil.rmtree(folders(folder) / "4")
    find_digits(shapes=folder / "shapes")


@cases("A folder of images without class folders")
def flat(folder: Path, patch: Patch) -> None:
    Image.fromarray(IMAGES[0]).save(folder / "a.png")
    find_digits(shapes=folder)


@cases("A class folder without an image")
def empty_class(folder: Path, patch: Patch) -> None:
    for file in (folders(folder) / "4").iterdir():
        file.unlink()
    find_digits(shapes=folder / "shapes")


@cases("Test folders that are named otherwise than those for training")
def other_names(folder: Path, patch: Patch) -> None:
    folders(folder / "a").rename(folder / "train")
    folders(folder / "b").rename(folder / "test")
    (folder / "test" / "9").rename(folder / "test" / "nine")
    find_digits(shapes=folder)


@cases("Images of other sizes among them")
def sizes(folder: Path, patch: Patch) -> None:
    Image.fromarray(IMAGES[45]).resize((30, 28)).save(folders(folder) / "4" / "45.png")
    find_digits(shapes=folder / "shapes")


@cases("A colour image")
def colour(folder: Path, patch: Patch) -> None:
    Image.new("RGB", (28, 28), "red").save(folders(folder) / "4" / "45.png")
    find_digits(shapes=folder / "shapes")


@cases("A transparent image")
def transparent(folder: Path, patch: Patch) -> None:
    Image.new("LA", (28, 28)).save(folders(folder) / "4" / "45.png")
    find_digits(shapes=folder / "shapes")


@cases("A text file in a class folder")
def text(folder: Path, patch: Patch) -> None:
    (folders(folder) / "4" / "about.txt").write_text("fours\n")
    find_digits(shapes=folder / "shapes")


@cases("A blank image")
def blank(folder: Path, patch: Patch) -> None:
    Image.new("L", (28, 28)).save(folders(folder) / "4" / "45.png")
    find_digits(shapes=folder / "shapes")


@cases("MNIST's four files of own shapes, one of them cut")
def cut(folder: Path, patch: Patch) -> None:
    for name in MNIST_MD5:
        (folder / name).write_bytes(bytes((0, 0, 8, 1, 0, 0, 0, 9)))
    find_digits(shapes=folder)


@cases("A file that is no .npz")
def no_npz(folder: Path, patch: Patch) -> None:
    (folder / "shapes.npz").write_text("images, labels\n")
    find_digits(shapes=folder / "shapes.npz")


TWICE = np.concatenate([IMAGES, IMAGES[:3]])
for name, thing, arrays in (
    ("pickle", "A .npz with a pickled object", {"images": np.array([IMAGES, 1], object), "labels": LABELS}),
    ("arrays", "A .npz with other arrays", {"data": IMAGES, "target": LABELS}),
    ("large", "Images of 64 x 64 pixels", {"images": np.zeros((100, 64, 64), np.uint8), "labels": LABELS}),
    ("floats", "Images in 0 to 1", {"images": IMAGES / 255, "labels": LABELS}),
    ("from-one", "Labels from 1 to 10", {"images": IMAGES, "labels": LABELS + 1}),
    ("short", "Fewer labels than images", {"images": IMAGES, "labels": LABELS[:-1]}),
    ("few", "A class of nine images", {"images": IMAGES[:-1], "labels": LABELS[:-1]}),
    ("dark", "Dark shapes on white", {"images": 255 - IMAGES, "labels": LABELS}),
    ("ambiguous", "Images that are in two classes", {"images": TWICE, "labels": np.append(LABELS, [9, 9, 9])}),
    (
        "leak",
        "Test images that are training images",
        {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES, "y_test": LABELS},
    ),
):
    cases.add(name, thing, partial(npz, **arrays))
