"""A conditional GAN in the style of DCGAN: the true `gan` baseline (as in Re-CGN; the seed's "GAN" is a tied CGN)."""

import functools
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn

from cgnlib import losses
from cgnlib.capture import CapturedStep, capturable
from cgnlib.images import LabelledImages, concatenate, to_float, to_uint8
from cgnlib.mnist.cgn import CLASSES, EMBEDDING, UpsampledConv2d
from cgnlib.mnist.discriminators import StridedDiscriminator
from cgnlib.randomness import derive_seed, generator
from cgnlib.training import Artefact, Batches, TrainingState, run, update

LATENT = 64
METHOD_VERSION = 1
IMAGES_PER_BATCH = 500


@dataclass(frozen=True)
class GANConfig:
    """DCGAN's Adam settings; `images` is the number of generated images seen in training."""

    images: int = 500_000
    batch_size: int = 64
    learning_rate: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)


class Generator(nn.Module):
    """Noise (B, 64) and labels (B,) -> images (B, 3, 32, 32) in [-1, 1]: one latent for the whole image."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.label_embedding = nn.Embedding(CLASSES, EMBEDDING)
        blocks: list[nn.Module] = [nn.Linear(LATENT + EMBEDDING, 4 * width * 16), nn.Unflatten(1, (4 * width, 4, 4))]
        for channels, out in ((4 * width, 4 * width), (4 * width, 2 * width), (2 * width, width)):
            blocks += [UpsampledConv2d(channels, out), nn.BatchNorm2d(out), nn.ReLU()]
        self.layers = nn.Sequential(*blocks, nn.Conv2d(width, 3, 3, padding=1), nn.Tanh())

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        return self.layers(torch.cat([noise, self.label_embedding(labels)], dim=1))


def train_gan(
    images: LabelledImages, config: GANConfig, seed: int, *, device: str = "cpu", root: Path | None = None
) -> tuple[Generator, Artefact]:
    """The generator that `config` gives on `images` with `seed`, in eval mode: trained, resumed or loaded."""
    key = {
        "config": asdict(config),
        "seed": seed,
        "images": images.sha256,
        "name": images.name,
        "version": METHOD_VERSION,
    }
    artefact = Artefact("gan", key, root)
    with artefact.lock():
        network = _seeded_networks(seed)[0]
        if artefact.load(network) is None:
            network = _train(artefact, images, config, seed, device)
    network.to(device).to(memory_format=torch.channels_last)  # trained or loaded: the same layout, so the same images
    return network.eval(), artefact


def _seeded_networks(seed: int) -> tuple[Generator, StridedDiscriminator]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "gan", "initialisation"))
        return Generator(), StridedDiscriminator()


def _train(artefact: Artefact, images: LabelledImages, config: GANConfig, seed: int, device: str) -> Generator:
    network, discriminator = _seeded_networks(seed)
    for part in (network, discriminator):
        part.to(device).to(memory_format=torch.channels_last).train()
    optimizer_g, optimizer_d = (
        torch.optim.Adam(part.parameters(), betas=config.betas, fused=True, **capturable(config.learning_rate, device))
        for part in (network, discriminator)
    )
    stream = generator(seed, "gan", "noise", device=device)
    state = TrainingState(
        {"generator": network, "discriminator": discriminator}, {"g": optimizer_g, "d": optimizer_d}, {"noise": stream}
    )
    artefact.resume(state)
    batches = Batches(len(images), config.batch_size, seed, "gan", "order")
    chosen = torch.empty(config.batch_size, dtype=torch.int64, device=device)
    pixels, all_labels = images.images.to(device), images.shape.to(device)

    @functools.partial(CapturedStep, device=device, generators=[stream])
    def on_batch() -> dict[str, Tensor]:
        labels = all_labels[chosen]
        real = to_float(pixels[chosen]).contiguous(memory_format=torch.channels_last)
        fake = network(torch.randn(len(labels), LATENT, generator=stream, device=device), labels)
        discriminator.requires_grad_(False)
        loss_g = losses.adversarial(discriminator(fake, labels, stream), real=True)
        update(optimizer_g, loss_g)
        discriminator.requires_grad_(True)
        on_real = losses.adversarial(discriminator(real, labels, stream), real=True)
        loss_d = (on_real + losses.adversarial(discriminator(fake.detach(), labels, stream), real=False)) / 2
        update(optimizer_d, loss_d)
        return {"adversarial": loss_g.detach(), "discriminator": loss_d.detach()}

    def step(index: int) -> dict[str, Tensor]:
        chosen.copy_(batches[index])
        return on_batch()

    run(state, config.images // config.batch_size, step, artefact.checkpoint, title=f"GAN {images.name} seed {seed}")
    artefact.finish(network, state.cost(device), pd.DataFrame(state.log))
    return network


@dataclass(frozen=True)
class GANStream:
    """`n` images of a GAN with uniform labels, batch by batch; every factor carries the one label of the image."""

    network: Generator
    n: int
    seed: int
    source: str = "gan"

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ValueError(f"a stream needs n >= 1, not {self.n}")

    @property
    def name(self) -> str:
        return f"{self.source}/images"

    def __iter__(self) -> Iterator[LabelledImages]:
        device = next(self.network.parameters()).device
        stream = generator(self.seed, "gan images", device=device)
        for start in range(0, self.n, IMAGES_PER_BATCH):
            size = min(IMAGES_PER_BATCH, self.n - start)
            labels = torch.randint(0, CLASSES, (size,), generator=stream, device=device)
            with torch.inference_mode():
                noise = torch.randn(size, LATENT, generator=stream, device=device)
                pixels = to_uint8(self.network(noise, labels)).contiguous().cpu()
            labels = labels.cpu()
            yield LabelledImages(pixels, labels, labels, labels, self.name, self.source)

    def collect(self) -> LabelledImages:
        """All images in memory (3 kB each)."""
        return concatenate(list(self), self.name)
