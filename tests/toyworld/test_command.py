"""`python -m cgnlib.toyworld`: one clear line for whatever stops it, and nothing shipped in part."""

import sys

import pytest

from cgnlib.fetching import AssetError
from cgnlib.toyworld import parts
from cgnlib.training import TrainingStopped


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["biggan", "--ship"], "--ship takes all parts"),
        (["biggan", "dragon"], "unknown part dragon: choose from biggan, u2net, classifier, oracle"),
    ],
)
def test_wrong_arguments_are_named_before_any_training(monkeypatch, capsys, arguments, message) -> None:
    monkeypatch.setattr(parts, "TRAININGS", {name: lambda: pytest.fail("trained") for name in parts.TRAININGS})
    monkeypatch.setattr(sys, "argv", ["toyworld", *arguments])
    with pytest.raises(SystemExit) as caught:
        parts.main()
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (TrainingStopped("loss is nan at step 3."), "loss is nan at step 3.\n"),
        (AssetError("no weights."), "no weights.\n"),
        (KeyboardInterrupt(), "stopped; what was trained is kept: run again to go on\n"),
    ],
)
def test_what_stops_a_training_is_one_line(monkeypatch, capsys, error, message) -> None:
    def stopped():
        raise error

    monkeypatch.setitem(parts.TRAININGS, "u2net", stopped)
    monkeypatch.setattr(sys, "argv", ["toyworld", "u2net"])
    with pytest.raises(SystemExit) as caught:
        parts.main()
    assert caught.value.code == 1
    assert capsys.readouterr().err == message
