"""Everything in git as one file with its description, an RO-Crate (https://w3id.org/ro/crate/1.1), for an archive."""

import argparse
import csv
import io
import json
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from cgnlib.paths import atomic_file, build_folder
from cgnreport.build import ReportError
from cgnreport.build.places import git
from cgnreport.protocol.provenance import runs_of

DESCRIPTION = "ro-crate-metadata.json"
SPECIFICATION = "https://w3id.org/ro/crate/1.1"
FOLDERS = {
    "notebooks": "the report, one claim or question each, without outputs",
    "params": "what decides the scale of a run",
    "results": "published numbers and ours, one row each",
    "weights": "networks that were trained for the report, with their records",
    "book": "pages of prose and the book's configuration",
    "cgnlib": "the method",
    "cgnreport": "the report: protocol, verdicts, pages, build",
    "tests": "the checks",
}
LISTED = ("notebooks", "params", "results", "weights")  # every file of these is described
FORMATS = {
    ".csv": "text/csv",
    ".ipynb": "application/x-ipynb+json",
    ".json": "application/json",
    ".md": "text/markdown",
    ".png": "image/png",
    ".safetensors": "application/octet-stream",
    ".svg": "image/svg+xml",
    ".yaml": "application/yaml",
}
ALONE = {
    "Snakefile": "the workflow: which page needs what",
    "constraints.txt": "the exact versions of a run",
    "LICENSE": "the licence",
    "CITATION.cff": "how to cite the report",
    "README.md": "how to use the report",
}


def make_archive() -> Path:
    """Write the files of the last commit and their description to build/cgn-report.zip. Raises ReportError."""
    if changed := git("status", "--porcelain").strip():
        raise ReportError(f"files differ from the last commit, which is what is archived; commit them:\n{changed}")
    target = build_folder() / "cgn-report.zip"
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(target) as partial:
        git("archive", "--format=zip", f"--output={partial}", "HEAD")
        with zipfile.ZipFile(partial, "a", zipfile.ZIP_DEFLATED) as archive:
            content = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
            described = describe(content, day=git("log", "-1", "--format=%cI").strip())
            archive.writestr(DESCRIPTION, json.dumps(described, indent=1, ensure_ascii=False) + "\n")
    return target


def describe(content: Mapping[str, bytes], day: str) -> dict[str, Any]:
    """The RO-Crate's metadata, in JSON-LD. content: every file by its path; day: when it is published, in ISO 8601."""
    cited = yaml.safe_load(content["CITATION.cff"])
    licence = {"@id": f"https://spdx.org/licenses/{cited['license']}"}
    authors = [_person(author) for author in cited["authors"]]
    works = [_work(reference) for reference in cited["references"]]
    actions, runs = _actions(content)
    names = [*sorted(name for name in content if name.split("/")[0] in LISTED), *(n for n in ALONE if n in content)]
    folders = [name for name in FOLDERS if any(path.startswith(f"{name}/") for path in content)]
    report = {
        "@id": "./",
        "@type": "Dataset",
        "name": cited["title"],
        "description": cited["abstract"],
        "version": str(cited["version"]),
        "datePublished": day,
        "license": licence,
        "author": _references(authors),
        "publisher": _references(authors),
        "keywords": cited["keywords"],
        "citation": _references(works),
        "mainEntity": {"@id": "Snakefile"},
        "hasPart": [*({"@id": f"{name}/"} for name in folders), *({"@id": name} for name in names)],
        "mentions": _references(actions),
    }
    about = {"@id": DESCRIPTION, "@type": "CreativeWork", "about": {"@id": "./"}, "conformsTo": {"@id": SPECIFICATION}}
    graph = [about, report, *authors, *works, *actions, *runs]
    graph += [{"@id": f"{name}/", "@type": "Dataset", "name": name, "description": FOLDERS[name]} for name in folders]
    graph += [_file(name, content[name]) for name in names]
    graph += [{**licence, "@type": "CreativeWork", "name": cited["license"], "url": licence["@id"]}, _SNAKEMAKE]
    return {"@context": f"{SPECIFICATION}/context", "@graph": graph}


