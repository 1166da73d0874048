"""One texture per class for wildlife MNIST: the 20 published files of DTD, or procedural stand-ins where those are not.

They are downloaded only where a person asks for it (1.6 MB). The stand-in is never silent: `source` says what was used.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cgnlib.data.finding import find_files
from cgnlib.data.pictures import opened_picture

if TYPE_CHECKING:
    from torch import Tensor

SIZE = 150  # pixels of a texture, as published


@dataclass(frozen=True)
class Textures:
    """One texture per class: foreground and background (10, 150, 150, 3) uint8; source "dtd" or "procedural"."""

    foreground: Tensor
    background: Tensor
    source: str


def find_textures(folder: str | Path | None = None) -> Textures:
    """The 20 DTD textures of wildlife MNIST from the first place that has them, else ten plus ten procedural ones.

    Raises AssetError for a named folder that does not exist and for files that are incomplete or damaged.
    """
    import torch

    files = find_files("dtd", folder)
    if files is None:
        return stand_in_textures()
    images = torch.stack([_read_texture(path) for path in files])
    return Textures(images[:10], images[10:], "dtd")


def stand_in_textures() -> Textures:
    """Ten striped and ten veined textures that this project drew (commit 911e266, cgnlib/mnist/textures.py)."""
    import numpy as np
    import torch
    from PIL import Image

    with Image.open(Path(__file__).with_name("stand_in_textures.png")) as sheet:  # two rows of ten
        tiles = torch.from_numpy(np.array(sheet)).unflatten(1, (10, SIZE)).unflatten(0, (2, SIZE)).movedim(2, 1)
    return Textures(tiles[0].contiguous(), tiles[1].contiguous(), "procedural")


def textures_source(folder: str | Path | None = None) -> str:
    """The `source` of what `find_textures` would give, without reading an image: "dtd" or "procedural"."""
    return "procedural" if find_files("dtd", folder, verified=False) is None else "dtd"


def _read_texture(path: Path) -> Tensor:
    """One texture, resized to 150 x 150 (nearest, as published): (150, 150, 3) uint8."""
    import numpy as np
    import torch
    from PIL import Image

    with opened_picture(path) as image:
        small = image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.NEAREST)
    return torch.from_numpy(np.array(small))
