"""How verdicts are put into words: templates of claims.yaml filled with numbers, and what intervals are over."""

import string
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cgnlib.statistics import Interval, Unit

MINUS = "\u2212"
_WORLDS = {
    "toy": "the toy world",
    "imagenet": "ImageNet",
    "imagenet-9": "ImageNet-9",
    "imagenet-mini": "ImageNet-mini",
    "cue-conflict": "cue-conflict photographs",
    "efficientnet-lite0": "EfficientNet-Lite0",
}


def world_name(variant: str) -> str:
    """A variant or world as readers call it: "the toy world", "ImageNet-9"; other names as they are."""
    return _WORLDS.get(variant, variant)


def plural(n: int, noun: str) -> str:
    """A number and its noun: "1 CGN", "10 CGNs"."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def factor_name(factor: str) -> str:
    """A factor as readers call it: the label "foreground" decides the texture of the object."""
    return "texture" if factor == "foreground" else factor


class _Template(string.Formatter):
    """`str.format` for numbers with intervals: "{accuracy}", "{change:+}", "{ratio:+2}" have 1, 1 and 2 decimals."""

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, Interval):
            return value.text(int(format_spec.lstrip("+") or 1), signed=format_spec.startswith("+"))
        text = format(value, format_spec)
        return text if isinstance(value, str) else text.replace("-", MINUS)


def fill(parts: Iterable[str], facts: Mapping[str, Any]) -> str:
    """The parts of a sentence, one after the other; a part whose facts are not there, or empty, is left out."""
    template = _Template()

    def there(part: str) -> bool:
        names = [name for _, name, _, _ in template.parse(part) if name]
        return all(facts.get(name) not in (None, "") for name in names)

    return "".join(template.vformat(part, (), facts) for part in parts if there(part))


def numbers(values: Mapping[str, float], spec: str = "g", words: Mapping[float, str] | None = None) -> str:
    """Published values by source: "SG21 95.1, RS22 Table 6 96.4". words: of values that were published as words."""
    said = words or {}
    texts = {source: said.get(value, format(value, spec).replace("-", MINUS)) for source, value in values.items()}
    return ", ".join(f"{source} {text}" for source, text in texts.items())


def replication(units: Sequence[tuple[str, Unit]], images: str, spread: str, seeds_needed: int) -> str:
    """What the intervals of a verdict are over and what they leave out, from the unit of each variant.

    images: what an interval over images is over; spread: what such an interval leaves out, "" for nothing.
    """
    few = f", with fewer than {seeds_needed} seeds: the spread {spread} is left out" if spread else ""
    words = {
        Unit.CGNS: "intervals are over CGNs",
        Unit.CLASSIFIERS: f"intervals are over classifiers, with fewer than {seeds_needed} CGNs, on the same test "
        "images: the spread between CGNs and of test images is left out",
        Unit.IMAGES: f"intervals are over {images}{few}",
        Unit.CROSSED: "intervals are over images of shapes and images of textures, crossed",
        Unit.NONE: f"there is no interval{few}",
    }
    variants = {unit: " and ".join(world_name(name) for name, of in units if of is unit) for _, unit in units}
    found = [f"for {names} {words[unit]}" if len(variants) > 1 else words[unit] for unit, names in variants.items()]
    return " ".join(f"{each[0].upper()}{each[1:]}." for each in found)
