"""Control, measured: is the factor that was asked for the one that is found? (Claim 1; the papers judge by eye.)

Factor readers are digit classifiers trained on real data whose factors are free, so none can read one factor off
another. They, true masks and factors serve evaluation alone; no CGN training sees them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cgnlib.composition import compose
from cgnlib.data.digits import Digits
from cgnlib.finite import shares
from cgnlib.images import LabelledImages, to_uint8
from cgnlib.mnist.cgn import CGN, draw_noise, shuffle_texture
from cgnlib.mnist.classifier import Classifier, predict, train_classifier
from cgnlib.mnist.counterfactuals import MASKS_PER_BATCH
from cgnlib.mnist.names import FACTORS, FACTORS_OF, N_CLASSES
from cgnlib.mnist.recipes import ClassifierConfig
from cgnlib.mnist.variants import digit_masks
from cgnlib.randomness import generator


@dataclass(frozen=True)
class CounterfactualParts:
    """Counterfactual images with everything they were made of, for evaluation and figures (not for training).

    masks: (N, 1, 32, 32) float; foreground, background: (N, 3, 32, 32) float in [-1, 1]; images: with their labels.
    """

    masks: Tensor
    foreground: Tensor
    background: Tensor
    images: LabelledImages


def free_labels(n: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Three independent uniform label vectors (n,)."""
    shape, foreground, background = torch.randint(0, N_CLASSES, (3, n), generator=generator(seed, "control", "labels"))
    return shape, foreground, background


def sample_parts(
    cgn: CGN, shape: Tensor, foreground: Tensor, background: Tensor, seed: int, name: str = "control"
) -> CounterfactualParts:
    """Counterfactuals for the requested labels, int64 (N,) each, with fresh noise for each mechanism."""
    device = next(cgn.parameters()).device
    stream = generator(seed, "parts", name, device=device)
    cgn.eval()
    drawn = [
        cgn.counterfactual(*(labels[chosen].to(device) for labels in (shape, foreground, background)), generator=stream)
        for chosen in torch.arange(len(shape)).split(MASKS_PER_BATCH)
    ]
    mask, f, b = (torch.cat([getattr(each, part).cpu() for each in drawn]) for part in ("mask", *FACTORS[1:]))
    pixels = to_uint8(compose(mask, f, b)).contiguous()
    images = LabelledImages(pixels, shape, foreground, background, f"cgn/{name}", "cgn")
    return CounterfactualParts(mask, f, b, images)


@torch.inference_mode()
def one_factor_at_a_time(cgn: CGN, variant: str, seed: int, per_factor: int = 2) -> tuple[Tensor, list[str]]:
    """Rows image, mask, foreground, background of one counterfactual and of changes to a single factor, and labels.

    Noise stays: nothing but the named factor changes. Returns ((4, C, 3, 32, 32) in [-1, 1], C labels).
    """
    device = next(cgn.parameters()).device
    noise = draw_noise(1, generator(seed, "overview", device=device))
    start = {"shape": 3, "foreground": 5, "background": 8}
    chosen, labels = [start], ["start"]
    for factor in FACTORS_OF[variant]:
        for step in range(1, per_factor + 1):
            chosen.append(start | {factor: (start[factor] + 2 * step) % N_CLASSES})
            labels.append(factor.replace("foreground", "texture") if step == 1 else "")
    y = {factor: torch.tensor([one[factor] for one in chosen], device=device) for factor in FACTORS}
    noise = noise.expand(len(chosen), -1)

    def shuffled(name: str, images: Tensor) -> Tensor:  # alike in every column: only the factor may differ
        return torch.cat([shuffle_texture(x[None], generator(seed, "overview", name, device=device)) for x in images])

    cgn.eval()
    mask = cgn.mask(noise, y["shape"])
    f = shuffled("foreground", cgn.foreground(noise, y["foreground"]))
    b = shuffled("background", cgn.background(noise, y["background"]))
    rows = torch.stack([compose(mask, f, b), mask.expand(-1, 3, -1, -1) * 2 - 1, f, b])
    return rows.cpu(), labels


def binarised(masks: Tensor, labels: Tensor, name: str, source: str) -> LabelledImages:
    """Masks (N, 32, 32) bool as black and white images with their digit as every label: what a shape reader reads."""
    pixels = (masks.to(torch.uint8) * 255)[:, None].expand(-1, 3, -1, -1).contiguous()
    return LabelledImages(pixels, labels, labels, labels, name, source)


