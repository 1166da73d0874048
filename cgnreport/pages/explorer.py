"""The explorer: choose shape, texture and background, see the parts, the image, and what classifiers answer.

It is one piece of HTML that needs no other file and no network. `explorer.js` composes and classifies in the page.
"""

import base64
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cgnreport.pages.boxes import Html


@dataclass(frozen=True)
class Sprites:
    """What one CGN gives for each label and noise: uint8 in [0, 255].

    mask: (10, M, 1, 32, 32); foreground, background: (10, T, 3, 32, 32), before the shuffler.
    """

    variant: str
    whose: str
    mask: np.ndarray
    foreground: np.ndarray
    background: np.ndarray


@dataclass(frozen=True)
class Network:
    """A classifier: its parameters in the order of the network, each one a bfloat16.

    title: what it was trained on; about: a line below; stretched: whether it sees stretched contrast.
    """

    variant: str
    title: str
    about: str
    stretched: bool
    parameters: np.ndarray


def explorer(sprites: Sequence[Sprites], networks: Sequence[Network]) -> Html:
    """The explorer over these CGNs and classifiers; all sprites have the same numbers of noises."""
    first = sprites[0]
    parts = ("mask", "foreground", "background")
    data = {
        "noises": {part: getattr(first, part).shape[1] for part in parts},
        "cgns": [
            {"variant": each.variant, "whose": each.whose, "mask": packed(each.mask.tobytes())}
            | {part: packed_images(getattr(each, part)) for part in parts[1:]}
            for each in sprites
        ],
        "classifiers": [
            {"variant": each.variant, "title": each.title, "about": each.about, "stretched": each.stretched}
            | {"weights": packed_floats(each.parameters)}
            for each in networks
        ],
    }
    page, script = (Path(__file__).with_suffix(suffix).read_text(encoding="utf-8") for suffix in (".html", ".js"))
    text = json.dumps(data).replace("<", "\\u003c")  # nothing in it can end the element
    held = f'<script type="application/json">{text}</script>'
    label = 'role="group" aria-label="Explorer of counterfactuals"'
    return Html(f'<div class="cgn-explorer" {label}>{page}{held}<script>{script}</script></div>')


def packed_images(images: np.ndarray) -> str:
    """Images (..., 32, 32) uint8, packed as differences between neighbours in both directions: smaller for textures."""
    return packed(np.diff(np.diff(images, axis=-1, prepend=np.uint8(0)), axis=-2, prepend=np.uint8(0)).tobytes())


def packed_floats(values: np.ndarray) -> str:
    """Values that are bfloat16, as float32 (N,), packed: all first bytes, then all second ones.

    Raises ValueError for a value that bfloat16 cannot hold.
    """
    words = np.ascontiguousarray(values, dtype="<f4").view("<u4")
    if (words & 0xFFFF).any():
        raise ValueError("packed_floats: a value is no bfloat16")
    return packed(((words >> 24) & 0xFF).astype(np.uint8).tobytes() + ((words >> 16) & 0xFF).astype(np.uint8).tobytes())


def packed(content: bytes) -> str:
    """Bytes as text: deflated, in base 64."""
    return base64.b64encode(zlib.compress(content, 9)).decode("ascii")
