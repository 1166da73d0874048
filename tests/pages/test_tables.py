"""Tables from rows, by hand."""

import pytest

from cgnlib.statistics import wilson_interval
from cgnreport.pages import tables
from cgnreport.protocol.rows import ResultsError
from tests.verdicts.conftest import Line, control, frame


def accuracy(variant: str, method: str, recipe: str, last: float, best: float) -> list[Line]:
    about = {"dataset": variant, "method": method, "recipe": recipe}
    return [about | {"epoch": "last", "value": last}, about | {"epoch": "best", "value": best}]


def test_a_number_outside_the_interval_is_listed_with_what_the_best_epoch_makes_of_it() -> None:
    """The study: 76.24 and 90.2 with the authors' weights; SG21: 85.7 for the former; Re-CGN: 62.8 and 86.5."""
    lines = accuracy("wildlife", "original+cgn", "authors", 72.8, 75.6)
    gaps, compared = tables.published_gaps(frame(*lines, *accuracy("double-colored", "cgn", "authors", 90.0, 90.0)))
    assert compared == 5
    assert list(zip(gaps["source"], gaps["published"], gaps["in the latter"], strict=True)) == [
        ("SG21", 85.7, "no"),
        ("RS22", 76.24, "yes"),
        ("Re-CGN", 62.8, "no"),
        ("Re-CGN", 86.5, "no"),
    ]
    assert [each.text() for each in gaps["last epoch"]][:3] == ["72.8 [71.9, 73.7]"] * 3


def test_our_recipe_has_no_published_number_and_one_inside_is_no_gap() -> None:
    gaps, compared = tables.published_gaps(frame(*accuracy("wildlife", "cgn", "robust", 20.0, 20.0)))
    assert (len(gaps), compared) == (0, 0)
    gaps, compared = tables.published_gaps(frame(*accuracy("colored", "cgn", "authors", 92.5, 92.5)))
    assert (len(gaps), compared) == (0, 2)


def test_cells_are_means_with_intervals_in_the_order_of_the_labels() -> None:
    rows = frame(
        {"method": "oracle", "value": 90.0},
        {"method": "original", "value": 10.0, "n": 500},
        {"method": "original", "metric": "mask/area", "unit": "fraction", "value": 0.25},
    )
    found = tables.cells(rows, ["method"], {"accuracy": "accuracy/test", "area": "mask/area"})
    assert list(found["training data"]) == ["original", "oracle"]
    assert found["accuracy"].tolist()[1] == wilson_interval(9000, 10_000).scaled(100).text()
    assert found["area"].tolist() == ["0.250", "–"]  # a mean of fractions has no interval over images
    assert found[["n", "runs"]].to_numpy().tolist() == [[500, 1], [10_000, 1]]


def test_runs_are_what_an_interval_is_over_and_parts_are_of_the_same_classifiers_as_the_whole() -> None:
    made = [(cgn, seed) for cgn in range(3) for seed in range(2)]
    rows = frame(*({"value": 80.0 + c + s, "seed": s, "params": {"cgn_seed": c}} for c, s in made))
    (line,) = tables.cells(rows, ["method"], {"accuracy": "accuracy/test"}).to_dict("records")
    assert line["runs"] == 3, "CGNs, not their classifiers"
    parts = [{"metric": f"accuracy/test/{part}", "value": 60.0} for part in ("worst-class", "same-colour")]
    only = tables.parts_table(frame({"value": 70.0}, *parts, {"value": 90.0, "seed": 1}))
    assert only["all"].tolist()[0].startswith("70.0 [") and only["classifiers"].tolist() == [1]


def test_a_cell_has_one_setting() -> None:
    rows = frame({"params": {"lr": 0.1, "cf_ratio": 1.0}}, {"params": {"lr": 0.1, "cf_ratio": 2.0}})
    found = tables.cells(
        rows, ["lr", "cf_ratio"], {"accuracy": {"metric": "accuracy/test", "epoch": "last"}}, counts=False
    )
    assert found.columns.tolist() == ["lr", "cf_ratio", "accuracy"] and len(found) == 2
    with pytest.raises(ResultsError, match="one setting"):
        tables.cells(rows, ["lr"], {"accuracy": "accuracy/test"})


def test_successes_stand_beside_the_study() -> None:
    lines = [line for seed in range(2) for line in control("colored", seed=seed)]
    lines += control("colored", diagonal=20.0, seed=2)
    (line,) = tables.success_table(frame(*lines, recipe="paper")).to_dict("records")
    assert (line["variant"], line["CGN from"], line["succeed"]) == ("Colored", "paper's recipe", "2 of 3")
    assert "shape" in line["failed"] and line["RS22, by eye"] == "0 of 10 or more"


def test_trainings_stand_beside_our_recipe() -> None:
    def trained(recipe: str, *values: float) -> list[Line]:
        about = {"recipe": recipe, "metric": "accuracy/dev"}
        return [about | {"value": value, "params": {"cgn_seed": seed}} for seed, value in enumerate(values)]

    stopped = {"recipe": "paper", "metric": "training/stopped", "value": 100.0, "params": {"cgn_seed": 0}}
    found = tables.training_table(
        frame(*trained("no-penalty", 80.0, 81.0, 82.0), *trained("robust", 90.0, 91.0, 92.0), stopped)
    )
    assert found["CGN from"].tolist() == ["our recipe", "paper's recipe", "ours, no gradient penalty"]
    assert found["CGNs"].tolist() == [3, 0, 3]
    assert found["− ours"].tolist()[:2] == ["–", "–"] and found["− ours"].tolist()[2].startswith("−10.0 [−12.3, ")
    assert found["accuracy"].tolist()[1] == "–"


def background(method: str, output: str, epoch: str, gap: float) -> list[Line]:
    about = {"method": method, "output": output, "epoch": epoch, "n": 500}
    sets = {"original": 95.0, "mixed-same": 90.0, "mixed-rand": 60.0, "only-background": 30.0}
    lines = [about | {"metric": f"accuracy/{name}", "value": value} for name, value in sets.items()]
    metrics = ["bg-gap"] if method == "original" else ["bg-gap", "bg-gap/change"]
    points = {"unit": "points", "value": gap, "low": gap - 2, "high": gap + 3}
    return lines + [about | points | {"metric": metric} for metric in metrics]


def test_table_5_by_hand() -> None:
    rows = frame(
        *background("original+cgn", "shape_texture", "last", 12.0), *background("original", "avg", "last", 30.0),
        *background("original+cgn", "avg", "best", 21.0), *background("original", "avg", "best", 33.0),
        experiment="imagenet-background", dataset="toy", data="toy-world",
    )  # fmt: skip
    first, second = tables.table_5(rows).to_dict("records")
    assert first["training data"] == "original" and first["change"] == "–"
    assert second["BG-gap"] == second["change"] == "12.0 [10.0, 15.0]"
    assert second["mixed-same"] == wilson_interval(450, 500).scaled(100).text()
    assert (second["n"], second["runs"]) == (500, 1)
    assert tables.table_5(rows, "avg", "best")["BG-gap"].tolist() == ["33.0 [31.0, 36.0]", "21.0 [19.0, 24.0]"]
