"""Procedural textures: stable, and as distinct from each other as a stand-in must be."""

import hashlib

import numpy as np
import pytest
import torch

from cgnlib.mnist.textures import STRIPED, TEXTURE_SIZE, VEINED, procedural_textures, striped, veined
from cgnlib.randomness import generator

GOLDEN = {
    "striped": "37ecfcb1bd07d195e9c4cb97c6067cfde18990132511a2b177cfa6a2e97a899a",
    "veined": "9a20bcf0fbeaeb26d6c55c8dc5e0bf6dd78cc9869cc8f5661c15edc718eceb95",
}


@pytest.fixture(scope="module")
def textures() -> dict[str, torch.Tensor]:
    foreground, background = procedural_textures()
    return {"striped": foreground, "veined": background}


@pytest.mark.parametrize("kind", ["striped", "veined"])
def test_shape_and_range(textures, kind):
    images = textures[kind]
    assert images.shape == (10, TEXTURE_SIZE, TEXTURE_SIZE, 3)
    assert images.dtype == torch.uint8
    assert (images.float().std((1, 2)).amax(-1) > 15).all()  # a texture, not a plain colour


@pytest.mark.parametrize("kind", ["striped", "veined"])
def test_the_same_everywhere(textures, kind):
    assert hashlib.sha256(textures[kind].numpy().tobytes()).hexdigest() == GOLDEN[kind]


def test_a_texture_depends_on_its_own_stream_alone(textures):
    assert torch.equal(striped(STRIPED[7], generator(0, "striped", 7)), textures["striped"][7])
    assert torch.equal(veined(VEINED[3], generator(0, "veined", 3)), textures["veined"][3])


@pytest.mark.parametrize("kind", ["striped", "veined"])
def test_any_two_differ_in_colour(textures, kind):
    """Colour histograms (8 levels per channel) of two classes overlap by less than 60 %."""
    cells = (textures[kind].long() // 32) @ torch.tensor([64, 8, 1])
    histograms = torch.stack([torch.bincount(one.flatten(), minlength=512) for one in cells]) / TEXTURE_SIZE**2
    overlap = torch.minimum(histograms[:, None], histograms[None]).sum(-1)
    overlap.fill_diagonal_(0)
    assert overlap.max() < 0.6


@pytest.mark.parametrize("kind", ["striped", "veined"])
def test_every_crop_tells_its_class(textures, kind):
    """A 32 x 32 crop is nearest in mean and spread of colour to its own class: 0.1 would be chance."""
    stream = np.random.default_rng(0)
    features, labels = [], []
    for label, texture in enumerate(textures[kind].float()):
        for row, column in stream.integers(0, TEXTURE_SIZE - 32, size=(60, 2)):
            patch = texture[row : row + 32, column : column + 32].reshape(-1, 3)
            features.append(torch.cat([patch.mean(0), patch.std(0)]))
            labels.append(label)
    points, classes = torch.stack(features), torch.tensor(labels)
    centres = torch.stack([points[classes == label].mean(0) for label in range(10)])
    accuracy = (torch.cdist(points, centres).argmin(1) == classes).float().mean()
    assert accuracy > 0.95
