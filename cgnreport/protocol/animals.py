"""The worked example of own shapes: 10,000 animal silhouettes, ten kinds, of the PyPI package animal-shape-mnist.

Version 0.39, MIT licence, Sina Mohammadi. Its arrays are pickles, read here without running what they hold, and no code
of the package is imported. None of its images is part of this project.

    pip download --no-deps animal-shape-mnist==0.39
    python -m cgnreport.protocol.animals animal_shape_mnist-0.39-py3-none-any.whl
"""

import argparse
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from cgnlib.data.pickles import read_pickle
from cgnlib.errors import AssetError
from cgnlib.paths import atomic_file, build_folder
from cgnreport.protocol.experiments import Rows
from cgnreport.protocol.parameters import Parameters
from cgnreport.protocol.rows import ResultsError
from cgnreport.protocol.store import load

DATA = "shapes-7775-2ea87d87"  # what they are called in rows
ARRAYS = {"images": "animal_data_version_3.gz", "labels": "animal_label_version_3.gz"}
PLACE = "animal_shape_mnist/data/Animal Shape"
SEEDS = range(5)
# Lengths of these trainings, rows of scale `paper`: an hour of one core. The recipe asks for 400,000 images a CGN.
LENGTHS = {
    "variants": ["double-colored"],
    "cgn_images": 50_000,
    "counterfactuals": 7_500,
    "classifier_epochs": 5,
    "classifier_batch": 32,
    "control_samples": 2_000,
    "without_cgn": ["border-stretched", "paste"],
}


def unpacked(wheel: Path) -> Path:
    """The package's images and labels as a .npz in the build folder. Raises AssetError for another file."""
    target = build_folder() / "animals.npz"
    with tempfile.TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(wheel) as archive:
                files = {name: archive.extract(f"{PLACE}/{file}", folder) for name, file in ARRAYS.items()}
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise AssetError(
                f"{wheel} is not the wheel of animal-shape-mnist 0.39: {error}. Download it again."
            ) from None
        arrays = {name: read_pickle(Path(file)) for name, file in files.items()}
    with atomic_file(target) as partial, partial.open("wb") as stream:
        np.savez_compressed(stream, **arrays)
    return target


def parameters(seed: int = 0, shapes: Path | None = None) -> Parameters:
    """Those of the published rows, for one random seed."""
    return Parameters.load("paper", LENGTHS | {"seed": seed, "shapes": shapes and str(shapes)})


def published_rows(experiment: str) -> pd.DataFrame:
    """The example's rows that the project publishes."""
    rows = load("paper", experiment, own=False)
    return rows.loc[rows["data"].str.startswith(DATA)].reset_index(drop=True)


def experiments(shapes: Path) -> Iterator[tuple[str, Callable[[], Rows]]]:
    """Name and computation of each part, what decides first: rows that are there are not computed again."""
    from cgnreport.protocol.mnist import MnistStudy
    from cgnreport.protocol.mnist_experiments import accuracy_rows, control_rows
    from cgnreport.protocol.without_cgn import without_cgn_rows

    for seed in SEEDS:
        study = MnistStudy(parameters(seed, shapes), device="cpu")
        for variant in study.mnist.variants:
            yield f"{variant}, control, seed {seed}", lambda s=study, v=variant: control_rows(s, v)
            for method in ("original+cgn", "original", "oracle", "cgn"):
                if seed < 3 or method == "original+cgn":
                    name = f"{variant}, {method}, seed {seed}"
                    yield name, lambda s=study, v=variant, m=method: accuracy_rows(s, "mnist-ood", v, m)
            for method in study.mnist.without_cgn if seed < 3 else ():
                settings = study.settings
                settings.without_cgn_seeds = range(seed, seed + 1)
                yield (
                    f"{variant}, {method}, seed {seed}",
                    lambda s=study, v=variant, m=method: without_cgn_rows(s, v, m),
                )


def main(arguments: list[str] | None = None) -> int:
    """Compute the rows of the worked example, an hour of one core; stopped, the same command goes on."""
    parser = argparse.ArgumentParser(prog="python -m cgnreport.protocol.animals", description=main.__doc__)
    parser.add_argument("wheel", type=Path, help="animal_shape_mnist-0.39-py3-none-any.whl")
    try:
        shapes = unpacked(parser.parse_args(arguments).wheel)
        for name, compute in experiments(shapes):
            rows = compute()
            print(name, f"{len(rows)} rows" if isinstance(rows, pd.DataFrame) else f"not tested: {rows}", flush=True)
    except (AssetError, ResultsError) as error:
        parser.exit(1, f"{error}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
