"""The background challenge on photographs, built as ImageNet-9 is (Xiao et al., 2021), and what networks do without
global shape, fine texture or colour.

Objects are put before other backgrounds by the paper's composition (Eq. 1), with a soft mask. A background is what is
left of a photograph when the box around its object is filled with tiles of the largest strip beside it, as in
ImageNet-9's "only-bg-t", whose tiled backgrounds its mixed sets have, too.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cgnlib.composition import compose
from cgnlib.data.photographs import N_CLASSES, Photograph, strips
from cgnlib.errors import known
from cgnlib.imagenet.texture_targets import PatchGrid, patch_grid
from cgnlib.images import tensors_sha256, to_float, to_uint8
from cgnlib.randomness import generator

SETS = ("original", "only-foreground", "only-background", "mixed-same", "mixed-rand", "mixed-next")
MIXED = SETS[3:]  # those with the background of another photograph
BATCH = 32


class Photographs(NamedTuple):
    """Photographs whose masks count, as tensors."""

    images: Tensor  # (N, 3, S, S) uint8
    masks: Tensor  # (N, 1, S, S) uint8, 255 inside
    backgrounds: Tensor  # (N, 3, S, S) uint8, without the object
    labels: Tensor  # (N,) int64 in 0..8

    def __len__(self) -> int:
        return len(self.images)

    @property
    def sha256(self) -> str:
        """Hash of all four, in their order: two sets with the same hash are the same set."""
        return tensors_sha256(*self)


def opened(chosen: Sequence[Photograph]) -> Photographs:
    """Read photographs. Raises AssetError as `Photograph.pixels`."""
    parts = [(each.pixels(), each.mask()) for each in chosen]
    images, masks = (np.stack(part) for part in zip(*parts, strict=True))
    tiled = np.stack([tiled_background(*part) for part in parts])
    pixels, backgrounds = (torch.from_numpy(each).permute(0, 3, 1, 2).contiguous() for each in (images, tiled))
    return Photographs(pixels, torch.from_numpy(masks)[:, None], backgrounds, torch.tensor([p.label for p in chosen]))


def tiled_background(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The image (H, W, 3) uint8 with the box around its object filled with tiles of the largest strip beside the box.

    mask: (H, W) uint8, 255 inside, not empty. A strip is all that lies left of the box, right of it, above or below.
    """
    left, right, above, below = strips(mask)
    height, width = mask.shape
    rows, columns = np.mgrid[above : height - below, left : width - right]
    sizes = {"left": left * height, "right": right * height, "above": above * width, "below": below * width}
    side = max(sizes, key=lambda name: sizes[name])
    if side in ("left", "right"):
        first, n = (0, left) if side == "left" else (width - right, right)
        columns = first + (columns - left) % n
    else:
        first, n = (0, above) if side == "above" else (height - below, below)
        rows = first + (rows - above) % n
    filled = image.copy()
    filled[above : height - below, left : width - right] = image[rows, columns]
    return filled


def donors(labels: Tensor, name: str, stream: torch.Generator, within: Tensor | None = None) -> Tensor:
    """For each photograph the one that gives its background in a set of MIXED: (N,) indices.

    mixed-same: another of its class; mixed-rand: of one of the other classes, each as likely; mixed-next: of the class
    after its own. within: (N,) groups, of which a photograph and its donor share one. Raises ValueError where there is
    none to give.
    """
    known("mixed set", name, MIXED)
    found = []
    groups = torch.zeros_like(labels) if within is None else within
    for place, (label, group) in enumerate(zip(labels.tolist(), groups.tolist(), strict=True)):
        there = (groups == group) & (torch.arange(len(labels)) != place)
        step = {"mixed-same": 0, "mixed-next": 1}.get(name)
        others = sorted({int(each) for each in labels[there].tolist()} - {label})
        if step is None:
            if not others:
                raise ValueError(f"{name}: no photograph of another class in the group of photograph {place}")
            wanted = others[int(torch.randint(len(others), (), generator=stream))]
        else:
            wanted = (label + step) % N_CLASSES
        choices = ((labels == wanted) & there).nonzero()[:, 0]
        if not len(choices):
            raise ValueError(f"{name}: no other photograph of class {wanted} in the group of photograph {place}")
        found.append(int(choices[int(torch.randint(len(choices), (), generator=stream))]))
    return torch.tensor(found)


def mixed(photographs: Photographs, objects: Tensor, backgrounds: Tensor) -> Iterator[Tensor]:
    """Objects before backgrounds by Eq. 1, a batch at a time: (B, 3, S, S) uint8. Both: (N,) indices."""
    for i, j in zip(objects.split(BATCH), backgrounds.split(BATCH), strict=True):
        m = photographs.masks[i].float() / 255
        yield to_uint8(compose(m, to_float(photographs.images[i]), to_float(photographs.backgrounds[j])))


