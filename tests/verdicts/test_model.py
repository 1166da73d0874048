"""Statuses, words and records of verdicts, and the claims that they are on."""

import dataclasses

import pytest

from cgnlib.errors import Blocked
from cgnlib.statistics import Interval, Unit
from cgnreport.protocol.imagenet_settings import NEEDED
from cgnreport.verdicts import claims
from cgnreport.verdicts.claims import CLAIMS, THREE_CLAIMS, rules_hash
from cgnreport.verdicts.model import Finding, Status, Verdict, badge_words, combine, records
from cgnreport.verdicts.rules import RULES
from cgnreport.verdicts.sentences import fill, plural, replication

YES, PARTLY, NO, NOT_TESTED = Status.REPRODUCED, Status.PARTLY, Status.NOT_REPRODUCED, Status.NOT_TESTED


@pytest.mark.parametrize(
    ("statuses", "whole"),
    [
        ([YES] * 3, YES),
        ([YES, NOT_TESTED], YES),
        ([YES, NO], PARTLY),
        ([PARTLY, PARTLY], PARTLY),
        ([YES, PARTLY], PARTLY),
        ([NO] * 3, NO),
        ([NO, PARTLY], PARTLY),
        ([NOT_TESTED], NOT_TESTED),
        ([], NOT_TESTED),
    ],
)
def test_all_some_or_none(statuses: list[Status], whole: Status) -> None:
    assert combine(statuses) is whole


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


def test_a_capped_verdict_and_smoke() -> None:
    found = (finding("claim1-mnist", "colored", 95.0),)
    capped = Verdict("claim1-mnist", found, cap="The background is not tested.")
    assert capped.status is PARTLY and capped.why.startswith("The background is not tested.")
    smoke = Verdict("claim1-mnist", found, smoke=True)
    assert (smoke.status, smoke.number) == (NOT_TESTED, 95.0)
    assert smoke.why.startswith("Not tested at this scale")


def test_badges_of_failures_say_whether_the_failure_was_found() -> None:
    assert badge_words("residue-imagenet", YES) == "failure found"
    assert badge_words("residue-imagenet", NOT_TESTED) == "not tested"
    assert badge_words("claim1-imagenet", YES) == "reproduced"


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


def test_records_hold_what_decides() -> None:
    tested = finding("claim2-mnist", "wildlife", 70.0, published={"SG21": 85.7}, facts={"method": "cgn"}, n=3)
    missing = Finding("claim2-mnist", "colored", NOT_TESTED, untested=Blocked("no rows", "run it"))
    first, second = records([Verdict("claim2-mnist", (tested, missing), "authors")])
    assert (first["verdict"], first["recipe"], first["method"], first["needs"]) == ("reproduced", "authors", "cgn", 0.0)
    assert (first["low"], first["interval_over"], first["n"], first["published"]) == (69.0, "CGNs", 3, {"SG21": 85.7})
    assert first["rules"] == rules_hash("mnist")
    assert (second["verdict"], second["number"], second["untested"]) == ("not tested", None, "no rows: run it")


# --- Claims -----------------------------------------------------------------------------------------------------------


def test_claims_are_complete() -> None:
    assert set(THREE_CLAIMS) < set(CLAIMS)
    assert {claim.needs for claim in CLAIMS.values()} - {""} <= set(NEEDED)
    assert not any("{" in claim.rule for claim in CLAIMS.values())
    assert "factor reader" in CLAIMS["claim1-mnist"].rule and "oracle" not in CLAIMS["claim1-mnist"].rule


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        ("claim1-mnist", "0.8 times"),
        ("claim1-mnist", "90 % of its trained CGNs"),
        ("claim2-mnist", "80 %"),
        ("claim3-mnist", "-1.5 points"),
        ("claim1-imagenet", "mean IoU of at least 0.5"),
        ("claim2-imagenet", "above -3 points"),
    ],
)
def test_thresholds_stand_in_the_rules(claim: str, words: str) -> None:
    assert words in CLAIMS[claim].rule


def test_the_hash_follows_the_rules_of_its_half(monkeypatch: pytest.MonkeyPatch) -> None:
    before = rules_hash("mnist"), rules_hash("imagenet")
    assert len(before[0]) == 12 and before[0] != before[1]
    changed = dataclasses.replace(CLAIMS["claim1-mnist"], rule="other")
    monkeypatch.setitem(claims.CLAIMS, "claim1-mnist", changed)
    assert rules_hash("mnist") != before[0] and rules_hash("imagenet") == before[1]
    monkeypatch.setattr(claims, "RULES", dataclasses.replace(RULES, leak_most=50.0))
    assert rules_hash("imagenet") != before[1]
