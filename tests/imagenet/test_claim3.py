"""The verdicts of claim 3 and Table 4 at ImageNet follow from rows by the stated rules."""

import pandas as pd
import pytest

from cgnlib.results import COLUMNS, Row
from cgnlib.verdicts import shape_bias_baseline


def frame(*rows: Row) -> pd.DataFrame:
    """Rows as `results.load` returns them."""
    lines = [row.cells() | {"value": row.value, "n": row.n, "seed": row.seed} for row in rows]
    return pd.DataFrame(lines, columns=list(COLUMNS))


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
        ([27.0], "reproduced"),  # its interval reaches beyond 29.1
        ([15.0], "partly"),  # goes by texture; 29.1 stays above all: 9.2 to 25.3 published
        ([15.0, 35.0], "reproduced"),  # 29.1 lies between
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
