"""The MNIST variants: what is tied, what is free, what is held out, and that nothing ever changes."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import chi2

from cgnlib import assets
from cgnlib.assets import Digits, Textures, embedded_digits
from cgnlib.bench import reference_wildlife
from cgnlib.images import LabelledImages
from cgnlib.mnist import variants
from cgnlib.mnist.textures import procedural_textures
from cgnlib.mnist.variants import (
    COLORED_PALETTE,
    DOUBLE_COLORED_PALETTE,
    SPLITS,
    VARIANTS,
    crop,
    digit_masks,
    draw_factors,
    make_variant,
    paint,
    resize_digits,
    select_digits,
    shade,
    texture_windows,
)

EVERY_SET = list(itertools.product(VARIANTS, SPLITS))
TIED = ("train", "fit", "test-indomain")
FREE = ("dev", "test", "free-train")

# sha256 over pixels and labels, for the embedded digits and procedural textures: a change of any of these changes every
# number of the study.
GOLDEN = {
    "colored/train": "f47fa9975b307889300ec7ccfae4efcda255ca327f15b01ab1a88f7c55fa726d",
    "colored/fit": "ad42945e2ae727ce5e2868ad48ab97f4b6d079ab53fd25d7e0cf50e33b6d25db",
    "colored/dev": "9d8e9a2920bf2f21252aeedec8e51aa483a21857fe4d1c2791f8258c7919fbf0",
    "colored/test": "9f0365ca2104e461e48bba6d03eabb74c9f5b91de68f9858022e4592bc30c5c7",
    "colored/test-indomain": "dc3fd97b966301090077f5eaf0eaf7cccbd609603f75b70dace56da6a70bd41f",
    "colored/free-train": "9e0a0e76c2dac1b7424d46f2d103cfc8b921a4356b7da341c7491aad22b9256e",
    "double-colored/train": "b45b2d993085537bbaaeedd43b6602ee6cdc747b505db58d0cefe1985094e429",
    "double-colored/fit": "59a1edef78eca4c4e2aa2f2bff7aa55745d5d15ccedc0baeac14469ed17ec971",
    "double-colored/dev": "21de1f5e26dbce5407955ab6f97bb9bb10ee44f9bc8c865aff0dd383841f96f2",
    "double-colored/test": "286f9aae5a9ffab4c2728fc2d2648a250502aad828e111992e61aba160023ae3",
    "double-colored/test-indomain": "3135a17db1057bc1ace6bcddf68d1f36bdd0b49b4b9b497acfeb8e15134a70fa",
    "double-colored/free-train": "a6b1a2376fa5d8c164cf29c9ecdc687ede09428bd2b2521cf215d19ba1049808",
    "wildlife/train": "39a2373a6cc714bfc0e3cca93cabaa8f55964d705b2a5cfa2e615d4e0962fe29",
    "wildlife/fit": "bf6aa382f0ff2b0bd9d5db40f0283a4d15bac83e90eb6db01a1eab6b6a51c72b",
    "wildlife/dev": "be576960857fb0e50e8d1944091971a5697731b4387d81bb51bded2dd24df1f1",
    "wildlife/test": "07b2e610dd3a2f3e0030ee6a0093c0a21ec82cf7182ae8f4b92d5c223cee87ad",
    "wildlife/test-indomain": "ee468b2a42d74dbdb648f6ec9bd2d2ae10af55fdfe0179672ebfcdbae1df1d07",
    "wildlife/free-train": "a98615a55024fac690411824b1fcb034e7d507ba8129f3ec1d80ee1cc722ec5b",
}


@pytest.fixture(scope="module")
def digits() -> Digits:
    return embedded_digits()


@pytest.fixture(scope="module")
def textures() -> Textures:
    return Textures(*procedural_textures(), "procedural")


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


# --- Shapes and ranges


@pytest.mark.parametrize(("variant", "split"), EVERY_SET)
def test_shapes_labels_and_names(sets, variant, split):
    one = sets[variant, split]
    count = {"fit": 3600, "dev": 400, "test": 1000, "test-indomain": 1000}.get(split, 4000)
    assert one.images.shape == (count, 3, 32, 32)
    assert one.images.dtype == torch.uint8
    assert one.name == f"{variant}/{split}"
    assert one.source == ("mnist-5000+procedural" if variant == "wildlife" else "mnist-5000")
    for labels in (one.shape, one.foreground, one.background):
        assert labels.shape == (count,)
        assert labels.dtype == torch.int64
    assert one.shape.unique().tolist() == one.foreground.unique().tolist() == list(range(10))
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


@pytest.mark.parametrize("variant", VARIANTS)
def test_digits_are_where_their_masks_are(sets, digits, variant):
    images = sets[variant, "test"].images
    masks = digit_masks(digits.test_images)
    if variant == "colored":
        assert not images.amax(1)[resize_digits(digits.test_images, "nearest-exact")[:, 0] == 0].any()
        assert images.float().amax(1)[masks].mean() > 50
    if variant == "double-colored":  # two colours an image
        for image, mask in zip(images[:200], masks[:200], strict=True):
            assert image[:, mask].unique(dim=1).shape[1] == 1
            assert image[:, ~mask].unique(dim=1).shape[1] == 1


# --- Factors


def independence(one: torch.Tensor, other: torch.Tensor) -> float:
    """p-value of the chi-square test that two label sequences are independent."""
    table = torch.bincount(one * 10 + other, minlength=100).reshape(10, 10).double()
    expected = table.sum(1, keepdim=True) * table.sum(0) / table.sum()
    return float(chi2.sf(float(((table - expected) ** 2 / expected).sum()), 81))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("split", TIED)
def test_training_ties_every_factor_to_the_class(sets, variant, split):
    one = sets[variant, split]
    assert torch.equal(one.foreground, one.shape)
    if variant != "colored":
        assert torch.equal(one.background, one.shape)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("split", FREE)
def test_free_factors_are_independent_and_uniform(sets, variant, split):
    one = sets[variant, split]
    factors = [one.shape, one.foreground] + ([one.background] if variant != "colored" else [])
    for a, b in itertools.combinations(factors, 2):
        assert independence(a, b) > 1e-3
    for labels in factors[1:]:
        counts = labels.bincount(minlength=10).double()
        expected = len(labels) / 10
        assert chi2.sf(float(((counts - expected) ** 2 / expected).sum()), 9) > 1e-3
    assert independence(sets[variant, "train"].shape, sets[variant, "train"].foreground) < 1e-10  # the test can tell


def test_splits_draw_independently(sets):
    assert (
        independence(sets["wildlife", "free-train"].foreground, sets["double-colored", "free-train"].foreground) > 1e-3
    )
    assert independence(sets["wildlife", "test"].foreground, sets["double-colored", "test"].background) > 1e-3


def test_colours_of_colored(digits):
    factors = draw_factors("colored", "train", digits.train_labels)
    palette = torch.tensor(COLORED_PALETTE) / 255
    for label in range(10):
        drawn = factors.foreground_draw[factors.foreground == label]
        assert drawn.min() >= 0
        assert drawn.max() <= 1
        inner = (palette[label] > 0.35) & (palette[label] < 0.65)  # channels that clipping does not reach
        assert torch.allclose(drawn.mean(0)[inner], palette[label][inner], atol=0.03)
        assert torch.allclose(drawn.std(0)[inner], torch.tensor(0.02**0.5), atol=0.02)


def test_colours_of_double_colored(sets):
    one = sets["double-colored", "test"]
    corner = one.images[:, :, 0, 0].float()  # background: no digit reaches the corner
    palette = torch.tensor(DOUBLE_COLORED_PALETTE).float()
    assert (corner - palette[one.background]).abs().max() < 255 * 0.01 * 5
    middle = one.images[:, :, 16, 16].float()
    digit = palette[(one.foreground - 6) % 10]
    is_digit = (middle - digit).abs().amax(1) < 255 * 0.01 * 5
    is_ground = (middle - palette[one.background]).abs().amax(1) < 255 * 0.01 * 5
    assert (is_digit | is_ground).all()
    assert is_digit.float().mean() > 0.5
    spread = (corner - palette[one.background])[:, 2][(palette[one.background][:, 2] > 20) & (corner[:, 2] < 250)].std()
    assert abs(spread - 2.55) < 0.3


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


@pytest.mark.parametrize("variant", VARIANTS)
def test_fit_is_the_beginning_of_train(sets, variant):
    fit, train = sets[variant, "fit"], sets[variant, "train"]
    assert fit.sha256 == train.subset(slice(len(fit))).sha256


# --- Always the same


@pytest.mark.parametrize(("variant", "split"), EVERY_SET)
def test_golden(sets, variant, split):
    assert sets[variant, split].sha256 == GOLDEN[f"{variant}/{split}"]


def test_golden_full_mnist():
    """The test sets of the study at full data, where MNIST is beside the checkout."""
    folder = assets.shared_folder()
    if not folder.is_dir():
        pytest.skip("no ../shared/data beside the checkout")
    full = assets.find_digits(folder)
    found = {variant: make_variant(variant, "test", full).sha256 for variant in ("colored", "double-colored")}
    assert found == {
        "colored": "2b78af3677e59e6c0f0281ce08e0b2066b1a2ef96a432b01ffd3d84beeefc464",
        "double-colored": "1fb7d867bc7cdbd40d155b6961ada102725771e55367ea268cc38c4a1408b48e",
    }


def test_sets_do_not_depend_on_order_or_the_global_generator(sets, digits, textures):
    for seed, (variant, split) in enumerate(reversed(EVERY_SET)):
        torch.manual_seed(seed)
        assert (
            make_variant(variant, split, digits, textures, limit=100).sha256
            == sets[variant, split].subset(slice(100)).sha256
        )
        state = torch.get_rng_state()
        assert torch.equal(torch.manual_seed(seed).get_state(), state)  # nor is it used


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(EVERY_SET), st.integers(1, 5000))
def test_limit_gives_the_first_images(sets, digits, textures, key, limit):
    limited = make_variant(key[0], key[1], digits, textures, limit=limit)
    assert len(limited) == min(limit, len(sets[key]))
    assert limited.sha256 == sets[key].subset(slice(limit)).sha256


def test_chunks_do_not_show(digits, textures, sets, monkeypatch):
    monkeypatch.setattr(variants, "CHUNK", 77)
    for variant in VARIANTS:
        assert make_variant(variant, "test", digits, textures).sha256 == sets[variant, "test"].sha256


def test_a_set_does_not_share_memory_with_the_digits(digits, textures):
    one = make_variant("colored", "train", digits)
    one.shape[0] = 9 - one.shape[0]
    assert one.shape[0] != digits.train_labels[0]


# --- Rendering


@pytest.mark.parametrize("split", ["train", "test"])
def test_wildlife_equals_the_plain_loop(sets, digits, textures, split):
    images, labels = select_digits("wildlife", split, digits)
    plain = reference_wildlife(images[:300], draw_factors("wildlife", split, labels), textures)
    assert torch.equal(sets["wildlife", split].images[:300], plain)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 9), st.integers(0, 124), st.integers(0, 124))
def test_a_crop_is_a_piece_of_the_padded_texture(textures, label, row, column):
    texture = textures.foreground[label].numpy()
    padded = np.pad(texture, ((3, 3), (3, 3), (0, 0)), mode="reflect")
    expected = padded[row : row + 32, column : column + 32].transpose(2, 0, 1)
    windows = texture_windows(textures.foreground)
    assert windows.shape == (10, 125, 125, 3, 32, 32)
    found = crop(windows, torch.tensor([label]), torch.tensor([[row, column]]))
    assert (found[0].numpy() == expected).all()


def test_every_crop_position_occurs(digits):
    positions = draw_factors("wildlife", "train", digits.train_labels.repeat(10)).foreground_draw
    assert positions.min() == 0
    assert positions.max() == 124
    assert positions[:, 0].unique().numel() == positions[:, 1].unique().numel() == 125


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
    ("variant", "split", "message"),
    [
        ("coloured", "train", "unknown variant 'coloured': one of colored, double-colored, wildlife"),
        ("colored", "validation", "unknown split 'validation': one of train, fit"),
        ("wildlife", "train", "wildlife needs textures: pass textures=find_textures"),
    ],
)
def test_errors(digits, variant, split, message):
    with pytest.raises(ValueError, match=message):
        make_variant(variant, split, digits)


@pytest.mark.parametrize("limit", [0, -3])
def test_limit_must_be_positive(digits, limit):
    with pytest.raises(ValueError, match=f"limit must be at least 1, not {limit}"):
        make_variant("colored", "train", digits, limit=limit)


def test_digits_and_textures_are_not_changed(digits, textures):
    before = [getattr(digits, field.name) for field in dataclasses.fields(digits) if field.name != "source"]
    copies = [part.clone() for part in before]
    make_variant("wildlife", "test", digits, textures)
    assert all(torch.equal(one, other) for one, other in zip(before, copies, strict=True))


def test_a_palette_repaints_colored_and_leaves_digits_and_labels(digits: Digits) -> None:
    palette = torch.full((10, 3), 200.0)
    plain, painted = (make_variant("colored", "test", digits, limit=300, palette=each) for each in (None, palette))
    assert torch.equal(plain.shape, painted.shape)
    assert torch.equal(plain.foreground, painted.foreground)
    brightest = painted.images.amax(dim=(2, 3)).float()  # a shaded digit has its full colour there
    assert brightest.mean().item() == pytest.approx(200, abs=10)
    same = make_variant("colored", "test", digits, limit=300, palette=torch.tensor(COLORED_PALETTE))
    assert torch.equal(same.images, plain.images)
    with pytest.raises(ValueError, match="palette is for colored"):
        make_variant("double-colored", "test", digits, palette=palette)
