"""Pages 07 to 10 with files in the publishers' formats: every world has its rows, none another's number.

`make test-slow` runs it with small networks, some minutes; CGN_TEST_SIZES=full takes those of the published sizes, an
hour or more and 12 GB.
"""

import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from cgnlib.paths import project_root
from cgnreport.build import run
from cgnreport.build.cells import code_cells
from cgnreport.build.places import notebook_source
from cgnreport.protocol import imagenet_settings, store
from cgnreport.protocol.imagenet_settings import INCEPTIONS, METHODS
from cgnreport.protocol.rows import select
from cgnreport.verdicts.imagenet import claim1, claim2, claim3, heads
from tests.imagenet import files

PAGES = ("07-claim1-imagenet", "08-claim2-imagenet", "09-claim3-imagenet", "10-scorecard")
ASKED = {
    "imagenet_real": "all", "imagenet_device": "cpu", "imagenet_partial": True, "imagenet_real_updates": 2,
    "imagenet_real_samples": 100, "imagenet_real_counterfactuals": 32, "imagenet_real_epochs": 1,
}  # fmt: skip
CUT = "from tests.imagenet.files import cut\n\ncut()"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    files.make(folder)
    return folder


@pytest.fixture
def place(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which only these files are, and pages whose first cell cuts networks and lengths."""
    for name in ("CGN_CACHE", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "cache"))
    monkeypatch.setenv("CGN_DATA", str(data))
    monkeypatch.setenv("CGN_BUILD", str(tmp_path / "build"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", str(project_root()))
    for name in PAGES:
        notebook = nbformat.read(notebook_source(name), as_version=4)
        first = min(cell.number for cell in code_cells(notebook) if "parameters" in cell.tags)
        notebook.cells.insert(first, nbformat.v4.new_code_cell(CUT))
        nbformat.write(notebook, tmp_path / f"{name}.ipynb")
    monkeypatch.setattr(run, "notebook_source", lambda name: tmp_path / f"{name}.ipynb")
    return tmp_path


def page(name: str, place: Path) -> str:
    """The executed page's text."""
    run.run_notebook(name, "smoke", ASKED, output=place / "executed.ipynb")
    return (place / "executed.ipynb").read_text(encoding="utf-8")


def interrupted(name: str, place: Path) -> None:
    """The same page, ended while it draws or trains for ImageNet itself."""
    sources = f"run.notebook_source = lambda name: Path({str(place)!r}, name + '.ipynb')"
    call = f"run.run_notebook({name!r}, 'smoke', {ASKED!r})"
    script = f"from pathlib import Path; from cgnreport.build import run; {sources}; {call}"
    command = [sys.executable, "-c", script]
    running = subprocess.Popen(command, cwd=project_root(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 900
    while running.poll() is None and time.monotonic() < until:
        begun = list((place / "build" / "artefacts").glob("imagenet-cgn/*/snapshot-000000.safetensors"))
        if len(begun) > 1:  # after the toy world's
            break
        time.sleep(0.2)
    running.send_signal(signal.SIGTERM)
    running.wait(300)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_every_world_has_its_rows_and_no_number_is_anothers(place: Path) -> None:
    interrupted(PAGES[0], place)
    shown = [page(name, place) for name in PAGES]
    scores = store.load("smoke", "imagenet-is", published=False)
    assert set(scores["dataset"]) == {"toy", "imagenet"}
    real = select(scores, dataset="imagenet", metric="inception-score")
    wanted = {(n, m, r) for n in INCEPTIONS for m, r in (("cgn", "authors"), ("cgn", "paper"), ("biggan", "-"))}
    assert {tuple(each) for each in real[["network", "method", "recipe"]].to_numpy()} == wanted
    assert set(real["n"]) == {100} and all(len(each) == 12 for each in real["weights"])
    gaps = store.load("smoke", "imagenet-background", published=False)
    for experiment, dataset in (*imagenet_settings.DATASETS.items(),)[:3]:
        rows = select(store.load("smoke", experiment, published=False), dataset=dataset)
        assert set(rows["method"]) >= set(METHODS), experiment
        assert not rows.loc[rows["method"].isin(METHODS), "seconds"].isna().to_numpy().any()
    assert set(select(gaps, dataset="imagenet-9", metric="accuracy/original")["n"]) == {27}
    bias = select(store.load("smoke", "imagenet-shape-bias", published=False), dataset="cue-conflict", metric="decided")
    assert set(bias["enlarge"].dropna()) == {True, False} and set(select(bias, enlarge=True)["n"]) == {1200}

    rows = store.load("smoke", published=False)
    for judge in (claim1, claim2, claim3, heads):
        for finding in judge(rows).findings:
            assert finding.world.key == ("toy" if finding.variant == "toy" else "imagenet")
            if finding.interval and finding.variant != "toy":
                assert set(finding.rows["dataset"].split()) == {finding.variant}
    assert "Not tested here: missing" not in "".join(shown[:3])
