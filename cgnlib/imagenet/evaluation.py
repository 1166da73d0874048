"""Measures of the ImageNet CGN (seed, Section 3.4.1, Table 3), pure functions of tensors.

Too few images for a measure is an error, never a quieter number.
"""

import warnings
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cgnlib.randomness import derive_seed

LOG_FLOOR = -80.0  # of log-probabilities, in nats: exp underflows in float32 below -87, and 0 * log 0 would be NaN
# Of each class that a split of an Inception Score needs: Salimans et al. (2016) take splits of 5,000 images for 1,000
# classes. With fewer the score is biased: the estimated p(y) follows the images that it is compared with.
IMAGES_PER_CLASS = 5
MASK_LEVEL = 0.5  # mask values above it are object


@dataclass(frozen=True)
class Inception:
    """An Inception Score with what it depends on: scores with another network, n, splits or truncation differ."""

    value: float  # mean over splits, in [1, classes]
    deviation: float | None  # standard deviation over splits; None for one split
    network: str
    classes: int
    n: int
    splits: int
    truncation: float


def inception_score(logits: Tensor, *, network: str, truncation: float, splits: int = 1, seed: int = 0) -> Inception:
    """exp of the mean KL divergence of p(y | x) from p(y) (Salimans et al. 2016), through torchmetrics.

    logits: (N, classes) of `network` for images of uniform classes made at `truncation`. The images are shuffled with
    `seed` before they are split (the seed paper: 50,000 images, one split); the global generator stays as it was.

    Raises ValueError when a split would hold fewer than IMAGES_PER_CLASS images per class, since p(y) is estimated from
    them; when the splits differ in size; and for logits that give no probabilities.
    """
    from torchmetrics.image.inception import InceptionScore  # here: to import it takes seconds

    n, classes = _matrix(logits, "logits")
    least = IMAGES_PER_CLASS * classes
    if splits < 1 or n < splits * least or n % splits:
        raise ValueError(
            f"Inception Score: {n} images do not make {splits} equal splits of at least {least}, "
            f"{IMAGES_PER_CLASS} for each of the {classes} classes of {network}; it needs {max(splits, 1) * least} "
            f"images or more, divisible by {splits}"
        )
    predictions = logits.detach().cpu().float().log_softmax(dim=1)
    if predictions.isnan().any():
        image = int(predictions.isnan().any(dim=1).nonzero()[0])
        raise ValueError(f"Inception Score: the logits of {network} for image {image} are no prediction (NaN or inf)")
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        torch.default_generator.manual_seed(
            derive_seed(seed, "inception-score")
        )  # compute() shuffles with the global generator
        warnings.filterwarnings("ignore", message="Metric `InceptionScore` will save all extracted features")
        warnings.filterwarnings("ignore", message=r"std\(\): degrees of freedom")  # one split has no deviation
        metric = InceptionScore(feature=nn.Identity(), splits=splits)
        metric.update(predictions.clamp(min=LOG_FLOOR))
        mean, deviation = metric.compute()
    return Inception(mean.item(), deviation.item() if splits > 1 else None, network, classes, n, splits, truncation)


@dataclass(frozen=True)
class MaskStatistics:
    """mu_mask: mean over images of the mean mask value, in [0, 1], and the standard deviation over images."""

    mean: float
    deviation: float
    n: int


def mask_statistics(masks: Tensor) -> MaskStatistics:
    """masks: (N, 1, H, W) in [0, 1]. Raises ValueError for fewer than 2 masks and for values outside [0, 1]."""
    _check_masks(masks)
    if len(masks) < 2:
        raise ValueError(f"mask statistics need at least 2 masks, got {len(masks)}")
    if not (masks.min() >= 0 and masks.max() <= 1):
        raise ValueError("mask statistics: values must lie in [0, 1]")
    areas = masks.double().mean(dim=(1, 2, 3))
    return MaskStatistics(areas.mean().item(), areas.std().item(), len(masks))


def intersection_over_union(masks: Tensor, true_masks: Tensor) -> Tensor:
    """Overlap of the objects (mask > 0.5) of each pair of masks: (N,) in [0, 1]; 1 where both are empty.

    masks, true_masks: (N, 1, H, W) in [0, 1] or bool. Raises ValueError for shapes that do not match.
    """
    _check_masks(masks)
    if masks.shape != true_masks.shape:
        raise ValueError(f"IoU: masks are {tuple(masks.shape)}, true masks {tuple(true_masks.shape)}")
    found, true = masks > MASK_LEVEL, true_masks > MASK_LEVEL
    both, either = ((found & true).sum(dim=(1, 2, 3)), (found | true).sum(dim=(1, 2, 3)))
    return torch.where(either == 0, 1.0, both / either.clamp(min=1))


class _Given(nn.Identity):
    """Features that were computed before, for torchmetrics."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features


def frechet_distance(features_a: Tensor, features_b: Tensor) -> float:
    """Squared Frechet distance of the normal distributions fitted to two sets of features (FID, Heusel et al. 2017).

    features: (N, D) each, of any network, computed in float64 through torchmetrics; in squared units of the features.

    Raises ValueError for fewer than 2 D images in a set, of which no covariance matrix can be estimated (it is singular
    up to N = D), and for features that differ in width or are not finite.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance  # here: to import it takes seconds

    (n_a, width), (n_b, other) = _matrix(features_a, "features"), _matrix(features_b, "features")
    if width != other:
        raise ValueError(f"Frechet distance: features have {width} and {other} dimensions")
    if min(n_a, n_b) < 2 * width:
        raise ValueError(
            f"Frechet distance: {min(n_a, n_b)} images are too few for {width} features; it needs {2 * width} or more"
        )
    a, b = features_a.detach().cpu().double(), features_b.detach().cpu().double()
    if not (a.isfinite().all() and b.isfinite().all()):
        raise ValueError("Frechet distance: features are not finite")
    metric = FrechetInceptionDistance(feature=_Given(width))
    # torchmetrics subtracts squares of means from mean squares: features far from 0 would lose their digits.
    centre = a.mean(dim=0)
    metric.update(a - centre, real=True)
    metric.update(b - centre, real=False)
    return max(0.0, metric.compute().item())


def pairwise_diversity(features: Tensor, labels: Tensor) -> float:
    """Mean Euclidean distance between features of two images of one class: over pairs, then over classes.

    features: (N, D); labels: (N,) integers; in units of the features, 0 where each class shows one image only (mode
    collapse). Raises ValueError for a class of fewer than 2 images and for lengths that do not match.
    """
    n, _ = _matrix(features, "features")
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
