"""Tables on the training of MNIST's CGNs: how often it succeeds, what parts of the recipe give, how far runs spread."""

import json
import math
from collections.abc import Sequence
from statistics import stdev

import pandas as pd

from cgnlib.plotting import FACTOR_LABELS, METHOD_LABELS, QUALITY_METRICS, RECIPE_LABELS, VARIANT_LABELS
from cgnlib.results import interval_of, published, seed_groups, select
from cgnlib.statistics import Interval, mean_difference_interval, nested_interval, rank_correlation
from cgnlib.verdicts import SuccessRate, success_rates


def success_table(rows: pd.DataFrame) -> pd.DataFrame:
    """A line per variant and recipe: trainings, how many succeed, with Wilson interval, what failed; the seed's rate.

    rows: of experiments mnist-control or mnist-training.
    """
    theirs = published("mnist-success")
    lines = []
    for rate in _ordered(success_rates(rows)):
        own = select(rows, dataset=rate.variant, recipe=rate.recipe)
        seed = select(theirs, dataset=rate.variant, recipe=rate.recipe, source="seed")["value"]
        images = {json.loads(text).get("cgn_images") for text in own["params"]}
        lines.append(
            {
                "variant": VARIANT_LABELS[rate.variant],
                "CGN from": RECIPE_LABELS[rate.recipe],
                "images seen": f"{max(images):,}" if None not in images else "–",
                "succeed": f"{rate.succeeded} of {rate.trained}",
                "% [95 %]": rate.interval.text(0),
                "seed, %": float(seed.iloc[0]) if len(seed) else math.nan,
                "failed": ", ".join(words.removeprefix("control over ") for words in rate.failed) or "–",
            }
        )
    return pd.DataFrame(lines)


def success_sentence(rows: pd.DataFrame, recipe: str) -> str:
    """In words, how many CGNs of a recipe succeed in each variant, and what stood in for VGG16."""
    rates = [rate for rate in _ordered(success_rates(rows)) if rate.recipe == recipe]
    if not rates:
        return f"{RECIPE_LABELS[recipe]}: no training counted".capitalize()
    counted = (
        f"{r.succeeded} of {r.trained} on {r.variant} ({r.interval.low:.0f} to {r.interval.high:.0f} %)" for r in rates
    )
    features = {json.loads(text).get("features") for text in select(rows, recipe=recipe)["params"]}
    stand_in = "; EfficientNet-Lite0 in place of VGG16" if "efficientnet-lite0" in features else ""
    return f"{RECIPE_LABELS[recipe].capitalize()}: {', '.join(counted)}{stand_in}"


