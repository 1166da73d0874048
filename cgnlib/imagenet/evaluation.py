"""Measures of the ImageNet CGN (the study, Section 3.4.1, Table 3), pure functions of tensors.

Too few images for a measure is an error, never a quieter number.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from cgnlib.finite import finite, shares
from cgnlib.randomness import generator

LOG_FLOOR = -80.0  # of log-probabilities, in nats: exp underflows in float32 below -87, and 0 * log 0 would be NaN
# Of each class that a split of an Inception Score needs: Salimans et al. (2016) take splits of 5,000 images for 1,000
# classes. With fewer the score is biased: the estimated p(y) follows the images that it is compared with.
IMAGES_PER_CLASS = 5
OBJECT_LEVEL = 0.5  # mask values above it are object


class Inception(NamedTuple):
    """An Inception Score. Scores of other networks, numbers of images or splits, or truncations cannot be compared."""

    value: float  # mean over splits, in [1, classes]
    deviation: float | None  # standard deviation over splits; None for one split
    n: int  # images


def inception_score(logits: Tensor, splits: int = 1, seed: int = 0) -> Inception:
    """exp of the mean over images of the KL divergence of p(y | x) from p(y), in nats (Salimans et al. 2016).

    logits: (N, classes) that a classifier gives to images of uniform classes. Images are shuffled with `seed` before
    they are split (the study: 50,000 images, one split).

    Raises ValueError when a split would hold fewer than IMAGES_PER_CLASS images per class, since p(y) is estimated from
    them; when the splits differ in size; and for logits that are not finite.
    """
    n, classes = _matrix(logits, "logits")
    least = IMAGES_PER_CLASS * classes
    if splits < 1 or n < splits * least or n % splits:
        raise ValueError(
            f"Inception Score: {n} images do not make {splits} equal splits of at least {least}, {IMAGES_PER_CLASS} "
            f"for each of {classes} classes; it needs {max(splits, 1) * least} images or more, divisible by {splits}"
        )
    logits = finite(logits.detach().cpu().float(), "Inception Score: logits").log_softmax(dim=1)
    order = torch.randperm(n, generator=generator(seed, "inception-score"))
    scores = []
    for part in logits.clamp(min=LOG_FLOOR)[order].chunk(splits):
        p = part.softmax(dim=1)  # p(y | x)
        divergence = p * (part.log_softmax(dim=1) - p.mean(dim=0, keepdim=True).log())
        scores.append(divergence.sum(dim=1).mean().exp())
    found = torch.stack(scores)
    return Inception(found.mean().item(), found.std().item() if splits > 1 else None, n)


class MaskStatistics(NamedTuple):
    """mu_mask: mean over images of the mean mask value, in [0, 1], and the standard deviation over images."""

    mean: float
    deviation: float


def mask_statistics(masks: Tensor) -> MaskStatistics:
    """masks: (N, 1, H, W) in [0, 1]. Raises ValueError for fewer than 2 masks and for values outside [0, 1]."""
    _check_masks(masks)
    if len(masks) < 2:
        raise ValueError(f"mask statistics need at least 2 masks, got {len(masks)}")
    areas = shares(masks, "mask statistics").double().mean(dim=(1, 2, 3))
    return MaskStatistics(areas.mean().item(), areas.std().item())


def intersection_over_union(masks: Tensor, true_masks: Tensor) -> Tensor:
    """Overlap of the objects (mask > 0.5) of each pair of masks: (N,) in [0, 1]; 1 where both are empty.

    masks, true_masks: (N, 1, H, W) in [0, 1] or bool. Raises ValueError for shapes that do not match and for
    other values.
    """
    _check_masks(masks)
    if masks.shape != true_masks.shape:
        raise ValueError(f"IoU: masks are {tuple(masks.shape)}, true masks {tuple(true_masks.shape)}")
    found, true = shares(masks, "IoU: masks") > OBJECT_LEVEL, shares(true_masks, "IoU: true masks") > OBJECT_LEVEL
    both, either = ((found & true).sum(dim=(1, 2, 3)), (found | true).sum(dim=(1, 2, 3)))
    return torch.where(either == 0, 1.0, both / either.clamp(min=1))


def likeness(part: Tensor, x_gt: Tensor, where: Tensor) -> Tensor:
    """How like the teacher's image a part is in one region, compared with elsewhere: (N,) in [-1, 1].

    Mean absolute difference of colours elsewhere minus that in the region, over their sum: above 0 the part repeats the
    teacher's image there more than elsewhere, at 1 it is the very image there. NaN where either region is empty.
    part, x_gt: (N, 3, R, R) in [-1, 1]; where: (N, 1, R, R) bool. Raises ValueError for values that are not finite.
    """
    error = (finite(part, "likeness: part") - finite(x_gt, "likeness: x_gt")).abs().mean(dim=1, keepdim=True)
    there, beside = ((error * side).sum(dim=(1, 2, 3)) / side.sum(dim=(1, 2, 3)) for side in (where, ~where))
    return (beside - there) / (beside + there).clamp(min=1e-6)


def frechet_distance(features_a: Tensor, features_b: Tensor) -> float:
    """Squared Frechet distance of the normal distributions fitted to two sets of features (FID, Heusel et al. 2017).

    features: (N, D) each, of any network; in squared units of the features, computed in float64.

    Raises ValueError for fewer than 2 D images in a set, of which no covariance matrix can be estimated (it is singular
    up to N = D), and for features that differ in width or are not finite.
    """
    (n_a, width), (n_b, other) = _matrix(features_a, "features"), _matrix(features_b, "features")
    if width != other:
        raise ValueError(f"Frechet distance: features have {width} and {other} dimensions")
    if min(n_a, n_b) < 2 * width:
        raise ValueError(
            f"Frechet distance: {min(n_a, n_b)} images are too few for {width} features; it needs {2 * width} or more"
        )
    a, b = (finite(each.detach().cpu(), "Frechet distance: features").double() for each in (features_a, features_b))
    centre = a.mean(dim=0)  # squares of means are subtracted below: far from 0, features would lose their digits
    (mean_a, covariance_a), (mean_b, covariance_b) = _normal(a - centre), _normal(b - centre)
    product = finite(covariance_a @ covariance_b, "Frechet distance: product of covariances")
    # The trace of the square root of the product is the sum of the square roots of its eigenvalues.
    shared = torch.linalg.eigvals(product).sqrt().real.sum()
    spread = covariance_a.trace() + covariance_b.trace()
    distance = (mean_a - mean_b).square().sum() + spread - 2 * shared
    return max(0.0, finite(distance, "Frechet distance").item())  # max(0.0, NaN) would be 0.0, the best


def _normal(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (1, D) and covariance (D, D) of features (N, D)."""
    n, mean = len(features), features.sum(dim=0, keepdim=True) / len(features)
    return mean, (features.T @ features - n * (mean.T @ mean)) / (n - 1)


