"""The verdicts of claim 3 and Table 4 at ImageNet follow from rows by the stated rules."""

import pandas as pd
import pytest

from cgnlib.imagenet.training import TOY
from cgnlib.results import COLUMNS, Row
from cgnlib.verdicts import claim3_imagenet, failure_imagenet, heads_imagenet, shape_bias_baseline


def frame(*rows: Row) -> pd.DataFrame:
    """Rows as `results.load` returns them."""
    lines = [row.cells() | {"value": row.value, "n": row.n, "seed": row.seed} for row in rows]
    return pd.DataFrame(lines, columns=list(COLUMNS))


def toy(experiment: str, method: str, metric: str, value: float, n: int = 5000, updates: int = TOY.updates) -> Row:
    cgn = method == "original+cgn"
    return Row(
        experiment=experiment, dataset="toy", method=method, recipe="toy" if cgn else "-", metric=metric, value=value,
        n=n, seed=0, profile="quick", data="toy-world", params={"cgn_updates": updates} if cgn else {},
    )  # fmt: skip


# --- Accuracy ---------------------------------------------------------------------------------------------------------


def accuracies(original: float, ours: float, oracle: float = 95.0, n: int = 5000, **more: int) -> pd.DataFrame:
    return frame(
        toy("imagenet-indomain", "original", "accuracy/top1", original, n),
        toy("imagenet-indomain", "original+cgn", "accuracy/top1", ours, n, **more),
        toy("imagenet-indomain", "original+oracle", "accuracy/top1", oracle, n),
    )


@pytest.mark.parametrize(
    ("ours", "n", "status"),
    [(97.0, 5000, "reproduced"), (90.0, 5000, "not reproduced"), (97.0, 200, "partly"), (99.0, 5000, "reproduced")],
)
def test_a_marginal_drop_lies_wholly_within_the_margin(ours: float, n: int, status: str) -> None:
    verdict = claim3_imagenet(accuracies(97.0, ours, n=n), missing="its images")
    assert verdict.status == status
    assert verdict.number == pytest.approx(ours - 97.0)
    assert "+3.4 points" in verdict.published
    assert [(f.variant, f.status) for f in verdict.findings] == [("toy", status), ("imagenet-mini", "not tested")]
    assert verdict.findings[1].sentence == "not tested: its images"


def test_short_trainings_and_a_failed_oracle_judge_nothing() -> None:
    short = claim3_imagenet(accuracies(97.0, 97.0, updates=TOY.updates - 1))
    assert short.status == "not tested" and "its recipe asks for" in short.findings[0].sentence
    blind = claim3_imagenet(accuracies(97.0, 97.0, oracle=70.0))
    assert blind.status == "not tested" and "'original+oracle' reaches 70.0" in blind.findings[0].sentence
    alone = accuracies(97.0, 97.0)
    alone = alone.loc[alone["method"] != "original+oracle"]
    assert "no rows of 'original+oracle'" in claim3_imagenet(alone).findings[0].sentence
    assert claim3_imagenet(frame()).status == "not tested"


# --- Heads ------------------------------------------------------------------------------------------------------------


def biases(
    original: float, shape: float, texture: float, n: int = 800, oracle: tuple[float, float] = (90.0, 5.0)
) -> pd.DataFrame:
    ours = {"shape-bias/shape": shape, "shape-bias/texture": texture, "shape-bias": original}
    rows = [toy("imagenet-shape-bias", "original+cgn", metric, value, n) for metric, value in ours.items()]
    for head, value in zip(("shape", "texture"), oracle, strict=True):
        rows.append(toy("imagenet-shape-bias", "original+oracle", f"shape-bias/{head}", value, n))
    return frame(toy("imagenet-shape-bias", "original", "shape-bias", original, n), *rows)


@pytest.mark.parametrize(
    ("values", "status", "number"),
    [
        ((30.0, 50.0, 15.0), "reproduced", 15.0),
        ((30.0, 50.0, 30.0), "partly", 0.0),
        ((30.0, 31.0, 15.0), "partly", 1.0),
        ((30.0, 20.0, 40.0), "not reproduced", -10.0),
    ],
)
def test_heads_move_away_from_the_baseline(values: tuple[float, float, float], status: str, number: float) -> None:
    verdict = heads_imagenet(biases(*values), missing="a trained classifier")
    assert verdict.status == status
    assert verdict.number == pytest.approx(number)
    assert "29.1" in verdict.published and "shape 49.6" in verdict.published
    assert verdict.findings[1].sentence == "not tested: a trained classifier"


