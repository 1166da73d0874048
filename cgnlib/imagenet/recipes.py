"""Recipes of the ImageNet CGN and the three-headed classifier: SG21's, the study's, the toy world's."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace

from cgnlib.errors import known

# Raised when a change of the method changes what the same recipe gives: part of what tells results apart.
CGN_VERSION, CLASSIFIER_VERSION = 1, 1
TEXTURE_TARGETS = ("patch-grid", "fill")
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class ImageNetRecipe:
    """How a CGN is trained from its teacher. Defaults are the published code's, for 256 x 256 images and VGG16.

    Raises ValueError for values that cannot be meant.
    """

    name: str = "authors"
    updates: int = 300
    accumulation: int = 4000  # micro-batches whose gradients make one update
    batch_size: int = 1  # of a micro-batch; all of its images are of one class
    lambda_reconstruction: float = 100.0
    style_weights: tuple[float, float, float, float] = (4.0, 4.0, 4.0, 4.0)  # w; each block's term counts w^2 * 5000
    lambda_entropy: float = 300.0
    lambda_interval: float = 500.0
    interval: tuple[float, float] = (0.1, 0.9)  # the study's code lowers the floor to 0.03: STUDY_CGN
    texture_weights: tuple[float, float, float, float] = (0.0, 5.0, 5.0, 0.0)
    texture_target: str = "patch-grid"  # patch-grid (published) | fill (the study's)
    lambda_background: float = 2000.0
    learning_rate_shape: float = 8e-6
    learning_rate_texture: float = 3e-5  # SG21's text says 1e-5
    learning_rate_background: float = 1e-5
    betas: tuple[float, float] = (0.9, 0.999)
    truncation: float = 1.0
    average_gradients: bool = False  # as published, gradients of an accumulation are summed; Adam hardly minds
    precision: str = "float32"  # float32 | bfloat16, for the networks; losses are float32 always

    def __post_init__(self) -> None:
        known("texture_target", self.texture_target, TEXTURE_TARGETS)
        known("precision", self.precision, PRECISIONS)
        if min(self.updates, self.accumulation, self.batch_size) < 1:
            raise ValueError("updates, accumulation and batch_size must be 1 or more")

    @property
    def images(self) -> int:
        """Teacher images seen in training."""
        return self.updates * self.accumulation * self.batch_size


@dataclass(frozen=True)
class HeadsRecipe:
    """Training of three heads on a frozen network. batch: real images in a step, and as many counterfactual ones.

    block_learning_rate: of the network's last block, where it is trained with them.
    """

    steps: int = 400
    batch: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    block_learning_rate: float = 1e-4


HEADS = HeadsRecipe()
AUTHORS_CGN = ImageNetRecipe()
STUDY_CGN = replace(AUTHORS_CGN, name="study", updates=200, accumulation=500, batch_size=5, interval=(0.03, 0.9))
TOY_CGN = replace(
    AUTHORS_CGN,
    name="toy",
    updates=250,
    accumulation=1,
    batch_size=8,
    style_weights=(0.3, 0.3, 0.3, 0.3),
    texture_weights=(0.0, 0.4, 0.4, 0.0),
    learning_rate_shape=1.5e-5,  # larger ones lose outlines: premasks need not change much
    learning_rate_texture=6e-4,
    learning_rate_background=6e-4,
)
TERMS = ("shape", "text", "bg", "rec")  # what SG21's ablation takes away, one at a time


def without(recipe: ImageNetRecipe, term: str) -> ImageNetRecipe:
    """The recipe of SG21's ablation that lacks a loss: shape (mask), text, bg, or rec (reconstruction and style)."""
    nothing = (0.0, 0.0, 0.0, 0.0)
    changes = {
        "shape": {"lambda_entropy": 0.0, "lambda_interval": 0.0},
        "text": {"texture_weights": nothing},
        "bg": {"lambda_background": 0.0},
        "rec": {"lambda_reconstruction": 0.0, "style_weights": nothing},
    }
    return replace(recipe, name=f"{recipe.name} -{term}", **changes[known("loss term", term, TERMS)])


def cgn_recipe(recipe: ImageNetRecipe, u2net: str, version: int = CGN_VERSION) -> str:
    """First 8 hex digits of the SHA-256 of what, beside seed and teacher, tells the CGNs of result rows apart.

    u2net: fingerprint of the U2-Net; version: of the method.
    """
    text = json.dumps({"recipe": asdict(recipe), "version": version, "u2net": u2net}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


@dataclass(frozen=True)
class EnsembleRecipe:
    """How the classifier is trained. Defaults are the published code's, for ImageNet.

    Raises ValueError for values that cannot be meant.
    """

    name: str = "authors"
    backbone: str = "resnet50"
    epochs: int = 45
    batch_size: int = 32  # real images in a step, over all processes
    cf_ratio: float = 2.0  # counterfactual images in a step, per real image
    learning_rate: float = 1e-4  # searched: 1e-3, 1e-4
    momentum: float = 0.9
    weight_decay: float = 1e-4
    decay_epochs: int = 15  # after so many epochs the learning rate falls ...
    decay: float = 0.1  # ... to this share
    precision: str = "float32"  # float32 | bfloat16, for the networks; losses are float32 always

    def __post_init__(self) -> None:
        known("precision", self.precision, PRECISIONS)
        if min(self.epochs, self.batch_size, self.decay_epochs) < 1 or self.cf_ratio < 0:
            raise ValueError("epochs, batch_size and decay_epochs must be 1 or more, cf_ratio 0 or more")

    @property
    def counterfactual_batch(self) -> int:
        """Counterfactual images in a step, over all processes."""
        return round(self.cf_ratio * self.batch_size)

    def rate(self, epoch: int) -> float:
        """Learning rate in an epoch, counted from 0."""
        return self.learning_rate * self.decay ** (epoch // self.decay_epochs)


AUTHORS_CLASSIFIER = EnsembleRecipe()
STUDY_CLASSIFIER = replace(AUTHORS_CLASSIFIER, name="study", epochs=30, decay_epochs=10)
# Fewer steps than on ImageNet, so larger ones; one counterfactual per real image to save time.
TOY_CLASSIFIER = replace(
    AUTHORS_CLASSIFIER, name="toy", backbone="toy", epochs=6, cf_ratio=1.0, decay_epochs=4, learning_rate=3e-3
)