def train_readers(
    digits: Digits,
    free: LabelledImages,
    held_out: LabelledImages,
    config: ClassifierConfig,
    *,
    limit: int | None = None,
    has_background: bool = True,
    device: str = "cpu",
    root: Path | None = None,
) -> tuple[dict[str, Classifier], dict[str, float]]:
    """One factor reader per factor and its accuracy in percent on held-out real data.

    shape: trained on binarised 32 x 32 training digits; foreground, background: on `free` images. `held_out` has free
    factors and digits that no reader saw.
    """
    count = len(free) if limit is None else min(limit, len(free))
    shapes = (
        binarised(digit_masks(digits.train_images[:count]), digits.train_labels[:count], "digits/train", digits.source),
        binarised(digit_masks(digits.test_images), digits.test_labels, "digits/test", digits.source),
    )
    readers, accuracies = {}, {}
    for factor in FACTORS if has_background else FACTORS[:2]:
        training, testing = shapes if factor == "shape" else (free, held_out)
        settings = replace(config, target=factor)
        reader, history, _ = train_classifier(training, {"test": testing}, settings, seed=0, device=device, root=root)
        readers[factor] = reader
        accuracies[factor] = float(history.loc[history["split"] == "test", "accuracy"].iloc[-1])
    return readers, accuracies


def painted_colours(parts: CounterfactualParts) -> Tensor:
    """Mean colour of the digits that a CGN paints for each foreground label, where its mask is above 0.9.

    Returns (10, 3) float in [0, 255]. Raises ValueError where a label has no such pixel.
    """
    solid = (shares(parts.masks, "masks") > 0.9).double()
    totals, pixels = torch.zeros(N_CLASSES, 3, dtype=torch.float64), torch.zeros(N_CLASSES, dtype=torch.float64)
    totals.index_add_(0, parts.images.foreground, (parts.images.images * solid).sum(dim=(2, 3)))
    pixels.index_add_(0, parts.images.foreground, solid.sum(dim=(1, 2, 3)))
    if not pixels.all():
        raise ValueError("the masks of some foreground label nowhere exceed 0.9, so it has no colour")
    return (totals / pixels[:, None]).float()


@dataclass(frozen=True)
class Control:
    """What was recovered: matrix[requested][recovered] in percent of `n` images; areas and diversity as fractions."""

    matrix: Mapping[str, Mapping[str, float]]
    n: int
    area: float
    shape_by_class: np.ndarray  # (10,) percent of masks of each digit that the shape reader reads as that digit
    diversity: float  # mean |m1 - m2| over pairs of masks of one digit
    shape_read: Tensor  # (n,) what the shape reader read


def measure_control(parts: CounterfactualParts, readers: Mapping[str, Classifier]) -> Control:
    """Read every factor of every image: shape from mask > 0.5, foreground and background from the composed image.

    Raises ValueError for fewer than 100 images, and for masks outside [0, 1].
    """
    images = parts.images
    if len(images) < 10 * N_CLASSES:
        raise ValueError(f"control needs at least {10 * N_CLASSES} images, not {len(images)}")
    shapes = binarised(shares(parts.masks, "masks")[:, 0] > 0.5, images.shape, "masks", images.source)
    read = {factor: predict(reader, shapes if factor == "shape" else images) for factor, reader in readers.items()}
    hit = (read["shape"] == images.shape).float()
    return Control(
        matrix={
            requested: {
                recovered: 100 * (labels == getattr(images, requested)).sum().item() / len(images)
                for recovered, labels in read.items()
            }
            for requested in readers
        },
        n=len(images),
        area=parts.masks.mean(dim=(1, 2, 3)).mean().item(),
        shape_by_class=np.array([100 * hit[images.shape == digit].mean().item() for digit in range(N_CLASSES)]),
        diversity=mask_diversity(parts.masks, images.shape),
        shape_read=read["shape"],
    )


def mask_diversity(masks: Tensor, labels: Tensor) -> float:
    """Mean |m1 - m2| over consecutive masks of the same digit, averaged over digits; 0 if each has one template.

    Raises ValueError when a digit has fewer than two masks.
    """
    shares(masks, "masks")
    differences = []
    for digit in range(N_CLASSES):
        own = masks[labels == digit]
        if len(own) < 2:
            raise ValueError(f"digit {digit} has {len(own)} masks: diversity needs two")
        differences.append((own[1:] - own[:-1]).abs().mean().item())
    return float(np.mean(differences))
