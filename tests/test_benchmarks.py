"""The benchmarks: their table, the plain code that they compare with, and that each still runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import imagenet, kills, measure, mnist, report, scaling
from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.measure import Measurement
from benchmarks.plain import plain_cgn, reference_counterfactuals
from cgnlib.mnist.cgn import CGN
from cgnlib.paths import project_root
from cgnlib.randomness import generator


def test_the_command_prints_a_table(monkeypatch, capsys):
    measurements = [Measurement("fast", "images/s", 12345, 123, "ten in 1 s"), Measurement("alone", "steps/s", 7)]
    monkeypatch.setitem(BENCHMARKS, "made-up", lambda: measurements)
    assert main(["made-up"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["fast", "12,345", "images/s", "123", "images/s", "100x", "ten", "in", "1", "s"]
    assert lines[2].split() == ["alone", "7", "steps/s", "-", "-"]


def test_an_unknown_benchmark_is_named(capsys):
    with pytest.raises(SystemExit):
        main(["wildlife"])
    assert "unknown benchmark 'wildlife': any of machine, wildlife-data" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").is_file(), reason="it reads Linux's /proc")
def test_a_stage_is_measured_with_all_that_descends_from_it(tmp_path: Path, capsys):
    (folder := tmp_path / "clone").mkdir()
    work = "x = bytearray(200_000_000); import time\nwhile time.process_time() < 2.5: pass"
    there = dict(os.environ)
    stage = report.run("abc", 0, "study", ["sh", "-c", f"'{sys.executable}' -c '{work}'; true"], folder, there)
    assert stage.peak_mb > 200 and 1 < stage.cpu_seconds <= 2 * stage.seconds
    with pytest.raises(subprocess.CalledProcessError):
        report.run("abc", 0, "book", ["sh", "-c", "echo torn; exit 3"], folder, there)
    assert capsys.readouterr().err == "torn\n"
    with pytest.raises(SystemExit, match="'no-such' is no commit"):
        report.hash_of("no-such")


def test_ten_times_as_much_is_measured_in_turns(monkeypatch, capsys):
    sizes = []
    monkeypatch.setattr(scaling, "stages", lambda scratch: [("adding", "numbers", 3, sizes.append)])
    assert scaling.main() == 0
    assert sizes == [3, 30] * scaling.REPEATS
    assert "adding           3 and 30 numbers" in capsys.readouterr().out


@pytest.mark.parametrize("training", [True, False])
def test_the_plain_cgn_computes_the_same(cgn: CGN, training: bool):
    plain = plain_cgn(cgn).train(training)
    u, y = torch.randn(10, 32, generator=generator(0, "u")), torch.arange(10)
    for part in ("mask", "foreground", "background"):
        torch.testing.assert_close(
            getattr(plain, part)(u, y), getattr(cgn.train(training), part)(u, y), rtol=0, atol=1e-4
        )


def test_reference_counterfactuals(cgn: CGN):
    with torch.random.fork_rng():
        images = reference_counterfactuals(plain_cgn(cgn).eval(), 200, ratio=2)
    assert images.shape == (200, 3, 32, 32)
    assert images.abs().max() <= 1


@pytest.mark.parametrize(
    "name",
    [
        "machine",
        "upsampled-convolution",
        "classifier-step",
        "counterfactuals",
        "toy-world",
        "photographs",
        pytest.param("imagenet-cgn-step", marks=pytest.mark.slow),
        pytest.param("ensemble-step", marks=pytest.mark.slow),
    ],
)
def test_benchmarks_measure(name: str, monkeypatch):
    monkeypatch.setattr(
        measure, "best_in_turns", lambda *actions, repeats=3: [action() is None or 2.0 for action in actions]
    )
    monkeypatch.setattr(measure, "SAMPLES", 20)
    monkeypatch.setattr(imagenet, "PHOTOGRAPHS", 2)
    monkeypatch.setattr(mnist, "reference_counterfactuals", lambda cgn, n, ratio: None)
    measurements = BENCHMARKS[name]()
    assert measurements
    assert all(measurement.rate > 0 for measurement in measurements)


@pytest.mark.slow
def test_a_campaign_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    for wanted in (1, 3):
        assert kills.main(["download", "--kills", str(wanted), "--output", str(tmp_path / "kills.csv")]) == 0
    found = kills.written(tmp_path / "kills.csv")
    assert [line["kill"] for line in found] == ["1", "2", "3"]
    assert sum(int(line["rounds"]) for line in found) > 0


def test_files_that_are_cut_count_as_damaged_and_hidden_ones_do_not(tmp_path: Path) -> None:
    good = {"a.csv": "a,b\n1,2\n", "b.json": "{}", ".c.json": "{"}
    bad = {"d.csv": "a,b\n1", "e.csv": "a,b\n1\n", "f.json": "{", "g.safetensors": "", "h.html": "<html>", "i.pt": ""}
    for name, text in (good | bad).items():
        (tmp_path / name).write_text(text)
    found = kills.damaged(tmp_path, {"h.html": "digest of the whole page"})
    assert [line.partition(" ")[0] for line in found] == sorted(bad)


def test_no_kill_of_the_campaign_lost_anything() -> None:
    found = kills.written(project_root() / "benchmarks" / "kills.csv")
    assert len(found) >= 200
    for name in kills.WORKS:
        of = [line for line in found if line["work"] == name]
        assert sum(int(line["rounds"]) for line in of) > 0, name
        assert not any(int(line[column]) for line in of for column in ("lost", "lost_rows", "damaged", "different"))
