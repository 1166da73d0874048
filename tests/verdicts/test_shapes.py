"""Own shapes are judged by their own rule, and never as MNIST's digits."""

import math

import pandas as pd
import pytest

from cgnlib.mnist.names import FACTORS
from cgnreport.protocol.rows import Number, Setting, frame_of, select
from cgnreport.protocol.summary import beside_published
from cgnreport.verdicts.mnist import claim1, claim2
from cgnreport.verdicts.model import OWN_SHAPES, Status
from cgnreport.verdicts.shapes import own_shapes

OWN, VARIANT = "shapes-400-0123abcd", "double-colored"


def rows_of(experiment: str, method: str, numbers: list[Number], seed: int, data: str = OWN) -> pd.DataFrame:
    recipe, params = ("robust", {"cgn_seed": seed, "cgn_images": 50_000}) if "cgn" in method else ("-", {})
    setting = Setting(experiment, VARIANT, method, recipe, "paper", data, params)
    return frame_of([setting.row(number, seed).cells() for number in numbers])


def control(found: float, cgns: int, reader: float = 90.0) -> pd.DataFrame:
    """CGNs whose masks are read as asked in `found` % of images."""
    numbers = [
        Number(f"control/{a}/{b}", (found if a == "shape" else 95) if a == b else 10, 2_000)
        for a in FACTORS
        for b in FACTORS
    ]
    numbers += [Number(f"reader/{factor}", reader, 2_000) for factor in FACTORS]
    numbers += [Number(f"mask/{name}", 0.2, 2_000, "fraction") for name in ("area", "diversity")]
    return pd.concat([rows_of("mnist-control", "cgn", numbers, seed) for seed in range(cgns)], ignore_index=True)


def accuracies(data: str = OWN, **values: float) -> pd.DataFrame:
    parts = []
    for method, value in values.items():
        for seed in range(3):
            number = Number("accuracy/test", value + 0.1 * seed, 2_000, epoch="last")
            parts.append(rows_of("mnist-ood", method.replace("_", "+"), [number], seed, data))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize(
    ("found", "cgns", "reader", "status"),
    [
        (85.0, 5, 90.0, Status.HOLDS),
        (50.0, 5, 90.0, Status.FAILS),
        (85.0, 4, 90.0, Status.NOT_TESTED),
        (85.0, 5, 50.0, Status.NOT_TESTED),
    ],
)
def test_control_of_own_shapes(found: float, cgns: int, reader: float, status: Status) -> None:
    (judged,) = own_shapes(control(found, cgns, reader), accuracies(original=10), [VARIANT])
    assert judged.control == status
    assert bool(judged.untested[0]) == (status is Status.NOT_TESTED)
    assert judged.robustness is Status.NOT_TESTED


@pytest.mark.parametrize(
    ("ours", "oracle", "status", "share"),
    [(45.0, 60.0, Status.HOLDS, 70.0), (10.0, 60.0, Status.FAILS, 0.0), (45.0, 10.0, Status.NOT_TESTED, None)],
)
def test_robustness_of_own_shapes(ours: float, oracle: float, status: Status, share: float | None) -> None:
    ood = accuracies(original=10, oracle=oracle, original_cgn=ours)
    (judged,) = own_shapes(control(85, 5), ood, [VARIANT])
    assert judged.robustness == status
    assert judged.share == (share if share is None else pytest.approx(share))


def test_no_claim_is_judged_by_own_shapes() -> None:
    ood = accuracies(original=10, oracle=90, original_cgn=95)
    for verdict in (claim2(ood, "robust", [VARIANT]), claim1(control(85, 5), "robust", [VARIANT])):
        (finding,) = verdict.findings
        assert (finding.status, finding.untested, finding.published) == (Status.NOT_TESTED, OWN_SHAPES, {})
        assert finding.interval and finding.needs is None
        assert "asked for" not in verdict.sentence


def test_nothing_published_stands_beside_own_shapes() -> None:
    own = beside_published(accuracies(original=10))
    assert own[["SG21", "RS22", "Re-CGN"]].isna().to_numpy().all()
    digits = beside_published(accuracies("mnist-full", original=10))
    assert not math.isnan(digits["RS22"].iloc[0])
    assert len(select(own, data=OWN)) == 1
