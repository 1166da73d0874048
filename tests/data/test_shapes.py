"""Own shapes: the same bits from every layout, under a name of their own."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cgnlib.data.catalogue import MNIST_MD5
from cgnlib.data.digits import digits_source, find_digits
from cgnlib.data.shapes import is_own, read_shapes
from tests.data.shapes import drawn

IMAGES, LABELS = drawn(30)
SPLIT = {"train": slice(0, None, 2), "test": slice(1, None, 2)}


def keras(place: Path) -> Path:
    train, test = SPLIT.values()
    parts = {"x_train": IMAGES[train], "y_train": LABELS[train], "x_test": IMAGES[test], "y_test": LABELS[test]}
    np.savez(place / "shapes.npz", allow_pickle=False, **parts)
    return place / "shapes.npz"


def idx(place: Path) -> Path:
    parts = [each[at] for at in SPLIT.values() for each in (IMAGES, LABELS.astype(np.uint8))]
    for name, part in zip(MNIST_MD5, parts, strict=True):
        content = bytes((0, 0, 8, part.ndim)) + struct.pack(f">{part.ndim}I", *part.shape) + part.tobytes()
        (place / f"{name}.gz").write_bytes(gzip.compress(content))
    return place


def folders(place: Path) -> Path:
    """In another order, as colour pictures that are grey, with what a system leaves there."""
    for name, at in SPLIT.items():
        for number, (image, label) in enumerate(zip(IMAGES[at][::-1], LABELS[at][::-1], strict=True)):
            file = place / name / f"kind {label}" / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).convert("RGB" if number % 2 else "L").save(file)
    (file.parent / ".DS_Store").write_bytes(b"")
    return place


def test_each_layout_gives_the_same_bits(tmp_path: Path) -> None:
    found = []
    for number, make in enumerate((keras, idx, folders)):
        (tmp_path / str(number)).mkdir()
        found.append(make(tmp_path / str(number)))
    first, *others = [find_digits(shapes=place) for place in found]
    assert [digits_source(shapes=place) for place in found] == [first.source] * 3
    assert is_own(first.source) and first.source.startswith("shapes-150-")
    for other in others:
        for part in ("train_images", "train_labels", "test_images", "test_labels"):
            assert torch.equal(getattr(first, part), getattr(other, part))
    assert (first.train_images.dtype, first.train_labels.dtype) == (torch.uint8, torch.int64)
    assert others[-1].classes == tuple(f"kind {label}" for label in range(10))


def test_without_a_split_a_fifth_of_each_class_is_for_testing(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=LABELS[:, None])
    order = np.random.default_rng(1).permutation(len(LABELS))
    twice = np.concatenate([order, order[:50]])  # a repeated image counts once
    np.savez(tmp_path / "b.npz", images=IMAGES[twice], labels=LABELS[twice])
    a, b = read_shapes(tmp_path / "a.npz"), read_shapes(tmp_path / "b.npz")
    assert a.source == b.source
    assert np.bincount(a.test_labels).tolist() == [6] * 10
    assert np.bincount(a.train_labels).tolist() == [24] * 10
    everything = np.concatenate([a.train_images, a.test_images])
    assert len({image.tobytes() for image in everything}) == len(IMAGES)


@pytest.mark.parametrize("change", ["pixel", "label"])
def test_other_shapes_have_another_name(tmp_path: Path, change: str) -> None:
    images, labels = IMAGES.copy(), LABELS.copy()
    np.savez(tmp_path / "a.npz", images=images, labels=labels)
    if change == "pixel":
        images[0, 14, 14] ^= 1
    else:
        labels[0], labels[30] = labels[30], labels[0]
    np.savez(tmp_path / "b.npz", images=images, labels=labels)
    assert read_shapes(tmp_path / "a.npz").source != read_shapes(tmp_path / "b.npz").source
