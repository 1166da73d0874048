"""The explorer in a real browser: what it composes and classifies is what the library does."""

import base64
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from cgnlib.composition import compose
from cgnlib.images import to_float, to_uint8
from cgnlib.mnist.cgn import CGN, draw_noise, load_weights
from cgnlib.mnist.classifier import Classifier
from cgnlib.mnist.without_cgn import border_stretched
from cgnlib.randomness import generator, seeded
from cgnreport.pages.explorer import Network, Sprites, explorer, packed_floats, packed_images
from cgnreport.protocol.mnist_settings import shipped_cgn
from cgnreport.protocol.sprites import MASKS, TEXTURES, flat_parameters, sprites
from tests.pages.browser import CHROMIUM, DRIVER, RIGHT, Browser, browser

needs_browser = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium and chromium-driver are not installed")
STATES = (
    {"shape": (3, 0), "foreground": (7, 0, 0, 0), "background": (0, 0, 0, 0)},
    {"shape": (9, 63), "foreground": (0, 7, 31, 1), "background": (4, 3, 5, 17)},
    {"shape": (0, 20), "foreground": (9, 1, 0, 9), "background": (9, 6, 30, 0)},
)


def some_classifier(seed: int) -> Classifier:
    """With weights that bfloat16 holds, and statistics that a training could have left."""
    with seeded(seed, "test"), torch.no_grad():
        classifier = Classifier().eval()
        for name, values in classifier.state_dict().items():
            if values.is_floating_point():
                extra = 0.2 * torch.rand_like(values) if "norm" in name else 0
                values.copy_((2 * values + extra).to(torch.bfloat16).float())
    return classifier


@pytest.fixture(scope="module")
def classifiers() -> list[Classifier]:
    return [some_classifier(seed) for seed in range(4)]


@pytest.fixture(scope="module")
def trained() -> CGN:
    path = shipped_cgn("double-colored", "robust")
    assert path is not None
    return load_weights(path)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, trained: CGN, classifiers: list[Classifier]) -> Path:
    nets = [Network("Two", f"net {k}", "", k == 3, flat_parameters(each)) for k, each in enumerate(classifiers)]
    sheets = [Sprites("Two", "of ours", **sprites(trained)), Sprites("Two", "of others", **sprites(trained, seed=1))]
    file = tmp_path_factory.mktemp("page") / "explorer.html"
    head = '<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width"><body>'
    file.write_text(head + explorer(sheets, nets), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def window(page: Path) -> Iterator[Browser]:
    with browser() as opened:
        opened.open(page)
        wait(opened)
        yield opened


def wait(window: Browser) -> None:
    window.run(
        "const root = document.querySelector('.cgn-explorer');"
        "return new Promise((done) => { const look = () => root.explorer ? done() : setTimeout(look, 20); look(); });"
    )


def shown(window: Browser, state: dict[str, tuple[int, ...]]) -> tuple[np.ndarray, np.ndarray]:
    """The image (3, 32, 32) and the log-probabilities (4, 10) that the page makes of a state."""
    given = {name: {"label": s[0], "noise": s[1], "shift": list(s[2:])} for name, s in state.items()}
    made = window.run(
        "const { set, made } = document.querySelector('.cgn-explorer').explorer; set(arguments[0]);"
        "return [Array.from(made().image), made().answers];",
        given,
    )
    return np.array(made[0], dtype=np.uint8).reshape(3, 32, 32), np.array(made[1])


@torch.no_grad()
def composed(cgn: CGN, state: dict[str, tuple[int, ...]]) -> torch.Tensor:
    """The same image by the library, (3, 32, 32) uint8."""
    stream, parts = generator(0, "explorer"), []
    for part, n, (label, noise, *shift) in zip(
        ("mask", "foreground", "background"), (MASKS, TEXTURES, TEXTURES), state.values(), strict=True
    ):
        labels = torch.arange(10).repeat_interleave(n)
        values = getattr(cgn, part)(draw_noise(len(labels), stream), labels)[label * n + noise]
        parts.append(values.roll([-s for s in shift], dims=(1, 2)) if shift else values)
    return to_uint8(compose(*parts))


@needs_browser
@pytest.mark.parametrize("state", STATES)
def test_pixels_are_those_of_the_library(window: Browser, trained: CGN, state: dict[str, tuple[int, ...]]) -> None:
    image, _ = shown(window, state)
    differences = np.abs(image.astype(int) - composed(trained, state).numpy().astype(int))
    assert differences.max() <= 1
    assert image.std() > 10


@needs_browser
@pytest.mark.parametrize("state", STATES)
def test_answers_are_those_of_the_library(
    window: Browser, classifiers: list[Classifier], state: dict[str, tuple[int, ...]]
) -> None:
    image, answers = shown(window, state)
    pixels = torch.from_numpy(image)[None]
    with torch.no_grad():
        for k, classifier in enumerate(classifiers):
            seen = border_stretched(pixels) if k == 3 else pixels
            np.testing.assert_allclose(answers[k], classifier(to_float(seen))[0], atol=1e-3)
    assert np.ptp(answers) > 1


@needs_browser
def test_it_needs_no_other_file_and_complains_of_nothing(window: Browser) -> None:
    assert window.run("return location.protocol") == "file:"
    assert window.run("return performance.getEntriesByType('resource').length") == 0
    assert window.complaints() == []


@needs_browser
def test_a_key_chooses_the_next_label(window: Browser) -> None:
    shown(window, STATES[0])
    window.run("document.querySelector('.cgn-explorer input[type=radio]:checked').focus()")
    window.press(RIGHT)
    said = window.run("return document.querySelector('[role=status]').textContent")
    assert said.startswith("Shape 4, texture 7, background 0.")


@needs_browser
def test_another_cgn_gives_another_image(window: Browser) -> None:
    before, _ = shown(window, STATES[0])
    window.run(
        "const { select, load } = document.querySelector('.cgn-explorer').explorer;"
        "select('whose').value = arguments[0]; return load();",
        "of others",
    )
    after, _ = shown(window, STATES[0])
    window.run(
        "const { select, load } = document.querySelector('.cgn-explorer').explorer;"
        "select('whose').value = 'of ours'; return load();"
    )
    assert (before != after).any()


@needs_browser
@pytest.mark.slow
def test_it_fits_a_phone(page: Path) -> None:
    with browser() as phone:
        phone.open(page, width=390)
        wait(phone)
        assert phone.run("return [innerWidth, document.documentElement.scrollWidth]") == [390, 390]


def test_what_is_packed_can_be_read_again() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32), dtype=np.uint8)
    steps = np.frombuffer(zlib.decompress(base64.b64decode(packed_images(images))), np.uint8).reshape(images.shape)
    assert np.array_equal(steps.cumsum(-1, dtype=np.uint8).cumsum(-2, dtype=np.uint8), images)


def test_a_number_that_would_be_rounded_is_refused() -> None:
    assert packed_floats(np.array([1.0, -0.5], np.float32))
    with pytest.raises(ValueError, match="no bfloat16"):
        packed_floats(np.array([0.1], np.float32))
