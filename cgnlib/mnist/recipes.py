"""How a CGN is trained: the published settings per variant (`paper`) and ours (`robust`).

Architecture, composition and training data are the same in both; a recipe changes only what trains the mechanisms.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Recipe:
    """One CGN training. Published settings unless a comment says otherwise."""

    name: str
    initialisation: str  # orthogonal | normal
    gain: float
    discriminator: str  # linear | conv as published, or strided
    lambda_mask: float  # weight of the binary entropy of the mask
    style_weights: tuple[float, float, float, float]  # w of feature blocks 1-4, each term counts w^2 * 5000
    images: int = 750_000  # generator images: 15 epochs of 50,000
    batch_size: int = 16
    learning_rate: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)
    # Not in the paper's MNIST recipe:
    matched_labels: bool = False  # the style target of an image is a real image of its class
    lambda_interval: float = 0.0  # weight of the mask interval loss, as in the ImageNet CGN
    interval: tuple[float, float] = (0.1, 0.9)
    lambda_border: float = 0.0  # weight of the polarity prior: the mask is 0 on a frame of the image
    border: int = 4  # width of that frame in pixels
    ema: float = 0.0  # decay per step of the averaged weights that are kept; 0 keeps the last ones
    final_learning_rate: float = 1.0  # share of the learning rate that is left at the end (linear decay)

    def with_images(self, images: int) -> "Recipe":
        """The same recipe, trained on `images` generated images."""
        return replace(self, images=images)


PAPER = {
    "colored": Recipe("paper", "orthogonal", 0.1, "linear", 0.1, (0.05, 0.1, 0.01, 0.0)),
    "double-colored": Recipe("paper", "orthogonal", 0.2, "linear", 0.3, (0.0, 0.05, 0.0, 0.05)),
    "wildlife": Recipe("paper", "normal", 0.03, "conv", 0.3, (0.01, 0.05, 0.0, 0.01)),
}

_ROBUST = {
    "batch_size": 64,
    "learning_rate": 1e-3,
    "matched_labels": True,
    "lambda_interval": 10.0,
    "interval": (0.08, 0.30),
    "lambda_border": 1.0,
    "ema": 0.99,
    "final_learning_rate": 0.1,
    "discriminator": "strided",
    "images": 150_000,
}
ROBUST = {variant: replace(recipe, name="robust", **_ROBUST) for variant, recipe in PAPER.items()}
RECIPES = {"paper": PAPER, "robust": ROBUST}


def recipe_for(name: str, variant: str) -> Recipe:
    """The preset `name` (paper | robust) for a variant."""
    if name not in RECIPES:
        raise ValueError(f"unknown recipe {name!r}: choose {' or '.join(RECIPES)}")
    if variant not in RECIPES[name]:
        raise ValueError(f"unknown variant {variant!r}: choose one of {', '.join(RECIPES[name])}")
    return RECIPES[name][variant]
