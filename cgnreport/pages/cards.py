"""The scorecard in HTML: the front page's table of claims and its marks, the table of all items."""

import html
from collections.abc import Iterable, Sequence

import pandas as pd

from cgnreport.pages.boxes import BADGES, Html, badge
from cgnreport.verdicts.claims import CLAIMS, THREE_CLAIMS
from cgnreport.verdicts.cost import duration
from cgnreport.verdicts.matrix import Cell, Record, matrix
from cgnreport.verdicts.model import Replication, Status
from cgnreport.verdicts.scorecard import ITEMS, Line
from cgnreport.verdicts.worlds import WHOSE


def claims_table(records: Iterable[Record], claims: Iterable[str] = THREE_CLAIMS, link: str = "{}.html") -> Html:
    """The front page's table: each claim in each world with what the study found, and a cell for each method.

    records: of `claim_records`, or `published_records`. link: the address of a notebook's page. As wide as its page; on
    a phone its rows are cards (class cgn-matrix of the book's style sheet).
    """
    widths = zip(("claim", *WHOSE.values()), ("37%", *["21%"] * len(WHOSE)), strict=True)
    head = "".join(f'<th scope="col" style="{_MATRIX};width:{width}">{name}</th>' for name, width in widths)
    lines, before = [], ""
    for cells in matrix(records, claims):
        claim, world = CLAIMS[cells[0].claim], cells[0].world
        page = link.format(next(item.notebook for item in ITEMS if claim.key in item.claims))
        name = f'<a href="{page}">Claim {claim.key[5]}, {world.name}</a>'
        title, theirs = claim.title.partition(":")[0], f"The study: {claim.study_words}."
        name += f"<br>{_small(title)}" * (title != before) + f"<br>{_small(theirs)}" * world.study
        before = title
        said = "".join(
            f'<td class="{"" if cell.records else "cgn-none"}" data-of="{WHOSE[cell.method]}" style="{_MATRIX}">'
            f"{_cell(cell)}</td>"
            for cell in cells
        )
        lines.append(f'<tr><th scope="row" style="{_MATRIX};font-weight:400">{name}</th>{said}</tr>')
    return Html(
        '<table class="cgn-matrix" style="table-layout:fixed;width:100%;border-collapse:collapse;font-size:.88em">'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    )


def opening(records: Iterable[Record], claims: Iterable[str]) -> Html:
    """The head of a claim's page: the answer in a sentence for each world, then `claims_table`."""
    records, claims, answers = list(records), list(claims), []
    for cells in matrix(records, claims):
        said = [f"{_HOLDS[cell.status]} with {WHOSE[cell.method]} ({cell.number})" for cell in cells if cell.records]
        listed = ", ".join(said[:-1]) + " and " * (len(said) > 1) + (said or ["is not tested"])[-1]
        where = f"{'On' if cells[0].world.study else 'In the'} {cells[0].world.name}"
        answers.append(f"{where}, at full scale, the claim {listed}.")
    return Html(f"<p>{html.escape(' '.join(answers))}</p>{claims_table(records, claims)}")


_HOLDS = {
    Status.HOLDS: "holds",
    Status.PARTLY: "holds in part",
    Status.FAILS: "does not hold",
    Status.NOT_TESTED: "is not tested",
}
_MATRIX = (
    "text-align:left;vertical-align:top;white-space:normal;padding:.4em;border-bottom:1px solid rgba(127,127,127,.28)"
)


def _cell(cell: Cell) -> Html:
    """Whether SG21's claim holds, its number or why there is none, and whether the study's finding is replicated."""
    told = cell.replication is not Replication.NOT_TESTED
    study = f"<br>{_small(f'study’s finding: {cell.replication}')}" if told else ""
    return Html(f"{badge(cell.status)}<br>{_small(cell.number)}{study}")


def _small(words: str) -> Html:
    return Html(f'<span class="cgn-small">{html.escape(words)}</span>')


def as_frame(lines: Sequence[Line], link: str = "{}.html") -> pd.DataFrame:
    """The scorecard as a table of HTML texts in order of the claims; an item opens for scale, seeds, cost, link."""
    found = []
    for line in sorted(lines, key=lambda line: (line.item.claims or ("other",))[0]):
        study = "" if line.replication is Replication.NOT_TESTED else f"<br>study’s finding: {line.replication}"
        page = f'<a href="{link.format(line.item.notebook)}">page</a>'
        more = f"scale {line.scale or '–'}, seeds {line.seeds or '–'}, training {duration(line.seconds)}, {page}"
        item = f"<details><summary>{line.item.name}: {html.escape(line.item.shows)}</summary>{more}</details>"
        found.append(
            {"item": item, "verdict": f"{badge(line.badge)}{study}", "ours": html.escape(line.ours)}
            | {"published": html.escape(line.published or "–"), "world": line.world.name}
        )
    return pd.DataFrame(found)


def to_be_tested(lines: Sequence[Line]) -> Html:
    """What it takes to test the items on ImageNet itself, each way once, with the items that need it."""
    ways: dict[str, list[str]] = {}
    for line in lines:
        if line.missing:
            ways.setdefault(str(line.missing), []).append(line.item.name)
    rows = (f"<li><strong>{', '.join(names)}</strong>: {html.escape(way)}.</li>" for way, names in ways.items())
    return Html(f"<ul>{''.join(rows)}</ul>" if ways else "<p>Nothing is missing.</p>")


def teaser(lines: Sequence[Line], link: str = "{}.html") -> Html:
    """A small mark for every measurement, which may decide several items, and links to its page."""
    measured: dict[object, list[Line]] = {}
    for line in lines:
        item, own = line.item, (line.item.name,)
        key = (item.claims, item.experiments, item.recipe, line.world.key) if item.experiments else own
        measured.setdefault(key, []).append(line)
    marks = []
    for same in measured.values():
        items = "; ".join(f"{each.item.name}, {each.item.shows}" for each in same)
        words = html.escape(f"{items} ({same[0].world.name}): {same[0].badge}")
        names = (each.item.name.replace("Table ", "T").replace("Figure ", "F").partition(",") for each in same)
        short = " ".join(name + "*" * bool(comma) for name, comma, _ in names)
        colour, mark = BADGES[same[0].badge]
        address = link.format(same[0].item.notebook)
        about = f'style="background:{colour}" href="{address}" title="{words}" aria-label="{words}"'
        marks.append(f'<a class="cgn-mark" {about}>{short} <span aria-hidden="true">{mark}</span></a>')
    return Html(f'<div class="cgn-marks">{"".join(marks)}</div>')


def tally(lines: Sequence[Line], profile: str) -> Html:
    """How many items have which verdict, and which notebooks would make rows that are missing."""
    badges = [line.badge for line in lines]
    shown = [words for words in BADGES if words in badges or words in set(Status)]
    text = ", ".join(f"{words}: {badges.count(words)}" for words in shown) + f" (of {len(lines)})."
    if missing := sorted({line.item.notebook for line in lines if not line.seeds and not line.item.without}):
        text += f" No rows at scale {profile} for some items; these notebooks make them: {', '.join(missing)}."
    return Html(f"<p>{html.escape(text)}</p>")
