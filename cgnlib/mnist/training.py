"""Training of the MNIST CGN (SG21, Appendix; seed, Section 3.4.1). Training sees images and their class labels only."""

import copy
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn

from cgnlib import losses
from cgnlib.features import PerceptualFeatures
from cgnlib.images import LabelledImages, to_float
from cgnlib.mnist.cgn import CGN, CLASSES, Composition, draw_noise, initialise
from cgnlib.mnist.discriminators import DISCRIMINATORS, ConvDiscriminator, Discriminator
from cgnlib.mnist.recipes import Recipe
from cgnlib.randomness import derive_seed, generator
from cgnlib.training import Artefact, Batches, TrainingState, run, save_tensors

METHOD_VERSION = 1  # raised when a change of this module changes what the same recipe gives
SNAPSHOT_SHARES = (0.02, 0.1, 0.25, 0.5, 1.0)  # of the training length


def train_cgn(
    images: LabelledImages,
    recipe: Recipe,
    features: PerceptualFeatures,
    seed: int,
    *,
    device: str = "cpu",
    root: Path | None = None,
) -> tuple[CGN, Artefact]:
    """The CGN that `recipe` gives on `images` with `seed`, in eval mode: trained, resumed or loaded.

    Returns the CGN and its artefact (record, log, snapshots). Raises TrainingStopped on divergence or mask collapse.
    """
    config = {
        "recipe": asdict(recipe),
        "seed": seed,
        "images": images.sha256,
        "name": images.name,
        "features": features.name,
        "version": METHOD_VERSION,
    }
    artefact = Artefact("cgn", config, root)
    with artefact.lock():
        cgn = CGN()
        if artefact.load(cgn) is None:
            _train(cgn, artefact, images, recipe, features, seed, device)
    return cgn.to(device).eval(), artefact


def _train(
    cgn: CGN,
    artefact: Artefact,
    images: LabelledImages,
    recipe: Recipe,
    features: PerceptualFeatures,
    seed: int,
    device: str,
) -> None:
    trainer = CGNTrainer(images, recipe, features, seed, device)
    artefact.resume(trainer.state)
    steps = recipe.images // recipe.batch_size
    snapshots = {max(1, round(share * steps)): lambda: trainer.snapshot(artefact.folder) for share in SNAPSHOT_SHARES}
    run(
        trainer.state,
        steps,
        trainer.step,
        artefact.checkpoint,
        title=f"CGN {images.name} seed {seed}",
        snapshots=snapshots,
    )
    kept = trainer.averaged if recipe.ema else trainer.cgn
    cgn.load_state_dict(kept.state_dict())
    record = {"device": device, "seconds": round(trainer.state.seconds, 1), "style_scale": trainer.features.scale}
    artefact.finish(cgn, record, pd.DataFrame(trainer.state.log))


