"""Small pictures that are kept beside result rows, so that a page can show them without computing anything again."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, PngImagePlugin

from cgnlib import results
from cgnlib.paths import atomic_file

ABOUT = ("dataset", "data", "params")  # columns of the rows that say what a picture belongs to


def keep_tiles(tiles: np.ndarray, profile: str, name: str, columns: Mapping[Any, Any]) -> None:
    """Keep images of one size in a grid, uint8 (R, C, K, H, W), K = 1 or 3, as one PNG beside the rows of `profile`.

    columns: of these rows; the picture says in itself which they are. Pictures of other rows stay.
    """
    rows, across, channels, height, width = tiles.shape
    sheet = tiles.transpose(0, 3, 1, 4, 2).reshape(rows * height, across * width, channels)
    note, about = PngImagePlugin.PngInfo(), _about(columns)
    note.add_text("about", about)
    with atomic_file(results.picture_file(profile, _own_name(name, about))) as partial:
        Image.fromarray(sheet[..., 0] if channels == 1 else sheet).save(
            partial, format="PNG", pnginfo=note, optimize=True
        )


def kept_tiles(rows: pd.DataFrame, name: str, size: int) -> np.ndarray | None:
    """What `keep_tiles` kept beside these rows, images of `size` x `size` pixels: uint8 (R, C, K, size, size).

    Looked for on this machine, then in the published results. None where there is none, or one of other rows.
    """
    if rows.empty:
        return None
    settings = rows[list(ABOUT)].drop_duplicates().itertuples(index=False, name=None)
    wanted = dict.fromkeys(_about(dict(zip(ABOUT, columns, strict=True))) for columns in settings)
    profile = rows["profile"].iloc[0]
    for file in (file for about in wanted for file in results.kept_pictures(profile, _own_name(name, about))):
        try:
            with Image.open(file) as picture:
                sheet = np.asarray(picture)
                about = picture.info.get("about")
        except (OSError, SyntaxError):  # what Pillow raises for a damaged PNG
            continue
        if about in wanted:
            down, across = sheet.shape[0] // size, sheet.shape[1] // size
            return sheet.reshape(down, size, across, size, -1).transpose(0, 2, 4, 1, 3)
    return None


def _own_name(name: str, about: str) -> str:
    return f"{name}-{hashlib.sha256(about.encode()).hexdigest()[:8]}"


def _about(columns: Mapping[Any, Any]) -> str:
    params = columns["params"]  # in rows that were read: as text
    about = {key: columns[key] for key in ABOUT} | {"params": json.loads(params) if isinstance(params, str) else params}
    return results.canonical_params(about)
