"""Small classifiers that ship with the project: how they are trained, and how well they read, measured anew.

`python -m cgnreport.protocol.shipped_classifiers` trains all of them and puts them into `weights/classifiers`, as
bfloat16 numbers, with a record beside each. `make verify` measures what these records say once more. They are shorter
trainings than those behind the report's rows, on full MNIST without the digits that the embedded stand-in tests on.
"""

import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from cgnlib.data.digits import Digits, embedded_digits, find_digits
from cgnlib.data.textures import Textures, find_textures, stand_in_textures
from cgnlib.errors import AssetError, known
from cgnlib.images import LabelledImages
from cgnlib.mnist.cgn import load_weights
from cgnlib.mnist.classifier import Classifier, correct, train_classifier
from cgnlib.mnist.counterfactuals import CounterfactualStream
from cgnlib.mnist.recipes import CLASSIFIER_VERSION, ClassifierConfig
from cgnlib.mnist.shipped import RECIPE, training_images
from cgnlib.mnist.variants import make_variant
from cgnlib.mnist.without_cgn import PREPROCESSING, preprocessed
from cgnlib.paths import atomic_file, file_sha256, project_root
from cgnlib.training.weights import load_state, save_tensors
from cgnreport.protocol.mnist_settings import shipped_cgn

VARIANTS = ("double-colored", "wildlife")
TITLES = {  # of each method: what its classifier was trained on
    "original": "original data",
    "cgn": "counterfactuals",
    "oracle": "free factors",
    "border-stretched": "stretched contrast",
}
CONFIG, SEED, IMAGES = ClassifierConfig(epochs=3, batch_size=32), 0, 15_000  # of every training
SPLITS = ("test", "test-indomain")
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


def training_set(variant: str, method: str, digits: Digits, textures: Textures) -> LabelledImages:
    """The images that a shipped classifier is trained on."""
    if known("method", method, TITLES) == "cgn":
        cgn = load_weights(cgn_file(variant))
        return CounterfactualStream(cgn, IMAGES, SEED, source=f"cgn-{RECIPE}").collect()
    split = "free-train" if method == "oracle" else "train"
    return as_seen(training_images(variant, digits, textures, split).subset(slice(IMAGES)), method)


def cgn_file(variant: str) -> Path:
    """The CGN that the counterfactuals are of. Raises AssetError where it does not ship."""
    path = shipped_cgn(variant, RECIPE)
    if path is None:
        raise AssetError(f"no CGN of {variant} ships with this checkout: git checkout weights")
    return path


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
    """Where the classifiers, their records and `tests.json`, the checksums of the test sets, lie."""
    return project_root() / "weights" / "classifiers"


def record_of(variant: str, method: str) -> dict[str, Any]:
    """The record of a classifier. Raises AssetError where it cannot be read."""
    return _read(folder() / f"{variant}-{method}.json")


def recorded_accuracy(variant: str, method: str, split: str) -> float:
    """Percent of a split of full data that a shipped classifier read when it was shipped."""
    data = "mnist-full" + "+dtd" * (variant == "wildlife")
    right, n = record_of(variant, method)["right"][f"{variant}/{split}, {data}"]
    return 100 * right / n


def load_classifier(variant: str, method: str) -> Classifier:
    """A shipped classifier in eval mode. Raises AssetError for weights other than those of its record."""
    weights, record = folder() / f"{variant}-{method}.safetensors", record_of(variant, method)
    classifier = Classifier()
    load_state(classifier, weights, "a shipped classifier")
    if file_sha256(weights) != record["weights_sha256"]:
        raise AssetError(f"{weights} does not have the checksum in its record; 'make verify' says what differs")
    return classifier.eval()


