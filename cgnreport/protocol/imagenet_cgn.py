"""Claim 1 on ImageNet itself: the authors' CGN, the study's, Figure 7's labels, and Table 3.

The authors' file holds BigGAN and U2-Net, too. `imagenet_settings.blocked` says what is missing.
"""

import functools
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgnlib.data.finding import require
from cgnlib.errors import AssetError, Blocked, known, needed
from cgnlib.features import perceptual_features
from cgnlib.imagenet import biggan, u2net
from cgnlib.imagenet.biggan import BIGGAN_DEEP_256, BigGAN
from cgnlib.imagenet.cgn import ImageNetCGN, load_published
from cgnlib.imagenet.evaluation import Inception, MaskStatistics, inception_score, mask_statistics
from cgnlib.imagenet.sampling import Sampling, draw
from cgnlib.imagenet.training import train_imagenet_cgn
from cgnlib.imagenet.u2net import U2Net
from cgnlib.paths import build_folder
from cgnlib.progress import tqdm
from cgnlib.training.artefact import Artefact
from cgnlib.training.weights import fingerprint, load_state, load_tensors, save_tensors
from cgnreport.protocol import imagenet_settings
from cgnreport.protocol.experiments import Measured, Rows, Study
from cgnreport.protocol.parameters import Parameters
from cgnreport.protocol.rows import Number

INCEPTION_SIZE = 299
TABLE_3 = ("cgn", "teacher", "area")  # what a shard holds: logits of both networks' images, share of each mask
# Classes of Figures 8 to 12; the study's "boat" is not a class of ImageNet.
CLASSES = ("speedboat", "lemon", "cauliflower", "spider web", "bee", "dragonfly")
# Figure 7, row by row: shape, texture, background, by torchvision's names. Its "monarch butterfly" is "monarch".
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


def class_index(name: str) -> int:
    """ImageNet-1k index of a class by torchvision's name, the first where two share it. Raises ValueError."""
    from torchvision.models import ResNet50_Weights

    names = ResNet50_Weights.IMAGENET1K_V1.meta["categories"]
    return names.index(known("ImageNet class", name, names))


def authors_cgn(parameters: Parameters, device: str = "cpu") -> ImageNetCGN:
    """The CGN of the authors' file in eval mode. Raises AssetError where it is missing or damaged."""
    path = require("authors-imagenet", parameters.data_folder)
    return load_published(path, ImageNetCGN(BigGAN(BIGGAN_DEEP_256), U2Net())).to(device)


def shown_cgn(parameters: Parameters) -> ImageNetCGN | Blocked:
    """The authors' CGN for a page's samples; Blocked where it is not asked for, missing, damaged or another network."""
    try:
        return imagenet_settings.blocked("samples", parameters) or authors_cgn(parameters)
    except AssetError as error:
        return Blocked(str(error).rstrip("."))


def study_cgn(parameters: Parameters, device: str = "cuda") -> tuple[ImageNetCGN, Artefact]:
    """The CGN trained on ImageNet's networks as in the study (trained, resumed or loaded), in eval mode.

    Its length is that of the parameters. It starts from three copies of the published BigGAN; the study's took 30 hours
    on a GPU. Raises AssetError where a file is missing or damaged.
    """
    teacher = biggan.load_published(require("biggan", parameters.data_folder))
    cgn = ImageNetCGN(teacher, u2net.load_published(require("u2net", parameters.data_folder)), recompute=True)
    features, recipe = perceptual_features("vgg16"), imagenet_settings.cgn_recipe(parameters)
    return train_imagenet_cgn(cgn, recipe, features, parameters.seed, world="imagenet", device=device)


def inception_network(path: Path, device: str = "cpu") -> nn.Module:
    """torchvision's Inception-v3: images (B, 3, R, R) in [-1, 1] -> logits (B, 1000). Not TensorFlow's network."""
    from torchvision.models import inception_v3

    network = inception_v3(weights=None, init_weights=False, transform_input=False)
    load_state(network, path, "Inception-v3")
    return network.eval().requires_grad_(False).to(device)


