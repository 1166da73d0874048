"""Running notebooks, checking them, building the book, publishing: on a small report of its own."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from cgnlib import results
from cgnlib.fetching import AssetError
from cgnlib.mnist.recipes import recipe_for
from cgnlib.mnist.training import recipe_hash
from cgnlib.paths import project_root
from cgnlib.report import ReportError, book, checks, places, publish, run
from cgnlib.report.__main__ import main
from cgnlib.report.durations import last_durations, remember_durations
from cgnlib.report.terminal import ProgressLine, side_by_side
from cgnlib.results import ResultsError, Row
from cgnlib.sources import REGISTRY

ROOT = project_root()
PARAMETERS = '# Parameters of this notebook\nprofile = "quick"\nseed = 0'
TOC = """format: jb-book
root: notebooks/00-overview
parts:
  - caption: Behind it
    chapters:
      - file: bibliography
      - file: reproduce
"""


def write_notebook(path: Path, *sources: str) -> None:
    """A notebook as git should hold it: title, parameters cell, then code cells."""
    cells = [new_markdown_cell("# A title\n\nBy {cite:t}`sauer2021counterfactual`: $m \\odot f$.")]
    cells += [new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})]
    cells += [new_code_cell(source) for source in sources]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)


@pytest.fixture
def report(tmp_path: Path, build: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A report of one notebook and two pages, with the real parameters, style and configuration."""
    root = tmp_path / "checkout"
    for folder in ("params", "book"):
        shutil.copytree(ROOT / folder, root / folder)
    (root / "book" / "_toc.yml").write_text(TOC)
    write_notebook(root / "notebooks" / "00-overview.ipynb", "seed")
    for module in (places, run, book, checks, publish, results):
        if hasattr(module, "project_root"):
            monkeypatch.setattr(module, "project_root", lambda: root)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return root


def overview(report: Path) -> Path:
    return report / "notebooks" / "00-overview.ipynb"


# --- Run ------------------------------------------------------------------------------------------------------------


def test_a_notebook_runs_with_its_parameters_and_leaves_no_noise(report: Path, build: Path) -> None:
    noise = "import sys\nprint('half done', file=sys.stderr)"
    write_notebook(overview(report), "print(seed, profile)", noise)
    log = build / "a.log"
    path = run.run_notebook("00-overview", "smoke", {"seed": 3}, log=log)
    assert path == build / "notebooks" / "smoke" / "00-overview.ipynb"
    notebook = nbformat.read(path, as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert [output.text for output in outputs] == ["3 smoke\n"]
    assert "half done" in log.read_text()
    assert str(report) not in path.read_text()
    assert sys.executable not in path.read_text()
    durations = json.loads((build / "durations" / "smoke" / "00-overview.json").read_text())
    assert len(durations) == len(notebook.cells)


def test_a_run_that_does_not_start_names_no_notebook_of_an_earlier_run(report: Path, build: Path, monkeypatch) -> None:
    failed = build / "notebooks" / "smoke" / "failed" / "00-overview.ipynb"
    write_notebook(failed)

    def fail(source: Path, running: Path, **options: Any) -> None:
        assert str(os.getpid()) in running.name, "two runs of one notebook write to two files"
        raise RuntimeError("no kernel")

    monkeypatch.setattr(run.papermill, "execute_notebook", fail)
    with pytest.raises(ReportError, match=r"00-overview did not finish: RuntimeError: no kernel$"):
        run.run_notebook("00-overview", "smoke")
    assert not failed.exists()


def test_the_kernel_is_this_environment(report: Path) -> None:
    write_notebook(overview(report), "import sys\nassert sys.prefix == " + repr(sys.prefix))
    run.run_notebook("00-overview", "smoke")


def test_a_failing_notebook_is_kept_and_named(report: Path, build: Path) -> None:
    good = run.run_notebook("00-overview", "smoke").read_text()
    write_notebook(overview(report), "raise ValueError('the mask is empty')")
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
        ("00-overveiw", "smoke", {}, "did you mean 00-overview"),
        ("00-overview", "tiny", {}, "unknown profile 'tiny'; choose one of: smoke, quick, paper"),
        ("00-overview", "smoke", {"sede": 3}, "unknown parameter 'sede'. Did you mean 'seed'"),
        ("00-overview", "smoke", {"seed": "three"}, "parameter 'seed' is 'three'; it must be an integer"),
        (
            "00-overview",
            "smoke",
            {"profile": "paper"},
            "parameter profile: 'paper' is not the scale smoke; say --profile",
        ),
    ],
)
def test_mistakes_are_named_before_anything_runs(
    report: Path, build: Path, name: str, profile: str, overrides: dict, words: str
) -> None:
    with pytest.raises(ReportError, match=re.escape(words)):
        run.run_notebook(name, profile, overrides)
    assert not (build / "notebooks").exists()


