"""Verdicts follow from rows by the stated rules."""

import dataclasses
from typing import Any

import pandas as pd
import pytest

from cgnlib import verdicts
from cgnlib.parameters import VARIANTS
from cgnlib.results import COLUMNS, ResultsError, Row
from cgnlib.verdicts import (
    CLAIMS,
    FACTORS,
    RULES,
    claim1_mnist,
    claim2_mnist,
    claim3_mnist,
    combine,
    control_checks,
    gradcam_mnist,
    rules_hash,
)


def frame(*changes: dict[str, Any]) -> pd.DataFrame:
    """Rows with these columns, as `results.load` returns them."""
    base: dict[str, Any] = {
        "experiment": "mnist-ood", "dataset": "wildlife", "method": "cgn", "metric": "accuracy/test/last",
        "value": 50.0, "n": 10_000, "seed": 0, "profile": "quick", "data": "mnist-full+dtd",
    }  # fmt: skip
    lines = []
    for change in changes:
        given = base | change
        given.setdefault("recipe", "-" if given["method"] in ("original", "oracle") else "robust")
        row = Row(**given)
        lines.append(row.cells() | {"value": row.value, "n": row.n, "seed": row.seed})
    return pd.DataFrame(lines, columns=list(COLUMNS))


def accuracies(metric: str, oracle: float = 98.0, **values: tuple[float, float]) -> pd.DataFrame:
    """Accuracies of original, original+cgn and oracle by variant (with _ for -)."""
    return frame(
        *(
            {"dataset": name.replace("_", "-"), "method": method, "metric": metric, "value": value}
            for name, pair in values.items()
            for method, value in zip(("original", "original+cgn", "oracle"), (*pair, oracle), strict=True)
        )
    )


@pytest.mark.parametrize(
    ("statuses", "whole"),
    [
        (["reproduced"] * 3, "reproduced"),
        (["reproduced", "not tested"], "reproduced"),
        (["reproduced", "not reproduced"], "partly"),
        (["partly", "partly"], "partly"),
        (["reproduced", "partly"], "partly"),
        (["not reproduced"] * 3, "not reproduced"),
        (["not reproduced", "partly"], "partly"),
        (["not tested"], "not tested"),
        ([], "not tested"),
    ],
)
def test_all_some_or_none(statuses, whole) -> None:
    assert combine(statuses) == whole


@pytest.mark.parametrize(
    ("before", "after", "status"),
    [
        (10.6, 86.0, "reproduced"),  # within 2 points of SG21's 85.7
        (10.6, 63.0, "partly"),  # the seed's own Table 2 has 63.2, but the claim is SG21's
        (10.6, 95.0, "reproduced"),  # above everything published
        (10.6, 70.0, "partly"),  # better than the original data, but near no published value
        (10.6, 10.7, "not reproduced"),
    ],
)
def test_claim2_on_one_variant(before: float, after: float, status: str) -> None:
    verdict = claim2_mnist(accuracies("accuracy/test/last", wildlife=(before, after)))
    assert verdict.status == status
    assert verdict.number == pytest.approx(after - before)
    assert "A single seed" in verdict.why
    assert "Not tested: colored, double-colored" in verdict.why


def test_claim2_takes_the_better_method_and_the_weakest_variant() -> None:
    rows = accuracies("accuracy/test/last", colored=(37, 96), double_colored=(10, 88), wildlife=(10, 62.9))
    rows = pd.concat([rows, frame({"value": 75.0})], ignore_index=True)
    verdict = claim2_mnist(rows)
    assert (verdict.status, verdict.number) == ("partly", pytest.approx(65.0))
    assert claim2_mnist(rows.assign(recipe=rows["recipe"].replace("robust", "authors")), "authors").status == "partly"
    assert verdict.findings[2].sentence.startswith("cgn changes accuracy by +65.0")
    assert verdict.published.startswith("wildlife: seed Table 2 70.2 %")
    assert verdict.sentence.startswith("Reproduced for 2 of 3 variants; the weakest, wildlife")


