"""What is measured on images of the ImageNet CGN: masks, background residue and, in the toy world, control.

A factor reader (`toyworld.reader.Reader`), trained on images whose factors are free, tells which factors an image
shows. It, true masks and true scenes serve evaluation alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from cgnlib.composition import compose
from cgnlib.finite import decided, finite, shares
from cgnlib.imagenet.cgn import ImageNetCGN
from cgnlib.imagenet.evaluation import OBJECT_LEVEL, intersection_over_union
from cgnlib.imagenet.names import FACTOR_OF_METRIC, FACTORS
from cgnlib.imagenet.sampling import Sampling, draw
from cgnlib.images import to_uint8
from cgnlib.progress import tqdm
from cgnlib.statistics import wilson_interval
from cgnlib.toyworld.latents import scenes_of
from cgnlib.toyworld.reader import Reader
from cgnlib.toyworld.world import Factors, Scenes, render

AREAS = (0.0, 0.1, 0.2, 0.3, 1.0)  # bounds of the bins of mask area; the study suspects masks below 0.1
FIFTHS = 5  # residue is compared between the middle and the last fifth of training


@dataclass(frozen=True)
class Measured:
    """Images of a CGN with all their parts, on the CPU, and what was measured on each.

    Images are (N, 3, R, R) uint8, masks (N, 1, R, R) bool: above 0.5. area and residue are taken before rounding.
    """

    labels: Tensor  # (N, 3) int64: shape, texture, background
    u: Tensor  # (N, z_dim)
    image: Tensor
    foreground: Tensor
    background: Tensor
    mask: Tensor
    area: Tensor  # (N,) mean of the mask
    residue: Tensor  # (N,) mean of what the U2-Net finds in the background

    def __len__(self) -> int:
        return len(self.labels)


@torch.inference_mode()
def measure(cgn: ImageNetCGN, sampling: Sampling) -> Measured:
    """Draw the images of `sampling` and keep all of them in memory: 41 kB each in the toy world."""
    batches: list[Measured] = []
    with tqdm(total=sampling.n, desc="images to measure", unit="image", leave=False) as progress:
        for shard in range(sampling.shards):
            for labels, u, parts in draw(cgn, sampling, shard):
                found = Measured(
                    labels,
                    u,
                    to_uint8(parts.image),
                    to_uint8(parts.foreground),
                    to_uint8(parts.background),
                    parts.mask > OBJECT_LEVEL,
                    parts.mask.mean(dim=(1, 2, 3)),
                    cgn.saliency(parts.background).mean(dim=(1, 2, 3)),
                )
                batches.append(Measured(*(values.contiguous().cpu() for values in vars(found).values())))
                progress.update(len(labels))
    return Measured(*(torch.cat([getattr(each, part.name) for each in batches]) for part in fields(Measured)))


@torch.inference_mode()
def teacher_images(cgn: ImageNetCGN, measured: Measured, truncation: float, batch: int = 50) -> tuple[Tensor, Tensor]:
    """What the teacher draws from the noise of `measured` for the shape's class, and what the U2-Net finds in it.

    Returns (N, 3, R, R) uint8 and (N, 1, R, R) bool, on the CPU.
    """
    device = next(cgn.parameters()).device
    images, masks = [], []
    for u, labels in zip(measured.u.split(batch), measured.labels[:, 0].split(batch), strict=True):
        x_gt = cgn.teacher(u.to(device), F.one_hot(labels, cgn.num_classes).float().to(device), truncation)
        images.append(to_uint8(x_gt).contiguous().cpu())
        masks.append((cgn.saliency(x_gt) > OBJECT_LEVEL).cpu())
    return torch.cat(images), torch.cat(masks)


# --- What the toy world knows ---------------------------------------------------------------------------------------


def true_scenes(u: Tensor, labels: Tensor, batch: int = 50) -> Scenes:
    """What the toy world's teacher was taught to draw from noise u (N, 24) and class labels (N,), on the CPU."""
    rendered = list(_rendered(scenes_of(u.cpu(), labels.cpu()), batch))
    return Scenes(*(torch.cat(parts) for parts in zip(*rendered, strict=True)))


def true_masks(u: Tensor, labels: Tensor, batch: int = 50) -> Tensor:
    """Masks of the objects in `true_scenes`, (N, 1, 64, 64) bool, without keeping the scenes: 50 kB an image."""
    scenes = _rendered(scenes_of(u.cpu(), labels.cpu()), batch)
    return torch.cat([each.mask > OBJECT_LEVEL for each in scenes])


