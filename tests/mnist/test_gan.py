"""The conditional GAN and its stream of images."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cgnlib.mnist import gan
from cgnlib.mnist.gan import GANConfig, GANStream, Generator, train_gan

CONFIG = GANConfig(images=16 * 11, batch_size=16)


@pytest.fixture(scope="module")
def generator() -> Generator:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Generator().eval()


def test_shapes_and_range(generator: Generator) -> None:
    images = generator(torch.randn(5, gan.LATENT), torch.arange(5))
    assert images.shape == (5, 3, 32, 32)
    assert images.abs().max() <= 1


def test_trained_once_and_the_same_images_from_a_loaded_one(some_images, tmp_path: Path, monkeypatch) -> None:
    trained, artefact = train_gan(some_images, CONFIG, 0, root=tmp_path)
    assert list(artefact.log().columns) == ["step", "adversarial", "discriminator"]
    monkeypatch.setattr(gan, "run", lambda *arguments, **options: pytest.fail("trained again"))
    loaded, _ = train_gan(some_images, CONFIG, 0, root=tmp_path)
    assert GANStream(trained, 300, 0).collect().sha256 == GANStream(loaded, 300, 0).collect().sha256


def test_seeds_differ(some_images, tmp_path: Path) -> None:
    one, other = (train_gan(some_images, replace(CONFIG, images=16), seed, root=tmp_path)[0] for seed in (0, 1))
    assert not torch.equal(next(one.parameters()), next(other.parameters()))


def test_stream(generator: Generator, monkeypatch) -> None:
    monkeypatch.setattr(gan, "IMAGES_PER_BATCH", 150)
    stream = GANStream(generator, 320, 0)
    assert [len(batch) for batch in stream] == [150, 150, 20]
    images = stream.collect()
    assert images.sha256 == stream.collect().sha256
    assert images.sha256 != GANStream(generator, 320, 1).collect().sha256
    assert torch.equal(images.shape, images.foreground)
    assert torch.equal(images.shape, images.background)
    counts = torch.bincount(images.shape, minlength=10)
    assert (counts - 32).abs().max() < 5 * 32**0.5
    assert (images.name, images.source) == ("gan/images", "gan")


def test_an_empty_stream_is_refused(generator: Generator) -> None:
    with pytest.raises(ValueError, match="a stream needs n >= 1, not 0"):
        GANStream(generator, 0, 0)
