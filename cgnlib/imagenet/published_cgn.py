"""Claim 1 on ImageNet itself: the authors' CGN, what it takes to judge it, Figure 7's labels, and Table 3.

Their file holds BigGAN and U2-Net, too. Nothing here is downloaded; what is missing is said in words.
"""

from pathlib import Path
from typing import Any

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgnlib.features import perceptual_features
from cgnlib.imagenet import biggan, u2net
from cgnlib.imagenet.biggan import BIGGAN_DEEP_256, BigGAN
from cgnlib.imagenet.cgn import ImageNetCGN, load_published
from cgnlib.imagenet.evaluation import Inception, MaskStatistics, inception_score, mask_statistics
from cgnlib.imagenet.sampling import Sampling, draw
from cgnlib.imagenet.training import SEED, train_imagenet_cgn
from cgnlib.imagenet.u2net import U2Net
from cgnlib.parameters import StudyParameters
from cgnlib.progress import tqdm
from cgnlib.registry import missing, require
from cgnlib.results import Row, keep
from cgnlib.training import Artefact
from cgnlib.verdicts import code_and_rules

IMAGES = 50_000  # of Table 3, as published; one split
INCEPTION_SIZE = 299
# Classes of Figures 8 to 12; the seed's "boat" is not a class of ImageNet.
CLASSES = ("speedboat", "lemon", "cauliflower", "spider web", "bee", "dragonfly")
# Figure 7, row by row: shape, texture, background, by torchvision's names. The seed's "monarch butterfly" is "monarch".
TRIPLES = (
    ("vase", "golden retriever", "black and gold garden spider"),
    ("wine bottle", "king penguin", "beaver"),
    ("hartebeest", "red wolf", "drake"),
    ("wardrobe", "bookshop", "valley"),
    ("mushroom", "agaric", "breakwater"),
    ("toaster", "jack-o'-lantern", "jackfruit"),
    ("tub", "ambulance", "valley"),
    ("drake", "megalith", "paddle"),
    ("tripod", "fire engine", "beaver"),
    ("sweatshirt", "head cabbage", "cliff"),
    ("drake", "tennis ball", "breakwater"),
    ("ostrich", "golden retriever", "geyser"),
    ("tripod", "plastic bag", "rock crab"),
    ("ostrich", "monarch", "grey whale"),
    ("orange", "analog clock", "viaduct"),
    ("red wine", "golden retriever", "ostrich"),
)
NEEDED = {
    "samples": ("authors-imagenet",),
    "table 3": ("authors-imagenet", "inception-v3"),
    "training": ("biggan", "u2net", "vgg16", "inception-v3"),
}


def why_not(what: str, parameters: StudyParameters) -> str:
    """Why "samples", "table 3" or "training" is not done on ImageNet, and how to get what is missing; "" if it can be.

    Raises AssetError where a file is there, but damaged.
    """
    reasons = [missing(NEEDED[what], parameters.data_folder)]
    if what != "samples" and not torch.cuda.is_available():
        reasons.append("missing a CUDA device: 256 x 256 images of four BigGAN-deep generators take days without one")
    if parameters.profile != "paper":
        reasons.append(f"not part of scale {parameters.profile}: run scale paper")
    return "; ".join(reason for reason in reasons if reason)


def class_index(name: str) -> int:
    """ImageNet-1k index of a class by torchvision's name, the first where two share it. Raises ValueError."""
    from torchvision.models import ResNet50_Weights

    names = ResNet50_Weights.IMAGENET1K_V1.meta["categories"]
    if name not in names:
        raise ValueError(f"unknown ImageNet class {name!r}")
    return names.index(name)


def classes() -> tuple[list[int], list[str]]:
    """ImageNet-1k indices and names of CLASSES."""
    return [class_index(name) for name in CLASSES], list(CLASSES)


def triples() -> list[tuple[int, int, int]]:
    """ImageNet-1k indices of TRIPLES."""
    return [(class_index(shape), class_index(texture), class_index(scene)) for shape, texture, scene in TRIPLES]


def authors_cgn(parameters: StudyParameters, device: str = "cpu") -> ImageNetCGN:
    """The CGN of the authors' file in eval mode. Raises AssetError where it is missing or damaged."""
    path = require("authors-imagenet", parameters.data_folder)
    return load_published(path, ImageNetCGN(BigGAN(BIGGAN_DEEP_256), U2Net())).to(device)


