"""The toy world's half of the report at one random seed: CGN, classifiers and their rows, without a notebook.

`python -m cgnreport.protocol.toy_world --seed 1` trains a CGN of its own, and a classifier of each kind on its images:
one more run for intervals over CGNs. --fresh computes rows that are there, too.
"""

import argparse
from collections.abc import Callable

from cgnreport.protocol.experiments import Rows, measure_command
from cgnreport.protocol.parameters import IMAGENET_METHODS, Parameters
from cgnreport.protocol.toy_cgn import ToyStudy
from cgnreport.protocol.toy_classifier import ClassifierStudy


class ToyWorld:
    """Both studies at one set of parameters."""

    def __init__(self, parameters: Parameters) -> None:
        self.images, self.classifiers = ToyStudy(parameters), ClassifierStudy(parameters)


def classifier_rows(study: ClassifierStudy, method: str) -> list[Rows]:
    """Rows of Tables 4 and 5 of one kind of training data."""
    return [study.background_rows(method), study.indomain_rows(method), study.shape_bias_rows(method)]


def main(arguments: list[str] | None = None) -> int:
    """Measure the CGN of a random seed, and a classifier of each kind of training data, in the toy world."""
    parts: dict[str, Callable[[ToyWorld], list[Rows]]] = {
        "cgn": lambda world: [*world.images.inception_rows(), *world.images.control_rows()],
        "parts": lambda world: world.images.parts_rows(),
    }
    for method in IMAGENET_METHODS:
        parts[method] = lambda world, of=method: classifier_rows(world.classifiers, of)
    gap = (
        {"metric": "bg-gap", "output": "shape_texture", "epoch": "last"},
        "{dataset} {method} {seed}: BG-gap {value:.1f} points (n = {n:,})",
    )
    about = main.__doc__ or ""
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("--fresh", action="store_true", help="compute rows that are there, too")
    return measure_command(
        "toy_world",
        about,
        ToyWorld,
        parts,
        says=gap,
        arguments=arguments,
        options=options,
        changes=lambda given: {"imagenet_classifier_seeds": 1, "reuse_rows": not given.fresh},
    )


if __name__ == "__main__":
    raise SystemExit(main())