def test_a_parameter_of_the_study_that_a_notebook_does_not_use_is_no_mistake(report: Path) -> None:
    assert run.run_notebook("00-overview", "smoke", {"cf_ratio": 5}).exists()


def test_values_on_the_command_line_keep_their_types() -> None:
    given = run.parse_overrides(
        [("seed", "3"), ("variants", "[colored]"), ("data_folder", "null"), ("recipe", "paper")]
    )
    assert given == {"seed": 3, "variants": ["colored"], "data_folder": None, "recipe": "paper"}
    with pytest.raises(ReportError, match="not readable"):
        run.parse_overrides([("variants", "[colored")])


def test_a_build_folder_that_cannot_be_made_is_named(report: Path, build: Path) -> None:
    build.write_text("a file where a folder should be")
    with pytest.raises(ReportError, match="cannot write to .*CGN_BUILD"):
        run.run_notebook("00-overview", "smoke")


def test_ctrl_c_ends_the_kernel_and_leaves_no_result(tmp_path: Path, build: Path) -> None:
    checkout = tmp_path / "checkout"
    for folder in ("params", "book", "cgnlib"):
        shutil.copytree(ROOT / folder, checkout / folder)
    shutil.copy(ROOT / "pyproject.toml", checkout)
    started = tmp_path / "kernel.pid"
    sleep = f"import os, pathlib, time\npathlib.Path({str(started)!r}).write_text(str(os.getpid()))\ntime.sleep(120)"
    write_notebook(checkout / "notebooks" / "00-overview.ipynb", sleep)
    command = [sys.executable, "-m", "cgnlib.report", "run", "00-overview", "--profile", "smoke"]
    environment = {**os.environ, "PYTHONPATH": str(checkout), "CGN_BUILD": str(build)}
    process = subprocess.Popen(command, cwd=checkout, env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (started.exists() and started.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    words = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert "stopped; run the same command again" in words
    assert "Traceback" not in words
    assert not (build / "notebooks" / "smoke" / "00-overview.ipynb").exists()
    for _ in range(100):
        if not Path(f"/proc/{started.read_text()}").exists():
            break
        time.sleep(0.1)
    else:
        pytest.fail("the kernel is still running")


# --- Progress ---------------------------------------------------------------------------------------------------------


def test_the_line_tells_cell_time_left_and_the_last_message(tmp_path: Path) -> None:
    with ProgressLine("02-claim1-mnist", tmp_path / "log", [1.0, 60.0, 30.0]) as line:
        line.cells = 3
        line.start(0)
        line.complete(0)
        line.start(1)
        line.text("training: 10%\rtraining: 43%\r")
        assert re.fullmatch(r"02-claim1-mnist: cell 2/3  0:00, about 1:30 left  training: 43%", line.line())
    assert "training: 10%\ntraining: 43%" in (tmp_path / "log").read_text()


def test_notebooks_side_by_side_share_the_terminal(tmp_path: Path) -> None:
    with (
        ProgressLine("03-claim2-mnist", None, None, tmp_path) as one,
        ProgressLine("02-claim1-mnist", None, None, tmp_path) as other,
    ):
        one.lines()
        shown = other.lines()
        assert [line.split(":")[0] for line in shown] == ["02-claim1-mnist", "03-claim2-mnist"]
    assert not list(tmp_path.iterdir())
    assert side_by_side(["x" * 100, "y"], 43) == "x" * 19 + "  |  y"


def test_a_first_run_goes_by_the_durations_of_the_project(build: Path) -> None:
    shipped = json.loads((project_root() / "params" / "durations.json").read_text())
    assert last_durations("quick", "03-claim2-mnist") == shipped["quick"]["03-claim2-mnist"]
    assert last_durations("quick", "no-such-notebook") is None
    remember_durations("quick", "03-claim2-mnist", [1.0, 2.5])
    assert last_durations("quick", "03-claim2-mnist") == [1.0, 2.5]


def test_without_an_earlier_run_there_is_no_guess() -> None:
    with ProgressLine("01-variants", None, None) as line:
        line.cells = 2
        line.start(0)
        assert line.line() == "01-variants: cell 1/2  0:00"


def test_the_readme_shows_the_picture_that_the_project_draws(tmp_path: Path) -> None:
    shown = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert shown == ["book/_static/one-factor.png"]
    assert (ROOT / shown[0]).is_file()
    drawn = publish.draw_picture(tmp_path / "picture.png")
    assert drawn.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


# --- Check ------------------------------------------------------------------------------------------------------------


def test_a_clean_notebook_passes(report: Path) -> None:
    assert checks.report_troubles() == []


def change(path: Path, **changes: object) -> None:
    notebook = nbformat.read(path, as_version=4)
    for name, value in changes.items():
        notebook.cells[1][name] = value
    nbformat.write(notebook, path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"execution_count": 3}, "execution counts"),
        ({"outputs": [nbformat.v4.new_output("stream", text="1")]}, "has outputs"),
        ({"metadata": {}}, "tag 'parameters'"),
        ({"source": "x = 1\n" * 31}, "cell 2 has 31 lines"),
    ],
)
def test_what_git_must_not_hold_is_named(report: Path, changes: dict, words: str) -> None:
    change(overview(report), **changes)
    assert any(words in trouble for trouble in checks.report_troubles())


