"""The runner: nothing is measured that is there, seed by seed, and nothing is lost where a training stops."""

import pytest

from cgnlib.errors import AssetError, Blocked, TrainingStopped, needed
from cgnreport.protocol.experiments import Measure, Measured, Rows, Study, collected
from cgnreport.protocol.parameters import Parameters
from cgnreport.protocol.rows import Number, Setting
from cgnreport.protocol.store import load

pytestmark = pytest.mark.usefixtures("build")
SETTING = Setting("mnist-ood", "colored", "original", "-", "smoke", "mnist-full", {"epochs": 1})
BESIDE = Setting("mnist-indomain", "colored", "original", "-", "smoke", "mnist-full", {"epochs": 1})


def rows_of(setting: Setting, seeds: list[int], measure: Measure, *, reuse: bool = True, beside: tuple = ()) -> Rows:
    return Study(Parameters(reuse_rows=reuse)).rows(setting, measure, seeds, beside)


def measured(seed: int) -> Measured:
    return Measured([Number("accuracy/test", 50.0 + seed, 10, epoch="last")], seconds=2.0)


def test_only_missing_seeds_are_measured() -> None:
    calls: list[int] = []

    def measure(seed: int) -> Measured:
        calls.append(seed)
        return measured(seed)

    rows_of(SETTING, [0, 1], measure)
    again = needed(rows_of(SETTING, [0, 1, 2], measure))
    assert calls == [0, 1, 2]
    assert again["value"].tolist() == [50.0, 51.0, 52.0]
    assert set(again["seconds"]) == {2.0}
    rows_of(SETTING, [0], measure, reuse=False)
    assert calls[-1] == 0 and len(calls) == 4
    assert len(load("smoke", "mnist-ood")) == 3


def test_one_training_fills_several_experiments() -> None:
    both = {"mnist-ood": measured(0), "mnist-indomain": Measured([Number("accuracy/indomain", 99.0, 10)])}
    rows_of(SETTING, [0], lambda seed: both, beside=(BESIDE,))
    rows = rows_of(BESIDE, [0], lambda seed: pytest.fail("measured again"))
    assert not isinstance(rows, Blocked) and rows["value"].tolist() == [99.0]


def test_a_training_that_stops_leaves_the_rows_before_it() -> None:
    def measure(seed: int) -> Measured:
        if seed == 1:
            raise TrainingStopped("the masks collapsed")
        return measured(seed)

    found = rows_of(SETTING, [0, 1], measure)
    rows, why = collected([found])
    assert rows["seed"].tolist() == load("smoke", "mnist-ood")["seed"].tolist() == [0], "the other seed is shown"
    assert [str(each) for each in why] == ["colored, original, recipe -: the masks collapsed"]


def test_a_damaged_file_costs_the_rows_that_need_it_and_no_others() -> None:
    def measure(seed: int) -> Measured:
        if seed == 1:
            raise AssetError("wildlife_mnist.pth is not the published file.")
        return measured(seed)

    rows, why = collected([rows_of(SETTING, [0, 1], measure)])
    assert rows["seed"].tolist() == [0]
    assert [str(each) for each in why] == ["wildlife_mnist.pth is not the published file"]


def test_what_is_not_to_be_had_is_said_once_beside_what_is() -> None:
    blocked = Blocked("the authors' weights are missing", "fetch them")
    found = rows_of(SETTING, [0], lambda seed: needed(blocked))
    assert isinstance(found, Blocked) and found == blocked
    there = rows_of(BESIDE, [0], measured)
    rows, why = collected([found, blocked, there])
    assert (len(rows), why, str(why[0])) == (1, [blocked], "the authors' weights are missing: fetch them")
