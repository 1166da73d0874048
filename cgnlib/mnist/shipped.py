"""`python -m cgnlib.mnist.shipped` trains the CGNs that the project ships, and puts them into `weights/mnist`.

They see all training digits of full MNIST but for those that the embedded stand-in tests on: these, too, are MNIST's
training digits, and a CGN that has seen them would have the answers of every run that is made with the stand-in.
"""

import argparse
import hashlib
import json
import shutil
from pathlib import Path

import torch
from torch import Tensor

from cgnlib.data.digits import Digits, embedded_digits, find_digits, pixel_hashes
from cgnlib.data.textures import Textures, find_textures
from cgnlib.errors import AssetError, told
from cgnlib.images import LabelledImages
from cgnlib.mnist.names import VARIANTS
from cgnlib.mnist.recipes import recipe_for
from cgnlib.mnist.training import train_cgn
from cgnlib.mnist.variants import make_variant, select_digits
from cgnlib.paths import atomic_file, project_root
from cgnlib.training.artefact import Artefact

RECIPE, SEED = "robust", 0  # of all that are shipped


def shipped_folder() -> Path:
    """The folder of the shipped CGNs."""
    return project_root() / "weights" / "mnist"


def training_images(variant: str, digits: Digits, textures: Textures | None = None) -> LabelledImages:
    """What a shipped CGN is trained on: the split `train` of a variant without the embedded test digits.

    The images that stay are those of `make_variant`, colours and crops too.
    """
    return make_variant(variant, "train", digits, textures).subset(kept_digits(variant, digits))


def kept_digits(variant: str, digits: Digits) -> Tensor:
    """Which of the variant's training digits none of the embedded test digits is, by its pixels: (N,) bool."""
    left_out = set(pixel_hashes(embedded_digits().test_images))
    return torch.tensor([each not in left_out for each in pixel_hashes(select_digits(variant, "train", digits)[0])])


def left_out() -> dict[str, int | str]:
    """The embedded test digits as records name them: how many, and the SHA-256 of those of their pixels."""
    hashes = pixel_hashes(embedded_digits().test_images)
    return {"digits": len(hashes), "sha256": hashlib.sha256("".join(hashes).encode()).hexdigest()}


def ship(variant: str, artefact: Artefact, seen: int, folder: Path) -> None:
    """Copy a finished CGN's weights to `folder`, with its record and which digits it has not seen."""
    record = json.loads(artefact.record.read_text(encoding="utf-8")) | {"digits": seen, "left_out": left_out()}
    weights = folder / f"{variant}-{RECIPE}.safetensors"
    with atomic_file(weights) as partial:
        shutil.copyfile(artefact.weights, partial)
    with atomic_file(weights.with_suffix(".json")) as partial:
        partial.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")


@told()
def main(arguments: list[str] | None = None) -> None:
    """Train, resume or load the CGNs of the variants named, one after the other, and ship each."""
    parser = argparse.ArgumentParser(prog="python -m cgnlib.mnist.shipped", description=__doc__)
    parser.add_argument("variants", nargs="*", metavar="VARIANT", help=f"{', '.join(VARIANTS)} (all)")
    given = parser.parse_args(arguments)
    if unknown := set(given.variants) - set(VARIANTS):
        parser.error(f"unknown variant {', '.join(sorted(unknown))}: choose from {', '.join(VARIANTS)}")
    digits, textures = find_digits(), find_textures()
    if (digits.source, textures.source) != ("mnist-full", "dtd"):
        raise AssetError("shipped CGNs are trained on full MNIST and DTD's textures: make assets says how to get them")
    for variant in given.variants or VARIANTS:
        images = training_images(variant, digits, textures)
        _, artefact = train_cgn(images, recipe_for(RECIPE, variant), SEED)
        ship(variant, artefact, len(images), shipped_folder())
        print(f"{variant}: trained on {len(images):,} digits in {artefact.seconds:.0f} s")


if __name__ == "__main__":
    main()