def test_a_notebook_outside_the_book_is_named(report: Path) -> None:
    write_notebook(report / "notebooks" / "99-lost.ipynb")
    assert checks.report_troubles() == ["99-lost.ipynb: not listed in book/_toc.yml"]


def test_a_broken_notebook_is_named(report: Path) -> None:
    overview(report).write_text("{")
    assert any("not a readable notebook" in trouble for trouble in checks.report_troubles())


# --- Book -------------------------------------------------------------------------------------------------------------


def test_the_book_is_built_and_needs_no_network(report: Path, build: Path) -> None:
    run.run_notebook("00-overview", "smoke")
    index = book.build_book("smoke")
    assert index == build / "book" / "smoke" / "index.html"
    page = (index.parent / "notebooks" / "00-overview.html").read_text()
    assert "The numbers mean nothing" in page
    loaded = re.findall(r"<(?:script|link|img)[^>]*?(?:src|href)=\"(https?:[^\"]*)\"", page)
    assert loaded == []
    assert "mathjax/tex-chtml.js" in page
    assert (index.parent / "_static" / "mathjax" / "tex-chtml.js").exists()
    data = (index.parent / "reproduce.html").read_text()
    cells = r'<span class="pre">([\w-]+)</span></code></p></td>\s*<td><p><a class="reference external" href="([^"]*)"'
    assert re.findall(cells, data) == [(asset.name, asset.source) for asset in REGISTRY]


