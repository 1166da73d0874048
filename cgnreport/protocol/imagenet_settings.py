"""What the experiments on ImageNet itself are called in rows, and what it takes to do them; without torch.

Nothing is downloaded; what is missing is said, and how long what is asked for takes.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

import pandas as pd

from cgnlib.data.finding import contents, missing
from cgnlib.errors import Blocked, known
from cgnlib.imagenet.recipes import HEADS, STUDY_CGN, STUDY_CLASSIFIER, EnsembleRecipe, ImageNetRecipe
from cgnreport.protocol.parameters import Parameters
from cgnreport.protocol.rows import ANY, Setting, select

SHORT = "original+cgn-short"  # with images of the study's own CGN, which is trained for shorter than the authors'
METHODS = ("original", "original+cgn", SHORT)  # of the classifiers
LITE0 = "efficientnet-lite0"  # a method of imagenet-shape-bias: ImageNet's classes as they are, without training
PHOTOGRAPHS = ("photographs-masks", "photographs-background", "photographs-suppression", "photographs-composition")
COMPOSITIONS = ("original", "original+tied", "original+composed")  # training data of heads on a frozen network
HEADS_ALONE, WITH_BLOCK = "heads", "heads and last block"
TRAINED = (HEADS_ALONE, WITH_BLOCK)  # what of the classifier is trained there
FOLDS, COMPOSED = 5, 600  # splits by photograph, and composed images in a training set
CROSSED = {"crossed": True}  # of rows whose own intervals are over two kinds of images, crossed
TRAINING = ("biggan", "u2net", "vgg16")  # assets that the study's CGN is trained with
CGNS = {"original": (), "original+cgn": ("authors-imagenet",), SHORT: TRAINING}  # what images come from
CLASSIFIERS = ("imagenet-mini", "imagenet-9", "resnet50")
# Whose logits an Inception Score is of, with their assets; published scores are of the first.
TENSORFLOW, TORCHVISION = "TensorFlow's Inception", "torchvision's Inception-v3"
INCEPTIONS = {TENSORFLOW: "inception-tf", TORCHVISION: "inception-v3"}
DATASETS = {
    "imagenet-background": "imagenet-9",
    "imagenet-indomain": "imagenet-mini",
    "imagenet-shape-bias": "cue-conflict",
}
BACKGROUND, INDOMAIN, SHAPE_BIAS, GRID = (*DATASETS, "imagenet-grid")
DATASETS[GRID] = DATASETS[BACKGROUND]
NEEDED = {  # of the parts that a verdict takes
    "samples": ("authors-imagenet",),
    "table 3": ("authors-imagenet", INCEPTIONS[TENSORFLOW]),
    "training": (*TRAINING, INCEPTIONS[TENSORFLOW]),
    **dict.fromkeys(DATASETS, (*CLASSIFIERS, *CGNS["original+cgn"])),
    SHAPE_BIAS: (*CLASSIFIERS, *CGNS["original+cgn"], "cue-conflict"),
}
UNTRAINED = ("samples", "table 3")  # what the authors' weights give without a training
# On one GPU of 2020 to 2024: as published (CGN, classifiers) or by counted multiplications.
CGN_HOURS, CLASSIFIER_HOURS, IMAGES_PER_HOUR = 30.0, (4.0, 8.0), 50_000
BYTES_PER_IMAGE = 4 * 256**2 + 24  # of a stored counterfactual: sampling.stored_bytes(256), without torch
GRID_RATES, GRID_RATIOS = (1e-4, 1e-3), (0.0, 1.0, 2.0)  # of Table 7


@dataclass(frozen=True)
class Stage:
    """A part of ImageNet itself that a run computes. pages: the notebooks that compute it, or wait for it.

    hours: the fewest and the most, on one GPU; gigabytes: of disk.
    """

    what: str
    pages: tuple[str, ...]
    hours: tuple[float, float]
    gigabytes: float = 0.0

    def __str__(self) -> str:
        low, high = (f"{each:.0f}" if each >= 10 else f"{each:.1f}" for each in self.hours)
        hours = "under 0.1" if high == "0.0" else f"about {low}" if low == high else f"about {low} to {high}"
        words = f"{self.what}: {hours} GPU hours"
        return words + (f", {self.gigabytes:.0f} GB of disk" if self.gigabytes >= 0.5 else "")


def blocked(
    what: str, parameters: Parameters, names: Sequence[str] | None = None, *, here: bool = True
) -> Blocked | None:
    """Why something of NEEDED is not done on ImageNet, and what it takes; None if it can be done.

    what: samples of the authors' CGN, their Table 3, training of the study's CGN, or an experiment with classifiers.
    names: assets, in place of those that its verdict takes. here: whether it is this machine that is to do it, and
    needs the device. Raises ValueError for something else.
    """
    lacking = missing(
        NEEDED[known("part of ImageNet", what, NEEDED)] if names is None else names, parameters.data_folder
    )
    reasons = [lacking]
    asked = "authors" if what in UNTRAINED else "all"
    if parameters.imagenet.real not in (asked, "all"):
        reasons.append(Blocked("not asked for in this run", f"set imagenet_real: {asked}"))
    elif here and what != "samples" and device(parameters) is None:
        reasons.append(
            Blocked("missing a CUDA device", "run on a machine that has one, or set imagenet_device (cpu: days)")
        )
    found = [reason for reason in reasons if reason]
    if not found:
        return None
    return Blocked(*("; ".join(part) for part in zip(*((each.reason, each.remedy) for each in found), strict=True)))


def for_classifier(method: str, experiment: str = BACKGROUND) -> tuple[str, ...]:
    """Assets that a method's classifier is trained with, and read on in an experiment."""
    return (*CLASSIFIERS, *CGNS[known("method", method, METHODS)], *["cue-conflict"] * (experiment == SHAPE_BIAS))


