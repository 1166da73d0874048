"""Ten striped and ten veined procedural textures: stand-ins for the DTD files of wildlife MNIST where those are absent.

Each class has its own colours and structure, as the published textures have: stripes from awnings to zebras and rings
on the digits; leaves, nets and marble behind them. All is seeded, so the same textures come out everywhere.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import map_coordinates
from scipy.spatial import KDTree
from scipy.special import expit
from torch import Tensor

from cgnlib.randomness import generator

TEXTURE_SIZE = 150  # pixels: the size to which the published textures are resized

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Stripes:
    """One striped material. Lengths in pixels, angle in degrees from vertical, shares in [0, 1]."""

    light: Colour
    dark: Colour
    period: float
    angle: float
    dark_share: float = 0.5
    bend: float = 0.0  # how far the stripes wander, in pixels
    bend_scale: int = 4  # over how many waves they do so; many waves make zebra forks
    rings: bool = False  # around a centre instead of straight
    fur: float = 0.1  # grain along the stripe
    thin: Colour | None = None  # a second, finer stripe inside the light ones


@dataclass(frozen=True)
class Veins:
    """One veined material: a body with veins around `cells` cells and finer ones around `fine`, or marble."""

    body: Colour
    shadow: Colour  # the body where light is low
    vein: Colour
    cells: int
    fine: int = 0
    width: float = 2.0  # pixels
    stretch: float = 1.0  # cells are this much longer than wide, and fewer
    angle: float = 0.0  # degrees
    ribs: float = 0.0  # distance of a leaf's side veins in pixels; 0 for none
    marble: bool = False


STRIPED = (
    Stripes((236, 214, 150), (58, 18, 12), period=26, angle=0, dark_share=0.62, bend=5, rings=True),
    Stripes((214, 226, 236), (242, 166, 20), period=30, angle=24, dark_share=0.4, bend=6),
    Stripes((206, 122, 44), (44, 22, 12), period=16, angle=-14, dark_share=0.32, bend=7, bend_scale=6, fur=0.22),
    Stripes((222, 44, 104), (34, 10, 24), period=13, angle=62, bend=11, bend_scale=5),
    Stripes((110, 190, 60), (52, 128, 226), period=18, angle=78, bend=8, bend_scale=3, thin=(190, 230, 250)),
    Stripes((244, 244, 240), (14, 14, 16), period=15, angle=30, bend=13, bend_scale=5, fur=0.05),
    Stripes((178, 148, 108), (74, 66, 62), period=22, angle=4, dark_share=0.45, bend=5, bend_scale=8, fur=0.3),
    Stripes((120, 152, 196), (150, 74, 16), period=44, angle=-22, dark_share=0.36, bend=5, thin=(226, 234, 244)),
    Stripes((226, 178, 160), (168, 92, 84), period=20, angle=0, bend=1, bend_scale=3, fur=0.16),
    Stripes((250, 216, 10), (18, 16, 8), period=32, angle=-8, bend=9, bend_scale=5, fur=0.2),
)
VEINED = (
    Veins((120, 196, 40), (70, 146, 24), (206, 238, 130), cells=16, fine=420, width=1.8, ribs=36, angle=35),
    Veins((96, 22, 26), (66, 10, 16), (176, 112, 112), cells=3, width=2.2, marble=True),
    Veins((104, 160, 150), (28, 70, 70), (200, 230, 216), cells=40, width=2.2),
    Veins((156, 212, 74), (96, 160, 44), (122, 20, 66), cells=26, fine=200, width=2.6, stretch=1.8, angle=-30),
    Veins((206, 96, 40), (140, 50, 24), (248, 212, 130), cells=12, fine=560, width=1.6, ribs=44, angle=-50),
    Veins((190, 206, 30), (70, 90, 8), (18, 22, 6), cells=150, width=1.4, stretch=2.2, angle=80),
    Veins((120, 102, 190), (58, 44, 120), (240, 196, 60), cells=2, width=1.5, marble=True),
    Veins((34, 94, 44), (12, 44, 24), (142, 54, 74), cells=16, fine=300, width=2.0, ribs=24, angle=10),
    Veins((44, 166, 212), (20, 116, 166), (14, 56, 92), cells=9, fine=700, width=2.4, angle=45),
    Veins((40, 62, 104), (22, 36, 70), (206, 214, 130), cells=0, ribs=9, width=1.7, angle=-15),
)


def _noise(waves: int, stream: torch.Generator, octaves: int = 1) -> np.ndarray:
    """Smooth noise (150, 150) around 0, of about unit range, with `waves` bumps across; each octave halves the size."""
    total = np.zeros((TEXTURE_SIZE, TEXTURE_SIZE))
    for octave in range(octaves):
        count = waves * 2**octave + 2
        grid = torch.rand(1, 1, count, count, generator=stream, dtype=torch.float64) * 2 - 1
        size = (TEXTURE_SIZE, TEXTURE_SIZE)
        total += F.interpolate(grid, size=size, mode="bicubic", align_corners=True)[0, 0].numpy() / 2**octave
    return total


def _axes(angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates in pixels across and along a direction, around the centre, both (150, 150)."""
    axis = np.arange(TEXTURE_SIZE) - (TEXTURE_SIZE - 1) / 2
    row, column = np.meshgrid(axis, axis, indexing="ij")
    turn = math.radians(angle)
    return column * math.cos(turn) + row * math.sin(turn), row * math.cos(turn) - column * math.sin(turn)


