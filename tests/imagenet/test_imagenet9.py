"""ImageNet-9: the mapping, accuracies with the number of images below, the background gap and its interval."""

import pytest
import torch
from torch import Tensor

from cgnlib.imagenet.imagenet9 import (
    CLASSES,
    IMAGENET_9,
    accuracy,
    background_gap,
    class_indices,
    predict,
    top_k,
)
from cgnlib.randomness import generator
from cgnlib.statistics import difference_interval, wilson_interval


def labels(*values: int) -> Tensor:
    return torch.tensor(values, dtype=torch.int64)


def answers(right: int, wrong: int) -> Tensor:
    return torch.arange(right + wrong) < right


# --- Mapping --------------------------------------------------------------------------------------------------------


def test_nine_classes_with_the_published_numbers_of_separate_classes() -> None:
    assert [len(indices) for indices in IMAGENET_9.values()] == [116, 52, 42, 36, 35, 27, 26, 20, 16]
    together = [index for indices in IMAGENET_9.values() for index in indices]
    assert len(together) == len(set(together)) == 370
    assert (min(together), max(together)) == (0, 889)
    assert CLASSES[0] == "dog"
    assert CLASSES[8] == "fish"


def test_spans_are_inclusive() -> None:
    assert class_indices("404") == (404,)
    assert class_indices("0, 3-5, 999") == (0, 3, 4, 5, 999)


