"""Publish a run: its result rows and small figures into results/<profile>, and the README's table from them."""

import functools
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from cgnlib import results
from cgnlib.parameters import StudyParameters
from cgnlib.paths import atomic_file, build_folder, project_root
from cgnlib.provenance import join_provenance
from cgnlib.report import ReportError
from cgnlib.report.places import profile_name
from cgnlib.scorecard import NUMBERS, THREE_CLAIMS, claim_verdicts, matching_rows
from cgnlib.verdicts import CLAIMS

PUBLISHED = (".csv", ".json", ".svg", ".png")
LARGEST = 2_000_000  # bytes of one published file: git keeps tables and small figures, nothing else
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
TABLE_WORDS = """\
Accuracy on MNIST test digits whose colours and textures are drawn at random, last epoch. *Seed*: the reproducibility
study that this report checks; *SG21*: the original paper. CGN `robust`: our recipe, beside what was published for the
paper's; `authors`: the published weights. Trained on `original` images; `cgn`: counterfactuals; `cgn-tied`: images of
the CGN with one label for shape, texture and background; `gan`: images of a GAN; `oracle`: digits whose factors are as
free as in the test set. In brackets 95 % intervals, over seeds where there are three or more, else over test images."""


def publish(profile: str) -> tuple[list[Path], int]:
    """Join build/results/<profile> to results/<profile>: the files written, and how many superseded rows are gone.

    Rows of both stay; of the same key, this machine's. Rows of a toy world that is no longer the shipped one, or of an
    earlier version of a recipe, go. All files are made before the first is written. Raises ReportError if there is
    nothing to publish, for scale smoke (its numbers mean nothing), and for a large file; ResultsError: a damaged one.
    """
    if profile_name(profile) == "smoke":
        raise ReportError("scale smoke is a test whose numbers mean nothing; publish quick or paper")
    source, target = build_folder() / "results" / profile, project_root() / "results" / profile
    files = sorted(path for path in source.rglob("*") if path.suffix in PUBLISHED) if source.is_dir() else []
    if not any(path.suffix == ".csv" for path in files):
        raise ReportError(f"no results in {source}; run: make report PROFILE={profile}")
    contents = {target / path.relative_to(source): path.read_bytes() for path in files}
    superseded = 0
    for experiment in sorted({path.stem for folder in (source, target) for path in folder.glob("*.csv")}):
        text, dropped = results.joined(profile, experiment, is_superseded)
        contents[target / f"{experiment}.csv"] = text.encode()
        superseded += dropped
    runs = target / "provenance.json"
    if runs in contents and runs.exists():
        contents[runs] = join_provenance(runs.read_text("utf-8", "replace"), contents[runs].decode()).encode()
    for path, content in contents.items():
        if len(content) > LARGEST:
            raise ReportError(f"{path} would have {len(content):,} bytes; results/ takes at most {LARGEST:,} a file")
    for path, content in contents.items():
        with atomic_file(path) as partial:
            partial.write_bytes(content)
    return list(contents), superseded


def is_superseded(cells: Mapping[str, str]) -> bool:
    """Whether a row no longer belongs to the report as it is."""
    return of_another_toy_world(cells) or of_an_earlier_recipe(cells)


def of_an_earlier_recipe(cells: Mapping[str, str]) -> bool:
    """Whether a row was measured with a CGN of MNIST whose recipe has changed since. Rows name its hash in params."""
    params = json.loads(cells["params"] or "{}")
    if not cells["experiment"].startswith("mnist-") or "cgn_recipe" not in params:
        return False
    from cgnlib.mnist.recipes import recipe_for
    from cgnlib.mnist.training import recipe_hash

    today = replace(recipe_for(cells["recipe"], cells["dataset"]), images=params["cgn_images"])
    return params["cgn_recipe"] != recipe_hash(today)


def of_another_toy_world(cells: Mapping[str, str]) -> bool:
    """Whether a row was measured with networks of the toy world other than the shipped ones.

    Rows name them in params: "teacher" the generator, "parts" the networks that judge. Rows that need neither stay.
    """
    if cells["dataset"] != "toy" or not cells["experiment"].startswith("imagenet-"):
        return False
    params = json.loads(cells["params"] or "{}")
    return any(params[name] != _shipped_toy_world()[name] for name in ("teacher", "parts") if name in params)