def test_heads_judge_nothing_where_those_of_the_oracle_do_not_part() -> None:
    blind = heads_imagenet(biases(30.0, 50.0, 15.0, oracle=(31.0, 5.0)))
    assert blind.status == "not tested" and "'original+oracle' do not part: 31.0" in blind.findings[0].sentence
    alone = biases(30.0, 50.0, 15.0)
    alone = alone.loc[alone["method"] != "original+oracle"]
    assert "no rows of 'original+oracle'" in heads_imagenet(alone).findings[0].sentence


def test_few_decisions_show_nothing() -> None:
    assert heads_imagenet(biases(30.0, 40.0, 20.0, n=30)).status == "not reproduced"
    assert heads_imagenet(biases(30.0, 40.0, 20.0, n=2000)).status == "reproduced"
    assert heads_imagenet(frame(toy("imagenet-shape-bias", "original", "shape-bias", 30.0))).status == "not tested"


# --- Failures of Figures 10 to 12 -------------------------------------------------------------------------------------


def measured(metric: str, value: float, method: str = "cgn", updates: int = TOY.updates) -> Row:
    distance = metric.startswith("fid")
    return Row(
        experiment="imagenet-control", dataset="toy", method=method, recipe="toy" if method == "cgn" else "-", n=1000,
        metric=metric, value=value, unit="distance" if distance else "percent", seed=0, profile="quick",
        data="toy-world", params={"cgn_updates": updates} if method == "cgn" else {},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("claim", "metric"), [("entanglement-imagenet", "entangled/foreground"), ("residue-imagenet", "legible/background")]
)
def test_a_failure_must_be_more_frequent_than_in_images_that_cannot_fail(claim: str, metric: str) -> None:
    """Half-widths of the differences of 1,000 images are about 3 points, the margin is 5."""
    clean = measured(metric, 10.0, "real")
    assert failure_imagenet(claim, frame(measured(metric, 20.0), clean)).badge == "failure found"
    assert failure_imagenet(claim, frame(measured(metric, 16.0), clean)).badge == "failure not found"
    assert failure_imagenet(claim, frame(measured(metric, 20.0, updates=1), clean)).status == "not tested"
    assert failure_imagenet(claim, frame(measured(metric, 20.0))).status == "not tested"
    assert failure_imagenet(claim, frame()).status == "not tested"


def test_realism_is_a_distance_beside_that_of_the_same_cgn_with_tied_labels() -> None:
    near, far = (frame(measured("fid/free", v), measured("fid/tied", 2.0)) for v in (2.9, 3.1))
    assert failure_imagenet("realism-imagenet", near).badge == "failure not found"
    assert failure_imagenet("realism-imagenet", far).badge == "failure found"
    assert failure_imagenet("realism-imagenet", far).number == pytest.approx(1.55)
    assert failure_imagenet("realism-imagenet", frame(measured("fid/free", 9.0))).status == "not tested"
    with pytest.raises(ValueError, match="no failure"):
        failure_imagenet("claim1-imagenet", far)


# --- The baseline of Table 4, on photographs -------------------------------------------------------------------------


def lite0(
    value: float, normalisation: str = "lite", enlarge: bool = False, n: int = 700, stimuli: object = "all"
) -> Row:
    params = {"normalisation": normalisation, "enlarge": False, "stimuli": stimuli}
    return Row(
        experiment="imagenet-shape-bias", dataset="cue-conflict", method="efficientnet-lite0", metric="shape-bias",
        value=value, n=700, seed=0, profile="paper", data="cue-conflict", params=params,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ([15.0], "reproduced"),  # the seed's 29.1 lies within 5 points of the highest published, 25.3
        ([15.0, 35.0], "reproduced"),
        ([27.0, 49.0], "not reproduced"),  # one preprocessing reaches 50
        ([60.0], "not reproduced"),
    ],
)
def test_the_baseline_lies_among_classifiers_without_counterfactuals(values: list[float], status: str) -> None:
    rows = frame(lite0(values[0]), *(lite0(value, "imagenet") for value in values[1:]))
    verdict = shape_bias_baseline(rows)
    assert verdict.status == status
    assert verdict.number == values[0]
    assert "29.1" in verdict.published


def test_a_part_of_the_stimuli_tests_nothing() -> None:
    assert shape_bias_baseline(frame(lite0(27.0, stimuli=160))).status == "not tested"
    assert shape_bias_baseline(frame(lite0(27.0, "imagenet"))).status == "not tested"  # not its own preprocessing
