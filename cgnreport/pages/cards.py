"""The scorecard in HTML: the front page's table of claims and its marks, the table of all items."""

import html
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from cgnreport.pages.boxes import BADGES, Html, badge, table
from cgnreport.verdicts.claims import CLAIMS, THREE_CLAIMS
from cgnreport.verdicts.cost import duration
from cgnreport.verdicts.model import Finding, Status, Verdict
from cgnreport.verdicts.scorecard import ITEMS, Line

WORLDS = {"mnist": ("MNIST",), "imagenet": ("toy world", "ImageNet")}  # rows of a claim on the front page, by its half


def claims_table(columns: Mapping[str, Mapping[str, Verdict]], link: str = "{}.html") -> Html:
    """The front page's table: each claim on MNIST, in the toy world and on ImageNet, beside what the study found.

    columns: by heading, whose CGN ("authors' weights", "our recipe"), its verdicts by claim. A cell has a badge, the
    deciding number and what it needed. link: the address of a notebook's page.
    """
    lines = []
    for claim in THREE_CLAIMS:
        page = link.format(next(item.notebook for item in ITEMS if claim in item.claims))
        title = CLAIMS[claim].title.partition(":")[0]
        for world in WORLDS[CLAIMS[claim].half]:
            found = {name: _deciding(verdicts.get(claim), world) for name, verdicts in columns.items()}
            theirs = next((each.published_words for each in found.values() if each and each.published_words), "–")
            name = Html(f'<a href="{page}">Claim {claim[5]}, {world}</a><br>{_small(title)}')
            line = {"claim": name, "the study found": _small(theirs)}
            lines.append(line | {whose: _cell(each) for whose, each in found.items()})
    return table(pd.DataFrame(lines))


def _deciding(verdict: Verdict | None, world: str) -> Finding | None:
    """The finding on the toy world or on photographs; of MNIST's variants the deciding one, with the whole status."""
    if verdict is None:
        return None
    mnist, toy, not_tested = world == "MNIST", world == "toy world", verdict.status is Status.NOT_TESTED
    there = [each for each in verdict.findings if mnist or (each.variant == "toy") == toy]
    found = next((each for each in there if each.interval == verdict.interval), there[0] if there else None)
    return replace(found, status=verdict.status) if found and (mnist or not_tested) else found


def _cell(found: Finding | None) -> Html:
    """Badge, deciding number and what it needed; of what is not tested, why."""
    status, words = found.status if found else Status.NOT_TESTED, ""
    if found and found.interval and status is not Status.NOT_TESTED:
        needs = "" if found.needs is None else f", needs {found.needs:.1f}"
        words = f"{found.interval.value:.1f} {found.unit}{needs}".replace("-", "−")
        words += f"; failed: {found.facts['failed']}" if found.facts.get("failed") else ""
    elif found and found.untested:
        return Html(f"{badge(status)}<br>{_small(found.untested.reason, 30)}")
    elif found is None:
        words = "no such CGN"
    return Html(f"{badge(status)}<br>{_small(words)}")


def _small(words: str, most: int = 60) -> Html:
    """Words in a narrow column, over as many lines as it takes; what is cut short shows whole under the pointer."""
    look, whole = "display:inline-block;max-width:9.5em;white-space:normal", html.escape(words)
    shown = html.escape(textwrap.shorten(words, most, placeholder=" …"))
    return Html(f'<span class="cgn-small" style="{look}" title="{whole}">{shown}</span>')


def as_frame(lines: Sequence[Line], link: str = "{}.html") -> pd.DataFrame:
    """The scorecard as a table of HTML texts in order of the claims; an item opens for scale, seeds, cost, link."""
    found = []
    for line in sorted(lines, key=lambda line: (line.item.claims or ("other",))[0]):
        page = f'<a href="{link.format(line.item.notebook)}">page</a>'
        more = f"scale {line.scale or '–'}, seeds {line.seeds or '–'}, training {duration(line.seconds)}, {page}"
        item = f"<details><summary>{line.item.name}: {html.escape(line.item.shows)}</summary>{more}</details>"
        found.append(
            {"item": item, "verdict": str(badge(line.badge)), "ours": html.escape(line.ours)}
            | {"published": html.escape(line.published or "–"), "world": line.item.world}
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
        key = (line.item.claims, line.item.experiments, line.item.recipe) if line.item.experiments else line.item.name
        measured.setdefault(key, []).append(line)
    marks = []
    for same in measured.values():
        words = html.escape(f"{'; '.join(f'{each.item.name}, {each.item.shows}' for each in same)}: {same[0].badge}")
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
    shown = [words for words in BADGES if words in badges or not words.startswith("failure")]
    text = ", ".join(f"{badges.count(words)} {words}" for words in shown) + f" (of {len(lines)})."
    if missing := sorted({line.item.notebook for line in lines if not line.seeds and not line.item.without}):
        text += f" No rows at scale {profile} for some items; these notebooks make them: {', '.join(missing)}."
    return Html(f"<p>{html.escape(text)}</p>")
