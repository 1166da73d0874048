"""Colored, double-colored and wildlife MNIST (SG21, Section 4.1 and appendix), built from raw digits.

In training, a digit's class fixes its colours or textures; at test time every factor is drawn freely. Every set is
seeded by (variant, split) alone, so it is the same in every run, in any order, and `limit` only shortens it. Deviations
from the published code, for the ledger: colours are clipped to [0, 1]; images are uint8; the test factors are seeded.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from cgnlib.data.digits import Digits
from cgnlib.data.shapes import MASK_LEVEL
from cgnlib.data.textures import Textures
from cgnlib.errors import known
from cgnlib.images import LabelledImages
from cgnlib.mnist.names import N_CLASSES, SIZE, VARIANTS
from cgnlib.randomness import generator

SPLITS = ("train", "fit", "dev", "test", "test-indomain", "free-train")

DATA_SEED = 0  # one constant: the data sets never change with a run's seed
DEV_SHARE = 10  # one in ten training digits, the last ones, is kept for development
FULL_TRAIN = 50_000  # with full MNIST, double-colored and wildlife train on train[:50000] and test on the rest
CHUNK = 8192  # images rendered at a time

COLORED_STD = 0.02**0.5  # variance 0.02 in [0, 1] units (Kim et al. 2019)
DOUBLE_COLORED_STD = 0.01
DIGIT_SHIFT = 6  # double-colored: the digit of class i has the palette's colour (i - 6) mod 10, the background colour i

COLORED_PALETTE = (
    (220, 20, 60),  # crimson
    (0, 128, 128),  # teal
    (253, 233, 16),  # lemon
    (0, 149, 182),  # bondi blue
    (237, 145, 33),  # carrot orange
    (145, 30, 188),  # strong violet
    (70, 240, 240),  # cyan
    (250, 197, 187),  # your pink
    (210, 245, 60),  # lime
    (128, 0, 0),  # maroon
)
DOUBLE_COLORED_PALETTE = (
    (0, 100, 0),  # darkgreen
    (0, 0, 139),  # darkblue
    (176, 48, 96),  # #b03060
    (255, 69, 0),  # orangered
    (255, 255, 0),  # yellow
    (222, 184, 135),  # burlywood
    (0, 255, 0),  # lime
    (0, 255, 255),  # aqua
    (255, 0, 255),  # fuchsia
    (100, 149, 237),  # #6495ed
)

PADDING = 3  # reflected, around the 150 x 150 textures: 156 x 156, with 125 x 125 positions for a 32 x 32 crop


@dataclass(frozen=True)
class Factors:
    """The random draws behind a set of N images, before anything is rendered.

    shape, foreground, background: (N,) int64 labels, -1 where the variant has no such factor. foreground_draw and
    background_draw: (N, 3) float32 colours in [0, 1] for the colored variants (zeros: black); for wildlife (N, 2) int64
    crop positions (row, column).
    """

    shape: Tensor
    foreground: Tensor
    background: Tensor
    foreground_draw: Tensor
    background_draw: Tensor


def resize_digits(digits: Tensor, mode: str = "nearest") -> Tensor:
    """Digits (N, 28, 28) as (N, 1, 32, 32), nearest neighbour; uint8.

    `nearest` repeats rows 2, 9, 16, 23 and is what double-colored and wildlife use; `nearest-exact` is PIL's nearest
    neighbour, which repeats others and is what colored uses. A CGN trained on one draws the repeated rows of that one,
    so a classifier can tell its images from real ones made with the other.
    """
    return F.interpolate(digits[:, None], size=(SIZE, SIZE), mode=mode)


def digit_masks(digits: Tensor) -> Tensor:
    """Where the digit is: (N, 28, 28) uint8 -> (N, 32, 32) bool."""
    return resize_digits(digits)[:, 0] > MASK_LEVEL


def select_digits(variant: str, split: str, digits: Digits) -> tuple[Tensor, Tensor]:
    """Images (N, 28, 28) and labels (N,) of the digits that a split is made from."""
    train, test = (digits.train_images, digits.train_labels), (digits.test_images, digits.test_labels)
    if digits.source == "mnist-full" and variant != "colored":
        test = (train[0][FULL_TRAIN:], train[1][FULL_TRAIN:])
        train = (train[0][:FULL_TRAIN], train[1][:FULL_TRAIN])
    if split in ("test", "test-indomain"):
        return test
    fit = len(train[0]) - len(train[0]) // DEV_SHARE
    part = {"fit": slice(fit), "dev": slice(fit, None)}.get(split, slice(None))
    return train[0][part], train[1][part]


def draw_factors(variant: str, split: str, labels: Tensor, palette: Tensor | None = None) -> Factors:
    """Labels and colours or crop positions of every image of a split with the digit labels `labels` (N,).

    palette: as for `make_variant`.
    """
    # `fit` is the beginning of `train`: the same stream drawn at the same length gives the same images.
    stream = "train" if split == "fit" else split
    total = len(labels)

    def stream_of(name: str) -> torch.Generator:
        return generator(DATA_SEED, "variants", variant, stream, name)

    def factor(name: str) -> Tensor:
        if split in ("train", "fit", "test-indomain"):
            return labels.clone()
        return torch.randint(N_CLASSES, (total,), generator=stream_of(f"{name}-label"))

    def colours(name: str, palette: Tensor, chosen: Tensor, std: float) -> Tensor:
        # Drawn in float64, so that the instruction set's last bit does not reach the pixels.
        noise = torch.randn(total, 3, generator=stream_of(f"{name}-colour"), dtype=torch.float64)
        return (palette[chosen] + std * noise).clamp(0, 1).float()

    def crops(name: str) -> Tensor:
        positions = 150 + 2 * PADDING - SIZE + 1
        return torch.randint(positions, (total, 2), generator=stream_of(f"{name}-crop"))

    foreground = factor("foreground")
    if variant == "colored":
        palette = torch.tensor(COLORED_PALETTE) if palette is None else palette
        draws = colours("foreground", palette.double() / 255, foreground, COLORED_STD), torch.zeros(total, 3)
        return Factors(labels, foreground, torch.full_like(labels, -1), *draws)
    background = factor("background")
    if variant == "double-colored":
        palette = torch.tensor(DOUBLE_COLORED_PALETTE, dtype=torch.float64) / 255
        digit_colour = (foreground - DIGIT_SHIFT) % N_CLASSES
        draws = (
            colours("foreground", palette, digit_colour, DOUBLE_COLORED_STD),
            colours("background", palette, background, DOUBLE_COLORED_STD),
        )
        return Factors(labels, foreground, background, *draws)
    return Factors(labels, foreground, background, crops("foreground"), crops("background"))


def shade(digits: Tensor, colours: Tensor) -> Tensor:
    """Colored MNIST: digits (N, 28, 28) uint8 tinted by colours (N, 3) in [0, 1], on black: (N, 3, 32, 32) uint8."""
    return (resize_digits(digits, "nearest-exact").float() * colours[:, :, None, None]).round_().to(torch.uint8)


def paint(digits: Tensor, foreground: Tensor, background: Tensor) -> Tensor:
    """Double-colored MNIST: digits (N, 28, 28) and two colours (N, 3) in [0, 1] each: (N, 3, 32, 32) uint8."""
    foreground, background = ((colours * 255).round().to(torch.uint8) for colours in (foreground, background))
    return torch.where(digit_masks(digits)[:, None], foreground[:, :, None, None], background[:, :, None, None])


def texture_windows(textures: Tensor) -> Tensor:
    """Every 32 x 32 crop of reflect-padded textures (K, 150, 150, 3), as a view: (K, 125, 125, 3, 32, 32) uint8."""
    planes = textures.permute(0, 3, 1, 2).float()
    padded = F.pad(planes, (PADDING,) * 4, mode="reflect").to(torch.uint8)
    return padded.unfold(2, SIZE, 1).unfold(3, SIZE, 1).permute(0, 2, 3, 1, 4, 5)


def crop(windows: Tensor, labels: Tensor, positions: Tensor) -> Tensor:
    """One crop per sample: `windows` of `texture_windows`, labels (N,), positions (N, 2): (N, 3, 32, 32) uint8."""
    return windows[labels, positions[:, 0], positions[:, 1]]


def make_variant(
    variant: str,
    split: str,
    digits: Digits,
    textures: Textures | None = None,
    *,
    limit: int | None = None,
    palette: Tensor | None = None,
) -> LabelledImages:
    """One split of one variant; `limit` keeps its first images. Wildlife needs `textures`.

    Splits: `train` (factors tied to the class), `fit` (train without the development digits), `dev` (the development
    digits, free factors), `test` (free factors), `test-indomain` (the test digits, tied), `free-train` (all training
    digits, free factors: for the oracle). palette: other mean colours for colored, (10, 3) in [0, 255].

    >>> from cgnlib.data.digits import embedded_digits
    >>> images = make_variant("double-colored", "test", embedded_digits(), limit=100)
    >>> images.images.shape, images.shape[:4].tolist(), images.background[:4].tolist()
    (torch.Size([100, 3, 32, 32]), [6, 8, 6, 4], [4, 9, 4, 6])
    """
    if palette is not None and (variant != "colored" or palette.shape != (10, 3)):
        raise ValueError(f"a palette is for colored and has 10 x 3 values, not for {variant} with {[*palette.shape]}")
    known("variant", variant, VARIANTS)
    known("split", split, SPLITS)
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be at least 1, not {limit}")
    if variant == "wildlife" and textures is None:
        raise ValueError("wildlife needs textures: pass textures=find_textures()")

    images, labels = select_digits(variant, split, digits)
    # `fit` shares train's draws, so these are made at the length of train and then cut.
    drawn_for = select_digits(variant, "train", digits)[1] if split == "fit" else labels
    factors = draw_factors(variant, split, drawn_for, palette)
    total = len(images) if limit is None else min(limit, len(images))
    windows, source = None, digits.source
    if variant == "wildlife" and textures is not None:
        windows = texture_windows(textures.foreground), texture_windows(textures.background)
        source = f"{digits.source}+{textures.source}"

    rendered = torch.empty(total, 3, SIZE, SIZE, dtype=torch.uint8)
    for start in range(0, total, CHUNK):
        part = slice(start, min(start + CHUNK, total))
        foreground, background = factors.foreground_draw[part], factors.background_draw[part]
        if variant == "colored":
            rendered[part] = shade(images[part], foreground)
        elif variant == "double-colored":
            rendered[part] = paint(images[part], foreground, background)
        elif windows is not None:
            digit = crop(windows[0], factors.foreground[part], foreground)
            ground = crop(windows[1], factors.background[part], background)
            rendered[part] = torch.where(digit_masks(images[part])[:, None], digit, ground)
    kept = (factors.shape[:total], factors.foreground[:total], factors.background[:total])
    return LabelledImages(rendered, *(label.clone() for label in kept), name=f"{variant}/{split}", source=source)
