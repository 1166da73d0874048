"""Plots in two layouts and grids of images: what they hold, not how they look."""

import base64
import io
import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import imread
from PIL import Image

from cgnlib.mnist.names import FACTORS
from cgnlib.statistics import Interval
from cgnreport.pages import plots
from cgnreport.pages.figures import Figures, apply_captions, show
from cgnreport.pages.grids import image_grid, parts_grid
from cgnreport.pages.style import METHOD_LABELS, RECIPE_LABELS, SMOKE_TEXT
from cgnreport.protocol.parameters import IMAGENET_METHODS, METHODS, TRAININGS
from cgnreport.protocol.rows import ResultsError
from cgnreport.verdicts import mnist
from tests.verdicts.conftest import Line, accuracies, classifiers, control, frame

ROWS = frame(
    *(line for method in ("original", "oracle") for line in classifiers(method, [10.0, 11.0, 12.0])),
    {"value": 84.0},
    {"value": 85.0, "recipe": "authors"},
)


def svg(figures: Figures, phone: bool = False) -> str:
    return figures.data(figures.phone if phone else figures.desktop).decode()


def points(figures: Figures, panel: int = 0) -> list[float]:
    """Where the means of a deciding figure stand."""
    marks = [line for line in figures.desktop.axes[panel].lines if line.get_marker() == "o"]
    return [float(np.ravel(mark.get_xdata())[0]) for mark in marks]


def marks(ax: Axes) -> list[float]:
    """Where published values stand, in a panel that has any."""
    return sorted(ax.collections[-1].get_offsets().data[:, 0].tolist())  # type: ignore[union-attr]


def test_a_deciding_figure_has_two_layouts_and_says_what_it_shows() -> None:
    figures = plots.dot_plot(ROWS)
    for phone in (False, True):
        text = svg(figures, phone)
        for words in ("Wildlife", "authors' weights", "the study (RS22)", "SG21", "one seed", "oracle (reference)"):
            assert words in text
        assert "system-ui" in text
        assert SMOKE_TEXT not in text
    assert figures.desktop.get_figwidth() > 2 * figures.phone.get_figwidth()
    assert points(figures) == [11.0, 85.0, 84.0]  # the oracle is a line


def test_the_same_rows_give_the_same_file_and_smoke_is_marked() -> None:
    assert svg(plots.dot_plot(ROWS)) == svg(plots.dot_plot(ROWS))
    assert SMOKE_TEXT in svg(plots.dot_plot(ROWS.assign(profile="smoke")))
    log = pd.DataFrame({"step": [0, 1], "shape": [1.0, 0.5], "mask": [1.0, 0.5]})
    assert all(words in svg(plots.loss_curves(log, smoke=True)) for words in ("shape", "mask", "update", SMOKE_TEXT))


def test_a_line_of_a_deciding_figure_has_one_setting() -> None:
    for other in ({"epoch": "best"}, {"params": {"epochs": 30}}):
        with pytest.raises(ResultsError, match="one setting"):
            plots.dot_plot(frame({}, other))


def test_what_a_rule_asks_is_a_line_with_its_number() -> None:
    rows = accuracies(wildlife=(10.0, 84.0))
    verdict = mnist.claim2(rows, "robust", ["wildlife"])
    needed = f"{verdict.findings[0].facts['least']:.1f}"
    assert needed in svg(plots.dot_plot(rows, [verdict])) and "needed" in svg(plots.dot_plot(rows, [verdict]))
    assert "needed" not in svg(plots.dot_plot(rows))


def test_published_values_are_drawn_for_their_panel_alone() -> None:
    made = [plots.Estimate(panel, "CGN", "#000000", Interval.point(5.0), (4.0, 6.0), {"SG21": 7.0}) for panel in "ab"]
    made.append(plots.Estimate("b", "oracle", "#000000", None, (), {"RS22": 8.0}, needs=3.0))
    figures = plots.forest(made, "gap", references={"chance": 0.0, "ceiling": {"b": 9.0}})
    left, right = figures.desktop.axes
    assert (marks(left), marks(right)) == ([7.0], [7.0, 8.0])
    assert [9.0 in [line.get_xdata()[0] for line in ax.lines] for ax in (left, right)] == [False, True]  # type: ignore


def test_control_needs_a_share_of_what_readers_find_in_real_images() -> None:
    lines = [line for seed in range(2) for line in control("double-colored", reader=90.0, seed=seed)]
    lines += control("colored", reader=80.0)
    text = svg(plots.control_plot(frame(*lines)))
    assert "72.0" in text and "64.0" in text
    assert text.index("Colored") < text.index("Double-colored")


def test_margins_of_verdicts_on_claim_3() -> None:
    rows = accuracies("accuracy/indomain", colored=(99.0, 98.6))
    verdict = mnist.claim3(rows.assign(experiment="mnist-indomain"), "robust", ["colored", "wildlife"])
    text = svg(plots.margin_plot({"our CGN": verdict}), phone=True)
    assert "Colored" in text and "Wildlife" not in text
    assert "our CGN" in text and "margin: −1.5 points" in text


