"""The report's HTML pieces: badge, claim box, verdict box, tables, source line.

The book's style sheet may refine the classes (cgn-badge, cgn-holds, cgn-box, cgn-table, cgn-source, ...); styles
of their own make them readable without it, in light and dark mode, in JupyterLab and on a phone.
"""

import html
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from cgnlib.data.shapes import is_own
from cgnlib.statistics import Interval
from cgnreport.pages.origin import mark, query
from cgnreport.pages.style import dataset_label, in_order
from cgnreport.pages.tables import LABELS, named
from cgnreport.protocol.mnist_settings import training_digits
from cgnreport.protocol.parameters import Parameters
from cgnreport.protocol.store import SOURCES
from cgnreport.verdicts.claims import CLAIMS, THRESHOLDS
from cgnreport.verdicts.model import Finding, Verdict, badge_words
from cgnreport.verdicts.rules import THRESHOLD_SOURCES

# White text on each of these has a contrast of at least 4.5; the mark says the same without colour.
BADGES = {
    "holds": ("#0B6E4F", "✓"),
    "partly": ("#8A5A00", "◐"),
    "does not hold": ("#B3261E", "✗"),
    "not tested": ("#5F6368", "–"),
    "failure found": ("#8A5A00", "!"),
    "undecided": ("#8A5A00", "◐"),
    "failure not found": ("#1F5A96", "○"),
}
_SOURCE_WORDS = {
    "mnist-full": "full MNIST",
    "mnist-5000": "the 5,000 embedded MNIST digits",
    "dtd": "DTD textures",
    "procedural": "procedural stand-in textures",
    "toy-world": "the toy world, not ImageNet: ten classes, drawn with known shape, texture, background and mask",
    "cue-conflict": "cue-conflict photographs",
}
# Of a table's cells, class n for numbers: a style in each of thousands of cells would be nine tenths of a page of rows.
# The class stands twice to weigh more than JupyterLab's own style.
_TABLE = (
    "<style>div.cgn-table.cgn-table table :is(td,th){padding:.3em .4em;border-bottom:1px solid rgba(127,127,127,.28);"
    "white-space:nowrap;text-align:left}"
    "div.cgn-table.cgn-table table .n{text-align:right;font-variant-numeric:tabular-nums}</style>"
)


class Html(str):
    """HTML text that a notebook shows as such when it is the last value of a cell."""

    def _repr_html_(self) -> str:
        return str(self)


def badge(words: str) -> Html:
    """A verdict mark: holds, partly, does not hold or not tested; of failures, as in `Verdict.badge`."""
    colour, mark = BADGES[words]
    look = (
        f"display:inline-block;padding:.1em .65em;border-radius:1em;background:{colour};color:#fff;"
        "font-size:.85em;font-weight:600;white-space:nowrap"
    )
    name = f"cgn-{words.replace(' ', '-')}"
    return Html(f'<span class="cgn-badge {name}" style="{look}"><span aria-hidden="true">{mark}</span> {words}</span>')


def claim_box(claim: str) -> Html:
    """The claim in the study's words, where they stand, what the study found; folded, when it counts as holding, and
    where each threshold of that rule comes from.
    """
    found = CLAIMS[claim]
    words = f'<p style="margin:.1em 0 .4em;font-style:italic">“{html.escape(found.words)}”</p>'
    where = _small(f"The study, {html.escape(found.where)}. It found: {html.escape(found.study_words)}.")
    sources = "".join(
        f"<li><code>{name}</code> {html.escape(_value(THRESHOLDS[name]))}: {html.escape(THRESHOLD_SOURCES[name])}.</li>"
        for name in found.thresholds
    )
    since = f"This rule stands since {found.frozen}. {found.changed} {found.stopping}".strip()
    about = "<summary>The rule in full, where each threshold comes from, and since when</summary>"
    more = f"{about}{_headed('Rule.', found.rule)}<ul>{sources}</ul>{_small(since)}"
    return _box("#6B7280", words, where, f"<details>{more}</details>", name="cgn-claim")


def verdict_box(verdict: Verdict | None, not_shown: str = "", title: str = "") -> Html:
    """The verdict: badge, one sentence with the number, what it leaves out; a line per variant.

    not_shown: "what this does not show", in plain text; title: in place of the claim's. Nothing without a verdict.
    """
    if verdict is None:
        return Html("")
    lines = []
    for each in verdict.findings:
        published = f' <span style="opacity:.75">(published: {html.escape(each.published_words)})</span>'
        name, mark = dataset_label(each.variant), badge(badge_words(verdict.claim, each.status))
        words = html.escape(each.sentence) + published * bool(each.published_words)
        more = "; ".join(filter(None, (each.margin_words, _study(each))))
        lines.append(f"<li><strong>{name}</strong> {mark}<br>{words}{_small(html.escape(more)) * bool(more)}</li>")
    title = html.escape((title or CLAIMS[verdict.claim].title) + verdict.scope)
    parts = [f'<p style="margin:.1em 0 .5em;font-size:1.05em"><strong>{title}</strong> {badge(verdict.badge)}</p>']
    if len(lines) > 1:
        parts.append(f'<ul style="margin:.2em 0 .5em;padding-left:1.2em">{"".join(lines)}</ul>')
    else:
        parts.append(f'<p style="margin:.2em 0 .5em">{html.escape(verdict.sentence)}</p>')
        words = (part for each in verdict.findings for part in (each.margin_words, _study(each)))
        parts.append(_small(html.escape("; ".join(filter(None, words)))))
    parts.append(_small(html.escape(f"{verdict.why} {verdict.when}".strip())))
    parts += [_headed("What this does not show.", not_shown)] * bool(not_shown)
    return _box(BADGES[verdict.badge][0], *parts, name="cgn-verdict")


