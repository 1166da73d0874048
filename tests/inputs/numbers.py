"""NaN, infinities and values outside their range, which would otherwise decide, or be the best score."""

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cgnlib.finite import decided
from cgnlib.gradcam import grad_cam
from cgnlib.imagenet import evaluation, imagenet9, shape_bias
from cgnlib.imagenet.control import most
from cgnlib.images import LabelledImages, to_uint8
from cgnlib.mnist.classifier import predict
from cgnlib.mnist.control import mask_diversity
from cgnlib.statistics import Interval, Unit, mean_interval, paired_bootstrap, rank_correlation, wilson_interval
from cgnlib.statistics import within_margin as within
from cgnlib.toyworld.reader import Reader
from cgnreport.protocol.rows import Row
from tests.inputs.cases import Cases

cases = Cases("numbers")
NAN, INF = float("nan"), float("inf")
Patch = pytest.MonkeyPatch


def logits(value: float, everywhere: bool = False, images: int = 3, classes: int = 1000) -> torch.Tensor:
    """Zeros but for one image with one value, or with it everywhere."""
    found = torch.zeros(images, classes)
    found[1, slice(None) if everywhere else 7] = value
    return found


for name, value, everywhere, words in (
    ("nan", NAN, False, "a NaN"),
    ("inf", INF, False, "+inf, as half precision overflows"),
    ("minus-inf", -INF, True, "-inf everywhere"),
):
    for of, metric in (("shape bias", shape_bias.decisions), ("ImageNet-9", imagenet9.predict)):
        key = f"{of.split()[0].lower()}-{name}"
        cases.add(key, f"Logits with {words}, for {of}", lambda f, p, m=metric, v=value, e=everywhere: m(logits(v, e)))

labels = torch.zeros(3, dtype=torch.int64)
masks, broken = torch.zeros(2, 1, 4, 4), torch.full((2, 1, 4, 4), NAN)
normal = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))


def replaced(values: torch.Tensor, value: float) -> torch.Tensor:
    found = values.clone()
    found.view(-1)[3] = value
    return found


def blank(value: int = 0) -> LabelledImages:
    pixels, classes = torch.full((2, 3, 32, 32), value, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64)
    return LabelledImages(pixels, classes, classes, classes, "test", "test")


class Broken(nn.Module):
    """A network whose last layer overflowed."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 2, 3)
        nn.init.constant_(self.layer.weight, INF)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layer(images).mean(dim=(2, 3))


def reader_of_broken_weights(folder: Path, patch: Patch) -> object:
    reader = Reader(["shape"])
    nn.init.constant_(next(reader.parameters()), NAN)
    return reader.read(torch.zeros(2, 3, 64, 64))


def heat_maps(folder: Path, patch: Patch) -> object:
    network = Broken()
    return grad_cam(network, network.layer, torch.ones(1, 3, 8, 8), [lambda outputs: outputs[0]])


def row(**changes: Any) -> Row:
    given: dict[str, Any] = {"experiment": "mnist-ood", "dataset": "wildlife", "method": "cgn", "recipe": "robust"}
    given |= {"metric": "accuracy/test", "epoch": "last", "value": 80.0, "n": 100, "seed": 0, "profile": "quick"}
    return Row(**(given | {"data": "mnist-full", "params": {}} | changes))


ATTEMPTS = {
    "top-k": ("Logits with a NaN, for top-1 accuracy", lambda: imagenet9.top_k(logits(NAN), labels, 1)),
    "largest": ("Logits with a NaN, for a decision", lambda: decided(logits(NAN))),
    "classifier": ("A digit classifier that overflows", lambda: predict(Broken(), blank(1))),
    "inception": (
        "Logits with -inf, for an Inception Score",
        lambda: evaluation.inception_score(logits(-INF, images=50, classes=10)),
    ),
    "iou": ("Masks of NaN, whose overlap would be 1", lambda: evaluation.intersection_over_union(broken, masks)),
    "iou-true": ("True masks of NaN", lambda: evaluation.intersection_over_union(masks, broken)),
    "iou-range": ("Masks in [0, 255], for an overlap", lambda: evaluation.intersection_over_union(masks + 255, masks)),
    "mask-range": ("Masks in [-1, 1], for their area", lambda: evaluation.mask_statistics(masks - 1)),
    "mask-nan": ("Masks of NaN, for their area", lambda: evaluation.mask_statistics(broken)),
    "diversity": ("Masks of NaN, for their diversity", lambda: mask_diversity(broken[:, 0], torch.zeros(2))),
    "fid": ("Features with inf, for FID", lambda: evaluation.frechet_distance(normal, replaced(normal, INF))),
    "kid": ("Features with inf, for KID", lambda: evaluation.kernel_distance(normal, replaced(normal, INF))),
    "fid-overflow": (
        "Features so large that FID overflows",
        lambda: evaluation.frechet_distance(normal.double(), normal.double() * 1e200),
    ),
    "pairwise": (
        "Features with a NaN, for diversity",
        lambda: evaluation.pairwise_diversity(replaced(normal, NAN), torch.zeros(40)),
    ),
    "ranking": ("A NaN among what is ranked", lambda: most(torch.tensor([1.0, NAN]), 1)),
    "images": ("Generated images with a NaN", lambda: to_uint8(replaced(torch.zeros(1, 3, 4, 4), NAN))),
    "margin": ("A difference of NaN against a margin", lambda: within(Interval(NAN, NAN, NAN, Unit.CGNS), 1.0)),
    "mean": ("A seed without a number", lambda: mean_interval([1.0, NAN])),
    "bootstrap": (
        "Differences with a NaN",
        lambda: paired_bootstrap(np.array([0.0, NAN]), np.random.default_rng(0)),
    ),
    "ranks": ("A NaN in a correlation", lambda: rank_correlation([1, 2, 3, NAN], [1, 2, 3, 4])),
    "share": ("A share of no images", lambda: wilson_interval(0, 0)),
    "share-nan": ("A share of NaN images", lambda: wilson_interval(0, math.nan)),  # pyright: ignore[reportArgumentType]
    "row-nan": ("A result of NaN", lambda: row(value=NAN)),
    "row-range": ("An accuracy of 120 %", lambda: row(value=120.0)),
    "row-n": ("A result on no images", lambda: row(n=0)),
}
cases.add("reader", "A factor reader with weights of NaN", reader_of_broken_weights)
cases.add("gradcam", "A network that overflows, for GradCAM", heat_maps)
for name, (thing, attempt) in ATTEMPTS.items():
    cases.add(name, thing, partial(lambda attempt, folder, patch: attempt(), attempt))
