"""CGNs of MNIST trained one at a time, with their rows: the published recipe at full length, changed recipes shorter.

`python -m cgnreport.protocol.trainings --part colored:full --seed 1` trains one CGN of the published recipe at its
length, and its classifiers; `--part colored:no-masks` one CGN of that way of training at `training_images`.
"""

from collections.abc import Callable
from itertools import product

from cgnlib.errors import Blocked
from cgnlib.mnist.names import VARIANTS
from cgnreport.protocol.experiments import Rows, measure_command
from cgnreport.protocol.mnist import MnistStudy
from cgnreport.protocol.mnist_experiments import accuracy_rows, control_rows, training_rows
from cgnreport.protocol.parameters import TRAININGS
from cgnreport.protocol.rows import select

FULL = "full"  # the published recipe at the length that it asks for


def full_rows(study: MnistStudy, variant: str) -> list[Rows]:
    """Rows of one CGN of the published recipe: mnist-control and, where its training came to its end, mnist-ood and
    mnist-indomain of its classifiers."""
    control = control_rows(study, variant, "paper")
    if isinstance(control, Blocked) or max(select(control, metric="training/stopped")["value"], default=0):
        return [control]
    methods = ("cgn", "original+cgn")
    return [control, *(accuracy_rows(study, "mnist-ood", variant, method, "paper") for method in methods)]


def main(arguments: list[str] | None = None) -> int:
    """Train a CGN for each variant and way of training that is named, at one random seed, and keep its rows."""
    parts: dict[str, Callable[[MnistStudy], list[Rows]]] = {
        f"{variant}:{FULL}": lambda study, variant=variant: full_rows(study, variant) for variant in VARIANTS
    }
    for variant, training in product(VARIANTS, TRAININGS):
        parts[f"{variant}:{training}"] = lambda study, of=(variant, training): training_rows(study, *of)
    success = {"metric": ["accuracy/test", "accuracy/dev", "training/stopped"], "epoch": ["last", "-"]}
    line = "{experiment} {dataset} {method} {recipe} {seed} {metric}: {value:.2f} % (n = {n:,})"
    return measure_command(
        "trainings",
        main.__doc__ or "",
        MnistStudy,
        parts,
        says=(success, line),
        arguments=arguments,
        changes={"classifier_seeds": 1, "training_seeds": 1},
    )


if __name__ == "__main__":
    raise SystemExit(main())
