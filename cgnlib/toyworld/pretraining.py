"""The toy world's pre-trained parts: what ImageNet's BigGAN, U2-Net and classifiers are to the real study.

Each is trained by its own recipe on its own data: the generator on class-tied images, the salient-object network on
other objects, textures and scenes than the ten classes', the classifiers on the factor that they are to read.
"""

import copy
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from cgnlib import losses
from cgnlib.imagenet import biggan, discriminator
from cgnlib.imagenet.biggan import BigGAN, BigGANConfig, measure_statistics, sample_latents
from cgnlib.imagenet.discriminator import Discriminator, DiscriminatorConfig
from cgnlib.randomness import derive_seed, generator
from cgnlib.toyworld.sets import TRAIN, build, to_float
from cgnlib.toyworld.world import N_CLASSES
from cgnlib.training import Artefact, Batches, TrainingState, run

METHOD_VERSION = 1


@dataclass(frozen=True)
class BigGANRecipe:
    """Hinge training of a class-conditional generator (Brock et al., 2019), at a size for CPUs."""

    generator: BigGANConfig = biggan.TOY_64
    discriminator: DiscriminatorConfig = discriminator.TOY_64
    training_images: int = 20_000  # of the class-tied training set
    steps: int = 10_000
    batch_size: int = 32
    learning_rate_g: float = 3e-4
    learning_rate_d: float = 6e-4
    betas: tuple[float, float] = (0.0, 0.99)
    ema: float = 0.999  # decay per step of the averaged weights, which are kept
    statistics_images: int = 2_048  # per truncation, for the stored batch-norm statistics


class BigGANTrainer:
    """One update of discriminator and generator per step, on the same generated images; `state` is all a resume needs."""

    def __init__(self, recipe: BigGANRecipe, seed: int, device: str = "cpu") -> None:
        self.recipe, self.device = recipe, device
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "toyworld", "biggan", "default initialisation"))
            self.network, self.judge = BigGAN(recipe.generator), Discriminator(recipe.discriminator)
        stream = generator(seed, "toyworld", "biggan", "initialisation")
        with torch.no_grad():
            for network in (self.network, self.judge):
                biggan.initialise(network, stream)
                network.to(device).train()
        self.network.use_batch_statistics(True)
        self.averaged = copy.deepcopy(self.network).requires_grad_(False)
        data = build(TRAIN, recipe.training_images, seed)
        self.images, self.labels = data.images.to(device), data.shape.to(device)
        self.batches = Batches(len(data), recipe.batch_size, seed, "toyworld", "biggan", "order")
        self.noise = generator(seed, "toyworld", "biggan", "noise", device=device)
        self.optimizer_g = torch.optim.Adam(self.network.parameters(), recipe.learning_rate_g, recipe.betas, fused=True)
        self.optimizer_d = torch.optim.Adam(self.judge.parameters(), recipe.learning_rate_d, recipe.betas, fused=True)
        self.state = TrainingState(
            {"generator": self.network, "averaged": self.averaged, "discriminator": self.judge},
            {"g": self.optimizer_g, "d": self.optimizer_d},
            {"noise": self.noise},
        )

    def step(self, step: int) -> dict[str, Tensor]:
        """Returns both losses."""
        index = self.batches[step].to(self.device)
        real, labels = to_float(self.images[index]), F.one_hot(self.labels[index], N_CLASSES).float()
        z = sample_latents(len(labels), self.recipe.generator.z_dim, 1.0, self.noise)
        fake = self.network(z, labels)
        validity = self.judge(torch.cat([real, fake.detach()]), labels.repeat(2, 1))
        loss_d = losses.hinge_discriminator(*validity.chunk(2))
        self.optimizer_d.zero_grad(set_to_none=True)
        loss_d.backward()
        self.optimizer_d.step()
        self.judge.requires_grad_(False)
        loss_g = losses.hinge_generator(self.judge(fake, labels))
        self.optimizer_g.zero_grad(set_to_none=True)
        loss_g.backward()
        self.optimizer_g.step()
        self.judge.requires_grad_(True)
        self._average(step)
        return {"generator": loss_g.detach(), "discriminator": loss_d.detach()}

    @torch.no_grad()
    def _average(self, step: int) -> None:
        decay = min(self.recipe.ema, (step + 1) / (step + 10))  # short memory at the start
        for mean, value in zip(self.averaged.state_dict().values(), self.network.state_dict().values(), strict=True):
            mean.lerp_(value, 1 - decay)


def train_biggan(
    recipe: BigGANRecipe, seed: int, *, device: str = "cpu", root: Path | None = None
) -> tuple[BigGAN, Artefact]:
    """The toy world's BigGAN in eval mode with stored statistics: trained, resumed or loaded."""
    config = {"recipe": asdict(recipe), "seed": seed, "version": METHOD_VERSION}
    artefact = Artefact("toy-biggan", config, root)
    network = BigGAN(recipe.generator)
    with artefact.lock():
        if artefact.load(network) is None:
            trainer = BigGANTrainer(recipe, seed, device)
            artefact.resume(trainer.state)
            run(
                trainer.state,
                recipe.steps,
                trainer.step,
                artefact.checkpoint,
                title=f"BigGAN of the toy world seed {seed}",
            )
            network = trainer.averaged
            stream = generator(seed, "toyworld", "biggan", "statistics")
            measure_statistics(network, recipe.statistics_images, 256, stream)
            record = {"device": device, "seconds": round(trainer.state.seconds, 1)}
            artefact.finish(network, record, pd.DataFrame(trainer.state.log))
    return network.to(device).eval(), artefact
