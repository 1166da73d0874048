"""The workflow as a picture, from Snakemake's own graph of the Snakefile: which page needs what."""

import html
import re
import subprocess
import sys

from cgnlib.paths import project_root
from cgnreport.build import ReportError
from cgnreport.build.places import notebook_names

STEP, LEFT, WIDTH, DOT = 26, 110, 340, 5  # pixels: between lines, of the arcs, of all, radius


def needs() -> dict[str, list[str]]:
    """Of every notebook those whose results it needs, in an order in which they can run; {} without a Snakefile.

    What follows from other needs is left out. Raises ReportError with Snakemake's words where it fails.
    """
    if not (project_root() / "Snakefile").exists():
        return {}
    command = [sys.executable, "-m", "snakemake", "--rulegraph", "--cores", "1", "--", "book"]
    done = subprocess.run(command, cwd=project_root(), capture_output=True, text=True)
    if done.returncode:
        raise ReportError(f"the workflow's graph could not be made:\n{done.stderr[-2000:]}")
    rules = {f"notebook_{name.replace('-', '_')}": name for name in notebook_names()}
    labels = dict(re.findall(r'^\s*(\d+)\[label = "(\w+)"', done.stdout, re.MULTILINE))
    edges = [(rules.get(labels[a]), rules.get(labels[b])) for a, b in re.findall(r"(\d+) -> (\d+)", done.stdout)]
    direct = {name: {a for a, b in edges if b == name and a} for name in rules.values()}
    waiting, ordered = dict(direct), {}
    while waiting:
        name = min((name for name in waiting if not direct[name] & waiting.keys()), key=lambda name: name < "01")
        ordered[name] = waiting.pop(name)
    behind: dict[str, set[str]] = {}
    for name, of in ordered.items():
        behind[name] = of.union(*(behind[other] for other in of))
    return {name: sorted(of - set().union(*(behind[other] for other in of))) for name, of in ordered.items()}


def picture(of: dict[str, list[str]]) -> str:
    """The same as inline SVG in the text's colour: a line for each page, which leads there, an arc for each need."""
    if not of:
        return ""
    at = {name: STEP * (line + 0.5) for line, name in enumerate(of)}
    tall, parts = STEP * len(of), []
    for name, others in of.items():
        for other in others:
            top, down = at[other], at[name]
            reach = LEFT - 12 - (LEFT - 24) * min(1.0, (down - top) / tall * 1.1)
            line = f"M{LEFT} {top:g}C{reach:.0f} {top:g} {reach:.0f} {down:g} {LEFT - DOT} {down:g}"
            parts.append(f'<path d="{line}" marker-end="url(#cgn-arrow)"/>')
    arcs = f'<g fill="none" stroke="currentColor" stroke-opacity=".6">{"".join(parts)}</g>'
    dots = "".join(f'<circle cx="{LEFT}" cy="{y:g}" r="{DOT - 1}" fill="currentColor"/>' for y in at.values())
    names = "".join(
        f'<a href="notebooks/{name}.html"><text x="{LEFT + 14}" y="{y + 5:g}" fill="currentColor">{name}</text></a>'
        for name, y in at.items()
    )
    words = "; ".join(f"{name} needs {', '.join(others)}" for name, others in of.items() if others)
    arrow = (
        '<marker id="cgn-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="currentColor"/></marker>'
    )
    return (
        f'<div class="cgn-workflow"><svg viewBox="0 0 {WIDTH} {tall}" width="{WIDTH}" role="img" '
        f'aria-label="{html.escape(words)}" font-size="14" style="max-width:100%;height:auto">'
        f"<defs>{arrow}</defs>{arcs}{dots}{names}</svg></div>"
    )