def for_table_3(origin: str, network: str) -> tuple[str, ...]:
    """Assets that Table 3 of a CGN takes, "authors" or "paper", with the logits of a network of INCEPTIONS."""
    cgn = {"authors": CGNS["original+cgn"], "paper": TRAINING}
    return (*cgn[known("origin of the CGN", origin, cgn)], INCEPTIONS[network])


def device(parameters: Parameters) -> str | None:
    """Where ImageNet's own networks run; None where that is left to choose and there is no CUDA device."""
    if parameters.imagenet.device != "auto":
        return parameters.imagenet.device
    import torch  # here: to find rows and to say why there are none takes no torch

    return "cuda" if torch.cuda.is_available() else None


def stages(parameters: Parameters, *, here: bool = True) -> list[Stage]:
    """What of ImageNet itself a run would compute, with its hours. here: as in `blocked`."""
    imagenet, found = parameters.imagenet, list[Stage]()
    both, share = ("08-claim2-imagenet", "09-claim3-imagenet"), recipe_for("original", parameters).epochs
    share /= STUDY_CLASSIFIER.epochs

    def add(what: str, pages: Sequence[str], low: float, high: float | None = None, gigabytes: float = 0.0) -> None:
        found.append(Stage(what, tuple(pages), (low, low if high is None else high), gigabytes))

    def any_of(what: str, origin: str) -> bool:
        ways = (for_table_3(origin, network) for network in INCEPTIONS)
        return not all(blocked(what, parameters, names, here=here) for names in ways)

    table = imagenet.real_samples / IMAGES_PER_HOUR
    if any_of("table 3", "authors"):
        add(f"Table 3 of the authors' CGN, {imagenet.real_samples:,} images", ["07-claim1-imagenet"], table)
    methods = [m for m in METHODS if not blocked(BACKGROUND, parameters, for_classifier(m), here=here)]
    if any_of("training", "paper") or SHORT in methods:
        recipe = cgn_recipe(parameters)
        pages = ["07-claim1-imagenet", *both] if SHORT in methods else ["07-claim1-imagenet"]
        hours = CGN_HOURS * recipe.updates / STUDY_CGN.updates
        add(f"the study's CGN, {recipe.images:,} images", pages, hours)
    if any_of("training", "paper"):
        add(f"its Table 3, {imagenet.real_samples:,} images", ["07-claim1-imagenet"], table)
    if methods:
        n, names = imagenet.real_counterfactuals, {"original+cgn": "the authors' CGN", SHORT: "the study's CGN"}
        for name in (names[method] for method in methods if method in names):
            add(f"{n:,} counterfactuals of {name}", both, n / IMAGES_PER_HOUR, gigabytes=n * BYTES_PER_IMAGE / 1e9)
        trainings = len(methods) * imagenet.real_seeds
        add(f"{trainings} trainings of ResNet-50", both, *(trainings * share * hours for hours in CLASSIFIER_HOURS))
        if imagenet.real_grid:
            cells = len(grid(parameters, methods)) - len(methods)
            add(f"{cells} more for Table 7", both[:1], *(cells * share * hours for hours in CLASSIFIER_HOURS))
    return found


