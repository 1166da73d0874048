"""What is made from published rows and the parameters' model, and kept in git: tables, picture, verdicts, schema."""

import argparse
import json
from pathlib import Path

import pandas as pd

from cgnlib.paths import atomic_file, project_root
from cgnreport.build import ReportError
from cgnreport.build.datapackage import data_package
from cgnreport.build.places import PICTURE
from cgnreport.protocol.parameters import Parameters, reference, schema
from cgnreport.protocol.rows import joined, select
from cgnreport.protocol.store import published_folder
from cgnreport.protocol.summary import beside_published
from cgnreport.verdicts.chosen import Chosen
from cgnreport.verdicts.claims import CLAIMS
from cgnreport.verdicts.matrix import matrix
from cgnreport.verdicts.model import Replication
from cgnreport.verdicts.scorecard import claim_records
from cgnreport.verdicts.without_cgn import says
from cgnreport.verdicts.worlds import WHOSE

ABOUT_PARAMETERS = """\
# Parameters

Every parameter of the report by the name that notebooks, `papermill -p` and the files in `params/` use, with its value
at each scale. `null` leaves the choice to what the meaning says.

"""
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
VERDICT_WORDS = """\
Scale `{}`. Each cell speaks of the method of its column in the world of its row, and says two things: whether SG21's
claim holds, and whether the study's finding is found again by the same method. Made from `results/claims.json`.

Numbers are of the variant that decides; *needs* is what the rule asks for. Claim 1, control: share of images with
the requested factor, in percent. Claim 2, robustness: gain in out-of-domain accuracy, in points; in the toy world
change of the background gap, lower is better. Claim 3, accuracy: change of in-domain accuracy, in points."""
TABLE_WORDS = """\
Accuracy on MNIST test digits whose colours and textures are drawn at random, last epoch: the rows that decide claim 2;
all others are in the book. *RS22*: the reproducibility study that this report checks; *SG21*: the original paper. CGN
`robust`: our recipe, beside what was published for the paper's; `authors`: the published weights. `oracle`: trained on
digits whose factors are as free as in the test set. In brackets 95 % intervals, over seeds where there are three or
more, else over test images. `CGNs`: how many are behind a row; where it is one, seeds are those of classifiers, and
claims 2 and 3 speak of that CGN."""
DECIDING = ["original", "original+cgn", "oracle"]


def verdict_table(profile: str) -> str:
    """Markdown: each claim in each world by every method: SG21's claim, its number, and the study's finding."""
    lines = [f"| Claim | The study found | {' | '.join(WHOSE.values())} |", "|---|---|---|---|---|"]
    for cells in matrix(claim_records(Parameters.load(profile), own=False)):
        about = CLAIMS[cells[0].claim]
        theirs = about.study_words if cells[0].world.study else "no such world"
        name = f"{about.title.partition(':')[0]}: {cells[0].world.name}"
        said = [
            f"**{cell.status}**<br>{cell.number}"
            + f"<br>study's finding: {cell.replication}" * (cell.replication is not Replication.NOT_TESTED)
            for cell in cells
        ]
        lines.append(f"| {name} | {theirs} | {' | '.join(said)} |")
    return "\n".join(lines)


def headline_table(profile: str) -> str:
    """Markdown: out-of-domain accuracies that decide, published values beside ours, and n and seeds."""
    chosen = Chosen(Parameters.load(profile), own=False)
    rows = joined(chosen.rows("mnist-ood", recipe) for recipe in WHOSE)
    rows = select(rows, metric="accuracy/test", epoch="last", method=DECIDING)
    about, wide = ["dataset", "method", "recipe"], beside_published(rows)
    cgns = rows.groupby(about)["cgn_seed"].nunique()  # 0 for the authors' one CGN, whose random seed is not known
    lines = ["| Data | Trained on | CGN | CGNs | RS22; SG21 | Ours, % | n × seeds |", "|---|---|---|--:|--:|--:|--:|"]
    for line in wide.sort_values(about, kind="stable").to_dict("records"):
        theirs = "; ".join("-" if pd.isna(line[source]) else f"{line[source]:.1f}" for source in ("RS22", "SG21"))
        behind = "-" if line["recipe"] == "-" else max(1, cgns[line["dataset"], line["method"], line["recipe"]])
        name = f"{line['dataset']} | {line['method']} | {line['recipe']} | {behind}"
        lines.append(f"| {name} | {theirs} | {line['interval'].text()} | {line['n']:,} × {line['seeds']} |")
    there = set(select(rows, recipe="paper")["dataset"])
    if lacking := [variant for variant in dict.fromkeys(rows["dataset"]) if variant not in there]:
        lines += ["", f"Of the paper's recipe there is no CGN of full length yet on: {', '.join(lacking)}."]
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
        beside = f"Beside claim 2, does it take a CGN at all? {says()}"
        parts = (VERDICT_WORDS.format(scale), verdict_table(scale), beside, TABLE_WORDS, headline_table(scale))
        tables = "\n\n".join(parts)
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
        records = claim_records(Parameters.load(scale), own=False)
        found[root / "results" / "claims.json"] = json.dumps(records, indent=1, ensure_ascii=False) + "\n"
        package = json.dumps(data_package(), indent=1, ensure_ascii=False) + "\n"
        found[root / "results" / "datapackage.json"] = package
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