def rendered_parts(factors: Factors, batch: int = 50) -> tuple[Tensor, Tensor]:
    """Textures that fill the image, and scenes without an object, of some factors: (N, 3, 64, 64) uint8 each."""
    parts = [(to_uint8(each.foreground), to_uint8(each.background)) for each in _rendered(factors, batch)]
    foregrounds, backgrounds = zip(*parts, strict=True)
    return torch.cat(foregrounds), torch.cat(backgrounds)


def _rendered(factors: Factors, batch: int) -> Iterator[Scenes]:
    return (render(factors[start : start + batch]) for start in range(0, len(factors), batch))


MASKS: tuple[str, ...] = ("cgn", "teacher", "rendered", "true")  # the CGN's; the U2-Net's of two images; the renderer's
PARTS: tuple[str, ...] = ("cgn", "foreground", "true")  # what is true: nothing, foreground, background as well


@torch.inference_mode()
def shape_by_parts(cgn: ImageNetCGN, sampling: Sampling, reader: Reader) -> dict[tuple[str, str], float]:
    """Percent of counterfactuals in which the reader finds the shape, with parts of them replaced: by MASKS and PARTS.

    The noise of a counterfactual stands for a scene, so each part has a true one. Mask "teacher" is what the U2-Net
    finds in the teacher's image of noise and shape, "rendered" what it finds in the rendered one. All are composed by
    Eq. 1, and no part is rounded before.
    """
    hits: dict[tuple[str, str], list[Tensor]] = {(mask, parts): [] for mask in MASKS for parts in PARTS}
    for shard in range(sampling.shards):
        for labels, u, own in draw(cgn, sampling, shard):
            shape, texture, background = (true_scenes(u, each) for each in labels.cpu().T)
            y = F.one_hot(labels[:, 0], cgn.num_classes).float()
            found = (cgn.saliency(each) for each in (cgn.teacher(u, y, sampling.truncation), shape.image.to(u.device)))
            masks = dict(zip(MASKS, (own.mask, *found, shape.mask.to(u.device)), strict=True))
            f, b = texture.foreground.to(u.device), background.background.to(u.device)
            pairs = ((own.foreground, own.background), (f, own.background), (f, b))
            parts = dict(zip(PARTS, pairs, strict=True))
            for mask, kind in hits:
                image = to_uint8(compose(masks[mask], *parts[kind]))
                hits[mask, kind].append(decided(reader.read(image)[0]["shape"]).cpu() == labels[:, 0].cpu())
    return {key: 100 * torch.cat(found).float().mean().item() for key, found in hits.items()}


def control_matrix(read: Mapping[str, Tensor], labels: Tensor) -> dict[str, dict[str, float]]:
    """matrix[requested][recovered]: percent of images in which the recovered factor has the requested one's label.

    read: logits (N, classes) by head of the factor reader; labels: (N, 3) int64, ordered as FACTORS. Keys of the matrix
    are those of FACTOR_OF_METRIC. Raises ValueError for no images, for numbers of them that differ, and for logits that
    are not finite.
    """
    if len(labels) != len(read["shape"]) or not len(labels):
        raise ValueError(f"control: {len(labels)} labels for {len(read['shape'])} images")
    asked = dict(zip(FACTOR_OF_METRIC, labels.T, strict=True))
    seen = {name: decided(read[factor]) for name, factor in FACTOR_OF_METRIC.items()}
    return {a: {b: 100 * (seen[b] == asked[a]).float().mean().item() for b in seen} for a in asked}


def entangled(foregrounds: Tensor, classes: Tensor, reader: Reader) -> Tensor:
    """(N,) bool: the foreground alone, which should be all object, shows the scene of its class to the factor reader.

    foregrounds: (N, 3, R, R) uint8; classes: (N,) int64. By chance 1 in 10.
    """
    return decided(reader.read(foregrounds)[0]["background"]) == classes


def entanglement(foregrounds: Tensor, classes: Tensor, reader: Reader) -> Tensor:
    """(N,) in [0, 1]: how likely the factor reader finds what `entangled` asks for."""
    return reader.read(foregrounds)[0]["background"].softmax(dim=1).gather(1, classes[:, None])[:, 0]


