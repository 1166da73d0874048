"""The toy world's Tables 4, 5 and 7 on networks with random weights: every step real, nothing trained for long."""

from dataclasses import replace

import pandas as pd
import pytest
import torch

from cgnlib.imagenet import invariant_study
from cgnlib.imagenet.invariant_study import GRID_RATES, GRID_RATIOS, SHORT, ClassifierStudy, gap_change
from cgnlib.parameters import StudyParameters
from cgnlib.results import select

SMALL = StudyParameters(
    profile="smoke",
    imagenet_updates=1,
    imagenet_train_images=32,
    imagenet_counterfactuals=32,
    imagenet_test_images=50,
    imagenet_classifier_epochs=1,
    imagenet_classifier_seeds=2,
)


@pytest.fixture
def study(build, random_parts, monkeypatch: pytest.MonkeyPatch) -> ClassifierStudy:
    for module in ("study", "invariant", "invariant_study"):
        monkeypatch.setattr(f"cgnlib.imagenet.{module}.toy_parts", random_parts)
    return ClassifierStudy(SMALL)


def value(rows: pd.DataFrame, metric: str, seed: int = 0) -> float:
    (found,) = select(rows, metric=metric, seed=seed)["value"]
    return float(found)


# --- Change of the gap ------------------------------------------------------------------------------------------------


def test_change_of_the_gap_by_hand() -> None:
    """Image by image ours minus base: 1 - 0, -1 - 0, 0 - 1, 0 - (-1), 0 - 0: the mean is 0."""
    ours = {"mixed-same": torch.tensor([1, 0, 1, 0, 0]) > 0, "mixed-rand": torch.tensor([0, 1, 1, 0, 0]) > 0}
    base = {"mixed-same": torch.tensor([1, 0, 1, 0, 1]) > 0, "mixed-rand": torch.tensor([1, 0, 0, 1, 1]) > 0}
    found = gap_change(ours, base)
    assert found.value == 0
    assert found.low < 0 < found.high
    # Their variance is 4 / 5, so the deviation of the mean of five is 0.4.
    assert found.high - found.low == pytest.approx(2 * 1.96 * 0.4, abs=0.15)
    assert gap_change(ours, ours) == replace(found, value=0.0, low=0.0, high=0.0)
    wide = {"mixed-same": torch.ones(5) > 0, "mixed-rand": torch.tensor([1, 0, 0, 0, 1]) > 0}  # a gap of 0.6
    assert gap_change({"mixed-same": wide["mixed-rand"], "mixed-rand": wide["mixed-same"]}, wide).value == -1.2


def test_an_interval_shrinks_with_the_images() -> None:
    part = torch.tensor([True, False, True, True])
    widths = []
    for n in (25, 400):
        ours = {"mixed-same": part.repeat(n), "mixed-rand": part.roll(1).repeat(n)}
        base = {"mixed-same": part.repeat(n), "mixed-rand": part.repeat(n)}
        found = gap_change(ours, base)
        widths.append(found.high - found.low)
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.15)


def test_results_on_other_images_are_refused() -> None:
    ours = {"mixed-same": torch.ones(4) > 0, "mixed-rand": torch.ones(3) > 0}
    with pytest.raises(ValueError, match=r"four results on the same images, not \[4, 3, 4, 3\]"):
        gap_change(ours, ours)


# --- What methods add -------------------------------------------------------------------------------------------------


def test_what_methods_add(study: ClassifierStudy) -> None:
    assert study.generated("original") is None
    free, tied = study.generated("original+oracle"), study.generated("original+gan")
    assert free is not None and tied is not None
    for added in (free.images, tied.images):
        assert added.images.shape == (32, 3, 64, 64) and added.images.dtype == torch.uint8
        assert added.labels.shape == (32, 3) and added.labels.min() >= 0 and added.labels.max() < 10
    assert (tied.images.labels == tied.images.labels[:, :1]).all()
    assert (free.images.labels[:, 0] == free.images.labels[:, 1]).float().mean() < 0.5
    assert set(tied.params) == {"teacher", "sample_seed"}
    with pytest.raises(ValueError, match="unknown method 'original\\+cnn'"):
        study.generated("original+cnn")


