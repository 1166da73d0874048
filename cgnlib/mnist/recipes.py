"""How things are trained, torch-free: recipes of the CGN per variant, settings of the classifier and the GAN.

Recipe `paper` is as published, `robust` is ours; the others are ours with one change. Architecture, composition and
training data are the same in all: a recipe changes only what trains the mechanisms.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from cgnlib.errors import known
from cgnlib.mnist.names import FACTORS

# Raised when a change of the method changes what the same recipe gives: part of what tells results apart.
CGN_VERSION, CLASSIFIER_VERSION, GAN_VERSION, WITHOUT_CGN_VERSION, BASELINES_VERSION = 4, 2, 1, 1, 2
GROUP = 4  # consecutive images of a batch that are of one class, which masks are compared in


@dataclass(frozen=True)
class ClassifierConfig:
    """Published settings of SG21's code; the study's Table 2 uses 30 epochs, its CF-ratio figures 20."""

    epochs: int = 10
    batch_size: int = 64
    learning_rate: float = 1.0
    gamma: float = 0.7  # factor on the learning rate after each epoch
    target: str = "shape"  # the factor that is predicted, one of FACTORS

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1:
            raise ValueError(f"a classifier needs epochs and batch_size >= 1, not {self.epochs} and {self.batch_size}")
        known("target", self.target, FACTORS)


@dataclass(frozen=True)
class GANConfig:
    """DCGAN's Adam settings; `images` is the number of generated images seen in training."""

    images: int = 500_000
    batch_size: int = 64
    learning_rate: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)


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

    @property
    def steps(self) -> int:
        """Length of the training in updates of the CGN."""
        return self.images // self.batch_size


@dataclass(frozen=True, kw_only=True)
class AdversarialRecipe(Recipe):
    """As published: a discriminator judges the images, a style loss compares them with other real images.

    found_masks: "hard" or "soft" for a discriminator beside it, which compares masks with those found in real images.
    Raises ValueError for batches that cannot be made of groups of one class, which it needs.
    """

    discriminator: str  # linear | conv
    style_weights: tuple[float, float, float, float]  # w of feature blocks 1-4, each term counts w^2 * 5000
    found_masks: str = ""

    def __post_init__(self) -> None:
        if self.found_masks and self.batch_size % GROUP:
            raise ValueError(f"recipe {self.name} needs batches of a multiple of {GROUP}, not {self.batch_size}")


@dataclass(frozen=True, kw_only=True)
class MechanismRecipe(Recipe):
    """Ours: every mechanism has a discriminator of its own, so that none can take over another's part.

    Real masks are those that `segmentation.segment` finds; a texture is compared with the real image through the real
    mask. Non-saturating losses with a gradient penalty on real data (R1; Mescheder et al., 2018).

    by_image: factors whose mechanism has no discriminator of its own, but learns from one of whole images, in which the
    other mechanisms are held fixed. With all three, no found mask is used.

    Raises ValueError for batches that cannot be made of groups of one class, and for a `lambda_mask`: nothing of these
    losses is the entropy of a mask.
    """

    texture_batch: int  # images of each batch on which textures are trained
    texture_learning_rate: float
    discriminator_learning_rate: float
    lambda_r1: float  # weight of the squared gradient of the discriminator of masks at real masks
    lambda_r1_texture: float  # the same for textures, a score at a time
    r1_every: int = 8  # steps between two penalties, each of which counts for all of them
    texture_width: int  # channels of the texture discriminators' first strided layer
    soft_masks: bool = False  # digits fade into the background (colored MNIST)
    by_image: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # Textures of two classes at least: the batch norm of one class takes away what its label gives.
        if self.batch_size % GROUP or not 2 * GROUP <= self.texture_batch <= self.batch_size:
            raise ValueError(
                f"recipe {self.name} needs batches of a multiple of {GROUP}, and a texture_batch of {2 * GROUP} (two "
                f"classes) or more, at most the batch; not {self.batch_size} and {self.texture_batch}"
            )
        if self.by_image and self.texture_batch % GROUP:
            raise ValueError(
                f"recipe {self.name} needs a texture_batch of a multiple of {GROUP}: images are judged, too"
            )
        if self.lambda_mask:
            raise ValueError(f"recipe {self.name} has no entropy of the mask to weight: lambda_mask must be 0")
        for factor in self.by_image:
            known("factor", factor, FACTORS)


AnyRecipe = AdversarialRecipe | MechanismRecipe

_PAPER = AdversarialRecipe(
    name="paper",
    initialisation="orthogonal",
    gain=0.1,
    discriminator="linear",
    lambda_mask=0.1,
    style_weights=(0.05, 0.1, 0.01, 0.0),
)
PAPER = {
    "colored": _PAPER,
    "double-colored": replace(_PAPER, gain=0.2, lambda_mask=0.3, style_weights=(0.0, 0.05, 0.0, 0.05)),
    "wildlife": replace(
        _PAPER,
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
    """Names of the recipes that are ours with one change, and what each changes."""
    published, ours = PAPER[variant], ROBUST[variant]
    rates = ("learning_rate", "texture_learning_rate", "discriminator_learning_rate")
    return {
        "no-penalty": {"lambda_r1": 0.0, "lambda_r1_texture": 0.0},
        "no-averaging": {"ema": 0.0},
        "constant-rate": {"final_learning_rate": 1.0, "warm_up": 0},
        "small-batch": {
            "batch_size": published.batch_size,
            "texture_batch": max(2 * GROUP, ours.texture_batch * published.batch_size // ours.batch_size),
        },
        "published-rates": dict.fromkeys(rates, published.learning_rate) | {"betas": published.betas},
        "published-start": {"initialisation": published.initialisation, "gain": published.gain},
        "shape-by-image": {"by_image": ("shape",)},
        "texture-by-image": {"by_image": ("foreground",)},
        "background-by-image": {"by_image": ("background",)},
        "no-masks": {"by_image": FACTORS},
    }


def recipe_for(name: str, variant: str) -> AnyRecipe:
    """The recipe `name` for a variant: a preset (paper | robust), "paper-masks", the published one with found masks, or
    ours with one of `changes`.
    """
    known("variant", variant, ROBUST)
    if name in RECIPES:
        return RECIPES[name][variant]
    if name == "paper-masks":
        return replace(PAPER[variant], name=name, found_masks="soft" if ROBUST[variant].soft_masks else "hard")
    changed = changes(variant)
    return replace(ROBUST[variant], name=known("recipe", name, [*RECIPES, "paper-masks", *changed]), **changed[name])


def recipe_fields(recipe: AnyRecipe) -> dict[str, Any]:
    """A recipe as data. A field that was added later is left out where it changes nothing: names of CGNs stay."""
    return {name: value for name, value in asdict(recipe).items() if value or name not in ("by_image", "found_masks")}


def recipe_hash(recipe: AnyRecipe) -> str:
    """First 8 hex digits of the SHA-256 of a recipe and of the version of the method: what tells its CGNs apart."""
    text = json.dumps({"recipe": recipe_fields(recipe), "version": CGN_VERSION}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
