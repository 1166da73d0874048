"""Ten striped and ten veined procedural textures: stand-ins for the DTD files of wildlife MNIST where those are absent.

Each class has its own colours and structure, as the published textures have: stripes from awnings to zebras and rings
on the digits; leaves, nets and marble behind them. All is seeded, so the same textures come out everywhere.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
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
    """One veined material: a body, veins around `cells` cells and finer ones around `fine` cells, or marble folds."""

    body: Colour
    shadow: Colour  # the body where light is low
    vein: Colour
    cells: int
    fine: int = 0
    width: float = 2.0  # pixels
    stretch: float = 1.0  # cells are this much longer than wide
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
    Veins((120, 196, 40), (76, 150, 24), (196, 232, 120), cells=26, fine=420, width=2.4, ribs=34, angle=35),
    Veins((96, 22, 26), (66, 10, 16), (176, 112, 112), cells=3, width=2.2, marble=True),
    Veins((96, 152, 142), (34, 78, 76), (190, 222, 208), cells=70, width=2.2),
    Veins((150, 206, 70), (96, 160, 44), (122, 20, 66), cells=22, fine=150, width=3.0, stretch=1.8, angle=-30),
    Veins((200, 96, 42), (140, 54, 26), (246, 204, 120), cells=40, fine=500, width=1.8, ribs=50, angle=-50),
    Veins((180, 196, 30), (66, 84, 8), (22, 26, 6), cells=120, width=2.0, stretch=2.2, angle=80),
    Veins((112, 96, 180), (62, 48, 124), (240, 192, 40), cells=3, width=2.6, marble=True),
    Veins((30, 84, 40), (12, 44, 24), (122, 50, 66), cells=34, fine=260, width=2.6, ribs=26, angle=10),
    Veins((40, 160, 206), (22, 122, 172), (16, 62, 98), cells=14, fine=600, width=2.4, angle=45),
    Veins((40, 62, 104), (22, 36, 70), (206, 214, 130), cells=2, ribs=9, width=1.7, angle=-15),
)


def _noise(waves: int, stream: torch.Generator, octaves: int = 1) -> Tensor:
    """Smooth noise (150, 150) around 0, of about unit range, with `waves` bumps across; each octave halves the size."""
    total = torch.zeros(TEXTURE_SIZE, TEXTURE_SIZE, dtype=torch.float64)
    for octave in range(octaves):
        count = waves * 2**octave + 2
        grid = torch.rand(1, 1, count, count, generator=stream, dtype=torch.float64) * 2 - 1
        size = (TEXTURE_SIZE, TEXTURE_SIZE)
        total += F.interpolate(grid, size=size, mode="bicubic", align_corners=True)[0, 0] / 2**octave
    return total


def _axes(angle: float) -> tuple[Tensor, Tensor]:
    """Coordinates in pixels across and along a direction, around the centre, both (150, 150)."""
    axis = torch.arange(TEXTURE_SIZE, dtype=torch.float64) - (TEXTURE_SIZE - 1) / 2
    row, column = torch.meshgrid(axis, axis, indexing="ij")
    turn = math.radians(angle)
    return column * math.cos(turn) + row * math.sin(turn), row * math.cos(turn) - column * math.sin(turn)


def _blend(base: Tensor, colour: Colour, amount: Tensor) -> Tensor:
    """`base` (150, 150, 3) turned to `colour` by `amount` (150, 150) in [0, 1]."""
    return base + amount[..., None] * (torch.tensor(colour, dtype=torch.float64) - base)


def _grain(stream: torch.Generator, angle: float) -> Tensor:
    """Fine noise drawn out along a direction, like hair or thread: (150, 150) around 0."""
    across, along = _axes(angle)
    strength = torch.rand(64, 64, generator=stream, dtype=torch.float64) * 2 - 1
    return strength[(across / 1.6).floor().long() % 64, (along / 9).floor().long() % 64]


def _quantise(image: Tensor) -> Tensor:
    return image.clamp(0, 255).round().to(torch.uint8)


def striped(style: Stripes, stream: torch.Generator) -> Tensor:
    """One striped texture, (150, 150, 3) uint8."""
    across, along = _axes(style.angle)
    distance = torch.hypot(across + 60, along * 1.25) if style.rings else across
    distance = distance + style.bend * _noise(style.bend_scale, stream, octaves=2)
    wave = torch.cos(2 * math.pi * distance / style.period)
    edge = math.cos(math.pi * style.dark_share)  # dark where the wave is above: a share dark_share of each period
    sharpness = style.period / 5
    image = torch.tensor(style.light, dtype=torch.float64).expand(TEXTURE_SIZE, TEXTURE_SIZE, 3)
    if style.thin is not None:
        image = _blend(image, style.thin, torch.sigmoid(sharpness * 2 * (-wave - 0.6)))
    image = _blend(image, style.dark, torch.sigmoid(sharpness * 2 * (wave - edge)))
    light = 1 + 0.12 * _noise(2, stream) + style.fur * _grain(stream, style.angle) * 0.8
    return _quantise(image * light[..., None])


def _borders(cells: int, style: Veins, stream: torch.Generator) -> Tensor:
    """Distance in pixels to the nearest border between `cells` random cells, wandering a little: (150, 150)."""
    across, along = _axes(style.angle)
    wander = 150 / math.sqrt(cells) * 0.12
    across = across + wander * _noise(12, stream, octaves=2)
    along = along + wander * _noise(12, stream, octaves=2)
    points = (torch.rand(cells, 2, generator=stream, dtype=torch.float64) - 0.5) * 220
    pixels = torch.stack([across.flatten() * style.stretch, along.flatten()], dim=1)
    points[:, 0] *= style.stretch
    nearest = torch.cdist(pixels, points, compute_mode="donot_use_mm_for_euclid_dist").topk(2, largest=False).values
    return ((nearest[:, 1] - nearest[:, 0]) / 2).view(TEXTURE_SIZE, TEXTURE_SIZE)


def veined(style: Veins, stream: torch.Generator) -> Tensor:
    """One veined texture, (150, 150, 3) uint8."""
    across, along = _axes(style.angle)
    shade = (0.5 + 0.6 * _noise(3, stream, octaves=3)).clamp(0, 1)
    image = _blend(
        torch.tensor(style.body, dtype=torch.float64).expand(TEXTURE_SIZE, TEXTURE_SIZE, 3), style.shadow, shade
    )
    if style.fine:
        image = _blend(image, style.vein, 0.4 * torch.exp(-((_borders(style.fine, style, stream) / 0.8) ** 2)))
    if style.marble:
        for waves, strength in ((style.cells, 1.0), (style.cells * 2, 0.7), (style.cells * 3, 0.45)):
            fold = _noise(waves, stream, octaves=3).abs() * 150 / waves / 2.5
            image = _blend(image, style.vein, strength * torch.exp(-((fold / style.width) ** 2)))
    elif style.cells > 2:
        border = _borders(style.cells, style, stream)
        image = _blend(image, style.vein, 0.85 * torch.exp(-((border / style.width) ** 2)))
    if style.ribs:
        bent = across + 5 * _noise(2, stream)
        along = along + 3 * _noise(4, stream)
        phase = (along - 0.6 * bent.abs() - 0.004 * bent**2) / style.ribs
        rib = (phase - phase.round()).abs() * style.ribs
        image = _blend(image, style.vein, torch.exp(-((rib / style.width) ** 2)))
        image = _blend(image, style.vein, torch.exp(-((bent / (1.6 * style.width)) ** 2)))  # the midrib
    light = 1 + 0.06 * _noise(40, stream)
    return _quantise(image * light[..., None])


def procedural_textures() -> tuple[Tensor, Tensor]:
    """Striped (foreground) and veined (background) textures of the classes 0..9, each (10, 150, 150, 3) uint8."""
    foreground = [striped(style, generator(0, "striped", label)) for label, style in enumerate(STRIPED)]
    background = [veined(style, generator(0, "veined", label)) for label, style in enumerate(VEINED)]
    return torch.stack(foreground), torch.stack(background)
