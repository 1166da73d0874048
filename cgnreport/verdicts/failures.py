"""What the study says against the method: failures of Figures 10 to 12; and Table 4's baseline without the method."""

from dataclasses import replace
from typing import Any

import pandas as pd

from cgnlib.errors import known
from cgnlib.statistics import Interval, independent_difference, mean_interval
from cgnreport.protocol.rows import one_setting, select
from cgnreport.protocol.store import published
from cgnreport.protocol.summary import interval_of, mean_of
from cgnreport.verdicts.claims import FAILURES
from cgnreport.verdicts.control import cut_short
from cgnreport.verdicts.model import Finding, Status, Verdict, between, found, there
from cgnreport.verdicts.rules import IMAGENET_RULES, RULES

# What a factor reader reads too often, and the images that cannot show it.
READINGS = {
    "entanglement-imagenet": ("entangled/foreground", "rendered textures"),
    "residue-imagenet": ("legible/background", "rendered scenes"),
}


FREE, TIED = "fid/free", "fid/tied"  # whose ratio Figure 12 is judged by


def failure(claim: str, rows: pd.DataFrame) -> Verdict:
    """A failure of Figures 10 to 12 from rows of experiment imagenet-control. Raises ValueError for another claim."""
    known("failure", claim, FAILURES)
    test = select(rows, experiment="imagenet-control", dataset="toy")

    def judge(world: str) -> Finding:
        ours = there(select(test, method="cgn"), "measurements of a trained CGN")
        number, needs, facts = _ratio(test) if claim not in READINGS else _readings(test, *READINGS[claim])
        status = Status.HOLDS if number.low > needs else Status.PARTLY if number.high > needs else Status.FAILS
        metrics = READINGS[claim][0] if claim in READINGS else FREE
        finding = between(found(claim, world, status, number, needs, select(ours, metric=metrics), **facts))
        return finding.against(cut_short(ours))

    return Verdict.of(claim, rows, ("toy",), judge, "toy")


def _readings(test: pd.DataFrame, metric: str, clean: str) -> tuple[Interval, float, dict[str, Any]]:
    """Figures 10 and 11: how many points more often than in images that cannot show it."""
    frames = select(test, method="cgn", metric=metric), select(test, method="real", metric=metric)
    ours, real = (there(each, f"reader's answers ({metric}) on CGNs and {clean}") for each in frames)
    ours, real = interval_of(ours), interval_of(real)  # over CGNs, where there are enough; over the same images
    more = replace(independent_difference(ours, real), unit=ours.unit)
    return more, IMAGENET_RULES.failure_margin, {"ours": ours, "real": real, "more": more}


def _ratio(test: pd.DataFrame) -> tuple[Interval, float, dict[str, Any]]:
    """Figure 12: FID with free labels over FID with tied ones, one ratio per CGN."""
    free, tied = (select(test, method="cgn", metric=metric) for metric in (FREE, TIED))
    by_run = [one_setting(each).set_index("run")["value"] for each in (free, tied)]
    pairs = there(pd.concat(by_run, axis=1, join="inner"), "FID of a trained CGN with free and with tied labels")
    ratios = [after / before for after, before in pairs.itertuples(index=False, name=None)]
    over_cgns = len(ratios) >= RULES.seeds_for_interval
    ratio = mean_interval(ratios) if over_cgns else Interval.point(sum(ratios) / len(ratios))
    return ratio, IMAGENET_RULES.realism_most, {"free": mean_of(free), "tied": mean_of(tied), "ratio": ratio.value}


def baseline(rows: pd.DataFrame) -> Verdict:
    """Table 4's baseline from rows of experiment imagenet-shape-bias, method efficientnet-lite0, all stimuli."""
    theirs = select(published("imagenet-shape-bias"), dataset="cue-conflict", metric="shape-bias")

    def judge(network: str) -> Finding:
        bias = select(rows, dataset="cue-conflict", method=network, metric="shape-bias", stimuli="all")
        own = there(select(bias, normalisation="lite", enlarge=False), "shape bias on all stimuli")
        number, study = interval_of(own), mean_of(select(theirs, source="RS22", method="original"))
        by_way = {str(way): interval_of(rows) for way, rows in bias.groupby("params")}
        highest = max(each.high for each in by_way.values())
        ways = set(select(bias, normalisation="lite")["params"])
        others = [Interval.point(float(value)) for value in select(theirs, source="Geirhos")["value"]]
        others += [each for way, each in by_way.items() if way in ways]
        low, high = (pick(each.value for each in others) for pick in (min, max))
        margin = IMAGENET_RULES.baseline_margin
        status = Status.FAILS
        if highest < IMAGENET_RULES.texture_most:
            status = Status.HOLDS if low - margin <= study <= high + margin else Status.PARTLY
        place = "among them"
        if study > max(each.high for each in others):
            place = "above all of them, intervals included"
        elif study < min(each.low for each in others):
            place = "below all of them, intervals included"
        elif not low <= study <= high:
            place = "beside their values and within the interval of one of them"
        facts = {"bias": number, "low": low, "high": high, "study": study, "place": place}
        needs, printed = IMAGENET_RULES.texture_most, {"RS22 Table 4": study}
        finding = found("shape-bias-baseline", network, status, number, needs, own, printed, **facts)
        return replace(finding, flips_at=highest)

    return Verdict.of("shape-bias-baseline", rows, ("efficientnet-lite0",), judge)
