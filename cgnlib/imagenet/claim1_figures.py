"""Tables and image sheets of claim 1 at ImageNet: what notebook 07 shows, from rows and from a `ToyStudy`."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from cgnlib.imagenet import control, published_cgn
from cgnlib.imagenet.cgn import ImageNetCGN, Parts
from cgnlib.imagenet.control import Measured, as_images
from cgnlib.imagenet.sampling import FACTORS, Sampling, draw
from cgnlib.imagenet.study import NAMES, ToyStudy
from cgnlib.imagenet.training import sample_classes
from cgnlib.images import to_uint8
from cgnlib.plotting import GENERATOR_LABELS
from cgnlib.results import ResultsError, interval_of, published, select, summarise
from cgnlib.statistics import mean_interval
from cgnlib.verdicts import RULES

# Rows of a sheet: short, since ten images of 64 pixels at twice their size leave little room beside them.
LABELS = {
    "premask": "pre-\nmask",
    "mask": "mask",
    "foreground": "fore-\nground",
    "background": "back-\nground",
    "image": "com-\nposed",
}
TRIPLES = Sampling(16, "random", seed=7)  # the labels and noise of Figure 7's toy twin, drawn once and for all
GALLERY = 10  # images of a failure gallery


# --- Tables -----------------------------------------------------------------------------------------------------------


def table_3(rows: pd.DataFrame) -> pd.DataFrame:
    """Table 3 from rows of imagenet-is and imagenet-control of the toy world: a line per kind of image, as strings."""
    columns = {
        "Inception Score": "inception-score",
        "mask mean": "mask/mean",
        "± spread": "mask/deviation",
        "IoU, true object": "iou/true",
        "IoU, teacher's": "iou/teacher",
        "FID, tied": "fid/tied",
        "FID, free": "fid/free",
    }
    lines = []
    for method in ("real", "biggan", "cgn"):
        found = select(rows, dataset="toy", method=method)
        cells = {name: _cell(select(found, metric=metric)) for name, metric in columns.items()}
        scores = select(found, metric="inception-score")
        lines.append({"images": GENERATOR_LABELS[method], **cells, "n": min(scores["n"]), "runs": len(scores)})
    return pd.DataFrame(lines)


def oracle_table(rows: pd.DataFrame) -> pd.DataFrame:
    """What the oracle reads in rendered images with free factors, in the teacher's images, and in counterfactuals."""
    read = {
        "rendered images": ("cgn", "oracle/{0}"),
        "teacher's images": ("biggan", "oracle/{0}"),
        "counterfactuals": ("cgn", "control/{0}/{0}"),
    }
    lines = []
    for name, (method, metric) in read.items():
        found = {factor: select(rows, method=method, metric=metric.format(factor)) for factor in control.HEADS}
        cells = {f"{control.HEADS[factor]}, % [95 %]": interval_of(each).text() for factor, each in found.items()}
        lines.append({"read in": name, **cells, "n": min(int(n) for n in found["shape"]["n"])})
    return pd.DataFrame(lines)


def settings_table(rows: pd.DataFrame) -> pd.DataFrame:
    """What the Inception Scores of Table 3 depend on."""
    line = rows.to_dict("records")[0]
    params = json.loads(line["params"])
    return pd.DataFrame([{"n": int(line["n"])} | {name: params[name] for name in ("splits", "truncation", "network")}])


def published_table_3() -> pd.DataFrame:
    """Table 3 as published, with the CGN's share of its teacher's Inception Score in each source."""
    frame = published("imagenet-is")
    names = {
        ("cgn", "authors"): "CGN, authors' weights",
        ("cgn", "paper"): "CGN, the seed's own",
        ("biggan", "-"): "BigGAN",
    }
    lines = []
    for source in ("SG21", "seed"):
        teacher = _values(select(frame, source=source, method="biggan"))["inception-score"]
        for (method, recipe), name in names.items():
            found = _values(select(frame, source=source, method=method, recipe=recipe))
            if found:
                score = found["inception-score"]
                lines.append(
                    {"source": source, "images": name, "Inception Score": score, "share of BigGAN's": score / teacher}
                    | {"mask mean": found.get("mask/mean", math.nan), "± spread": found.get("mask/deviation", math.nan)}
                )
    return pd.DataFrame(lines)


