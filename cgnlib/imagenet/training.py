"""Training of the ImageNet CGN (Eq. 2): the mechanisms learn to rebuild the teacher's images, each with a part of them.

No photograph is seen: the teacher draws what is to be rebuilt, from the noise and class that the mechanisms get.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgnlib import losses
from cgnlib.features import PerceptualFeatures
from cgnlib.imagenet.biggan import sample_latents
from cgnlib.imagenet.cgn import ImageNetCGN, Labels, Parts
from cgnlib.imagenet.texture_targets import PatchGrid, fill, patch_grid
from cgnlib.randomness import generator
from cgnlib.training import Artefact, TrainingState, fingerprint, run, save_tensors

METHOD_VERSION = 1
SNAPSHOT_SHARES = (0.0, 0.05, 0.1, 0.25, 0.5, 1.0)  # of the training length
TEXTURE_TARGETS = ("patch-grid", "fill")


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
    interval: tuple[float, float] = (0.1, 0.9)  # the seed's code lowers the floor to 0.03
    texture_weights: tuple[float, float, float, float] = (0.0, 5.0, 5.0, 0.0)
    texture_target: str = "patch-grid"  # patch-grid (published) | fill (the seed's)
    lambda_background: float = 2000.0
    learning_rate_shape: float = 8e-6
    learning_rate_texture: float = 3e-5  # SG21's text says 1e-5
    learning_rate_background: float = 1e-5
    betas: tuple[float, float] = (0.9, 0.999)
    truncation: float = 1.0
    average_gradients: bool = False  # as published, gradients of an accumulation are summed; Adam hardly minds
    precision: str = "float32"  # float32 | bfloat16, for the networks; losses are float32 always

    def __post_init__(self) -> None:
        if self.texture_target not in TEXTURE_TARGETS:
            raise ValueError(f"unknown texture_target {self.texture_target!r}: choose {' or '.join(TEXTURE_TARGETS)}")
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"unknown precision {self.precision!r}: choose float32 or bfloat16")
        if min(self.updates, self.accumulation, self.batch_size) < 1:
            raise ValueError("updates, accumulation and batch_size must be 1 or more")

    @property
    def images(self) -> int:
        """Teacher images seen in training."""
        return self.updates * self.accumulation * self.batch_size


AUTHORS = ImageNetRecipe()
SEED = replace(AUTHORS, name="seed", updates=200, accumulation=500, batch_size=5)
TOY = replace(
    AUTHORS,
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
    if term not in changes:
        raise ValueError(f"unknown loss term {term!r}: choose one of {', '.join(TERMS)}")
    return replace(recipe, name=f"{recipe.name} -{term}", **changes[term])


class ImageNetTrainer:
    """`step(i)` is one update of the three mechanisms; `state` is all that a resume needs."""

    def __init__(
        self, cgn: ImageNetCGN, recipe: ImageNetRecipe, features: PerceptualFeatures, seed: int, device: str = "cpu"
    ) -> None:
        self.recipe, self.device = recipe, device
        self.cgn, self.features = cgn.to(device).train(), features.to(device)
        self.noise = generator(seed, "imagenet", "cgn", "noise", device=device)
        self.patches = PatchGrid.for_resolution(cgn.f_shape.config.resolution)
        self._calibrate(seed)
        self.optimizer = torch.optim.Adam(
            [
                {"params": cgn.f_shape.parameters(), "lr": recipe.learning_rate_shape},
                {"params": cgn.f_text.parameters(), "lr": recipe.learning_rate_texture},
                {"params": cgn.f_bg.parameters(), "lr": recipe.learning_rate_background},
            ],
            betas=recipe.betas,
        )
        modules = {"mechanisms": mechanisms_of(cgn)}
        self.state = TrainingState(modules, {"optimizer": self.optimizer}, {"noise": self.noise})

    def _calibrate(self, seed: int) -> None:
        """Rescale the style terms on pairs of teacher images of one class (nothing to do for VGG16)."""
        if self.features.name == "vgg16":
            return
        stream = generator(seed, "imagenet", "cgn", "calibration", device=self.device)
        labels = torch.randint(0, self.cgn.num_classes, (32,), generator=stream, device=self.device)
        pair = [self._teacher_images(labels, stream) for _ in range(2)]
        self.features.calibrate(pair[0], pair[1])

    def _teacher_images(self, labels: Tensor, stream: torch.Generator) -> Tensor:
        u = sample_latents(len(labels), self.cgn.z_dim, self.recipe.truncation, stream)
        return self.cgn.teacher(u, F.one_hot(labels, self.cgn.num_classes).float(), self.recipe.truncation)

    def step(self, step: int) -> dict[str, Tensor]:
        """Returns the loss terms, means over the micro-batches, and the mean of the masks."""
        recipe = self.recipe
        self.optimizer.zero_grad(set_to_none=True)
        totals: dict[str, Tensor] = {}
        for _ in range(recipe.accumulation):
            terms, parts = self.terms()
            loss = torch.stack(list(terms.values())).sum()
            (loss / recipe.accumulation if recipe.average_gradients else loss).backward()
            terms["mask mean"] = parts.mask.mean()
            for name, value in terms.items():
                totals[name] = totals.get(name, 0) + value.detach() / recipe.accumulation
        self.optimizer.step()
        return totals

    def terms(self) -> tuple[dict[str, Tensor], Parts]:
        """The loss terms of one micro-batch, weighted, with their graph."""
        recipe, cgn, n = self.recipe, self.cgn, self.recipe.batch_size
        label = torch.randint(0, cgn.num_classes, (1,), generator=self.noise, device=self.device)
        y = F.one_hot(label, cgn.num_classes).float().expand(n, -1)
        u = sample_latents(n, cgn.z_dim, recipe.truncation, self.noise)
        with torch.autocast(self.device.split(":")[0], torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            x_gt = cgn.teacher(u, y, recipe.truncation)
            parts = cgn(u, Labels(y, y, y), recipe.truncation)
            background_mask = cgn.saliency(parts.background)
        x_gt, background_mask, parts = x_gt.float(), background_mask.float(), Parts(*(part.float() for part in parts))
        return self._weighted(parts, x_gt, background_mask), parts

    def _weighted(self, parts: Parts, x_gt: Tensor, background_mask: Tensor) -> dict[str, Tensor]:
        """Eq. 2, one line per term."""
        recipe, features, mask = self.recipe, self.features, parts.mask
        terms = {
            "reconstruction": recipe.lambda_reconstruction * losses.reconstruction(parts.image, x_gt),
            "style": self._style(parts.image, x_gt, recipe.style_weights),
            "entropy": recipe.lambda_entropy * losses.binary_entropy(mask),
            "interval": recipe.lambda_interval * losses.mask_interval(mask, *recipe.interval),
            "background": recipe.lambda_background * losses.background_residue(background_mask),
        }
        if any(recipe.texture_weights):
            target = self.texture_target(x_gt, mask.detach())
            terms["texture"] = features.style_loss(parts.foreground, target, recipe.texture_weights)
        return terms

    def _style(self, images: Tensor, target: Tensor, weights: tuple[float, ...]) -> Tensor:
        return self.features.style_loss(images, target, weights) if any(weights) else images.new_zeros(())

    def texture_target(self, x_gt: Tensor, mask: Tensor) -> Tensor:
        """An image that is all object, made from teacher images (B, 3, R, R) and their masks (B, 1, R, R)."""
        if self.recipe.texture_target == "fill":
            return fill(x_gt, mask, self.noise)
        return patch_grid(x_gt, mask, self.noise, self.patches)

    def snapshot(self, folder: Path) -> None:
        """Write the parts of one sample of some classes, and x_gt, with noise fixed over training, to `folder`."""
        parts, x_gt = sample_classes(self.cgn.eval())
        self.cgn.train()
        tensors = parts._asdict() | {"x_gt": x_gt}
        save_tensors(tensors, folder / f"snapshot-{self.state.step:06d}.safetensors")


def mechanisms_of(cgn: ImageNetCGN) -> nn.ModuleDict:
    """What is trained, and kept in artefacts."""
    return nn.ModuleDict({"f_shape": cgn.f_shape, "f_text": cgn.f_text, "f_bg": cgn.f_bg})


@torch.no_grad()
def sample_classes(cgn: ImageNetCGN, classes: Tensor | None = None, seed: int = 0) -> tuple[Parts, Tensor]:
    """Parts of one tied sample of each class (the first ten by default) and x_gt; noise depends on `seed` alone."""
    device = next(cgn.parameters()).device
    classes = torch.arange(min(10, cgn.num_classes)) if classes is None else classes
    u = sample_latents(len(classes), cgn.z_dim, 1.0, generator(seed, "samples")).to(device)
    labels = Labels.tied(classes.to(device), cgn.num_classes)
    return cgn(u, labels), cgn.teacher(u, labels.shape)


def train_imagenet_cgn(
    cgn: ImageNetCGN,
    recipe: ImageNetRecipe,
    features: PerceptualFeatures,
    seed: int,
    *,
    world: str,
    device: str = "cpu",
    root: Path | None = None,
) -> tuple[ImageNetCGN, Artefact]:
    """Train, resume or load the mechanisms of `cgn`, which starts from its teacher. world: toy | imagenet.

    Returns it in eval mode, with its artefact (record, log, snapshots). Raises TrainingStopped on divergence or mask
    collapse.
    """
    config = {
        "recipe": asdict(recipe),
        "seed": seed,
        "world": world,
        "teacher": fingerprint(cgn.biggan_GT),
        "u2net": fingerprint(cgn.u2net),
        "features": features.name,
        "version": METHOD_VERSION,
    }
    artefact = Artefact("imagenet-cgn", config, root)
    mechanisms = mechanisms_of(cgn.to(device))
    with artefact.lock():
        if artefact.load(mechanisms) is None:
            trainer = ImageNetTrainer(cgn, recipe, features, seed, device)
            artefact.resume(trainer.state)
            if trainer.state.step == 0:
                trainer.snapshot(artefact.folder)
            shares = {max(1, round(share * recipe.updates)) for share in SNAPSHOT_SHARES if share}
            snapshots = {step: lambda: trainer.snapshot(artefact.folder) for step in shares}
            title = f"ImageNet CGN ({world}) seed {seed}"
            run(trainer.state, recipe.updates, trainer.step, artefact.checkpoint, title=title, snapshots=snapshots)
            record = trainer.state.cost(device) | {"style_scale": features.scale}
            artefact.finish(mechanisms, record, pd.DataFrame(trainer.state.log))
    return cgn.eval(), artefact
