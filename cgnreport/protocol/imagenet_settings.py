"""What the experiments on ImageNet itself are called in rows, and what it takes to do them; without torch.

Nothing is downloaded; what is missing is said.
"""

from dataclasses import replace
from typing import Any

from cgnlib.data.finding import missing
from cgnlib.errors import Blocked, known
from cgnlib.imagenet.recipes import STUDY_CLASSIFIER, EnsembleRecipe
from cgnreport.protocol.parameters import Parameters
from cgnreport.protocol.rows import Setting

METHODS = ("original", "original+cgn")  # of the classifiers
COUNTERFACTUALS = 100_000  # in their training set, as published
LITE0 = "efficientnet-lite0"  # a method of imagenet-shape-bias: ImageNet's classes as they are, without training
CROSSED = {"crossed": True}  # of rows whose own intervals are over two kinds of images, crossed
CLASSIFIERS = ("imagenet-mini", "imagenet-9", "resnet50", "authors-imagenet")
NEEDED = {
    "samples": ("authors-imagenet",),
    "table 3": ("authors-imagenet", "inception-v3"),
    "training": ("biggan", "u2net", "vgg16", "inception-v3"),
    "imagenet-background": CLASSIFIERS,
    "imagenet-indomain": CLASSIFIERS,
    "imagenet-shape-bias": (*CLASSIFIERS, "cue-conflict"),
}
DATASETS = {
    "imagenet-background": "imagenet-9",
    "imagenet-indomain": "imagenet-mini",
    "imagenet-shape-bias": "cue-conflict",
}


def blocked(what: str, parameters: Parameters) -> Blocked | None:
    """Why something of NEEDED is not done on ImageNet, and what it takes; None if it can be done.

    what: samples of the authors' CGN, their Table 3, training of the study's CGN, or an experiment with classifiers.
    Raises ValueError for something else, AssetError where a file is there, but damaged.
    """
    reasons = [missing(NEEDED[known("part of ImageNet", what, NEEDED)], parameters.data_folder)]
    cuda = " on a machine with a CUDA device" if what != "samples" else ""
    if parameters.profile != "paper":
        reasons.append(Blocked(f"not part of scale {parameters.profile}", f"run scale paper{cuda}"))
    elif cuda:
        import torch  # here: to find rows and to say why there are none takes no torch

        if not torch.cuda.is_available():
            days = (
                "the classifiers took up to five hours on one, images of four BigGAN-deep generators days without one"
            )
            reasons.append(Blocked(f"missing a CUDA device ({days})", f"run{cuda}"))
    found = [reason for reason in reasons if reason]
    if not found:
        return None
    return Blocked(*("; ".join(part) for part in zip(*((each.reason, each.remedy) for each in found), strict=True)))


def recipe_for(method: str) -> EnsembleRecipe:
    """Training of a classifier, as in the study, the CF ratio 2.0 included. Raises ValueError for an unknown method."""
    known("method", method, METHODS)
    return STUDY_CLASSIFIER if method == "original+cgn" else replace(STUDY_CLASSIFIER, cf_ratio=0.0)


def table_3(parameters: Parameters, method: str, origin: str) -> Setting:
    """Rows of Table 3 (imagenet-is). method: "cgn" or "biggan"; origin of the CGN: "authors" or "paper"."""
    known("origin of the CGN", origin, ("authors", "paper"))
    params: dict[str, Any] = {"splits": 1, "truncation": 1.0, "network": "torchvision's Inception-v3"}
    params |= {"cgn_seed": parameters.seed} if origin == "paper" else {}
    recipe = origin if method == "cgn" else "-"
    return Setting("imagenet-is", "imagenet", method, recipe, parameters.profile, "biggan-deep-256", params)


def classifier(parameters: Parameters, experiment: str, method: str) -> Setting:
    """Rows of classifiers in an experiment of DATASETS."""
    recipe, dataset = recipe_for(method), DATASETS[known("experiment", experiment, DATASETS)]
    params: dict[str, Any] = {"epochs": recipe.epochs, "batch": recipe.batch_size, "lr": recipe.learning_rate}
    params |= {"cf_ratio": recipe.cf_ratio, "backbone": recipe.backbone, "train": "imagenet-mini"}
    params |= {"generated": COUNTERFACTUALS} if recipe.cf_ratio else {}
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