def test_only_methods_with_additions_have_a_cf_ratio(study: ClassifierStudy) -> None:
    assert study.recipe("original").cf_ratio == 0
    assert study.recipe("original+gan").cf_ratio == 1
    longer = ClassifierStudy(replace(SMALL, imagenet_classifier_epochs=6))
    assert (longer.recipe("original").epochs, longer.recipe("original").decay_epochs) == (6, 4)


# --- Rows -------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_rows_of_a_method(study: ClassifierStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    base, rows = study.background_rows("original"), study.background_rows("original+oracle")
    for seed in (0, 1):
        for suffix in ("", "/avg", "/best", "/avg/best"):
            gap = value(rows, f"accuracy/mixed-same{suffix}", seed) - value(rows, f"accuracy/mixed-rand{suffix}", seed)
            assert value(rows, f"bg-gap{suffix}", seed) == pytest.approx(gap)
            before = value(base, f"bg-gap{suffix}", seed)
            assert value(rows, f"bg-gap/change{suffix}", seed) == pytest.approx(gap - before)
            assert value(rows, f"bg-gap/low{suffix}", seed) <= gap <= value(rows, f"bg-gap/high{suffix}", seed)
    assert set(rows["n"]) == {50} and set(rows["seed"]) == {0, 1}
    assert "bg-gap/change" not in set(base["metric"])
    head = study.trained("original+oracle", 0).last.read(study.test_set("mixed-rand").images)
    right = (head.shape_texture.argmax(1) == study.test_set("mixed-rand").shape).float().mean().item()
    assert value(rows, "accuracy/mixed-rand") == pytest.approx(100 * right)

    again = ClassifierStudy(replace(SMALL, reuse_rows=True))
    monkeypatch.setattr(invariant_study, "train_ensemble", None)  # calling it would be a TypeError
    pd.testing.assert_frame_equal(again.background_rows("original+oracle"), rows)


@pytest.mark.slow
def test_accuracies_and_shape_biases(study: ClassifierStudy) -> None:
    rows, biases = study.indomain_rows("original"), study.shape_bias_rows("original")
    assert value(rows, "accuracy/top5") >= value(rows, "accuracy/top1")
    images, logits = study.test_set("cue-conflict"), study.trained("original", 1).last
    decided = logits.read(images.images).texture.argmax(1)
    shape, texture = (decided == images.shape).sum().item(), (decided == images.texture).sum().item()
    assert value(biases, "decided/texture", 1) == pytest.approx(100 * (shape + texture) / 50)
    if shape + texture:
        assert value(biases, "shape-bias/texture", 1) == pytest.approx(100 * shape / (shape + texture))
        assert select(biases, metric="shape-bias/texture", seed=1)["n"].tolist() == [shape + texture]


@pytest.mark.slow
def test_counterfactuals_of_a_short_and_of_the_whole_training(study: ClassifierStudy) -> None:
    longer = ClassifierStudy(replace(SMALL, imagenet_updates=5))
    short, whole = longer.generated("original+cgn-short"), study.generated("original+cgn")
    assert short is not None and whole is not None
    assert (short.params["cgn_updates"], whole.params["cgn_updates"]) == (round(5 * SHORT), 1) == (2, 1)
    assert len(whole.images) == 32
    assert not (whole.images.labels == whole.images.labels[:, :1]).all()
    rows = study.background_rows("original+cgn")
    assert set(rows["recipe"]) == {"toy"}


@pytest.mark.slow
def test_the_grid_has_every_cell(study: ClassifierStudy) -> None:
    assert study.grid_rows() is None
    tiny = replace(SMALL, imagenet_grid=True, imagenet_counterfactuals=64)
    made = ClassifierStudy(tiny).grid_rows()
    assert made is not None
    rows, stopped = made
    assert not stopped
    cells = [(rate, ratio) for rate in GRID_RATES for ratio in GRID_RATIOS]
    for rate, ratio in cells:
        cell = select(rows, lr=rate, cf_ratio=ratio)
        assert set(cell["method"]) == {"original+cgn" if ratio else "original"}
        assert value(cell, "epoch") == 1
        gap = value(cell, "accuracy/mixed-same") - value(cell, "accuracy/mixed-rand")
        assert value(cell, "bg-gap") == pytest.approx(gap)
