"""The MNIST variants: what is tied, what is free, what is held out, and that nothing ever changes."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks.plain import reference_wildlife
from cgnlib.data.digits import Digits, find_digits
from cgnlib.data.finding import shared_folder
from cgnlib.data.textures import Textures, stand_in_textures
from cgnlib.images import LabelledImages
from cgnlib.mnist import variants
from cgnlib.mnist.names import FACTORS_OF, VARIANTS
from cgnlib.mnist.variants import (
    COLORED_PALETTE,
    DOUBLE_COLORED_PALETTE,
    SPLITS,
    digit_masks,
    draw_factors,
    make_variant,
    paint,
    resize_digits,
    select_digits,
    shade,
)

EVERY_SET = list(itertools.product(VARIANTS, SPLITS))
# First digits of the sha256 over pixels and labels of each split, for the embedded digits and procedural textures: a
# change of any of these changes every number of the report.
GOLDEN = {
    "colored": ("f47fa9975b30", "ad42945e2ae7", "9d8e9a2920bf", "9f0365ca2104", "dc3fd97b9663", "9e0a0e76c2da"),
    "double-colored": ("b45b2d993085", "59a1edef78ec", "21de1f5e26db", "286f9aae5a9f", "3135a17db105", "a6b1a2376fa5"),
    "wildlife": ("39a2373a6cc7", "bf6aa382f0ff", "be576960857f", "07b2e610dd3a", "ee468b2a42d7", "a98615a55024"),
}


@pytest.fixture(scope="module")
def textures() -> Textures:
    return stand_in_textures()


@pytest.fixture(scope="module")
def sets(digits, textures) -> dict[tuple[str, str], LabelledImages]:
    return {(variant, split): make_variant(variant, split, digits, textures) for variant, split in EVERY_SET}


def numbered_digits(train: int, test: int, source: str) -> Digits:
    """Blank digits whose first two pixels count them: where an image comes from can be read off."""

    def images(count: int, first: int) -> torch.Tensor:
        blank = torch.zeros(count, 28, 28, dtype=torch.uint8)
        number = torch.arange(first, first + count)
        blank[:, 0, 0], blank[:, 0, 1], blank[:, 0, 2] = number // 65536, number // 256 % 256, number % 256
        return blank

    labels = torch.arange(train + test) % 10
    return Digits(images(train, 0), labels[:train], images(test, train), labels[train:], source)


@pytest.mark.parametrize("variant", VARIANTS)
def test_names_and_sources(sets, variant):
    one = sets[variant, "dev"]
    assert one.name == f"{variant}/dev"
    assert one.source == ("mnist-5000+procedural" if variant == "wildlife" else "mnist-5000")
    assert one.background.unique().tolist() == ([-1] if variant == "colored" else list(range(10)))


def test_digit_masks_by_hand():
    digit = torch.zeros(1, 28, 28, dtype=torch.uint8)
    digit[0, 0, 0], digit[0, 27, 27] = 26, 25  # 26 / 255 > 0.1 >= 25 / 255
    mask = digit_masks(digit)
    assert mask.shape == (1, 32, 32)
    assert mask.dtype == torch.bool
    assert mask.nonzero().tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1]]  # output pixel i is input 7/8 i


def test_resizing_takes_the_nearest_pixel():
    digit = torch.arange(28, dtype=torch.uint8).repeat(28, 1)[None]
    columns = torch.arange(32) * 28 // 32
    assert resize_digits(digit)[0, 0, 5].tolist() == columns.tolist()
    image = Image.fromarray(digit[0].numpy()).resize((32, 32), Image.Resampling.NEAREST)
    assert resize_digits(digit, "nearest-exact")[0, 0].tolist() == np.asarray(image).tolist()


# --- Factors


@pytest.mark.parametrize(("variant", "split"), EVERY_SET)
def test_factors_are_tied_or_free(sets, variant, split):
    factors = [getattr(sets[variant, split], factor) for factor in FACTORS_OF[variant]]
    expected = 1 if split in ("train", "fit", "test-indomain") else pytest.approx(0.1, abs=0.04)
    for one, other in itertools.combinations(factors, 2):
        assert (one == other).float().mean().item() == expected


def test_the_pairs_of_double_colored_are_the_published_ones():
    """Class 0 is yellow on dark green: the digit's colour lies six places back in the palette."""
    digit = torch.full((1, 28, 28), 255, dtype=torch.uint8)
    factors = draw_factors("double-colored", "train", torch.tensor([0, 6]))
    image = paint(digit.expand(2, -1, -1), factors.foreground_draw, factors.background_draw)
    nearest = torch.cdist(image[:, :, 0, 0].float(), torch.tensor(DOUBLE_COLORED_PALETTE).float()).argmin(1)
    assert nearest.tolist() == [4, 0]
    assert factors.background.tolist() == [0, 6]


# --- Which digits


