"""Classifiers that ship with the project: those behind the README's table, and how well they read, measured anew.

`python -m cgnreport.protocol.headline` trains them and keeps them in the build folder;
`python -m cgnreport.protocol.shipped_classifiers` takes them into `weights/classifiers`, with a record beside each.
`make verify` measures what these records say once more, and compares them with the published rows.
"""

import json
import shutil
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from cgnlib.data.digits import embedded_digits, find_digits
from cgnlib.data.textures import find_textures, stand_in_textures
from cgnlib.errors import AssetError, told
from cgnlib.images import LabelledImages
from cgnlib.mnist.classifier import Classifier, correct
from cgnlib.mnist.names import VARIANTS
from cgnlib.mnist.variants import make_variant
from cgnlib.mnist.without_cgn import PREPROCESSING, preprocessed
from cgnlib.paths import atomic_file, build_folder, file_sha256, project_root
from cgnlib.training.weights import load_state, save_tensors
from cgnreport.protocol.rows import Setting, select
from cgnreport.protocol.store import load

EXPLORED = ("double-colored", "wildlife")  # variants of the explorer
TITLES = {  # of the classifiers that it shows: what each was trained on
    "original": "original data",
    "cgn": "counterfactuals",
    "oracle": "free factors",
    "border-stretched": "stretched contrast",
}
SPLITS = ("test", "test-indomain")
TESTS = "tests.json"  # checksums of the test sets
BLOCK = 100  # test images that share a checksum
SLACK = 0.001  # share of answers that may differ: another processor rounds otherwise


@dataclass(frozen=True)
class Check:
    """One thing that was verified: what the record says, what was found, and what is wrong, "" if nothing is."""

    what: str
    recorded: str
    found: str
    trouble: str = ""


# --- Data ------------------------------------------------------------------------------------------------------------


def as_seen(images: LabelledImages, method: str) -> LabelledImages:
    """Images as the classifier of a method sees them."""
    return preprocessed(images, method) if method in PREPROCESSING else images


def test_sets(variant: str, *, offline: bool = False) -> Iterator[tuple[str, LabelledImages]]:
    """Every test set that can be built here, by its name in records: of embedded digits, of full data if at hand."""
    sources = [(embedded_digits(), stand_in_textures())]
    digits, textures = find_digits(download=not offline), find_textures()
    if digits.source == "mnist-full" and (variant != "wildlife" or textures.source == "dtd"):
        sources.append((digits, textures))
    for source, split in product(sources, SPLITS):
        images = make_variant(variant, split, *source)
        yield f"{images.name}, {images.source}", images


# --- Files -----------------------------------------------------------------------------------------------------------


def folder() -> Path:
    """Where the classifiers, their records and TESTS lie."""
    return project_root() / "weights" / "classifiers"


def kept_folder() -> Path:
    """Where classifiers are kept before they are taken into `folder`."""
    return build_folder() / "classifiers"


def shipped() -> list[str]:
    """Names of all that ship, as in "wildlife-original+cgn-0": variant, what it was trained on, random seed."""
    return sorted(file.stem for file in folder().glob("*.json") if file.name != TESTS)


def record_of(name: str) -> dict[str, Any]:
    """The record of a classifier. Raises AssetError where it cannot be read."""
    return _read(folder() / f"{name}.json")


def recorded_accuracy(name: str, split: str) -> float:
    """Percent of a split, of the data of its rows, that a shipped classifier read when it was shipped."""
    record = record_of(name)
    right, n = record["right"][f"{record['row']['dataset']}/{split}, {record['row']['data']}"]
    return 100 * right / n


def load_classifier(name: str) -> Classifier:
    """A shipped classifier in eval mode. Raises AssetError for weights other than those of its record."""
    weights, record = folder() / f"{name}.safetensors", record_of(name)
    classifier = Classifier()
    load_state(classifier, weights, "a shipped classifier")
    if file_sha256(weights) != record["weights_sha256"]:
        raise AssetError(f"{weights} does not have the checksum in its record; 'make verify' says what differs")
    return classifier.eval()


def keep(name: str, classifier: Classifier, setting: Setting, seed: int, sets: Mapping[str, LabelledImages]) -> None:
    """Write a classifier and its record to `kept_folder`: its rows' setting and seed, checksums, and right answers in
    each of `test_sets`.
    """
    weights = kept_folder() / f"{name}.safetensors"
    weights.parent.mkdir(parents=True, exist_ok=True)
    tensors = {key: each.cpu().contiguous() for key, each in classifier.state_dict().items()}
    save_tensors(tensors, weights)
    record = {
        "row": vars(setting) | {"params": dict(setting.params), "seed": seed},
        "weights_sha256": file_sha256(weights),
        "tensors": {key: _checksum(each) for key, each in tensors.items()},
        "right": {key: _right(classifier, images, setting.method) for key, images in sets.items()},
    }
    _write(weights.with_suffix(".json"), record)


def _right(classifier: Classifier, images: LabelledImages, method: str) -> list[int]:
    """Right answers, and images."""
    return [int(correct(classifier, as_seen(images, method)).sum()), len(images)]


def blocks(images: LabelledImages) -> list[str]:
    """A checksum for every BLOCK images and their labels."""
    parts = zip(*(getattr(images, name).split(BLOCK) for name in ("images", "shape")), strict=True)
    return [_checksum(pixels, labels) for pixels, labels in parts]