def toy(experiment: str, *lines: Line) -> pd.DataFrame:
    return frame(*lines, experiment=experiment, dataset="toy", data="toy-world", n=400)


def test_the_gap_has_two_worlds_with_scales_of_their_own() -> None:
    gaps = [("original", "avg", 40.0), ("original+cgn", "shape_texture", 12.0), ("original+cgn", "avg", 30.0)]
    lines = [{"method": m, "output": o, "metric": "bg-gap", "value": v, "low": v, "high": v} for m, o, v in gaps]
    figures = plots.gap_plot(toy("imagenet-background", *lines))
    ours, theirs = figures.desktop.axes
    assert points(figures) == [40.0, 12.0]
    assert ours.get_xlim()[1] > 40 and theirs.get_xlim()[1] < 12
    assert marks(theirs) == [3.3, 4.94, 7.3, 7.7, 8.5]


def test_one_value_per_head_with_published_values() -> None:
    heads = [("original", "avg", 30.0), ("original+cgn", "shape", 60.0), ("original+cgn", "avg", 44.0)]
    lines = [{"method": m, "output": o, "metric": "shape-bias", "value": v} for m, o, v in heads]
    figures = plots.heads_plot(toy("imagenet-shape-bias", *lines))
    assert points(figures) == [30.0, 60.0]
    assert "shape head" in svg(figures) and "background head" not in svg(figures)


def test_shape_bias_by_category_beside_other_networks() -> None:
    lines = [
        {"metric": metric, "value": value, "params": {"normalisation": how, "enlarge": False}}
        for how, shift in (("lite", 0.0), ("imagenet", 5.0))
        for metric, value in (("shape-bias", 24.0 + shift), ("shape-bias/category/cat", 20.0 + shift))
    ]
    lines.append({"metric": "decisions/shape", "unit": "images", "value": 24.0, "params": lines[0]["params"]})
    figures = plots.shape_bias_plot(toy("imagenet-shape-bias", *lines), {"ResNet-50": 22.1})
    assert points(figures) == [20.0, 24.0]  # the whole stands last
    assert all(words in svg(figures, phone=True) for words in ("cat", "all", "ResNet-50", "other preprocessing"))


def test_ratio_and_control_plots() -> None:
    ratios = [{"params": {"cf_ratio": r, "generated": n}} for r in (1, 5) for n in (1000, 10_000)]
    assert "10,000 counterfactuals" in svg(plots.ratio_plot(frame(*ratios)))
    cells = [{"dataset": "colored", "metric": f"control/shape/{b}", "value": 91.25} for b in FACTORS[:2]]
    text = svg(plots.control_matrix(frame(*cells)))
    assert "91.2" in text and "texture" in text and ">–<" in text


def test_quality_plot_has_a_point_for_each_cgn_and_a_legend_that_fits() -> None:
    lines = [{"recipe": way, "metric": metric, "value": 50.0} for way in TRAININGS for metric in plots.QUALITY_METRICS]
    stopped = {"recipe": "no-penalty", "metric": "training/stopped", "value": 100.0, "params": {"cgn_seed": 1}}
    figures = plots.quality_plot(frame(*lines, stopped))
    for figure in (figures.desktop, figures.phone):
        (drawn,) = figure.axes[0].collections
        assert len(drawn.get_offsets()) == len(TRAININGS)  # type: ignore[arg-type]
        figure.draw_without_rendering()
        box = figure.legends[0].get_window_extent()
        assert 0 <= box.x0 < box.x1 <= figure.bbox.width


def test_everything_that_rows_name_has_a_label() -> None:
    assert {*METHODS, *IMAGENET_METHODS} <= set(METHOD_LABELS)
    assert {*TRAININGS, "authors"} == set(RECIPE_LABELS)


@pytest.mark.parametrize("size", [8, 64])
def test_image_grid_shows_every_pixel_as_a_square(size: int) -> None:
    images = np.random.default_rng(0).integers(0, 255, (2, 3, 3, size, size), dtype=np.uint8)
    figures = image_grid(images, ["a", "b"], ["one", "two", "three"], row_title="row", gap=1)
    for figure in (figures.desktop, figures.phone):
        shown = imread(io.BytesIO(figures.data(figure)), format="png")[:, :, :3]
        height, width = shown.shape[:2]
        zoom = round(figure.axes[0].get_position().width * width / (3 * size + 2))
        left, top = width - 1 - zoom * (3 * size + 2), height - 1 - zoom * (2 * size + 1)  # below and right: a pixel
        first = np.rint(shown[top : top + size * zoom, left : left + size * zoom] * 255).astype(np.uint8)
        assert (first == images[0, 0].transpose(1, 2, 0).repeat(zoom, 0).repeat(zoom, 1)).all()
        assert (shown[top:, left + size * zoom : left + (size + 1) * zoom] == 1).all(), "gaps are white"


