"""Training of the ImageNet CGN (Eq. 2): the mechanisms learn to rebuild the teacher's images, each with a part of them.

No photograph is seen: the teacher draws what is to be rebuilt, from the noise and class that the mechanisms get.
"""

import copy
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgnlib import losses
from cgnlib.features import PerceptualFeatures
from cgnlib.imagenet.biggan import sample_latents
from cgnlib.imagenet.cgn import ImageNetCGN, Labels, Parts
from cgnlib.imagenet.recipes import CGN_VERSION, ImageNetRecipe
from cgnlib.imagenet.texture_targets import PatchGrid, fill, patch_grid
from cgnlib.randomness import generator
from cgnlib.training.artefact import Artefact
from cgnlib.training.loop import TrainingState, run
from cgnlib.training.weights import fingerprint, save_tensors

SNAPSHOT_SHARES = (0.0, 0.05, 0.1, 0.25, 0.5, 1.0)  # of the training length


class ImageNetTrainer:
    """`step(i)` is one update of the three mechanisms; `state` is all that a resume needs."""

    def __init__(
        self,
        cgn: ImageNetCGN,
        recipe: ImageNetRecipe,
        features: PerceptualFeatures,
        seed: int,
        device: str = "cpu",
        shown: Tensor | None = None,
    ) -> None:
        """shown: classes of the snapshots, by default the first ten."""
        self.recipe, self.device, self.shown = recipe, device, shown
        self.cgn, self.features = cgn.to(device).train(), copy.deepcopy(features).to(device)
        self.noise = generator(seed, "imagenet", "cgn", "noise", device=device)
        self.patches = PatchGrid.for_resolution(cgn.f_shape.config.resolution)
        if features.name != "vgg16":
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
        """Rescale the style terms, on pairs of teacher images of one class, for features that are not the published."""
        cgn, truncation = self.cgn, self.recipe.truncation
        stream = generator(seed, "imagenet", "cgn", "calibration", device=self.device)
        labels = torch.randint(0, cgn.num_classes, (32,), generator=stream, device=self.device)
        y = F.one_hot(labels, cgn.num_classes).float()
        first, second = (
            cgn.teacher(sample_latents(32, cgn.z_dim, truncation, stream), y, truncation) for _ in range(2)
        )
        self.features.calibrate(first, second)

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
        mask, style = parts.mask, self.features.style_loss
        rebuilt = style(parts.image, x_gt, recipe.style_weights) if any(recipe.style_weights) else mask.new_zeros(())
        terms = {  # Eq. 2
            "reconstruction": recipe.lambda_reconstruction * losses.reconstruction(parts.image, x_gt),
            "style": rebuilt,
            "entropy": recipe.lambda_entropy * losses.binary_entropy(mask),
            "interval": recipe.lambda_interval * losses.mask_interval(mask, *recipe.interval),
            "background": recipe.lambda_background * losses.background_residue(background_mask),
        }
        if any(recipe.texture_weights):
            target = self.texture_target(x_gt, mask.detach())
            terms["texture"] = style(parts.foreground, target, recipe.texture_weights)
        return terms, parts

    def texture_target(self, x_gt: Tensor, mask: Tensor) -> Tensor:
        """An image that is all object, made from teacher images (B, 3, R, R) and their masks (B, 1, R, R)."""
        if self.recipe.texture_target == "fill":
            return fill(x_gt, mask, self.noise)
        return patch_grid(x_gt, mask, self.noise, self.patches)

    def snapshot(self, folder: Path) -> None:
        """Write the parts of one sample of some classes, and x_gt, with noise fixed over training, to `folder`."""
        parts, x_gt = sample_classes(self.cgn.eval(), self.shown)
        self.cgn.train()
        save_tensors(parts._asdict() | {"x_gt": x_gt}, folder / f"snapshot-{self.state.step:06d}.safetensors")


def mechanisms_of(cgn: ImageNetCGN) -> nn.ModuleDict:
    """What is trained, and kept in artefacts."""
    return nn.ModuleDict({"f_shape": cgn.f_shape, "f_text": cgn.f_text, "f_bg": cgn.f_bg})


def sample_noise(cgn: ImageNetCGN, n: int, seed: int = 0) -> Tensor:
    """u (n, z_dim) of n samples that are shown through training; depends on `seed` alone."""
    return sample_latents(n, cgn.z_dim, 1.0, generator(seed, "samples"))


@torch.no_grad()
def sample_classes(cgn: ImageNetCGN, classes: Tensor | None = None, seed: int = 0) -> tuple[Parts, Tensor]:
    """Parts of one tied sample of each class (the first ten by default) and x_gt; noise: `sample_noise`."""
    device = next(cgn.parameters()).device
    classes = torch.arange(min(10, cgn.num_classes)) if classes is None else classes
    u = sample_noise(cgn, len(classes), seed).to(device)
    labels = Labels.tied(classes.to(device), cgn.num_classes)
    return cgn(u, labels), cgn.teacher(u, labels.shape)


def artefact_of(
    cgn: ImageNetCGN, recipe: ImageNetRecipe, features: str, seed: int, world: str, root: Path | None = None
) -> Artefact:
    """Where the mechanisms that `train_imagenet_cgn` trains are kept, trained or not. features: the network's name."""
    config = {
        "recipe": asdict(recipe),
        "seed": seed,
        "world": world,
        "teacher": fingerprint(cgn.biggan_GT),
        "u2net": fingerprint(cgn.u2net),
        "features": features,
        "version": CGN_VERSION,
    }
    return Artefact("imagenet-cgn", config, root)


def train_imagenet_cgn(
    cgn: ImageNetCGN,
    recipe: ImageNetRecipe,
    features: PerceptualFeatures,
    seed: int,
    *,
    world: str,
    device: str = "cpu",
    root: Path | None = None,
    shown: Tensor | None = None,
) -> tuple[ImageNetCGN, Artefact]:
    """Train, resume or load the mechanisms of `cgn`. They start from its teacher, whatever they were trained to before.
    world: toy | imagenet; shown: classes of the snapshots, by default the first ten.

    Returns it in eval mode, with its artefact (record, log, snapshots). Raises TrainingStopped on divergence; no
    training here is long enough to be stopped for collapsed masks.
    """
    artefact = artefact_of(cgn, recipe, features.name, seed, world, root)
    mechanisms = mechanisms_of(cgn.to(device))
    with artefact.lock():
        if artefact.load(mechanisms) is None:
            for mechanism in mechanisms.values():
                mechanism.load_state_dict(cgn.biggan_GT.state_dict())
            trainer = ImageNetTrainer(cgn, recipe, features, seed, device, shown)
            artefact.resume(trainer.state)
            if trainer.state.step == 0:
                trainer.snapshot(artefact.folder)
            shares = {max(1, round(share * recipe.updates)) for share in SNAPSHOT_SHARES if share}
            snapshots = {step: lambda: trainer.snapshot(artefact.folder) for step in shares}
            options = {"title": f"ImageNet CGN ({world}) seed {seed}", "snapshots": snapshots}
            run(trainer.state, recipe.updates, trainer.step, artefact.checkpoint, **options)
            record = trainer.state.cost(device) | {"style_scale": trainer.features.scale}
            artefact.finish(mechanisms, record, pd.DataFrame(trainer.state.log))
    return cgn.eval(), artefact
