"""Ten times as much, how many times as long? `python -m benchmarks.scaling` prints seconds at both sizes and the ratio.

Linear is 10. What a training costs besides, such as its first step, is in both. Seconds are the processor's, of all
threads together, so that other work beside it hardly counts.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.mnist import repeated
from cgnlib.data.digits import find_digits
from cgnlib.images import LabelledImages
from cgnlib.mnist.cgn import load_weights
from cgnlib.mnist.classifier import train_classifier
from cgnlib.mnist.counterfactuals import CounterfactualStream
from cgnlib.mnist.recipes import ClassifierConfig, recipe_for
from cgnlib.mnist.training import train_cgn
from cgnlib.mnist.variants import make_variant
from cgnreport.protocol.mnist_settings import shipped_cgn

TIMES = 10
REPEATS = 3  # of both sizes in turns; the shortest counts


def stages(scratch: Path) -> Iterator[tuple[str, str, int, Callable[[int], object]]]:
    """Each stage: its name, what is counted, how many at the smaller size, and what does as many as it is given."""
    digits = repeated(find_digits(download=False), 60_000)
    images, config = make_variant("double-colored", "train", digits), ClassifierConfig(epochs=1)
    given = shipped_cgn("double-colored", "robust")
    assert given is not None  # it is part of the project
    cgn, runs = load_weights(given), iter(range(1_000_000))

    def classifier(training: LabelledImages, seed: int = 0) -> None:
        train_classifier(training, {}, config, seed, root=scratch / str(next(runs)))

    def trained_cgn(n: int) -> None:
        recipe = replace(recipe_for("robust", "double-colored"), images=n)
        train_cgn(images, recipe, 0, root=scratch / str(next(runs)))

    yield "data", "images", 4_500, lambda n: make_variant("double-colored", "train", digits, limit=n)
    yield "classifier", "images", 4_500, lambda n: classifier(images.subset(slice(n)))
    yield (
        "classifiers",
        "random seeds",
        1,
        lambda n: [classifier(images.subset(slice(4_500)), seed) for seed in range(n)],
    )
    yield "counterfactuals", "images", 2_000, lambda n: CounterfactualStream(cgn, n, 0).collect()
    yield "CGN", "images", 1_280, trained_cgn


def main() -> int:
    """Measure every stage at both sizes, in turns, and print a line for each."""
    with tempfile.TemporaryDirectory(prefix="cgn-scaling-") as scratch:
        for name, what, n, action in stages(Path(scratch)):
            best = dict.fromkeys((n, TIMES * n), float("inf"))
            for _ in range(REPEATS):
                for size in best:
                    start = time.process_time()
                    action(size)
                    best[size] = min(best[size], time.process_time() - start)
            (small, large), words = best.values(), f"{n:,} and {TIMES * n:,} {what}"
            print(f"{name:16} {words:36} {small:7.2f} s {large:8.2f} s {large / small:6.1f} times", flush=True)
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
