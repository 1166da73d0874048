"""Publish a run: join its result rows and small figures to results/<profile>, which git keeps.

What is published names the commit that computed it, so the code must be committed first.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from cgnlib.paths import atomic_file, project_root
from cgnreport.build import ReportError
from cgnreport.build.places import PICTURE, git
from cgnreport.protocol.provenance import join_provenance
from cgnreport.protocol.store import as_csv, own_folder, published_folder, stored_cells

COPIED = (".json", ".svg", ".png")
LARGEST = 2_000_000  # bytes of one published file: git keeps tables and small figures, nothing else
WRITTEN = ("results", "README.md", PICTURE)  # by publishing itself: these may differ from the last commit
COMMIT = re.compile(r"(?:before )?([0-9a-f]{7,40})")  # "before": by changed files that this commit then took in


def publish(profile: str) -> list[Path]:
    """Join build/results/<profile> to results/<profile>; return the files written.

    Rows of both stay; of the same key, this machine's. All files are made before the first is written. Raises
    ReportError if there is nothing to publish, for scale smoke (its numbers mean nothing), for files or rows that no
    commit holds, and for a large file; ResultsError for a damaged one.
    """
    if profile == "smoke":
        raise ReportError("scale smoke is a test whose numbers mean nothing; publish quick or paper")
    source, target = own_folder(profile), published_folder(profile)
    if not any(source.glob("*.csv")):
        raise ReportError(f"no results in {source}; run: make report PROFILE={profile}")
    refuse_changed_files()
    copied = sorted(path for path in source.rglob("*") if path.suffix in COPIED)
    contents = {target / path.relative_to(source): path.read_bytes() for path in copied}
    codes: set[str] = set()
    for experiment in sorted({path.stem for folder in (source, target) for path in folder.glob("*.csv")}):
        rows = stored_cells(profile, experiment, published=True, own=True)
        codes |= {cells["code"] for cells in rows}
        contents[target / f"{experiment}.csv"] = as_csv(rows).encode()
    refuse_unknown_code(sorted(codes))
    runs = target / "provenance.json"
    if runs in contents and runs.exists():
        contents[runs] = join_provenance(runs.read_text("utf-8", "replace"), contents[runs].decode()).encode()
    for path, content in contents.items():
        if len(content) > LARGEST:
            raise ReportError(f"{path} would have {len(content):,} bytes; results/ takes at most {LARGEST:,} a file")
    for path, content in contents.items():
        with atomic_file(path) as partial:
            partial.write_bytes(content)
    return list(contents)


def refuse_changed_files() -> None:
    """Raise ReportError if a file differs from the last commit, but for those that publishing writes."""
    others = [f":(exclude){path}" for path in WRITTEN]
    changed = [line[3:] for line in git("status", "--porcelain", "--", ".", *others).splitlines()]
    if changed:
        more = f" and {len(changed) - 10} more" if len(changed) > 10 else ""
        raise ReportError(
            f"files differ from the last commit: {', '.join(changed[:10])}{more}. Commit them first: published rows "
            "name the code that computed them"
        )


def refuse_unknown_code(codes: Sequence[str]) -> None:
    """Raise ReportError if rows name code that is no commit of this repository."""
    found = [COMMIT.fullmatch(code) for code in codes]
    asked = "".join(f"{match[1] if match else 'none'}^{{commit}}\n" for match in found)
    answers = git("cat-file", "--batch-check=%(objecttype)", given=asked).splitlines()
    unknown = [code for code, answer in zip(codes, answers, strict=True) if answer != "commit"]
    if unknown:
        raise ReportError(
            f"rows name code that no commit holds: {', '.join(map(repr, unknown))}. Commit the code and compute them "
            "again: make report FRESH=1"
        )


def main(given: argparse.Namespace) -> int:
    """The command `publish`: prints what is written, and fills the README."""
    from cgnreport.build import readme

    for path in publish(given.profile):
        print(path.relative_to(project_root()))
    return readme.main(given)