def ablation_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of imagenet-ablation, a line per method, as strings, with SG21's Inception Score and mask mean beside."""
    theirs = select(published("imagenet-is"), source="SG21", dataset="imagenet")
    lines = []
    for method in [name for name in GENERATOR_LABELS if name in set(rows["method"])]:
        own = select(rows, method=method)
        found = {metric: select(own, metric=metric) for metric in set(own["metric"])}
        read = {name: found[f"control/{factor}/{factor}"] for factor, name in control.HEADS.items()}
        sg21 = _values(select(theirs, method=method))
        lines.append(
            {
                "CGN": GENERATOR_LABELS[method],
                "IS": _cell(found["inception-score"]),
                "IS, SG21": sg21.get("inception-score", math.nan),
                "mask mean": _cell(found["mask/mean"]),
                "mask mean, SG21": sg21.get("mask/mean", math.nan),
                "IoU, true": _cell(found["iou/true"]),
                **{f"{name}, %": _cell(each, 1) for name, each in read.items()},
                "residue": _cell(found["residue/mean"], 3),
                "entangled, %": _cell(found["entangled/foreground"], 1),
                "legible, %": _cell(found["legible/background"], 1),
                "FID, free": _cell(found["fid/free"]),
                "n": min(found["fid/free"]["n"]),
                "CGNs": len(found["fid/free"]),
            }
        )
    return pd.DataFrame(lines)


def area_table(study: ToyStudy) -> pd.DataFrame:
    """Entangled foregrounds by mask area."""
    found = control.by_area(study.tied.area, _entangled(study))
    bins = [f"{low:.0%} to {high:.0%}" for low, high in zip(found["low"], found["high"], strict=True)]
    shares = ["–" if share is None else share.text() for share in found["share"]]
    return pd.DataFrame({"mask area": bins, "images": found["n"], "entangled, % [95 %]": shares})


CONJECTURES = {  # metric: what the seed says grows, and what is measured
    "residue/growth": ("background residue grows with longer training", "last fifth − middle fifth, % of the image"),
    "entangled/small-masks": (
        "entanglement comes with masks below 10 %",
        "masks below − above 10 %, within classes, points",
    ),
}


def conjecture_table(rows: pd.DataFrame) -> pd.DataFrame:
    """The seed's two side claims from rows of imagenet-control, one value per trained CGN: change and verdict."""
    lines = []
    for metric, (says, what) in CONJECTURES.items():
        found = select(rows, dataset="toy", method="cgn", metric=metric)
        values = "; ".join(f"{value:.2f}" for value in found["value"])
        decided = len(found) >= RULES.seeds_for_interval
        lines.append(
            {
                "the seed says": says,
                "measured": what,
                "change [95 %]": interval_of(found).text(2) if decided else values or "–",
                "CGNs": len(found),
                "verdict": conjecture([float(value) for value in found["value"]]),
            }
        )
    return pd.DataFrame(lines)


def conjecture(changes: Sequence[float]) -> str:
    """Verdict on "it grows" from the change in each of some trainings, by the 95 % interval of their mean.

    reproduced: all of it above zero; not reproduced: all of it below; undecided: it holds zero.
    """
    if not changes:
        return "not tested: too little to measure at this scale"
    if len(changes) < RULES.seeds_for_interval:
        return "not tested: one training" if len(changes) == 1 else f"not tested: {len(changes)} trainings"
    found = mean_interval(changes, RULES.confidence)
    return "reproduced" if found.low > 0 else "not reproduced" if found.high < 0 else "undecided"


def _cell(rows: pd.DataFrame, decimals: int = 2) -> str:
    """One number over its seeds: mean with a 95 % interval over trained CGNs, for a percentage of one over images.

    A dash without rows. Raises ResultsError for rows that differ in more than seeds.
    """
    if rows.empty:
        return "–"
    if len(summarise(rows)) > 1:
        raise ResultsError(f"a cell of a table needs rows of one setting: {sorted(set(rows['params']))}")
    found = interval_of(rows)
    known = found.kind.startswith("t over") or rows["unit"].iloc[0] == "percent"
    return found.text(decimals) if known and found.low < found.high else f"{found.value:.{decimals}f}"


def _values(rows: pd.DataFrame) -> dict[str, float]:
    """Mean value by metric."""
    means: dict[str, list[float]] = {}
    for line in rows.to_dict("records"):
        means.setdefault(str(line["metric"]), []).append(float(line["value"]))
    return {metric: sum(values) / len(values) for metric, values in means.items()}


def _entangled(study: ToyStudy) -> Tensor:
    return control.entangled(study.tied.foreground, study.tied.labels[:, 1], study.parts.oracle)


