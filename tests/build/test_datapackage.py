"""results/datapackage.json says of every table what it holds, and the tables hold that."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

from cgnlib.paths import project_root

FOLDER = project_root() / "results"
PACKAGE = json.loads((FOLDER / "datapackage.json").read_text(encoding="utf-8"))


def wrong(text: str, field: dict[str, Any]) -> bool:
    """Whether a cell breaks its field's type or constraints."""
    limits = field.get("constraints", {})
    if not text:
        return limits.get("required", False)
    if "enum" in limits and text not in limits["enum"]:
        return True
    if "pattern" in limits and not re.fullmatch(limits["pattern"], text):
        return True
    try:
        value = {"number": float, "integer": int, "object": json.loads, "string": str}[field["type"]](text)
    except ValueError:
        return True
    return "minimum" in limits and value < limits["minimum"]


def test_every_table_is_in_it() -> None:
    there = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.csv")}
    assert {resource["path"] for resource in PACKAGE["resources"]} == there
    names = [resource["name"] for resource in PACKAGE["resources"]]
    assert len(set(names)) == len(names) and all(re.fullmatch(r"[a-z0-9._-]+", name) for name in names)


@pytest.mark.parametrize("resource", PACKAGE["resources"], ids=lambda resource: resource["name"])
def test_cells_have_the_types_that_it_says(resource: dict[str, Any]) -> None:
    fields = resource["schema"]["fields"]
    with Path(FOLDER, resource["path"]).open(encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file)
    assert header == [field["name"] for field in fields]
    assert lines and all(len(line) == len(header) for line in lines)
    assert [(f["name"], text) for line in lines for f, text in zip(fields, line, strict=True) if wrong(text, f)] == []


def test_a_wrong_cell_would_be_found() -> None:
    by_name = {field["name"]: field for field in PACKAGE["resources"][0]["schema"]["fields"]}
    for name, text in {"value": "much", "n": "0", "epoch": "first", "params": "{", "unit": "", "seed": "1.5"}.items():
        assert wrong(text, by_name[name]), name