def _checksum(*tensors: Tensor) -> str:
    code = 0
    for each in tensors:
        code = zlib.crc32(each.contiguous().reshape(-1).view(torch.uint8).numpy().data, code)
    return f"{code:08x}"


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        remedy = f"Restore it with 'git checkout weights/{path.parent.name}'."
        raise AssetError(f"{path}, a record of shipped classifiers, cannot be read ({error}). {remedy}") from error


def _write(path: Path, content: Mapping[str, Any]) -> None:
    with atomic_file(path) as partial:
        partial.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


# --- Measured anew ---------------------------------------------------------------------------------------------------


def verify(*, offline: bool = False) -> Iterator[Check]:
    """Rebuild every test set that can be built here; compare pixels, weights, published rows and right answers with
    the records.
    """
    kept = _read(folder() / TESTS)
    records = {name: record_of(name) for name in shipped()}
    for variant in VARIANTS:
        sets = dict(test_sets(variant, offline=offline))
        for name, images in sets.items():
            yield compared_images(name, kept.get(name, []), blocks(images))
        for name, record in records.items():
            if record["row"]["dataset"] != variant:
                continue
            yield compared_weights(name)
            yield compared_row(name)
            classifier = Classifier()
            load_state(classifier, folder() / f"{name}.safetensors", "a shipped classifier")
            for test, images in sets.items():
                found = _right(classifier, images, record["row"]["method"])
                yield compared_answers(f"{name}: {test}", record["right"].get(test), found)


def compared_images(name: str, recorded: list[str], found: list[str]) -> Check:
    """Checksums of `blocks`; trouble names the blocks that differ."""
    differ = [k for k, (a, b) in enumerate(zip(recorded, found, strict=False)) if a != b]
    trouble = ", ".join(f"images {BLOCK * k} to {BLOCK * (k + 1) - 1} differ" for k in differ)
    if len(recorded) != len(found):
        trouble = "it has another number of images than its record"
    was, now = (f"{zlib.crc32(''.join(each).encode()):08x}" for each in (recorded, found))
    return Check(f"images: {name}", was, now, trouble)


def compared_weights(name: str) -> Check:
    """A weights file against its record; trouble names the tensors that differ."""
    weights, recorded = folder() / f"{name}.safetensors", record_of(name)
    try:
        found = {key: _checksum(each) for key, each in load_file(weights).items()}
    except (OSError, ValueError, RuntimeError) as error:
        raise AssetError(f"{weights} cannot be read ({error}). Restore it: git checkout weights") from error
    differ = [key for key in recorded["tensors"] if found.get(key) != recorded["tensors"][key]]
    was, now = recorded["weights_sha256"][:8], file_sha256(weights)[:8]
    trouble = f"{', '.join(differ)} differs" if differ else "the file differs" * (was != now)
    return Check(f"weights: {weights.name}", was, now, trouble)


def compared_row(name: str) -> Check:
    """The published row of a classifier against the right answers of its record."""
    about, accuracy = dict(record_of(name)["row"]), recorded_accuracy(name, "test")
    seed, setting = about.pop("seed"), Setting(**about)
    rows = setting.of(load(setting.profile, setting.experiment, own=False))
    values = select(rows, seed=seed, metric="accuracy/test", epoch="last")["value"].tolist()
    what, recorded = f"row: {name}", f"{accuracy:.2f} %"
    if len(values) != 1:
        return Check(what, recorded, "–", f"results/{setting.profile}/{setting.experiment}.csv has no such row")
    far = abs(values[0] - accuracy) > 100 * SLACK
    return Check(what, recorded, f"{values[0]:.2f} %", "the published row is another" * far)


def compared_answers(what: str, recorded: list[int] | None, found: list[int]) -> Check:
    """Right answers and images; trouble beyond SLACK."""
    right, n = found
    text = f"{100 * right / n:.2f} %"
    if recorded is None:
        return Check(what, "–", text, "no record of this data")
    far = abs(right - recorded[0]) > SLACK * n or n != recorded[1]
    trouble = f"{right:,} of {n:,} right, recorded are {recorded[0]:,} of {recorded[1]:,}"
    return Check(what, f"{100 * recorded[0] / recorded[1]:.2f} %", text, trouble * far)


@told()
def main() -> None:
    """Take the classifiers of scale `paper` on full data that are kept in the build folder, in place of those of the
    same name, and write the checksums of the test sets.
    """
    if (find_digits().source, find_textures().source) != ("mnist-full", "dtd"):
        raise AssetError("what ships is checked on full MNIST and DTD's textures: see 'make assets'")
    found = {path: _read(path)["row"] for path in sorted(kept_folder().glob("*.json"))}
    taken = [path for path, row in found.items() if row["profile"] == "paper" and row["data"].startswith("mnist-full")]
    if not taken:
        raise AssetError(f"no such classifiers in {kept_folder()}: python -m cgnreport.protocol.headline trains them")
    for record in taken:
        for file in (record.with_suffix(".safetensors"), record):
            shutil.copyfile(file, folder() / file.name)
        print(record.stem)
    sets = (each for variant in VARIANTS for each in test_sets(variant))
    _write(folder() / TESTS, {name: blocks(images) for name, images in sets})


if __name__ == "__main__":
    main()
