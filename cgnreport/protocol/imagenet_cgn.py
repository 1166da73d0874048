"""Claim 1 on ImageNet itself: the authors' CGN, the study's, the classes of its figures, and Table 3.

The authors' file holds BigGAN and U2-Net, too. `imagenet_settings.blocked` says what is missing.
"""

import functools
import re
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgnlib.data.finding import find, require
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
from cgnlib.training.weights import fingerprint, load_tensors, save_tensors
from cgnreport.protocol import imagenet_settings
from cgnreport.protocol.experiments import GuardedStudy, Measured, Rows
from cgnreport.protocol.imagenet_settings import INCEPTIONS, TENSORFLOW, TORCHVISION
from cgnreport.protocol.parameters import Parameters
from cgnreport.protocol.rows import Number

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


def study_cgn(parameters: Parameters, device: str = "cuda") -> tuple[ImageNetCGN, Artefact]:
    """The CGN trained on ImageNet's networks as in the study (trained, resumed or loaded), in eval mode.

    Its length is that of the parameters. It starts from three copies of the published BigGAN; the study's took 30 hours
    on a GPU. Raises AssetError where a file is missing or damaged.
    """
    cgn, features = untrained_cgn(parameters), perceptual_features("vgg16", parameters.data_folder)
    shown, recipe = torch.tensor([class_index(name) for name in CLASSES]), imagenet_settings.cgn_recipe(parameters)
    return train_imagenet_cgn(cgn, recipe, features, parameters.seed, world="imagenet", device=device, shown=shown)


def untrained_cgn(parameters: Parameters) -> ImageNetCGN:
    """Three copies of the published BigGAN, and the published U2-Net. Raises AssetError as `study_cgn`."""
    teacher = biggan.load_published(require("biggan", parameters.data_folder))
    return ImageNetCGN(teacher, u2net.load_published(require("u2net", parameters.data_folder)), recompute=True)


def inception_networks(parameters: Parameters, device: str = "cpu") -> dict[str, nn.Module]:
    """Those of INCEPTIONS whose weights are at hand. Raises AssetError where a file is damaged."""
    from cgnlib.imagenet import inception  # here: torchvision's networks take seconds to import

    kinds, found = {TENSORFLOW: inception.TensorFlowInception, TORCHVISION: inception.TorchvisionInception}, {}
    for name, asset in INCEPTIONS.items():
        if path := find(asset, parameters.data_folder):
            found[name] = inception.load_inception(kinds[name](), path, device)
    return found


class Table3(NamedTuple):
    """What Table 3 says of a CGN by one network: Inception Scores of its images and its teacher's, and its masks."""

    ours: Inception
    teacher: Inception
    masks: MaskStatistics


def table_3(
    cgn: ImageNetCGN, networks: Mapping[str, nn.Module], folder: Path, *, n: int = 50_000, seed: int = 0
) -> dict[str, Table3]:
    """Table 3 by each network, of `n` images with tied labels at truncation 1.

    networks: images in [-1, 1] -> logits, by name. Logits are kept in `folder`, network by network and shard by shard,
    so that an interrupted measurement goes on; images are drawn once for all networks, and none is kept.
    """
    sampling, shards = Sampling(n, "tied", seed=seed), {name: [] for name in networks}
    for shard in tqdm(range(sampling.shards), desc="Table 3", unit="shard", leave=False):
        size = min(sampling.shard, sampling.n - shard * sampling.shard)
        files = {name: folder / place_of(name) / f"shard-{shard:05d}.safetensors" for name in networks}
        lacking = [name for name, file in files.items() if not _sound(file, size)]
        for name, tensors in _logits(cgn, {name: networks[name] for name in lacking}, sampling, shard).items():
            save_tensors(tensors, files[name])
        for name, file in files.items():
            shards[name].append(load_tensors(file, "Table 3", TABLE_3, size))
    found = {}
    for name, parts in shards.items():
        ours, theirs, area = (torch.cat([each[key] for each in parts]) for key in TABLE_3)
        found[name] = Table3(inception_score(ours), inception_score(theirs), mask_statistics(area))
    return found


def place_of(network: str) -> str:
    """The name of a network as that of a folder: "tensorflow-s-inception"."""
    return re.sub("[^a-z0-9]+", "-", network.lower())


def _sound(file: Path, n: int) -> bool:
    try:
        return bool(load_tensors(file, "Table 3", TABLE_3, n))
    except AssetError:  # not there, or damaged
        return False


@torch.inference_mode()
def _logits(
    cgn: ImageNetCGN, networks: Mapping[str, nn.Module], sampling: Sampling, shard: int
) -> dict[str, dict[str, Tensor]]:
    found: dict[str, list[tuple[Tensor, ...]]] = {name: [] for name in networks}
    for labels, u, parts in draw(cgn, sampling, shard) if networks else ():
        x_gt = cgn.teacher(u, F.one_hot(labels[:, 0], cgn.num_classes).float(), sampling.truncation)
        area = parts.mask.mean(dim=(1, 2, 3), keepdim=True).cpu()
        for name, network in networks.items():
            found[name].append((network(parts.image).cpu(), network(x_gt).cpu(), area))
    joined = {name: map(torch.cat, zip(*each, strict=True)) for name, each in found.items()}
    return {name: dict(zip(TABLE_3, tensors, strict=True)) for name, tensors in joined.items()}


def table_3_rows(parameters: Parameters, origin: str) -> list[Rows]:
    """Rows of Table 3 on ImageNet (experiment imagenet-is): of the CGN and of BigGAN, by each network of INCEPTIONS.

    origin: of the CGN, "authors" or "paper", which is `study_cgn`.
    """
    device = imagenet_settings.device(parameters) or "cpu"
    what = "table 3" if origin == "authors" else "training"

    @functools.cache
    def measured() -> tuple[dict[str, Table3], float | None]:
        networks, seconds = inception_networks(parameters, device), None  # opened before the training
        if origin == "authors":
            cgn = authors_cgn(parameters, device)
        else:
            cgn, artefact = study_cgn(parameters, device)
            seconds = artefact.seconds
        n, seed = parameters.imagenet.real_samples, parameters.seed
        folder = build_folder() / "artefacts" / "table-3" / f"{fingerprint(cgn)}-{n}-{seed}"
        return table_3(cgn, networks, folder, n=n, seed=seed), seconds

    def measure(network: str, method: str) -> Measured:
        needed(imagenet_settings.blocked(what, parameters, imagenet_settings.for_table_3(origin, network)))
        tables, seconds = measured()
        ours, teacher, masks = tables[network]
        if method == "biggan":
            return Measured([Number("inception-score", teacher.value, teacher.n, "score")])
        shares = {"mask/mean": masks.mean, "mask/deviation": masks.deviation}
        areas = [Number(metric, value, ours.n, "fraction") for metric, value in shares.items()]
        return Measured([Number("inception-score", ours.value, ours.n, "score"), *areas], seconds)

    study, found = GuardedStudy(parameters, device), list[Rows]()
    for network, method in product(INCEPTIONS, ("cgn", "biggan")):
        setting = imagenet_settings.table_3(parameters, method, origin, network)
        rows = study.rows(setting, lambda _, of=(network, method): measure(*of))
        names = imagenet_settings.for_table_3(origin, network)
        beside = network != TENSORFLOW and imagenet_settings.blocked(what, parameters, names)
        if not (beside and isinstance(rows, Blocked)):  # what the first network lacks is said once
            found.append(rows)
    return found
