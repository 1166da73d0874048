"""The one way in which an experiment gets its rows: those that are there are taken, the others measured and kept.

An experiment is a `Setting` and a function from a random seed to numbers; nothing is loaded, drawn or trained before it
is known that rows are missing.
"""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pandas as pd

from cgnlib.errors import AssetError, Blocked, TrainingStopped, Unavailable, told
from cgnreport.protocol.parameters import PROFILES, Parameters
from cgnreport.protocol.provenance import code_version
from cgnreport.protocol.rows import Number, Setting, joined, select
from cgnreport.protocol.store import keep, load


@dataclass(frozen=True)
class Measured:
    """What a measurement at one seed gave, and how long the training behind it took."""

    numbers: Sequence[Number]
    seconds: float | None = None


S = TypeVar("S")
Measure = Callable[[int], Measured | Mapping[str, Measured]]
Rows = pd.DataFrame | Blocked  # Blocked says why there are none


class Study:
    """Experiments of one world at one set of parameters. device: by default that of `default_device`.

    Every step is found or made: what an earlier notebook trained with the same parameters is loaded.
    """

    costs: tuple[type[Exception], ...] = (AssetError,)  # errors that cost the part in which they are raised alone

    def __init__(self, parameters: Parameters, device: str | None = None) -> None:
        from cgnlib.training.precision import default_device  # here: it imports torch

        self.parameters, self.device = parameters, device or default_device()
        code_version()  # of the code that will compute, asked before it may change on disk

    def rows(
        self,
        setting: Setting | Blocked,
        measure: Measure,
        seeds: Iterable[int] | None = None,
        beside: Iterable[Setting | Blocked] = (),
    ) -> Rows:
        """Rows of a setting for all seeds, by default the parameters' own; each seed's are kept as they come.

        measure: numbers at a seed or, where one training gives those of several experiments, numbers by experiment;
        these are kept under `beside`. It is called for seeds without rows or, if parameters do not reuse rows, for all.
        Where a training stopped, or something that it needs is damaged or not to be had, the rows of the other seeds,
        with the reason in `attrs["blocked"]`; Blocked without any rows.
        """
        if isinstance(setting, Blocked):
            return setting
        reuse = self.parameters.reuse_rows
        stored = load(setting.profile, setting.experiment, published=reuse, own=reuse)
        kept, parts, blocked = setting.of(stored), [], []
        for seed in [self.parameters.seed] if seeds is None else seeds:
            there = kept.loc[kept["seed"] == seed]
            if len(there):
                parts.append(there)
                continue
            try:
                found = measure(seed)
            except Unavailable as error:
                blocked.append(error.blocked)
                continue
            except TrainingStopped as stop:
                blocked.append(Blocked(f"{setting.dataset}, {setting.method}, recipe {setting.recipe}: {stop}"))
                continue
            except self.costs as error:  # this part alone: the others are measured
                about = f"{setting.dataset}, {setting.method}, {setting.experiment}"
                blocked.append(failed(about, error))
                continue
            by_experiment = {setting.experiment: found} if isinstance(found, Measured) else found
            for each in (setting, *(other for other in beside if isinstance(other, Setting))):
                numbers, seconds = by_experiment[each.experiment].numbers, by_experiment[each.experiment].seconds
                lines = (each.row(number, seed, device=self.device, seconds=seconds) for number in numbers)
                frame = keep(lines, whole=True)
                if each is setting:
                    parts.append(frame)
        if blocked and not parts:
            return blocked[0]
        rows = joined(parts)
        rows.attrs["blocked"] = tuple(blocked)
        return rows


class GuardedStudy(Study):
    """Experiments on photographs and with ImageNet's own networks, whatever befalls them: no memory left, no disk, a
    network that is another. It costs the part in which it happens, and never the toy world's numbers on the same page.
    """

    costs = (Exception,)


def failed(what: str, error: Exception) -> Blocked:
    """What an error says, on one line; with what failed and its kind, where it is none that users are meant to meet."""
    words = " ".join(str(error).split()).rstrip(".")
    if isinstance(error, AssetError):
        return Blocked(words)
    return Blocked(f"{what}: {type(error).__name__}: {words[:300]}")


def collected(parts: Iterable[Rows]) -> tuple[pd.DataFrame, list[Blocked]]:
    """All rows as one frame, and what could not be done, each reason once."""
    parts = list(parts)
    why = [(part,) if isinstance(part, Blocked) else part.attrs.get("blocked", ()) for part in parts]
    rows = joined(part.copy() for part in parts if isinstance(part, pd.DataFrame))
    return rows, list(dict.fromkeys(each for reasons in why for each in reasons))


@told()
def measure_command(
    name: str,
    about: str,
    study: Callable[[Parameters], S],
    parts: Mapping[str, Callable[[S], Iterable[Rows]]],
    *,
    says: tuple[Mapping[str, Any], str],
    arguments: Sequence[str] | None = None,
    options: argparse.ArgumentParser | None = None,
    changes: Mapping[str, Any] | Callable[[argparse.Namespace], Mapping[str, Any]],
) -> int:
    """Run `python -m cgnreport.protocol.NAME`: measure parts of a study, each row kept as it comes, and print them.

    says: which rows are printed, by column, and the line of each. options: of this command alone, a parser without
    help. changes: of parameters, or what makes them of what was given. Returns 0; ends with status 1 and one line for
    each thing that is wrong or lacking.
    """
    parents = [options] if options else []
    parser = argparse.ArgumentParser(prog=f"python -m cgnreport.protocol.{name}", description=about, parents=parents)
    parser.add_argument("--folder", help="a data folder to look into first (default: CGN_DATA)")
    parser.add_argument("--profile", choices=PROFILES, default="paper", help="scale of the rows (default: paper)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    parser.add_argument("--part", action="append", choices=list(parts), help="what to measure (default: everything)")
    given = parser.parse_args(arguments)
    parameters = Parameters.load(
        given.profile,
        {"data_folder": given.folder, "seed": given.seed, **(changes(given) if callable(changes) else changes)},
    )
    whole, found = study(parameters), list[Rows]()
    for part in given.part or parts:
        found += parts[part](whole)
    rows, lacking = collected(found)
    for row in select(rows, **says[0]).to_dict("records"):
        print(says[1].format(**row))
    if lacking:
        parser.exit(1, "".join(f"not tested: {why}\n" for why in lacking))
    return 0
