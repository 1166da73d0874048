"""The file of colored MNIST that SG21 trained on, where somebody still has it: its images beside ours.

It is a dict in a .npy file, mnist_10color_jitter_var_0.020.npy: train_image and test_image, uint8 (N, 28, 28, 3),
train_label and test_label (N,).
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cgnlib.data.finding import find
from cgnlib.data.pickles import read_npy_dict
from cgnlib.errors import AssetError
from cgnlib.images import LabelledImages
from cgnlib.mnist.names import N_CLASSES, SIZE

SOURCE = "colored-file"


def find_published_colored(folder: str | Path | None = None) -> dict[str, LabelledImages] | None:
    """Splits "train" and "test" of the file, or None where it has not been placed. Raises AssetError for another file.

    Enlarged to 32 pixels as SG21 does it. Which colour a test digit has, the file does not say: foreground is -1.
    """
    path = find("colored-mnist", folder)
    if path is None:
        return None
    content = read_npy_dict(path)
    return {split: _images(path, content, split) for split in ("train", "test")}


def _images(path: Path, content: dict[str, Any], split: str) -> LabelledImages:
    pixels, labels = (np.asarray(content.get(f"{split}_{what}", ())) for what in ("image", "label"))
    good = pixels.dtype == np.uint8 and pixels.shape[1:] == (28, 28, 3) and labels.shape == pixels.shape[:1]
    if not good or not np.isin(labels, range(N_CLASSES)).all():
        found = f"{split}_image {pixels.dtype} {pixels.shape}, {split}_label {labels.shape}"
        raise AssetError(f"{path} is another file: {found}, not uint8 (N, 28, 28, 3) and N labels from 0 to 9")
    planes = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2)
    shape = torch.from_numpy(labels.astype(np.int64))
    colour = shape.clone() if split == "train" else torch.full_like(shape, -1)
    images = F.interpolate(planes, size=(SIZE, SIZE), mode="nearest-exact").contiguous()
    return LabelledImages(images, shape, colour, torch.full_like(shape, -1), f"colored/{split}", SOURCE)


def class_colours(images: LabelledImages) -> Tensor:
    """Mean colour of each class's digits where they are brightest, one pixel an image: (10, 3) float in [0, 255].

    Raises ValueError where a class has no image.
    """
    flat = images.images.flatten(2).float()
    brightest = flat.sum(dim=1).argmax(dim=1)
    colours = flat.gather(2, brightest[:, None, None].expand(-1, 3, 1))[:, :, 0]
    members = [images.shape == label for label in range(N_CLASSES)]
    if not all(each.any() for each in members):
        raise ValueError(f"{images.name} lacks images of some class")
    return torch.stack([colours[each].mean(dim=0) for each in members])
