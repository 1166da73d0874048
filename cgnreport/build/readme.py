"""What is made from published rows and the parameters' model, and kept in git: tables, picture, verdicts, schema."""

import argparse
import json
from pathlib import Path

import pandas as pd

from cgnlib.paths import atomic_file, project_root
from cgnreport.build import ReportError
from cgnreport.build.places import PICTURE
from cgnreport.protocol.parameters import Parameters, reference, schema
from cgnreport.protocol.rows import joined, select
from cgnreport.protocol.store import published_folder
from cgnreport.protocol.summary import beside_published
from cgnreport.verdicts.chosen import Chosen
from cgnreport.verdicts.claims import CLAIMS, THREE_CLAIMS
from cgnreport.verdicts.model import records
from cgnreport.verdicts.scorecard import claim_verdicts, number_words

ABOUT_PARAMETERS = """\
# Parameters

Every parameter of the report by the name that notebooks, `papermill -p` and the files in `params/` use, with its value
at each scale. `null` leaves the choice to what the meaning says.

"""
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
TABLE_WORDS = """\
Accuracy on MNIST test digits whose colours and textures are drawn at random, last epoch. *RS22*: the reproducibility
study that this report checks; *SG21*: the original paper. CGN `robust`: our recipe, beside what was published for the
paper's; `authors`: the published weights. Trained on `original` images; `cgn`: counterfactuals; `cgn-tied`: images of
the CGN with one label for shape, texture and background; `gan`: images of a GAN; `oracle`: digits whose factors are as
free as in the test set. In brackets 95 % intervals, over seeds where there are three or more, else over test images."""


def verdict_table(profile: str) -> str:
    """Markdown: the verdict on each claim from published rows, with the number that decides it."""
    lines = ["| Claim | Tested on | Verdict | By |", "|---|---|---|---|"]
    verdicts = claim_verdicts(Parameters.load(profile), own=False)
    for key in THREE_CLAIMS:
        claim, verdict = CLAIMS[key], verdicts[key]
        title = claim.title.partition(":")[0]
        world = "MNIST" if claim.half == "mnist" else "the toy world, not ImageNet"
        lines.append(f"| {title} | {world} | **{verdict.badge}** | {claim.number}: {number_words(verdict)} |")
    return "\n".join(lines)


def headline_table(profile: str) -> str:
    """Markdown: out-of-domain accuracy of each method on each variant, published value beside ours, and n and seeds."""
    chosen = Chosen(Parameters.load(profile), own=False)
    rows = joined(chosen.rows("mnist-ood", recipe) for recipe in (None, "authors"))
    wide = beside_published(select(rows, metric="accuracy/test", epoch="last"))
    lines = ["| Data | Trained on | CGN | RS22; SG21 | Ours, % | n × seeds |", "|---|---|---|--:|--:|--:|"]
    for line in wide.sort_values(["dataset", "method", "recipe"], kind="stable").to_dict("records"):
        theirs = "; ".join("-" if pd.isna(line[source]) else f"{line[source]:.1f}" for source in ("RS22", "SG21"))
        about = f"{line['dataset']} | {line['method']} | {line['recipe']}"
        lines.append(f"| {about} | {theirs} | {line['interval'].text()} | {line['n']:,} × {line['seeds']} |")
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
    scale, tables = published_scale(), "No published results yet."
    if scale:
        tables = f"Scale `{scale}`.\n\n{verdict_table(scale)}\n\n{TABLE_WORDS}\n\n{headline_table(scale)}"
    filled = f"{before}{BEGIN}\n{tables}\n{END}{after}"
    if filled == text:
        return False
    with atomic_file(readme) as partial:
        partial.write_text(filled, encoding="utf-8")
    return True


def published_scale() -> str | None:
    """The largest scale with published results."""
    return next((name for name in ("paper", "quick") if any(published_folder(name).glob("*.csv"))), None)


def generated_files() -> dict[Path, str]:
    """Files by path that follow from published rows and from the parameters' model."""
    root, scale = project_root(), published_scale()
    found = {root / "params" / "schema.json": schema(), root / "book" / "parameters.md": ABOUT_PARAMETERS + reference()}
    if scale:
        parameters = Parameters.load(scale)
        verdicts = list(claim_verdicts(parameters, own=False).values())
        for whose in ("authors", "paper"):  # of the toy world and ImageNet there is one CGN
            judged = claim_verdicts(parameters, own=False, recipe=whose).items()
            verdicts += [verdict for key, verdict in judged if CLAIMS[key].half == "mnist"]
        found[root / "results" / "claims.json"] = json.dumps(records(verdicts), indent=1) + "\n"
    return found


def draw_picture(path: Path) -> Path:
    """The README's picture: one factor at a time, from the CGN for double-colored MNIST that the project ships."""
    from cgnlib.mnist.cgn import load_weights  # torch: for this alone
    from cgnlib.mnist.control import one_factor_at_a_time
    from cgnreport.pages.grids import image_grid

    weights = project_root() / "weights" / "mnist" / "double-colored-robust.safetensors"
    if not weights.exists():
        raise ReportError(f"{weights} is missing: restore it with git checkout weights")
    grid, labels = one_factor_at_a_time(load_weights(weights), "double-colored", seed=0)
    return image_grid(grid, ["image", "mask", "foreground", "background"], labels).save(path)


def main(given: argparse.Namespace) -> int:
    """The command `readme`: the README's tables and picture, and `generated_files`."""
    draw_picture(project_root() / PICTURE)
    for path, text in generated_files().items():
        with atomic_file(path) as partial:
            partial.write_text(text, encoding="utf-8")
    changed = fill_readme(project_root() / "README.md")
    print("README.md: tables filled" if changed else "README.md: tables are up to date")
    return 0
