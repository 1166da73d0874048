"""The tables of `results/` as a Frictionless data package (tabular, version 1): every column with type and meaning."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cgnlib.paths import project_root
from cgnreport.protocol.parameters import PROFILES
from cgnreport.protocol.rows import COLUMNS, EPOCHS
from cgnreport.protocol.store import PUBLISHED_COLUMNS

MEANINGS = {
    "experiment": "what was measured",
    "dataset": "the variant or world that it was measured on",
    "method": "kind of training data, or what was measured beside it",
    "recipe": "whose CGN: authors, a recipe, toy, or - where none is involved",
    "metric": "of what the value is",
    "output": "of a classifier with several outputs the one meant, else -",
    "epoch": "whether the value is of the last or the best epoch, else -",
    "unit": "unit of value, low and high",
    "value": "the number",
    "low": "lower end of its own 95 % interval over images",
    "high": "upper end of its own 95 % interval over images",
    "n": "images or runs that it is taken over",
    "seed": "innermost random seed",
    "profile": "scale of the run",
    "data": "what the pixels come from",
    "params": "all else that decides the number; names of random seeds end in _seed",
    "code": "commit that computed it",
    "device": "where it was computed",
    "seconds": "how long the training behind it took",
    "source": "the paper",
    "table": "its table or figure",
    "row": "row of the table",
    "column": "column of the table",
    "note": "what a reader of the number must know",
}
TYPES: dict[str, str] = {
    **dict.fromkeys(("value", "low", "high", "seconds"), "number"),
    "n": "integer",
    "seed": "integer",
}
TYPES |= {"params": "object"}
LIMITS: dict[str, dict[str, Any]] = {
    "experiment": {"required": True, "pattern": "[a-z0-9]+(-[a-z0-9]+)*"},
    "value": {"required": True},
    "metric": {"required": True},
    "unit": {"required": True},
    "epoch": {"enum": list(EPOCHS)},
    "profile": {"enum": list(PROFILES)},
    "n": {"minimum": 1},
    "seed": {"minimum": 0},
    "seconds": {"minimum": 0},
}


def data_package() -> dict[str, Any]:
    """The content of results/datapackage.json, from the columns of rows and the files that are there."""
    folder = project_root() / "results"
    files = [folder / "published.csv", *sorted(folder.glob("*/*.csv"))]
    return {
        "profile": "tabular-data-package",
        "name": "cgn-report-results",
        "title": "Counterfactual Generative Networks, reproduced: results, one number a row",
        "licenses": [{"name": "MIT", "path": "https://opensource.org/license/mit"}],
        "resources": [_resource(path.relative_to(folder)) for path in files if path.exists()],
    }


def _resource(path: Path) -> Mapping[str, Any]:
    published = path.name == "published.csv"
    names = COLUMNS + PUBLISHED_COLUMNS if published else COLUMNS
    fields = [{"name": name, "type": TYPES.get(name, "string"), "description": MEANINGS[name]} for name in names]
    for field in fields:
        limits = LIMITS.get(field["name"], {})
        field |= {"constraints": limits} if limits else {}
    return {
        "name": path.with_suffix("").as_posix().replace("/", "-"),
        "path": path.as_posix(),
        "profile": "tabular-data-resource",
        "format": "csv",
        "encoding": "utf-8",
        "schema": {"fields": fields, "missingValues": [""]},
    }
