"""The verdict of claim 2 at ImageNet follows from rows by the stated rule."""

import pandas as pd
import pytest

from cgnlib.imagenet.training import TOY
from cgnlib.results import COLUMNS, Row
from cgnlib.verdicts import bounded, claim2_imagenet

N = 5000  # enough to see that an accuracy did not fall by the margin of 3 points


def rows_of(method: str, seed: int, values: dict[str, float], dataset: str, updates: int) -> list[Row]:
    cgn = "cgn" in method
    return [
        Row(
            experiment="imagenet-background",
            dataset=dataset,
            method=method,
            recipe="toy" if cgn else "-",
            metric=metric,
            unit="percent" if metric.startswith("accuracy") else "points",
            value=value,
            n=N,
            seed=seed,
            profile="quick",
            data="toy-world",
            params={"cgn_updates": updates} if cgn else {},
        )  # fmt: skip
        for metric, value in values.items()
    ]


def frame(
    gap: float,
    rand: float,
    *,
    original: float = 40.0,
    oracle: float = 5.0,
    seeds: int = 1,
    spread: float = 0.0,
    half: float = 3.0,
    dataset: str = "toy",
    updates: int = TOY.updates,
) -> pd.DataFrame:
    """Rows of three methods: 'original' is right in 50 % of random backgrounds, the oracle in 80."""
    lines = []
    for seed in range(seeds):
        moved = spread * (seed - (seeds - 1) / 2)
        for method, value, accuracy in (
            ("original", original, 50.0),
            ("original+cgn", gap + moved, rand),
            ("original+oracle", oracle, 80.0),
        ):
            values = {"bg-gap": value, "bg-gap/low": value - half, "bg-gap/high": value + half}
            change = value - original
            if method != "original":
                values |= {f"bg-gap/change{e}": change + d for e, d in (("", 0), ("/low", -half), ("/high", half))}
            lines += rows_of(method, seed, values | {"accuracy/mixed-rand": accuracy}, dataset, updates)
    cells = [row.cells() | {"value": row.value, "n": row.n, "seed": row.seed} for row in lines]
    return pd.DataFrame(cells, columns=list(COLUMNS))


@pytest.mark.parametrize(
    ("gap", "rand", "status"),
    [
        (20.0, 60.0, "reproduced"),
        (20.0, 50.0, "reproduced"),  # as accurate on random backgrounds as before
        (20.0, 40.0, "partly"),  # a narrower gap by lower accuracy
        (38.0, 60.0, "not reproduced"),  # by 2 points, the interval is 3 wide
        (45.0, 60.0, "not reproduced"),
    ],
)
def test_the_gap_narrows_and_accuracy_stays(gap: float, rand: float, status: str) -> None:
    verdict = claim2_imagenet(frame(gap, rand), missing="its images")
    assert verdict.status == status
    assert verdict.number == pytest.approx(gap - 40)
    assert [(f.variant, f.status) for f in verdict.findings] == [("toy", status), ("imagenet-9", "not tested")]
    assert verdict.findings[1].sentence == "not tested: its images"
    assert "seed -0.8, SG21 -4.0" in verdict.published
    assert "A single seed" in verdict.why


def test_enough_seeds_decide_by_their_spread() -> None:
    """Changes -12, -10, -8: mean -10, deviation 2, so -10 +- 4.303 * 2 / sqrt(3)."""
    found = bounded(frame(30.0, 60.0, seeds=3, spread=2.0, half=50.0), "original+cgn", "bg-gap/change")
    assert found.high == pytest.approx(-10 + 4.3027 * 2 / 3**0.5, abs=1e-3)
    assert claim2_imagenet(frame(30.0, 60.0, seeds=3, spread=2.0, half=50.0)).status == "reproduced"
    assert claim2_imagenet(frame(30.0, 60.0, seeds=3, spread=20.0)).status == "not reproduced"
    two = bounded(frame(30.0, 60.0, seeds=2, half=7.0), "original+cgn", "bg-gap/change")
    assert (two.low, two.value, two.high) == (-17.0, -10.0, -3.0)


def test_what_cannot_judge_is_not_tested() -> None:
    for rows, why in (
        (frame(1.0, 60.0, original=2.0, oracle=-5.0), "no background gap"),
        (frame(20.0, 60.0, oracle=39.0), "do not narrow the gap"),
        (frame(20.0, 60.0, updates=TOY.updates - 1), "its recipe asks for"),
    ):
        verdict = claim2_imagenet(rows)
        assert verdict.status == "not tested"
        assert why in verdict.findings[0].sentence
    without = frame(20.0, 60.0)
    assert (
        "no rows of 'original+oracle'" in claim2_imagenet(without.loc[without["method"] != "original+oracle"]).sentence
    )
    assert claim2_imagenet(without.loc[without["method"] != "original+cgn"]).status == "not tested"
    assert claim2_imagenet(frame(20.0, 60.0).iloc[:0]).status == "not tested"


def test_photographs_are_judged_alike() -> None:
    rows = frame(20.0, 60.0, dataset="imagenet-9")
    verdict = claim2_imagenet(rows.loc[rows["method"] != "original+oracle"])
    assert [(f.variant, f.status) for f in verdict.findings] == [("toy", "not tested"), ("imagenet-9", "reproduced")]
