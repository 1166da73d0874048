"""The claims on ImageNet, judged from rows of the toy world and, where there are any, of photographs.

missing: what it takes to test a claim on photographs, for the finding that has no rows of them.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from cgnlib.errors import Blocked
from cgnlib.mnist.names import FACTORS
from cgnlib.statistics import Interval
from cgnreport.protocol.imagenet_settings import INCEPTIONS
from cgnreport.protocol.rows import select
from cgnreport.protocol.store import published
from cgnreport.protocol.summary import difference, interval_of, mean_of
from cgnreport.protocol.toy_settings import NOISE
from cgnreport.verdicts.control import (
    Checks,
    SuccessRate,
    blind_reader,
    cut_short,
    factor_checks,
    marginal,
    no_headroom,
)
from cgnreport.verdicts.model import STRENGTH, Check, Finding, Status, Verdict, found, there
from cgnreport.verdicts.rules import IMAGENET_RULES, RULES

IOU, FID, SCORE = "IoU of the masks", "FID", "Inception Score"  # conditions beside control over the factors


def claim1(rows: pd.DataFrame, missing: Blocked | None = None) -> Verdict:
    """Claim 1 from rows of experiments imagenet-control and imagenet-is, one trained CGN per random seed."""
    claim = "claim1-imagenet"
    scores = select(rows, experiment="imagenet-is")

    def in_toy_world() -> Finding:
        control = select(rows, experiment="imagenet-control", dataset="toy")
        ours = select(control, method="cgn", recipe="toy")
        teacher = select(control, method="biggan", metric="fid/tied")
        rate = SuccessRate.of(ours, "toy", "toy", lambda run: toy_checks(run, scores, teacher))
        there(rate.runs, "control, FID and Inception Score of a trained CGN and of its teacher")
        found_in = [check for checks in rate.runs for check in checks]
        worst: dict[str, Any] = {
            fact: pick((check.value.value for check in found_in if check.words == words), default=None)
            for fact, words, pick in (("overlap", IOU, min), ("distance", FID, max), ("score", SCORE, min))
        }
        finding = rate.finding(claim, ours, **worst)
        return finding.against(blind_reader(ours, FACTORS) or cut_short(ours))

    def on_imagenet() -> Finding:
        ours = by_published_network(select(scores, dataset="imagenet", recipe=["authors", "-"]))
        share, masks = inception_share(ours, "imagenet"), select(ours, method="cgn", metric="mask/mean")
        there(masks if share else (), "authors' CGN")
        theirs = select(published("imagenet-is"), source="SG21", method="cgn")
        mean, spread = (mean_of(select(theirs, metric=f"mask/{name}")) for name in ("mean", "deviation"))
        area, needed = mean_of(masks), published_share() - IMAGENET_RULES.score_share_margin
        holds = share >= needed and abs(area - mean) <= spread
        status = Status.HOLDS if holds else Status.FAILS
        facts = {"share": share, "area": area, "unit": "% of BigGAN's Inception Score"}
        facts |= {"by": str(masks["network"].iloc[0])} if "network" in masks else {}
        number, theirs = Interval.point(100 * share), {"SG21": published_share()}
        finding = found(claim, "imagenet", status, number, 100 * needed, masks, theirs, **facts)
        apart = Check("distance of the mean mask area from SG21's", Interval.point(abs(area - mean)), most=spread)
        return replace(finding, also=(apart,))

    judges = {"toy": in_toy_world, "imagenet": on_imagenet}
    return Verdict.of(claim, rows, judges, lambda world: judges[world](), "toy", missing)


def toy_checks(run: pd.DataFrame, scores: pd.DataFrame, teacher: pd.DataFrame) -> Checks | None:
    """The success rule of the toy world applied to the rows of one trained CGN; None when rows are missing.

    run: experiment imagenet-control, metrics as in `control_checks`, "iou/true" and "fid/tied". scores: Inception
    Scores of CGNs and their teacher; teacher: FIDs of the teacher's images. These are compared at one random seed.
    """
    seed = int(run["seed"].iloc[0])
    checks = factor_checks(run, FACTORS, {"iou/true": (IOU, IMAGENET_RULES.overlap_least)})
    distance = mean_of(select(run, metric="fid/tied")) / mean_of(select(teacher, seed=seed))  # NaN without rows
    share = inception_share(select(scores, seed=seed), "toy")
    if checks is None or not share or math.isnan(distance):
        return None
    checks.append(Check(FID, Interval.point(distance), most=IMAGENET_RULES.teacher_fid_most))
    checks.append(Check(SCORE, Interval.point(share), published_share()))
    return checks


def by_published_network(scores: pd.DataFrame) -> pd.DataFrame:
    """Of rows of imagenet-is those by the network of the published scores or, where there are none, by the other."""
    kinds = [select(scores, network=network) for network in INCEPTIONS] if "network" in scores else []
    return next((rows for rows in kinds if len(rows)), scores)


def inception_share(rows: pd.DataFrame, dataset: str) -> float:
    """Inception Score of the CGN over that of its teacher, from rows of imagenet-is; 0 where one is missing.

    The teacher's is that of the same files, where rows name these.
    """
    scores = select(rows, dataset=dataset, metric="inception-score")
    ours, teacher = select(scores, method="cgn"), select(scores, method="biggan")
    if "weights" in ours:
        teacher = select(teacher, weights=[None if pd.isna(each) else each for each in set(ours["weights"])])
    return 0.0 if ours.empty or teacher.empty else mean_of(ours) / mean_of(teacher)


def published_share() -> float:
    """What SG21 report: the CGN's Inception Score as a share of BigGAN's."""
    return inception_share(select(published("imagenet-is"), source="SG21"), "imagenet")


def claim2(rows: pd.DataFrame, missing: Blocked | None = None) -> Verdict:
    """Claim 2 from rows of experiment imagenet-background, at the last epoch."""
    gaps = select(published("imagenet-ood"), metric="bg-gap", recipe=["authors", "-"])
    theirs = {
        str(source): mean_of(select(table, method="original+cgn")) - mean_of(select(table, method="original"))
        for source, table in gaps.groupby("source")
    }

    def judge(world: str) -> Finding:
        test = select(rows, experiment="imagenet-background", dataset=world, epoch="last")
        base = there(as_published(test, "original", "bg-gap"), "background gap of 'original'")
        ours = there(as_published(test, "original+cgn", "bg-gap/change"), "background gap of 'original+cgn'")
        status, change, random = narrowed(test, "original+cgn")
        gap, generated = (as_published(test, method, "bg-gap") for method in ("original+cgn", "original+gan"))
        beside = None if generated.empty else difference(gap, generated)
        if beside is not None and beside.high >= 0 and status is Status.HOLDS:
            status = Status.PARTLY
        facts = {"method": "original+cgn", "change": change, "random": random, "beside": beside}
        facts |= {"before": mean_of(base), "after": mean_of(gap)}
        finding = found("claim2-imagenet", world, status, change, 0.0, ours, theirs, **facts)
        least, on_random = -IMAGENET_RULES.random_margin, "lower end of the change on random backgrounds"
        also = [Check(on_random, Interval.point(random.low), least=least)]
        also += [Check("upper end against 'original+gan'", Interval.point(beside.high), most=0.0)] if beside else []
        again = Status.HOLDS if change.high < 0 else Status.FAILS
        finding = replace(finding, as_study=again, also=tuple(also))
        return finding.against(_no_gap_to_narrow(test) or cut_short(ours))

    return Verdict.of("claim2-imagenet", rows, ("toy", "imagenet-9"), judge, "toy", missing)


def as_published(rows: pd.DataFrame, method: str, metric: str) -> pd.DataFrame:
    """Rows of imagenet-background read as published: off the shape and texture heads together or, of 'original', off
    all heads.
    """
    return select(rows, method=method, metric=metric, output="avg" if method == "original" else "shape_texture")


def narrowed(test: pd.DataFrame, method: str) -> tuple[Status, Interval, Interval]:
    """Whether a method narrows the background gap of 'original' by the rule, and how it changes the gap and accuracy on
    random backgrounds.
    """
    change = interval_of(as_published(test, method, "bg-gap/change"))
    pair = (as_published(test, name, "accuracy/mixed-rand") for name in (method, "original"))
    random = difference(*pair, splits=set(test["data"]) == {"photographs"})
    if change.high >= 0:
        return Status.FAILS, change, random
    kept = random.low > -IMAGENET_RULES.random_margin
    return Status.HOLDS if kept else Status.PARTLY, change, random


def _no_gap_to_narrow(test: pd.DataFrame) -> Blocked | None:
    """Why no method could show that it narrows the background gap; None where one could."""
    gap = interval_of(as_published(test, "original", "bg-gap"))
    if gap.low <= 0:
        return Blocked(f"'original' has no background gap ({gap.text()} points)")
    if "toy" not in set(test["dataset"]):
        return None  # of photographs nobody has free factors
    if as_published(test, "original+oracle", "bg-gap/change").empty:
        return Blocked("no rows of 'original+oracle'")
    status, change, _ = narrowed(test, "original+oracle")
    if status is Status.HOLDS:
        return None
    by = change.text(signed=True)
    return Blocked(f"truly free factors ('original+oracle') do not narrow the gap by the rule ({by} points)")


def claim3(rows: pd.DataFrame, missing: Blocked | None = None) -> Verdict:
    """Claim 3 from rows of experiment imagenet-indomain, all heads together at the last epoch: accuracy/top1 or, in the
    toy world where no loss could show in that, accuracy on noisy images.
    """
    changes = select(published("imagenet-indomain"), source="RS22", metric="accuracy/top1/change")
    test = select(rows, experiment="imagenet-indomain", output="avg", epoch="last")

    def judge(world: str) -> Finding:
        accuracies, theirs = select(test, dataset=world), {"RS22 Table 4": mean_of(changes)}
        oracle = "original+oracle" if world == "toy" else ""
        methods = ("original", "original+cgn", oracle)
        read = select(accuracies, metric="accuracy/top1")
        finding = marginal("claim3-imagenet", world, read, "original+cgn", theirs, oracle)
        if world == "toy" and no_headroom(read, methods):
            noisy = _noisy(accuracies, methods)
            if isinstance(noisy, Blocked):
                return replace(finding, untested=noisy)
            noise, read = noisy
            finding = marginal("claim3-imagenet", world, read, "original+cgn", theirs, oracle)
            because = f"on images with {noise:.0f} % noise; clean ones are all read"
            finding = replace(finding, facts={**finding.facts, "noise": noise, "because": because})
        return finding

    return Verdict.of("claim3-imagenet", rows, ("toy", "imagenet-mini"), judge, "toy", missing)


def _noisy(test: pd.DataFrame, methods: Sequence[str]) -> tuple[float, pd.DataFrame] | Blocked:
    """The mildest noise that leaves 'original' room for a loss, in percent of the range of grey values, and accuracies
    with it.

    Blocked where classifiers of the methods differ in number or are too few, and where no noise leaves room.
    """
    clean = select(test, metric="accuracy/top1", method=list(methods))
    enough = min(RULES.seeds_for_interval, *(len(select(clean, method=name)) for name in methods))
    for severity, deviation in NOISE.items():
        read = select(test, metric=f"accuracy/noise-{severity}", method=list(methods))
        seeds = {frozenset(select(read, method=name)["seed"]) for name in methods}
        if len(seeds) > 1 or len(*seeds) < enough:
            counts = ", ".join(f"{len(select(read, method=name))} of '{name}'" for name in methods)
            remedy = "python -m cgnreport.protocol.toy_world --fresh, with --seed 0, 1 and 2"
            return Blocked(f"all read every clean image, and too few were read on noisy ones ({counts})", remedy)
        if mean_of(select(read, method="original")) <= IMAGENET_RULES.noisy_most:
            return 100 * deviation, read
    return Blocked("no headroom: 'original' reads noisy images, too")


def heads(rows: pd.DataFrame, missing: Blocked | None = None) -> Verdict:
    """Table 4's shape biases from rows of experiment imagenet-shape-bias, by head, at the last epoch."""
    theirs = select(published("imagenet-shape-bias"), source="RS22", dataset="cue-conflict", metric="shape-bias")
    names = theirs["output"].replace("-", "RS22 Table 4")
    last = select(rows, experiment="imagenet-shape-bias", epoch="last", enlarge=[None, False])

    def judge(world: str) -> Finding:
        test = select(last, dataset=world)
        bias = select(test, metric="shape-bias")
        base, shape, texture = (there(each, "shape biases of each head") for each in _heads(bias, "original+cgn"))
        apart = difference(shape, base), difference(base, texture)
        least, status = min(apart, key=lambda each: each.low), STRENGTH[sum(each.low > 0 for each in apart)]
        named = interval_of(there(_named(test, "original+cgn"), "shares of images in which a head names a cue"))
        if status is Status.HOLDS and named.low <= IMAGENET_RULES.named_least:
            status = Status.PARTLY
        facts = {"base": interval_of(base), "shape": interval_of(shape), "texture": interval_of(texture)}
        facts |= {"named": named, "asked": IMAGENET_RULES.named_least}
        printed = dict(zip(names, theirs["value"], strict=True))
        finding = found("heads-imagenet", world, status, least, 0.0, shape, printed, method="original+cgn", **facts)
        shown = Check("lower end of how often the shape head names the shape", Interval.point(named.low))
        finding = replace(finding, also=(replace(shown, least=IMAGENET_RULES.named_least),))
        return finding.against(_unparted_oracle(bias) or cut_short(shape)) if world == "toy" else finding

    return Verdict.of("heads-imagenet", rows, ("toy", "cue-conflict"), judge, "toy", missing)


