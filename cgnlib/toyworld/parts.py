"""The toy world's pre-trained parts, as shipped in `weights/toyworld` or, where they are not, trained here.

`python -m cgnlib.toyworld` (or `make pretrain`) trains them, resumes where it was interrupted, says how good they are,
and with --ship puts them into `weights/toyworld`.
"""

import argparse
import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from cgnlib.fetching import AssetError
from cgnlib.imagenet.biggan import BigGAN
from cgnlib.imagenet.u2net import U2Net
from cgnlib.paths import atomic_file, file_sha256, project_root
from cgnlib.toyworld import quality
from cgnlib.toyworld.pretraining import (
    CLASSIFIER,
    ORACLE,
    BigGANRecipe,
    SaliencyRecipe,
    train_biggan,
    train_reader,
    train_saliency,
)
from cgnlib.toyworld.reader import Reader
from cgnlib.training import Artefact, TrainingStopped, freeze, load_state

SEED = 0  # of all shipped parts
QUALITY_IMAGES = 2_000
JUDGES = ("oracle", "u2net", "classifier")  # parts that results are read by


class ToyParts(NamedTuple):
    """Frozen networks in eval mode."""

    biggan: BigGAN
    u2net: U2Net
    classifier: Reader  # reads the class; trained on class-tied images
    oracle: Reader  # reads shape, texture and background; trained on free factors


TRAININGS: dict[str, Callable[[], tuple[nn.Module, Artefact]]] = {
    "biggan": lambda: train_biggan(BigGANRecipe(), SEED),
    "u2net": lambda: train_saliency(SaliencyRecipe(), SEED),
    "classifier": lambda: train_reader(CLASSIFIER, SEED),
    "oracle": lambda: train_reader(ORACLE, SEED),
}


def shipped_folder() -> Path:
    return project_root() / "weights" / "toyworld"


def toy_parts(folder: Path | None = None) -> ToyParts:
    """The shipped parts. Raises AssetError where one is missing or does not match its record."""
    folder = folder or shipped_folder()
    parts = ToyParts(
        BigGAN(BigGANRecipe().generator),
        U2Net(SaliencyRecipe().network),
        Reader(CLASSIFIER.heads),
        Reader(ORACLE.heads),
    )
    for name, network in parts._asdict().items():
        file = folder / f"{name}.safetensors"
        record = part_record(name, folder)
        load_state(network, file, f"the toy world's {name}")
        if record.get("weights_sha256") != file_sha256(file):
            raise AssetError(f"{file} does not have the checksum in its record. Restore both: git checkout weights.")
        freeze(network.to(memory_format=torch.channels_last))
    return parts


def part_record(name: str, folder: Path | None = None) -> dict[str, Any]:
    """How a shipped part was trained: recipe, seed, seconds, checksum."""
    file = (folder or shipped_folder()) / f"{name}.json"
    try:
        return json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise AssetError(
            f"{file}, the record of a shipped part, cannot be used ({error}). Restore it: git checkout weights, or "
            "train the parts: make pretrain."
        ) from error


def judges_fingerprint(folder: Path | None = None) -> str:
    """First 12 hex digits of the SHA-256 of the records' checksums of the shipped parts that judge: what rows name.

    Raises AssetError where a record is missing or has no checksum.
    """
    digest = hashlib.sha256()
    for name in JUDGES:
        record = part_record(name, folder)
        if "weights_sha256" not in record:
            raise AssetError(f"the record of the shipped part {name} has no checksum. Restore it: git checkout weights")
        digest.update(f"{name} {record['weights_sha256']}\n".encode())
    return digest.hexdigest()[:12]


def ship(artefacts: dict[str, Artefact], found: dict[str, Any], folder: Path) -> None:
    """Copy weights, records and training curves of finished artefacts to `folder`, with what was found about them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, artefact in artefacts.items():
        for source, suffix in (
            (artefact.weights, "safetensors"),
            (artefact.log_file, "csv"),
            (artefact.record, "json"),
        ):
            with atomic_file(folder / f"{name}.{suffix}") as partial:
                shutil.copyfile(source, partial)
    with atomic_file(folder / "quality.json") as partial:
        partial.write_text(json.dumps(found, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m cgnlib.toyworld", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(TRAININGS)} (all)")
    parser.add_argument("--ship", action="store_true", help="put the finished parts into weights/toyworld")
    arguments = parser.parse_args()
    names = arguments.parts or list(TRAININGS)
    if unknown := set(names) - set(TRAININGS):
        parser.error(f"unknown part {', '.join(sorted(unknown))}: choose from {', '.join(TRAININGS)}")
    if arguments.ship and set(names) != set(TRAININGS):
        parser.error("--ship takes all parts: name none")
    try:
        _make(names, arguments.ship)
    except (TrainingStopped, AssetError) as error:
        parser.exit(1, f"{error}\n")
    except KeyboardInterrupt:
        parser.exit(1, "stopped; what was trained is kept: run again to go on\n")


def _make(names: Sequence[str], shipping: bool) -> None:
    """Train, resume or load the parts; if they are all, say how good they are, and ship them if asked for."""
    networks, artefacts = {}, {}
    for name in names:
        networks[name], artefacts[name] = TRAININGS[name]()
        print(f"{name}: {artefacts[name].weights}")
    if set(names) != set(TRAININGS):
        return
    parts = ToyParts(**networks)
    found = {
        "biggan": quality.generator_quality(
            parts.biggan, parts.classifier, parts.oracle, QUALITY_IMAGES, SEED
        )._asdict(),
        "u2net": quality.saliency_quality(parts.u2net, QUALITY_IMAGES, SEED),
        "classifier": quality.reader_quality(parts.classifier, QUALITY_IMAGES, SEED),
        "oracle": quality.reader_quality(parts.oracle, QUALITY_IMAGES, SEED),
    }
    print(json.dumps(found, indent=1))
    if shipping:
        ship(artefacts, found, shipped_folder())