def challenge(photographs: Photographs, name: str, seed: int = 0, draw: int = 0) -> Iterator[Tensor]:
    """A set of SETS, image i with the object of photograph i; in only-foreground before black, as in ImageNet-9.

    draw: which of the mixed sets of a random seed, whose donors differ. Yields batches (B, 3, S, S) uint8.
    """
    known("set of the background challenge", name, SETS)
    if name == "original":
        yield from photographs.images.split(BATCH)
    elif name == "only-background":
        yield from photographs.backgrounds.split(BATCH)
    elif name == "only-foreground":
        for images, masks in zip(photographs.images.split(BATCH), photographs.masks.split(BATCH), strict=True):
            yield (images.float() * (masks.float() / 255)).round().to(torch.uint8)
    else:
        chosen = donors(photographs.labels, name, generator(seed, "photographs", name, draw))
        yield from mixed(photographs, torch.arange(len(photographs)), chosen)


def counterfactuals(
    photographs: Photographs, shapes: Tensor, textures: Tensor, backgrounds: Tensor, seed: int = 0
) -> Iterator[Tensor]:
    """The mask of one photograph, filled with patches from inside the object of a second, before the background of a
    third: batches (B, 3, S, S) uint8. All: (N,) indices.

    Patches as in the study's texture targets (`texture_targets.patch_grid`). No generator has a part in it.
    """
    stream, sizes = generator(seed, "photographs", "patches"), PatchGrid.for_resolution(photographs.images.shape[-1])
    for i, j, k in zip(shapes.split(BATCH), textures.split(BATCH), backgrounds.split(BATCH), strict=True):
        mask, texture_mask = (photographs.masks[index].float() / 255 for index in (i, j))
        foreground = patch_grid(to_float(photographs.images[j]), texture_mask, stream, sizes)
        yield to_uint8(compose(mask, foreground, to_float(photographs.backgrounds[k])))


# --- Without shape, texture or colour ---------------------------------------------------------------------------------


def shuffled(images: Tensor, grid: int, stream: torch.Generator) -> Tensor:
    """grid x grid patches of each image (B, C, S, S) in random order: global shape is gone, texture is not.

    Raises ValueError where the grid does not divide the image.
    """
    size = images.shape[-1]
    if size % grid:
        raise ValueError(f"{grid} x {grid} patches do not fit into {size} pixels")
    side = size // grid
    patches = images.unfold(2, side, side).unfold(3, side, side).flatten(2, 3)  # (B, C, grid^2, side, side)
    order = torch.stack([torch.randperm(grid * grid, generator=stream) for _ in images])
    moved = torch.stack([each[:, to] for each, to in zip(patches, order, strict=True)])
    return moved.unflatten(2, (grid, grid)).permute(0, 1, 2, 4, 3, 5).reshape(images.shape)


def blurred(images: Tensor, sigma: float) -> Tensor:
    """Images (B, C, S, S) uint8 under a Gaussian of sigma pixels: fine texture is gone, global shape is not."""
    reach = round(3 * sigma)
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    weights = (weights / weights.sum()).view(1, 1, -1)
    flat = F.pad(images.float().flatten(0, 1)[:, None], [reach] * 4, mode="reflect")
    along = F.conv2d(F.conv2d(flat, weights[..., None, :]), weights[..., :, None])
    return along.round().clamp(0, 255).to(torch.uint8).view(images.shape)


def grey(images: Tensor) -> Tensor:
    """Images (B, 3, S, S) uint8 without colour: luma (ITU-R BT.601) in all channels."""
    luma = (images.float() * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(dim=1, keepdim=True)
    return luma.round().to(torch.uint8).expand_as(images)


SUPPRESSIONS: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "shuffle-4": lambda images, stream: shuffled(images, 4, stream),
    "shuffle-8": lambda images, stream: shuffled(images, 8, stream),
    "blur-2": lambda images, stream: blurred(images, 2),
    "blur-4": lambda images, stream: blurred(images, 4),
    "grey": lambda images, stream: grey(images),
}


def suppressed(photographs: Photographs, name: str, seed: int = 0) -> Iterator[Tensor]:
    """Photographs under one of SUPPRESSIONS, in their order, a batch (B, 3, S, S) uint8 at a time."""
    known("suppression", name, SUPPRESSIONS)
    stream = generator(seed, "photographs", name)
    for images in photographs.images.split(BATCH):
        yield SUPPRESSIONS[name](images, stream)
