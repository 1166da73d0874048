"""Small pictures that are kept beside rows, so that a page can show them without computing anything again."""

import hashlib

import numpy as np
from PIL import Image, PngImagePlugin

from cgnlib.errors import Blocked
from cgnlib.paths import atomic_file
from cgnreport.protocol.rows import Setting, canonical
from cgnreport.protocol.store import own_folder, published_folder


def keep_tiles(tiles: np.ndarray, setting: Setting, kind: str, seed: int) -> None:
    """Keep images of one size in a grid, uint8 (R, C, K, H, W), K = 1 or 3, as one PNG beside the rows of a setting.

    The picture says in itself which setting it is of. Pictures of other settings, kinds and random seeds stay.
    """
    rows, across, channels, height, width = tiles.shape
    sheet = tiles.transpose(0, 3, 1, 4, 2).reshape(rows * height, across * width, channels)
    note = PngImagePlugin.PngInfo()
    note.add_text("about", _about(setting))
    with atomic_file(own_folder(setting.profile) / _file(setting, kind, seed)) as partial:
        Image.fromarray(sheet[..., 0] if channels == 1 else sheet).save(
            partial, format="PNG", pnginfo=note, optimize=True
        )


def kept_tiles(setting: Setting | Blocked, kind: str, seed: int, size: int) -> np.ndarray | None:
    """What `keep_tiles` kept, images of `size` x `size` pixels: uint8 (R, C, K, size, size).

    Looked for on this machine, then in the published results. None where there is none, or one of another setting.
    """
    if isinstance(setting, Blocked):
        return None
    for folder in (own_folder(setting.profile), published_folder(setting.profile)):
        try:
            with Image.open(folder / _file(setting, kind, seed)) as picture:
                sheet, about = np.asarray(picture), picture.info.get("about")
        except (OSError, SyntaxError):  # none there; SyntaxError is what Pillow raises for a damaged PNG
            continue
        if about == _about(setting):
            down, across = sheet.shape[0] // size, sheet.shape[1] // size
            return sheet.reshape(down, size, across, size, -1).transpose(0, 2, 4, 1, 3)
    return None


def _file(setting: Setting, kind: str, seed: int) -> str:
    """Heat maps are of one data set and many methods, other pictures the other way round."""
    subject = setting.method if kind.endswith("gradcam") else setting.dataset
    recipe, digest = [setting.recipe] * (setting.recipe != "-"), hashlib.sha256(_about(setting).encode()).hexdigest()
    return f"{'-'.join([kind, subject, *recipe, str(seed), digest[:8]])}.png"


def _about(setting: Setting) -> str:
    return canonical({"dataset": setting.dataset, "data": setting.data, "params": dict(setting.params)})
