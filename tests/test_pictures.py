"""Pictures that are kept beside rows: they come back as they were, and only for the rows to which they belong."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cgnlib import results
from cgnlib.pictures import keep_tiles, kept_tiles

COLUMNS = {"dataset": "colored", "data": "mnist-full", "params": {"cgn_seed": 1}}
ROWS = pd.DataFrame([COLUMNS | {"profile": "smoke", "params": results.canonical_params(COLUMNS["params"])}])


pytestmark = pytest.mark.usefixtures("build")


@pytest.mark.parametrize("channels", [1, 3])
def test_tiles_come_back_as_they_were(channels: int) -> None:
    tiles = np.random.default_rng(0).integers(0, 256, (2, 5, channels, 8, 8), dtype=np.uint8)
    keep_tiles(tiles, "smoke", "sheet", COLUMNS)
    kept = kept_tiles(ROWS, "sheet", 8)
    assert kept is not None
    np.testing.assert_array_equal(kept, tiles)


def test_a_picture_of_other_rows_is_not_shown() -> None:
    keep_tiles(np.zeros((1, 1, 3, 8, 8), np.uint8), "smoke", "sheet", COLUMNS)
    assert kept_tiles(ROWS.assign(params='{"cgn_seed":2}'), "sheet", 8) is None
    assert kept_tiles(ROWS, "another", 8) is None
    assert kept_tiles(ROWS.iloc[:0], "sheet", 8) is None


def test_pictures_of_two_settings_do_not_replace_each_other() -> None:
    settings = [{"cgn_seed": 1}, {"cgn_seed": 2}]
    for value, params in enumerate(settings):
        keep_tiles(np.full((1, 1, 3, 8, 8), value, np.uint8), "smoke", "sheet", COLUMNS | {"params": params})
    for value, params in enumerate(settings):
        kept = kept_tiles(ROWS.assign(params=results.canonical_params(params)), "sheet", 8)
        assert kept is not None
        assert (kept == value).all()


@pytest.mark.parametrize("damage", [lambda data: data[:40], lambda data: data[:37] + bytes([data[37] ^ 1]) + data[38:]])
def test_a_damaged_picture_is_as_good_as_none(build: Path, damage: Callable[[bytes], bytes]) -> None:
    keep_tiles(np.zeros((1, 1, 3, 8, 8), np.uint8), "smoke", "sheet", COLUMNS)
    (file,) = (build / "results" / "smoke").glob("sheet-*.png")
    file.write_bytes(damage(file.read_bytes()))
    assert kept_tiles(ROWS, "sheet", 8) is None