def table_3(
    cgn: ImageNetCGN,
    network: nn.Module,
    folder: Path,
    *,
    n: int = 50_000,
    seed: int = 0,
    size: int | None = INCEPTION_SIZE,
) -> tuple[Inception, Inception, MaskStatistics]:
    """Inception Score of a CGN and of its teacher, and its masks, on `n` images with tied labels at truncation 1.

    network: images in [-1, 1], resized to `size`, -> logits. Logits are kept in `folder`, shard by shard,
    so that an interrupted measurement goes on; no image is kept.
    """
    sampling, shards = Sampling(n, "tied", seed=seed), []
    for shard in tqdm(range(sampling.shards), desc="Table 3", unit="shard", leave=False):
        file = folder / f"shard-{shard:05d}.safetensors"
        n = min(sampling.shard, sampling.n - shard * sampling.shard)
        try:
            shards.append(load_tensors(file, "Table 3", TABLE_3, n))
        except AssetError:  # not there, or damaged
            save_tensors(_logits(cgn, network, sampling, shard, size), file)
            shards.append(load_tensors(file, "Table 3", TABLE_3, n))
    ours, theirs, area = (torch.cat([each[key] for each in shards]) for key in TABLE_3)
    scores = [inception_score(each) for each in (ours, theirs)]
    return scores[0], scores[1], mask_statistics(area)


@torch.inference_mode()
def _logits(
    cgn: ImageNetCGN, network: nn.Module, sampling: Sampling, shard: int, size: int | None
) -> dict[str, Tensor]:
    def read(images: Tensor) -> Tensor:
        if size is not None:
            images = F.interpolate(images, size=(size, size), mode="bilinear", antialias=True)
        return network(images).cpu()

    found = []
    for labels, u, parts in draw(cgn, sampling, shard):
        x_gt = cgn.teacher(u, F.one_hot(labels[:, 0], cgn.num_classes).float(), sampling.truncation)
        found.append((read(parts.image), read(x_gt), parts.mask.mean(dim=(1, 2, 3), keepdim=True).cpu()))
    return dict(zip(TABLE_3, map(torch.cat, zip(*found, strict=True)), strict=True))


def table_3_rows(parameters: Parameters, origin: str) -> list[Rows]:
    """Rows of Table 3 on ImageNet (experiment imagenet-is): of the CGN and of BigGAN.

    origin: of the CGN, "authors" or "paper", which is `study_cgn`.
    """
    device = imagenet_settings.device(parameters) or "cpu"

    @functools.cache
    def measured() -> dict[str, Measured]:
        needed(imagenet_settings.blocked("table 3" if origin == "authors" else "training", parameters))
        network, seconds = inception_network(require("inception-v3", parameters.data_folder), device), None
        if origin == "authors":
            cgn = authors_cgn(parameters, device)
        else:
            cgn, artefact = study_cgn(parameters, device)
            seconds = artefact.seconds
        n, seed = parameters.imagenet.real_samples, parameters.seed
        folder = build_folder() / "artefacts" / "table-3" / f"{fingerprint(cgn)}-{n}-{seed}"
        *scores, masks = table_3(cgn, network, folder, n=n, seed=seed)
        ours, theirs = (Number("inception-score", score.value, score.n, "score") for score in scores)
        shares = {"mask/mean": masks.mean, "mask/deviation": masks.deviation}
        areas = [Number(metric, value, ours.n, "fraction") for metric, value in shares.items()]
        return {"cgn": Measured([ours, *areas], seconds), "biggan": Measured([theirs])}

    settings = [imagenet_settings.table_3(parameters, method, origin) for method in ("cgn", "biggan")]
    return [Study(parameters, device).rows(each, lambda _, of=each.method: measured()[of]) for each in settings]