@functools.cache
def _shipped_toy_world() -> dict[str, str]:
    from cgnlib.toyworld.parts import judges_fingerprint, toy_parts
    from cgnlib.training import fingerprint

    return {"teacher": fingerprint(toy_parts().biggan), "parts": judges_fingerprint()}


def verdict_table(profile: str) -> str:
    """Markdown: the verdict on each claim from published rows, with the number that decides it."""
    parameters = StudyParameters.load(project_root() / "params" / f"{profile}.yaml")
    lines = ["| Claim | Tested on | Verdict | By |", "|---|---|---|---|"]
    verdicts = claim_verdicts(parameters, own=False)
    for name in THREE_CLAIMS:
        verdict, title = verdicts[name], CLAIMS[name].title.partition(":")[0]
        between, world = verdict.interval, "MNIST" if name.endswith("mnist") else "the toy world, not ImageNet"
        number = "-"
        if between:
            number = f"{NUMBERS[name]}: {between.value:.1f} ({between.low:.1f} to {between.high:.1f}) {verdict.unit}"
        lines.append(f"| {title} | {world} | **{verdict.badge}** | {number} |")
    return "\n".join(lines)


def headline_table(profile: str) -> str:
    """Markdown: out-of-domain accuracy of each method on each variant, published value beside ours, and n and seeds."""
    parameters = StudyParameters.load(project_root() / "params" / f"{profile}.yaml")
    rows = results.select(matching_rows(parameters, "mnist-ood", own=False), metric="accuracy/test/last")
    if rows.empty:
        return "No published results yet."
    wide = results.beside_published(rows)
    lines = [
        "| Data | Trained on | CGN | Published (seed; SG21) | Ours, % | n × seeds |",
        "|---|---|---|--:|--:|--:|",
    ]
    for line in wide.sort_values(["dataset", "method", "recipe"], kind="stable").to_dict("records"):
        theirs = "; ".join(_number(line[source]) for source in ("seed", "SG21"))
        ours = _number(line["mean"])
        if pd.notna(line["low"]):
            ours += f" ({line['low']:.1f} to {line['high']:.1f})"
        cells = (line["dataset"], line["method"], line["recipe"], theirs, ours, f"{line['n']:,} × {line['seeds']}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def fill_readme(readme: Path) -> bool:
    """Put the tables of the largest published scale between the README's markers; whether anything changed.

    Raises ReportError if the markers are missing.
    """
    text = readme.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ReportError(f"{readme} needs the lines {BEGIN} and {END}")
    scales = [name for name in ("paper", "quick") if any((project_root() / "results" / name).glob("*.csv"))]
    tables = "No published results yet."
    if scales:
        tables = f"Scale `{scales[0]}`.\n\n{verdict_table(scales[0])}\n\n{TABLE_WORDS}\n\n{headline_table(scales[0])}"
    filled = f"{before}{BEGIN}\n{tables}\n{END}{after}"
    if filled == text:
        return False
    with atomic_file(readme) as partial:
        partial.write_text(filled, encoding="utf-8")
    return True


def draw_picture(path: Path) -> Path:
    """The README's picture: one factor at a time, from the CGN for double-colored MNIST that the project ships."""
    from cgnlib.grids import image_grid
    from cgnlib.mnist.cgn import load_weights
    from cgnlib.mnist.control import one_factor_at_a_time
    from cgnlib.mnist.study import shipped_cgn

    variant = "double-colored"
    weights = shipped_cgn(variant, "robust")
    if weights is None:
        raise ReportError(f"no weights are shipped for {variant}: restore them with git checkout weights")
    grid, labels = one_factor_at_a_time(load_weights(weights), variant, seed=0)
    return image_grid(grid, ["image", "mask", "foreground", "background"], labels).save(path)


def main_publish(profile: str) -> int:
    """The command `publish`."""
    written, superseded = publish(profile)
    for path in written:
        print(path.relative_to(project_root()))
    if superseded:
        print(
            f"left out: {superseded:,} row(s) of an earlier toy world (other networks than in weights/toyworld) or of "
            "an earlier version of a recipe"
        )
    return main_readme()


def main_readme() -> int:
    """The command `readme`: the README's table and picture."""
    draw_picture(project_root() / "book" / "_static" / "one-factor.png")
    changed = fill_readme(project_root() / "README.md")
    print("README.md: table filled" if changed else "README.md: table is up to date")
    return 0


def _number(value: float) -> str:
    return "-" if pd.isna(value) else f"{value:.1f}"
