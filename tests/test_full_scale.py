"""results/paper holds every row and picture that the MNIST pages ask for at scale paper: they train nothing."""

from itertools import product

import pandas as pd
import pytest

from cgnlib.mnist.cgn import SIZE
from cgnlib.mnist.recipe_study import EXPERIMENT, training_samples
from cgnlib.mnist.study import CGN_METHODS, COLOURS
from cgnlib.pictures import kept_tiles
from cgnlib.results import load, select
from cgnlib.scorecard import full_scale, matching_rows

PAPER = full_scale()
CGNS = (PAPER.recipe, "authors")


def published_rows(experiment: str) -> pd.DataFrame:
    return select(matching_rows(PAPER, experiment, own=False), seed=PAPER.seed)


@pytest.mark.parametrize("experiment", ["mnist-ood", "mnist-indomain"])
def test_every_method_has_rows(experiment: str) -> None:
    rows = published_rows(experiment)
    missing = [
        (variant, method, recipe)
        for variant, method in product(PAPER.variants, PAPER.methods)
        for recipe in (CGNS if method in CGN_METHODS else ("-",))
        if select(rows, dataset=variant, method=method, recipe=recipe).empty
    ]
    assert missing == []


def test_every_point_of_the_cf_ratio_figures_has_rows() -> None:
    rows = published_rows("mnist-cf-ratio")
    points = product(PAPER.ratio_variants, PAPER.ratio_sizes, PAPER.ratio_values, CGNS)
    missing = [
        (variant, size, ratio, recipe)
        for variant, size, ratio, recipe in points
        if (variant != "colored" or ratio <= COLOURS)
        and select(rows, dataset=variant, generated=size, cf_ratio=ratio, recipe=recipe).empty
    ]
    assert missing == []


@pytest.mark.parametrize("recipe", CGNS)
def test_every_cgn_has_its_control(recipe: str) -> None:
    assert set(select(published_rows("mnist-control"), recipe=recipe)["dataset"]) == set(PAPER.variants)


@pytest.mark.parametrize(("method", "name"), [("original", "original"), ("cgn", "cgn-robust"), ("oracle", "oracle")])
def test_the_heat_maps_have_their_picture(method: str, name: str) -> None:
    rows = select(load("paper", "mnist-gradcam", published=True, own=False), method=method, seed=PAPER.seed)
    tiles = kept_tiles(rows, f"mnist-gradcam-{name}-{PAPER.seed}", SIZE)
    assert tiles is not None
    assert tiles.shape[:2] == (10, 10)


@pytest.mark.parametrize(("variant", "recipe"), [*product(PAPER.variants, ("robust", "paper"))])
def test_both_recipes_have_samples(variant: str, recipe: str) -> None:
    assert training_samples(load("paper", EXPERIMENT, published=True, own=False), variant, recipe) is not None