_SNAKEMAKE = {
    "@id": "https://snakemake.github.io",
    "@type": "ComputerLanguage",
    "name": "Snakemake",
    "url": {"@id": "https://snakemake.github.io"},
    "identifier": {"@id": "https://doi.org/10.12688/f1000research.29032.2"},
}


def _file(name: str, content: bytes) -> dict[str, Any]:
    path = PurePosixPath(name)
    made: dict[str, Any] = {"@id": name, "@type": "File", "name": path.name, "contentSize": str(len(content))}
    made["encodingFormat"] = FORMATS.get(path.suffix, "text/plain")
    if name in ALONE:
        made["description"] = ALONE[name]
    elif path.suffix == ".csv" and path.parts[0] == "results":
        made["description"] = "result rows, a number each; columns: results/datapackage.json"
    elif path.suffix == ".ipynb":
        made |= {"@type": ["File", "SoftwareSourceCode"], "programmingLanguage": "Python"}
        made["name"] = "".join(json.loads(content)["cells"][0]["source"]).splitlines()[0].lstrip("# ")
    if name == "Snakefile":
        made |= {"@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"], "name": "The report's workflow"}
        made["programmingLanguage"] = {"@id": _SNAKEMAKE["@id"]}
    return made


def _person(author: Mapping[str, str]) -> dict[str, Any]:
    """An author of CITATION.cff: a person, or what has a name alone."""
    name = author.get("name") or " ".join(filter(None, (author.get(part) for part in ("given-names", "family-names"))))
    return {
        "@id": author.get("orcid") or author.get("website") or f"#{name.replace(' ', '-')}",
        "@type": "Organization" if "name" in author else "Person",
        "name": name,
    }


def _work(reference: Mapping[str, Any]) -> dict[str, Any]:
    authors = [_person(author)["name"] for author in reference["authors"]]
    made = {"@id": f"#{reference['title'].replace(' ', '-')}", "@type": "ScholarlyArticle", "name": reference["title"]}
    return made | {"author": _one(authors), "datePublished": str(reference["year"])}


def _actions(content: Mapping[str, bytes]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Of each commit that computed rows an action, with the tables that hold them and the machines that it ran on, and
    the commits and machines as entities of their own.
    """
    tables: dict[str, set[str]] = defaultdict(set)
    for name in (name for name in content if name.startswith("results/") and name.endswith(".csv")):
        for row in csv.DictReader(io.StringIO(content[name].decode())):
            if row["code"]:
                tables[row["code"]].add(name)
    runs: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for name in (name for name in content if name.startswith("results/") and name.endswith("/provenance.json")):
        for run in runs_of(content[name].decode("utf-8", errors="replace")):
            runs[run["code"]].append(run)
    actions, others = [], []
    for code, made in sorted(tables.items()):
        commit = {"@id": f"#commit-{code.replace(' ', '-')}", "@type": "SoftwareApplication", "version": code}
        others.append(commit | {"name": f"the report's code, commit {code}"})
        machines = [_machine(run, f"{code.replace(' ', '-')}-{number}") for number, run in enumerate(runs[code])]
        others += machines
        actions.append(
            {
                "@id": f"#rows-of-{code.replace(' ', '-')}",
                "@type": "CreateAction",
                "name": f"Rows computed by commit {code}",
                "instrument": {"@id": commit["@id"]},
                "result": _one([{"@id": name} for name in sorted(made)]),
                "object": _references(machines),
            }
        )
    return actions, others


def _machine(run: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A record of results/*/provenance.json: processor, threads, versions."""
    libraries = ", ".join(f"{library} {version}" for library, version in run.get("libraries", {}).items())
    words = (
        f"{run.get('cpu')}, {run.get('threads')} threads, {run.get('system')}, Python {run.get('python')}; {libraries}"
    )
    return {"@id": f"#run-{name}", "@type": "PropertyValue", "name": "computed on", "value": words}


def _references(entities: Iterable[Mapping[str, Any]]) -> list[dict[str, str]] | dict[str, str]:
    return _one([{"@id": entity["@id"]} for entity in entities])


def _one(values: list[Any]) -> Any:
    """One value stands alone: so the format recommends."""
    return values[0] if len(values) == 1 else values


def main(given: argparse.Namespace) -> int:
    """The command `archive`: prints where it lies."""
    print(f"The report as one RO-Crate: {make_archive()}")
    return 0
