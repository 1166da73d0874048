"""Whether a variant tells counterfactuals from methods for which nothing is generated, by the stated rule."""

import pandas as pd
import pytest

from cgnreport.verdicts.without_cgn import METHODS, TOLD, discriminations, first_line
from tests.verdicts.conftest import classifiers, frame

SPREAD = (-0.5, 0.0, 0.5)


def others(best: float, *, of: tuple[str, ...] = METHODS) -> pd.DataFrame:
    """Rows of all methods on wildlife; the last of them is the best."""
    about = {"experiment": "mnist-without-cgn"}
    lines = [(name, best - 20.0 * (name != of[-1])) for name in of] + [("oracle", 99.0), ("oracle-stretched", 99.5)]
    return frame(*(line for name, mean in lines for line in classifiers(name, [mean + d for d in SPREAD], about=about)))


def counterfactuals(mean: float, recipe: str = "authors") -> pd.DataFrame:
    lower = [{**line, "value": 50.0} for line in classifiers("original+cgn", SPREAD)]
    return frame(*classifiers("cgn", [mean + d for d in SPREAD]), *lower, recipe=recipe)


@pytest.mark.parametrize(("cgn", "expected"), [(90.0, True), (82.0, False), (80.0, False), (60.0, False)])
def test_the_intervals_decide(cgn: float, expected: bool) -> None:
    """Of three seeds 0.5 apart an interval is 1.24 to either side."""
    (found,) = discriminations(counterfactuals(cgn), others(80.0), "authors", ["wildlife"])
    assert (found.discriminates, found.method, found.best) == (expected, "cgn", METHODS[-1])


def test_the_oracle_does_not_count() -> None:
    (found,) = discriminations(counterfactuals(90.0), others(80.0), "authors", ["wildlife"])
    assert found.without is not None and found.without.value == pytest.approx(80.0)


def test_a_method_that_was_left_out_may_be_the_best() -> None:
    some = METHODS[:3]
    (found,) = discriminations(counterfactuals(90.0), others(80.0, of=some), "authors", ["wildlife"])
    assert found.discriminates is None
    assert f"no rows of {', '.join(METHODS[3:])}" in str(found.untested)
    (beaten,) = discriminations(counterfactuals(70.0), others(80.0, of=some), "authors", ["wildlife"])
    assert beaten.discriminates is False


def test_fewer_than_three_classifiers_say_nothing() -> None:
    one = others(80.0).loc[lambda rows: rows["seed"] == 0]
    (found,) = discriminations(counterfactuals(70.0), one, "authors", ["wildlife"])
    assert found.discriminates is None
    assert str(found.untested) == f"1 classifier of '{METHODS[-1]}', 3 are needed"


def test_each_recipe_for_itself() -> None:
    rows = pd.concat([counterfactuals(90.0), counterfactuals(60.0, "robust")])
    verdicts = {
        recipe: discriminations(rows, others(80.0), recipe, ["wildlife"])[0] for recipe in ("authors", "robust")
    }
    assert {recipe: found.discriminates for recipe, found in verdicts.items()} == {"authors": True, "robust": False}


def test_a_cgn_cut_short_and_missing_rows_are_not_tested() -> None:
    short = counterfactuals(90.0, "robust").assign(cgn_images=100)
    (found,) = discriminations(short, others(80.0), "robust", ["wildlife"])
    assert found.discriminates is None and "of 200,000 images" in str(found.untested)
    (nothing,) = discriminations(counterfactuals(90.0), others(80.0), "authors", ["colored"])
    assert str(nothing.untested) == "no rows of counterfactuals"


def test_the_first_line_says_where_it_takes_none() -> None:
    ties = discriminations(counterfactuals(70.0), others(80.0), "authors", ["wildlife"])
    holds = discriminations(counterfactuals(90.0), others(80.0), "authors", ["wildlife"])
    assert first_line(ties, "authors").startswith("It does not take a CGN on 1 of 1 variant: wildlife (CGN 70.0 [")
    assert "on 1 of 2 variants: " in first_line([*ties, *holds], "authors")
    more = "Counterfactuals read more than the best method without a CGN on 1 of {}: wildlife (CGN 90.0 ["
    assert more.format("2 variants") in first_line([*ties, *holds], "authors")
    assert first_line(holds, "authors").startswith(more.format("1 variant"))
    untested = discriminations(counterfactuals(90.0), others(80.0), "authors", ["colored"])
    assert first_line([*ties, *untested], "authors").endswith(" %). Not tested: colored.")
    assert first_line(holds, "robust") == "not tested."


def test_it_says_what_every_method_is_told() -> None:
    assert set(TOLD) == {*METHODS, "cgn"}
