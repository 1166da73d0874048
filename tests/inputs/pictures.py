"""Pictures that are none, or too deep; folders in which something is missing or does not belong."""

from functools import partial
from pathlib import Path

import pytest
import torch
from PIL import Image

from cgnlib.data import folders
from cgnlib.data.catalogue import named
from cgnlib.data.folders import FolderSet, folder_set, imagenet_mini
from cgnlib.data.photographs import Photograph
from cgnlib.data.textures import find_textures
from cgnlib.imagenet import cue_conflict
from cgnlib.imagenet.names import CATEGORIES
from cgnlib.randomness import generator
from tests.inputs.cases import Cases

cases = Cases("pictures")
CLASSES = ("cat", "dog")
Patch = pytest.MonkeyPatch


def save(path: Path, mode: str = "RGB", size: int = 224, kind: str = "PNG") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (size, size), 9).save(path, kind)
    return path


def photographs(folder: Path) -> Path:
    """Two classes of two photographs each."""
    for name in CLASSES:
        for i in range(2):
            save(folder / name / f"{i}.png")
    return folder


def opened(folder: Path) -> FolderSet:
    return folder_set(folder, "photographs", "test", CLASSES, images=4)


def deep(mode: str, kind: str, folder: Path, patch: Patch) -> None:
    save(photographs(folder) / "cat" / "0.png", mode, kind=kind)
    opened(folder)


for mode, kind, words in (
    ("I;16", "PNG", "16 bits of grey, or 12 in 16"),
    ("I", "TIFF", "32-bit whole numbers"),
    ("F", "TIFF", "32-bit floating point"),
):
    cases.add(f"mode-{mode.replace(';', '')}", f"A photograph of {words}", partial(deep, mode, kind))


@cases("A texture of 16 bits")
def deep_texture(folder: Path, patch: Patch) -> None:
    for file in named("dtd").other_files[0]:
        save(folder / file, "I;16")
    find_textures(folder)


@cases("A cue-conflict stimulus in floating point")
def deep_stimulus(folder: Path, patch: Patch) -> None:
    next(cue_conflict.batches([cue_conflict.Stimulus(save(folder / "cat1-dog1.png", "F", kind="TIFF"), 0, 1)]))


@cases("A photograph's mask of 16 bits")
def deep_mask(folder: Path, patch: Patch) -> None:
    mask = save(folder / "mask.png", "I;16")
    Photograph(mask, mask, None, 0, "", "", "").mask()


@cases("A cue-conflict stimulus of another size")
def large_stimulus(folder: Path, patch: Patch) -> None:
    next(cue_conflict.batches([cue_conflict.Stimulus(save(folder / "cat1-dog1.png", size=512), 0, 1)]))


@cases("A photograph with more pixels than Pillow decodes")
def pixels(folder: Path, patch: Patch) -> None:
    photographs(folder)
    patch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    opened(folder)


def content(text: bytes, folder: Path, patch: Patch) -> None:
    (photographs(folder) / "dog" / "1.png").write_bytes(text)
    opened(folder)


cases.add("empty", "An empty file by a photograph's name", partial(content, b""))
cases.add("page", "A web page by a photograph's name", partial(content, b"<html>not found</html>"))


@cases("A photograph that breaks off, evaluated")
def cut(folder: Path, patch: Patch) -> None:
    torch.manual_seed(0)
    noise = torch.randint(256, (224, 224, 3), generator=generator(0, "test"), dtype=torch.uint8)
    file = photographs(folder) / "cat" / "0.png"
    Image.fromarray(noise.numpy()).save(file)
    file.write_bytes(file.read_bytes()[:5000])
    list(opened(folder).batches())


@cases("Photographs with other suffixes, and one half downloaded")
def suffixes(folder: Path, patch: Patch) -> None:
    save(photographs(folder) / "cat" / "2.webp")
    save(folder / "cat" / "3.jpg.part")
    opened(folder)


@cases("Photographs in folders within a class")
def nested(folder: Path, patch: Patch) -> None:
    save(photographs(folder) / "dog" / "more" / "2.png")
    opened(folder)


@cases("Photographs beside the class folders")
def flat(folder: Path, patch: Patch) -> None:
    save(photographs(folder) / "2.jpg")
    opened(folder)


@cases("A set of which half is lost")
def half(folder: Path, patch: Patch) -> None:
    for name in CLASSES:
        (photographs(folder) / name / "0.png").unlink()
        (folder / "cat" / "1.png").touch()
    save(folder / "cat" / "1.png")
    (folder / "dog" / "0.png").unlink(missing_ok=True)
    opened(folder)


@cases("A class folder without a photograph")
def empty_class(folder: Path, patch: Patch) -> None:
    for path in (photographs(folder) / "dog").iterdir():
        path.unlink()
    opened(folder)


@cases("A class folder that is not of the set")
def other_class(folder: Path, patch: Patch) -> None:
    save(photographs(folder) / "horse" / "0.png")
    opened(folder)


@cases("No folder of photographs")
def no_folder(folder: Path, patch: Patch) -> None:
    opened(folder / "nowhere")


@cases("ImageNet-mini without one of its classes")
def mini(folder: Path, patch: Patch) -> None:
    patch.setattr(folders, "N_CLASSES", 3)
    for split in ("train", "val"):
        for number in range(2):
            save(folder / "imagenet-mini" / split / f"n0000000{number}" / "0.png")
    imagenet_mini("train", folder)


@cases("ImageNet-mini with two photographs for each class")
def mini_part(folder: Path, patch: Patch) -> None:
    patch.setattr(folders, "N_CLASSES", 2)
    for split in ("train", "val"):
        for number in range(2):
            for i in range(2):
                save(folder / "imagenet-mini" / split / f"n0000000{number}" / f"{i}.png")
    imagenet_mini("val", folder)


@cases("A file that is no cue-conflict stimulus")
def stimulus_name(folder: Path, patch: Patch) -> None:
    save(folder / "cat" / "cat1-wolf1.png")
    cue_conflict.stimuli(folder)


@cases("Cue-conflict stimuli of which one is missing")
def few_stimuli(folder: Path, patch: Patch) -> None:
    for shape in CATEGORIES:
        (folder / shape).mkdir()
        for texture in CATEGORIES:
            for i in range(1, 6):
                (folder / shape / f"{shape}{i}-{texture}{i}.png").touch()
    (folder / "cat" / "cat1-dog1.png").unlink()
    cue_conflict.stimuli(folder)
