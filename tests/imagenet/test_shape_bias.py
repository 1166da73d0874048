"""Shape bias: the published mapping and trials, counts by hand, errors."""

from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import Tensor

from cgnlib.imagenet.shape_bias import (
    CATEGORIES,
    CATEGORY_INDICES,
    TRIAL_COLUMNS,
    CueCounts,
    Cues,
    category_index,
    decisions,
    from_trials,
    parse_name,
    shape_bias,
)
from cgnlib.randomness import generator
from cgnlib.statistics import wilson_interval

AIRPLANE, BEAR, BICYCLE, DOG = (category_index(name) for name in ("airplane", "bear", "bicycle", "dog"))


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
    assert (decisions(logits) == category_index(category)).all()


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


def test_decisions_ignore_an_offset_and_large_values_do_not_overflow() -> None:
    logits = 5 * torch.randn(200, 1000, generator=generator(0))
    found = decisions(logits)
    assert found.shape == (200,)
    assert found.dtype == torch.int64
    assert len(found.unique()) > 4
    assert torch.equal(decisions(logits + 1000), found)
    assert decisions(torch.zeros(1, 1000).index_fill(1, labels(294), 1e4)).tolist() == [BEAR]


@pytest.mark.parametrize("logits", [torch.zeros(4, 999), torch.zeros(1000), torch.full((2, 1000), float("nan"))])
def test_what_is_no_prediction_is_refused(logits: Tensor) -> None:
    with pytest.raises(ValueError, match="logits"):
        decisions(logits)


# --- Names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["airplane1-bicycle2.png", "0001_s5n_dnn_0_airplane_00_airplane1-bicycle2.png"])
def test_names_of_stimuli_and_of_trials(name: str) -> None:
    assert parse_name(name) == Cues(AIRPLANE, 1, BICYCLE, 2)


@pytest.mark.parametrize(
    "name", ["", "airplane1-bicycle2.jpg", "airplane-bicycle2.png", "airplane1_bicycle2.png", "airplane1-zebra2.png"]
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError):
        parse_name(name)


# --- Counts ---------------------------------------------------------------------------------------------------------


def test_counts_by_hand() -> None:
    """Four airplanes (2 shape, 1 texture, 1 other), two bears (texture, no answer), and a dog of a dog left out."""
    found = shape_bias(
        decided=labels(AIRPLANE, AIRPLANE, BEAR, DOG, BICYCLE, -1, DOG),
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


def test_categories_sum_to_the_whole() -> None:
    draw = generator(0)
    decided, shapes, textures = (torch.randint(0, 16, (3000,), generator=draw) for _ in range(3))
    found = shape_bias(decided, shapes, textures)
    assert found.n == int((shapes != textures).sum()) < 3000
    for part in ("shape", "texture", "other"):
        assert sum(getattr(counts, part) for counts in found.by_category.values()) == getattr(found, part)
    assert found.value == pytest.approx(0.5, abs=0.1)  # chance prefers no cue


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


# --- Published trials -----------------------------------------------------------------------------------------------


def trials(decided: list[str]) -> pd.DataFrame:
    """Trials in the published format: 1,280 images, every pair five times, with these responses to the first."""
    names = [(shape, texture, i) for shape in CATEGORIES for texture in CATEGORIES for i in range(1, 6)]
    lines = [
        ("resnet-50", 1, k + 1, "NaN", decided[k], s, 0, f"{k + 1:04d}_s5n_dnn_0_{s}_00_{s}{i}-{t}{i}.png")
        for k, (s, t, i) in enumerate(names[: len(decided)])
    ]
    return pd.DataFrame(lines, columns=list(TRIAL_COLUMNS))


def published_trials() -> pd.DataFrame:
    """162 answers by shape, 572 by texture, 466 by neither, and all 80 non-conflicting images right."""
    table = trials(["na"] * 1280)
    conflict = 0
    for k, name in enumerate(table["imagename"]):
        cues = parse_name(name)
        if cues.shape == cues.texture:
            answer = cues.shape
        else:
            other = next(c for c in range(16) if c not in (cues.shape, cues.texture))
            answer = cues.shape if conflict < 162 else cues.texture if conflict < 162 + 572 else other
            conflict += 1
        table.loc[k, "object_response"] = CATEGORIES[answer]
    return table


def test_published_counts_of_resnet50(tmp_path: Path) -> None:
    published_trials().to_csv(tmp_path / "resnet50.csv", index=False)
    found = from_trials(tmp_path / "resnet50.csv")
    assert (found.shape, found.texture, found.other, found.n) == (162, 572, 466, 1200)
    assert round(found.value, 4) == 0.2207
    assert {counts.n for counts in found.by_category.values()} == {75}
    assert set(found.by_category) == set(CATEGORIES)


def test_no_answer_is_neither_cue(tmp_path: Path) -> None:
    table = published_trials()
    first = table.index[table["imagename"].str.endswith("airplane1-bear1.png")][0]
    table.loc[first, "object_response"] = "na"
    table.sample(frac=1, random_state=0).to_csv(tmp_path / "trials.csv", index=False)
    found = from_trials(tmp_path / "trials.csv")
    assert (found.shape, found.texture, found.other) == (161, 572, 467)


@pytest.mark.parametrize("column", ["imagename", "object_response"])
def test_missing_columns_are_named(column: str, tmp_path: Path) -> None:
    file = tmp_path / "trials.csv"
    trials(["dog"] * 9).drop(columns=[column, "rt"]).to_csv(file, index=False)
    with pytest.raises(ValueError, match=rf"trials\.csv: missing columns .*{column}") as error:
        from_trials(file)
    assert "rt" in str(error.value)


@pytest.mark.parametrize(
    ("column", "text", "message"),
    [
        ("imagename", "noise.png", "noise.png"),
        ("object_response", "zebra", "unknown category 'zebra'"),
        ("object_response", "", "unknown category ''"),
        ("category", "dog", "category 'dog' is not the shape"),
    ],
)
def test_unreadable_lines_are_one_error_with_their_number(column: str, text: str, message: str, tmp_path: Path) -> None:
    table = trials(["airplane"] * 20)
    table.loc[[6, 8], column] = text
    table.to_csv(tmp_path / "trials.csv", index=False)
    with pytest.raises(ValueError, match=f"2 of 20 lines cannot be read, first line 8: .*{message}"):
        from_trials(tmp_path / "trials.csv")


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00", b'a,b\n1,2,3\n4,"5'])
def test_files_that_are_no_table_are_one_error(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "trials.csv"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ValueError, match="trials.csv"):
        from_trials(file)


def test_trials_without_a_decision_are_an_error_that_names_the_file(tmp_path: Path) -> None:
    trials(["na"] * 20).to_csv(tmp_path / "trials.csv", index=False)
    with pytest.raises(ValueError, match=r"trials\.csv: no shape bias: none of 15 decisions"):
        from_trials(tmp_path / "trials.csv")
