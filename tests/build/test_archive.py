"""The archive: whole, and described as RO-Crate 1.1 asks."""

import csv
import json
import shutil
import subprocess
import zipfile
from typing import Any

import pytest

from cgnlib.paths import project_root
from cgnreport.build import ReportError, archive

ROOT = project_root()


@pytest.fixture(scope="module")
def content() -> dict[str, bytes]:
    """What git holds here, by path."""
    names = subprocess.check_output(["git", "-C", ROOT, "ls-files", "-z"], text=True).split("\0")
    return {name: (ROOT / name).read_bytes() for name in names if name and (ROOT / name).is_file()}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_every_result_parameter_notebook_and_network_is_described(content: dict[str, bytes]) -> None:
    graph = archive.describe(content, "2026-01-01")["@graph"]
    by_id = {entity["@id"]: entity for entity in graph}
    assert len(by_id) == len(graph)
    asked = [part["@id"] for e in graph for v in e.values() for part in listed(v) if isinstance(part, dict)]
    assert set(asked) - by_id.keys() == {archive.SPECIFICATION, archive._SNAKEMAKE["identifier"]["@id"]}
    files = {name for name, entity in by_id.items() if "File" in listed(entity["@type"])}
    assert {name for name in content if name.split("/")[0] in archive.LISTED} < files <= content.keys()
    parts = {part["@id"] for part in by_id["./"]["hasPart"]}
    assert parts == files | {name for name, entity in by_id.items() if entity["@type"] == "Dataset"} - {"./"}
    assert by_id["ro-crate-metadata.json"]["about"] == {"@id": "./"}
    assert by_id["./"]["license"] == {"@id": "https://spdx.org/licenses/MIT"}


def test_every_commit_that_rows_name_has_an_action_with_its_tables(content: dict[str, bytes]) -> None:
    graph = archive.describe(content, "2026-01-01")["@graph"]
    actions = [entity for entity in graph if entity["@type"] == "CreateAction"]
    commits = {entity["@id"]: entity["version"] for entity in graph if entity["@type"] == "SoftwareApplication"}
    made = {(commits[a["instrument"]["@id"]], table["@id"]) for a in actions for table in listed(a["result"])}
    tables = [name for name in content if name.startswith("results/") and name.endswith(".csv")]
    rows = {(row["code"], name) for name in tables for row in csv.DictReader(content[name].decode().splitlines())}
    assert made == {(code, name) for code, name in rows if code}


def test_authors_are_persons_or_what_has_a_name_alone() -> None:
    person = archive._person({"given-names": "Ada", "family-names": "Lovelace", "orcid": "https://orcid.org/0"})
    assert person == {"@id": "https://orcid.org/0", "@type": "Person", "name": "Ada Lovelace"}
    assert archive._person({"name": "A group"})["@type"] == "Organization"


def test_the_archive_holds_the_last_commit_and_nothing_else(report, build) -> None:
    with pytest.raises(ReportError, match="this needs the project's git repository"):
        archive.make_archive()
    for name in ("CITATION.cff", "Snakefile", "LICENSE"):
        shutil.copy(ROOT / name, report.root)
    report.commit()
    with zipfile.ZipFile(archive.make_archive()) as made:
        held = set(made.namelist())
        described = json.loads(made.read("ro-crate-metadata.json"))
    named = {entity["@id"] for entity in described["@graph"] if "File" in listed(entity["@type"])}
    assert {"notebooks/00-overview.ipynb", "params/quick.yaml", "book/_toc.yml"} < held and named < held
    (report.root / "LICENSE").write_text("none")
    with pytest.raises(ReportError, match="files differ from the last commit.*\\n.*LICENSE"):
        archive.make_archive()
