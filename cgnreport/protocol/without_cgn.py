"""Does it take a CGN? The tasks of claims 2 and 3 by methods for which nothing is generated.

`python -m cgnreport.protocol.without_cgn --part wildlife:paste --seed 1` measures one classifier and keeps its rows.
"""

import functools
from collections.abc import Callable
from itertools import product

from cgnlib.images import LabelledImages
from cgnlib.mnist.classifier import predict
from cgnlib.mnist.names import VARIANTS
from cgnlib.mnist.recipes import ROBUST
from cgnlib.mnist.without_cgn import AUGMENTATION, PREPROCESSING, preprocessed
from cgnreport.protocol.experiments import Measured, Rows, measure_command
from cgnreport.protocol.mnist import MnistStudy
from cgnreport.protocol.mnist_experiments import TESTS, accuracy_numbers, part_numbers
from cgnreport.protocol.parameters import WITHOUT_CGN

ORACLES = {"oracle": "", "oracle-stretched": "border-stretched"}  # free factors, and how their images are preprocessed


def without_cgn_rows(study: MnistStudy, variant: str, method: str) -> Rows:
    """Rows of one of `parameters.WITHOUT_CGN` (experiment mnist-without-cgn).

    "accuracy/test" and "accuracy/indomain" are those of Tables 2 and 1; their parts are those of `part_numbers`.
    """

    @functools.cache
    def tests() -> dict[str, LabelledImages]:
        return {name: _as_seen(study.images(variant, split), method) for name, split in TESTS.items()}

    def measure(seed: int) -> Measured:
        training = training_set(study, variant, method, seed)
        classifier, history, seconds = study.classifier(variant, training, seed, tests())
        numbers = [number for split in ("test", "indomain", "train") for number in accuracy_numbers(history, split)]
        for name, images in tests().items():
            numbers += part_numbers(predict(classifier, images), study.images(variant, TESTS[name]), variant, name)
        return Measured(numbers, seconds)

    return study.rows(study.settings.without_cgn(variant, method), measure, study.settings.without_cgn_seeds)


def training_set(study: MnistStudy, variant: str, method: str, seed: int) -> LabelledImages:
    """The training images of a method; random draws are those of `seed`."""
    if method in ORACLES:
        return _as_seen(study.training_set(variant, "oracle"), method)
    images = study.images(variant, "train")
    if method in PREPROCESSING:
        return preprocessed(images, method)
    # A found mask is soft where digits fade into the background, as for our CGN's training.
    soft = {"soft": ROBUST[variant].soft_masks} if method == "paste" else {}
    return AUGMENTATION[method](images, study.mnist.counterfactuals, seed, **soft)


def _as_seen(images: LabelledImages, method: str) -> LabelledImages:
    name = ORACLES.get(method, method)
    return preprocessed(images, name) if name in PREPROCESSING else images


def main(arguments: list[str] | None = None) -> int:
    """Train a classifier for each variant and method that is named, at one random seed, and keep its rows."""
    parts: dict[str, Callable[[MnistStudy], list[Rows]]] = {
        f"{variant}:{method}": lambda study, of=(variant, method): [without_cgn_rows(study, *of)]
        for variant, method in product(VARIANTS, WITHOUT_CGN)
    }
    accuracy = {"metric": "accuracy/test", "epoch": "last"}, "{dataset} {method} {seed}: {value:.2f} % (n = {n:,})"
    about = main.__doc__ or ""
    return measure_command(
        "without_cgn",
        about,
        MnistStudy,
        parts,
        says=accuracy,
        arguments=arguments,
        changes={"without_cgn_seeds": 1},
    )


if __name__ == "__main__":
    raise SystemExit(main())
