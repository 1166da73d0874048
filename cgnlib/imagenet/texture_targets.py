"""What the foreground's texture is compared with (L_text of Eq. 2): an image that is all object, made from x_gt.

Two mechanisms: `patch_grid`, the published one (SG21, Section 3.2), and `fill`, the study's (Section 3.4.1: "filling
the image randomly with the object till a degree is met"). Neither has gradients.
"""

import functools
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cgnlib.imagenet.evaluation import OBJECT_LEVEL


@dataclass(frozen=True)
class PatchGrid:
    """Sizes of the patch grid in pixels; the defaults are published, for 256 x 256 images.

    Raises ValueError when the patches do not fit.
    """

    working_size: int = 128  # image and mask are resized to this before patches are taken
    patch: int = 15
    best: int = 100  # patches are drawn from this many windows, those with the most mask
    grid: int = 6  # grid x grid patches, each drawn on its own

    def __post_init__(self) -> None:
        if min(self.working_size, self.patch, self.best, self.grid) < 1 or self.best > self.windows:
            raise ValueError(f"patch grid: {self} needs {self.best} windows and has {max(self.windows, 0)}")

    @property
    def windows(self) -> int:
        """How many windows lie in the image, overlapping ones included."""
        return max(self.working_size - self.patch + 1, 0) ** 2

    @classmethod
    def for_resolution(cls, resolution: int) -> "PatchGrid":
        """The published proportions for images of another size: `for_resolution(256)` is published.

        Small images keep their pixels: the working size is theirs up to 128. A patch stays 12 % of its side, so 6 x 6
        of them show 0.7 of the frame, stretched over the canvas (64 px: patches of 8, a grid of 48, 25 best windows).
        """
        working_size = min(cls.working_size, resolution)
        scale = working_size / cls.working_size
        return cls(working_size, max(1, round(cls.patch * scale)), max(1, round(cls.best * scale**2)))


PUBLISHED = PatchGrid()


@torch.no_grad()
def patch_grid(images: Tensor, masks: Tensor, stream: torch.Generator, sizes: PatchGrid = PUBLISHED) -> Tensor:
    """Square patches from inside the object, drawn with replacement and laid in a grid: x_gt -> texture target.

    images: (B, 3, R, R) in [-1, 1]; masks: (B, 1, R, R) in [0, 1]; returns (B, 3, R, R), which bicubic resizing can
    take a little beyond [-1, 1]. The patches are those windows whose mean mask is largest: a small object's hold
    background too (the study's explanation of entangled textures), an empty mask's nothing else. As published, the
    resized mask is not clamped, so at a sharp edge it exceeds 1 and windows along the edge come first.

    Raises ValueError for shapes that do not match.
    """
    _check(images, masks)
    size, patch, grid = sizes.working_size, sizes.patch, sizes.grid
    windows = size - patch + 1  # along a line
    small, cover = (F.interpolate(each, size=(size, size), mode="bicubic") for each in (images, masks))
    # Which pixels of a line each window holds, (windows, size): two products with it sum over the windows, in a sixth
    # of pooling's time.
    held = torch.ones_like(cover[0, 0]).triu().tril(patch - 1)[:windows]
    cover = held @ cover @ held.T
    corners = cover.flatten(1).topk(sizes.best).indices
    draws = torch.randint(sizes.best, (len(images), grid * grid), generator=stream, device=stream.device)
    corners = corners.gather(1, draws.to(images.device))
    corners = (corners // windows) * size + corners % windows  # as positions in the image
    within = torch.arange(patch, device=images.device)
    # Source of every pixel of the grid, by (image, grid row, row in patch, grid column, column in patch): only the
    # patches drawn are ever gathered.
    source = corners.view(-1, grid, 1, grid, 1) + within.view(patch, 1, 1) * size + within
    taken = small.flatten(2).gather(2, source.flatten(1)[:, None].expand(-1, images.shape[1], -1))
    weights = [_bicubic_weights(grid * patch, length, images.dtype, str(images.device)) for length in images.shape[2:]]
    return weights[0] @ taken.unflatten(2, (grid * patch, grid * patch)) @ weights[1].T


@functools.lru_cache(maxsize=8)
def _bicubic_weights(length: int, new_length: int, dtype: torch.dtype, device: str) -> Tensor:
    """What each pixel of a line counts in each of its bicubic enlargement: (new_length, length).

    Two products with it enlarge an image as `F.interpolate` does, in a quarter of the time.
    """
    identity = torch.eye(length, dtype=dtype, device=device)[None, None]
    return F.interpolate(identity, size=(new_length, length), mode="bicubic")[0, 0]


@torch.no_grad()
def fill(images: Tensor, masks: Tensor, stream: torch.Generator, coverage: float = 0.95) -> Tensor:
    """Copies of the whole object (mask > 0.5) pasted over x_gt until more than `coverage` of the canvas is object.

    A paste puts a random pixel of the object on a random pixel that holds none yet; the copy wraps around at the edges
    and covers what was there. So each paste covers at least one more pixel, and filling ends for every object. An empty
    mask returns its image unchanged, and so does one that covers enough already.

    images: (B, 3, H, W) in [-1, 1]; masks: (B, 1, H, W) in [0, 1]; returns (B, 3, H, W): the images' own pixels, moved.
    An image's copies do not depend on the other masks of its batch. Raises ValueError for shapes that do not match and
    for a coverage outside [0, 1).
    """
    _check(images, masks)
    if not 0 <= coverage < 1:
        raise ValueError(f"fill: coverage must lie in [0, 1), not {coverage}")
    height, width = images.shape[2:]
    sources = []
    for mask in (masks[:, 0] > OBJECT_LEVEL).cpu().numpy():
        order = torch.randperm(height * width, generator=stream, device=stream.device)
        anchors = torch.rand(height * width, generator=stream, device=stream.device)
        sources.append(_pasted(mask, order.cpu().numpy(), anchors.cpu().numpy(), coverage))
    source = torch.from_numpy(np.stack(sources)).to(images.device)
    return images.flatten(2).gather(2, source[:, None].expand(-1, images.shape[1], -1)).view_as(images)


def _pasted(mask: np.ndarray, order: np.ndarray, anchors: np.ndarray, coverage: float) -> np.ndarray:
    """Which pixel of the image each pixel of the filled canvas shows: (H * W,) positions in the flattened image.

    mask: (H, W) bool; order: all positions, shuffled; anchors: (H * W,) in [0, 1), which pixel of the object goes to
    the position of the same rank in `order`.
    """
    height, width = mask.shape
    rows, columns = np.nonzero(mask)
    pixels = rows * width + columns
    source, covered = np.arange(mask.size), mask.flatten()
    total = len(pixels)
    if total == 0:
        return source
    # The next position of a shuffled order that is still empty is a uniform draw from the empty ones.
    for position, anchor in zip(order, (anchors * len(pixels)).astype(int), strict=True):
        if total > coverage * mask.size:
            break
        if covered[position]:
            continue
        down, right = position // width - rows[anchor], position % width - columns[anchor]
        target = (rows + down) % height * width + (columns + right) % width
        total += len(target) - int(covered[target].sum())
        source[target] = pixels
        covered[target] = True
    return source


def _check(images: Tensor, masks: Tensor) -> None:
    if images.ndim != 4 or masks.shape != (len(images), 1, *images.shape[2:]):
        raise ValueError(
            f"images (B, 3, H, W) and masks (B, 1, H, W) do not match: {tuple(images.shape)}, {tuple(masks.shape)}"
        )
