"""The claims on MNIST, judged from rows: one function a claim, for CGNs of one recipe."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from cgnlib.errors import Blocked
from cgnlib.mnist.names import FACTORS_OF, VARIANTS
from cgnlib.statistics import Interval
from cgnreport.protocol.rows import select
from cgnreport.protocol.store import published
from cgnreport.protocol.summary import difference, difference_over_runs, interval_of
from cgnreport.verdicts.control import SuccessRate, blind_reader, control_checks, cut_short, failed_control, marginal
from cgnreport.verdicts.model import Check, Finding, Status, Verdict, found, there
from cgnreport.verdicts.rules import RULES

COUNTERFACTUAL_METHODS = ("cgn", "original+cgn")
_STUDY_TABLES = {"paper": "RS22 Table 2", "authors": "RS22 Table 6"}  # of claim 2, by method


def claim1(rows: pd.DataFrame, recipe: str = "robust", variants: Sequence[str] = VARIANTS) -> Verdict:
    """Claim 1 from rows of experiment mnist-control, one trained CGN per random seed."""

    def judge(variant: str) -> Finding:
        ours = select(rows, dataset=variant, method="cgn", recipe=recipe)
        rate = SuccessRate.of(ours, variant, recipe, lambda run: control_checks(run, variant))
        there(rate.runs, "control of a trained CGN")
        theirs = select(published("mnist-success"), dataset=variant, metric="success/rate").set_index("source")["value"]
        finding = rate.finding("claim1-mnist", ours, theirs.to_dict(), recipe=recipe)
        return finding.against(blind_reader(ours, FACTORS_OF[variant]) or cut_short(ours))

    verdict = Verdict.of("claim1-mnist", rows, variants, judge, recipe)
    background = any("background" in FACTORS_OF[each.variant] for each in verdict.tested)
    return verdict if background else replace(verdict, cap="Control over the background is not tested.")


def claim2(
    rows: pd.DataFrame, recipe: str = "robust", variants: Sequence[str] = VARIANTS, method: str = "original+cgn"
) -> Verdict:
    """Claim 2 from rows of experiment mnist-ood, accuracy/test at the last epoch; the study's finding at the best.

    method: as in `claim3`, so that both claims are judged on the same classifiers.
    """

    def judge(variant: str) -> Finding:
        measured = select(rows, dataset=variant, metric="accuracy/test")
        test = select(measured, epoch="last")
        base = there(select(test, method="original"), "accuracies of 'original'")
        ours = there(select(test, method=method, recipe=recipe), f"accuracies of '{method}'")
        accuracy, gain = interval_of(ours), difference(ours, base)
        chosen = select(measured, method=method, recipe=recipe, epoch="best")
        best = interval_of(chosen if len(chosen) else ours)
        theirs, margin = published_values("mnist-ood", variant, method, "accuracy/test"), RULES.published_margin
        least = theirs["SG21"] - margin
        study = theirs.get(_STUDY_TABLES.get(recipe, ""))
        again = study is not None and best.low - margin <= study <= best.high + margin
        reached = {"status": accuracy.high >= least, "as_study": again}
        said = {
            name: Status.FAILS if gain.low <= 0 else Status.HOLDS if near else Status.PARTLY
            for name, near in reached.items()
        }
        facts = {"method": method, "change": gain, "accuracy": accuracy, "least": least}
        facts |= {"because": f"accuracy {accuracy.value:.1f} %, upper end {accuracy.high:.1f}, needs {least:.1f}"}
        finding = found("claim2-mnist", variant, said["status"], gain, 0.0, ours, theirs, **facts)
        also = (Check("upper end of the accuracy", Interval.point(accuracy.high), least=least),)
        finding = replace(finding, as_study=said["as_study"], also=also)
        return finding.against(failed_control(test) or cut_short(ours))

    return Verdict.of("claim2-mnist", rows, variants, judge, recipe)


def claim3(
    rows: pd.DataFrame, recipe: str = "robust", variants: Sequence[str] = VARIANTS, method: str = "original+cgn"
) -> Verdict:
    """Claim 3 from rows of experiment mnist-indomain, accuracy/indomain at the last epoch.

    method: the claim is about counterfactuals beside original data; "cgn" applies its rule to counterfactuals alone.
    """

    def judge(variant: str) -> Finding:
        test = select(rows, dataset=variant, metric="accuracy/indomain", epoch="last", recipe=["-", recipe])
        before, after = (
            published_values("mnist-indomain", variant, name, "accuracy/indomain") for name in ("original", method)
        )
        theirs = {source: after[source] - before[source] for source in after if source in before}
        return marginal("claim3-mnist", variant, test, method, theirs, "oracle")

    return Verdict.of("claim3-mnist", rows, variants, judge, recipe)


def gradcam(rows: pd.DataFrame, recipe: str = "robust", variants: Sequence[str] = ("double-colored",)) -> Verdict:
    """Figure 3 from rows of experiment mnist-gradcam, sensitivity/colour-over-digit (a ratio)."""

    def judge(variant: str) -> Finding:
        seen = _of_one_precision(select(rows, dataset=variant), recipe)
        maps = select(seen, metric="sensitivity/colour-over-digit")
        base = there(select(maps, method="original"), "heat-map sensitivities of 'original'")
        ours = there(_counterfactual(maps, recipe), "heat-map sensitivities of a counterfactual method")[0]
        before, after, change = interval_of(base).value, interval_of(ours).value, difference_over_runs(ours, base)
        needed = -RULES.colour_drop_least / 100 * before
        status = Status.FAILS
        if after <= before + needed and change is not None and change.high < 0:
            status = Status.HOLDS if after < 1 else Status.PARTLY
        facts = {"method": ours["method"].iloc[0], "before": before, "after": after, "change": change}
        number = change or Interval.point(after - before)
        finding = found("gradcam-mnist", variant, status, number, 0.0, ours, **facts)
        limits = {"change": (number.value, needed), "colour over digit": (after, 1.0)}
        also = tuple(Check(what, Interval.point(value), most=most) for what, (value, most) in limits.items())
        finding = replace(finding, also=also)
        themes, least = select(seen, metric="accuracy/themes"), RULES.heat_map_classifiers
        there_are = min(len(base), len(ours))
        few = Blocked(f"{there_are} of {least} classifiers") if there_are < least else None
        return finding.against(failed_control(themes, bound=False) or cut_short(ours) or few)

    return Verdict.of("gradcam-mnist", rows, variants, judge, recipe)


def _of_one_precision(maps: pd.DataFrame, recipe: str) -> pd.DataFrame:
    """Rows of mnist-gradcam of classifiers trained in one precision, which heat maps depend on: of both kinds that are
    compared there are the most; else on original images.
    """

    def there_are(rows: pd.DataFrame) -> tuple[int, int]:
        rows = select(rows, metric="sensitivity/colour-over-digit")
        base, ours = len(select(rows, method="original")), _counterfactual(rows, recipe)
        return min(base, len(ours[0]) if ours else 0), base

    return max((select(maps, precision=each) for each in (None, "bfloat16")), key=there_are)


def published_values(experiment: str, variant: str, method: str, metric: str) -> dict[str, float]:
    """Values of each of the study's tables, and of SG21, whose one CGN row may be either counterfactual method."""
    lines = select(published(experiment), dataset=variant, metric=metric)
    study = select(lines, source="RS22", method=method)
    either = COUNTERFACTUAL_METHODS if method in COUNTERFACTUAL_METHODS else method
    named = {f"RS22 Table {table}": value for table, value in zip(study["table"], study["value"], strict=True)}
    sg21 = select(lines, source="SG21", method=either)
    return named | dict(zip(sg21["source"], sg21["value"], strict=True))


def _counterfactual(rows: pd.DataFrame, recipe: str) -> list[pd.DataFrame]:
    """Rows of each counterfactual method that has any."""
    frames = (select(rows, method=method, recipe=recipe) for method in COUNTERFACTUAL_METHODS)
    return [frame for frame in frames if len(frame)]
