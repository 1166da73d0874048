"""How a CGN is trained: the published settings per variant (`paper`) and ours (`robust`).

Architecture, composition and training data are the same in both; a recipe changes only what trains the mechanisms.
"""

from dataclasses import dataclass, replace


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
class EncoderRecipe(Recipe):
    """Ours: an encoder finds the noise of each training image, from which the mechanisms must rebuild it.

    The ImageNet CGN has a reconstruction loss against a frozen teacher; MNIST has no teacher, so an encoder is trained
    along. Weights count against the squared error of an image, summed over its pixels.
    """

    lambda_kl: float  # weight of the KL divergence of the encoder's noise from the noise of sampling
    lambda_texture: float  # weight of the texture loss, as in the ImageNet CGN for the foreground
    reach: int = 8  # largest offset in pixels at which the texture loss compares colours
    lambda_interval: float = 1000.0  # weight of the mask interval loss, as in the ImageNet CGN
    interval: tuple[float, float] = (0.05, 0.35)
    lambda_border: float = 1000.0  # weight of the polarity prior: the mask is 0 on a frame of the image
    border: int = 3  # width of that frame in pixels
    first_border: int = 9  # its width at the start, from which it narrows over the first fifth of the training
    lambda_adversarial: float = 0.0  # weight of a discriminator's judgement on images of fresh noise
    discriminator_learning_rate: float = 1e-3
    start_from_colours: bool = True  # textures begin with the colours of the images' frame and middle
    first_variation: float = 0.1  # textures begin nearly flat: share of the usual variation over an image


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
_ROBUST = EncoderRecipe(
    name="robust",
    initialisation="orthogonal",
    gain=0.1,
    images=60_000,
    batch_size=32,
    learning_rate=2e-3,
    final_learning_rate=0.05,
    warm_up=50,
    ema=0.995,
    lambda_mask=30.0,
    lambda_kl=4.0,
    lambda_texture=0.3,
)
ROBUST = {
    "colored": _ROBUST,
    "double-colored": _ROBUST,
    "wildlife": replace(
        _ROBUST, images=120_000, lambda_kl=3.0, lambda_texture=1.0, first_variation=0.3, lambda_adversarial=200.0
    ),
}
RECIPES: dict[str, dict[str, AdversarialRecipe] | dict[str, EncoderRecipe]] = {"paper": PAPER, "robust": ROBUST}


def recipe_for(name: str, variant: str) -> AdversarialRecipe | EncoderRecipe:
    """The preset `name` (paper | robust) for a variant."""
    if name not in RECIPES:
        raise ValueError(f"unknown recipe {name!r}: choose {' or '.join(RECIPES)}")
    if variant not in RECIPES[name]:
        raise ValueError(f"unknown variant {variant!r}: choose one of {', '.join(RECIPES[name])}")
    return RECIPES[name][variant]