def announcement(parameters: Parameters, *, here: bool = True) -> list[str]:
    """What of ImageNet itself a run would compute, a line each with its hours on one GPU; empty for nothing."""
    return [str(stage) for stage in stages(parameters, here=here)]


def minutes(parameters: Parameters, page: str) -> int:
    """Minutes of a GPU that a page asks a cluster for: half as many again as its stages may take; 0 without any."""
    hours = sum(stage.hours[1] for stage in stages(parameters, here=False) if page in stage.pages)
    return math.ceil(1.5 * 60 * hours)


def cgn_recipe(parameters: Parameters) -> ImageNetRecipe:
    """Training of the CGN as in the study, at the parameters' length."""
    return replace(STUDY_CGN, updates=parameters.imagenet.real_updates or STUDY_CGN.updates)


def recipe_for(method: str, parameters: Parameters) -> EnsembleRecipe:
    """Training of a classifier, as in the study, the CF ratio 2.0 included; the learning rate falls after each third of
    the parameters' epochs. Raises ValueError for an unknown method.
    """
    ratio = STUDY_CLASSIFIER.cf_ratio if CGNS[known("method", method, METHODS)] else 0.0
    epochs = parameters.imagenet.real_epochs or STUDY_CLASSIFIER.epochs
    return replace(STUDY_CLASSIFIER, epochs=epochs, decay_epochs=max(1, round(epochs / 3)), cf_ratio=ratio)


def grid(parameters: Parameters, methods: Sequence[str] = METHODS) -> list[tuple[str, EnsembleRecipe]]:
    """The cells of Table 7: methods with the trainings of their classifiers, by learning rate and CF ratio."""
    return [
        (method, replace(recipe_for(method, parameters), learning_rate=rate, cf_ratio=ratio))
        for method, rate, ratio in product(methods, GRID_RATES, GRID_RATIOS)
        if bool(ratio) == bool(CGNS[method])
    ]


def weights(parameters: Parameters, names: Sequence[str]) -> str:
    """Fingerprint of the files that numbers come from, where they are asked for and at hand; else any will do."""
    asked = parameters.imagenet.real != "none"
    return (contents(names, parameters.data_folder) if asked else None) or ANY


def table_3(parameters: Parameters, method: str, origin: str, network: str = TENSORFLOW) -> Setting:
    """Rows of Table 3 (imagenet-is).

    method: "cgn" or "biggan"; origin of the CGN: "authors" or "paper", whose files hold that BigGAN, too; network: of
    INCEPTIONS.
    """
    files = [name for name in for_table_3(origin, network) if name != "vgg16"]
    params: dict[str, Any] = {"splits": 1, "truncation": 1.0, "network": network}
    params |= {"samples": parameters.imagenet.real_samples, "sample_seed": parameters.seed}
    params |= {"weights": weights(parameters, files)}
    if (method, origin) == ("cgn", "paper"):
        params |= {"cgn_seed": parameters.seed, "cgn_updates": cgn_recipe(parameters).updates}
    recipe = origin if method == "cgn" else "-"
    return Setting("imagenet-is", "imagenet", method, recipe, parameters.profile, "biggan-deep-256", params)


