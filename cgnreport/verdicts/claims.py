"""The claims as they are judged, from claims.yaml, their rules filled with the thresholds of `rules`."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import yaml

from cgnreport.verdicts.rules import IMAGENET_RULES, RULES

THRESHOLDS = asdict(RULES) | asdict(IMAGENET_RULES)


@dataclass(frozen=True)
class Claim:
    """A claim and when it holds; fields are explained at the top of claims.yaml."""

    key: str
    title: str
    words: str
    where: str
    rule: str
    number: str
    unit: str
    sentence: Sequence[str]
    images: str
    spread: str = ""
    published: str = "{values}"
    published_format: str = "g"
    by_eye: str = ""
    published_as: Mapping[float, str] = field(default_factory=dict, hash=False)
    study: Mapping[str, str] = field(default_factory=dict, hash=False)
    study_words: str = ""
    frozen: str = ""
    changed: str = ""
    stopping: str = ""
    thresholds: Sequence[str] = ()
    lower_is_better: bool = False
    failure: bool = False
    needs: str = ""

    @property
    def half(self) -> str:
        """Half of the report that the claim is of: "mnist" or "imagenet"."""
        return "mnist" if self.key.endswith("-mnist") else "imagenet"


_GIVEN = yaml.safe_load(Path(__file__).with_name("claims.yaml").read_text(encoding="utf-8"))
CLAIMS = {
    key: Claim(
        key,
        **given | {name: str(given.get(name, "")).format(**THRESHOLDS) for name in ("rule", "frozen", "changed")},
        thresholds=[name for name in THRESHOLDS if re.search(rf"\{{{name}\b", given["rule"])],
    )
    for key, given in _GIVEN.items()
}
THREE_CLAIMS = tuple(f"claim{number}-{half}" for number in (1, 2, 3) for half in ("mnist", "imagenet"))
FAILURES = tuple(key for key, claim in CLAIMS.items() if claim.failure)


def rules_hash(half: str = "mnist") -> str:
    """First 12 hex digits of the SHA-256 of thresholds and rule texts of the claims of "mnist" or "imagenet"."""
    thresholds = asdict(RULES) | (asdict(IMAGENET_RULES) if half == "imagenet" else {})
    claims = {key: claim.rule for key, claim in CLAIMS.items() if claim.half == half}
    text = json.dumps({"rules": thresholds, "claims": claims}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
