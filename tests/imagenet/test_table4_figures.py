"""The figures of Table 4: what they hold."""

import pandas as pd
import pytest

from cgnlib.imagenet.cue_conflict import result_rows
from cgnlib.imagenet.shape_bias import CATEGORIES, CueCounts, ShapeBias
from cgnlib.imagenet.table4_figures import (
    heads_plot,
    heads_table,
    metrics_table,
    preprocessing_table,
    shape_bias_plot,
)
from cgnlib.plotting import SMOKE_TEXT
from cgnlib.results import COLUMNS, Row
from cgnlib.statistics import wilson_interval


def rows(profile: str = "quick") -> pd.DataFrame:
    """Two preprocessings; no decision for a cue among the images of the last category."""
    counts = {name: CueCounts(i, 20 - i, 55) for i, name in enumerate(CATEGORIES[:-1])}
    counts[CATEGORIES[-1]] = CueCounts(0, 0, 75)
    found = ShapeBias(105, 195, 900, counts)
    made = [
        row
        for normalisation in ("lite", "imagenet")
        for row in result_rows(
            found, method="net", profile=profile, normalisation=normalisation, enlarge=False, stimuli="all"
        )
    ]
    lines = [row.cells() | {"value": row.value, "n": row.n, "seed": row.seed} for row in made]
    return pd.DataFrame(lines, columns=list(COLUMNS))


def test_shape_bias_by_category_beside_published_networks() -> None:
    figures = shape_bias_plot(rows(), CATEGORIES, {"ResNet-50": 22.1, "seed, Table 4": 29.1})
    for figure in (figures.desktop, figures.phone):
        text = figures.data(figure).decode()
        for word in (*CATEGORIES, "all", "ResNet-50", "seed, Table 4", "own normalisation"):
            assert word in text
        assert SMOKE_TEXT not in text
    (panel,) = figures.desktop.axes
    shown = [line for line in panel.lines if line.get_marker() in ("o", "s")]
    assert len(shown) == 2 * 16  # 15 categories and all, in both preprocessings
    assert max(float(line.get_xdata()[0]) for line in shown) == pytest.approx(100 * 14 / 20)  # type: ignore[index]
    lines = [float(line.get_xdata()[0]) for line in panel.lines if len(set(line.get_xdata())) == 1]  # type: ignore
    assert {22.1, 29.1, 50.0} <= set(lines)
    assert (
        SMOKE_TEXT
        in shape_bias_plot(rows("smoke"), CATEGORIES, {})
        .data(shape_bias_plot(rows("smoke"), CATEGORIES, {}).desktop)
        .decode()
    )


def test_counts_stand_beside_every_share() -> None:
    found = preprocessing_table(rows())
    assert found["preprocessing"].tolist() == ["own normalisation", "ImageNet's"]
    assert found["for the shape"].tolist() == ["105", "105"] and found["for the texture"].tolist() == ["195", "195"]
    assert found["shape bias, %"].str.startswith("35.0 [").all()


def of_heads(metric: str, value: float, n: int, seed: int = 0) -> Row:
    return Row(
        experiment="imagenet-shape-bias", dataset="toy", method="original+cgn", metric=metric, value=value, n=n,
        seed=seed, profile="quick", data="toy-world",
    )  # fmt: skip


def frame(*made: Row) -> pd.DataFrame:
    return pd.DataFrame([row.cells() | {"value": row.value, "n": row.n, "seed": row.seed} for row in made])


def test_counts_of_each_head_over_seeds() -> None:
    """Shape head: 30 of 40 and 10 of 20 decisions for the shape, of 50 images each; texture head: no decision."""
    found = heads_table(
        frame(
            of_heads("decided/shape", 80.0, 50),
            of_heads("shape-bias/shape", 75.0, 40),
            of_heads("decided/shape", 40.0, 50, 1),
            of_heads("shape-bias/shape", 50.0, 20, 1),
            of_heads("decided/texture", 0.0, 50),
        )  # fmt: skip
    )
    shape, texture = found.drop(columns=["trained on", "bias [95 %]"]).to_numpy().tolist()
    assert shape == ["shape", "40", "20", "100", "2"]
    assert texture == ["texture", "0", "0", "50", "1"]
    assert found["bias [95 %]"].str.startswith("62.5 [").tolist() == [True, False]
    assert found["bias [95 %]"].iloc[1] == "–"


def test_metrics_stand_beside_their_intervals() -> None:
    found = metrics_table(frame(of_heads("uniform", 25.0, 200), of_heads("shape", 40.0, 180)))
    (line,) = found.to_dict("records")
    assert (line["trained on"], line["n"], line["seeds"]) == ("original + CGN", 180, 1)
    assert line["uniform"] == wilson_interval(50, 200).scaled(100).text()


def test_one_value_per_head_with_published_values_above() -> None:
    made = [
        Row(
            experiment="imagenet-shape-bias", dataset="toy", method=method, metric=metric, value=value, n=400, seed=0,
            profile="quick", data="toy-world",
        )
        for method, metric, value in (
            ("original", "shape-bias", 30.0),
            ("original+cgn", "shape-bias/shape", 60.0),
            ("original+cgn", "shape-bias/texture", 12.0),
            ("original+cgn", "shape-bias", 44.0),
        )
    ]  # fmt: skip
    lines = [row.cells() | {"value": row.value, "n": row.n, "seed": row.seed} for row in made]
    figures = heads_plot(pd.DataFrame(lines, columns=list(COLUMNS)))
    text = figures.data(figures.desktop).decode()
    assert all(word in text for word in ("original", "original + CGN, shape head", "seed (photographs)", "SG21"))
    assert "background head" not in text and "oracle" not in text
    (panel,) = figures.desktop.axes
    values = [float(line.get_xdata()[0]) for line in panel.lines if len(line.get_xdata()) == 1]  # type: ignore
    assert sorted(values) == [12.0, 16.7, 18.0, 20.5, 29.1, 30.0, 49.1, 49.6, 54.8, 60.0]
