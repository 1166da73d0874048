"""Publishing rows and filling the README."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cgnlib.paths import project_root
from cgnreport.build import ReportError, places, publish, readme
from cgnreport.protocol import store
from cgnreport.protocol.rows import Row


def keep(*changes: dict[str, Any]) -> None:
    """Keep rows of this machine."""
    given: dict[str, Any] = {
        "experiment": "mnist-ood", "dataset": "colored", "method": "cgn", "metric": "accuracy", "value": 50.0,
        "n": 100, "seed": 0, "profile": "quick", "data": "mnist",
    }  # fmt: skip
    store.keep([Row(**(given | change)) for change in changes])


def published(report, name: str) -> pd.DataFrame:
    return pd.read_csv(report.root / "results" / "quick" / f"{name}.csv", dtype={"code": str})


def test_publishing_copies_tables_and_small_figures_only(report, build: Path) -> None:
    commit = report.commit()
    keep({})
    source = build / "results" / "quick"
    (source / "small.svg").write_text("<svg/>")
    (source / "notes.txt").touch()
    written = publish.publish("quick")
    names = {str(path.relative_to(report.root / "results" / "quick")) for path in written}
    assert names == {"mnist-ood.csv", "provenance.json", "small.svg"}
    assert list(published(report, "mnist-ood")["code"]) == [commit]
    (source / "large.png").write_bytes(b"0" * (publish.LARGEST + 1))
    (source / "small.svg").write_text("<svg>new</svg>")
    with pytest.raises(ReportError, match="large.png would have 2,000,001 bytes"):
        publish.publish("quick")
    assert (report.root / "results" / "quick" / "small.svg").read_text() == "<svg/>", (
        "all is made before any is written"
    )


def test_published_rows_of_another_machine_stay(report, build: Path) -> None:
    commit = report.commit()
    keep({"value": 10.0}, {"seed": 1, "value": 11.0, "code": f"before {commit}"})
    keep({"experiment": "mnist-gradcam", "value": 20.0})
    publish.publish("quick")
    runs = report.root / "results" / "quick" / "provenance.json"
    elsewhere = {"code": "elsewhere"}
    runs.write_text(json.dumps([elsewhere]))
    shutil.rmtree(build)
    keep({"seed": 1, "value": 12.0, "code": commit}, {"seed": 3, "value": 13.0, "code": commit})
    publish.publish("quick")
    assert list(published(report, "mnist-ood")["value"]) == [10.0, 12.0, 13.0]
    assert list(published(report, "mnist-gradcam")["value"]) == [20.0]
    assert [run == elsewhere for run in json.loads(runs.read_text())] == [True, False]
    assert not list(runs.parent.glob(".*"))


def test_nothing_is_published_from_smoke_or_from_no_run(report) -> None:
    with pytest.raises(ReportError, match="numbers mean nothing"):
        publish.publish("smoke")
    with pytest.raises(ReportError, match="make report PROFILE=paper"):
        publish.publish("paper")


def test_nothing_is_published_from_changed_files(report) -> None:
    keep({})
    with pytest.raises(ReportError, match="needs the project's git repository: .*not a git repository"):
        publish.publish("quick")
    report.commit()
    report.write("seed + 1")
    (report.root / "new.py").touch()
    with pytest.raises(ReportError, match=r"last commit: notebooks/00-overview.ipynb, new.py. Commit them first"):
        publish.publish("quick")
    assert not (report.root / "results").exists()


@pytest.mark.parametrize("code", ["{commit}-dirty", "0123abc", "cgnlib 0.1.0", "HEAD"])
def test_rows_of_code_that_no_commit_holds_are_not_published(report, code: str) -> None:
    code = code.format(commit=report.commit())
    keep({}, {"seed": 1, "code": code})
    with pytest.raises(ReportError, match=f"no commit holds: '{code}'"):
        publish.publish("quick")


def test_the_readme_is_filled_between_its_markers(report, monkeypatch: pytest.MonkeyPatch) -> None:
    file = report.root / "README.md"
    file.write_text(f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter\n")
    (report.root / "results" / "quick").mkdir(parents=True)
    (report.root / "results" / "quick" / "mnist-ood.csv").touch()
    monkeypatch.setattr(readme, "verdict_table", lambda profile: f"verdicts of {profile}")
    monkeypatch.setattr(readme, "headline_table", lambda profile: f"table of {profile}")
    monkeypatch.setattr(readme, "says", lambda: "It does not.")
    assert readme.fill_readme(file)
    words, beside = readme.VERDICT_WORDS.format("quick"), "Beside claim 2, does it take a CGN at all? It does not."
    tables = f"{words}\n\nverdicts of quick\n\n{beside}\n\n{readme.TABLE_WORDS}\n\ntable of quick"
    assert file.read_text() == f"before\n{readme.BEGIN}\n{tables}\n{readme.END}\nafter\n"
    assert not readme.fill_readme(file)
    file.write_text("no markers")
    with pytest.raises(ReportError, match="results:begin"):
        readme.fill_readme(file)


def test_the_readme_shows_the_picture_that_the_project_draws(tmp_path: Path) -> None:
    shown = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", (project_root() / "README.md").read_text(encoding="utf-8"))
    assert shown == [places.PICTURE]
    assert (project_root() / shown[0]).is_file()
    assert readme.draw_picture(tmp_path / "picture.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_what_is_made_from_rows_and_parameters_is_up_to_date() -> None:
    for path, text in readme.generated_files().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: make readme"


def test_verdicts_are_kept_as_data_with_the_hash_of_their_rules() -> None:
    found = json.loads((project_root() / "results" / "claims.json").read_text(encoding="utf-8"))
    assert {each["method"] for each in found} == {"robust", "authors", "paper", "-"}
    assert all(len(each["rules"]) == 12 and each["frozen"].startswith("2026-") for each in found)
    assert len({(each["claim"], each["method"], each["variant"]) for each in found}) == len(found)
    assert sum(each["deciding"] for each in found if each["claim"] == "claim2-mnist") == 3
    held = [each for each in found if each["verdict"] == "holds"]
    assert held and all(each["low"] <= each["number"] <= each["high"] for each in held)
    assert all(each["rows"]["made"] and each["rows"]["experiment"] for each in held)
    short = [each["untested"] for each in found if (each["claim"], each["method"]) == ("claim1-mnist", "paper")]
    one, cut = "1 of 5 CGNs", "50,000 of 750,000 images"
    assert short == [one, one, cut], "a training cut short is not the paper's recipe, nor is one CGN a rate"