def ship(
    variant: str,
    method: str,
    classifier: Classifier,
    about: Mapping[str, Any],
    sets: Mapping[str, LabelledImages],
) -> None:
    """Write a classifier in bfloat16, and its record: `about`, checksums, and right answers in each of `test_sets`."""
    stem = folder() / f"{variant}-{method}"
    rounded = {
        name: each.to(torch.bfloat16) if each.is_floating_point() else each
        for name, each in classifier.state_dict().items()
    }
    save_tensors(rounded, stem.with_suffix(".safetensors"))
    load_state(classifier, stem.with_suffix(".safetensors"), "a shipped classifier")
    record = {
        **about,
        "weights_sha256": file_sha256(stem.with_suffix(".safetensors")),
        "tensors": {name: _checksum(each) for name, each in rounded.items()},
        "right": {name: _right(classifier, images, method) for name, images in sets.items()},
    }
    _write(stem.with_suffix(".json"), record)


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
    """Rebuild every test set that can be built here, compare pixels, weights and right answers with the records."""
    kept = _read(folder() / "tests.json")
    for variant in VARIANTS:
        sets = dict(test_sets(variant, offline=offline))
        for name, images in sets.items():
            yield compared_images(name, kept.get(name, []), blocks(images))
        for method in TITLES:
            yield compared_weights(variant, method)
            classifier = Classifier()
            load_state(classifier, folder() / f"{variant}-{method}.safetensors", "a shipped classifier")
            for name, images in sets.items():
                recorded = record_of(variant, method)["right"].get(name)
                yield compared_answers(f"{TITLES[method]}: {name}", recorded, _right(classifier, images, method))


def compared_images(name: str, recorded: list[str], found: list[str]) -> Check:
    """Checksums of `blocks`; trouble names the blocks that differ."""
    differ = [k for k, (a, b) in enumerate(zip(recorded, found, strict=False)) if a != b]
    trouble = ", ".join(f"images {BLOCK * k} to {BLOCK * (k + 1) - 1} differ" for k in differ)
    if len(recorded) != len(found):
        trouble = "it has another number of images than its record"
    was, now = (f"{zlib.crc32(''.join(each).encode()):08x}" for each in (recorded, found))
    return Check(f"images: {name}", was, now, trouble)


def compared_weights(variant: str, method: str) -> Check:
    """A weights file against its record; trouble names the tensors that differ."""
    weights, recorded = folder() / f"{variant}-{method}.safetensors", record_of(variant, method)
    try:
        found = {name: _checksum(each) for name, each in load_file(weights).items()}
    except (OSError, ValueError, RuntimeError) as error:
        raise AssetError(f"{weights} cannot be read ({error}). Restore it: git checkout weights") from error
    differ = [name for name in recorded["tensors"] if found.get(name) != recorded["tensors"][name]]
    was, now = recorded["weights_sha256"][:8], file_sha256(weights)[:8]
    trouble = f"{', '.join(differ)} differs" if differ else "the file differs" * (was != now)
    return Check(f"weights: {weights.name}", was, now, trouble)


def compared_answers(what: str, recorded: list[int] | None, found: list[int]) -> Check:
    """Right answers and images; trouble beyond SLACK."""
    right, n = found
    text = f"{100 * right / n:.1f} %"
    if recorded is None:
        return Check(what, "–", text, "no record of this data")
    far = abs(right - recorded[0]) > SLACK * n or n != recorded[1]
    trouble = f"{right:,} of {n:,} right, recorded are {recorded[0]:,} of {recorded[1]:,}"
    return Check(what, f"{100 * recorded[0] / recorded[1]:.1f} %", text, trouble * far)


def main() -> None:
    """Train, resume or load every classifier, ship it, and write the checksums of the test sets."""
    digits, textures = find_digits(), find_textures()
    if (digits.source, textures.source) != ("mnist-full", "dtd"):
        raise SystemExit("shipped classifiers are trained on full MNIST and DTD's textures: see 'make assets'")
    kept = {}
    for variant in VARIANTS:
        sets = dict(test_sets(variant))
        kept |= {name: blocks(images) for name, images in sets.items()}
        for method, title in TITLES.items():
            images = training_set(variant, method, digits, textures)
            classifier, _, artefact = train_classifier(images, {}, CONFIG, SEED)
            about = {"config": asdict(CONFIG), "seed": SEED, "training": images.sha256, "images": len(images)}
            about |= {"name": images.name, "source": images.source, "version": CLASSIFIER_VERSION}
            about |= {"cgn_sha256": file_sha256(cgn_file(variant))} if method == "cgn" else {}
            ship(variant, method, classifier, about | {"seconds": artefact.seconds}, sets)
            print(f"{variant}, {title}: {artefact.seconds:.0f} s", flush=True)
    _write(folder() / "tests.json", kept)


if __name__ == "__main__":
    main()
