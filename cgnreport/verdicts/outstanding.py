"""Which rows full scale asks for, and how many of their random seeds it has: counted from what is published."""

from collections.abc import Iterator
from itertools import product

import pandas as pd

from cgnlib.mnist.names import VARIANTS
from cgnreport.protocol.parameters import METHODS, SWEEP, TRAININGS, WITHOUT_CGN
from cgnreport.protocol.rows import select
from cgnreport.verdicts.chosen import Chosen, full_scale
from cgnreport.verdicts.rules import RULES

FULL_LENGTH = "CGNs at full length"
SHORT = "CGNs at a short length"
CLASSIFIERS = "classifiers of Tables 1 and 2"
WITHOUT = "classifiers without a CGN"
SWEPT = "classifiers of the sweep"
COMMANDS = {  # what computes a line of each kind
    FULL_LENGTH: "python -m cgnreport.protocol.trainings --part VARIANT:full --seed SEED",
    SHORT: "python -m cgnreport.protocol.trainings --part VARIANT:WAY --seed SEED",
    CLASSIFIERS: "python -m cgnreport.build run 03-claim2-mnist --profile paper -p classifier_seeds 3"
    ' -p methods "[WAY]"',
    WITHOUT: "python -m cgnreport.protocol.without_cgn --part VARIANT:WAY --seed SEED",
    SWEPT: "python -m cgnreport.protocol.sweep --part VARIANT:WAY --seed SEED",
}


def asked_for() -> pd.DataFrame:
    """A line per kind, way and variant: `seeds` that have rows, of `asked`.

    A success rate asks for `RULES.cgns_least` CGNs, a line of Tables 1 and 2 for as many classifiers as an interval
    over seeds takes, the others for what the parameters of scale `paper` say. A seed of the sweep counts where every
    agreement below 1 has it; at 1 two methods are refused.
    """
    return pd.DataFrame(_lines())


def _lines() -> Iterator[dict[str, str | int]]:
    sizes = full_scale().with_changes(trainings=list(TRAININGS), sweep=list(SWEEP))
    chosen, mnist = Chosen(sizes, own=False), sizes.mnist
    kinds = (
        (FULL_LENGTH, "mnist-control", "paper", "recipe", ("paper",), RULES.cgns_least),
        (SHORT, "mnist-training", None, "recipe", TRAININGS, RULES.cgns_least),
        (CLASSIFIERS, "mnist-ood", None, "method", METHODS, RULES.seeds_for_interval),
        (WITHOUT, "mnist-without-cgn", None, "method", WITHOUT_CGN, mnist.without_cgn_seeds),
        (SWEPT, "mnist-sweep", None, "method", SWEEP, mnist.sweep_seeds),
    )
    below = [agreement for agreement in mnist.sweep_agreements if agreement < 1]
    for what, experiment, recipe, column, ways, asked in kinds:
        rows = chosen.rows(experiment, recipe)
        for way, variant in product(ways, VARIANTS):
            own = select(rows, dataset=variant, **{column: way})
            parts = [select(own, agreement=each) for each in below] if what == SWEPT and len(own) else [own]
            seeds = min(len(set(part["seed"])) for part in parts)
            yield {"kind": what, "way": way, "variant": variant, "seeds": seeds, "asked": asked}
