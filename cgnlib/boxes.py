"""The report's HTML pieces: claim box, verdict box, badge, tables, source line.

The book's style sheet may refine the classes (cgn-badge, cgn-reproduced, cgn-box, cgn-table, cgn-source, ...); inline
styles make them readable without it, in light and dark mode, in JupyterLab and on a phone.
"""

import html
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from cgnlib.parameters import StudyParameters
from cgnlib.plotting import METHOD_LABELS, RECIPE_LABELS, VARIANT_LABELS
from cgnlib.results import SOURCES
from cgnlib.verdicts import CLAIMS, Verdict, badge_words, world_name

# White text on each of these has a contrast of at least 4.5; the mark says the same without colour.
BADGES = {
    "reproduced": ("cgn-reproduced", "#0B6E4F", "✓"),
    "partly": ("cgn-partly", "#8A5A00", "◐"),
    "not reproduced": ("cgn-not-reproduced", "#B3261E", "✗"),
    "not tested": ("cgn-not-tested", "#5F6368", "–"),
    "failure found": ("cgn-failure-found", "#8A5A00", "!"),
    "failure not found": ("cgn-failure-not-found", "#1F5A96", "○"),
}
_SOURCE_WORDS = {
    "mnist-full": "full MNIST",
    "mnist-5000": "the 5,000 embedded MNIST digits",
    "dtd": "DTD textures",
    "procedural": "procedural stand-in textures",
    "toy-world": "the toy world",
    "cue-conflict": "cue-conflict photographs",
}


class Html(str):
    """HTML text that a notebook shows as such when it is the last value of a cell."""

    def _repr_html_(self) -> str:
        return str(self)


def badge(words: str) -> Html:
    """A verdict mark: reproduced, partly, not reproduced or not tested; of failures, as in `Verdict.badge`."""
    name, colour, mark = BADGES[words]
    look = (
        f"display:inline-block;padding:.1em .65em;border-radius:1em;background:{colour};color:#fff;"
        "font-size:.85em;font-weight:600;white-space:nowrap"
    )
    return Html(f'<span class="cgn-badge {name}" style="{look}"><span aria-hidden="true">{mark}</span> {words}</span>')


def claim_box(claim: str) -> Html:
    """The claim in the seed's words, where they stand, and what counts as reproduced."""
    found = CLAIMS[claim]
    return _box(
        "#6B7280",
        f'<p style="margin:.1em 0 .4em;font-style:italic">“{html.escape(found.words)}”</p>',
        _line(f"Seed paper, {html.escape(found.where)}"),
        f'<p style="margin:.5em 0 .1em"><strong>Rule.</strong> {html.escape(found.rule)}</p>',
        name="cgn-claim",
    )


def verdict_box(verdict: Verdict | None, not_shown: str = "", title: str = "") -> Html:
    """The verdict: badge, one sentence with the number, what it leaves out; a line per variant.

    not_shown: "what this does not show", in plain text; title: in place of the claim's. Nothing without a verdict.
    """
    if verdict is None:
        return Html("")
    lines = [
        f"<li><strong>{_variant(f.variant)}</strong> {badge(badge_words(verdict.claim, f.status))}<br>"
        + html.escape(f.sentence)
        + (f' <span style="opacity:.75">(published: {html.escape(f.published)})</span>' if f.published else "")
        + "</li>"
        for f in verdict.findings
    ]
    title = html.escape((title or CLAIMS[verdict.claim].title) + verdict.scope)
    parts = [f'<p style="margin:.1em 0 .5em;font-size:1.05em"><strong>{title}</strong> {badge(verdict.badge)}</p>']
    if len(lines) > 1:
        parts.append(f'<ul style="margin:.2em 0 .5em;padding-left:1.2em">{"".join(lines)}</ul>')
    else:
        parts.append(f'<p style="margin:.2em 0 .5em">{html.escape(verdict.sentence)}</p>')
    parts.append(_line(html.escape(verdict.why)))
    if not_shown:
        parts.append(
            f'<p style="margin:.5em 0 .1em"><strong>What this does not show.</strong> {html.escape(not_shown)}</p>'
        )
    return _box(BADGES[verdict.badge][1], *parts, name="cgn-verdict")


