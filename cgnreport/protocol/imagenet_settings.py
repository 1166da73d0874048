"""What the experiments on ImageNet itself are called in rows, and what it takes to do them; without torch.

Nothing is downloaded; what is missing is said, and how long what is asked for takes.
"""

from dataclasses import replace
from typing import Any

from cgnlib.data.finding import missing
from cgnlib.errors import Blocked, known
from cgnlib.imagenet.recipes import STUDY_CGN, STUDY_CLASSIFIER, EnsembleRecipe, ImageNetRecipe
from cgnreport.protocol.parameters import Parameters
from cgnreport.protocol.rows import Setting

METHODS = ("original", "original+cgn")  # of the classifiers
LITE0 = "efficientnet-lite0"  # a method of imagenet-shape-bias: ImageNet's classes as they are, without training
PHOTOGRAPHS = ("photographs-masks", "photographs-background", "photographs-suppression", "photographs-composition")
COMPOSITIONS = ("original", "original+tied", "original+composed")  # training data of heads on frozen features
FOLDS, COMPOSED = 5, 600  # splits by photograph, and composed images in a training set
CROSSED = {"crossed": True}  # of rows whose own intervals are over two kinds of images, crossed
CLASSIFIERS = ("imagenet-mini", "imagenet-9", "resnet50", "authors-imagenet")
DATASETS = {
    "imagenet-background": "imagenet-9",
    "imagenet-indomain": "imagenet-mini",
    "imagenet-shape-bias": "cue-conflict",
}


NEEDED = {
    "samples": ("authors-imagenet",),
    "table 3": ("authors-imagenet", "inception-v3"),
    "training": ("biggan", "u2net", "vgg16", "inception-v3"),
    "imagenet-background": CLASSIFIERS,
    "imagenet-indomain": CLASSIFIERS,
    "imagenet-shape-bias": (*CLASSIFIERS, "cue-conflict"),
}
UNTRAINED = ("samples", "table 3")  # what the authors' weights give without a training
# For the announcement, on one GPU of 2020 to 2024: as published (CGN, classifiers) or by counted multiplications.
CGN_HOURS, CLASSIFIER_HOURS, IMAGES_PER_HOUR = 30.0, (4.0, 8.0), 50_000
BYTES_PER_IMAGE = 262_000  # of a stored counterfactual: pixels and mask


def blocked(what: str, parameters: Parameters) -> Blocked | None:
    """Why something of NEEDED is not done on ImageNet, and what it takes; None if it can be done.

    what: samples of the authors' CGN, their Table 3, training of the study's CGN, or an experiment with classifiers.
    Raises ValueError for something else.
    """
    reasons = [missing(NEEDED[known("part of ImageNet", what, NEEDED)], parameters.data_folder)]
    asked = "authors" if what in UNTRAINED else "all"
    if parameters.imagenet.real not in (asked, "all"):
        reasons.append(Blocked("not asked for in this run", f"set imagenet_real: {asked}"))
    elif what != "samples" and device(parameters) is None:
        reasons.append(
            Blocked("missing a CUDA device", "run on a machine that has one, or set imagenet_device (cpu: days)")
        )
    found = [reason for reason in reasons if reason]
    if not found:
        return None
    return Blocked(*("; ".join(part) for part in zip(*((each.reason, each.remedy) for each in found), strict=True)))


def device(parameters: Parameters) -> str | None:
    """Where ImageNet's own networks run; None where that is left to choose and there is no CUDA device."""
    if parameters.imagenet.device != "auto":
        return parameters.imagenet.device
    import torch  # here: to find rows and to say why there are none takes no torch

    return "cuda" if torch.cuda.is_available() else None


