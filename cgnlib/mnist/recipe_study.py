"""Ways to train a CGN, side by side at one length: how often each succeeds, and how good its counterfactuals are.

A CGN sees the split `fit` of the training digits, accuracy is read on the development digits (`dev`). The accuracy of
the oracles, against which control is held, is that of `Study.oracles`, on test images.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from cgnlib import results
from cgnlib.images import to_uint8
from cgnlib.mnist.cgn import SIZE
from cgnlib.mnist.classifier import ClassifierConfig, train_classifier
from cgnlib.mnist.control import measure_control
from cgnlib.mnist.recipes import RECIPES, AdversarialRecipe, MechanismRecipe, recipe_for
from cgnlib.mnist.study import Study, TrainedCGN, classifier_params, control_rows
from cgnlib.mnist.training import recipe_hash, sample_classes, train_cgn
from cgnlib.parameters import StudyParameters
from cgnlib.pictures import keep_tiles, kept_tiles
from cgnlib.results import Row, select
from cgnlib.training import TrainingStopped

EXPERIMENT = "mnist-training"
COUNTERFACTUALS = 40_000  # at most, of each CGN: enough for differences that one CGN can show
EPOCHS = 4  # at most, of the classifier trained on them
SAMPLE_SEED = 0  # draws the counterfactuals of every CGN, whichever seeds a run asks for
SAMPLED_SEED = 0  # of the CGN of each recipe whose samples are kept as a picture


def training_rows(study: Study, variant: str, training: str) -> pd.DataFrame:
    """Rows of the CGNs trained in one of `parameters.TRAININGS`, `training_seeds` of them (experiment mnist-training).

    Metrics as in mnist-control; accuracy/dev/last: of a classifier trained on counterfactuals alone; training/stopped:
    100 where the training diverged or its masks collapsed, which leaves nothing else to measure. The name of the
    training stands in the column `recipe`.
    """
    parameters = study.parameters
    recipe = replace(recipe_for(training, variant), images=parameters.training_images)
    seeds = range(parameters.seed, parameters.seed + parameters.training_seeds)
    study = study.at_seed(SAMPLE_SEED)
    return pd.concat([_rows(study, variant, training, recipe, seed) for seed in seeds], ignore_index=True)


def training_samples(rows: pd.DataFrame, variant: str, training: str) -> np.ndarray | None:
    """Masks and images of the ten classes, labels tied, by the CGN of seed `SAMPLED_SEED` of a recipe: uint8
    (2, 10, 3, 32, 32), as kept beside these `rows` of `training_rows`. None where that was not done.
    """
    return kept_tiles(select(rows, dataset=variant, recipe=training), _samples_name(variant, training), SIZE)


def _samples_name(variant: str, training: str) -> str:
    return f"{EXPERIMENT}-{variant}-{training}-{SAMPLED_SEED}"


def shortened(parameters: StudyParameters) -> StudyParameters:
    """The parameters with the sizes of the classifier that is trained on the counterfactuals of each CGN."""
    return replace(
        parameters,
        counterfactuals=min(COUNTERFACTUALS, parameters.counterfactuals),
        classifier_epochs=min(EPOCHS, parameters.classifier_epochs),
    )


def _rows(
    study: Study, variant: str, training: str, recipe: AdversarialRecipe | MechanismRecipe, seed: int
) -> pd.DataFrame:
    parameters = study.parameters
    features = study.features if isinstance(recipe, AdversarialRecipe) else None
    config = ClassifierConfig(shortened(parameters).classifier_epochs, parameters.classifier_batch)
    generated = shortened(parameters).counterfactuals
    cgn_params = {
        "cgn_images": recipe.images,
        "cgn_seed": seed,
        "cgn_recipe": recipe_hash(recipe),
        "features": features.name if features else "none",
        "train_images": parameters.train_images or "all",
    }
    images = study.images(variant, "fit")
    cgn = TrainedCGN(
        variant, training, cgn_params, lambda: train_cgn(images, recipe, features, seed, device=study.device)
    )
    params = cgn_params | study.control_params | classifier_params(config)
    params |= {"generated": generated, "cf_ratio": parameters.cf_ratio, "sample_seed": parameters.seed}
    common = study.row_columns(EXPERIMENT, variant, "cgn", cgn, params)
    found = study.reused(common, [seed])
    if found is not None:
        return found
    about: dict[str, Any] = common | {"seed": seed}
    try:
        about["seconds"] = cgn.seconds
    except TrainingStopped:
        return results.keep([Row(**about, metric="training/stopped", value=100, n=1)])
    if training in RECIPES and seed == SAMPLED_SEED:
        parts = sample_classes(cgn.cgn, study.device)
        tiles = to_uint8(torch.stack([2 * parts.mask.expand(-1, 3, -1, -1) - 1, parts.image])).cpu().numpy()
        keep_tiles(tiles, parameters.profile, _samples_name(variant, training), common)
    oracles, accuracies = study.oracles(variant)
    rows = control_rows(measure_control(study.control_samples(cgn), oracles), accuracies, about)
    rows.append(Row(**about, metric="training/stopped", value=0, n=1))
    dev = study.images(variant, "dev")
    counterfactuals = study.counterfactuals(cgn, n=generated)
    _, history, artefact = train_classifier(counterfactuals, {"dev": dev}, config, seed, device=study.device)
    accuracy = float(history.loc[history["split"] == "dev", "accuracy"].iloc[-1])
    about["seconds"] = artefact.seconds
    rows.append(Row(**about, metric="accuracy/dev/last", value=accuracy, n=len(dev)))
    return results.keep(rows)