def seed_cgn(parameters: StudyParameters, device: str = "cuda") -> tuple[ImageNetCGN, Artefact]:
    """The CGN trained on ImageNet's networks with the seed's settings (trained, resumed or loaded), in eval mode.

    It starts from three copies of the published BigGAN; the seed's took 30 hours on a GPU. Raises AssetError where a
    file is missing or damaged.
    """
    teacher = biggan.load_published(require("biggan", parameters.data_folder))
    cgn = ImageNetCGN(teacher, u2net.load_published(require("u2net", parameters.data_folder)), recompute=True)
    features = perceptual_features("vgg16")
    return train_imagenet_cgn(cgn, SEED, features, parameters.seed, world="imagenet", device=device)


def inception_network(path: Path, device: str = "cpu") -> nn.Module:
    """torchvision's Inception-v3: images (B, 3, R, R) in [-1, 1] -> logits (B, 1000). Not TensorFlow's network."""
    from torchvision.models import inception_v3

    network = inception_v3(weights=None, init_weights=False, transform_input=False)
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval().requires_grad_(False).to(device)


@torch.inference_mode()
def table_3(
    cgn: ImageNetCGN, network: nn.Module, name: str, n: int = IMAGES, seed: int = 0, size: int | None = INCEPTION_SIZE
) -> tuple[Inception, Inception, MaskStatistics]:
    """Inception Score of the CGN and of its teacher, and its masks, on `n` images with tied labels at truncation 1.

    network: images in [-1, 1], resized to `size`, -> logits; name: of it. No image is kept.
    """
    ours, theirs, areas = [], [], []
    sampling = Sampling(n, "tied", seed=seed)
    with tqdm(total=n, desc="Table 3", unit="image", leave=False) as progress:
        for shard in range(sampling.shards):
            for labels, u, parts in draw(cgn, sampling, shard):
                x_gt = cgn.teacher(u, F.one_hot(labels[:, 0], cgn.num_classes).float(), sampling.truncation)
                ours.append(network(_resized(parts.image, size)).cpu())
                theirs.append(network(_resized(x_gt, size)).cpu())
                areas.append(parts.mask.mean(dim=(1, 2, 3), keepdim=True).cpu())
                progress.update(len(labels))
    scores = [inception_score(torch.cat(each), network=name, truncation=1.0) for each in (ours, theirs)]
    return scores[0], scores[1], mask_statistics(torch.cat(areas))


def _resized(images: Tensor, size: int | None) -> Tensor:
    if size is None:
        return images
    return F.interpolate(images, size=(size, size), mode="bilinear", antialias=True)


def table_3_rows(parameters: StudyParameters, recipe: str, device: str = "cuda") -> pd.DataFrame:
    """Table 3 on ImageNet, kept in the results (imagenet-is). recipe: "authors", or "paper" for `seed_cgn`."""
    network = inception_network(require("inception-v3", parameters.data_folder), device)
    cgn = authors_cgn(parameters, device) if recipe == "authors" else seed_cgn(parameters, device)[0]
    ours, theirs, masks = table_3(cgn, network, "torchvision's Inception-v3", seed=parameters.seed)
    values = {
        ("cgn", recipe, "inception-score", "score"): ours.value,
        ("biggan", "-", "inception-score", "score"): theirs.value,
        ("cgn", recipe, "mask/mean", "fraction"): masks.mean,
        ("cgn", recipe, "mask/deviation", "fraction"): masks.deviation,
    }
    params = {"cgn_seed": parameters.seed} if recipe == "paper" else {}
    common: dict[str, Any] = {
        "experiment": "imagenet-is",
        "dataset": "imagenet",
        "n": ours.n,
        "seed": parameters.seed,
        "profile": parameters.profile,
        "data": "biggan-deep-256",
        "params": params | {"splits": ours.splits, "truncation": ours.truncation, "network": ours.network},
        "device": device,
        "code": code_and_rules("imagenet"),
    }
    return keep(
        Row(**common, method=method, recipe=origin, metric=metric, unit=unit, value=value)
        for (method, origin, metric, unit), value in values.items()
    )
