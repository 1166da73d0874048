"""results/published.csv holds every number of the study's tables and those quoted from SG21 and Re-CGN."""

import pytest

from cgnlib.mnist.names import VARIANTS
from cgnreport.protocol.parameters import METHODS
from cgnreport.protocol.rows import COLUMNS, select
from cgnreport.protocol.store import PUBLISHED_COLUMNS, published

ROWS = ("Original", "GAN", "Original + GAN", "CGN", "Original + CGN")
NAMES = dict(zip(ROWS, ("original", "cgn-tied", "original+cgn-tied", "cgn", "original+cgn"), strict=True))
TRAIN, TEST, INDOMAIN = "accuracy/train", "accuracy/test", "accuracy/indomain"

# As printed: for each variant test then train (Tables 1 and 2), train then test (Table 6).
TABLE_1 = {"Original": "99.8 99.8 100.0 97.6 100.0 99.9", "Original + CGN": "99.8 94.7 99.9 94.4 99.6 99.1"}
TABLE_2 = {
    "Original": "39.0 99.8 10.1 100.0 10.6 99.4",
    "GAN": "11.7 95.4 10.0 98.7 10.8 95.1",
    "Original + GAN": "38.1 99.9 10.1 100.0 10.7 100.0",
    "CGN": "32.5 90.0 87.3 92.8 70.2 99.1",
    "Original + CGN": "53.5 91.1 87.9 94.4 63.2 97.0",
}
TABLE_6 = {
    "Original": "99.7 38.9 100.0 10.1 99.3 10.6",
    "GAN": "99.9 25.83 100.0 9.9 100.0 10.8",
    "Original + GAN": "99.8 40.3 100.0 10.0 100.0 10.7",
    "CGN": "99.3 92.8 96.7 90.2 98.5 84.4",
    "Original + CGN": "99.2 96.4 97.2 87.2 98.0 76.24",
}


@pytest.mark.parametrize(
    ("table", "experiment", "recipe", "metrics", "printed"),
    [
        ("1", "mnist-indomain", "paper", (INDOMAIN, TRAIN), TABLE_1),
        ("2", "mnist-ood", "paper", (TEST, TRAIN), TABLE_2),
        ("6", "mnist-ood", "authors", (TRAIN, TEST), TABLE_6),
    ],
)
def test_every_number_of_the_studys_mnist_tables(table, experiment, recipe, metrics, printed) -> None:
    rows = select(published(experiment), source="RS22", table=table)
    assert len(rows) == 6 * len(printed)
    for name, numbers in printed.items():
        places = [(variant, metric) for variant in VARIANTS for metric in metrics]
        for (variant, metric), number in zip(places, numbers.split(), strict=True):
            found = select(rows, dataset=variant, method=NAMES[name], metric=metric)
            assert found["value"].tolist() == [float(number)], (table, name, variant, metric)
            assert found["recipe"].tolist() == ["-" if name == "Original" else recipe]


def test_the_studys_gan_is_a_tied_cgn_and_the_others_are_gans() -> None:
    rows = published("mnist-ood")
    assert select(rows, source="RS22", method=["gan", "original+gan"]).empty
    notes = select(rows, source="RS22", method=["cgn-tied", "original+cgn-tied"])["note"]
    assert notes.str.contains("tied labels").all()
    assert len(select(rows, source="Re-CGN", method=["gan", "original+gan"])) == 6


TABLE_5 = "94.7 85.6 78.1 7.5 91.6 81.8 73.3 8.5 91.6 81.9 74.2 7.7 89.7 81.3 72.7 8.6"


@pytest.mark.parametrize(
    ("experiment", "wanted", "printed"),
    [
        ("mnist-ood", {"source": "SG21", "method": "original+gan", "metric": TEST}, "40.7 10.8 10.4"),
        ("mnist-ood", {"source": "SG21", "method": "original+cgn", "metric": TEST}, "95.1 89.0 85.7"),
        ("mnist-ood", {"source": "Re-CGN", "method": "cgn", "metric": TEST}, "92.3 86.5 81.4"),
        ("mnist-ood", {"source": "Re-CGN", "method": "original+cgn", "metric": TEST}, "95.9 85.5 62.8"),
        ("imagenet-is", {"source": "RS22", "table": "3", "metric": "inception-score"}, "129.4 115.5 195.9"),
        ("imagenet-is", {"source": "RS22", "metric": "mask/mean"}, "0.332 0.286"),
        ("imagenet-shape-bias", {"source": "RS22"}, "29.1 49.6 18.0 23.1"),
        ("imagenet-indomain", {"source": "RS22", "table": "4"}, "65.7 88.2 69.1 88.1"),
        ("imagenet-ood", {"source": "RS22", "table": "5"}, TABLE_5),
    ],
)
def test_numbers_of_other_tables_and_quoted_ones(experiment: str, wanted: dict[str, str], printed: str) -> None:
    assert select(published(experiment), **wanted)["value"].tolist() == [*map(float, printed.split())]


@pytest.mark.parametrize("experiment", ["imagenet-ood", "imagenet-hyperparameters", "photographs-background"])
def test_published_gaps_are_the_differences_of_their_rows(experiment: str) -> None:
    rows = published(experiment)
    gaps = select(rows, metric="bg-gap").to_dict("records")
    for gap in gaps:
        same = select(rows, source=gap["source"], table=gap["table"], row=gap["row"])
        by = dict(zip(same["metric"], same["value"], strict=True))
        assert by["accuracy/mixed-same"] - by["accuracy/mixed-rand"] == pytest.approx(gap["value"], abs=0.11)


def test_rows_are_whole() -> None:
    rows = published()
    assert set(COLUMNS + PUBLISHED_COLUMNS) <= set(rows.columns)
    assert set(rows["source"]) == {"SG21", "RS22", "Re-CGN", "Geirhos", "Xiao"}
    for unit, most in (("percent", 100), ("fraction", 1)):
        assert select(rows, unit=unit)["value"].between(0, most).all()
    accuracies = rows[rows["experiment"].isin(["mnist-ood", "mnist-indomain", "mnist-cf-ratio"])]
    assert set(accuracies["method"]) <= set(METHODS) and set(accuracies["dataset"]) == set(VARIANTS)
    key = ["experiment", "dataset", "method", "recipe", "metric", "output", "epoch", "params", "source", "table"]
    assert len(rows.drop_duplicates(key)) == len(rows)
    assert len(select(published("imagenet-hyperparameters"), table="7")) == 9 * 5
