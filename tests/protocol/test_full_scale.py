"""results/paper holds every row and picture that the MNIST pages ask for at scale paper: they train nothing.

And the published values are what they were when rows got their present columns.
"""

import hashlib

import pandas as pd
import pytest

from cgnlib.data.shapes import is_own
from cgnlib.errors import needed
from cgnlib.mnist.names import SIZE, VARIANTS
from cgnlib.paths import project_root
from cgnreport.protocol.mnist import MnistStudy
from cgnreport.protocol.mnist_experiments import heat_map_tiles, misread, training_samples
from cgnreport.protocol.mnist_settings import CGN_METHODS, EXPERIMENTS, MnistSettings
from cgnreport.protocol.parameters import SWEEP, TRAININGS, Parameters
from cgnreport.protocol.rows import select
from cgnreport.protocol.store import load
from cgnreport.protocol.summary import summarise

PAPER = Parameters.load("paper", {"sweep": list(SWEEP)})
SETTINGS = MnistSettings(PAPER, full_data=True)
ROUGH = MnistSettings(PAPER, full_data=True, precision="bfloat16")  # of heat maps: the precision that has all rows
AWAITED = ("mnist-sweep",)  # experiments whose rows are incomplete
# Ways to train a CGN whose rows come one by one, beside those that the parameters name.
EVERY_WAY = MnistSettings(PAPER.with_changes(trainings=list(TRAININGS)), full_data=True)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_setting_has_rows_and_every_row_has_a_setting(experiment: str) -> None:
    rows, about = load("paper", experiment, own=False), set()
    rows = rows.loc[~rows["data"].map(is_own).astype(bool)]  # page 15's example has settings of its own
    for recipe in ("robust", "authors"):
        planned = list((ROUGH if experiment == "mnist-gradcam" else SETTINGS).plan(experiment, recipe))
        about |= {(each.dataset, each.method, each.recipe, each.data) for each in planned}
        none = (("mnist-own-colours", "robust"), ("mnist-order", "robust"), ("mnist-gradcam", "authors"))
        if (experiment, recipe) not in none:
            assert planned  # of those three no page asks for rows
            if experiment in AWAITED:
                continue
            assert [(each.dataset, each.method) for each in planned if each.of(rows).empty] == []
    one_by_one = [*SETTINGS.plan(experiment, "paper"), *EVERY_WAY.plan(experiment, "robust")]
    about |= {(each.dataset, each.method, each.recipe, each.data) for each in one_by_one}
    assert {*rows[["dataset", "method", "recipe", "data"]].itertuples(index=False, name=None)} <= about


def test_the_pictures_that_pages_show_are_there() -> None:
    study = MnistStudy(PAPER)
    study.settings = ROUGH
    for method in ("original", "cgn", "oracle"):
        maps = heat_map_tiles(study, method)
        assert maps is not None and maps.shape == (10, 10, SIZE, SIZE), method
    study.settings = SETTINGS
    for variant in VARIANTS:
        assert misread(study, variant) is not None, variant
        for training in ("robust", "paper"):
            assert training_samples(study, variant, training) is not None, (variant, training)


def test_the_ledger_says_what_the_rows_of_heat_maps_say() -> None:
    maps = select(load("paper", "mnist-gradcam", own=False), method="original")
    words = " ".join((project_root() / "book" / "ledger.md").read_text(encoding="utf-8").split())

    def ends(precision: str | None, metric: str, decimals: int = 0) -> str:
        found = select(maps, metric=metric, precision=precision)["value"]
        assert len(found) == {None: 6, "bfloat16": 10}[precision]
        return f"{min(found):.{decimals}f} to {max(found):.{decimals}f}"

    assert max(select(maps, metric="maps/empty", precision=None)["value"]) == 0, "none by the definition"
    assert f"{ends(None, 'package/maps/empty')} % of the maps are empty as the package scales them, none by" in words
    rough = (ends("bfloat16", metric) for metric in ("package/maps/empty", "maps/empty"))
    assert "{} % as the package scales them, {} % by the definition".format(*rough) in words
    plain, rough = (ends(each, "sensitivity/colour-over-digit", 1) for each in (None, "bfloat16"))
    assert f"{plain} times as much as the digit in single precision, {rough} times in bfloat16" in words


def test_the_ledger_says_what_the_rows_of_the_authors_weights_say() -> None:
    rows = select(load("paper", "mnist-ood", own=False), metric="accuracy/test", epoch="last", recipe="authors")
    means = {(m, v): select(rows, method=m, dataset=v)["value"].mean() for m in CGN_METHODS for v in VARIANTS}
    words = " ".join((project_root() / "book" / "ledger.md").read_text(encoding="utf-8").split())
    for method, before in {"cgn": "counterfactuals alone give ", "original+cgn": "original data added "}.items():
        first, second, third = (f"{means[method, variant]:.1f}" for variant in VARIANTS)
        assert f"{before}{first}, {second} and {third} %" in words
    assert f"one run of three, whose mean is {means['original+cgn', 'colored']:.1f} %" in words


def digest(rows: pd.DataFrame, columns: list[str], form: str) -> tuple[int, str]:
    """How many lines there are, and 16 hex digits of what they say."""
    lines = sorted(form.format(*line) for line in rows[columns].itertuples(index=False, name=None))
    return len(lines), hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def test_published_values_are_what_they_were() -> None:
    """Every value, n, seed and interval. New rows change these digests; rows that are there must not change."""
    rows = load("paper", own=False)
    about = ["experiment", "dataset", "method", "recipe"]
    assert digest(rows, [*about, "value", "n", "seed"], "{} {} {} {} {:.9g} {} {}") == VALUES
    means = [*about, "mean", "low", "high", "n", "seeds"]
    assert digest(summarise(rows), means, "{} {} {} {} {:.6g} {:.6g} {:.6g} {} {}") == INTERVALS


VALUES = (12573, "f368429ceb4b71ba")
INTERVALS = (6478, "129e4752569a1d14")


def test_heat_maps_of_another_precision_are_another_setting() -> None:
    ours, theirs = (needed(each.accuracy("mnist-gradcam", "double-colored", "original")) for each in (SETTINGS, ROUGH))
    assert dict(theirs.params) == {**ours.params, "precision": "bfloat16"}
    assert ROUGH.accuracy("mnist-ood", "double-colored", "original") == SETTINGS.accuracy(
        "mnist-ood", "double-colored", "original"
    )