def _heads(bias: pd.DataFrame, method: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Shape biases of 'original', all heads together, and of a method's shape and texture head."""
    shape, texture = (select(bias, method=method, output=head) for head in ("shape", "texture"))
    return select(bias, method="original", output="avg"), shape, texture


def _named(test: pd.DataFrame, method: str) -> pd.DataFrame:
    """Rows of the percentage of images in which the shape head of a method names the class of the shape."""
    decided, bias = (select(test, method=method, output="shape", metric=each) for each in ("decided", "shape-bias"))
    run = ["run", "seed"]
    both = decided.merge(bias[[*run, "value"]], on=run, how="left", suffixes=("", "_bias"), validate="one_to_one")
    return both.assign(value=both["value"] * both["value_bias"].fillna(0.0) / 100)


def _unparted_oracle(bias: pd.DataFrame) -> Blocked | None:
    """That the heads of the positive control do not part; None where they do."""
    base, shape, texture = _heads(bias, "original+oracle")
    if shape.empty or texture.empty:
        return Blocked("no rows of 'original+oracle'")
    if min(difference(shape, base).low, difference(base, texture).low) > 0:
        return None
    of_shape, of_texture = (interval_of(rows).text() for rows in (shape, texture))
    return Blocked(f"the heads of 'original+oracle' do not part: {of_shape} % for shape, {of_texture} % for texture")
