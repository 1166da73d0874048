"""Ways of training side by side: rows, seeds, reuse, trainings that stop, and the tables from them."""

from collections.abc import Callable, Mapping

import pandas as pd
import pytest

from cgnlib.mnist import recipe_study, recipe_tables
from cgnlib.mnist import study as study_module
from cgnlib.mnist.recipe_study import training_rows, training_samples
from cgnlib.mnist.study import Study
from cgnlib.plotting import RECIPE_LABELS
from cgnlib.results import load, select, with_all_seeds
from cgnlib.statistics import Interval
from cgnlib.training import TrainingStopped
from cgnlib.verdicts import FACTORS, SuccessRate, claim1_mnist

V = "double-colored"


@pytest.fixture
def study(make) -> Study:
    return make(training_images=64, training_seeds=2)


def test_each_training_has_its_rows_on_development_digits(study: Study) -> None:
    rows = training_rows(study, V, "published-rates")
    assert set(rows["recipe"]) == {"published-rates"}
    assert set(rows["seed"]) == {0, 1}
    dev = select(rows, metric="accuracy/dev/last", cgn_images=64, generated=70)
    assert dev["n"].tolist() == [len(study.images(V, "dev"))] * 2
    assert list(select(rows, metric="training/stopped")["value"]) == [0, 0]
    assert len(select(rows, seed=0)) == 9 + 3 + 10 + 2 + 2
    assert len(set(dev["params"])) == 2, "each CGN has a seed of its own"
    assert training_samples(rows, V, "published-rates") is None, "kept of the two recipes alone"


def test_rows_are_reused_where_that_is_asked_for(make, monkeypatch) -> None:
    first = training_rows(make(training_images=64), V, "robust")
    monkeypatch.setattr(recipe_study, "train_cgn", lambda *_, **__: pytest.fail("trained"))
    again = training_rows(make(training_images=64, reuse_rows=True), V, "robust")
    assert sorted(again["value"]) == sorted(first["value"])
    tiles = training_samples(again, V, "robust")
    assert tiles is not None
    assert tiles.shape == (2, 10, 3, 32, 32)


def test_a_cgn_has_the_same_rows_whichever_seeds_a_run_asks_for(make, monkeypatch) -> None:
    both = training_rows(make(training_images=64, training_seeds=2), V, "robust")
    monkeypatch.setattr(recipe_study, "train_cgn", lambda *_, **__: pytest.fail("trained"))
    second = training_rows(make(training_images=64, seed=1, reuse_rows=True), V, "robust")
    assert sorted(second["value"]) == sorted(select(both, seed=1)["value"])


def test_a_training_that_stops_is_a_failed_one(study: Study, monkeypatch) -> None:
    def stop(*_, **__):
        raise TrainingStopped("masks collapsed")

    monkeypatch.setattr(recipe_study, "train_cgn", stop)
    rows = training_rows(study, V, "paper")
    assert list(rows["metric"]) == ["training/stopped"] * 2
    table = recipe_tables.success_table(rows)
    assert (table.loc[0, "succeed"], table.loc[0, "failed"]) == ("0 of 2", "training stopped")
    assert table.loc[0, "seed, %"] == pytest.approx(66.7)
    assert recipe_tables.training_table(rows).loc[0, "accuracy, %"] == "–"


def test_a_stopped_training_does_not_hide_the_other_seeds(make, monkeypatch) -> None:
    first = training_rows(make(training_images=128), V, "robust")

    def stop(*_, **__):
        raise TrainingStopped("diverged")

    monkeypatch.setattr(recipe_study, "train_cgn", stop)
    second = training_rows(make(training_images=128, seed=1), V, "robust").assign(params=first["params"].iloc[0])
    rows = with_all_seeds(second)
    assert set(rows["metric"]) > {"training/stopped", "control/shape/shape"}
    rows.loc[rows["metric"].str.startswith("oracle/"), "value"] = 100.0
    assert recipe_tables.success_table(rows).loc[0, "succeed"].endswith("of 2")


def test_full_length_trainings_that_stop_leave_a_row_which_a_later_success_replaces(make, monkeypatch) -> None:
    def stop(*_, **__):
        raise TrainingStopped("masks collapsed")

    study = make(seed=9)
    with monkeypatch.context() as stopping:
        stopping.setattr(study_module, "train_cgn", stop)
        cgn = study.cgn(V)
        assert cgn is not None
        matrix, rows = study.control(cgn)
        assert matrix is None
        assert rows["metric"].tolist() == ["training/stopped"]
    kept = select(load("smoke", "mnist-control"), seed=9)
    assert kept["metric"].tolist() == ["training/stopped"]
    verdict = claim1_mnist(kept, variants=[V])
    assert verdict.status == "not tested"  # no verdict on so short a training, but it is counted
    assert "0 of 1 trained CGNs meets the rule; failed: training stopped" in verdict.findings[0].sentence

    again = study.cgn(V)
    assert again is not None
    study.control(again)
    kept = select(load("smoke", "mnist-control"), seed=9)
    assert list(select(kept, metric="training/stopped")["value"]) == [0]
    assert len(select(kept, metric="control/shape/shape")) == 1


