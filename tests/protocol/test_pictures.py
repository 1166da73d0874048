"""Pictures that are kept beside rows: they come back as they were, and only for the setting to which they belong."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cgnreport.protocol.pictures import keep_tiles, kept_tiles
from cgnreport.protocol.rows import Setting

SETTING = Setting("mnist-control", "colored", "cgn", "robust", "smoke", "mnist-full", {"cgn_seed": 1})
OTHER = replace(SETTING, params={"cgn_seed": 2})
pytestmark = pytest.mark.usefixtures("build")


@pytest.mark.parametrize("channels", [1, 3])
def test_tiles_come_back_as_they_were(channels: int) -> None:
    tiles = np.random.default_rng(0).integers(0, 256, (2, 5, channels, 8, 8), dtype=np.uint8)
    keep_tiles(tiles, SETTING, "sheet", 0)
    kept = kept_tiles(SETTING, "sheet", 0, 8)
    assert kept is not None
    np.testing.assert_array_equal(kept, tiles)


def test_pictures_of_two_settings_do_not_replace_each_other() -> None:
    assert kept_tiles(SETTING, "sheet", 0, 8) is None
    for value, setting in enumerate((SETTING, OTHER)):
        keep_tiles(np.full((1, 1, 3, 8, 8), value, np.uint8), setting, "sheet", 0)
    for value, setting in enumerate((SETTING, OTHER)):
        kept = kept_tiles(setting, "sheet", 0, 8)
        assert kept is not None
        assert (kept == value).all()
    assert kept_tiles(replace(SETTING, dataset="wildlife"), "sheet", 0, 8) is None
    assert kept_tiles(SETTING, "another", 0, 8) is None
    assert kept_tiles(SETTING, "sheet", 1, 8) is None


@pytest.mark.parametrize("damage", [lambda data: data[:40], lambda data: data[:37] + bytes([data[37] ^ 1]) + data[38:]])
def test_a_damaged_picture_is_as_good_as_none(build: Path, damage: Callable[[bytes], bytes]) -> None:
    keep_tiles(np.zeros((1, 1, 3, 8, 8), np.uint8), SETTING, "sheet", 0)
    (file,) = (build / "results" / "smoke").glob("sheet-*.png")
    file.write_bytes(damage(file.read_bytes()))
    assert kept_tiles(SETTING, "sheet", 0, 8) is None
