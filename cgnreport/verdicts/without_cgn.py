"""Does it take a CGN? Whether a variant tells counterfactuals from methods for which nothing is generated.

The rule was fixed before the first run of these methods. It is not a claim of the study: it says what claim 2 is worth.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from cgnlib.errors import Blocked
from cgnlib.mnist.names import VARIANTS
from cgnlib.statistics import Interval
from cgnreport.protocol.parameters import WITHOUT_CGN
from cgnreport.protocol.rows import select
from cgnreport.protocol.summary import SEEDS_FOR_INTERVAL, interval_of
from cgnreport.verdicts.chosen import full_scale, rows_for
from cgnreport.verdicts.control import cut_short
from cgnreport.verdicts.sentences import plural

RULE = (
    "A variant discriminates where the 95 % interval of the out-of-domain accuracy of counterfactuals lies above that "
    "of the best method for which nothing is generated. Of counterfactuals the better of 'cgn' and 'original+cgn' "
    "counts, of the other methods that with the highest mean; our CGN and the authors' weights are judged each for "
    f"itself. Both are chosen on the test images. It takes {SEEDS_FOR_INTERVAL} classifiers of each, and a variant is "
    "said to discriminate only where all of these methods have rows."
)
METHODS = tuple(method for method in WITHOUT_CGN if not method.startswith("oracle"))
_FRAME = "that no digit touches the border (frame prior)"
TOLD = {  # what a method is told beside images and their class labels
    "border-colour": _FRAME,
    "border-grey": f"{_FRAME}; that hue does not matter",
    "border-cut": f"{_FRAME}; that contrast does not matter",
    "border-stretched": f"{_FRAME}; that contrast does not matter",
    "grey": "that hue does not matter",
    "edges": "that contrast and what is inside an outline do not matter",
    "recolour": "that hue and contrast do not matter",
    "paste": f"{_FRAME}, from which masks are found; that the class is the shape's",
    "augmix": "that small changes of place, colour and contrast do not matter",
    "cgn": f"our CGN: {_FRAME}, from which masks are found; that the class is the shape's. The authors': that masks "
    "are black and white, and the features of a network trained on ImageNet",
}


@dataclass(frozen=True)
class Discrimination:
    """One variant, for CGNs of one recipe. cgn, without: out-of-domain accuracies in percent, of the methods `method`
    and `best`; None where there are no rows. untested: why nothing is said.
    """

    variant: str
    recipe: str
    method: str = ""
    cgn: Interval | None = None
    best: str = ""
    without: Interval | None = None
    untested: Blocked | None = None

    @property
    def discriminates(self) -> bool | None:
        """Whether the variant does; None where it is not tested."""
        if self.untested or self.cgn is None or self.without is None:
            return None
        return self.cgn.low > self.without.high


def discriminations(
    ood: pd.DataFrame, others: pd.DataFrame, recipe: str = "robust", variants: Sequence[str] = VARIANTS
) -> list[Discrimination]:
    """The rule applied to rows of mnist-ood and of mnist-without-cgn, a variant at a time."""
    return [_judged(ood, others, recipe, variant) for variant in variants]


def at_full_scale(recipe: str = "robust") -> list[Discrimination]:
    """The rule applied to the rows that the project publishes at scale `paper`."""
    full = full_scale()
    ood, others = rows_for(full, "mnist-ood", recipe, own=False), rows_for(full, "mnist-without-cgn", own=False)
    return discriminations(ood, others, recipe, full.mnist.variants)


def _judged(ood: pd.DataFrame, others: pd.DataFrame, recipe: str, variant: str) -> Discrimination:
    about = {"dataset": variant, "metric": "accuracy/test", "epoch": "last"}
    ours = _best(select(ood, recipe=recipe, **about), ("cgn", "original+cgn"))
    theirs = _best(select(others, **about), METHODS)
    if not ours or not theirs:
        missing = "counterfactuals" if not ours else "methods without a CGN"
        return Discrimination(variant, recipe, untested=Blocked(f"no rows of {missing}"))
    (method, counted, cgn), (best, beside, without) = ours, theirs
    found = Discrimination(variant, recipe, method, cgn, best, without)
    left_out = [name for name in METHODS if select(others, method=name, **about).empty]
    why = cut_short(counted)
    for name, rows in ((method, counted), (best, beside)):
        if len(rows) < SEEDS_FOR_INTERVAL:
            why = why or Blocked(f"{plural(len(rows), 'classifier')} of '{name}', {SEEDS_FOR_INTERVAL} are needed")
    if "smoke" in set(others["profile"]):
        why = Blocked("scale smoke runs every line; its numbers mean nothing")
    if found.discriminates and left_out:
        why = why or Blocked(f"no rows of {', '.join(left_out)}")
    return Discrimination(variant, recipe, method, cgn, best, without, why)


def _best(rows: pd.DataFrame, methods: Sequence[str]) -> tuple[str, pd.DataFrame, Interval] | None:
    """Of the methods with rows the one with the highest mean, its rows and interval."""
    frames = {method: select(rows, method=method) for method in methods}
    found = [(method, frame, interval_of(frame)) for method, frame in frames.items() if len(frame)]
    return max(found, key=lambda each: each[2].value, default=None)


def says() -> str:
    """What claim 2 says first, of the rows that the project publishes: a sentence for our CGN, one for the authors'."""
    whose = {"robust": "our CGN", "authors": "the authors' weights"}
    return " ".join(f"With {name}: {first_line(at_full_scale(recipe), recipe)}" for recipe, name in whose.items())


def first_line(judged: Sequence[Discrimination], recipe: str = "robust") -> str:
    """What claim 2 says first: on which variants counterfactuals of a recipe beat methods without a CGN."""
    own = [each for each in judged if each.recipe == recipe]
    tested = [each for each in own if each.discriminates is not None]
    if not tested:
        return "not tested."
    ties, held = ([each for each in tested if each.discriminates is it] for it in (False, True))
    words = []
    for found, what in (
        (ties, "It does not take a CGN"),
        (held, "Counterfactuals read more than the best method without a CGN"),
    ):
        parts = [
            f"{each.variant} (CGN {each.cgn.text()} %, {each.best} {each.without.text()} %)"
            for each in found
            if each.cgn and each.without
        ]
        if parts:
            words.append(f"{what} on {len(found)} of {plural(len(own), 'variant')}: {'; '.join(parts)}.")
    if untested := [each.variant for each in own if each.discriminates is None]:
        words.append(f"Not tested: {', '.join(untested)}.")
    return " ".join(words)
