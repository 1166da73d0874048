"""Backgrounds of the toy world: scenes of muted colours, drawn on the whole image.

A scene takes coordinates x, y (1, H, W), 0 to 1 from left to right and from top to bottom, draws u (n, 8), uniform in
[0, 1], and noise (n, 2, H, W), two smooth random fields in [0, 1]. It returns images (n, 3, H, W) in [-1, 1], at most a
little outside.
"""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from cgnlib.toyworld.shapes import between

Scene = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
Colour = tuple[int, int, int]


def _colour(colour: Colour, u: Tensor, spread: float = 0.12) -> Tensor:
    """An 8-bit colour, lighter or darker by a draw (n,): (n, 3, 1, 1) in [-1, 1]."""
    base = torch.tensor(colour, dtype=torch.float32).view(1, 3, 1, 1) / 127.5 - 1
    return base + 2 * spread * (2 * u.view(-1, 1, 1, 1) - 1)


def _mix(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    """Two colours (n, 3, 1, 1) as an image: the first where share (n, H, W) is 0, the second where it is 1."""
    return first + (second - first) * share[:, None]


def _cover(image: Tensor, layer: Tensor, share: Tensor) -> Tensor:
    """An image or colour under a layer that hides it where share (n, H, W) is 1: `_mix`, faster on whole images."""
    return image.lerp(layer, share[:, None])


def _step(distance: Tensor, sharpness: float = 64.0) -> Tensor:
    """0 for negative distances (in image widths), 1 for positive ones, over about one pixel."""
    return (0.5 + sharpness * distance).clamp(0, 1)


def _land(y: Tensor, u: Tensor, sky: Tensor, ground: Tensor, horizon: tuple[float, float]) -> Tensor:
    """Sky above, ground below a line at a random height within `horizon`."""
    return _cover(sky, ground, _step(y - between(u, *horizon)))


def meadow(x: Tensor, y: Tensor, u: Tensor, noise: Tensor) -> Tensor:
    sky = _mix(_colour((120, 170, 215), u[:, 0]), _colour((205, 220, 225), u[:, 0]), y)
    grass = _mix(_colour((70, 120, 55), u[:, 1]), _colour((125, 160, 75), u[:, 1]), noise[:, 0])
    return _land(y, u[:, 2], sky, grass, (0.35, 0.6))


def sea(x: Tensor, y: Tensor, u: Tensor, noise: Tensor) -> Tensor:
    sky = _colour((195, 210, 220), u[:, 0])
    ripple = 0.5 + 0.5 * (60 * y + 6 * noise[:, 0] + 6 * u[:, 3, None, None]).sin()
    water = _mix(_colour((50, 95, 130), u[:, 1]), _colour((95, 140, 165), u[:, 1]), ripple)
    return _land(y, u[:, 2], sky, water, (0.2, 0.45))


def desert(x: Tensor, y: Tensor, u: Tensor, noise: Tensor) -> Tensor:
    image = _colour((200, 205, 205), u[:, 0])
    for row in range(3):
        ridge = 0.3 + 0.2 * row + 0.07 * ((5 + row) * x + 2 * math.pi * u[:, 1 + row, None, None]).sin()
        image = _cover(image, _colour((190 - 20 * row, 165 - 22 * row, 120 - 20 * row), u[:, 4]), _step(y - ridge))
    return image


def night(x: Tensor, y: Tensor, u: Tensor, noise: Tensor) -> Tensor:
    sky = _mix(_colour((20, 24, 48), u[:, 0], 0.05), _colour((55, 50, 85), u[:, 1], 0.05), noise[:, 0])
    moon = _step(between(u[:, 2], 0.06, 0.1) - torch.hypot(x - between(u[:, 3], 0.1, 0.9), y - 0.14))
    return _cover(sky, _colour((205, 205, 190), u[:, 4], 0.05), moon)


def forest(x: Tensor, y: Tensor, u: Tensor, noise: Tensor) -> Tensor:
    leaves = _mix(_colour((30, 62, 42), u[:, 0], 0.08), _colour((62, 92, 55), u[:, 0], 0.08), noise[:, 0])
    rate = 2 * math.pi * between(u[:, 1], 4, 6)
    trunks = (1.5 * ((rate * (x + 0.06 * noise[:, 1])).sin() - 0.4)).clamp(0, 1)
    return _cover(leaves, _colour((78, 60, 45), u[:, 2], 0.06), trunks)


def snow(x: Tensor, y: Tensor, u: Tensor, noise: Tensor) -> Tensor:
    sky = _colour((165, 185, 205), u[:, 0])
    hill = between(u[:, 1], 0.35, 0.6) + 0.12 * (4 * x + 6 * u[:, 2, None, None]).sin()
    white = _mix(_colour((235, 238, 242), u[:, 3], 0.05), _colour((205, 215, 228), u[:, 3], 0.05), noise[:, 0])
    return _cover(sky, white, _step(y - hill))


def room(x: Tensor, y: Tensor, u: Tensor, noise: Tensor) -> Tensor:
    wall = _colour((205, 190, 165), u[:, 0])
    boards = 0.5 + 0.5 * (2 * math.pi * 7 * (x - 0.5) / (0.4 + y) + 6 * u[:, 3, None, None]).sin()
    floor = _mix(_colour((125, 90, 65), u[:, 1]), _colour((150, 112, 82), u[:, 1]), boards)
    return _land(y, u[:, 2], wall, floor, (0.6, 0.8))


def city(x: Tensor, y: Tensor, u: Tensor, noise: Tensor) -> Tensor:
    image = _mix(_colour((150, 160, 175), u[:, 0]), _colour((200, 195, 190), u[:, 0]), y)
    for row in range(2):
        column = (x * (5 - row) + u[:, 1 + row, None, None]).floor()
        roof = 0.22 + 0.2 * row + 0.25 * (37.0 * column + 2 * math.pi * u[:, 3 + row, None, None]).sin().abs()
        image = _cover(image, _colour((115 - 30 * row, 115 - 30 * row, 125 - 30 * row), u[:, 5]), _step(y - roof))
    return image


def sunset(x: Tensor, y: Tensor, u: Tensor, noise: Tensor) -> Tensor:
    height = (y + 0.15 * (noise[:, 0] - 0.5)).clamp(0, 1)
    image = _mix(_colour((95, 65, 110), u[:, 0]), _colour((225, 140, 85), u[:, 1]), height)
    sun = _step(between(u[:, 2], 0.1, 0.16) - torch.hypot(x - between(u[:, 3], 0.2, 0.8), y - 0.85))
    return _cover(image, _colour((245, 215, 150), u[:, 4], 0.05), sun)


def rocks(x: Tensor, y: Tensor, u: Tensor, noise: Tensor) -> Tensor:
    cracks = (1 - 8 * (noise[:, 0] - 0.5).abs()).clamp(0, 1)
    stone = _mix(_colour((120, 115, 110), u[:, 0]), _colour((165, 160, 150), u[:, 0]), noise[:, 1])
    return _cover(stone, _colour((75, 72, 70), u[:, 1], 0.06), cracks)


def _free_colour(u: Tensor) -> Tensor:
    """Three draws (n, 3) as a colour (n, 3, 1, 1) in [-0.7, 0.7]."""
    return 1.4 * (u[:, :, None, None] - 0.5)


def _free(share: Scene) -> Scene:
    """A scene of two free colours, mixed by a share in [0, 1]."""
    return lambda x, y, u, noise: _mix(_free_colour(u[:, :3]), _free_colour(u[:, 3:6]), share(x, y, u, noise))


def slope(x: Tensor, y: Tensor, u: Tensor, noise: Tensor) -> Tensor:
    angle = 2 * math.pi * u[:, 6, None, None]
    return (0.5 + (x - 0.5) * angle.cos() + (y - 0.5) * angle.sin()).clamp(0, 1)


def halves(x: Tensor, y: Tensor, u: Tensor, noise: Tensor) -> Tensor:
    angle = 2 * math.pi * u[:, 6, None, None]
    side = (x - 0.5) * angle.cos() + (y - 0.5) * angle.sin()
    return _step(side + 0.3 * (noise[:, 0] - 0.5) + 0.5 * (u[:, 7, None, None] - 0.5))


def panels(x: Tensor, y: Tensor, u: Tensor, noise: Tensor) -> Tensor:
    rate = 2 * math.pi * between(u[:, 6], 2, 6)
    return (0.5 + 3 * (rate * (x + 0.3 * noise[:, 1])).sin()).clamp(0, 1)


SCENES = (meadow, sea, desert, night, forest, snow, room, city, sunset, rocks)
CLASSES: Mapping[str, Scene] = {scene.__name__: scene for scene in SCENES}
OTHERS: Mapping[str, Scene] = {
    "fog": _free(lambda x, y, u, noise: noise[:, 0]),
    "slope": _free(slope),
    "halves": _free(halves),
    "panels": _free(panels),
    "clouds": _free(lambda x, y, u, noise: (4 * (noise[:, 0] - 0.4)).clamp(0, 1)),
}
