"""Own shapes in place of digits: their rows, and a worked example, 10,000 animal silhouettes of ten kinds.

They are those of the PyPI package animal-shape-mnist 0.39 (Sina Mohammadi, MIT licence). Its arrays are pickles, read
here without running what they hold, and no code of the package is imported; no image of it is part of this project.

    pip download --no-deps animal-shape-mnist==0.39
    python -m cgnreport.protocol.own_shapes animal_shape_mnist-0.39-py3-none-any.whl --seed 0
"""

import argparse
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cgnlib.data.pickles import read_pickle
from cgnlib.errors import AssetError, Blocked
from cgnlib.paths import atomic_file, build_folder
from cgnreport.protocol.experiments import Rows, collected, measure_command
from cgnreport.protocol.mnist import MnistStudy
from cgnreport.protocol.mnist_experiments import accuracy_rows, control_rows
from cgnreport.protocol.mnist_settings import MnistSettings
from cgnreport.protocol.parameters import Parameters
from cgnreport.protocol.store import every_seed, load
from cgnreport.protocol.without_cgn import without_cgn_rows

DATA = "shapes-7775-2ea87d87"  # what the animals are called in rows
ARRAYS = {"images": "animal_data_version_3.gz", "labels": "animal_label_version_3.gz"}
PLACE = "animal_shape_mnist/data/Animal Shape"
# Lengths of the example's trainings, rows of scale `paper`: an hour of one core for five seeds. The recipe asks for
# 400,000 images a CGN.
LENGTHS = {
    "variants": ["double-colored"],
    "cgn_images": 50_000,
    "counterfactuals": 7_500,
    "classifier_epochs": 5,
    "classifier_batch": 32,
    "control_samples": 2_000,
    "without_cgn": ["border-stretched", "paste"],
    "without_cgn_seeds": 1,
}


@dataclass(frozen=True)
class ShapeRows:
    """What a set of own shapes gave: rows of mnist-control, mnist-ood and mnist-without-cgn, and what gave none."""

    settings: MnistSettings
    control: pd.DataFrame
    ood: pd.DataFrame
    others: pd.DataFrame
    blocked: tuple[Blocked, ...] = ()

    def of_seed(self, seed: int) -> MnistSettings:
        """Settings of the same with another random seed."""
        return _settings(self.settings.parameters.with_changes(seed=int(seed)), self.settings.digits)


def published_example() -> ShapeRows:
    """The rows of the animals that the project publishes; frames are empty where there are none."""
    found = (load("paper", name, own=False) for name in ("mnist-control", "mnist-ood", "mnist-without-cgn"))
    control, ood, others = (each.loc[each["data"].str.startswith(DATA)].reset_index(drop=True) for each in found)
    return ShapeRows(_settings(Parameters.load("paper", LENGTHS), DATA), control, ood, others)


def own_rows(parameters: Parameters) -> ShapeRows:
    """The rows of the parameters' `shapes`, found or measured."""
    study = MnistStudy(parameters)
    found = [collected(part(study)) for part in PARTS.values()]
    control, ood, others = (every_seed(rows) for rows, _ in found)
    blocked = dict.fromkeys(why for _, lacking in found for why in lacking)
    return ShapeRows(study.settings, control, ood, others, tuple(blocked))


def _settings(parameters: Parameters, data: str) -> MnistSettings:
    """As for shapes that are not at hand."""
    settings = MnistSettings(parameters.with_changes(shapes=data))
    settings.digits = data
    return settings


def _control(study: MnistStudy) -> list[Rows]:
    return [control_rows(study, variant) for variant in study.mnist.variants]


def _classifiers(study: MnistStudy) -> list[Rows]:
    methods = ("original", "oracle", "original+cgn", "cgn")
    return [accuracy_rows(study, "mnist-ood", v, method) for v in study.mnist.variants for method in methods]


def _without(study: MnistStudy) -> list[Rows]:
    return [without_cgn_rows(study, v, method) for v in study.mnist.variants for method in study.mnist.without_cgn]


PARTS = {"control": _control, "classifiers": _classifiers, "without-cgn": _without}


def unpacked(wheel: Path) -> Path:
    """The package's images and labels as a .npz in the build folder. Raises AssetError for another file."""
    target = build_folder() / "animals.npz"
    with tempfile.TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(wheel) as archive:
                files = {name: archive.extract(f"{PLACE}/{file}", folder) for name, file in ARRAYS.items()}
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            why = " ".join(str(error).split())
            raise AssetError(
                f"{wheel} is not the wheel of animal-shape-mnist 0.39 ({why}). Download it again."
            ) from None
        arrays = {name: read_pickle(Path(file)) for name, file in files.items()}
    with atomic_file(target) as partial, partial.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)
    return target


def main(arguments: list[str] | None = None) -> int:
    """Compute the rows of the animals for one random seed, a quarter of an hour of one core."""
    about = main.__doc__ or ""
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("wheel", type=Path, help="animal_shape_mnist-0.39-py3-none-any.whl")
    says = {"metric": "accuracy/test", "epoch": "last"}, "{dataset} {method} {seed}: {value:.2f} % (n = {n:,})"
    return measure_command(
        "own_shapes",
        about,
        MnistStudy,
        PARTS,
        says=says,
        arguments=arguments,
        options=options,
        changes=lambda given: {"shapes": str(unpacked(given.wheel)), **LENGTHS},
    )


if __name__ == "__main__":
    raise SystemExit(main())
