"""The one way in which an experiment gets its rows: those that are there are taken, the others measured and kept.

An experiment is a `Setting` and a function from a random seed to numbers. The function is called for seeds without rows
alone, so nothing is loaded, drawn or trained before it is known that rows are missing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from cgnlib.errors import Blocked, TrainingStopped, Unavailable
from cgnreport.protocol.rows import Number, Setting, joined
from cgnreport.protocol.store import keep, load


@dataclass(frozen=True)
class Measured:
    """What a measurement at one seed gave, and how long the training behind it took."""

    numbers: Sequence[Number]
    seconds: float | None = None


Measure = Callable[[int], Measured | Mapping[str, Measured]]


def rows_of(
    setting: Setting,
    seeds: Iterable[int],
    measure: Measure,
    *,
    reuse: bool,
    device: str = "cpu",
    beside: Sequence[Setting] = (),
) -> pd.DataFrame | Blocked:
    """Rows of a setting for all seeds.

    measure: numbers at a seed or, where one training gives those of several experiments, numbers by experiment; these
    are kept under `beside`. reuse: take rows that were computed here earlier or published. Each seed's rows are kept as
    they come. Returns Blocked where a training stopped, or something that it needs is not to be had.
    """
    kept = setting.of(load(setting.profile, setting.experiment)) if reuse else None
    parts = []
    for seed in seeds:
        there = None if kept is None else kept.loc[kept["seed"] == seed]
        if there is not None and len(there):
            parts.append(there)
            continue
        try:
            found = measure(seed)
        except Unavailable as error:
            return error.blocked
        except TrainingStopped as stop:
            return Blocked(f"{setting.dataset}, {setting.method}, recipe {setting.recipe}: {stop}")
        by_experiment = {setting.experiment: found} if isinstance(found, Measured) else found
        for each in (setting, *beside):
            measured = by_experiment[each.experiment]
            rows = [each.row(number, seed, device=device, seconds=measured.seconds) for number in measured.numbers]
            frame = keep(rows)
            if each is setting:
                parts.append(frame)
    return joined(parts)


def collected(parts: Iterable[pd.DataFrame | Blocked]) -> tuple[pd.DataFrame, list[Blocked]]:
    """All rows as one frame, and what could not be done, each reason once."""
    parts = list(parts)
    rows = joined(part for part in parts if isinstance(part, pd.DataFrame))
    return rows, list(dict.fromkeys(part for part in parts if isinstance(part, Blocked)))
