from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cgnlib.imagenet.table5_figures import (
    gap_plot,
    methods_of,
    published_gaps,
    published_table_7,
    reasons_table,
    table_5,
    table_7,
)
from cgnlib.results import COLUMNS, ResultsError, Row
from cgnlib.statistics import wilson_interval

BOUNDS = (("", 0.0), ("/low", -2.0), ("/high", 3.0))
SETS = {"original": 95.0, "mixed-same": 90.0, "mixed-rand": 60.0, "only-background": 30.0}


def frame(*rows: Row) -> pd.DataFrame:
    lines = [row.cells() | {"value": row.value, "n": row.n, "seed": row.seed} for row in rows]
    return pd.DataFrame(lines, columns=list(COLUMNS))


def row(method: str, metric: str, value: float, experiment: str = "imagenet-background", **more: object) -> Row:
    unit = "percent" if metric.split("/")[0] in ("accuracy", "control", "oracle") else "points"
    return Row(
        experiment=experiment, dataset="toy", method=method, metric=metric, unit=unit, value=value, n=500, seed=0,
        profile="quick", data="toy-world", params=more,
    )  # fmt: skip


def rows_of(method: str, gap: float, suffix: str = "") -> list[Row]:
    rows = [row(method, f"accuracy/{name}{suffix}", value) for name, value in SETS.items()]
    metrics = ["bg-gap"] if method == "original" else ["bg-gap", "bg-gap/change"]
    return rows + [row(method, f"{m}{end}{suffix}", gap + shift) for m in metrics for end, shift in BOUNDS]


def test_published_gaps_are_the_differences_of_their_accuracies() -> None:
    table = published_gaps()
    assert list(table["source"]) == ["seed"] * 4 + ["SG21"] * 2 + ["Re-CGN"]
    assert table["BG-gap"].tolist() == pytest.approx((table["mixed-same"] - table["mixed-rand"]).tolist(), abs=0.06)
    assert list(table.loc[table["method"] == "original+cgn", "source"]) == ["seed", "SG21", "Re-CGN"]


def test_published_table_7_has_every_row_of_the_seed() -> None:
    table = published_table_7()
    assert len(table) == 9
    assert table["BG-gap"].tolist() == pytest.approx((table["mixed-same"] - table["mixed-rand"]).tolist(), abs=0.06)


def test_table_5_by_hand() -> None:
    rows = frame(
        *rows_of("original+cgn", 12.0), *rows_of("original", 30.0),
        *rows_of("original", 33.0, "/avg/best"), *rows_of("original+cgn", 21.0, "/avg/best"),
    )  # fmt: skip
    assert methods_of(rows) == ["original", "original+cgn"]
    first, second = table_5(rows).to_dict("records")
    assert first["training data"] == "original" and first["change"] == "–"
    assert second["BG-gap"] == second["change"] == "12.0 [10.0, 15.0]"
    assert second["mixed-same"] == wilson_interval(450, 500).scaled(100).text()
    assert str(second["only-background"]).startswith("30.0 [") and (second["n"], second["seeds"]) == (500, 1)
    other = table_5(rows, "/avg", "/best").to_dict("records")[1]
    assert other["BG-gap"] == "21.0 [19.0, 24.0]"


def test_three_seeds_of_table_5_have_intervals_over_seeds() -> None:
    """Accuracies 60, 62, 64: deviation 2, so 62 +- 4.303 * 2 / sqrt(3)."""
    rows = [*rows_of("original", 30.0)]
    rows += [replace(r, seed=seed, value=r.value + 2 * seed) for seed in (1, 2) for r in rows]
    assert table_5(frame(*rows))["mixed-rand"].tolist() == ["62.0 [57.0, 67.0]"]


def cell(ratio: float, method: str, **about: object) -> list[Row]:
    values: dict[str, float] = {"epoch": 2}
    values |= {f"bg-gap{bound}{end}": 9.0 + d - (end == "/best") for end in ("", "/best") for bound, d in BOUNDS}
    values |= {f"accuracy/{name}/best": value for name, value in SETS.items()}
    about = {"lr": 1e-3, "cf_ratio": ratio} | about
    return [row(method, metric, value, "imagenet-grid", **about) for metric, value in values.items()]


def test_table_7_has_a_line_for_each_cell_that_was_run() -> None:
    table = table_7(frame(*cell(0.0, "original"), *cell(2.0, "original+cgn")))
    assert table["CF ratio"].tolist() == [0.0, 2.0]
    assert table["BG-gap"].tolist() == ["8.0 [6.0, 11.0]"] * 2
    assert table["BG-gap, last epoch"].tolist() == ["9.0 [7.0, 12.0]"] * 2
    assert table["best epoch"].tolist() == ["2", "2"]
    assert table["mixed-rand"].str.startswith("60.0 [").all()


def test_a_cell_of_table_7_has_one_setting() -> None:
    with pytest.raises(ResultsError, match="one setting"):
        table_7(frame(*cell(2.0, "original+cgn"), *cell(2.0, "original+cgn", teacher="another")))


def test_reasons_stand_beside_rendered_images() -> None:
    rows = [row("cgn", "control/shape/shape", 70.0, "imagenet-control"), row("cgn", "iou/true/free", 0.6)]
    rows += [row("cgn", "oracle/shape", 99.0, "imagenet-control"), row("real", "iou/true/free", 0.9)]
    table = reasons_table(frame(*rows))
    assert table[["CGN", "rendered"]].to_numpy().tolist() == [[70.0, 99.0], [0.6, 0.9]]


def test_the_figure_has_two_worlds_with_scales_of_their_own() -> None:
    figures = gap_plot(frame(*rows_of("original", 40.0), *rows_of("original+cgn", 12.0)))
    ours, theirs = figures.desktop.axes
    assert [ax.get_title(loc="left") or ax.get_title() for ax in (ours, theirs)] == [
        "Toy world (ours)",
        "ImageNet-9 (published)",
    ]
    assert ours.get_xlim()[1] > 40 and theirs.get_xlim()[1] == 12
    marks = [np.asarray(line.get_xdata()) for line in theirs.get_lines()]
    assert sorted(mark.item() for mark in marks if mark.size == 1) == [3.3, 4.94, 7.3, 7.7, 8.5]
