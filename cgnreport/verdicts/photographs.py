"""Composition without a generator on photographs (rows of photographs-composition). The rule was fixed before the first
run of it; it is no claim of the study. That the last block learns, too, is a second test.
"""

from dataclasses import dataclass

import pandas as pd

from cgnlib.errors import Blocked
from cgnlib.statistics import Interval
from cgnreport.protocol.imagenet_settings import HEADS_ALONE, where_trained
from cgnreport.protocol.summary import difference, interval_of
from cgnreport.verdicts.imagenet import as_published, narrowed
from cgnreport.verdicts.model import Status
from cgnreport.verdicts.rules import IMAGENET_RULES

RULE = (
    "Heads learn from photographs alone ('original'), with composed images whose shape, texture "
    "and background come from three photographs of one class ('original+tied'), or of free classes "
    "('original+composed'), as many each. It holds where the interval of the change of the background gap from "
    "'original' to 'original+composed' lies below zero, accuracy on random backgrounds does not fall (lower bound of "
    f"its change above -{IMAGENET_RULES.random_margin:g} points), and the gap is below that of 'original+tied' "
    "(interval of the difference below zero); partly where the gap narrows, but one of the others fails. It is not "
    "tested where 'original' has no gap (lower bound at or below zero). Gaps are read as published, off the shape and "
    "texture heads, of 'original' off all heads. Intervals are over five splits by photograph, differences paired by "
    "split (until 2026-12-01 those of accuracy and from 'original+tied' were as if independent, which is wider)."
)


@dataclass(frozen=True)
class Composition:
    """What composition without a generator does, in points. change, random: of the gap and of accuracy on random
    backgrounds, from 'original'; beside: gap less that of 'original+tied'; before, after: gaps.
    """

    status: Status
    before: Interval | None = None
    after: Interval | None = None
    change: Interval | None = None
    random: Interval | None = None
    beside: Interval | None = None
    untested: Blocked | None = None

    @property
    def sentence(self) -> str:
        """The finding in words."""
        if self.untested or not (self.before and self.after and self.change and self.random and self.beside):
            return f"not tested: {self.untested}"
        return (
            f"the background gap changes by {self.change.text(signed=True)} points, from {self.before.text()} to "
            f"{self.after.text()}; accuracy on random backgrounds by {self.random.text(signed=True)}; against as many "
            f"composed images whose parts are of one class by {self.beside.text(signed=True)}"
        )


def composition(rows: pd.DataFrame, trained: str = HEADS_ALONE) -> Composition:
    """The rule applied to rows of experiment photographs-composition. trained: one of imagenet_settings.TRAINED."""
    rows = where_trained(rows, trained)
    gaps = [as_published(rows, method, "bg-gap") for method in ("original", "original+composed", "original+tied")]
    if any(gap.empty for gap in gaps):
        return Composition(Status.NOT_TESTED, untested=Blocked("no rows of all three kinds of training data"))
    status, change, random = narrowed(rows, "original+composed")
    before, after, beside = interval_of(gaps[0]), interval_of(gaps[1]), difference(gaps[1], gaps[2], splits=True)
    if beside.high >= 0 and status is Status.HOLDS:
        status = Status.PARTLY
    if before.low <= 0:
        untested = Blocked(f"'original' has no background gap ({before.text()} points)")
        return Composition(Status.NOT_TESTED, before, after, change, random, beside, untested)
    return Composition(status, before, after, change, random, beside)
