"""Classifiers behind the README's table and claims 2 and 3 on MNIST, trained anew and kept, and their rows.

`python -m cgnreport.protocol.headline --part wildlife:original --classifiers 3` trains three classifiers; those of
double-colored MNIST that Figure 3 looks at give their heat maps, too. `shipped_classifiers` takes what is kept; of part
`order`, an explanation of claim 2's numbers, rows alone are.
"""

import argparse
from collections.abc import Callable
from itertools import product
from typing import Any

from cgnlib.errors import Blocked
from cgnlib.images import LabelledImages
from cgnlib.mnist.classifier import Classifier
from cgnlib.mnist.names import VARIANTS
from cgnreport.protocol.experiments import Rows, measure_command
from cgnreport.protocol.mnist import MnistStudy
from cgnreport.protocol.mnist_experiments import accuracy_rows, heat_map_rows, order_rows
from cgnreport.protocol.mnist_settings import LOOKED_AT, ORDERED
from cgnreport.protocol.parameters import Parameters
from cgnreport.protocol.shipped_classifiers import keep, test_sets
from cgnreport.protocol.without_cgn import without_cgn_rows

# Training data by name: method, and whose CGN.
TRAINED_ON: dict[str, tuple[str, str | None]] = {
    "original": ("original", None),
    "oracle": ("oracle", None),
    "border-stretched": ("border-stretched", None),
    "cgn": ("cgn", "robust"),
    "original+cgn": ("original+cgn", "robust"),
    "authors-cgn": ("cgn", "authors"),
    "original+authors-cgn": ("original+cgn", "authors"),
}


class HeadlineStudy(MnistStudy):
    """A study that holds the classifiers it has made, by seed."""

    def __init__(self, parameters: Parameters) -> None:
        super().__init__(parameters)
        self.by_seed: dict[int, Classifier] = {}

    def classifier(self, variant: str, training: LabelledImages, seed: int, *others: Any, **more: Any) -> Any:
        found = super().classifier(variant, training, seed, *others, **more)
        self.by_seed[seed] = found[0]
        return found


def headline_rows(study: HeadlineStudy, variant: str, name: str) -> list[Rows]:
    """Rows of Tables 1 and 2 of the classifiers trained on one of TRAINED_ON; on double-colored of Figure 3, too."""
    (method, recipe), settings = TRAINED_ON[name], study.settings
    study.by_seed.clear()
    if name == "border-stretched":
        setting, found = settings.without_cgn(variant, method), [without_cgn_rows(study, variant, method)]
    else:
        setting = settings.accuracy("mnist-ood", variant, method, recipe)
        found = [accuracy_rows(study, "mnist-ood", variant, method, recipe)]
    if variant == "double-colored" and name in LOOKED_AT:
        found.append(heat_map_rows(study, method, recipe))
    sets = dict(test_sets(variant)) if study.by_seed else {}
    for seed, classifier in study.by_seed.items():
        assert not isinstance(setting, Blocked)  # or none would have been made
        keep(f"{variant}-{name}-{seed}", classifier, setting, seed, sets)
    return found


def main(arguments: list[str] | None = None) -> int:
    """Train the classifiers of the README's table anew, keep them and their rows, whatever rows there are."""
    about = main.__doc__ or ""
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("--classifiers", type=int, default=1, help="classifiers of each, seeds upwards (default: 1)")

    def changes(given: argparse.Namespace) -> dict[str, Any]:
        n = given.classifiers
        return {"reuse_rows": False, "classifier_seeds": n, "without_cgn_seeds": n}

    parts: dict[str, Callable[[HeadlineStudy], list[Rows]]] = {
        f"{variant}:{name}": lambda study, of=(variant, name): headline_rows(study, *of)
        for variant, name in product(VARIANTS, TRAINED_ON)
    }
    for variant in ORDERED:
        parts[f"{variant}:order"] = lambda study, variant=variant: [order_rows(study, variant, "authors")]
    accuracy = {"metric": "accuracy/test", "epoch": "last"}
    line = "{experiment} {dataset} {method} {recipe} {seed}: {value:.2f} % (n = {n:,})"
    return measure_command(
        "headline",
        about,
        HeadlineStudy,
        parts,
        says=(accuracy, line),
        arguments=arguments,
        options=options,
        changes=changes,
    )


if __name__ == "__main__":
    raise SystemExit(main())