def kernel_distance(features_a: Tensor, features_b: Tensor, block: int = 1000) -> float:
    """Squared maximum mean discrepancy of two sets of features (KID, Binkowski et al. 2018); unlike FID without bias.

    features: (N, D) each, as many of both; kernel (x . y / D + 1)^3. Taken over blocks of `block` images in their order
    and averaged, in float64; about 0, below it too, for sets of one distribution.

    Raises ValueError for fewer than 2 images, for more than a block that are no whole blocks, for sets of other sizes
    or widths, and for what is not finite.
    """
    (n, width), other = _matrix(features_a, "features"), _matrix(features_b, "features")
    if (n, width) != other or n < 2:
        raise ValueError(f"kernel distance: features are {(n, width)} and {other}; two sets of one size are needed")
    if n > block and n % block:
        raise ValueError(
            f"kernel distance: {n} images are no whole blocks of {block}; take {n - n % block}, or one block"
        )
    both = [finite(each.detach().cpu(), "kernel distance: features").double() for each in (features_a, features_b)]
    size, found = min(block, n), []
    for start in range(0, n - size + 1, size):
        a, b = (each[start : start + size] for each in both)
        own_a, own_b, across = (((x @ y.T) / width + 1) ** 3 for x, y in ((a, a), (b, b), (a, b)))
        pairs = sum(own.sum() - own.diagonal().sum() for own in (own_a, own_b))
        found.append(pairs / (size * (size - 1)) - 2 * across.mean())
    return torch.stack(found).mean().item()


def pairwise_diversity(features: Tensor, labels: Tensor) -> float:
    """Mean Euclidean distance between features of two images of one class: over pairs, then over classes.

    features: (N, D); labels: (N,) integers; in units of the features, 0 where each class shows one image only (mode
    collapse). Raises ValueError for a class of fewer than 2 images, for lengths that do not match, and for what is not
    finite.
    """
    n, _ = _matrix(finite(features, "pairwise diversity: features"), "features")
    if labels.shape != (n,):
        raise ValueError(f"pairwise diversity: {n} features and labels of shape {tuple(labels.shape)}")
    classes, counts = labels.unique(return_counts=True)
    if n == 0 or counts.min() < 2:
        few = classes[counts < 2].tolist()
        raise ValueError(f"pairwise diversity needs 2 images of each class; classes with fewer: {few}")
    distances = [torch.pdist(features[labels == label].double()).mean() for label in classes]
    return torch.stack(distances).mean().item()


def _matrix(values: Tensor, what: str) -> tuple[int, int]:
    """Shape of a matrix; ValueError for anything else."""
    if values.ndim != 2:
        raise ValueError(f"{what} must be (N, D), not {tuple(values.shape)}")
    return values.shape[0], values.shape[1]


def _check_masks(masks: Tensor) -> None:
    if masks.ndim != 4 or masks.shape[1] != 1:
        raise ValueError(f"masks must be (N, 1, H, W), not {tuple(masks.shape)}")
