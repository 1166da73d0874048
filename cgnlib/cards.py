"""The scorecard in HTML: the table, the front page's cards and marks."""

import html
from collections.abc import Sequence

import pandas as pd

from cgnlib.boxes import BADGES, Html, badge
from cgnlib.scorecard import ITEMS, NUMBERS, THREE_CLAIMS, Line, duration
from cgnlib.verdicts import CLAIMS, Verdict


def as_frame(lines: Sequence[Line], link: str = "{}.html") -> pd.DataFrame:
    """The scorecard as a table of HTML texts. link: the address of a notebook's page."""
    return pd.DataFrame(
        {
            "item": line.item.name,
            "shows": html.escape(line.item.shows),
            "verdict": str(badge(line.badge)),
            "ours": html.escape(line.ours),
            "published": html.escape(line.published or "–"),
            "on ImageNet": _on_imagenet(line),
            "world": line.item.world,
            "scale": line.scale or "–",
            "seeds": str(line.seeds or "–"),
            "cost": duration(line.seconds),
            "page": _link(line, link, "open") if line.item.notebook else "–",
        }
        for line in lines
    )


def _on_imagenet(line: Line) -> str:
    """The verdict on photographs; what is missing for one, and how to get it, stands in `to_be_tested`."""
    if line.item.world == "MNIST" or not line.item.rules:
        return "–"
    return str(badge(line.on_imagenet))


def to_be_tested(lines: Sequence[Line]) -> Html:
    """What it takes to test the items on ImageNet itself, each way once, with the items that need it."""
    ways: dict[str, list[str]] = {}
    for line in lines:
        if line.missing:
            ways.setdefault(line.missing, []).append(line.item.name)
    rows = [
        f"<li><strong>{html.escape(', '.join(names))}</strong>: {html.escape(way)}.</li>" for way, names in ways.items()
    ]
    return Html(f"<ul>{''.join(rows)}</ul>" if rows else "<p>Nothing is missing.</p>")


def claim_cards(verdicts: dict[str, Verdict], link: str = "{}.html") -> Html:
    """The cards of the front page, a claim a row, MNIST beside the toy world: words, badge, number, published, link."""
    cards = []
    for name in THREE_CLAIMS:
        if name in verdicts:
            claim, _, half = name.partition("-")
            world = "MNIST" if half == "mnist" else "ImageNet, in the toy world"
            cards.append(_card(name, f"Claim {claim[-1]}, {world}", verdicts[name], link))
    return Html(f'<div class="cgn-cards">{"".join(cards)}</div>')


def _card(name: str, heading: str, verdict: Verdict, link: str) -> str:
    claim, between = CLAIMS[name], verdict.interval
    notebook = next(item.notebook for item in ITEMS if name in item.rules)
    if between:
        figure = f"{between.value:+.1f}" if verdict.unit == "points" else f"{between.value:.1f}"
        about = (
            f"{html.escape(verdict.unit)}, 95 % interval {between.low:.1f} to {between.high:.1f}; "
            f"{NUMBERS[name]}. Published: {html.escape(verdict.published)}. {_tested(verdict)}"
        )
    elif verdict.findings and any(finding.interval for finding in verdict.findings):
        figure, about = "–", html.escape(verdict.sentence)
    else:
        figure, about = "–", f"No rows at this scale: run {notebook}."
    return (
        f'<div class="cgn-card"><p><strong>{heading}. {html.escape(claim.title.partition(":")[0])}</strong></p>'
        f"<p>{badge(verdict.badge)}</p>"
        f'<span class="cgn-number">{figure}</span><p class="cgn-small">{about}</p>'
        f'<p class="cgn-small"><em>“{html.escape(claim.words)}”</em></p>'
        f'<p><a href="{link.format(notebook)}">Evidence</a></p></div>'
    )


def _tested(verdict: Verdict) -> str:
    """How many variants the verdict rests on, where it does not rest on all."""
    tested = [finding.variant for finding in verdict.findings if finding.status != "not tested"]
    return "" if len(tested) == len(verdict.findings) else f"Tested: {', '.join(tested)} only."


def teaser(lines: Sequence[Line], link: str = "{}.html") -> Html:
    """Every item as a small mark that links to its page."""
    marks = []
    for line in lines:
        words = html.escape(f"{line.item.name}, {line.item.shows}: {line.badge}")
        short = f"{line.item.name[0]}{line.item.name.split()[1]}".replace(",", "*")
        address = link.format(line.item.notebook or "10-scorecard")
        _, colour, mark = BADGES[line.badge]
        about = f'style="background:{colour}" href="{address}" title="{words}" aria-label="{words}"'
        marks.append(f'<a class="cgn-mark" {about}>{short} <span aria-hidden="true">{mark}</span></a>')
    return Html(f'<div class="cgn-marks">{"".join(marks)}</div>')


def tally(lines: Sequence[Line], profile: str) -> Html:
    """How many items have which verdict, and which notebooks would make rows that are missing."""
    badges = [line.badge for line in lines]
    shown = [words for words in BADGES if words in badges or not words.startswith("failure")]
    text = ", ".join(f"{badges.count(words)} {words}" for words in shown) + f" (of {len(lines)})."
    missing = sorted({line.item.notebook for line in lines if line.item.notebook and not line.seeds})
    if missing:
        text += f" No rows at scale {profile} for some items; these notebooks make them: {', '.join(missing)}."
    return Html(f"<p>{html.escape(text)}</p>")


def _link(line: Line, link: str, text: str) -> str:
    return f'<a href="{link.format(line.item.notebook)}">{text}</a>'