def table(
    frame: pd.DataFrame,
    labels: Mapping[str, str] | None = None,
    *,
    formats: Mapping[str, str | Callable[[Any], str]] | None = None,
    decimals: int = 1,
) -> Html:
    """A data frame as a table in its own sideways-scrolling box: numbers right-aligned, missing ones as a dash.

    Cells may hold `Interval`s and `Html`; rows, or a table made from rows, lead to these in the book. labels: heading
    per column; formats: per column a format ("+.1f") or a function to plain text; decimals: of all other numbers.
    """
    labels, formats = labels or {}, formats or {}
    columns = {name: [_text(value, formats.get(name), decimals) for value in frame[name]] for name in frame.columns}
    numeric = {name for name, texts in columns.items() if all(not text or text[0] in "0123456789+−–" for text in texts)}

    def cell(tag: str, name: str, text: str) -> str:
        return f"<{tag}{' class=n' * (name in numeric)}>{text}</{tag.split()[0]}>"

    head = "".join(cell('th scope="col"', name, html.escape(str(labels.get(name, name)))) for name in columns)
    lines = ("".join(cell("td", name, texts[line]) for name, texts in columns.items()) for line in range(len(frame)))
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return Html(
        f'<div class="cgn-table" style="overflow-x:auto;max-width:100%;margin:.8em 0">{_TABLE}'
        '<table style="border-collapse:collapse;margin:0;font-size:.88em">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        f"{mark(frame.attrs.get('origin') or query(frame))}"
    )


def comparison_table(beside: pd.DataFrame) -> Html:
    """Ours with intervals, published values, the difference to the study, n and seeds: a line per method.

    beside: of `beside_published`, of one metric.
    """
    lines = []
    for line in in_order(beside).to_dict("records"):
        shown = named({name: line[name] for name in LABELS}) | {"ours [95 %]": line["interval"]}
        shown |= {source: line[source] for source in SOURCES} | {"ours − RS22": line["ours - RS22"]}
        lines.append(shown | {"n × seeds": f"{line['n']:,} × {line['seeds']}"})
    shown = pd.DataFrame(lines).dropna(axis="columns", how="all")
    shown.attrs["origin"] = query(beside)
    return table(shown, formats={"ours − RS22": "+.1f"})


def source_line(parameters: Parameters, sources: Sequence[str], note: str = "") -> Html:
    """What the numbers of a page were computed from: data sources (as in the rows' `data`), scale, seed."""
    parts = [part for source in sources for part in source.replace(" + ", "+").split("+")]
    words = ", ".join(dict.fromkeys(_SOURCE_WORDS.get(part, part) for part in parts))
    mnist, scale = parameters.mnist, ""
    if digits := [part for part in parts if part.startswith("mnist") or is_own(part)]:
        counts = sorted({training_digits(digits[0], variant, mnist.train_images) for variant in mnist.variants})
        scale = (
            f" ({' or '.join(f'{count:,}' for count in counts)} training images, {mnist.counterfactuals:,} "
            f"counterfactuals, {mnist.classifier_epochs} epochs)"
        )
    if any(map(is_own, parts)):
        note = (
            f"{note} Own shapes stand in place of MNIST's digits: where this page says digit, read shape, 0 to 9 "
            "in the order of the classes. Numbers of the papers and verdicts on claims are of MNIST alone."
        )
    nothing = " At this scale numbers mean nothing." * (parameters.profile == "smoke")
    text = f"Data: {words}. Scale: {parameters.profile}{scale}, seed {parameters.seed}.{nothing} {note}"
    return Html(f'<p class="cgn-source" style="font-size:.88em;opacity:.8">{html.escape(text.strip())}</p>')


def _study(found: Finding) -> str:
    """What is said of the study's finding; "" where it has no such test."""
    return f"the study's finding ({found.study_found}): {found.replication}" if found.study_found else ""


def _value(threshold: Any) -> str:
    """A threshold as it stands in the rules."""
    return " to ".join(f"{each:g}" for each in threshold) if isinstance(threshold, tuple) else f"{threshold:g}"


def _box(colour: str, *parts: str, name: str) -> Html:
    look = f"border-left:4px solid {colour};background:rgba(127,127,127,.09);padding:.7em 1em;border-radius:4px"
    return Html(f'<div class="cgn-box {name}" style="margin:1em 0;{look}">{"".join(parts)}</div>')


def _small(text: str) -> str:
    return f'<p style="margin:.3em 0;font-size:.9em;opacity:.8">{text}</p>'


def _headed(heading: str, text: str) -> str:
    return f'<p style="margin:.5em 0 .1em"><strong>{heading}</strong> {html.escape(text)}</p>'


def _text(value: Any, how: str | Callable[[Any], str] | None, decimals: int) -> str:
    """A cell's text, escaped unless it is HTML already."""
    if isinstance(value, Html):
        return value
    if callable(how):
        return html.escape(how(value))
    if isinstance(value, Interval):
        return value.text(decimals)
    if value is None or value is pd.NA or value != value:
        return "–"
    if how is None and not isinstance(value, bool):
        how = f".{decimals}f" if isinstance(value, float) else "," if isinstance(value, int) else None
    text = format(value, how) if how else str(value)
    return html.escape(text.replace("-", "−") if how else text)