# --- Sheets -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sheet:
    """Images (rows, columns, 3, R, R) uint8 with the names of both."""

    images: Tensor
    rows: list[str]
    columns: list[str]


def mechanisms(cgn: ImageNetCGN, classes: Sequence[int], names: Sequence[str]) -> Sheet:
    """What the teacher and each mechanism draw for some classes, with tied labels (Figures 8 and 9)."""
    parts, x_gt = sample_classes(cgn, torch.tensor(classes))
    return _sheet({"BigGAN": to_uint8(x_gt).cpu(), **_rows_of(parts)}, names)


def through_training(snapshots: Mapping[int, Mapping[str, Tensor]], label: int) -> Sheet:
    """The parts of one class in the course of training: a column per snapshot, by update."""
    columns = []
    for tensors in snapshots.values():
        one = Parts(*(tensors[name][label : label + 1] for name in Parts._fields))
        columns.append(torch.cat(list(_rows_of(one).values())))
    return Sheet(torch.stack(columns, dim=1), list(LABELS.values()), [str(step) for step in snapshots])


def counterfactuals(cgn: ImageNetCGN) -> list[Sheet]:
    """Figure 7's toy twin: 16 counterfactuals of fixed labels and noise, with their parts, in two sheets of eight."""
    drawn = next(iter(draw(cgn, TRIPLES, 0)))
    names = ["\n".join(NAMES[factor][int(i)] for factor, i in zip(FACTORS, each, strict=True)) for each in drawn.labels]
    return _eights(_rows_of(drawn.parts), names)


def figure_7(cgn: ImageNetCGN) -> list[Sheet]:
    """Figure 7 on ImageNet: the seed's 16 triples, each with noise of its own, in two sheets of eight."""
    samplings = [Sampling(1, "fixed", triple, seed=place) for place, triple in enumerate(published_cgn.triples())]
    drawn = [_rows_of(next(iter(draw(cgn, sampling, 0))).parts) for sampling in samplings]
    rows = {name: torch.cat([each[name] for each in drawn]) for name in LABELS.values()}
    return _eights(rows, ["\n".join(triple) for triple in published_cgn.TRIPLES])


def _eights(rows: Mapping[str, Tensor], names: Sequence[str]) -> list[Sheet]:
    """Sixteen images with their parts as two sheets of eight."""
    return [_sheet({name: each[part] for name, each in rows.items()}, names[part]) for part in (slice(8), slice(8, 16))]


def failures(study: ToyStudy) -> dict[str, Sheet]:
    """Figures 10 to 12: the images in which each failure is largest, by what was measured on all of them.

    entanglement: foregrounds in which the oracle finds their class's scene most likely; residue: backgrounds in which
    it finds their class's silhouette most likely; realism: images whose requested labels it finds least likely.
    """
    tied, free, oracle = study.tied, study.free, study.parts.oracle
    scene = control.entanglement(tied.foreground, tied.labels[:, 1], oracle)
    entangled = control.most(scene, GALLERY)
    silhouette = control.legibility(free.background, free.labels[:, 2], oracle)
    legible = control.most(silhouette, GALLERY)
    realism = control.realism(free.image, free.labels, oracle)
    worst = control.most(-realism, GALLERY)
    return {
        "entanglement": _gallery(tied, entangled, [f"{value:.0%}" for value in scene[entangled]]),
        "residue": _gallery(free, legible, [f"{value:.0%}" for value in silhouette[legible]]),
        "realism": _gallery(free, worst, [f"{value:.1f}" for value in realism[worst]]),
    }


def _gallery(measured: Measured, chosen: Tensor, names: list[str]) -> Sheet:
    rows = {
        LABELS["mask"]: as_images(measured.mask[chosen]),
        LABELS["foreground"]: measured.foreground[chosen],
        LABELS["background"]: measured.background[chosen],
        LABELS["image"]: measured.image[chosen],
    }
    return _sheet(rows, names)


def _sheet(rows: Mapping[str, Tensor], columns: Sequence[str]) -> Sheet:
    return Sheet(torch.stack(list(rows.values())), list(rows), list(columns))


def _rows_of(parts: Parts) -> dict[str, Tensor]:
    """Premask, mask, foreground, background and composition as uint8 images on the CPU, by label."""
    images = {name: getattr(parts, name) for name in LABELS}
    images["mask"] = images["mask"].expand(-1, 3, -1, -1) * 2 - 1
    return {LABELS[name]: to_uint8(each).cpu() for name, each in images.items()}
