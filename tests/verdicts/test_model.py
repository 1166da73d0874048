"""Statuses and words of verdicts, and the claims that they are on."""

import pytest

from cgnlib.statistics import Interval, Unit
from cgnreport.protocol.imagenet_settings import NEEDED
from cgnreport.verdicts.claims import CLAIMS, THREE_CLAIMS
from cgnreport.verdicts.model import Finding, Status, Verdict, combine
from cgnreport.verdicts.sentences import fill, plural, replication

YES, PARTLY, NO, NOT_TESTED = Status.HOLDS, Status.PARTLY, Status.FAILS, Status.NOT_TESTED


@pytest.mark.parametrize(
    ("whole", "several"),
    [
        (YES, ([YES] * 3, [YES, NOT_TESTED])),
        (PARTLY, ([YES, NO], [PARTLY, PARTLY], [YES, PARTLY], [NO, PARTLY])),
        (NO, ([NO] * 3,)),
        (NOT_TESTED, ([NOT_TESTED], [])),
    ],
)
def test_all_some_or_none(whole: Status, several: tuple[list[Status], ...]) -> None:
    assert {combine(statuses) for statuses in several} == {whole}


def finding(claim: str, variant: str, value: float, status: Status = YES, **more: object) -> Finding:
    return Finding(claim, variant, status, Interval(value, value - 1, value + 1, Unit.CGNS), 0.0, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(("claim", "number"), [("claim2-imagenet", -2.0), ("heads-imagenet", -10.0)])
def test_the_weakest_is_that_whose_bound_speaks_least_for_the_claim(claim: str, number: float) -> None:
    pair = (finding(claim, "toy", -10.0), finding(claim, "imagenet-9", -2.0))
    verdict = Verdict(claim, pair)
    assert verdict.number == number
    lower = CLAIMS[claim].lower_is_better
    assert verdict.weakest is not None and verdict.weakest.bound == number + (1 if lower else -1)
    worse = finding(claim, "imagenet-9", -20.0, PARTLY)
    assert Verdict(claim, (pair[0], worse)).weakest is worse, "the status comes first"


def test_sentences_leave_out_what_is_not_known() -> None:
    change = Interval(-1.25, -2, -0.5, Unit.IMAGES)
    assert fill(["by {change:+2}", "; {other}", "; {text}"], {"change": change, "other": None, "text": ""}) == (
        "by −1.25 [−2.00, −0.50]"
    )
    assert fill(["{name} by {points:+.1f}"], {"name": "in-domain", "points": -3}) == "in-domain by −3.0"
    assert (plural(1, "CGN"), plural(1000, "row")) == ("1 CGN", "1,000 rows")


def test_the_unit_of_replication_is_said_for_each_variant() -> None:
    alike = replication([("a", Unit.CGNS), ("b", Unit.CGNS)], "test images", "between seeds", 3)
    assert alike == "Intervals are over CGNs."
    mixed = replication([("a", Unit.CGNS), ("b", Unit.IMAGES), ("toy", Unit.IMAGES)], "test images", "between seeds", 3)
    assert mixed.startswith("For a intervals are over CGNs. For b and the toy world intervals are over test images")
    assert mixed.endswith("with fewer than 3 seeds: the spread between seeds is left out.")


# --- Claims -----------------------------------------------------------------------------------------------------------


def test_claims_are_complete() -> None:
    assert set(THREE_CLAIMS) < set(CLAIMS)
    assert {claim.needs for claim in CLAIMS.values()} - {""} <= set(NEEDED)
    assert not any("{" in claim.rule for claim in CLAIMS.values())
    thresholds = {
        "claim1-mnist": "90 % of its trained CGNs", "claim2-mnist": "80 %", "claim3-mnist": "-1.5 points",
        "claim1-imagenet": "mean IoU of at least 0.5", "claim2-imagenet": "above -3 points",
    }  # fmt: skip
    assert all(words in CLAIMS[claim].rule for claim, words in thresholds.items())
