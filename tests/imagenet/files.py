"""Files in the publishers' formats, with random weights and drawn pictures, in a data folder of their own.

`SIZES` decides how large networks are and how much is computed, for the test of all pages on ImageNet itself and for
the notebooks' kernels, which call `cut`.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from cgnlib.data import catalogue, folders
from cgnlib.imagenet import biggan, evaluation, u2net
from cgnlib.imagenet.biggan import BIGGAN_DEEP_256, BigGAN, BigGANConfig
from cgnlib.imagenet.cgn import ImageNetCGN
from cgnlib.imagenet.inception import TensorFlowInception, TorchvisionInception
from cgnlib.imagenet.names import CATEGORIES
from cgnlib.imagenet.u2net import FULL, U2Net, U2NetConfig, uniform
from cgnlib.randomness import generator


@dataclass(frozen=True)
class Sizes:
    """Networks, and how much of the photographs is trained on and read: every `thin`-th, in batches of `batch`."""

    biggan: BigGANConfig
    u2net: U2NetConfig
    thin: int
    batch: int
    accumulation: int


SMALL = BigGANConfig(
    resolution=64, channel_width=8, z_dim=8, class_embed_dim=8, num_classes=1000, n_stats=51,
    layers=((True, 4, 4), (True, 4, 2), (True, 2, 1), (True, 1, 1)), attention_position=1,
)  # fmt: skip
SIZES = {
    "small": Sizes(SMALL, uniform(mid=2, out=4), 125, 4, 1),
    "full": Sizes(BIGGAN_DEEP_256, FULL, 125, 4, 1),
}[os.environ.get("CGN_TEST_SIZES", "small")]
NINE = ("dog", "bird", "wheeled vehicle", "reptile", "carnivore", "insect", "musical instrument", "primate", "fish")


def cut() -> None:
    """In a kernel: networks of SIZES in place of the published ones, and fewer images; all else is the report's own."""
    from cgnreport.protocol import imagenet_cgn, imagenet_classifier, imagenet_settings

    biggan.BIGGAN_DEEP_256 = imagenet_cgn.BIGGAN_DEEP_256 = SIZES.biggan
    u2net.load_published.__defaults__ = (SIZES.u2net,)
    imagenet_cgn.U2Net = lambda: U2Net(SIZES.u2net)  # pyright: ignore[reportAttributeAccessIssue]
    evaluation.IMAGES_PER_CLASS = 0
    study = replace(imagenet_settings.STUDY_CGN, accumulation=SIZES.accumulation, batch_size=2)
    imagenet_settings.STUDY_CGN = study
    recipe = replace(imagenet_settings.STUDY_CLASSIFIER, batch_size=SIZES.batch)
    imagenet_settings.STUDY_CLASSIFIER = recipe
    whole = folders.imagenet_mini

    def thinned(*given, **more) -> folders.FolderSet:
        found = whole(*given, **more)
        return replace(found, paths=found.paths[:: SIZES.thin], labels=found.labels[:: SIZES.thin])

    imagenet_classifier.imagenet_mini = thinned
    unknown_hashes()


def unknown_hashes() -> None:
    """Of files that torch publishes, hashes are not asked: random weights have others."""
    loose = [replace(each, checksums=(), size=_size(each)) for each in catalogue.CATALOGUE]
    catalogue.CATALOGUE = tuple(replace(each, torch_hub=False) for each in loose)  # an older name has a hash, too


def _size(asset: catalogue.Asset) -> int:
    """Of a file its own size, if it is small: SIZES may be."""
    found = [Path(os.environ["CGN_DATA"]) / file for file in asset.files] if asset.is_file else []
    return next((file.stat().st_size for file in found if file.is_file()), asset.size)


def make(folder: Path) -> None:
    """Everything that the ImageNet half can use, laid out as the catalogue says."""
    from torchvision.models import resnet50, vgg16

    torch.manual_seed(0)
    (folder / "weights").mkdir(parents=True)
    (folder / "checkpoints").mkdir()
    gan, found = BigGAN(SIZES.biggan), U2Net(SIZES.u2net)
    with torch.no_grad():
        biggan.initialise(gan, generator(0, "files"))
    torch.save(gan.state_dict(), folder / catalogue.named("biggan").files[0])
    torch.save(found.state_dict(), folder / catalogue.named("u2net").files[0])
    whole = ImageNetCGN(gan, found).state_dict()
    torch.save({f"module.{name}": value for name, value in whole.items()}, folder / "weights" / "cgn.pth")
    networks = {"vgg16": vgg16(init_weights=False), "resnet50": resnet50()}
    networks |= {"inception-v3": TorchvisionInception().network, "inception-tf": TensorFlowInception().network}
    for name, network in networks.items():
        torch.save(network.state_dict(), folder / catalogue.named(name).files[0])
    photographs(folder)


def photographs(folder: Path) -> None:
    """ImageNet-mini, one picture a class, ImageNet-9, three a class, and all 1,280 stimuli.

    Among those of ImageNet-mini are a grey one, one in CMYK, one that a camera calls rotated, and a PNG named .JPEG.
    """
    draw = np.random.default_rng(0)

    def picture(file: Path, mode: str = "RGB", size: int = 80, kind: str | None = None, **more) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        channels = {"L": (), "RGB": (3,), "CMYK": (4,)}[mode]
        pixels = draw.integers(256, size=(size, size, *channels), dtype=np.uint8)
        Image.frombytes(mode, (size, size), pixels.tobytes()).save(file, kind, **more)

    turned = Image.Exif()
    turned[0x0112] = 6
    odd = {0: {"mode": "L"}, 125: {"mode": "CMYK"}, 250: {"exif": turned}, 375: {"kind": "PNG"}}
    for split in ("train", "val"):
        for label in range(1000):
            place = folder / "imagenet-mini" / split / f"n{label:08}"
            picture(place / f"n{label:08}_{split}.JPEG", **odd.get(label, {}))
    for name in ("original", "mixed_same", "mixed_rand"):
        for label, nine in enumerate(NINE):
            for i in range(3):
                picture(folder / "bg_challenge" / name / "val" / f"{label:02}_{nine}" / f"{i}.JPEG", size=224)
    for shape in CATEGORIES:
        for texture in CATEGORIES:
            for i in range(1, 6):
                picture(folder / "cue-conflict" / shape / f"{shape}{i}-{texture}{i}.png", size=224, compress_level=0)
