"""What is asked for and not there is counted from the rows themselves."""

import pandas as pd
import pytest

from cgnlib.paths import project_root
from cgnreport.protocol.rows import select
from cgnreport.verdicts import chosen
from cgnreport.verdicts.outstanding import FULL_LENGTH, SWEPT, WITHOUT, asked_for

PAPER = project_root() / "results" / "paper"


def test_every_seed_in_the_published_file_counts_once_and_own_shapes_do_not() -> None:
    file = pd.read_csv(PAPER / "mnist-without-cgn.csv")
    of_digits = file[file["data"].isin(["mnist-full", "mnist-full+dtd"])]
    by_hand = of_digits.groupby(["method", "dataset"])["seed"].nunique().to_dict()
    found = select(asked_for(), kind=WITHOUT)
    assert len(found) == 33
    assert found.set_index(["way", "variant"])["seeds"].to_dict() == by_hand


def test_a_short_training_of_the_published_recipe_is_none_of_full_length() -> None:
    file = select(pd.read_csv(PAPER / "mnist-control.csv"), recipe="paper")
    lines = zip(file["dataset"], file["seed"], file["params"], strict=True)
    long = {line[:2] for line in lines if '"cgn_images":750000' in line[2]}
    assert sum(select(asked_for(), kind=FULL_LENGTH)["seeds"]) == len(long) > 0


def test_a_seed_of_the_sweep_counts_where_every_agreement_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def seeds() -> int:
        return sum(select(asked_for(), kind=SWEPT, way="erm", variant="double-colored")["seeds"])

    before, load = seeds(), chosen.load

    def without_a_point(profile: str, experiment: str, **more: bool) -> pd.DataFrame:
        rows = load(profile, experiment, **more)
        return rows.loc[rows["agreement"] != 0.95] if experiment == "mnist-sweep" else rows

    monkeypatch.setattr(chosen, "load", without_a_point)
    assert before > 0 and seeds() == 0
