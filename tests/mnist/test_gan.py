"""The conditional GAN and its stream of images."""

from pathlib import Path

import pytest
import torch

from cgnlib.mnist import gan
from cgnlib.mnist.gan import Generator, sample_gan, train_gan
from cgnlib.mnist.recipes import GANConfig

CONFIG = GANConfig(images=16 * 11, batch_size=16)


@pytest.fixture(scope="module")
def generator() -> Generator:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Generator().eval()


def test_trained_once_and_the_same_images_from_a_loaded_one(some_images, tmp_path: Path, monkeypatch) -> None:
    trained, artefact = train_gan(some_images, CONFIG, 0, root=tmp_path)
    assert list(artefact.log().columns) == ["step", "adversarial", "discriminator"]
    monkeypatch.setattr(gan, "run", lambda *arguments, **options: pytest.fail("trained again"))
    loaded, _ = train_gan(some_images, CONFIG, 0, root=tmp_path)
    assert sample_gan(trained, 300, 0).sha256 == sample_gan(loaded, 300, 0).sha256


def test_samples(generator: Generator) -> None:
    images = sample_gan(generator, 620, 0)
    assert len(images) == 620
    assert images.sha256 == sample_gan(generator, 620, 0).sha256 != sample_gan(generator, 620, 1).sha256
    assert torch.equal(images.shape, images.foreground)
    assert torch.equal(images.shape, images.background)
    counts = torch.bincount(images.shape, minlength=10)
    assert (counts - 62).abs().max() < 5 * 62**0.5
    assert (images.name, images.source) == ("gan/images", "gan")
    with pytest.raises(ValueError, match="a sample needs n >= 1, not 0"):
        sample_gan(generator, 0, 0)