@pytest.mark.parametrize("text", ["", "a", "5-3", "3, 3", "4, 2", "998-1000", "1-2-3"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        class_indices(text)


def test_every_class_is_predicted_as_mapped() -> None:
    """One-hot logits of all 1000 classes, against the table read the other way."""
    expected = [next((i for i, c in enumerate(CLASSES) if k in IMAGENET_9[c]), -1) for k in range(1000)]
    assert predict(torch.eye(1000)).tolist() == expected
    assert expected.count(-1) == 630


def test_arg_max_is_over_all_classes_not_over_the_mapped_ones() -> None:
    logits = torch.zeros(1, 1000)
    logits[0, 151], logits[0, 999] = 5.0, 5.5
    assert predict(logits).tolist() == [-1]


@pytest.mark.parametrize("logits", [torch.zeros(4, 9), torch.zeros(1000), torch.full((2, 1000), float("nan"))])
def test_what_is_no_prediction_is_refused(logits: Tensor) -> None:
    with pytest.raises(ValueError, match="logits"):
        predict(logits)
    with pytest.raises(ValueError, match="logits"):
        top_k(logits, torch.zeros(len(logits), dtype=torch.int64), 1)


# --- Accuracy -------------------------------------------------------------------------------------------------------


def test_accuracy_is_over_images_whatever_the_batch_size() -> None:
    """4,050 images in batches of 32 have 30 vacancies in the last: the forks' denominator, 4,064, is not ours."""
    truth = torch.arange(4050) % 9
    found = accuracy(truth.clone(), truth)
    assert found.value == 1
    predictions = truth.clone()
    predictions[:405] = -1
    assert accuracy(predictions, truth) == wilson_interval(3645, 4050)


@pytest.mark.parametrize(
    ("predictions", "truth", "message"),
    [
        (labels(), labels(), "at least 1"),
        (labels(0, 1), labels(0), "must be"),
        (labels(0), labels(9), "0..8"),
        (labels(-1), labels(-1), "0..8"),
    ],
)
def test_wrong_labels_are_refused(predictions: Tensor, truth: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        accuracy(predictions, truth)


def test_top_k_by_hand() -> None:
    """Logits fall with the class index: class c is the (c + 1)th guess."""
    logits = -torch.arange(1000.0).expand(4, 1000)
    truth = labels(0, 1, 4, 5)
    assert [top_k(logits, truth, k).value for k in (1, 2, 5, 6, 1000)] == [0.25, 0.5, 0.75, 1, 1]
    assert top_k(logits, truth, 5) == wilson_interval(3, 4)


def test_chance_is_k_of_a_thousand() -> None:
    draw = generator(0)
    logits, truth = torch.randn(4000, 1000, generator=draw), torch.randint(0, 1000, (4000,), generator=draw)
    found = top_k(logits, truth, 100)
    assert found.low < 0.1 < found.high


@pytest.mark.parametrize(
    ("truth", "k", "message"),
    [(labels(0), 0, "k must"), (labels(0), 1001, "k must"), (labels(1000), 5, "0..999"), (labels(0, 1), 5, "shape")],
)
def test_top_k_refuses_other_k_and_labels(truth: Tensor, k: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        top_k(torch.zeros(1, 1000), truth, k)


# --- Background gap -------------------------------------------------------------------------------------------------


def test_gap_by_hand_with_both_intervals() -> None:
    same, rand = answers(90, 10), answers(75, 25)
    paired, unpaired = background_gap(same, rand, True), background_gap(same, rand, False)
    assert (paired.value, unpaired.value) == pytest.approx((0.15, 0.15))
    assert unpaired == difference_interval(90, 100, 75, 100)
    assert paired.kind == "paired bootstrap over images"
    # The errors of `rand` hold those of `same`: 15 pairs of 100 differ, all one way, so the bootstrap is binomial.
    assert paired.low == pytest.approx(0.08, abs=0.011)
    assert paired.high == pytest.approx(0.22, abs=0.011)
    assert paired.high - paired.low < unpaired.high - unpaired.low


def test_bootstrap_agrees_with_resampling_of_pairs_and_with_the_normal_interval() -> None:
    draw = generator(1)
    same, rand = torch.rand(2000, generator=draw) < 0.85, torch.rand(2000, generator=draw) < 0.7
    found = background_gap(same, rand, True)
    difference = same.double() - rand.double()
    picks = torch.randint(0, 2000, (4000, 2000), generator=draw)
    low, high = torch.quantile(difference[picks].mean(dim=1), torch.tensor([0.025, 0.975], dtype=torch.float64))
    half = 1.96 * difference.std() / 2000**0.5
    assert found.value == pytest.approx(difference.mean())
    assert (found.low, found.high) == pytest.approx((low.item(), high.item()), abs=2e-3)
    assert found.high - found.low == pytest.approx(2 * half.item(), rel=0.05)


def test_bootstrap_is_seeded() -> None:
    same, rand = answers(500, 777), answers(400, 877)
    assert background_gap(same, rand, True, seed=1) == background_gap(same, rand, True, seed=1)
    others = [background_gap(same, rand.flip(0), True, seed=s) for s in range(4)]
    assert len({(found.low, found.high) for found in others}) > 1


def test_no_gap_where_all_pairs_agree_and_sign_follows_the_order() -> None:
    same, rand = answers(30, 20), answers(20, 30)
    none = background_gap(same, same, True)
    assert (none.value, none.low, none.high) == (0, 0, 0)
    assert background_gap(rand, same, True).value == -background_gap(same, rand, True).value < 0


def test_higher_confidence_is_wider() -> None:
    same, rand = answers(300, 200), answers(250, 250).flip(0)
    narrow, wide = (background_gap(same, rand, True, confidence=c) for c in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


@pytest.mark.parametrize(
    ("same", "rand", "options", "message"),
    [
        (answers(0, 0), answers(0, 0), {"paired": True}, "N > 0"),
        (answers(3, 1), labels(1, 0, 1, 1), {"paired": True}, "bool"),
        (answers(3, 1), answers(3, 2), {"paired": True}, "no pairs"),
        (answers(3, 1), answers(3, 1), {"paired": True, "resamples": 100}, "at least 1000"),
        (answers(3, 1), answers(3, 1), {"paired": True, "confidence": 95}, "between 0 and 1"),
        (answers(3, 1), answers(3, 1), {"paired": False, "confidence": 95}, "between 0 and 1"),
    ],
)
def test_wrong_pairs_are_refused(same: Tensor, rand: Tensor, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        background_gap(same, rand, **options)


def test_sets_of_different_size_need_no_pairs() -> None:
    assert background_gap(answers(3, 1), answers(2, 3), False).value == pytest.approx(0.75 - 0.4)