def table(
    frame: pd.DataFrame,
    labels: Mapping[str, str] | None = None,
    *,
    formats: Mapping[str, str | Callable[[Any], str]] | None = None,
    decimals: int = 1,
) -> Html:
    """A data frame as a table in its own sideways-scrolling box: numbers right-aligned, missing ones as a dash.

    labels: heading per column; formats: per column a format ("+.1f") or a function to plain text.
    """
    labels, formats = labels or {}, formats or {}
    numeric = {name for name in frame.columns if pd.api.types.is_numeric_dtype(frame[name]) or name in formats}
    cell = "padding:.3em .4em;border-bottom:1px solid rgba(127,127,127,.28);white-space:nowrap;"

    def side(name: str) -> str:
        return "text-align:right;font-variant-numeric:tabular-nums" if name in numeric else "text-align:left"

    head = "".join(
        f'<th scope="col" style="{cell}{side(n)};font-weight:600">{html.escape(str(labels.get(n, n)))}</th>'
        for n in frame.columns
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<td style="{cell}{side(n)}">{html.escape(_cell(line[n], formats.get(n), decimals))}</td>'
            for n in frame.columns
        )
        + "</tr>"
        for line in frame.to_dict("records")
    )
    return Html(
        '<div class="cgn-table" style="overflow-x:auto;max-width:100%;margin:.8em 0">'
        '<table style="border-collapse:collapse;margin:0;font-size:.88em">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def comparison_table(beside: pd.DataFrame, sources: Sequence[str] = SOURCES) -> Html:
    """`results.beside_published(...)` as a table: published beside ours with interval, difference, n × seeds."""
    several = len(set(beside["recipe"]) - {"-"}) > 1
    records = beside.to_dict("records")
    there = [source for source in sources if not all(math.isnan(line[source]) for line in records)]
    order = {name: place for place, name in enumerate((*VARIANT_LABELS, *METHOD_LABELS))}
    lines = []
    for line in sorted(records, key=lambda r: (order.get(r["dataset"], 99), order.get(r["method"], 99))):
        ours = f"{line['mean']:.1f}" if math.isnan(line["low"]) else "{mean:.1f} [{low:.1f}, {high:.1f}]".format(**line)
        shown = {
            "variant": _variant(line["dataset"]),
            "training data": METHOD_LABELS.get(line["method"], line["method"]),
        }
        if several:
            shown["CGN from"] = RECIPE_LABELS.get(line["recipe"], "–")
        shown |= {source: line[source] for source in there} | {"ours [95 %]": ours}
        shown |= {f"ours − {source}": line[f"ours - {source}"] for source in there if source == "seed"}
        lines.append(shown | {"n × seeds": f"{line['n']:,} × {line['seeds']}"})
    signed = {"ours − seed": lambda value: "–" if math.isnan(value) else f"{value:+.1f}".replace("-", "−")}
    return table(pd.DataFrame(lines), formats=signed | {"ours [95 %]": str, "n × seeds": str})


def source_line(parameters: StudyParameters, sources: Sequence[str], note: str = "") -> Html:
    """What the numbers of a page were computed from: data sources (as in the rows' `data`), scale, seed."""
    words = [_SOURCE_WORDS.get(part, part) for source in sources for part in source.replace(" + ", "+").split("+")]
    train = "all" if parameters.train_images is None else f"{parameters.train_images:,}"
    text = (
        f"Data: {', '.join(dict.fromkeys(words))}. Scale: {parameters.profile} ({train} original training images, "
        f"{parameters.counterfactuals:,} counterfactuals, {parameters.classifier_epochs} epochs), "
        f"seed {parameters.seed}."
    )
    if parameters.profile == "smoke":
        text += " At this scale numbers mean nothing."
    return Html(
        f'<p class="cgn-source" style="font-size:.88em;opacity:.8">{html.escape((text + " " + note).strip())}</p>'
    )


def toy_line(parameters: StudyParameters, note: str = "") -> Html:
    """What the numbers of a page on the toy world were computed from: world, scale, seed."""
    text = (
        "World: toy, not ImageNet: drawn images of 64 x 64 pixels with known shape, texture, background and mask, ten "
        f"classes. Scale: {parameters.profile}, seed {parameters.seed}."
    )
    if parameters.profile == "smoke":
        text += " At this scale numbers mean nothing."
    return Html(
        f'<p class="cgn-source" style="font-size:.88em;opacity:.8">{html.escape((text + " " + note).strip())}</p>'
    )


def _box(colour: str, *parts: str, name: str) -> Html:
    look = f"border-left:4px solid {colour};background:rgba(127,127,127,.09);padding:.7em 1em;border-radius:4px"
    return Html(f'<div class="cgn-box {name}" style="margin:1em 0;{look}">{"".join(parts)}</div>')


def _line(text: str) -> str:
    return f'<p style="margin:.3em 0;font-size:.9em;opacity:.8">{text}</p>'


def _variant(name: str) -> str:
    label = VARIANT_LABELS.get(name, world_name(name).removeprefix("the "))
    return label[:1].upper() + label[1:]


def _cell(value: Any, how: str | Callable[[Any], str] | None, decimals: int) -> str:
    if callable(how):
        return how(value)
    if value is None or value is pd.NA or isinstance(value, float) and math.isnan(value):
        return "–"
    if how:
        return format(value, how)
    return (
        f"{value:.{decimals}f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
    )
