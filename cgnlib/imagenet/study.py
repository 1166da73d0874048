"""Claim 1 at ImageNet as steps that any notebook can call, in any order: CGNs, samples, measures, rows.

Every step is found or made: what an earlier notebook trained with the same parameters is loaded. The study runs in the
toy world, which has true factors and masks; ImageNet's own networks are used where they are at hand.
"""

from dataclasses import replace

import torch

from cgnlib.features import perceptual_features
from cgnlib.imagenet.cgn import ImageNetCGN
from cgnlib.imagenet.training import TOY, ImageNetRecipe, train_imagenet_cgn
from cgnlib.parameters import StudyParameters
from cgnlib.toyworld.parts import toy_parts
from cgnlib.training import Artefact

TOY_FEATURES = "efficientnet-lite0"  # also where VGG16 is at hand: the weights of recipe TOY belong to it


def toy_cgn(
    parameters: StudyParameters, recipe: ImageNetRecipe = TOY, *, updates: int | None = None, device: str | None = None
) -> tuple[ImageNetCGN, Artefact]:
    """The toy world's CGN (trained, resumed or loaded) in eval mode, with its artefact.

    updates: training length, by default the parameters' `imagenet_updates`, else the recipe's. Raises AssetError where
    the toy world's pre-trained parts are missing.
    """
    parts = toy_parts()
    length = updates or parameters.imagenet_updates
    settings = recipe if length is None else replace(recipe, updates=length)
    return train_imagenet_cgn(
        ImageNetCGN(parts.biggan, parts.u2net),
        settings,
        perceptual_features(TOY_FEATURES),
        parameters.seed,
        world="toy",
        device=device or ("cuda" if torch.cuda.is_available() else "cpu"),
    )
