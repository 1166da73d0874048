"""Figures in two layouts, boxes and tables: what they hold, not how they look."""

import io
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.image import imread

from cgnlib.boxes import badge, claim_box, comparison_table, source_line, table, toy_line, verdict_box
from cgnlib.grids import image_grid
from cgnlib.parameters import TRAININGS, StudyParameters
from cgnlib.plotting import (
    METHOD_LABELS,
    QUALITY_METRICS,
    RECIPE_LABELS,
    SMOKE_TEXT,
    apply_captions,
    control_matrix,
    dot_plot,
    margin_plot,
    quality_plot,
    ratio_plot,
    show,
)
from cgnlib.results import COLUMNS, METHODS, Row, beside_published
from cgnlib.statistics import Interval
from cgnlib.verdicts import Finding, claim2_mnist


def frame(*changes: dict[str, Any]) -> pd.DataFrame:
    base: dict[str, Any] = {
        "experiment": "mnist-ood", "dataset": "wildlife", "method": "cgn", "recipe": "robust", "n": 10_000,
        "metric": "accuracy/test/last", "value": 50.0, "seed": 0, "profile": "quick", "data": "mnist-full+dtd",
    }  # fmt: skip
    rows = [Row(**(base | change)) for change in changes]
    lines = [row.cells() | {"value": row.value, "n": row.n, "seed": row.seed} for row in rows]
    return pd.DataFrame(lines, columns=list(COLUMNS))


ROWS = frame(
    *({"method": m, "recipe": "-", "seed": s, "value": 10.0 + s} for m in ("original", "oracle") for s in range(3)),
    {"value": 84.0},
    {"value": 85.0, "recipe": "authors"},
)


def svg(figures, phone: bool = False) -> str:
    return figures.data(figures.phone if phone else figures.desktop).decode()


def test_dot_plot_has_two_layouts_and_says_what_it_shows() -> None:
    figures = dot_plot(ROWS)
    for phone in (False, True):
        text = svg(figures, phone)
        assert "Wildlife" in text
        assert "authors' weights" in text
        assert "system-ui" in text
        assert SMOKE_TEXT not in text
    assert figures.desktop.get_figwidth() > 2 * figures.phone.get_figwidth()


def test_the_same_rows_give_the_same_file() -> None:
    assert svg(dot_plot(ROWS)) == svg(dot_plot(ROWS))


def test_smoke_figures_are_marked() -> None:
    assert SMOKE_TEXT in svg(dot_plot(ROWS.assign(profile="smoke")))


def test_dot_plot_refuses_mixed_metrics() -> None:
    with pytest.raises(ValueError, match="one metric"):
        dot_plot(frame({}, {"metric": "accuracy/test/best"}))


def test_ratio_and_control_plots() -> None:
    ratios = [{"params": {"cf_ratio": r, "generated": n}} for r in (1, 5) for n in (1000, 10_000)]
    assert "10,000 counterfactuals" in svg(ratio_plot(frame(*ratios)))
    cells = [{"dataset": "colored", "metric": f"control/shape/{b}", "value": 91.25} for b in ("shape", "foreground")]
    text = svg(control_matrix(frame(*cells)))
    assert "91.2" in text
    assert "texture" in text


def test_quality_plot_has_a_point_for_each_cgn_that_has_both_numbers() -> None:
    points = [
        {"recipe": recipe, "seed": seed, "metric": metric, "value": value}
        for recipe, seed, value in (("robust", 0, 90.0), ("robust", 1, 91.0), ("paper", 0, 12.0))
        for metric in QUALITY_METRICS
    ]
    figures = quality_plot(frame(*points, {"recipe": "no-penalty", "metric": "training/stopped", "value": 100.0}))
    drawn = [line.get_xdata() for line in figures.desktop.axes[0].lines]
    assert [len(np.atleast_1d(x)) for x in drawn] == [2, 1, 0]


def test_legends_stay_within_the_figure() -> None:
    points = [{"recipe": recipe, "metric": metric, "value": 50.0} for recipe in TRAININGS for metric in QUALITY_METRICS]
    figures = quality_plot(frame(*points))
    for figure in (figures.desktop, figures.phone):
        figure.draw_without_rendering()
        (legend,) = figure.legends
        box = legend.get_window_extent()
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.width


def test_every_training_has_a_label() -> None:
    assert set(TRAININGS) | {"authors"} == set(RECIPE_LABELS)


def test_every_method_has_a_label() -> None:
    assert set(METHOD_LABELS) == set(METHODS)