def test_a_warning_fails_the_book_and_is_named(report: Path, build: Path) -> None:
    run.run_notebook("00-overview", "smoke")
    with (report / "book" / "bibliography.md").open("a") as page:
        page.write("\nSee [nothing](nowhere.md).\n")
    with pytest.raises(ReportError, match="bibliography.md.*nowhere"):
        book.build_book("smoke")
    assert not (build / "book" / "smoke").exists()


def test_a_notebook_that_was_not_run_is_named(report: Path) -> None:
    with pytest.raises(ReportError, match=r"00-overview: not executed\n.*make report PROFILE=smoke"):
        book.build_book("smoke")


def test_a_notebook_that_ended_in_an_error_is_named(report: Path, build: Path) -> None:
    path = places.executed_notebook("smoke", "00-overview")
    write_notebook(path)
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata["papermill"] = {"exception": True}
    nbformat.write(notebook, path)
    with pytest.raises(ReportError, match="00-overview: ended in an error"):
        book.build_book("smoke")


def test_every_page_of_the_real_book_but_notebooks_exists() -> None:
    pages = [page for page in places.book_pages() if not page.startswith("notebooks/")]
    assert [page for page in pages if not (ROOT / "book" / f"{page}.md").exists()] == []


# --- Publish ----------------------------------------------------------------------------------------------------------


def result(**changes: Any) -> Row:
    given: dict[str, Any] = {
        "experiment": "mnist-ood", "dataset": "colored", "method": "cgn", "metric": "accuracy/test/last", "value": 50.0,
        "n": 100, "seed": 0, "profile": "quick", "data": "mnist",
    }  # fmt: skip
    return Row(**(given | changes))


def published_values(report: Path, name: str) -> list[float]:
    return list(pd.read_csv(report / "results" / "quick" / f"{name}.csv")["value"])


def test_publishing_copies_tables_and_small_figures_only(report: Path, build: Path) -> None:
    results.keep([result()])
    source = build / "results" / "quick"
    (source / "small.svg").write_text("<svg/>")
    (source / "notes.txt").touch()
    written, superseded = publish.publish("quick")
    names = {str(path.relative_to(report / "results" / "quick")) for path in written}
    assert (names, superseded) == ({"mnist-ood.csv", "provenance.json", "small.svg"}, 0)
    (source / "large.png").write_bytes(b"0" * (publish.LARGEST + 1))
    (source / "small.svg").write_text("<svg>new</svg>")
    with pytest.raises(ReportError, match="large.png would have 2,000,001 bytes"):
        publish.publish("quick")
    assert (report / "results" / "quick" / "small.svg").read_text() == "<svg/>", "nothing is written before all is made"


def test_published_rows_of_another_machine_stay(report: Path, build: Path) -> None:
    results.keep([result(seed=0, value=10.0), result(seed=1, value=11.0)])
    results.keep([result(experiment="mnist-gradcam", value=20.0)])
    publish.publish("quick")
    runs = report / "results" / "quick" / "provenance.json"
    elsewhere = {"code": "elsewhere"}
    runs.write_text(json.dumps([elsewhere]))
    shutil.rmtree(build)
    results.keep([result(seed=1, value=12.0), result(seed=3, value=13.0)])
    publish.publish("quick")
    assert published_values(report, "mnist-ood") == [10.0, 12.0, 13.0]
    assert published_values(report, "mnist-gradcam") == [20.0]
    assert [run == elsewhere for run in json.loads(runs.read_text())] == [True, False]
    assert not list(runs.parent.glob(".*"))


