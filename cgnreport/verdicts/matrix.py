"""The matrix of verdicts: each claim in each world, by whose method, from the records of results/claims.json.

A record is one claim by one method on one variant, see `model.records`. The front page, README and scorecard read
cells; no cell speaks for another method than its column's, nor for another world than its row's.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cgnlib.paths import project_root
from cgnreport.protocol.rows import ResultsError
from cgnreport.verdicts.claims import CLAIMS, THREE_CLAIMS
from cgnreport.verdicts.model import Replication, Status
from cgnreport.verdicts.sentences import MINUS
from cgnreport.verdicts.worlds import WHOSE, WORLDS, World

Record = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """What is said of a claim in one world by one method. records: of its variants; none where it has no such CGN."""

    claim: str
    world: World
    method: str
    records: Sequence[Record] = ()

    @property
    def status(self) -> Status:
        """Whether SG21's claim holds."""
        return Status(self.records[0]["verdict_in_world"]) if self.records else Status.NOT_TESTED

    @property
    def replication(self) -> Replication:
        """Whether the study's finding, by the same method in the same world, is found again."""
        return Replication(self.records[0]["replication_in_world"]) if self.records else Replication.NOT_TESTED

    @property
    def deciding(self) -> Record | None:
        """The record of the weakest variant; of what is not tested, the first, which says why."""
        return next((each for each in self.records if each["deciding"]), self.records[0] if self.records else None)

    @property
    def number(self) -> str:
        """The deciding number, what it needed, what else decided: "92.7 %, needs 78.9"; of what is not tested, why."""
        found = self.deciding
        if found is None:
            return "no such CGN"
        if self.status is Status.NOT_TESTED:
            return str(found["untested"]).partition(" with the ")[0]
        words = f"{found['number']:.1f} {found['unit']}".strip()
        words += "" if found["needs"] is None else f", needs {found['needs']:.1f}"
        tested = sum(each["verdict"] != Status.NOT_TESTED for each in self.records)
        words += f"; {tested} of {len(self.records)} variants" if tested < len(self.records) else ""
        return words.replace("-", MINUS) + (f"; {found['because']}" if found["because"] else "")


def matrix(records: Iterable[Record], claims: Iterable[str] = THREE_CLAIMS) -> list[list[Cell]]:
    """The claims in each world, a line each, and a cell for each of WHOSE."""
    records = list(records)
    return [
        [Cell(claim, world, method, _of(records, claim, world.key, method)) for method in WHOSE]
        for claim in claims
        for world in WORLDS.values()
        if world.half == CLAIMS[claim].half
    ]


def _of(records: Iterable[Record], claim: str, world: str, method: str) -> tuple[Record, ...]:
    wanted = (claim, world, method)
    return tuple(each for each in records if (each["claim"], each["world"], each["method"]) == wanted)


def published_records() -> list[Record]:
    """The verdicts on the published rows, results/claims.json; [] where it is not there. Raises ResultsError for a
    damaged file.
    """
    file = project_root() / "results" / "claims.json"
    try:
        return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    except ValueError as error:
        raise ResultsError(
            f"{file} cannot be read ({error}). Make it again: python -m cgnreport.build readme"
        ) from error
