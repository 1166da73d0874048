"""The 1,280 cue-conflict stimuli (Geirhos et al. 2019), and the shape bias of a classifier of ImageNet-1k on them."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from cgnlib.errors import AssetError
from cgnlib.imagenet.names import CATEGORIES
from cgnlib.imagenet.normalisation import Normalisation
from cgnlib.imagenet.shape_bias import ShapeBias, decisions, shape_bias
from cgnlib.progress import tqdm
from cgnlib.randomness import generator

SIZE = 224  # pixels
ENLARGED = 256  # pixels: the authors' code resizes to this before it crops to SIZE
PER_PAIR = 5  # images of each shape in each texture: 16 * 16 * 5 = 1,280
TOTAL = PER_PAIR * len(CATEGORIES) ** 2
NAMED = 5  # files that an error names; the rest are only counted
NAME = re.compile(r"([a-z]+)[1-9]\d*-([a-z]+)[1-9]\d*\.png")


class Stimulus(NamedTuple):
    """A file, and the categories (0..15) that its name tells."""

    path: Path
    shape: int
    texture: int


class Batch(NamedTuple):
    """Stimuli as tensors."""

    images: Tensor  # (B, 3, 224, 224) uint8
    shapes: Tensor  # (B,) int64, categories in 0..15
    textures: Tensor  # (B,) int64


def stimuli(folder: str | Path) -> tuple[Stimulus, ...]:
    """The stimuli of a folder, `<shape>/<shape><i>-<texture><j>.png`, ordered by path.

    Raises AssetError, with the number of what is wrong and the names of the first, for other files, and for pairs of
    categories that have not 5 images.
    """
    folder = Path(folder)
    files = sorted(path for path in folder.rglob("*") if not path.is_dir())
    found, others = [], []
    for path in files:
        match = NAME.fullmatch(path.name)
        if match and set(match.groups()) <= set(CATEGORIES) and path.parent == folder / match[1]:
            found.append(Stimulus(path, *(CATEGORIES.index(name) for name in match.groups())))
        else:
            others.append(str(path.relative_to(folder)))
    counts = Counter((each.shape, each.texture) for each in found)
    pairs = [(s, t) for s in range(len(CATEGORIES)) for t in range(len(CATEGORIES))]
    few = [f"{CATEGORIES[s]}-{CATEGORIES[t]} ({counts[s, t]})" for s, t in pairs if counts[s, t] != PER_PAIR]
    for what, wrong in (
        ("files that are no stimuli by name or folder", others),
        (f"pairs of shape and texture without {PER_PAIR} images ({len(found):,} of {TOTAL:,} there)", few),
    ):
        if wrong:
            names = ", ".join(wrong[:NAMED]) + ", ..." * (len(wrong) > NAMED)
            raise AssetError(f"cue-conflict stimuli in {folder}: {len(wrong):,} {what}: {names}. Get the folder again.")
    return tuple(found)


def conflicting(chosen: Sequence[Stimulus], n: int | None = None, seed: int = 0) -> list[Stimulus]:
    """The stimuli whose cues conflict, in their order; with `n` as many of them, drawn with a seed, and of each shape
    category as many as of any other, but for one. Raises ValueError for more than there are, or none.
    """
    found = [stimulus for stimulus in chosen if stimulus.shape != stimulus.texture]
    if n is None:
        return found
    if not 1 <= n <= len(found):
        raise ValueError(f"{n} of {len(found)} conflicting stimuli cannot be taken")
    order = torch.randperm(len(found), generator=generator(seed, "cue-conflict")).tolist()
    seen: Counter[int] = Counter()
    turn = {}  # how many of its category are drawn before a stimulus
    for index in order:
        turn[index] = seen[found[index].shape]
        seen[found[index].shape] += 1
    return [found[index] for index in sorted(sorted(order, key=turn.__getitem__)[:n])]


def batches(chosen: Sequence[Stimulus], size: int = 64, enlarge: bool = False) -> Iterator[Batch]:
    """Stimuli in their order, `size` at a time; the last batch may be smaller.

    enlarge: resize to 256 and crop the central 224 pixels, as the authors' code does with these 224 pixel files (it
    zooms in by 8/7 and drops the border); bilinear, by Pillow. Raises AssetError for a file that is no intact image of
    224 x 224 pixels.
    """
    if size < 1:
        raise ValueError(f"a batch needs at least 1 image, not {size}")
    for start in range(0, len(chosen), size):
        part = chosen[start : start + size]
        images = torch.stack([_pixels(stimulus.path, enlarge) for stimulus in part])
        yield Batch(images, torch.tensor([each.shape for each in part]), torch.tensor([each.texture for each in part]))


def _pixels(path: Path, enlarge: bool) -> Tensor:
    """(3, 224, 224) uint8."""
    try:
        with Image.open(path) as image:
            picture = image.convert("RGB")
        if picture.size != (SIZE, SIZE):
            raise ValueError(f"{picture.width} x {picture.height} pixels")
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises SyntaxError for broken chunks of a PNG
        raise AssetError(f"cue-conflict stimulus {path} cannot be used: {error}. Get the folder again.") from error
    if enlarge:
        border = (ENLARGED - SIZE) // 2
        box = (border, border, border + SIZE, border + SIZE)
        picture = picture.resize((ENLARGED, ENLARGED), Image.Resampling.BILINEAR).crop(box)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)


@torch.no_grad()
def evaluate(
    network: nn.Module,
    folder: str | Path,
    normalisation: Normalisation,
    *,
    enlarge: bool = False,
    limit: int | None = None,
    seed: int = 0,
    batch: int = 64,
    device: str | torch.device = "cpu",
) -> ShapeBias:
    """Shape bias of a network, (B, 3, 224, 224) -> logits (B, 1000), over the 1,200 stimuli whose cues conflict, or
    `limit` of them, as `conflicting` draws them.

    The network is moved to `device` and set to eval mode. Raises AssetError as `stimuli` and `batches`, ValueError for
    logits that are no predictions of ImageNet-1k.
    """
    layout = torch.channels_last  # a quarter faster on a CPU
    network.to(device, memory_format=layout).eval()  # pyright: ignore[reportCallIssue]
    chosen = conflicting(stimuli(folder), limit, seed)
    shown = batches(chosen, batch, enlarge)
    found = []
    for images, shapes, textures in tqdm(shown, total=-(-len(chosen) // batch), desc="cue-conflict stimuli"):
        normalised = normalisation(images.to(device)).contiguous(memory_format=layout)
        found.append((decisions(network(normalised)).cpu(), shapes, textures))
    return shape_bias(*(torch.cat(each) for each in zip(*found, strict=True)))