def _plain(colour: Colour) -> np.ndarray:
    return np.broadcast_to(np.array(colour, dtype=np.float64), (TEXTURE_SIZE, TEXTURE_SIZE, 3))


def _blend(base: np.ndarray, colour: Colour, amount: np.ndarray) -> np.ndarray:
    """`base` (150, 150, 3) turned to `colour` by `amount` (150, 150) in [0, 1]."""
    return base + amount[..., None] * (np.array(colour) - base)


def _ridge(distance: np.ndarray, width: float) -> np.ndarray:
    """1 on a line, falling to 0 within about `width` pixels of it."""
    return np.exp(-((distance / width) ** 2))


def _grain(stream: torch.Generator, angle: float) -> np.ndarray:
    """Fine noise drawn out along a direction, like hair or thread: (150, 150) in [-1, 1]."""
    across, along = _axes(angle)
    knots = torch.rand(64, 64, generator=stream, dtype=torch.float64).numpy() * 2 - 1
    return map_coordinates(knots, [along / 12, across / 1.5], order=1, mode="grid-wrap")


def _quantise(image: np.ndarray) -> Tensor:
    return torch.from_numpy(image.clip(0, 255).round().astype(np.uint8))


def striped(style: Stripes, stream: torch.Generator) -> Tensor:
    """One striped texture, (150, 150, 3) uint8."""
    across, along = _axes(style.angle)
    distance = np.hypot(across + 60, along * 1.25) if style.rings else across
    distance = distance + style.bend * _noise(style.bend_scale, stream, octaves=2)
    wave = np.cos(2 * math.pi * distance / style.period)
    edge = math.cos(math.pi * style.dark_share)  # dark where the wave is above: a share dark_share of each period
    sharpness = 2 * style.period / 5  # an edge is as wide for wide stripes as for narrow ones
    image = _plain(style.light)
    if style.thin is not None:
        image = _blend(image, style.thin, expit(sharpness * (-wave - 0.6)))
    image = _blend(image, style.dark, expit(sharpness * (wave - edge)))
    light = 1 + 0.12 * _noise(2, stream) + 0.8 * style.fur * _grain(stream, style.angle)
    return _quantise(image * light[..., None])


def _borders(cells: int, style: Veins, stream: torch.Generator) -> np.ndarray:
    """Distance in pixels to the nearest border between random cells, about `cells` in the image: (150, 150)."""
    across, along = _axes(style.angle)
    side = TEXTURE_SIZE / math.sqrt(cells)
    across = across + 0.15 * side * _noise(12, stream, octaves=2)  # borders that wander a little
    along = along + 0.15 * side * _noise(12, stream, octaves=2)
    count = math.ceil(230 / side)  # cells over the diagonal of the image, in any direction
    grid = np.stack(np.meshgrid(*(np.arange(count),) * 2, indexing="ij"), axis=-1).reshape(-1, 2) - (count - 1) / 2
    jitter = torch.rand(len(grid), 2, generator=stream, dtype=torch.float64).numpy() - 0.5
    points = (grid + 0.8 * jitter) * side
    pixels = np.stack([across.ravel(), along.ravel() / style.stretch], axis=1)
    distance, index = KDTree(points).query(pixels, k=2)
    first, second = points[np.asarray(index).T]
    between = np.linalg.norm(first - second, axis=1)
    return ((distance[:, 1] ** 2 - distance[:, 0] ** 2) / (2 * between)).reshape(TEXTURE_SIZE, TEXTURE_SIZE)


def veined(style: Veins, stream: torch.Generator) -> Tensor:
    """One veined texture, (150, 150, 3) uint8."""
    across, along = _axes(style.angle)
    image = _blend(_plain(style.body), style.shadow, (0.5 + 0.6 * _noise(3, stream, octaves=3)).clip(0, 1))
    if style.fine:
        image = _blend(image, style.vein, 0.4 * _ridge(_borders(style.fine, style, stream), 0.8))
    if style.marble:
        for waves, strength in ((style.cells, 1.0), (style.cells * 2, 0.7), (style.cells * 3, 0.45)):
            fold = np.abs(_noise(waves, stream, octaves=3)) * 60 / waves
            image = _blend(image, style.vein, strength * _ridge(fold, style.width))
    elif style.cells:
        image = _blend(image, style.vein, 0.85 * _ridge(_borders(style.cells, style, stream), style.width))
    if style.ribs:
        bent = across + 5 * _noise(2, stream)
        lean = along + 3 * _noise(4, stream) - 0.6 * np.abs(bent) - 0.004 * bent**2
        rib = lean - (lean / style.ribs).round() * style.ribs
        image = _blend(image, style.vein, _ridge(rib, style.width))
        image = _blend(image, style.vein, _ridge(bent, 1.6 * style.width))  # the midrib
    light = 1 + 0.06 * _noise(40, stream)
    return _quantise(image * light[..., None])


def procedural_textures() -> tuple[Tensor, Tensor]:
    """Striped (foreground) and veined (background) textures of the classes 0..9, each (10, 150, 150, 3) uint8."""
    foreground = [striped(style, generator(0, "striped", label)) for label, style in enumerate(STRIPED)]
    background = [veined(style, generator(0, "veined", label)) for label, style in enumerate(VEINED)]
    return torch.stack(foreground), torch.stack(background)
