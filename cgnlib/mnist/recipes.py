"""How a CGN is trained: the published settings per variant (`paper`), ours (`robust`), and ours with one change.

Architecture, composition and training data are the same in all; a recipe changes only what trains the mechanisms.
"""

from dataclasses import dataclass, replace
from typing import Any

GROUP = 4  # consecutive images of a batch that are of one class, which masks are compared in


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What both kinds of CGN training share. Published settings unless a comment says otherwise."""

    name: str
    initialisation: str  # orthogonal | normal
    gain: float
    lambda_mask: float  # weight of the binary entropy of the mask
    images: int = 750_000  # generator images: 15 epochs of 50,000
    batch_size: int = 16
    learning_rate: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)
    # Not in the paper's MNIST recipe:
    final_learning_rate: float = 1.0  # share of the learning rate that is left at the end (linear decay)
    warm_up: int = 0  # steps in which the learning rate rises from 0
    ema: float = 0.0  # decay per step of the averaged weights that are kept; 0 keeps the last ones


@dataclass(frozen=True, kw_only=True)
class AdversarialRecipe(Recipe):
    """As published: a discriminator judges the images, a style loss compares them with other real images."""

    discriminator: str  # linear | conv
    style_weights: tuple[float, float, float, float]  # w of feature blocks 1-4, each term counts w^2 * 5000


@dataclass(frozen=True, kw_only=True)
class MechanismRecipe(Recipe):
    """Ours: every mechanism has a discriminator of its own, so that none can take over another's part.

    Real masks are those that `segmentation.segment` finds; a texture is compared with the real image through the real
    mask. Non-saturating losses with a gradient penalty on real data (R1; Mescheder et al., 2018).
    """

    texture_batch: int  # images of each batch on which textures are trained
    texture_learning_rate: float
    discriminator_learning_rate: float
    lambda_r1: float  # weight of the squared gradient of the discriminator of masks at real masks
    lambda_r1_texture: float  # the same for textures, a score at a time
    r1_every: int = 8  # steps between two penalties, each of which counts for all of them
    texture_width: int  # channels of the texture discriminators' first strided layer
    soft_masks: bool = False  # digits fade into the background (colored MNIST)


PAPER = {
    "colored": AdversarialRecipe(
        name="paper",
        initialisation="orthogonal",
        gain=0.1,
        discriminator="linear",
        lambda_mask=0.1,
        style_weights=(0.05, 0.1, 0.01, 0.0),
    ),
    "double-colored": AdversarialRecipe(
        name="paper",
        initialisation="orthogonal",
        gain=0.2,
        discriminator="linear",
        lambda_mask=0.3,
        style_weights=(0.0, 0.05, 0.0, 0.05),
    ),
    "wildlife": AdversarialRecipe(
        name="paper",
        initialisation="normal",
        gain=0.03,
        discriminator="conv",
        lambda_mask=0.3,
        style_weights=(0.01, 0.05, 0.0, 0.01),
    ),
}
_ROBUST = MechanismRecipe(
    name="robust",
    initialisation="orthogonal",
    gain=1.0,
    lambda_mask=0.0,
    images=200_000,
    batch_size=64,
    learning_rate=2e-3,
    betas=(0.0, 0.99),
    final_learning_rate=0.05,
    warm_up=50,
    ema=0.999,
    texture_batch=32,
    texture_learning_rate=1e-3,
    discriminator_learning_rate=1e-3,
    lambda_r1=1.0,
    lambda_r1_texture=0.1,
    texture_width=16,
)
ROBUST = {
    "colored": replace(_ROBUST, soft_masks=True),
    # A flat colour shows every flaw of a mask, and its textures are the easiest: twice the masks, as many textures.
    "double-colored": replace(_ROBUST, images=400_000, texture_batch=16),
    "wildlife": replace(_ROBUST, texture_width=64),
}
RECIPES: dict[str, dict[str, AdversarialRecipe] | dict[str, MechanismRecipe]] = {"paper": PAPER, "robust": ROBUST}


def changes(variant: str) -> dict[str, dict[str, Any]]:
    """What each changed form of our recipe changes (names as in `parameters.TRAININGS`)."""
    published, ours = PAPER[variant], ROBUST[variant]
    rates = ("learning_rate", "texture_learning_rate", "discriminator_learning_rate")
    return {
        "no-penalty": {"lambda_r1": 0.0, "lambda_r1_texture": 0.0},
        "no-averaging": {"ema": 0.0},
        "constant-rate": {"final_learning_rate": 1.0, "warm_up": 0},
        "small-batch": {
            "batch_size": published.batch_size,
            # Of two classes at least: the batch norm of one class takes away what its label gives.
            "texture_batch": max(2 * GROUP, ours.texture_batch * published.batch_size // ours.batch_size),
        },
        "published-rates": dict.fromkeys(rates, published.learning_rate) | {"betas": published.betas},
        "published-start": {"initialisation": published.initialisation, "gain": published.gain},
    }


def recipe_for(name: str, variant: str) -> AdversarialRecipe | MechanismRecipe:
    """The recipe `name` for a variant: a preset (paper | robust), or ours with one of `changes`."""
    if variant not in ROBUST:
        raise ValueError(f"unknown variant {variant!r}: choose one of {', '.join(ROBUST)}")
    if name in RECIPES:
        return RECIPES[name][variant]
    changed = changes(variant)
    if name not in changed:
        raise ValueError(f"unknown recipe {name!r}: choose one of {', '.join([*RECIPES, *changed])}")
    return replace(ROBUST[variant], name=name, **changed[name])
