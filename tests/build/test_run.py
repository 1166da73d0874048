"""Running a notebook: parameters, progress, failures, interruption."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest

from cgnlib.errors import AssetError
from cgnlib.paths import project_root
from cgnreport.build import ReportError, book, checks, run
from cgnreport.build.__main__ import main
from cgnreport.build.durations import last_durations, remember_durations
from cgnreport.build.terminal import ProgressLine
from cgnreport.protocol.parameters import ParameterError

ROOT = project_root()


def test_a_notebook_runs_with_its_parameters_and_leaves_no_noise(report, build: Path) -> None:
    noise = "import sys\nprint('half done', file=sys.stderr)"
    environment = f"import os\nassert sys.prefix == {sys.prefix!r}\nprint(os.environ['GLIBC_TUNABLES'])"
    report.write("print(seed, profile)", noise, environment)
    path = run.run_notebook("00-overview", "smoke", {"seed": 3, "cf_ratio": 5}, log=build / "a.log")
    assert path == build / "notebooks" / "smoke" / "00-overview.ipynb"
    notebook = nbformat.read(path, as_version=4)
    outputs = [output.text for cell in notebook.cells for output in cell.get("outputs", [])]
    assert outputs == ["3 smoke\n", f"{run.MALLOC}\n"], "the notebook declares no cf_ratio"
    assert run.MALLOC in (ROOT / "Makefile").read_text(encoding="utf-8")
    assert (build / "a.log").read_text() == "half done\n"
    assert str(report.root) not in path.read_text()
    assert sys.executable not in path.read_text()
    durations = json.loads((build / "durations" / "smoke" / "00-overview.json").read_text())
    assert len(durations) == len(notebook.cells)


@pytest.mark.parametrize("last", ["seed", "1 / 0"])
def test_no_kernel_is_left_behind(report, build: Path, last: str) -> None:
    pid = build / "pid"
    report.write(f"import os\nopen({str(pid)!r}, 'w').write(str(os.getpid()))", last)
    with contextlib.nullcontext() if last == "seed" else pytest.raises(ReportError):
        run.run_notebook("00-overview", "smoke", {})
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_run_that_does_not_start_names_no_notebook_of_an_earlier_run(report, build: Path, monkeypatch) -> None:
    failed = report.write(path=str(build / "notebooks" / "smoke" / "failed" / "00-overview.ipynb"))

    def fail(source: Path, running: Path, **options: Any) -> None:
        assert str(os.getpid()) in running.name, "two runs of one notebook write to two files"
        raise RuntimeError("no kernel")

    monkeypatch.setattr(run.papermill, "execute_notebook", fail)
    with pytest.raises(ReportError, match=r"00-overview did not finish: RuntimeError: no kernel$"):
        run.run_notebook("00-overview", "smoke")
    assert not failed.exists()


def test_a_failing_notebook_is_kept_and_named(report, build: Path) -> None:
    good = run.run_notebook("00-overview", "smoke").read_text()
    report.write("raise ValueError('the mask is empty')")
    with pytest.raises(ReportError, match=r"00-overview failed in cell 4: ValueError: the mask is empty") as caught:
        run.run_notebook("00-overview", "smoke")
    kept = build / "notebooks" / "smoke" / "failed" / "00-overview.ipynb"
    assert str(kept) in str(caught.value)
    assert "the mask is empty" in kept.read_text()
    assert (build / "notebooks" / "smoke" / "00-overview.ipynb").read_text() == good
    with pytest.raises(ReportError, match="00-overview: its last run failed"):
        book.check_executed("smoke")


@pytest.mark.parametrize(
    ("name", "profile", "overrides", "words"),
    [
        ("00-overveiw", "smoke", {}, "unknown notebook '00-overveiw'; did you mean '00-overview'"),
        ("00-overview", "tiny", {}, "unknown profile 'tiny'; choose one of: smoke, quick, paper"),
        ("00-overview", "smoke", {"sede": 3}, "unknown parameter 'sede'; did you mean 'seed'"),
        ("00-overview", "smoke", {"seed": "three"}, "parameter 'seed' is 'three'"),
        ("00-overview", "smoke", {"profile": "paper"}, "parameter profile: 'paper' is not the scale smoke"),
    ],
)
def test_mistakes_are_named_before_anything_runs(
    report, build: Path, name: str, profile: str, overrides: dict, words: str
) -> None:
    with pytest.raises((ReportError, ParameterError), match=re.escape(words)):
        run.run_notebook(name, profile, overrides)
    assert not (build / "notebooks").exists()


def test_values_on_the_command_line_keep_their_types() -> None:
    given = [("seed", "3"), ("variants", "[colored]"), ("data_folder", "null"), ("recipe", "paper")]
    read = {"seed": 3, "variants": ["colored"], "data_folder": None, "recipe": "paper"}
    assert run.parse_overrides(given) == read
    with pytest.raises(ParameterError, match="parameter 'variants' is not readable"):
        run.parse_overrides([("variants", "[colored")])


@pytest.mark.parametrize("size", ["4k", "1200k"])
def test_a_full_disk_is_named(report, build: Path, size: str) -> None:
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        pytest.skip("no small disk can be made here")
    build.mkdir()
    report.write("print('x' * 3_000_000)")
    for package in ("cgnlib", "cgnreport"):
        shutil.copytree(ROOT / package, report.root / package)
    shutil.copy(ROOT / "pyproject.toml", report.root)
    script = 'mount -t tmpfs -o size="$1" tmpfs "$2" && shift 2 && exec "$@"'
    command = [sys.executable, "-m", "cgnreport.build", "run", "00-overview", "--profile", "smoke"]
    small = ["unshare", "-rm", "bash", "-c", script, "-", size, build]
    environment = {**os.environ, "PYTHONPATH": str(report.root)}
    done = subprocess.run([*small, *command], cwd=report.root, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert re.search(r"error: cannot write .*(No space left on device|1 MB left)\. Free some space", done.stderr), (
        done.stderr
    )
    assert "Traceback" not in done.stderr


def test_a_build_folder_that_cannot_be_made_is_named(report, build: Path) -> None:
    build.write_text("a file where a folder should be")
    with pytest.raises(OSError, match="cannot write .*CGN_BUILD"):
        run.run_notebook("00-overview", "smoke")


TRAINING = """
import time, torch
from pathlib import Path
from cgnlib.training.loop import TrainingState, run
run(TrainingState({}, {}, {}), 10_000, lambda step: time.sleep(0.1) or {}, Path("checkpoint.pt"))
"""


@pytest.mark.parametrize(
    ("number", "work", "kept"),
    [(signal.SIGINT, "time.sleep(120)", []), (signal.SIGINT, TRAINING, ["checkpoint.pt"])]
    + [(signal.SIGTERM, TRAINING, ["checkpoint.pt"])],
)
def test_a_stop_ends_the_kernel_once_its_training_is_saved(
    report, build: Path, number: signal.Signals, work: str, kept: list[str]
) -> None:
    for package in ("cgnlib", "cgnreport"):
        shutil.copytree(ROOT / package, report.root / package)
    shutil.copy(ROOT / "pyproject.toml", report.root)
    started = report.root / "kernel.pid"
    report.write(f"import os, pathlib, time\npathlib.Path({str(started)!r}).write_text(str(os.getpid()))\n{work}")
    command = [sys.executable, "-m", "cgnreport.build", "run", "00-overview", "--profile", "smoke"]
    environment = {**os.environ, "PYTHONPATH": str(report.root)}
    process = subprocess.Popen(command, cwd=report.root, env=environment, stderr=subprocess.PIPE, text=True)

    def wait(until, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not until() and time.monotonic() < deadline:
            time.sleep(0.1)
        return until()

    def handles_terms() -> bool:
        """Whether the kernel has a handler for SIGTERM, as a training has."""
        status = Path(f"/proc/{started.read_text()}/status").read_text()
        return bool(int(re.findall(r"SigCgt:\s*(\w+)", status)[0], 16) >> (signal.SIGTERM - 1) & 1)

    assert wait(lambda: started.exists() and started.read_text() != "", 60)
    assert not kept or wait(handles_terms, 60)
    process.send_signal(number)
    words = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert "stopped; run the same command again" in words
    assert "Traceback" not in words
    assert [path.name for path in (report.root / "notebooks").glob("*.pt")] == kept
    assert not list((build / "notebooks" / "smoke").rglob("*.ipynb"))
    assert wait(lambda: not Path(f"/proc/{started.read_text()}").exists(), 10), "the kernel is still running"


def test_the_line_tells_cell_time_left_and_the_last_message(tmp_path: Path) -> None:
    with ProgressLine("02-claim1-mnist", tmp_path / "log", [1.0, 60.0, 30.0]) as line:
        line.cells = 3
        line.start(0)
        line.start(1)
        line.text("training: 10%\rtraining: 43%\r")
        assert line.line() == "02-claim1-mnist: cell 2/3  0:00, about 1:30 left  training: 43%"
    assert (tmp_path / "log").read_text() == "training: 10%\ntraining: 43%\n"
    with ProgressLine("01-variants", None, None) as line:
        line.cells = 2
        line.start(0)
        assert line.line() == "01-variants: cell 1/2  0:00", "no guess without an earlier run"


def test_a_first_run_goes_by_the_durations_of_the_project(build: Path) -> None:
    shipped = json.loads((ROOT / "params" / "durations.json").read_text())
    assert last_durations("quick", "03-claim2-mnist") == shipped["quick"]["03-claim2-mnist"]
    assert last_durations("quick", "no-such-notebook") is None
    remember_durations("quick", "03-claim2-mnist", [1.0, 2.5])
    assert last_durations("quick", "03-claim2-mnist") == [1.0, 2.5]


def test_a_user_without_a_home_has_one_in_the_build_folder(report, build: Path, tmp_path: Path) -> None:
    """As in a container whose user the system does not know: Jupyter would not start."""
    (tmp_path / "sitecustomize.py").write_text("import pwd\ndel pwd.getpwuid\npwd.getpwuid = {}.__getitem__\n")
    for package in ("cgnlib", "cgnreport"):
        shutil.copytree(ROOT / package, report.root / package)
    shutil.copy(ROOT / "pyproject.toml", report.root)
    report.write("import os\nprint(os.environ['HOME'])")
    unset = ("HOME", "CGN_CACHE", "TORCH_HOME", "XDG_CACHE_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment["PYTHONPATH"] = f"{tmp_path}:{report.root}"
    command = [sys.executable, "-m", "cgnreport.build", "run", "00-overview", "--profile", "smoke"]
    done = subprocess.run(command, cwd=report.root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert str(build / "home") in (build / "notebooks" / "smoke" / "00-overview.ipynb").read_text()


def test_an_error_that_names_its_remedy_is_one_line_and_exit_code_1(monkeypatch, capsys) -> None:
    def fail(given: object) -> int:
        raise AssetError("no weights")

    monkeypatch.setattr(checks, "main", fail)
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit, match="1"):
            main(["check"])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert capsys.readouterr().err == "error: no weights\n"


def test_a_run_compiles_no_grammar_of_addresses() -> None:
    code = "import sys, cgnreport.build.run; sys.exit('lark' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0, "three times as long to start"
