"""Tables on where accuracies of MNIST's classifiers and published ones part, and what may explain it."""

import math
from typing import Any

import pandas as pd

from cgnlib.plotting import METHOD_LABELS, RECIPE_LABELS, VARIANT_LABELS
from cgnlib.results import SOURCES, beside_published, select
from cgnlib.statistics import Interval

_LAST, _BEST = "accuracy/test/last", "accuracy/test/best"
SEED_EPOCHS = 30  # of the classifiers in the seed's Tables 2 and 6, by its code
_GAP_COLUMNS = ["variant", "training data", "CGN from", "source", "published"]
_GAP_COLUMNS += ["last epoch", "best epoch", "in the latter"]  # also of a table without lines


def published_gaps(rows: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Published accuracies outside our 95 % interval at the last epoch, a line each, and how many were compared.

    Beside each ours at the best test epoch, which is what the seed reports, and whether the published number lies in
    that interval. rows: of mnist-ood. Our recipe is left out: no published number is of it.
    """
    beside = beside_published(rows)
    beside = beside.loc[beside["recipe"] != "robust"]
    best = {_setting(line): line for line in select(beside, metric=_BEST).to_dict("records")}
    lines, compared = [], 0
    for last in select(beside, metric=_LAST).to_dict("records"):
        for source in SOURCES:
            if math.isnan(value := last[source]):
                continue
            compared += 1
            chosen = best[_setting(last)]
            if not _inside(value, last):
                lines.append(
                    {
                        "variant": VARIANT_LABELS[last["dataset"]],
                        "training data": METHOD_LABELS[last["method"]],
                        "CGN from": RECIPE_LABELS.get(last["recipe"], "–"),
                        "source": source,
                        "published": value,
                        "last epoch": _text(last),
                        "best epoch": _text(chosen),
                        "in the latter": "yes" if _inside(value, chosen) else "no",
                    }
                )
    return pd.DataFrame(lines, columns=_GAP_COLUMNS), compared


def gaps_sentence(gaps: pd.DataFrame, compared: int) -> str:
    """In words, how many published numbers lie outside our interval, and for how many the epoch explains it."""
    if gaps.empty:
        return f"All {compared} published numbers lie in our 95 % intervals."
    explained = list(gaps["in the latter"]).count("yes")
    return (
        f"{len(gaps)} of {compared} published numbers lie outside our 95 % interval at the last epoch; "
        f"choosing the best epoch explains {explained} of them."
    )


def sg21_readings(rows: pd.DataFrame) -> pd.DataFrame:
    """SG21's one row "CGN" beside both kinds of training data that it may mean, for the authors' weights.

    A line per variant for which both were trained: SG21, ours as texts with intervals, and the nearer one, or "no
    telling" where their intervals overlap. rows: of mnist-ood.
    """
    beside = select(beside_published(rows), recipe="authors", metric=_LAST)
    lines = []
    for variant, label in VARIANT_LABELS.items():
        own = {line["method"]: line for line in select(beside, dataset=variant).to_dict("records")}
        if not {"cgn", "original+cgn"} <= set(own):
            continue
        value = own["original+cgn"]["SG21"]
        both = {METHOD_LABELS[method]: own[method] for method in ("cgn", "original+cgn")}
        nearer = min(both, key=lambda name: abs(both[name]["mean"] - value))
        if max(line["low"] for line in both.values()) <= min(line["high"] for line in both.values()):
            nearer = "no telling"
        lines.append(
            {"variant": label, "SG21": value}
            | {name: _text(line) for name, line in both.items()}
            | {"nearer to SG21": nearer}
        )
    return pd.DataFrame(lines)


def _setting(line: dict[Any, Any]) -> tuple[str, ...]:
    return tuple(line[name] for name in ("dataset", "method", "recipe", "profile", "data", "params"))


def _inside(value: float, line: dict[Any, Any]) -> bool:
    return line["low"] <= value <= line["high"]


def _text(line: dict[Any, Any]) -> str:
    return Interval(line["mean"], line["low"], line["high"], line["kind"]).text()