def classifier(
    parameters: Parameters, experiment: str, method: str, recipe: EnsembleRecipe | None = None, enlarge: bool = False
) -> Setting:
    """Rows of classifiers in an experiment of DATASETS. recipe: of their training, by default `recipe_for`.

    enlarge: of the cue-conflict stimuli, as SG21's code does; only rows of shape biases tell.
    """
    recipe = recipe or recipe_for(method, parameters)
    dataset = DATASETS[known("experiment", experiment, DATASETS)]
    params: dict[str, Any] = {"epochs": recipe.epochs, "batch": recipe.batch_size, "lr": recipe.learning_rate}
    params |= {"cf_ratio": recipe.cf_ratio, "backbone": recipe.backbone, "train": "imagenet-mini"}
    params |= {"generated": parameters.imagenet.real_counterfactuals} if recipe.cf_ratio else {}
    params |= {"weights": weights(parameters, ("resnet50", *CGNS[method]))}
    params |= {"partial": True} if parameters.imagenet.partial else {}
    params |= {"enlarge": enlarge} if experiment == SHAPE_BIAS else {}
    if CGNS[method] == TRAINING:
        params |= {"cgn_seed": parameters.seed, "cgn_updates": cgn_recipe(parameters).updates}
    data = "+".join(dict.fromkeys(["imagenet-mini", dataset]))
    origin = {(): "-", TRAINING: "paper"}.get(CGNS[method], "authors")
    return Setting(experiment, dataset, method, origin, parameters.profile, data, params)


def stimuli(parameters: Parameters, normalisation: str, enlarge: bool, network: str = LITE0) -> Setting:
    """Rows of a network on `imagenet_stimuli` cue-conflict stimuli (imagenet-shape-bias)."""
    n = parameters.imagenet.stimuli
    params: dict[str, Any] = {"normalisation": normalisation, "enlarge": enlarge, "stimuli": n or "all"}
    params |= CROSSED | ({} if n is None else {"sample_seed": parameters.seed})
    return Setting("imagenet-shape-bias", "cue-conflict", network, "-", parameters.profile, "cue-conflict", params)


def record(parameters: Parameters, source: str, name: str) -> Setting:
    """Rows of a person or a network from a record of decisions (imagenet-shape-records). source: where it is from."""
    params = {"source": source} | CROSSED
    return Setting("imagenet-shape-records", "cue-conflict", name, "-", parameters.profile, "cue-conflict", params)


def photographs(parameters: Parameters, experiment: str, method: str, **params: Any) -> Setting:
    """Rows of an experiment of PHOTOGRAPHS on `imagenet_photographs` photographs.

    method: a network, or training data.
    """
    known("experiment", experiment, PHOTOGRAPHS)
    params = {"photographs": parameters.imagenet.photographs or "all", "masks": "is-net"} | params
    return Setting(experiment, "photographs", method, "-", parameters.profile, "photographs", params)


def composition(parameters: Parameters, method: str, trained: str = HEADS_ALONE) -> Setting:
    """Rows of heads on a frozen network, with composed images in their training or without (photographs-composition).

    trained: one of TRAINED.
    """
    known("method", method, COMPOSITIONS)
    params = {"network": LITE0, "folds": FOLDS} | ({} if method == "original" else {"composed": COMPOSED})
    if known("trained", trained, TRAINED) == WITH_BLOCK:
        params |= {"trained": trained} | asdict(HEADS)
    return photographs(parameters, "photographs-composition", method, **params)


def where_trained(rows: pd.DataFrame, trained: str) -> pd.DataFrame:
    """Rows of photographs-composition of one of TRAINED."""
    return select(rows, trained=None if known("trained", trained, TRAINED) == HEADS_ALONE else trained)
