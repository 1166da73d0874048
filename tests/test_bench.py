"""The benchmark table."""

import pytest

from cgnlib import bench
from cgnlib.bench import Measurement


def test_ratio():
    assert Measurement("x", "images/s", 90, 3).ratio == 30
    assert Measurement("x", "images/s", 90).ratio is None


def test_the_command_prints_a_table(monkeypatch, capsys):
    measurements = [Measurement("fast", "images/s", 12345, 123, "ten in 1 s"), Measurement("alone", "steps/s", 7)]
    monkeypatch.setitem(bench.BENCHMARKS, "made-up", lambda: measurements)
    assert bench.main(["made-up"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["fast", "12,345", "images/s", "123", "images/s", "100x", "ten", "in", "1", "s"]
    assert lines[2].split() == ["alone", "7", "steps/s", "-", "-"]


def test_an_unknown_benchmark_is_named(capsys):
    with pytest.raises(SystemExit):
        bench.main(["wildlife"])
    assert "unknown benchmark 'wildlife': any of wildlife-data" in capsys.readouterr().err
