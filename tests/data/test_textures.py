"""The 20 published textures and their stand-ins."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cgnlib.data.catalogue import named
from cgnlib.data.textures import find_textures, textures_source
from cgnlib.errors import AssetError


@pytest.fixture(params=range(5), ids=["torchvision's", "kinds", "images", "as unpacked", "as in SG21's repository"])
def files(request, tmp_path) -> list[Path]:
    """The 20 texture files in a data folder, each of one colour, of different sizes."""
    asset = named("dtd")
    files = [tmp_path / "data" / file for file in (*asset.other_files, asset.files)[request.param]]
    for index, path in enumerate(files):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (200 + index, 170), (12 * index, 100, 50)).save(path, quality=95)
    return files


def test_drawn_textures_are_the_stand_in():
    textures = find_textures()
    assert textures.source == textures_source() == "procedural"
    assert textures.foreground.shape == textures.background.shape == (10, 150, 150, 3)
    bits = textures.foreground.numpy().tobytes() + textures.background.numpy().tobytes()
    assert hashlib.sha256(bits).hexdigest()[:16] == "364b3d604e70e661"


def test_texture_files_are_read_in_class_order_and_resized_to_the_nearest_pixel(files, tmp_path):
    textures = find_textures(tmp_path / "data")
    assert textures.source == textures_source(tmp_path / "data") == "dtd"
    assert textures.foreground.shape == textures.background.shape == (10, 150, 150, 3)
    both = torch.cat([textures.foreground, textures.background])
    assert both.dtype == torch.uint8
    assert torch.allclose(both[..., 0].float().mean((1, 2)), 12.0 * torch.arange(20), atol=3)
    noise = np.random.default_rng(0).integers(256, size=(200, 333, 3), dtype=np.uint8)
    Image.fromarray(noise).save(files[0])
    with Image.open(files[0]) as image:
        expected = np.array(image.resize((150, 150), Image.Resampling.NEAREST))
    assert (find_textures(tmp_path / "data").foreground[0].numpy() == expected).all()


def test_damaged_textures_are_named(files, tmp_path):
    files[14].write_bytes(files[14].read_bytes()[:-200])
    with pytest.raises(AssetError, match=f"{files[14].name} cannot be read as an image"):
        find_textures(tmp_path / "data")
