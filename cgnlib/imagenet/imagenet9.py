"""ImageNet-9 and the background gap (Xiao et al. 2021; seed, Section 4.3, Tables 5 and 7), pure functions of tensors.

Accuracies are shares of the number of images: all published forks divide by batch size times number of batches, which
is too low by a factor up to the last batch's vacancies.
"""

import numpy as np
import torch
from torch import Tensor

from cgnlib.randomness import derive_seed
from cgnlib.statistics import Interval, difference_interval, paired_bootstrap, wilson_interval

N_CLASSES = 1000  # of ImageNet-1k
UNMAPPED = -1


def class_indices(text: str) -> tuple[int, ...]:
    """Class indices of a list of numbers and inclusive spans: "404", "8, 10-16". Raises ValueError for another text."""
    found: list[int] = []
    for span in text.split(","):
        first, _, last = span.strip().partition("-")
        found += range(int(first), int(last or first) + 1)
    if found != sorted(set(found)) or not found or found[-1] >= N_CLASSES:
        raise ValueError(f"{text!r} is no ascending list of classes below {N_CLASSES}")
    return tuple(found)


IMAGENET_9 = {
    name: class_indices(text)
    for name, text in {
        "dog": "151-170, 173-268",
        "bird": "7-24, 87-100, 127-146",
        "wheeled vehicle": "407-408, 428, 436, 444, 468, 511, 547, 555, 561, 565, 569, 573, 586, 603, 609, 612, 627, "
        "656, 661, 665, 670-671, 675, 690, 705, 717, 734, 751, 757, 791, 802-803, 817, 820, 829, 847, 864, 866-867, "
        "870, 880",
        "reptile": "33-68",
        "carnivore": "269-280, 286-299, 356-362, 387-388",
        "insect": "300-326",
        "instrument": "401-402, 420, 432, 486, 494, 513, 541, 546, 558, 566, 577, 579, 593-594, 641-642, 683-684, 687, "
        "699, 776, 822, 875, 881, 889",
        "primate": "365-384",
        "fish": "0-6, 389-397",
    }.items()
}
CLASSES = tuple(IMAGENET_9)


def check_logits(logits: Tensor) -> None:
    """Raises ValueError unless logits are (N, 1000), without NaN."""
    if logits.ndim != 2 or logits.shape[1] != N_CLASSES:
        raise ValueError(f"logits must be (N, {N_CLASSES}), not {tuple(logits.shape)}")
    if logits.isnan().any():
        raise ValueError(f"logits: {int(logits.isnan().any(dim=1).sum())} of {len(logits)} images have NaN")


def predict(logits: Tensor) -> Tensor:
    """Class (N,) int64 in 0..8 of the arg-max over all 1000 classes, -1 where that class is in none of the nine.

    logits: (N, 1000). Raises ValueError for another shape and for NaN.
    """
    check_logits(logits)
    to_nine = torch.full((N_CLASSES,), UNMAPPED)
    for label, indices in enumerate(IMAGENET_9.values()):
        to_nine[list(indices)] = label
    return to_nine.to(logits.device)[logits.argmax(dim=1)]


def accuracy(predictions: Tensor, labels: Tensor) -> Interval:
    """Share of images (N,) predicted right, in [0, 1], with a Wilson interval; a prediction of -1 is wrong.

    labels: (N,) in 0..8. Raises ValueError for no images, for lengths that differ, for other labels.
    """
    return _share(_correct(predictions, labels))


def _correct(predictions: Tensor, labels: Tensor) -> Tensor:
    if predictions.ndim != 1 or predictions.shape != labels.shape:
        raise ValueError(f"predictions {tuple(predictions.shape)} and labels {tuple(labels.shape)} must be (N,) each")
    if ((labels < 0) | (labels >= len(CLASSES))).any():
        raise ValueError(f"labels must lie in 0..{len(CLASSES) - 1}")
    return predictions == labels


def _share(correct: Tensor) -> Interval:
    return wilson_interval(int(correct.sum()), len(correct))


def top_k(logits: Tensor, labels: Tensor, k: int) -> Interval:
    """Share of images whose label is among the k largest logits, in [0, 1], with a Wilson interval.

    logits: (N, 1000); labels: (N,) in 0..999. Raises ValueError for no images, other shapes or labels, NaN, and k
    outside 1..1000.
    """
    check_logits(logits)
    if labels.shape != (len(logits),):
        raise ValueError(f"{len(logits)} logits and labels of shape {tuple(labels.shape)}")
    if ((labels < 0) | (labels >= N_CLASSES)).any():
        raise ValueError(f"labels must lie in 0..{N_CLASSES - 1}")
    if not 1 <= k <= N_CLASSES:
        raise ValueError(f"k must lie in 1..{N_CLASSES}, not {k}")
    return _share((logits.topk(k, dim=1).indices == labels[:, None]).any(dim=1))


def background_gap(
    correct_same: Tensor,
    correct_rand: Tensor,
    paired: bool,
    *,
    resamples: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Interval:
    """BG-gap: accuracy on mixed_same minus accuracy on mixed_rand, in [-1, 1], with its interval over images.

    correct_same, correct_rand: (N,) and (M,) bool. paired: image i of both shows the same object, so the interval is a
    percentile bootstrap over pairs (seeded); else the sets count as independent (Newcombe), which is wider.

    Raises ValueError for no images, for what is not bool, for pairs of different number, and for fewer than 1000
    resamples, too few for a percentile.
    """
    for part in (correct_same, correct_rand):
        if part.ndim != 1 or part.dtype != torch.bool or len(part) == 0:
            raise ValueError(f"BG-gap needs bool (N,) with N > 0, not {part.dtype} {tuple(part.shape)}")
    same, rand = int(correct_same.sum()), int(correct_rand.sum())
    n, m = len(correct_same), len(correct_rand)
    if not paired:
        return difference_interval(same, n, rand, m, confidence)
    if n != m:
        raise ValueError(f"BG-gap: {n} images of mixed_same and {m} of mixed_rand are no pairs")
    draw = np.random.default_rng(derive_seed(seed, "background-gap"))
    differences = (correct_same.long() - correct_rand.long()).numpy()
    return paired_bootstrap(differences, draw, resamples=resamples, confidence=confidence)
