"""Claim 1 on the ImageNet CGN: the verdict follows from rows by its rule."""

from typing import Any

import pandas as pd
import pytest

from cgnlib.imagenet.training import TOY
from cgnlib.results import COLUMNS, Row
from cgnlib.verdicts import CLAIMS, FACTORS, claim1_imagenet, inception_share, published_share, rules_hash

MISSING = "missing the authors' CGN, get it so: ask them"


def frame(*lines: dict[str, Any]) -> pd.DataFrame:
    base: dict[str, Any] = {"dataset": "toy", "n": 1000, "seed": 0, "profile": "quick", "data": "toy-world"}
    rows = [Row(**(base | line)) for line in lines]
    cells = [row.cells() | {"value": row.value, "n": row.n, "seed": row.seed} for row in rows]
    return pd.DataFrame(cells, columns=list(COLUMNS))


def run(
    diagonal: float = 95.0,
    other: float = 11.0,
    iou: float = 0.8,
    score: float = 8.0,
    fid: float = 40.0,
    oracle: float = 99.0,
    updates: int = TOY.updates,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Rows of one CGN whose teacher has an Inception Score of 10 and an FID of 25."""
    params = {"cgn_seed": seed, "cgn_updates": updates}
    ours = {"method": "cgn", "recipe": "toy", "params": params, "seed": seed}
    control, scores = ours | {"experiment": "imagenet-control"}, ours | {"experiment": "imagenet-is"}
    factors = FACTORS["toy"]
    cells = [(a, b, diagonal if a == b else other) for a in factors for b in factors]
    return [
        *(control | {"metric": f"control/{a}/{b}", "value": value} for a, b, value in cells),
        *(control | {"metric": f"oracle/{factor}", "value": oracle, "n": 2000} for factor in factors),
        control | {"metric": "iou/true", "value": iou, "unit": "fraction"},
        control | {"metric": "fid/tied", "value": fid, "unit": "distance"},
        control | {"method": "biggan", "recipe": "-", "metric": "fid/tied", "value": 25.0, "unit": "distance"},
        scores | {"metric": "inception-score", "value": score, "unit": "score"},
        scores | {"method": "biggan", "recipe": "-", "metric": "inception-score", "value": 10.0, "unit": "score"},
    ]


def photographs(score: float, mask: float) -> list[dict[str, Any]]:
    about = {"experiment": "imagenet-is", "dataset": "imagenet", "n": 50_000, "data": "biggan-deep-256"}
    return [
        about | {"method": "cgn", "recipe": "authors", "metric": "inception-score", "value": score, "unit": "score"},
        about | {"method": "cgn", "recipe": "authors", "metric": "mask/mean", "value": mask, "unit": "fraction"},
        about | {"method": "biggan", "recipe": "-", "metric": "inception-score", "value": 200.0, "unit": "score"},
    ]


def test_a_cgn_that_meets_every_condition() -> None:
    verdict = claim1_imagenet(frame(*run()), MISSING)
    assert verdict.status == "reproduced"
    assert verdict.number == pytest.approx(95)
    assert [finding.status for finding in verdict.findings] == ["reproduced", "not tested"]
    assert MISSING in verdict.findings[1].sentence
    assert "Not tested: ImageNet" in verdict.why


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        ({"diagonal": 80.0}, "control over shape"),  # 0.8 times 99 is 79.2, above the lower bound
        ({"other": 24.0}, "label of shape in the texture"),  # its upper bound is 26.7
        ({"iou": 0.49}, "IoU of the masks"),
        ({"fid": 50.5}, "FID"),
        ({"score": 6.4}, "Inception Score"),  # 130.2 / 202.9 is 0.6417
    ],
)
def test_each_condition_counts(change: dict[str, Any], failed: str) -> None:
    finding = claim1_imagenet(frame(*run(**change)), MISSING).findings[0]
    assert finding.status == "not reproduced"
    assert f"; failed: {failed}" in finding.sentence
    assert finding.interval is not None and "%" in finding.sentence


@pytest.mark.parametrize(("change", "words"), [({"oracle": 59.0}, "60 are needed"), ({"updates": 3}, "made 3 updates")])
def test_what_cannot_be_judged_is_not_tested(change: dict[str, Any], words: str) -> None:
    verdict = claim1_imagenet(frame(*run(**change)), MISSING)
    assert verdict.status == "not tested"
    assert words in verdict.sentence


def test_nine_of_ten_cgns_must_succeed() -> None:
    runs = [run(seed=seed, score=8.0 if seed else 1.0) for seed in range(10)]
    verdict = claim1_imagenet(frame(*(line for each in runs for line in each)), MISSING)
    assert verdict.status == "reproduced"
    assert verdict.findings[0].sentence.startswith("9 of 10 trained CGNs meet the rule")
    worse = [run(seed=seed, score=8.0 if seed > 1 else 1.0) for seed in range(10)]
    assert claim1_imagenet(frame(*(line for each in worse for line in each)), MISSING).status == "not reproduced"


@pytest.mark.parametrize(
    ("score", "mask", "status"),
    [(130.0, 0.33, "reproduced"), (120.0, 0.33, "not reproduced"), (130.0, 0.51, "not reproduced")],
)
def test_the_authors_cgn_against_sg21(score: float, mask: float, status: str) -> None:
    finding = claim1_imagenet(frame(*run(), *photographs(score, mask)), "").findings[1]
    assert finding.status == status
    assert finding.published.startswith("SG21: 0.64 of BigGAN's score")


def test_shares_come_from_one_world_and_one_source() -> None:
    rows = frame(*run(score=5.0), *photographs(100.0, 0.3))
    assert inception_share(rows, "toy") == pytest.approx(0.5)
    assert inception_share(rows, "imagenet") == pytest.approx(0.5)
    assert inception_share(frame(*run()[:3]), "toy") is None
    assert published_share() == pytest.approx(130.2 / 202.9)


def test_the_two_halves_have_rules_of_their_own() -> None:
    assert rules_hash("mnist") != rules_hash("imagenet")
    assert "mean IoU of at least 0.5" in CLAIMS["claim1-imagenet"].rule