def test_rows_of_another_toy_world_are_left_out(
    report: Path, build: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(publish, "_shipped_toy_world", lambda: {"teacher": "old", "parts": "judges"})
    monkeypatch.setattr(publish, "main_readme", lambda: 0)
    toy: dict[str, Any] = {"experiment": "imagenet-control", "dataset": "toy", "method": "cgn"}
    results.keep([
        result(**toy, value=1.0, params={"teacher": "old"}),
        result(**toy, value=2.0, params={"teacher": "old", "parts": "judges"}),
        result(**toy, value=3.0, params={"parts": "judges"}),
        result(**toy, value=4.0, params={"teacher": "old", "parts": "others"}),
        result(**toy, value=5.0),
    ])  # fmt: skip
    results.keep([result(experiment="imagenet-gradcam", dataset="cue-conflict", value=6.0, params={"teacher": "new"})])
    assert publish.main_publish("quick") == 0
    assert sorted(published_values(report, "imagenet-control")) == [1.0, 2.0, 3.0, 5.0]
    assert "left out: 1 row(s) of an earlier toy world" in capsys.readouterr().out
    shutil.rmtree(build)
    monkeypatch.setattr(publish, "_shipped_toy_world", lambda: {"teacher": "new", "parts": "judges"})
    results.keep([result()])
    assert publish.publish("quick")[1] == 2, "also where this machine has no row of the experiment"
    assert sorted(published_values(report, "imagenet-control")) == [3.0, 5.0]
    assert published_values(report, "imagenet-gradcam") == [6.0]


def test_rows_of_an_earlier_recipe_are_left_out(report: Path, build: Path) -> None:
    today = recipe_hash(replace(recipe_for("robust", "colored"), images=500))
    ours: dict[str, Any] = {"experiment": "mnist-ood", "dataset": "colored", "method": "cgn", "recipe": "robust"}
    results.keep([
        result(**ours, value=1.0, params={"cgn_images": 500, "cgn_recipe": today}),
        result(**ours, value=2.0, params={"cgn_images": 600, "cgn_recipe": today}),
        result(**ours, value=3.0, params={"cgn_images": 500, "cgn_recipe": "a47e5a17"}),
        result(**(ours | {"recipe": "authors"}), value=4.0, params={"cgn_sha256": "a47e5a17"}),
    ])  # fmt: skip
    assert publish.publish("quick")[1] == 2
    assert sorted(published_values(report, "mnist-ood")) == [1.0, 4.0]


def test_nothing_is_published_from_smoke_or_from_no_run(report: Path) -> None:
    with pytest.raises(ReportError, match="numbers mean nothing"):
        publish.publish("smoke")
    with pytest.raises(ReportError, match="make report PROFILE=paper"):
        publish.publish("paper")


def test_the_readme_is_filled_between_its_markers(report: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = report / "README.md"
    readme.write_text(f"before\n{publish.BEGIN}\nold\n{publish.END}\nafter\n")
    (report / "results" / "quick").mkdir(parents=True)
    (report / "results" / "quick" / "mnist-ood.csv").touch()
    monkeypatch.setattr(publish, "verdict_table", lambda profile: f"verdicts of {profile}")
    monkeypatch.setattr(publish, "headline_table", lambda profile: f"table of {profile}")
    assert publish.fill_readme(readme)
    tables = f"Scale `quick`.\n\nverdicts of quick\n\n{publish.TABLE_WORDS}\n\ntable of quick"
    assert readme.read_text() == f"before\n{publish.BEGIN}\n{tables}\n{publish.END}\nafter\n"
    assert not publish.fill_readme(readme)
    readme.write_text("no markers")
    with pytest.raises(ReportError, match="results:begin"):
        publish.fill_readme(readme)


# --- Command line -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [AssetError("no weights"), ResultsError("no weights"), OSError("no weights")])
def test_every_error_that_names_its_remedy_is_one_line(error: Exception, monkeypatch, capsys) -> None:
    def fail() -> int:
        raise error

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(publish, "main_readme", fail)
    try:
        assert main(["readme"]) == 1
    finally:
        signal.signal(signal.SIGTERM, before)
    assert capsys.readouterr().err == "error: no weights\n"


def test_an_error_is_one_message_and_exit_code_1(report: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert main(["book", "--profile", "tiny"]) == 1
    finally:
        signal.signal(signal.SIGTERM, before)
    assert capsys.readouterr().err == "error: unknown profile 'tiny'; choose one of: smoke, quick, paper\n"
