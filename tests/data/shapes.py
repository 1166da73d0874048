"""Own shapes as tests draw them."""

import numpy as np


def drawn(per_class: int) -> tuple[np.ndarray, np.ndarray]:
    """Bars of ten lengths somewhere in the image: uint8 (N, 28, 28), and labels (N,), class by class."""
    stream = np.random.default_rng(0)
    images, labels = np.zeros((10 * per_class, 28, 28), np.uint8), np.repeat(np.arange(10), per_class)
    for image, label in zip(images, labels, strict=True):
        top, left = stream.integers(3, 15, 2)
        image[top : top + 8, left : left + 2 + label] = stream.integers(100, 255, (8, min(2 + label, 28 - left)))
    return images, labels
