"""Builders of rows for the tests of verdicts. `classifiers` and `control` are of MNIST, `toy` is of the toy world."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from cgnlib.imagenet.recipes import TOY_CGN
from cgnlib.mnist.names import FACTORS, FACTORS_OF
from cgnreport.protocol.rows import Row, frame_of

Line = dict[str, Any]
UNITS = {
    "fid": "distance", "iou": "fraction", "mask": "fraction", "inception-score": "score", "bg-gap": "points",
    "sensitivity": "ratio",
}  # fmt: skip


def frame(*lines: Line, **about: Any) -> pd.DataFrame:
    """Rows as they are loaded. What a line leaves out is as in rows of Table 2, of one seed and `wildlife`."""
    base: Line = {
        "experiment": "mnist-ood", "dataset": "wildlife", "method": "cgn", "metric": "accuracy/test", "epoch": "last",
        "value": 50.0, "n": 10_000, "seed": 0, "profile": "quick", "data": "mnist-full+dtd",
    }  # fmt: skip
    rows = []
    for line in lines:
        given = base | line | about
        given.setdefault("unit", UNITS.get(given["metric"].split("/")[0], "percent"))
        given.setdefault("recipe", "robust" if "cgn" in given["method"] else "-")
        rows.append(Row(**given).cells())
    return frame_of(rows)


def classifiers(method: str, values: Sequence[float], *, cgns: int = 1, about: Line | None = None) -> list[Line]:
    """Accuracies of classifiers with seeds 0, 1, ..., on images of each of some CGNs."""
    named = [{"cgn_seed": cgn} for cgn in range(cgns)] if "cgn" in method else [{}]
    return [
        {"method": method, "value": value, "seed": seed, "params": params} | (about or {})
        for params in named
        for seed, value in enumerate(values)
    ]


def accuracies(metric: str = "accuracy/test", oracle: float = 98.0, **values: tuple[float, float]) -> pd.DataFrame:
    """Accuracies of original, original+cgn and oracle by variant (with _ for -)."""
    return frame(
        *(
            {"dataset": name.replace("_", "-"), "method": method, "metric": metric, "value": value}
            for name, pair in values.items()
            for method, value in zip(("original", "original+cgn", "oracle"), (*pair, oracle), strict=True)
        )
    )


def control(
    variant: str, diagonal: float = 95.0, other: float = 11.0, reader: float = 100.0, area: float = 0.2,
    diversity: float = 0.08, cgns: int = 5, **more: Any,
) -> list[Line]:  # fmt: skip
    """Rows of CGNs of MNIST, all of which meet every condition; of one CGN with a seed of its own in `more`."""
    if "seed" not in more and cgns > 1:
        given = {key: value for key, value in locals().items() if key not in ("cgns", "more")}
        params = more.pop("params", {})
        runs = [{"seed": seed, "params": params | {"cgn_seed": seed}} for seed in range(cgns)]
        return [line for run in runs for line in control(**given, **more, **run)]
    factors = FACTORS_OF[variant]
    values = {f"control/{a}/{b}": diagonal if a == b else other for a in factors for b in factors}
    values |= {f"reader/{factor}": reader for factor in factors} | {"mask/area": area, "mask/diversity": diversity}
    about = {"experiment": "mnist-control", "dataset": variant, "epoch": "-", "n": 2000} | more
    return [about | {"metric": metric, "value": value} for metric, value in values.items()]


def toy(experiment: str, method: str, values: Mapping[str, float], seed: int = 0, **about: Any) -> list[Line]:
    """Rows of the toy world; those of a CGN name it and its length."""
    of_cgn = "cgn" in method
    base = {
        "experiment": experiment, "dataset": "toy", "method": method, "recipe": "toy" if of_cgn else "-", "n": 1000,
        "seed": seed, "data": "toy-world", "epoch": "-",
        "params": {"cgn_updates": TOY_CGN.updates, "cgn_seed": 0} if of_cgn else {"data_seed": 0},
    }  # fmt: skip
    return [base | {"metric": metric, "value": value} | about for metric, value in values.items()]


def trained_cgn(
    fid: float = 40.0, iou: float = 0.8, score: float = 9.0, diagonal: float = 95.0, other: float = 11.0,
    reader: float = 99.0, updates: int = TOY_CGN.updates, seed: int = 0,
) -> list[Line]:  # fmt: skip
    """Rows of one CGN of the toy world, which meets every condition; its teacher has FID 25 and Inception Score 10."""
    values = {f"control/{a}/{b}": diagonal if a == b else other for a in FACTORS for b in FACTORS}
    values |= {f"reader/{factor}": reader for factor in FACTORS} | {"iou/true": iou, "fid/tied": fid}
    ours = {"seed": seed, "params": {"cgn_updates": updates, "cgn_seed": seed}}
    return [
        *toy("imagenet-control", "cgn", values, **ours),
        *toy("imagenet-control", "biggan", {"fid/tied": 25.0}, seed),
        *toy("imagenet-is", "cgn", {"inception-score": score}, **ours),
        *toy("imagenet-is", "biggan", {"inception-score": 10.0}, seed),
    ]
