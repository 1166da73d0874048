"""Classifiers behind the README's table and claims 2 and 3 on MNIST, trained anew and kept, and their rows.

`python -m cgnreport.protocol.headline --part wildlife:original --classifiers 3` trains three classifiers, one after the
other; those of double-colored MNIST that Figure 3 looks at give their heat maps, too. `shipped_classifiers` takes what
is kept; of part `order`, an explanation of claim 2's numbers, rows alone are.
"""

import argparse
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

from cgnlib.errors import Blocked
from cgnlib.images import LabelledImages
from cgnlib.mnist.classifier import Classifier
from cgnlib.mnist.names import VARIANTS
from cgnreport.protocol.experiments import Rows, measure_command
from cgnreport.protocol.mnist import MnistStudy
from cgnreport.protocol.mnist_experiments import accuracy_rows, heat_map_rows, order_rows
from cgnreport.protocol.mnist_settings import LOOKED_AT, ORDERED, STARTS
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
    """A study that holds the classifier made last, and the images that it was trained on."""

    def __init__(self, parameters: Parameters) -> None:
        super().__init__(parameters)
        self.seeds = self.settings.classifier_seeds
        self.last: Classifier | None = None
        self._trained_on: tuple[tuple[str, str, str | None], LabelledImages] | None = None

    def one_by_one(self) -> Iterator[int]:
        """Random seeds of the classifiers; while one is at hand, the settings know it alone."""
        for seed in self.seeds:
            self.settings.classifier_seeds = self.settings.without_cgn_seeds = range(seed, seed + 1)
            yield seed

    def training_set(self, variant: str, method: str, recipe: str | None = None) -> LabelledImages:
        key = variant, method, recipe
        if self._trained_on is None or self._trained_on[0] != key:
            self._trained_on = key, super().training_set(*key)
        return self._trained_on[1]

    def classifier(self, variant: str, training: LabelledImages, seed: int, *others: Any, **more: Any) -> Any:
        found = super().classifier(variant, training, seed, *others, **more)
        self.last = found[0]
        return found


def headline_rows(study: HeadlineStudy, variant: str, name: str) -> list[Rows]:
    """Rows of Tables 1 and 2 of the classifiers trained on one of TRAINED_ON; on double-colored of Figure 3, too.

    Each classifier is kept, and its heat maps measured, before the next one is trained.
    """
    return [rows for seed in study.one_by_one() for rows in _headline_rows(study, variant, name, seed)]


def _headline_rows(study: HeadlineStudy, variant: str, name: str, seed: int) -> list[Rows]:
    (method, recipe), settings, study.last = TRAINED_ON[name], study.settings, None
    if name == "border-stretched":
        setting, found = settings.without_cgn(variant, method), [without_cgn_rows(study, variant, method)]
    else:
        setting = settings.accuracy("mnist-ood", variant, method, recipe)
        found = [accuracy_rows(study, "mnist-ood", variant, method, recipe)]
    if variant == "double-colored" and name in LOOKED_AT:
        found.append(heat_map_rows(study, method, recipe))
    if study.last is not None:
        assert not isinstance(setting, Blocked)  # or none would have been made
        keep(f"{variant}-{name}-{seed}", study.last, setting, seed, dict(test_sets(variant)))
    return found


def main(arguments: list[str] | None = None) -> int:
    """Train the classifiers of the README's table anew, keep them and their rows, whatever rows there are."""
    about = main.__doc__ or ""
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("--classifiers", type=int, default=1, help="classifiers of each, seeds upwards (default: 1)")
    parts: dict[str, Callable[[HeadlineStudy], list[Rows]]] = {
        f"{variant}:{name}": lambda study, of=(variant, name): headline_rows(study, *of)
        for variant, name in product(VARIANTS, TRAINED_ON)
    }
    for variant in ORDERED:
        parts[f"{variant}:order"] = lambda study, variant=variant: [
            order_rows(study, variant, "authors", start) for start in STARTS for _ in study.one_by_one()
        ]
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
        changes=lambda given: {"reuse_rows": False, "classifier_seeds": given.classifiers},
    )


if __name__ == "__main__":
    raise SystemExit(main())