def test_three_seeds_make_an_interval_over_seeds() -> None:
    lines = [
        {"method": m, "seed": s, "value": v + s, "dataset": "wildlife"}
        for m, v in (("original", 10.0), ("cgn", 84.0), ("oracle", 95.0))
        for s in range(3)
    ]
    verdict = claim2_mnist(frame(*lines), variants=["wildlife"])
    assert verdict.why == "Intervals are over seeds."
    assert verdict.interval is not None
    assert verdict.interval.kind == "t over seeds"


@pytest.mark.parametrize(
    ("after", "status"), [(99.4, "reproduced"), (99.9, "reproduced"), (98.0, "partly"), (95.0, "not reproduced")]
)
def test_claim3_margin(after: float, status: str) -> None:
    rows = accuracies("accuracy/indomain/last", colored=(99.5, after))
    verdict = claim3_mnist(rows.assign(experiment="mnist-indomain"), variants=["colored"])
    assert verdict.status == status
    assert verdict.published == "colored: seed Table 1: +0.0 points"


def control(variant: str, diagonal: float = 95.0, other: float = 11.0, area: float = 0.2, **more: Any) -> list[dict]:
    factors = FACTORS[variant]
    about = {"experiment": "mnist-control", "dataset": variant, "n": 2000} | more
    diversity, oracle = about.pop("diversity", 0.08), about.pop("oracle", 100.0)
    cells = [(a, b, diagonal if a == b else other) for a in factors for b in factors]
    return [
        *(about | {"metric": f"control/{a}/{b}", "value": value} for a, b, value in cells),
        *(about | {"metric": f"oracle/{factor}", "value": oracle} for factor in factors),
        about | {"metric": "mask/area", "value": area, "unit": "fraction"},
        about | {"metric": "mask/diversity", "value": diversity, "unit": "fraction"},
    ]


def test_claim1_success_of_every_variant() -> None:
    verdict = claim1_mnist(frame(*(line for variant in VARIANTS for line in control(variant))))
    assert verdict.status == "reproduced"
    assert verdict.number == pytest.approx(95.0)
    assert "1 trained CGN per variant says little" in verdict.why


@pytest.mark.parametrize(
    ("change", "failed", "words"),
    [
        ({"diagonal": 81.0}, "control/shape/shape", "control over shape, control over texture"),  # lower bound 79.2
        ({"other": 24.0}, "control/shape/foreground", "label of shape in the texture"),  # its upper bound is 25.9
        ({"area": 0.45}, "mask/area", "mask area"),
        ({"area": 0.01}, "mask/area", "mask area"),
        ({"diversity": 0.001}, "mask/diversity", "diversity of masks"),
    ],
)
def test_claim1_each_condition_counts(change: dict[str, float], failed: str, words: str) -> None:
    rows = frame(*control("colored", **change))
    checks = control_checks(rows, "colored")
    assert checks is not None
    assert failed in {check.name for check in checks if not check.holds}
    verdict = claim1_mnist(rows, variants=["colored"])
    assert verdict.status == "not reproduced"
    assert f"failed: {words}" in verdict.findings[0].sentence
    assert failed not in verdict.findings[0].sentence, "names of metrics are for rows"


def test_claim1_counts_runs() -> None:
    runs = [
        line
        for seed in range(10)
        for line in control("wildlife", diagonal=95.0 if seed else 50.0, seed=seed, params={"cgn_seed": seed})
    ]
    verdict = claim1_mnist(frame(*runs), variants=["wildlife"])
    assert verdict.status == "reproduced", "9 of 10 is enough"
    assert "9 of 10 trained CGNs meet the rule" in verdict.sentence
    assert "say" not in verdict.why


def test_claim1_without_all_metrics_is_not_tested() -> None:
    assert claim1_mnist(frame(*control("colored")[:-1]), variants=["colored"]).status == "not tested"


@pytest.mark.parametrize(("after", "status"), [(0.3, "reproduced"), (1.4, "partly"), (1.8, "not reproduced")])
def test_gradcam_needs_a_clear_drop(after: float, status: str) -> None:
    about = {
        "experiment": "mnist-gradcam", "dataset": "double-colored", "metric": "sensitivity/colour-over-digit",
        "unit": "ratio",
    }  # fmt: skip
    maps = [about | {"method": "original", "value": 2.0}, about | {"value": after}]
    themes = about | {"metric": "accuracy/themes", "unit": "percent", "n": 100, "method": "oracle"}
    verdict = gradcam_mnist(frame(*maps, themes | {"value": 95.0}))
    assert verdict.status == status
    untrained = gradcam_mnist(frame(*maps, themes | {"value": 60.0}))
    assert untrained.status == "not tested"
    assert "'oracle' reaches 60.0" in untrained.sentence
    assert "A single seed: no interval" in verdict.why


