"""`python -m cgnlib.imagenet.toy` (or `make pretrain`) trains the toy world's networks.

It resumes where it was interrupted, says how good they are, and with --ship puts them into `weights/toyworld`.
"""

import argparse
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from cgnlib.errors import told
from cgnlib.imagenet.toy import quality
from cgnlib.imagenet.toy.parts import ToyParts
from cgnlib.imagenet.toy.pretraining import (
    CLASSIFIER,
    FACTOR_READER,
    BigGANRecipe,
    SaliencyRecipe,
    train_biggan,
    train_reader,
    train_saliency,
)
from cgnlib.imagenet.toy.shipped import PARTS, shipped_folder
from cgnlib.paths import atomic_file
from cgnlib.training.artefact import Artefact

SEED = 0  # of all shipped networks
TRAININGS: dict[str, Callable[[], tuple[Any, Artefact]]] = {  # by PARTS
    "biggan": lambda: train_biggan(BigGANRecipe(), SEED),
    "u2net": lambda: train_saliency(SaliencyRecipe(), SEED),
    "classifier": lambda: train_reader(CLASSIFIER, SEED),
    "oracle": lambda: train_reader(FACTOR_READER, SEED),
}


@told()
def main(arguments: list[str] | None = None) -> None:
    """Train, resume or load networks; if they are all, say how good they are, and ship them if asked for."""
    parser = argparse.ArgumentParser(prog="python -m cgnlib.imagenet.toy", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (all)")
    parser.add_argument("--ship", action="store_true", help="put the finished networks into weights/toyworld")
    given = parser.parse_args(arguments)
    names = given.parts or list(PARTS)
    if unknown := set(names) - set(PARTS):
        parser.error(f"unknown part {', '.join(sorted(unknown))}: choose from {', '.join(PARTS)}")
    if given.ship and set(names) != set(PARTS):
        parser.error("--ship takes all parts: name none")
    networks: dict[str, nn.Module] = {}
    artefacts: dict[str, Artefact] = {}
    for name in names:
        networks[name], artefacts[name] = TRAININGS[name]()
        print(f"{name}: {artefacts[name].weights}")
    if set(names) == set(PARTS):
        found = quality.of_all(ToyParts(*(networks[name] for name in PARTS)), SEED)  # type: ignore[arg-type]
        print(json.dumps(found, indent=1))
        if given.ship:
            ship(artefacts, found, shipped_folder())


def ship(artefacts: Mapping[str, Artefact], found: Mapping[str, Any], folder: Path) -> None:
    """Copy weights, records and training curves of finished artefacts to `folder`, with what was found about them."""
    for name, artefact in artefacts.items():
        for source in (artefact.weights, artefact.log_file, artefact.record):
            with atomic_file(folder / f"{name}{source.suffix}") as partial:
                shutil.copyfile(source, partial)
    with atomic_file(folder / "quality.json") as partial:
        partial.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
