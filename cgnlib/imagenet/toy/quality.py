"""How good the toy world's pre-trained networks are, on images that none of them was trained on."""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from cgnlib.finite import decided
from cgnlib.imagenet.biggan import BigGAN, sample_latents
from cgnlib.imagenet.evaluation import frechet_distance, intersection_over_union, pairwise_diversity
from cgnlib.imagenet.toy.parts import ToyParts
from cgnlib.imagenet.u2net import U2Net
from cgnlib.randomness import generator
from cgnlib.toyworld.reader import Reader
from cgnlib.toyworld.sets import FREE, TEST_SETS, TRAIN, build, free_factors, salient_scenes, tied_factors
from cgnlib.toyworld.world import N_CLASSES, render

HELD_OUT = 10_000  # added to seeds: images of these sets are in no training set
IMAGES = 2_000
BATCH = 250
# What sets do not show of the ten classes' factors.
HIDDEN = {"only-background": ("shape", "texture"), "cue-conflict": ("background",)}


class GeneratorQuality(NamedTuple):
    """A generator against real toy images."""

    fid: float  # on the factor reader's features
    fid_of_halves: float  # of two halves of real images, each as many as were generated
    agreement: float  # share of images whose requested class the classifier reads, 0 to 1
    diversity: float  # mean pairwise distance of features within a class, as a share of that of real images


def of_all(parts: ToyParts, seed: int) -> dict[str, Any]:
    """Everything that is measured here, by the names of the networks' files."""
    return {
        "biggan": generator_quality(parts.biggan, parts.classifier, parts.reader, IMAGES, seed)._asdict(),
        "u2net": saliency_quality(parts.u2net, IMAGES, seed),
        "classifier": reader_quality(parts.classifier, IMAGES, seed),
        "oracle": reader_quality(parts.reader, IMAGES, seed),
    }


@torch.inference_mode()
def draw_tied(gan: BigGAN, n: int, seed: int, truncation: float = 1.0) -> tuple[Tensor, Tensor]:
    """`n` images (n, 3, R, R) in [-1, 1] of a generator with balanced classes, and their labels (n,)."""
    labels = torch.arange(n) % N_CLASSES
    u = sample_latents(n, gan.config.z_dim, truncation, generator(seed, "toyworld", "quality"))
    y = F.one_hot(labels, N_CLASSES).float()
    images = [gan(*both, truncation) for both in zip(u.split(BATCH), y.split(BATCH), strict=True)]
    return torch.cat(images), labels


def generator_quality(gan: BigGAN, classifier: Reader, reader: Reader, n: int, seed: int) -> GeneratorQuality:
    """n: images on each side. Neither the classifier nor the reader had a part in the generator's training."""
    fake, labels = draw_tied(gan, n, seed)
    real = build(TRAIN, 2 * n, HELD_OUT + seed)
    logits, _ = classifier.read(fake)
    (_, seen_fake), (_, seen_real) = reader.read(fake), reader.read(real.images)
    half, other = seen_real[:n], seen_real[n:]
    return GeneratorQuality(
        fid=frechet_distance(seen_fake, half),
        fid_of_halves=frechet_distance(other, half),
        agreement=(decided(logits["shape"]) == labels).float().mean().item(),
        diversity=pairwise_diversity(seen_fake, labels) / pairwise_diversity(half, real.shape[:n]),
    )


@torch.inference_mode()
def saliency_quality(u2net: U2Net, n: int, seed: int) -> dict[str, float]:
    """Mean IoU with true masks: of the ten classes tied and free, and of the other worlds that it was trained on."""
    stream = generator(HELD_OUT + seed, "toyworld", "quality", "saliency")
    scenes = {
        "tied": render(tied_factors(torch.arange(n) % N_CLASSES, stream)),
        "free": render(free_factors(n, stream)),
        "other worlds": salient_scenes(n, stream),
    }
    masks = {name: torch.cat([u2net(part) for part in drawn.image.split(BATCH)]) for name, drawn in scenes.items()}
    return {name: intersection_over_union(masks[name], scenes[name].mask).mean().item() for name in scenes}


def reader_quality(reader: Reader, n: int, seed: int) -> dict[str, dict[str, float]]:
    """Accuracy (0 to 1) of each head on each test set that shows its factor, by set and head."""
    quality: dict[str, dict[str, float]] = {}
    for name in (*TEST_SETS, FREE):
        data = build(name, n, HELD_OUT + seed)
        logits, _ = reader.read(data.images)
        heads = [head for head in logits if head not in HIDDEN.get(name, ())]
        quality[name] = {head: (decided(logits[head]) == getattr(data, head)).float().mean().item() for head in heads}
    return quality