@pytest.mark.parametrize(
    ("judge", "metric"), [(claim2_mnist, "accuracy/test/last"), (claim3_mnist, "accuracy/indomain/last")]
)
def test_nothing_is_judged_where_the_positive_control_fails(judge, metric: str) -> None:
    short = accuracies(metric, oracle=48.0, wildlife=(10, 86))
    verdict = judge(short, variants=["wildlife"])
    assert (verdict.status, verdict.number) == ("not tested", None)
    assert "'oracle' reaches 48.0" in verdict.sentence
    assert verdict.findings[0].interval is not None, "the numbers are shown all the same"
    assert judge(short.loc[short["method"] != "oracle"]).status == "not tested"
    mixed = pd.concat([short, accuracies(metric, colored=(99, 99.5))], ignore_index=True)
    verdict = judge(mixed)
    assert verdict.status != "not tested", "colored was trained long enough"
    assert "Not tested: double-colored, wildlife" in verdict.why


def test_control_is_not_judged_by_oracles_that_cannot_read() -> None:
    verdict = claim1_mnist(frame(*control("colored", oracle=50.0)), variants=["colored"])
    assert verdict.status == "not tested"
    assert "oracle reads 50.0 % of real images" in verdict.sentence


@pytest.mark.parametrize(("images", "status"), [(1000, "not tested"), (60_000, "reproduced")])
def test_a_cgn_whose_training_was_cut_short_is_not_judged(images: int, status: str) -> None:
    lines = control("colored", params={"cgn_images": images})
    verdict = claim1_mnist(frame(*lines), variants=["colored"])
    assert verdict.status == status
    if status == "not tested":
        assert "the CGN saw 1,000 training images, its recipe asks for 60,000" in verdict.sentence


def test_control_is_measured_against_what_oracles_read_on_real_images() -> None:
    lines = control("colored", diagonal=72.0, oracle=82.0)  # 72 / 82 = 0.88 of what can be read
    checks = control_checks(frame(*lines), "colored")
    assert checks is not None
    assert all(check.holds for check in checks)


@pytest.mark.parametrize("judge", [claim1_mnist, claim2_mnist, claim3_mnist, gradcam_mnist])
def test_no_rows_is_not_tested(judge) -> None:
    verdict = judge(frame())
    assert verdict.status == "not tested"
    assert verdict.number is None
    assert "no rows" in verdict.sentence


def test_smoke_is_not_tested_but_shows_its_numbers() -> None:
    rows = accuracies("accuracy/test/last", wildlife=(10, 86)).assign(profile="smoke")
    verdict = claim2_mnist(rows)
    assert verdict.status == "not tested"
    assert "Not tested at this scale" in verdict.why
    assert verdict.number is not None


def test_two_settings_are_not_two_seeds() -> None:
    rows = frame({"method": "original"}, {"params": {"cf_ratio": 1}}, {"params": {"cf_ratio": 5}})
    with pytest.raises(ResultsError, match="one setting"):
        claim2_mnist(rows)


def test_other_recipes_do_not_count() -> None:
    rows = accuracies("accuracy/test/last", wildlife=(10, 86))
    assert claim2_mnist(rows, recipe="authors").status == "not tested"


def test_the_hash_follows_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    before = rules_hash()
    assert len(before) == 12
    assert rules_hash() == before
    monkeypatch.setattr(verdicts, "RULES", dataclasses.replace(RULES, leak_most=50.0))
    assert rules_hash() != before


def test_thresholds_stand_in_the_words() -> None:
    assert "0.8 times" in CLAIMS["claim1-mnist"].rule
    assert "80 %" in CLAIMS["claim2-mnist"].rule
    assert "-1.5 points" in CLAIMS["claim3-mnist"].rule