def test_image_grid_takes_masks_floats_and_anything_like_an_array() -> None:
    class Tensor:
        def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
            return np.linspace(0, 1, 6).reshape(6, 1, 1, 1) * np.ones((6, 1, 8, 8))

    masks = image_grid(Tensor(), columns=4, gap=0)
    pixels = imread(io.BytesIO(masks.data(masks.desktop)), format="png")
    height, width = pixels.shape[:2]
    assert pixels[height // 4, width // 8, 0] == 0.0
    assert pixels[3 * height // 4, 7 * width // 8, 0] == 1.0, "missing places are white"
    image_grid(np.zeros((1, 2, 3, 8, 8), np.float32), ["a row"], column_title="column", row_colours={"a row": "red"})
    with pytest.raises(ValueError, match="1 column labels for a grid of 2"):
        image_grid(np.zeros((1, 2, 3, 8, 8)), column_labels=["one"])
    with pytest.raises(ValueError, match="no images"):
        parts_grid({"mask": np.zeros((0, 1, 8, 8))})
    with pytest.raises(ValueError, match="K = 1 or 3"):
        image_grid(np.zeros((1, 2, 4, 8, 8)))


def test_parts_of_images_stand_in_their_order_whatever_their_type() -> None:
    parts = {"image": np.zeros((2, 3, 8, 8), np.uint8), "mask": np.ones((2, 1, 8, 8), bool), "u": None}
    (ax,) = parts_grid(parts, ["one", "two"]).desktop.axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["mask", "com-\nposed"]
    sheet = np.asarray(ax.images[0].get_array())
    assert sheet[0, 0].tolist() == [255, 255, 255, 255]
    assert sheet[-1, -1].tolist() == [0, 0, 0, 255]


@pytest.mark.parametrize(("kind", "off"), [("webp", 0), ("avif", 3)])
def test_a_page_holds_each_pixel_once_and_no_ground(kind: str, off: float) -> None:
    stream = np.random.default_rng(0)
    images = stream.integers(2, size=(2, 3, 1, 32, 32)).astype(float)  # masks
    if kind == "avif":  # tiles of one colour with some noise
        tiles = np.kron(2 * stream.random((2, 3, 3, 4, 4)) - 1, np.ones((8, 8)))
        images = np.clip(tiles + 0.02 * stream.standard_normal(tiles.shape), -1, 1)
    images[1, 2] = np.nan
    page = image_grid(images, ["one", "two"], gap=0).html()
    (address,) = re.findall(rf'href="data:image/{kind};base64,([^"]+)"', page)
    assert page.count("<use ") == 2, "one for each layout"
    held = np.asarray(Image.open(io.BytesIO(base64.b64decode(address)))).astype(float)
    assert held.shape == (64, 96, 4)
    shown = images[0, 0].transpose(1, 2, 0)
    assert np.abs(held[:32, :32, :3] - 255 * (shown if kind == "webp" else (shown + 1) / 2)).mean() <= off
    assert held[32:, 64:, 3].max() == 0 and held[:32, :, 3].min() == 255


def test_a_figure_takes_the_colours_of_its_page_and_names_nothing_twice() -> None:
    text = plots.dot_plot(ROWS).html() + plots.dot_plot(ROWS.assign(value=20.0)).html()
    names = re.findall(r' id="([^"]+)"', text)
    assert len(names) == len(set(names)) > 0
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', text)) <= set(names)
    assert "currentColor" in text and "#1f2328" not in text


def test_alt_text_is_made_or_given_and_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    figures, own = plots.dot_plot(ROWS), Figure()
    assert 'aria-label="a &quot;digit&quot;"' in figures.html('a "digit"')
    assert 'aria-label="Figure, Wildlife, accuracy on free-factor' in figures._repr_html_()
    own.subplots().set_title("mine")
    show(own)
    assert "[figure: Figure, mine" in capsys.readouterr().out
    with pytest.raises(ValueError, match="alt text"):
        show(figures, caption="Accuracies.")


def test_captions_move_from_outputs_to_cells() -> None:
    note = {"caption": "Masks.", "label": "masks"}
    output = {"output_type": "display_data", "data": {}, "metadata": {"cgnlib": note}}
    notebook = {"cells": [{"metadata": {}}, {"metadata": {}, "outputs": [output]}]}
    assert apply_captions(notebook) == 1
    assert notebook["cells"][1]["metadata"] == {"mystnb": {"figure": {"caption": "Masks.", "name": "masks"}}}
    other = {"output_type": "display_data", "data": {}, "metadata": {}}
    for more in (output, other):
        with pytest.raises(ValueError, match="own cell"):
            apply_captions({"cells": [{"metadata": {}, "outputs": [output, more]}]})
