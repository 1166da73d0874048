"""Small stand-ins that make trainings a matter of seconds, and the authors' weights where they are."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cgnlib.features import PerceptualFeatures
from cgnlib.images import LabelledImages
from cgnlib.training import loop
from cgnlib.training.loop import TrainingState


def make_images(n: int = 96, seed: int = 0) -> LabelledImages:
    """A block on a flat ground, both of the class's colour with noise: enough to train on."""
    stream = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 10
    colours = 25 * labels[:, None] + torch.tensor([0, 10, 20])
    pixels = colours[:, :, None, None] + torch.randint(0, 10, (n, 3, 32, 32), generator=stream)
    pixels[..., 10:22, 12:20] = (pixels[..., 10:22, 12:20] + 128) % 256
    return LabelledImages(pixels.clamp(0, 255).to(torch.uint8), labels, labels, labels, "noise/train", "made-up")


@pytest.fixture(scope="session")
def some_images() -> LabelledImages:
    return make_images()


def make_features() -> PerceptualFeatures:
    """Four random convolutions in place of a pre-trained network."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        blocks = [nn.Sequential(nn.Conv2d(c, 4, 3, 2, 1), nn.ReLU()) for c in (3, 4, 4, 4)]
    return PerceptualFeatures("tiny", blocks)


@pytest.fixture(scope="session")
def tiny_features() -> PerceptualFeatures:
    return make_features()


@pytest.fixture
def every_step(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Checkpoints are saved at every step; gives the steps at which trainings were resumed."""
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    resumed: list[int] = []
    load = TrainingState.load

    def noted(state: TrainingState, path: Path) -> None:
        load(state, path)
        resumed.append(state.step)

    monkeypatch.setattr(TrainingState, "load", noted)
    return resumed


@pytest.fixture(scope="session")
def golden(authors_file: Callable[[str], Path]) -> dict[str, np.ndarray]:
    """What the authors' code gives for fixed inputs; it lies beside their weights."""
    path = authors_file("colored").with_name("golden.npz")
    if not path.exists():
        pytest.skip(f"{path} is not there")
    with np.load(path) as arrays:
        return dict(arrays)