def training_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of mnist-training, a line per variant and training: factors recovered, masks, accuracy, beside our recipe's.

    The accuracy as a string with its 95 % interval: over CGNs where there are three, else over images. CGNs: those
    behind the means; a training that stopped leaves none.
    """
    lines = []
    pairs = dict.fromkeys(zip(rows["dataset"], rows["recipe"], strict=True))
    for variant, recipe in sorted(pairs, key=_place):
        own = select(rows, dataset=variant, recipe=recipe)
        ours = select(rows, dataset=variant, recipe="robust", metric=QUALITY_METRICS[1])
        reached = select(own, metric=QUALITY_METRICS[1])
        change = interval_of(reached).value - interval_of(ours).value if len(ours) and len(reached) else math.nan
        lines.append(
            {"variant": VARIANT_LABELS[variant], "training": RECIPE_LABELS[recipe]}
            | {f"{name}, %": _mean(own, f"control/{factor}/{factor}") for factor, name in FACTOR_LABELS.items()}
            | {name: f"{_mean(own, f'mask/{name}'):.2f}" for name in ("area", "diversity")}
            | {"accuracy, %": interval_of(reached).text() if len(reached) else "–"}
            | {"− ours": "–" if math.isnan(change) or recipe == "robust" else f"{change:+.1f}".replace("-", "−")}
            | {"CGNs": len(reached)}
        )
    return pd.DataFrame(lines)


def widest_factor_spread(rows: pd.DataFrame) -> tuple[float, str] | None:
    """The largest standard deviation, in points, of the share of a requested factor that is recovered, between CGNs of
    one variant and training with at least three, and where it is. rows: of mnist-training."""
    found = []
    for variant, recipe in dict.fromkeys(zip(rows["dataset"], rows["recipe"], strict=True)):
        for factor, name in FACTOR_LABELS.items():
            own = select(rows, dataset=variant, recipe=recipe, metric=f"control/{factor}/{factor}")["value"].tolist()
            if len(own) >= 3:
                found.append((stdev(own), f"{name}, {VARIANT_LABELS[variant]}, {RECIPE_LABELS[recipe]}"))
    return max(found, default=None)


def change_sentences(rows: pd.DataFrame) -> list[str]:
    """What each change to our recipe does, a sentence each: successes over all variants beside ours, and on which
    variants the accuracy is clearly lower or higher (Welch interval over three or more CGNs on both sides).

    rows: of mnist-training.
    """
    rates = success_rates(rows)
    sentences = []
    for recipe in [name for name in RECIPE_LABELS if name not in ("authors", "robust", "paper")]:
        pairs = [
            (r, o) for r in rates for o in rates if (r.recipe, o.recipe, o.variant) == (recipe, "robust", r.variant)
        ]
        if not pairs:
            continue
        succeeded, trained, ours, of = (
            sum(getattr(pair[side], name) for pair in pairs) for side in (0, 1) for name in ("succeeded", "trained")
        )
        changes: dict[str, list[str]] = {"lower": [], "higher": []}
        compared = 0
        for rate, _ in pairs:
            changed, base = (
                select(rows, dataset=rate.variant, recipe=name, metric=QUALITY_METRICS[1])["value"].tolist()
                for name in (recipe, "robust")
            )
            if min(len(changed), len(base)) < 3:
                continue
            compared += 1
            change = mean_difference_interval(changed, base)
            if change.low > 0 or change.high < 0:
                where = f"{rate.variant} by {abs(change.value):.1f} [{min(abs(change.low), abs(change.high)):.1f}, "
                where += f"{max(abs(change.low), abs(change.high)):.1f}] points"
                changes["higher" if change.low > 0 else "lower"].append(where)
        words = [f"accuracy clearly {side} on {', '.join(where)}" for side, where in changes.items() if where]
        if not words:
            words = ["no clear change of accuracy" if compared else "too few CGNs to compare accuracies"]
        label = RECIPE_LABELS[recipe].removeprefix("ours, ").capitalize()
        sentences.append(f"{label}: {succeeded} of {trained} succeed (ours {ours} of {of}); {'; '.join(words)}.")
    return sentences


def correlation_words(found: Interval) -> str:
    """What a rank correlation says, by its interval."""
    if math.isnan(found.low):
        return "no interval, the order is perfect"
    if found.low <= 0 <= found.high:
        return "undecided, the interval holds 0"
    return "they go together" if found.low > 0 else "one falls as the other rises"


def quality_correlations(rows: pd.DataFrame) -> dict[str, tuple[Interval, int]]:
    """By variant: rank correlation of the share of masks read right with the accuracy, and of how many trainings.

    Over means of each way of training: its CGNs are not independent of each other. rows: of mnist-training. Variants
    with fewer than four ways are left out.
    """
    found = {}
    for variant in VARIANT_LABELS:
        own = [select(rows, dataset=variant, recipe=recipe) for recipe in RECIPE_LABELS]
        pairs = [[_mean(each, metric) for metric in QUALITY_METRICS] for each in own]
        pairs = [pair for pair in pairs if not any(math.isnan(value) for value in pair)]
        x, y = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        if len(x) >= 4 and len(set(x)) > 1 and len(set(y)) > 1:
            found[variant] = (rank_correlation(x, y), len(x))
    return found


def spread_table(rows: pd.DataFrame) -> pd.DataFrame:
    """How far single runs lie apart: a line per variant, kind of training data and recipe with two or more runs.

    rows: of one metric. SD: standard deviations, in points: between CGNs (with the classifiers' part taken
    out where a CGN has several), and between classifiers of one CGN or, where there is none, of one kind of data.
    """
    lines = []
    keys = dict.fromkeys(zip(rows["dataset"], rows["method"], rows["recipe"], strict=True))
    for variant, method, recipe in sorted(keys, key=lambda key: (_place((key[0], key[2])), key[1])):
        own = select(rows, dataset=variant, method=method, recipe=recipe)
        if len(own) < 2:
            continue
        cgns = len({json.loads(text).get("cgn_seed") for text in own["params"]} - {None})
        nested = nested_interval(seed_groups(own)) if cgns > 1 else None
        inner = nested.inner_deviation if nested else stdev(float(value) for value in own["value"])
        lines.append(
            {
                "variant": VARIANT_LABELS[variant],
                "training data": METHOD_LABELS[method],
                "CGN from": RECIPE_LABELS.get(recipe, "–"),
                "CGNs": str(cgns or "–"),
                "runs": len(own),
                "mean [95 %]": interval_of(own).text(),
                "lowest": own["value"].min(),
                "highest": own["value"].max(),
                "SD, CGNs": nested.outer_deviation if nested else math.nan,
                "SD, classifiers": math.nan if inner is None else inner,
            }
        )
    return pd.DataFrame(lines)


def _mean(rows: pd.DataFrame, metric: str) -> float:
    own = select(rows, metric=metric)
    return interval_of(own).value if len(own) else math.nan


def _place(key: tuple[str, str]) -> tuple[int, int]:
    """Where a variant and recipe stand in tables."""
    recipes = [*RECIPE_LABELS, "-"]
    return list(VARIANT_LABELS).index(key[0]), recipes.index(key[1])


def _ordered(rates: Sequence[SuccessRate]) -> list[SuccessRate]:
    return sorted(rates, key=lambda rate: _place((rate.variant, rate.recipe)))
