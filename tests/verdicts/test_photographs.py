"""The rule of composition without a generator, on rows that are made up: a split is a random seed."""

import pandas as pd
import pytest

from cgnreport.pages.photographs import composition_plot
from cgnreport.protocol.imagenet_settings import HEADS_ALONE, WITH_BLOCK, where_trained
from cgnreport.protocol.imagenet_settings import composition as setting
from cgnreport.protocol.parameters import Parameters
from cgnreport.protocol.rows import Number, frame_of, joined
from cgnreport.verdicts.photographs import composition

PAPER = Parameters.load("paper")


def frame(
    original: float, tied: float, composed: float, random: float = 60.0, spread: float = 0.2, trained: str = HEADS_ALONE
) -> pd.DataFrame:
    """Background gaps, and accuracy on random backgrounds after composition; 60 % before."""
    cells = []
    for method, gap in (("original", original), ("original+tied", tied), ("original+composed", composed)):
        output, after = ("avg", 60.0) if method == "original" else ("shape_texture", random)
        for seed in range(5):
            value = gap + spread * (seed - 2)
            numbers = [("bg-gap", value, "points"), ("accuracy/mixed-rand", after, "percent")]
            numbers += [("bg-gap/change", value - original + 0.1 * seed, "points")] * (method != "original")
            about = [Number(metric, each, 70, unit, output, "last") for metric, each, unit in numbers]
            cells += [setting(PAPER, method, trained).row(number, seed).cells() for number in about]
    return frame_of(cells)


@pytest.mark.parametrize(
    ("rows", "status"),
    [
        (frame(16, 17, 10), "holds"),
        (frame(16, 10, 10), "partly"),  # composed images of one class do as much
        (frame(16, 17, 10, random=50.0), "partly"),  # it narrows by getting worse
        (frame(16, 17, 16), "does not hold"),
        (frame(0, 1, -5), "not tested"),  # no gap to narrow
        (frame(16, 17, 10).loc[lambda rows: rows["method"] != "original+tied"], "not tested"),
        (frame_of([]), "not tested"),
    ],
)
def test_composition_is_judged_by_its_rule(rows: pd.DataFrame, status: str) -> None:
    found = composition(rows)
    assert found.status == status
    assert found.sentence.startswith("the background gap changes by" if status != "not tested" else "not tested: ")


def test_the_last_block_is_a_test_of_its_own() -> None:
    both = joined([frame(16, 17, 16), frame(16, 17, 10, trained=WITH_BLOCK)])
    assert [composition(both, each).status for each in (HEADS_ALONE, WITH_BLOCK)] == ["does not hold", "holds"]
    assert len(where_trained(both, HEADS_ALONE)) == len(where_trained(both, WITH_BLOCK)) == len(both) / 2
    assert composition(frame(16, 17, 10), WITH_BLOCK).status == "not tested"
    with pytest.raises(ValueError, match="unknown trained 'block'"):
        where_trained(both, "block")
    labels = {text.get_text() for ax in composition_plot(both).desktop.axes for text in ax.get_yticklabels()}
    assert {"photographs", "photographs, block trained"} <= labels