def announcement(parameters: Parameters) -> list[str]:
    """What of ImageNet itself a run would compute, a line each with its hours on one GPU; empty for nothing."""
    imagenet, lines = parameters.imagenet, []
    if not blocked("table 3", parameters):
        hours = imagenet.real_samples / IMAGES_PER_HOUR
        lines.append(f"Table 3 of the authors' CGN, {imagenet.real_samples:,} images: about {hours:.1f} GPU hours")
    if not blocked("training", parameters):
        hours = CGN_HOURS * cgn_recipe(parameters).updates / STUDY_CGN.updates
        hours += imagenet.real_samples / IMAGES_PER_HOUR
        lines.append(f"the study's CGN, {cgn_recipe(parameters).images:,} images, and its Table 3: about {hours:.0f}")
    if not all(blocked(experiment, parameters) for experiment in DATASETS):
        n, share = imagenet.real_counterfactuals, recipe_for("original", parameters).epochs / STUDY_CLASSIFIER.epochs
        trainings = len(METHODS) * imagenet.real_seeds
        low, high = (trainings * share * hours for hours in CLASSIFIER_HOURS)
        lines.append(
            f"{n:,} counterfactuals of the authors' CGN: about {n / IMAGES_PER_HOUR:.0f} GPU hours, "
            f"{n * BYTES_PER_IMAGE / 1e9:.0f} GB of disk"
        )
        lines.append(f"{trainings} trainings of ResNet-50: about {low:.0f} to {high:.0f} GPU hours")
    return lines


def cgn_recipe(parameters: Parameters) -> ImageNetRecipe:
    """Training of the CGN as in the study, at the parameters' length."""
    return replace(STUDY_CGN, updates=parameters.imagenet.real_updates or STUDY_CGN.updates)


def recipe_for(method: str, parameters: Parameters) -> EnsembleRecipe:
    """Training of a classifier, as in the study, the CF ratio 2.0 included; the learning rate falls after each third of
    the parameters' epochs. Raises ValueError for an unknown method.
    """
    ratio = STUDY_CLASSIFIER.cf_ratio if known("method", method, METHODS) == "original+cgn" else 0.0
    epochs = parameters.imagenet.real_epochs or STUDY_CLASSIFIER.epochs
    return replace(STUDY_CLASSIFIER, epochs=epochs, decay_epochs=max(1, round(epochs / 3)), cf_ratio=ratio)


def table_3(parameters: Parameters, method: str, origin: str) -> Setting:
    """Rows of Table 3 (imagenet-is). method: "cgn" or "biggan"; origin of the CGN: "authors" or "paper"."""
    known("origin of the CGN", origin, ("authors", "paper"))
    params: dict[str, Any] = {"splits": 1, "truncation": 1.0, "network": "torchvision's Inception-v3"}
    params |= {"samples": parameters.imagenet.real_samples, "sample_seed": parameters.seed}
    params |= {"cgn_seed": parameters.seed, "cgn_updates": cgn_recipe(parameters).updates} if origin == "paper" else {}
    recipe = origin if method == "cgn" else "-"
    return Setting("imagenet-is", "imagenet", method, recipe, parameters.profile, "biggan-deep-256", params)


def classifier(parameters: Parameters, experiment: str, method: str) -> Setting:
    """Rows of classifiers in an experiment of DATASETS."""
    recipe, dataset = recipe_for(method, parameters), DATASETS[known("experiment", experiment, DATASETS)]
    params: dict[str, Any] = {"epochs": recipe.epochs, "batch": recipe.batch_size, "lr": recipe.learning_rate}
    params |= {"cf_ratio": recipe.cf_ratio, "backbone": recipe.backbone, "train": "imagenet-mini"}
    params |= {"generated": parameters.imagenet.real_counterfactuals} if recipe.cf_ratio else {}
    params |= {"partial": True} if parameters.imagenet.partial else {}
    data = "+".join(dict.fromkeys(["imagenet-mini", dataset]))
    origin = "authors" if recipe.cf_ratio else "-"
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


def composition(parameters: Parameters, method: str) -> Setting:
    """Rows of heads on frozen features, with composed images in their training or without (photographs-composition)."""
    known("method", method, COMPOSITIONS)
    params = {"network": LITE0, "folds": FOLDS} | ({} if method == "original" else {"composed": COMPOSED})
    return photographs(parameters, "photographs-composition", method, **params)
