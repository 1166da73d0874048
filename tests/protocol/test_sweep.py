"""The sweep over how often colour agrees with the class."""

from collections.abc import Callable

import pytest

from cgnlib.errors import Blocked, needed
from cgnlib.mnist.baselines import TOLD
from cgnreport.protocol import sweep
from cgnreport.protocol.mnist import MnistStudy
from cgnreport.protocol.parameters import SWEEP
from cgnreport.protocol.rows import select
from cgnreport.protocol.sweep import sweep_rows

Make = Callable[..., MnistStudy]


def test_baselines_are_named_as_the_library_names_them() -> None:
    assert tuple(TOLD) == SWEEP[: len(TOLD)]


@pytest.mark.parametrize("method", ["group-dro", "border-stretched", "cgn"])
def test_rows_of_a_point(make: Make, method: str) -> None:
    rows = needed(sweep_rows(make(), "double-colored", method, 0.9))
    assert set(rows["metric"]) == {"accuracy/test", "accuracy/worst-group"}
    assert set(rows["agreement"]) == {0.9}
    overall, worst = (select(rows, metric=f"accuracy/{name}", epoch="last") for name in ("test", "worst-group"))
    assert worst["value"].item() <= overall["value"].item()
    assert worst["n"].item() < overall["n"].item() == 40


def test_a_method_with_nothing_to_go_by_has_no_rows_but_its_reason(make: Make) -> None:
    why = sweep_rows(make(), "double-colored", "irm", 1.0)
    assert isinstance(why, Blocked) and "colour agrees with the class in all images" in str(why)


def test_the_command_measures_every_agreement_and_says_where_a_method_is_refused(
    make: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = make(sweep_agreements=[1.0, 0.9])
    monkeypatch.setattr(sweep, "MnistStudy", lambda parameters: study)
    with pytest.raises(SystemExit, match="1"):
        sweep.main(["--part", "double-colored:irm"])
    told = capsys.readouterr()
    assert "not tested: IRM compares environments" in told.err
    lines = [line.partition(":")[0] for line in told.out.splitlines()]
    assert lines == [f"double-colored irm agreement 0.9 0 accuracy/{name}" for name in ("test", "worst-group")]


def test_the_plan_holds_every_point(make: Make) -> None:
    study = make(variants=["colored"], sweep=["erm", "cgn"], sweep_agreements=[1.0, 0.99])
    planned = [(each.method, each.params["agreement"]) for each in study.settings.plan("mnist-sweep")]
    assert planned == [("erm", 1.0), ("erm", 0.99), ("cgn", 1.0), ("cgn", 0.99)]
