"""The toy world's pre-trained parts: what ImageNet's BigGAN, U2-Net and classifiers are to the real study.

Each is trained by its own recipe on its own data: the generator on class-tied images, the salient-object network on
other objects, textures and scenes than the ten classes', the classifiers on the factor that they are to read.
"""

import copy
import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgnlib import losses
from cgnlib.features import perceptual_features
from cgnlib.imagenet import biggan, u2net
from cgnlib.imagenet.biggan import BigGAN, BigGANConfig, measure_statistics, sample_latents
from cgnlib.imagenet.discriminator import ProjectedDiscriminator
from cgnlib.imagenet.names import FACTORS
from cgnlib.imagenet.u2net import U2Net, U2NetConfig
from cgnlib.images import to_float
from cgnlib.randomness import derive_seed, generator, seeded
from cgnlib.toyworld.latents import scenes_of
from cgnlib.toyworld.reader import Reader
from cgnlib.toyworld.sets import FREE, TRAIN, build, salient_scenes
from cgnlib.toyworld.world import N_CLASSES, render
from cgnlib.training.artefact import Artefact
from cgnlib.training.capture import set_learning_rate
from cgnlib.training.loop import TrainingState, run
from cgnlib.training.steps import Batches, follow, freeze, update

METHOD_VERSION = 2


@dataclass(frozen=True)
class BigGANRecipe:
    """Training of a class-conditional generator at a size for CPUs: hinge training (Brock et al., 2019), guided.

    Hinge training alone drew one sharp image per class after 4,000 steps, whatever the latent. So each latent stands
    for a scene (`latents.scenes_of`), and the generator is pulled towards the picture of it while the
    discriminator compares both.
    """

    generator: BigGANConfig = biggan.TOY_64
    features: str = "efficientnet-lite0"  # through which the discriminator sees images
    steps: int = 8_000
    adversarial_from: int = 5_000  # before this step the discriminator does not take part
    batch_size: int = 16
    lambda_pixel: float = 10.0  # mean absolute difference to the latent's scene
    lambda_features: float = 1.0  # the same of standardised feature maps, once the discriminator takes part
    learning_rate_g: float = 3e-3
    learning_rate_d: float = 6e-4
    betas: tuple[float, float] = (0.5, 0.99)
    ema: float = 0.999  # decay per step of the averaged weights, which are kept
    statistics_images: int = 2_048  # per truncation, for the stored batch-norm statistics