def test_image_grid_shows_whole_pixels() -> None:
    images = torch.randint(0, 255, (2, 3, 3, 8, 8), dtype=torch.uint8)
    figures = image_grid(images, zoom=4, gap=2)
    pixels = imread(io.BytesIO(figures.data(figures.desktop)), format="png")[:, :, :3]
    assert pixels.shape == (2 * 32 + 4, 3 * 32 + 2 * 4, 3)
    first = np.rint(pixels[:32, :32] * 255).astype(np.uint8)
    assert (first == images[0, 0].permute(1, 2, 0).numpy().repeat(4, 0).repeat(4, 1)).all()
    assert (pixels[:, 32:36] == 1).all(), "gaps are white"


def test_image_grid_takes_masks_floats_and_lists() -> None:
    masks = image_grid(torch.linspace(0, 1, 6).reshape(6, 1, 1, 1).expand(6, 1, 8, 8), columns=4, zoom=1, gap=0)
    pixels = imread(io.BytesIO(masks.data(masks.desktop)), format="png")
    assert pixels[0, 0, 0] == 0.0
    assert pixels[15, 31, 0] == 1.0, "missing places are white"
    image_grid(np.zeros((1, 2, 3, 8, 8), np.float32), ["a row"], ["one", "two"], row_title="row", column_title="column")
    with pytest.raises(ValueError, match="labels"):
        image_grid(np.zeros((1, 2, 3, 8, 8)), column_labels=["one"])
    with pytest.raises(ValueError, match="K = 1 or 3"):
        image_grid(np.zeros((1, 2, 4, 8, 8)))


def test_alt_text_is_required_and_escaped() -> None:
    figures = image_grid(np.zeros((1, 1, 3, 8, 8)))
    assert 'alt="a &quot;digit&quot;"' in figures.html('a "digit"')
    with pytest.raises(ValueError, match="alt text"):
        show(figures, alt=" ")


def test_captions_move_from_outputs_to_cells() -> None:
    output = {
        "output_type": "display_data",
        "data": {},
        "metadata": {"cgnlib": {"caption": "Masks.", "label": "masks"}},
    }
    notebook = {"cells": [{"metadata": {}}, {"metadata": {}, "outputs": [output]}]}
    assert apply_captions(notebook) == 1
    assert notebook["cells"][1]["metadata"] == {"mystnb": {"figure": {"caption": "Masks.", "name": "masks"}}}
    other = {"output_type": "display_data", "data": {}, "metadata": {}}
    for more in (output, other):
        with pytest.raises(ValueError, match="own cell"):
            apply_captions({"cells": [{"metadata": {}, "outputs": [output, more]}]})


def test_tables_scroll_in_their_box_and_show_missing_numbers_as_a_dash() -> None:
    found = table(pd.DataFrame({"name": ["<a>"], "value": [1.25], "none": [math.nan], "n": [10_000]}))
    assert "overflow-x:auto" in found
    assert "&lt;a&gt;" in found
    assert ">1.2<" in found
    assert ">–<" in found
    assert ">10,000<" in found
    assert "overflow-x:auto" in found._repr_html_()


def test_comparison_table_keeps_reading_order() -> None:
    found = comparison_table(beside_published(ROWS))
    assert found.index("original") < found.index(">CGN<") < found.index("oracle")
    assert "84.0 [83.3, 84.7]" in found
    assert "70.2" in found


@pytest.mark.parametrize("status", ["reproduced", "partly", "not reproduced", "not tested"])
def test_badges_say_their_status_in_words(status: str) -> None:
    assert status in badge(status)
    assert f"cgn-{status.replace(' ', '-')}" in badge(status)


def test_margin_plot_shows_every_finding_that_has_an_interval() -> None:
    change = Interval(-0.4, -0.9, 0.1, "t over seeds")
    there = Finding("colored", "reproduced", change, "points", "", "")
    missing = Finding("wildlife", "not tested", None, "", "", "")
    figures = margin_plot({"our CGN": [there, missing], "authors' CGN": [there]}, 1.5, {"colored": -0.2})
    for phone in (False, True):
        text = svg(figures, phone)
        assert "Colored" in text and "Wildlife" not in text
        assert "our CGN" in text and "margin: −1.5 points" in text


def test_no_verdict_shows_nothing() -> None:
    assert verdict_box(None) == ""


def test_boxes() -> None:
    assert "out-of-domain" in claim_box("claim2-mnist")
    box = verdict_box(claim2_mnist(ROWS), "Whether photographs behave like <digits>.")
    assert "cgn-verdict" in box
    assert "&lt;digits&gt;" in box
    parameters = StudyParameters(profile="smoke", train_images=None)
    line = source_line(parameters, ["mnist-5000+procedural", "mnist-5000"])
    assert line.count("5,000 embedded") == 1
    assert "numbers mean nothing" in line
    assert "all original training images" in line


def test_pages_on_the_toy_world_say_so() -> None:
    assert "not ImageNet" in toy_line(StudyParameters(seed=3)) and "seed 3" in toy_line(StudyParameters(seed=3))
    assert "numbers mean nothing" in toy_line(StudyParameters(profile="smoke"))