def legible(backgrounds: Tensor, classes: Tensor, reader: Reader) -> Tensor:
    """(N,) bool: the background alone still shows the silhouette of its class to the reader. By chance 1 in 10."""
    return decided(reader.read(backgrounds)[0]["shape"]) == classes


def legibility(backgrounds: Tensor, classes: Tensor, reader: Reader) -> Tensor:
    """(N,) in [0, 1]: how likely the factor reader finds what `legible` asks for."""
    return reader.read(backgrounds)[0]["shape"].softmax(dim=1).gather(1, classes[:, None])[:, 0]


def realism(images: Tensor, labels: Tensor, reader: Reader) -> Tensor:
    """(N,) mean log-probability, in nats, that the reader gives to the labels (N, 3) that were asked for; 0 is best."""
    read, _ = reader.read(images)
    asked = zip(FACTORS, labels.T, strict=True)
    return torch.stack([read[f].log_softmax(dim=1).gather(1, y[:, None])[:, 0] for f, y in asked]).mean(dim=0)


def most(values: Tensor, count: int) -> Tensor:
    """Indices of the `count` largest values, the largest first; equal ones in their order."""
    return finite(values, "what is ranked").double().argsort(descending=True, stable=True)[:count]


def unpainted(backgrounds: Tensor, scenes: Scenes) -> Tensor:
    """(N,) how far backgrounds are from the true scene where the object stood, over how far elsewhere.

    1 where the object's place is as good as the rest, more where something of the object is left, seen by a U2-Net or
    not. backgrounds: (N, 3, R, R) in [-1, 1].
    """
    error = (finite(backgrounds, "backgrounds") - scenes.background).abs().mean(dim=1, keepdim=True)
    inside = scenes.mask > OBJECT_LEVEL
    means = [(error * where).sum(dim=(1, 2, 3)) / where.sum(dim=(1, 2, 3)).clamp(min=1) for where in (inside, ~inside)]
    return means[0] / means[1].clamp(min=1e-6)


def overlap(masks: Tensor, others: Tensor) -> float:
    """Mean IoU of pairs of masks."""
    return intersection_over_union(masks, others).mean().item()


# --- The study's conjectures ----------------------------------------------------------------------------------------


def by_area(area: Tensor, hits: Tensor, bounds: Sequence[float] = AREAS) -> pd.DataFrame:
    """Share of hits by bin of mask area: low, high, n and share in percent (an Interval, None where n is 0).

    area: (N,) in [0, 1]; hits: (N,) bool. A bin holds its lower bound; the last one its upper bound too.
    """
    shares(area, "mask area")
    lines = []
    for low, high in zip(bounds[:-1], bounds[1:], strict=True):
        inside = (area >= low) & ((area < high) | ((high == bounds[-1]) & (area <= high)))
        n = int(inside.sum())
        share = wilson_interval(int(hits[inside].sum()), n).scaled(100) if n else None
        lines.append({"low": low, "high": high, "n": n, "share": share})
    return pd.DataFrame(lines)


def small_mask_effect(
    area: Tensor, hits: Tensor, classes: Tensor, limit: float = AREAS[1], least: int = 20
) -> float | None:
    """Share of hits below the limit of mask area minus that above, within classes, in points.

    Classes differ in both: their differences are averaged as by Mantel and Haenszel, each weighted by n m / (n + m) for
    n images below and m above. None where classes that have both hold fewer than `least` images on a side.
    """
    weighted, weights, sides = 0.0, 0.0, [0, 0]
    for label in classes.unique():
        small, large = (hits[(classes == label) & side].double() for side in (area < limit, area >= limit))
        n, m = len(small), len(large)
        if n and m:
            weight = n * m / (n + m)
            weighted += weight * (small.mean() - large.mean()).item()
            weights, sides = weights + weight, [sides[0] + n, sides[1] + m]
    return 100 * weighted / weights if min(sides) >= least else None


def residue_growth(residue: Sequence[float]) -> float | None:
    """Mean residue of the last fifth of training minus that of its middle fifth; None for fewer than two values each.

    residue: one value per logged step of one training.
    """
    fifth = len(residue) // FIFTHS
    if fifth < 2:
        return None
    start = (len(residue) - fifth) // 2
    return (sum(residue[-fifth:]) - sum(residue[start : start + fifth])) / fifth