class CGNTrainer:
    """One CGN training: `step(i)` is one generator and one discriminator update; `state` is all that a resume needs."""

    def __init__(
        self, images: LabelledImages, recipe: Recipe, features: PerceptualFeatures, seed: int, device: str
    ) -> None:
        self.recipe, self.images, self.device = recipe, images, device
        self.labels = images.shape.to(device)
        self.pixels = images.images.to(device)
        self.batches = Batches(len(images), recipe.batch_size, seed, "cgn", "order")
        self.noise = generator(seed, "cgn", "noise", device=device)
        self.cgn, self.discriminator = build_networks(recipe, seed)
        for network in (self.cgn, self.discriminator, features):
            network.to(device).to(memory_format=torch.channels_last)
        self.averaged = copy.deepcopy(self.cgn).requires_grad_(False)
        self.features = features
        self._calibrate(seed)
        self.optimizer_g = torch.optim.Adam(self.cgn.parameters(), recipe.learning_rate, recipe.betas, fused=True)
        self.optimizer_d = torch.optim.Adam(
            self.discriminator.parameters(), recipe.learning_rate, recipe.betas, fused=True
        )
        self.state = TrainingState(
            {"cgn": self.cgn, "averaged": self.averaged, "discriminator": self.discriminator},
            {"g": self.optimizer_g, "d": self.optimizer_d},
            {"noise": self.noise},
        )

    def _calibrate(self, seed: int) -> None:
        """Rescale the style terms on 256 pairs of real images (nothing to do for VGG16)."""
        pair = torch.randint(0, len(self.images), (2, 256), generator=generator(seed, "cgn", "calibration"))
        self.features.calibrate(self._real(pair[0]), self._real(pair[1]))

    def _real(self, index: Tensor) -> Tensor:
        return to_float(self.pixels[index.to(self.device)]).contiguous(memory_format=torch.channels_last)

    def step(self, step: int) -> dict[str, Tensor]:
        """One update of both networks; returns the losses of the generator, term by term, and of the discriminator."""
        recipe = self.recipe
        self._schedule(step)
        index = self.batches[step]
        real, labels = self._real(index), self.labels[index.to(self.device)]
        fake_labels = labels if recipe.matched_labels else self._random_labels(len(labels))

        parts = self.cgn(draw_noise(len(labels), self.noise), fake_labels, self.noise)
        image = parts.image
        self.discriminator.requires_grad_(False)
        terms = {
            "adversarial": losses.adversarial(self.discriminator(image, fake_labels, self.noise), real=True),
            "entropy": recipe.lambda_mask * losses.binary_entropy(parts.mask),
            "style": self.features.style_loss(image, real, recipe.style_weights),
            "interval": recipe.lambda_interval * losses.mask_interval(parts.mask, *recipe.interval),
            "border": recipe.lambda_border * losses.border_residue(parts.mask, recipe.border),
        }
        self.optimizer_g.zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()
        self.optimizer_g.step()
        self._average(step)

        self.discriminator.requires_grad_(True)
        validity_real = self.discriminator(real, labels, self.noise)
        validity_fake = self.discriminator(image.detach(), fake_labels, self.noise)
        loss_d = (losses.adversarial(validity_real, real=True) + losses.adversarial(validity_fake, real=False)) / 2
        self.optimizer_d.zero_grad(set_to_none=True)
        loss_d.backward()
        self.optimizer_d.step()
        return {name: term.detach() for name, term in terms.items()} | {
            "discriminator": loss_d.detach(),
            "mask mean": parts.mask.detach().mean(),
        }

    def _random_labels(self, n: int) -> Tensor:
        return torch.randint(0, CLASSES, (n,), generator=self.noise, device=self.device)

    def _schedule(self, step: int) -> None:
        steps = self.recipe.images // self.recipe.batch_size
        share = 1 - (1 - self.recipe.final_learning_rate) * step / steps
        for optimizer in (self.optimizer_g, self.optimizer_d):
            for group in optimizer.param_groups:
                group["lr"] = self.recipe.learning_rate * share

    @torch.no_grad()
    def _average(self, step: int) -> None:
        if not self.recipe.ema:
            return
        decay = min(self.recipe.ema, (step + 1) / (step + 10))  # short memory at the start
        for mean, value in zip(self.averaged.state_dict().values(), self.cgn.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)

    def snapshot(self, folder: Path) -> None:
        """Write mask, foreground, background and image of each class, with noise fixed over training, to `folder`."""
        network = self.averaged if self.recipe.ema else self.cgn
        parts = sample_classes(network.eval(), self.device)
        network.train()
        tensors = {
            "mask": parts.mask,
            "foreground": parts.foreground,
            "background": parts.background,
            "image": parts.image,
        }
        save_tensors(tensors, folder / f"snapshot-{self.state.step:06d}.safetensors")


def build_networks(recipe: Recipe, seed: int) -> tuple[CGN, Discriminator]:
    """CGN and discriminator with the recipe's initialisation, from named generators."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "cgn", "default initialisation"))  # layers that keep PyTorch's default
        cgn = CGN()
        discriminator = DISCRIMINATORS[recipe.discriminator]()
    initialise(cgn, recipe.initialisation, recipe.gain, generator(seed, "cgn", "initialisation"))
    if isinstance(discriminator, ConvDiscriminator):
        initialise(discriminator, "normal", 0.02, generator(seed, "discriminator", "initialisation"))
    return cgn, discriminator


@torch.no_grad()
def sample_classes(cgn: nn.Module, device: str = "cpu", seed: int = 0) -> Composition:
    """One sample of each class with tied labels and noise that depends on `seed` alone: comparable over training."""
    stream = generator(seed, "samples", device=device)
    return cgn(draw_noise(CLASSES, stream), torch.arange(CLASSES, device=device), stream)
