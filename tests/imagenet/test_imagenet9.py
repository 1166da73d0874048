"""ImageNet-9: the mapping, accuracies with the number of images below, the background gap and its interval."""

import pytest
import torch
from torch import Tensor

from cgnlib.imagenet.imagenet9 import background_gap, predict, top_k
from cgnlib.imagenet.names import NINE, class_indices
from cgnlib.statistics import Unit, difference_interval, wilson_interval

CLASSES = tuple(NINE)


def labels(*values: int) -> Tensor:
    return torch.tensor(values, dtype=torch.int64)


def answers(right: int, wrong: int) -> Tensor:
    return torch.arange(right + wrong) < right


# --- Mapping --------------------------------------------------------------------------------------------------------


def test_nine_classes_with_the_published_numbers_of_separate_classes() -> None:
    assert [len(indices) for indices in NINE.values()] == [116, 52, 42, 36, 35, 27, 26, 20, 16]
    together = [index for indices in NINE.values() for index in indices]
    assert len(together) == len(set(together)) == 370
    assert (min(together), max(together)) == (0, 889)
    assert CLASSES[0] == "dog"
    assert CLASSES[8] == "fish"


@pytest.mark.parametrize("text", ["", "a", "5-3", "3, 3", "4, 2", "998-1000", "1-2-3"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        class_indices(text)


def test_every_class_is_predicted_as_mapped() -> None:
    """One-hot logits of all 1000 classes, against the table read the other way."""
    expected = [next((i for i, c in enumerate(CLASSES) if k in NINE[c]), -1) for k in range(1000)]
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


def test_top_k_by_hand() -> None:
    """Logits fall with the class index: class c is the (c + 1)th guess."""
    logits = -torch.arange(1000.0).expand(4, 1000)
    truth = labels(0, 1, 4, 5)
    assert [top_k(logits, truth, k).value for k in (1, 2, 5, 6, 1000)] == [0.25, 0.5, 0.75, 1, 1]
    assert top_k(logits, truth, 5) == wilson_interval(3, 4)


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
    assert paired.unit is Unit.IMAGES
    # The errors of `rand` hold those of `same`: 15 pairs of 100 differ, all one way, so the bootstrap is binomial.
    assert paired.low == pytest.approx(0.08, abs=0.011)
    assert paired.high == pytest.approx(0.22, abs=0.011)
    assert paired.high - paired.low < unpaired.high - unpaired.low


def test_no_gap_where_all_pairs_agree_and_sign_follows_the_order() -> None:
    same, rand = answers(30, 20), answers(20, 30)
    none = background_gap(same, same, True)
    assert (none.value, none.low, none.high) == (0, 0, 0)
    assert background_gap(rand, same, True).value == -background_gap(same, rand, True).value < 0


@pytest.mark.parametrize(
    ("same", "rand", "options", "message"),
    [
        (answers(0, 0), answers(0, 0), {"paired": True}, "N > 0"),
        (answers(3, 1), labels(1, 0, 1, 1), {"paired": True}, "bool"),
        (answers(3, 1), answers(3, 2), {"paired": True}, "no pairs"),
        (answers(3, 1), answers(3, 1), {"paired": True, "resamples": 100}, "at least 1000"),
    ],
)
def test_wrong_pairs_are_refused(same: Tensor, rand: Tensor, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        background_gap(same, rand, **options)
