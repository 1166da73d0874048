"""ImageNet-9 and the background gap (Xiao et al. 2021; the study, Section 4.3, Tables 5 and 7): functions of tensors.

Accuracies are shares of the number of images: all published forks divide by batch size times number of batches, which
is too low by a factor up to the last batch's vacancies.
"""

import numpy as np
import torch
from torch import Tensor

from cgnlib.finite import decided, finite
from cgnlib.imagenet.names import N_CLASSES, NINE
from cgnlib.randomness import derive_seed
from cgnlib.statistics import Interval, difference_interval, paired_bootstrap, wilson_interval

UNMAPPED = -1


def check_logits(logits: Tensor) -> None:
    """Raises ValueError unless logits are (N, 1000) and finite."""
    if logits.ndim != 2 or logits.shape[1] != N_CLASSES:
        raise ValueError(f"logits must be (N, {N_CLASSES}), not {tuple(logits.shape)}")
    finite(logits, "logits")


def predict(logits: Tensor) -> Tensor:
    """Class (N,) int64 in 0..8 of the arg-max over all 1000 classes, -1 where that class is in none of the nine.

    logits: (N, 1000). Raises ValueError for another shape and for what is not finite.
    """
    check_logits(logits)
    to_nine = torch.full((N_CLASSES,), UNMAPPED)
    for label, indices in enumerate(NINE.values()):
        to_nine[list(indices)] = label
    return to_nine.to(logits.device)[decided(logits)]


def top_k(logits: Tensor, labels: Tensor, k: int) -> Interval:
    """Share of images whose label is among the k largest logits, in [0, 1], with a Wilson interval.

    logits: (N, 1000); labels: (N,) in 0..999. Raises ValueError for no images, other shapes or labels, what
    is not finite, and k outside 1..1000.
    """
    check_logits(logits)
    if labels.shape != (len(logits),):
        raise ValueError(f"{len(logits)} logits and labels of shape {tuple(labels.shape)}")
    if ((labels < 0) | (labels >= N_CLASSES)).any():
        raise ValueError(f"labels must lie in 0..{N_CLASSES - 1}")
    if not 1 <= k <= N_CLASSES:
        raise ValueError(f"k must lie in 1..{N_CLASSES}, not {k}")
    right = (logits.topk(k, dim=1).indices == labels[:, None]).any(dim=1)
    return wilson_interval(int(right.sum()), len(right))


def background_gap(
    correct_same: Tensor, correct_rand: Tensor, paired: bool, *, resamples: int = 10_000, seed: int = 0
) -> Interval:
    """BG-gap: accuracy on mixed_same minus accuracy on mixed_rand, in [-1, 1], with its 95 % interval over images.

    correct_same, correct_rand: (N,) and (M,) bool. paired: image i of both shows the same object, so the interval is a
    percentile bootstrap over pairs (seeded); else the sets count as independent (Newcombe), which is wider.

    Raises ValueError for no images, for what is not bool, for pairs of different number, and for fewer than 1000
    resamples, too few for a percentile.
    """
    for part in (correct_same, correct_rand):
        if part.ndim != 1 or part.dtype != torch.bool or len(part) == 0:
            raise ValueError(f"BG-gap needs bool (N,) with N > 0, not {part.dtype} {tuple(part.shape)}")
    n, m = len(correct_same), len(correct_rand)
    if not paired:
        return difference_interval(int(correct_same.sum()), n, int(correct_rand.sum()), m)
    if n != m:
        raise ValueError(f"BG-gap: {n} images of mixed_same and {m} of mixed_rand are no pairs")
    draw = np.random.default_rng(derive_seed(seed, "background-gap"))
    return paired_bootstrap((correct_same.long() - correct_rand.long()).numpy(), draw, resamples=resamples)
