"""Does the recipe hold beyond digits? Own shapes have a rule of their own: claims and published numbers are of MNIST.

The rule was fixed before the first training on shapes other than digits.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from cgnlib.errors import Blocked
from cgnlib.mnist.names import FACTORS_OF
from cgnlib.statistics import Interval
from cgnreport.protocol.rows import select
from cgnreport.protocol.summary import difference, interval_of, mean_of
from cgnreport.verdicts.control import SuccessRate, blind_reader, control_checks
from cgnreport.verdicts.model import Status
from cgnreport.verdicts.rules import RULES
from cgnreport.verdicts.sentences import plural

RULE = (
    "Control, by the rule of claim 1: a CGN succeeds when it meets every condition there, and control holds on a "
    f"variant where at least {RULES.successful_runs_least:g} % of its CGNs succeed; not tested with fewer than "
    f"{RULES.cgns_least} CGNs, or where a reader reads its factor in fewer than {RULES.reader_least:g} % of real "
    "images. Robustness, as claim 2 but without SG21's number, which is of digits: it holds where 'original+cgn' beats "
    "'original' on free-factor test images at the last epoch (interval of the difference above zero); not tested where "
    "'oracle' does not. Both are asked of CGNs of the length that their rows name, also where the recipe asks for more."
)


@dataclass(frozen=True)
class OwnShapes:
    """What was found on one variant. rate: CGNs that succeed, None without rows; gain: in accuracy, points; share: of
    the way from 'original' to 'oracle', percent. untested: why control, why robustness is not judged, None where it is.
    """

    variant: str
    control: Status
    robustness: Status
    rate: SuccessRate | None = None
    gain: Interval | None = None
    share: float | None = None
    untested: tuple[Blocked | None, Blocked | None] = (None, None)


def own_shapes(
    control: pd.DataFrame, ood: pd.DataFrame, variants: Sequence[str], recipe: str = "robust"
) -> list[OwnShapes]:
    """The rule applied to rows of mnist-control and mnist-ood of one set of own shapes, a variant at a time."""
    return [_judged(control, ood, variant, recipe) for variant in variants]


def _judged(control: pd.DataFrame, ood: pd.DataFrame, variant: str, recipe: str) -> OwnShapes:
    runs = select(control, dataset=variant, method="cgn", recipe=recipe)
    rate = SuccessRate.of(runs, variant, recipe, lambda run: control_checks(run, variant)) if len(runs) else None
    few = Blocked(f"{rate.trained if rate else 0} of {plural(RULES.cgns_least, 'CGN')}")
    first = (blind_reader(runs, FACTORS_OF[variant]) if rate else None) or (
        None if rate and rate.trained >= RULES.cgns_least else few
    )
    enough = rate and rate.succeeded >= RULES.successful_runs_least / 100 * rate.trained
    controlled = Status.NOT_TESTED if first else Status.HOLDS if enough else Status.FAILS

    test = select(ood, dataset=variant, metric="accuracy/test", epoch="last")
    base, oracle = select(test, method="original"), select(test, method="oracle")
    ours = select(test, method="original+cgn", recipe=recipe)
    if not (len(base) and len(oracle) and len(ours)):
        second = Blocked("no rows of 'original', 'oracle' and 'original+cgn'")
        return OwnShapes(variant, controlled, Status.NOT_TESTED, rate, untested=(first, second))
    gain, ceiling = difference(ours, base), difference(oracle, base)
    second = None if ceiling.low > 0 else Blocked(f"'oracle' reaches {interval_of(oracle).text()} %, no gain to be had")
    robust = Status.NOT_TESTED if second else Status.HOLDS if gain.low > 0 else Status.FAILS
    share = 100 * (mean_of(ours) - mean_of(base)) / ceiling.value if ceiling.low > 0 else None
    return OwnShapes(variant, controlled, robust, rate, gain, share, (first, second))