@pytest.mark.parametrize("variant", VARIANTS)
def test_development_digits_are_training_digits_kept_from_fit(variant):
    numbered = numbered_digits(1000, 100, "mnist-5000")
    parts = {
        split: {image.numpy().tobytes() for image in select_digits(variant, split, numbered)[0]} for split in SPLITS
    }
    assert not parts["dev"] & parts["fit"]
    assert parts["dev"] | parts["fit"] == parts["train"] == parts["free-train"]
    assert len(parts["dev"]) == 100
    assert not parts["test"] & parts["train"]
    assert parts["test"] == parts["test-indomain"]


def test_digits_of_full_mnist():
    full = numbered_digits(60_000, 10_000, "mnist-full")
    for variant in VARIANTS:
        train, test = select_digits(variant, "train", full)[0], select_digits(variant, "test", full)[0]
        assert (len(train), len(test)) == ((60_000, 10_000) if variant == "colored" else (50_000, 10_000))
    assert torch.equal(select_digits("colored", "test", full)[0], full.test_images)
    assert torch.equal(select_digits("wildlife", "test", full)[0], full.train_images[50_000:])
    assert len(select_digits("wildlife", "dev", full)[0]) == 5000


# --- Always the same


@pytest.mark.parametrize("variant", VARIANTS)
def test_golden(sets, variant):
    assert tuple(sets[variant, split].sha256[:12] for split in SPLITS) == GOLDEN[variant]


def test_golden_full_mnist():
    """The test sets of the study at full data, where MNIST is beside the checkout."""
    folder = shared_folder()
    if not folder.is_dir():
        pytest.skip("no ../shared/data beside the checkout")
    full = find_digits(folder)
    found = {variant: make_variant(variant, "test", full).sha256 for variant in ("colored", "double-colored")}
    assert found == {
        "colored": "2b78af3677e59e6c0f0281ce08e0b2066b1a2ef96a432b01ffd3d84beeefc464",
        "double-colored": "1fb7d867bc7cdbd40d155b6961ada102725771e55367ea268cc38c4a1408b48e",
    }


def test_sets_do_not_depend_on_order_chunks_or_the_global_generator(sets, digits, textures, monkeypatch):
    monkeypatch.setattr(variants, "CHUNK", 77)
    for seed, (variant, split) in enumerate(reversed(EVERY_SET)):
        state = torch.manual_seed(seed).get_state()
        again = make_variant(variant, split, digits, textures, limit=100)
        assert torch.equal(torch.get_rng_state(), state)  # nor is it used
        assert again.sha256 == sets[variant, split].subset(slice(100)).sha256
        again.shape[0] = 9 - again.shape[0]  # nor is memory shared


# --- Rendering


@pytest.mark.parametrize("split", ["train", "test"])
def test_wildlife_equals_the_plain_loop(sets, digits, textures, split):
    images, labels = select_digits("wildlife", split, digits)
    plain = reference_wildlife(images[:300], draw_factors("wildlife", split, labels), textures)
    assert torch.equal(sets["wildlife", split].images[:300], plain)


colour = st.tuples(*[st.floats(0, 1, width=32)] * 3)


@settings(max_examples=50, deadline=None)
@given(st.binary(min_size=784, max_size=784), colour, colour)
def test_painting_any_digit(pixels, foreground, background):
    digit = torch.tensor(list(pixels), dtype=torch.uint8).view(1, 28, 28)
    front, back = torch.tensor([foreground]), torch.tensor([background])
    painted = paint(digit, front, back)[0]
    mask = digit_masks(digit)[0]
    assert (painted[:, mask].float() - (front[0] * 255).round()[:, None]).abs().sum() == 0
    assert (painted[:, ~mask].float() - (back[0] * 255).round()[:, None]).abs().sum() == 0
    shaded = shade(digit, front)[0].float()
    grey = resize_digits(digit, "nearest-exact")[0].float()
    assert (shaded - grey * front[0][:, None, None]).abs().max() <= 0.5
    assert (shaded <= grey).all()


# --- Errors


@pytest.mark.parametrize(
    ("variant", "split", "options", "message"),
    [
        ("coloured", "train", {}, "unknown variant 'coloured'; did you mean 'colored'"),
        ("colored", "tests", {}, "unknown split 'tests'; did you mean 'test'"),
        ("wildlife", "train", {}, "wildlife needs textures: pass textures=find_textures"),
        ("colored", "train", {"limit": 0}, "limit must be at least 1, not 0"),
        ("double-colored", "test", {"palette": torch.ones(10, 3)}, "palette is for colored"),
    ],
)
def test_errors(digits, variant, split, options, message):
    with pytest.raises(ValueError, match=message):
        make_variant(variant, split, digits, **options)


def test_a_palette_repaints_colored_and_leaves_digits_and_labels(digits: Digits) -> None:
    palette = torch.full((10, 3), 200.0)
    plain, painted = (make_variant("colored", "test", digits, limit=300, palette=each) for each in (None, palette))
    assert torch.equal(plain.shape, painted.shape)
    assert torch.equal(plain.foreground, painted.foreground)
    brightest = painted.images.amax(dim=(2, 3)).float()  # a shaded digit has its full colour there
    assert brightest.mean().item() == pytest.approx(200, abs=10)
    same = make_variant("colored", "test", digits, limit=300, palette=torch.tensor(COLORED_PALETTE))
    assert torch.equal(same.images, plain.images)
