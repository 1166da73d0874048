"""Classifiers behind the README's table and claims 2 and 3 on MNIST, trained anew, and their rows.

`python -m cgnreport.protocol.headline --part wildlife:original --classifiers 3` trains three classifiers and keeps
their rows; those of double-colored MNIST that Figure 3 looks at give their heat maps, too.
"""

import argparse
from collections.abc import Callable
from itertools import product

from cgnlib.mnist.names import VARIANTS
from cgnreport.protocol.experiments import Rows, measure_command
from cgnreport.protocol.mnist import MnistStudy
from cgnreport.protocol.mnist_experiments import accuracy_rows, heat_map_rows

# Training data by name: method, and whose CGN.
TRAINED_ON: dict[str, tuple[str, str | None]] = {
    "original": ("original", None),
    "oracle": ("oracle", None),
    "cgn": ("cgn", "robust"),
    "original+cgn": ("original+cgn", "robust"),
    "authors-cgn": ("cgn", "authors"),
    "original+authors-cgn": ("original+cgn", "authors"),
}
LOOKED_AT = ("original", "oracle", "cgn")  # their heat maps are Figure 3


def headline_rows(study: MnistStudy, variant: str, name: str) -> list[Rows]:
    """Rows of Tables 1 and 2 of the classifiers trained on one of TRAINED_ON; on double-colored of Figure 3, too."""
    method, recipe = TRAINED_ON[name]
    found = [accuracy_rows(study, "mnist-ood", variant, method, recipe)]
    if variant == "double-colored" and name in LOOKED_AT:
        found.append(heat_map_rows(study, method, recipe))
    return found


def main(arguments: list[str] | None = None) -> int:
    """Train the classifiers of the README's table anew and keep their rows, whatever rows there are."""
    about = main.__doc__ or ""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--classifiers", type=int, default=1)
    given, others = parser.parse_known_args(arguments)
    parts: dict[str, Callable[[MnistStudy], list[Rows]]] = {
        f"{variant}:{name}": lambda study, of=(variant, name): headline_rows(study, *of)
        for variant, name in product(VARIANTS, TRAINED_ON)
    }
    accuracy = {"metric": "accuracy/test", "epoch": "last"}, "{dataset} {method} {seed}: {value:.2f} % (n = {n:,})"
    changes = {"reuse_rows": False, "classifier_seeds": given.classifiers}
    return measure_command("headline", about, MnistStudy, parts, says=accuracy, arguments=others, **changes)


if __name__ == "__main__":
    raise SystemExit(main())