class BigGANTrainer:
    """One update of the generator per step, and of the discriminator; `state` is all that a resume needs."""

    def __init__(self, recipe: BigGANRecipe, seed: int, device: str = "cpu") -> None:
        self.recipe, self.device = recipe, device
        self.features = perceptual_features(recipe.features).to(device)
        self.network = BigGAN(recipe.generator).to(device)
        real = self._draw(256, generator(seed, "toyworld", "biggan", "standardisation"))[2]
        with torch.no_grad():
            self.judge = ProjectedDiscriminator(self._look(real), N_CLASSES).to(device)
            stream = generator(seed, "toyworld", "biggan", "initialisation")
            for network in (self.network, self.judge):
                biggan.initialise(network.cpu(), stream)
                network.to(device).train()
        self.network.use_batch_statistics(True)
        self.averaged = copy.deepcopy(self.network).requires_grad_(False)
        self.noise = generator(seed, "toyworld", "biggan", "noise")
        self.optimizer_g = torch.optim.Adam(self.network.parameters(), recipe.learning_rate_g, recipe.betas, fused=True)
        self.optimizer_d = torch.optim.Adam(self.judge.parameters(), recipe.learning_rate_d, recipe.betas, fused=True)
        self.state = TrainingState(
            {"generator": self.network, "averaged": self.averaged, "discriminator": self.judge},
            {"g": self.optimizer_g, "d": self.optimizer_d},
            {"noise": self.noise},
        )

    def _draw(self, n: int, stream: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Latents (n, z_dim), class vectors (n, 10), and the images (n, 3, 64, 64) that they stand for."""
        z = sample_latents(n, self.recipe.generator.z_dim, 1.0, stream)
        labels = torch.randint(N_CLASSES, (n,), generator=stream)
        images = render(scenes_of(z, labels)).image
        return z.to(self.device), F.one_hot(labels, N_CLASSES).float().to(self.device), images.to(self.device)

    def _look(self, images: Tensor) -> list[Tensor]:
        """The feature maps that the discriminator judges."""
        return self.features(images.contiguous(memory_format=torch.channels_last))

    def step(self, step: int) -> dict[str, Tensor]:
        """Returns the loss terms."""
        recipe = self.recipe
        set_rate(self.optimizer_g, recipe.learning_rate_g, step / recipe.steps)
        z, labels, real = self._draw(recipe.batch_size, self.noise)
        fake = self.network(z, labels)
        nothing = fake.new_zeros(())
        terms = {"pixel": recipe.lambda_pixel * F.l1_loss(fake, real)}
        loss_d = nothing
        if step >= recipe.adversarial_from:
            loss_d, adversarial = self._adversarial(real, fake, labels)
            terms |= adversarial
        update(self.optimizer_g, torch.stack(list(terms.values())).sum())
        self.judge.requires_grad_(True)
        follow(self.averaged, self.network, recipe.ema, step)
        values = {name: value.detach() for name, value in terms.items()}
        return {"features": nothing, "generator": nothing} | values | {"discriminator": loss_d}

    def _adversarial(self, real: Tensor, fake: Tensor, labels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Updates the discriminator. Returns its loss, and the generator's terms with their graph."""
        seen_fake = self._look(fake)
        with torch.no_grad():
            seen_real = self._look(real)
        seen = [torch.cat([a, b.detach()]) for a, b in zip(seen_real, seen_fake, strict=True)]
        loss_d = losses.hinge_discriminator(*self.judge(seen, labels.repeat(2, 1)).chunk(2))
        update(self.optimizer_d, loss_d)
        self.judge.requires_grad_(False)
        return loss_d.detach(), {
            "features": self.recipe.lambda_features * self.judge.difference(seen_fake, seen_real),
            "generator": losses.hinge_generator(self.judge(seen_fake, labels)),
        }


def train_biggan(
    recipe: BigGANRecipe, seed: int, *, device: str = "cpu", root: Path | None = None
) -> tuple[BigGAN, Artefact]:
    """The toy world's BigGAN in eval mode with stored statistics: trained, resumed or loaded."""
    artefact, network = _artefact("toy-biggan", recipe, seed, root), BigGAN(recipe.generator)
    with artefact.lock():
        if artefact.load(network) is None:
            trainer = BigGANTrainer(recipe, seed, device)
            artefact.resume(trainer.state)
            title = f"BigGAN of the toy world seed {seed}"
            run(trainer.state, recipe.steps, trainer.step, artefact.checkpoint, title=title)
            network = trainer.averaged
            biggan.renew_singular_vectors(network)
            stream = generator(seed, "toyworld", "biggan", "statistics")
            measure_statistics(network, recipe.statistics_images, 256, stream)
            artefact.finish(network, trainer.state.cost(device), pd.DataFrame(trainer.state.log))
    return network.to(device).eval(), artefact


def _artefact(
    kind: str, recipe: "BigGANRecipe | SaliencyRecipe | ReaderRecipe", seed: int, root: Path | None
) -> Artefact:
    return Artefact(kind, {"recipe": asdict(recipe), "seed": seed, "version": METHOD_VERSION}, root)


@dataclass(frozen=True)
class SaliencyRecipe:
    """Training of the small U2-Net on images of other worlds than the ten classes' (`sets.salient_scenes`)."""

    network: U2NetConfig = u2net.TOY
    steps: int = 3_000
    batch_size: int = 16
    learning_rate: float = 2e-3


def train_saliency(
    recipe: SaliencyRecipe, seed: int, *, device: str = "cpu", root: Path | None = None
) -> tuple[U2Net, Artefact]:
    """The toy world's U2-Net, frozen: trained, resumed or loaded. Every step sees new images."""
    artefact = _artefact("toy-u2net", recipe, seed, root)
    with seeded(seed, "toyworld", "u2net", "initialisation"):
        network = U2Net(recipe.network)
    stream = generator(seed, "toyworld", "u2net", "images")

    def loss(index: int) -> Tensor:
        scenes = salient_scenes(recipe.batch_size, stream)
        return u2net.saliency_loss(network.side_logits(scenes.image.to(device)), scenes.mask.to(device))

    title = f"U2-Net of the toy world seed {seed}"
    _fit(network, loss, recipe.learning_rate, recipe.steps, artefact, device, title, {"images": stream})
    return freeze(network), artefact


@dataclass(frozen=True)
class ReaderRecipe:
    """Training of a network that reads labels: of the class from tied images, or of all factors from free ones."""

    data: str = FREE  # the set it is trained on: free | train (class-tied)
    heads: tuple[str, ...] = FACTORS
    images: int = 20_000
    epochs: int = 8
    batch_size: int = 64
    learning_rate: float = 3e-3


CLASSIFIER = ReaderRecipe(data=TRAIN, heads=("shape",), epochs=4)
FACTOR_READER = ReaderRecipe()


def train_reader(
    recipe: ReaderRecipe, seed: int, *, device: str = "cpu", root: Path | None = None
) -> tuple[Reader, Artefact]:
    """A reader in eval mode: trained, resumed or loaded."""
    artefact = _artefact("toy-reader", recipe, seed, root)
    with seeded(seed, "toyworld", "reader", "initialisation"):
        reader = Reader(recipe.heads)
    batches = Batches(recipe.images, recipe.batch_size, seed, "toyworld", "reader", "order")

    # Rendered when first needed: not where a finished network is loaded.
    data = functools.cache(lambda: build(recipe.data, recipe.images, derive_seed(seed, "toyworld", "reader")))

    def loss(index: int) -> Tensor:
        chosen = batches[index]
        logits = reader(to_float(data().images[chosen]).to(device))
        terms = [F.cross_entropy(each, getattr(data(), name)[chosen].to(device)) for name, each in logits.items()]
        return torch.stack(terms).sum()

    title, steps = f"reader of {', '.join(recipe.heads)} seed {seed}", recipe.epochs * batches.per_epoch
    _fit(reader, loss, recipe.learning_rate, steps, artefact, device, title)
    return reader.eval(), artefact


def _fit(
    network: nn.Module,
    loss: Callable[[int], Tensor],
    learning_rate: float,
    steps: int,
    artefact: Artefact,
    device: str,
    title: str,
    generators: Mapping[str, torch.Generator] = MappingProxyType({}),
) -> None:
    """Train a network by Adam, resume, or load what the artefact holds; it is on `device` then, in channels-last.

    loss: of a step by index. generators: that it draws from.
    """
    with artefact.lock():
        finished = artefact.load(network) is not None
        network.to(device).to(memory_format=torch.channels_last)
        if finished:
            return
        network.train()
        optimizer = torch.optim.Adam(network.parameters(), learning_rate, fused=True)
        state = TrainingState({"network": network}, {"adam": optimizer}, dict(generators))
        artefact.resume(state)

        def step(index: int) -> dict[str, Tensor]:
            set_rate(optimizer, learning_rate, index / steps)
            value = loss(index)
            update(optimizer, value)
            return {"loss": value.detach()}

        run(state, steps, step, artefact.checkpoint, title=title)
        artefact.finish(network, state.cost(device), pd.DataFrame(state.log))


def set_rate(optimizer: torch.optim.Optimizer, learning_rate: float, share: float) -> None:
    """Half a cosine from the full learning rate to nothing; `share` of the training is done."""
    set_learning_rate(optimizer, learning_rate * (1 + math.cos(math.pi * share)) / 2)
