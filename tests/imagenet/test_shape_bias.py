"""Shape bias: the published mapping, counts by hand, errors."""

import pytest
import torch
from torch import Tensor

from cgnlib.imagenet.names import CATEGORIES, CATEGORY_INDICES
from cgnlib.imagenet.shape_bias import NO_ANSWER, CueCounts, Trials, decisions, shape_bias
from cgnlib.statistics import wilson_interval

AIRPLANE, BEAR, BICYCLE, DOG = (CATEGORIES.index(name) for name in ("airplane", "bear", "bicycle", "dog"))


def labels(*values: int) -> Tensor:
    return torch.tensor(values, dtype=torch.int64)


# --- Categories and decisions ---------------------------------------------------------------------------------------


def test_sixteen_categories_of_separate_classes() -> None:
    """Sizes of the published lists (birds and dogs counted there)."""
    sizes = {name: len(indices) for name, indices in CATEGORY_INDICES.items()}
    assert sizes == {
        "airplane": 1, "bear": 4, "bicycle": 2, "bird": 49, "boat": 5, "bottle": 7, "car": 3, "cat": 6, "chair": 4,
        "clock": 3, "dog": 109, "elephant": 2, "keyboard": 2, "knife": 1, "oven": 1, "truck": 8,
    }  # fmt: skip
    together = [index for indices in CATEGORY_INDICES.values() for index in indices]
    assert len(together) == len(set(together))
    assert list(CATEGORIES) == sorted(CATEGORIES)


@pytest.mark.parametrize("category", CATEGORIES)
def test_each_class_of_a_category_alone_decides_for_it(category: str) -> None:
    indices = CATEGORY_INDICES[category]
    logits = torch.zeros(len(indices), 1000)
    logits[range(len(indices)), list(indices)] = 20.0
    assert (decisions(logits) == CATEGORIES.index(category)).all()


def test_a_category_counts_by_its_mean_not_by_its_sum_or_its_largest_class() -> None:
    probabilities = torch.full((2, 1000), 1e-9)
    # The mean of 109 dogs is 0.008, their sum 0.87: one airplane of 0.1 is more.
    probabilities[0, list(CATEGORY_INDICES["dog"])] = 0.008
    probabilities[0, 404] = 0.1
    # Of four bears one has 0.3: the mean, 0.075, is less than the airplane's 0.1.
    probabilities[1, 294] = 0.3
    probabilities[1, 404] = 0.1
    assert decisions(probabilities.log()).tolist() == [AIRPLANE, AIRPLANE]


def test_the_mean_is_of_probabilities_not_of_logits() -> None:
    """Bicycles at logits 10 and -10 have the larger mean probability, an airplane at 1 the larger logit."""
    logits = torch.full((1, 1000), -20.0)
    logits[0, list(CATEGORY_INDICES["bicycle"])] = torch.tensor([10.0, -10.0])
    logits[0, 404] = 1.0
    assert decisions(logits).tolist() == [BICYCLE]


# --- Counts ---------------------------------------------------------------------------------------------------------


def test_counts_by_hand() -> None:
    """Four airplanes (2 shape, 1 texture, 1 other), two bears (texture, other), and a dog of a dog left out."""
    found = shape_bias(
        decided=labels(AIRPLANE, AIRPLANE, BEAR, DOG, BICYCLE, AIRPLANE, DOG),
        shapes=labels(AIRPLANE, AIRPLANE, AIRPLANE, AIRPLANE, BEAR, BEAR, DOG),
        textures=labels(BEAR, DOG, BEAR, BEAR, BICYCLE, DOG, DOG),
    )
    assert (found.shape, found.texture, found.other, found.n, found.decided) == (2, 2, 2, 6, 4)
    assert found.value == 0.5
    assert found.by_category == {"airplane": CueCounts(2, 1, 1), "bear": CueCounts(0, 1, 1)}
    assert found.by_category["airplane"].value == pytest.approx(2 / 3)
    assert found.by_category["bear"].value == 0


def test_interval_is_over_decisions_for_a_cue() -> None:
    counts = CueCounts(162, 572, 466)
    assert counts.n == 1200
    assert counts.value == pytest.approx(0.2207, abs=5e-5)
    assert counts.interval == wilson_interval(162, 734)
    assert (counts.interval.low, counts.interval.high) == pytest.approx((0.1922, 0.2521), abs=5e-5)


def test_a_category_without_decisions_keeps_its_counts_and_has_no_value() -> None:
    found = shape_bias(labels(AIRPLANE, DOG), labels(AIRPLANE, BEAR), labels(BEAR, BICYCLE))
    assert found.by_category["bear"] == CueCounts(0, 0, 1)
    with pytest.raises(ValueError, match="none of 1 decisions"):
        _ = found.by_category["bear"].value


@pytest.mark.parametrize(
    ("decided", "shapes", "textures", "message"),
    [
        (labels(DOG), labels(AIRPLANE), labels(BEAR), "none of 1 decisions is for the shape or the texture"),
        (labels(DOG), labels(DOG), labels(DOG), "no images with conflicting cues"),
        (labels(), labels(), labels(), "no images with conflicting cues"),
        (labels(16), labels(0), labels(1), "decision 16 is no category"),
        (labels(0), labels(-1), labels(1), "shape -1 is no category"),
        (labels(0), labels(0), labels(99), "texture 99 is no category"),
        (labels(0, 1), labels(0), labels(1), r"\(2,\), \(1,\), \(1,\)"),
    ],
)
def test_wrong_counts_are_refused(decided: Tensor, shapes: Tensor, textures: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        shape_bias(decided, shapes, textures)


# --- Crossed intervals ----------------------------------------------------------------------------------------------


def test_an_interval_over_images_is_wider_than_one_over_decisions_where_one_image_decides() -> None:
    """Ten bears in ten textures; the texture images of five are always named, of the other five never."""
    shapes, textures = labels(*[BEAR] * 100), labels(*[DOG] * 100)
    names = [(f"bear{i}", f"dog{j}") for i in range(10) for j in range(10)]
    decided = labels(*(DOG if j < 5 else BEAR for _ in range(10) for j in range(10)))
    first, second = zip(*names, strict=True)
    found, over_decisions = Trials(decided, shapes, textures, first, second).interval(), wilson_interval(50, 100)
    assert found.value == 0.5
    assert (found.low, found.high) == pytest.approx((0.2, 0.8)), "ten texture images, half of them for the shape"
    assert found.high - found.low > 3 * (over_decisions.high - over_decisions.low)
    assert Trials(decided, shapes, textures, first, second).interval() == found, "seeded"


def test_a_decision_that_nobody_made_is_for_neither_cue() -> None:
    assert shape_bias(labels(AIRPLANE, NO_ANSWER), labels(AIRPLANE, AIRPLANE), labels(BEAR, BEAR)).other == 1
