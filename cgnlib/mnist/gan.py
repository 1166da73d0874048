"""A conditional GAN in the style of DCGAN: the true `gan` baseline (as in Re-CGN; the study's "GAN" is a tied CGN)."""

import functools
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn

from cgnlib import losses
from cgnlib.images import LabelledImages, to_float, to_uint8
from cgnlib.mnist.cgn import EMBEDDING, UpsampledConv2d
from cgnlib.mnist.discriminators import StridedDiscriminator
from cgnlib.mnist.names import N_CLASSES
from cgnlib.mnist.recipes import GAN_VERSION, GANConfig
from cgnlib.randomness import generator, seeded
from cgnlib.training.artefact import Artefact
from cgnlib.training.capture import CapturedStep, capturable
from cgnlib.training.loop import TrainingState, run
from cgnlib.training.steps import Batches, update

LATENT = 64
IMAGES_PER_BATCH = 500


class Generator(nn.Module):
    """Noise (B, 64) and labels (B,) -> images (B, 3, 32, 32) in [-1, 1]: one latent for the whole image."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.label_embedding = nn.Embedding(N_CLASSES, EMBEDDING)
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
        "version": GAN_VERSION,
    }
    artefact = Artefact("gan", key, root)
    with seeded(seed, "gan", "initialisation"):
        network, discriminator = Generator(), StridedDiscriminator()
    with artefact.lock():
        if artefact.load(network) is None:
            _train(network, discriminator, artefact, images, config, seed, device)
    network.to(device).to(memory_format=torch.channels_last)  # trained or loaded: the same layout, so the same images
    return network.eval(), artefact


def _train(
    network: Generator,
    discriminator: StridedDiscriminator,
    artefact: Artefact,
    images: LabelledImages,
    config: GANConfig,
    seed: int,
    device: str,
) -> None:
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


@torch.inference_mode()
def sample_gan(network: Generator, n: int, seed: int, source: str = "gan") -> LabelledImages:
    """`n` images of a GAN with uniform labels; every factor carries the one label of the image.

    Raises ValueError for n < 1.
    """
    if n < 1:
        raise ValueError(f"a sample needs n >= 1, not {n}")
    device = next(network.parameters()).device
    stream = generator(seed, "gan images", device=device)
    images, labels = [], []
    for start in range(0, n, IMAGES_PER_BATCH):
        size = min(IMAGES_PER_BATCH, n - start)
        labels.append(torch.randint(0, N_CLASSES, (size,), generator=stream, device=device))
        noise = torch.randn(size, LATENT, generator=stream, device=device)
        images.append(to_uint8(network(noise, labels[-1])).contiguous().cpu())
    label = torch.cat(labels).cpu()
    return LabelledImages(torch.cat(images), label, label, label, f"{source}/images", source)