def made(values: Mapping[tuple[str, int], tuple[float, float]]) -> pd.DataFrame:
    """Rows of (recipe, seed): (share of masks read right, accuracy)."""
    about = {"experiment": "mnist-training", "dataset": V, "method": "cgn", "unit": "percent", "profile": "paper"}
    lines = [
        about | {"recipe": recipe, "seed": seed, "metric": metric, "value": value, "n": 1000, "data": "mnist-full"}
        | {"params": f'{{"cgn_images":64,"cgn_seed":{seed}}}'}
        for (recipe, seed), found in values.items()
        for metric, value in zip(("control/shape/shape", "accuracy/dev/last"), found, strict=True)
    ]  # fmt: skip
    return pd.DataFrame(lines)


def test_accuracy_is_held_against_quality_cgn_by_cgn() -> None:
    rows = made(
        {("robust", 0): (90, 80), ("robust", 1): (92, 82), ("paper", 0): (30, 20), ("no-penalty", 0): (50, 60)}
        | {("small-batch", 0): (40, 65)}
    )
    (found, n), *others = recipe_tables.quality_correlations(rows.sample(frac=1, random_state=0)).values()
    assert (found.value, n, others) == (pytest.approx(0.8), 4, [])
    table = recipe_tables.training_table(rows)
    assert list(table["training"]) == [RECIPE_LABELS[n] for n in ("robust", "paper", "no-penalty", "small-batch")]
    assert list(table["− ours"]) == ["–", "−61.0", "−21.0", "−16.0"]
    assert list(table["CGNs"]) == [2, 1, 1, 1]


def test_what_a_change_to_the_recipe_does_is_said_with_its_interval(monkeypatch) -> None:
    means = {"robust": (80.0, 82.0, 84.0), "no-penalty": (60.0, 61.0, 62.0), "constant-rate": (81.0, 83.0)}
    rows = made({(name, seed): (90, value) for name, values in means.items() for seed, value in enumerate(values)})
    counted = {"robust": (3, 3), "no-penalty": (1, 3), "constant-rate": (2, 2)}
    rates = [SuccessRate(V, name, *counts, failed=()) for name, counts in counted.items()]
    monkeypatch.setattr(recipe_tables, "success_rates", lambda _: rates)
    assert recipe_tables.change_sentences(rows) == [
        "No gradient penalty: 1 of 3 succeed (ours 3 of 3); accuracy clearly lower on "
        f"{V} by 21.0 [16.8, 25.2] points.",
        "Constant learning rate: 2 of 2 succeed (ours 3 of 3); too few CGNs to compare accuracies.",
    ]


def test_the_widest_spread_of_a_factor_is_found() -> None:
    rows = made({("robust", 0): (90, 0), ("robust", 1): (94, 0), ("robust", 2): (98, 0), ("paper", 0): (10, 0)})
    found = recipe_tables.widest_factor_spread(rows)
    assert found is not None and found[0] == pytest.approx(4.0)
    assert "our recipe" in found[1]
    assert recipe_tables.widest_factor_spread(select(rows, seed=0)) is None


def test_correlations_are_put_into_words_by_their_intervals() -> None:
    words = [recipe_tables.correlation_words(Interval(0.5, low, high, "")) for low, high in ((-0.1, 0.9), (0.2, 0.9))]
    assert words == ["undecided, the interval holds 0", "they go together"]
    assert "falls" in recipe_tables.correlation_words(Interval(-0.5, -0.9, -0.2, ""))
    assert "no interval" in recipe_tables.correlation_words(Interval(1, float("nan"), float("nan"), ""))


def test_spread_is_split_into_cgns_and_classifiers() -> None:
    rows = made({("robust", 0): (0, 80.0), ("robust", 1): (0, 84.0)})
    rows = select(rows, metric="accuracy/dev/last")
    more = rows.iloc[:1].assign(seed=7, value=82.0)
    line = recipe_tables.spread_table(pd.concat([rows, more], ignore_index=True)).loc[0]
    assert (line["CGNs"], line["runs"], line["lowest"], line["highest"]) == ("2", 3, 80.0, 84.0)
    assert line["SD, classifiers"] == pytest.approx(2**0.5)
    assert line["SD, CGNs"] == pytest.approx((4.5 - 2 * 0.75) ** 0.5)  # groups: 81 (of 80 and 82) and 84
    assert recipe_tables.spread_table(rows.iloc[:1]).empty
    without = recipe_tables.spread_table(rows.assign(params="{}", recipe="-", method="original")).loc[0]
    assert (without["CGNs"], without["SD, classifiers"]) == ("–", pytest.approx(8**0.5))


def test_full_length_counts(make: Callable[..., Study]) -> None:
    study = make()
    cgn = study.cgn(V)
    assert cgn is not None
    rows = study.control(cgn)[1]
    recovered = {f"control/{a}/{b}": 100.0 if a == b else 10.0 for a in FACTORS[V] for b in FACTORS[V]}
    good = {f"oracle/{factor}": 100.0 for factor in FACTORS[V]} | recovered
    good |= {f"shape/{digit}": 100.0 for digit in range(10)} | {"mask/area": 0.2, "mask/diversity": 0.1}
    rows["value"] = [good.get(metric, value) for metric, value in zip(rows["metric"], rows["value"], strict=True)]
    table = recipe_tables.success_table(rows)
    assert (table.loc[0, "images seen"], table.loc[0, "succeed"]) == ("128", "1 of 1")
    rows.loc[rows["metric"] == "mask/area", "value"] = 0.9
    assert recipe_tables.success_table(rows).loc[0, "succeed"] == "0 of 1"
