"""The CGNs that the project ships have not seen the digits that the embedded stand-in tests on."""

import json
from dataclasses import replace

import pytest
import torch

from cgnlib.data.digits import Digits, find_digits, pixel_hashes
from cgnlib.data.textures import find_textures
from cgnlib.mnist.names import VARIANTS
from cgnlib.mnist.shipped import RECIPE, kept_digits, left_out, main, shipped_folder, training_images
from cgnlib.mnist.variants import make_variant, select_digits


@pytest.fixture(scope="module")
def full() -> Digits:
    found = find_digits(download=False)
    return found if found.source == "mnist-full" else pytest.skip("full MNIST is not there")


def test_images_of_the_other_digits_stay_as_they_are(digits: Digits) -> None:
    """Both parts of the embedded digits as training digits: those of the test part are left out."""
    both = replace(
        digits,
        train_images=torch.cat([digits.test_images[:50], digits.train_images[:100]]),
        train_labels=torch.cat([digits.test_labels[:50], digits.train_labels[:100]]),
    )
    everything, kept = make_variant("colored", "train", both), training_images("colored", both)
    assert torch.equal(kept.images, everything.images[50:]) and torch.equal(kept.shape, everything.shape[50:])


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_embedded_test_digit_is_among_those_that_a_shipped_cgn_saw(
    variant: str, digits: Digits, full: Digits
) -> None:
    record = json.loads((shipped_folder() / f"{variant}-{RECIPE}.json").read_text(encoding="utf-8"))
    kept = select_digits(variant, "train", full)[0][kept_digits(variant, full)]
    assert len(kept) == record["digits"]
    assert set(pixel_hashes(kept)).isdisjoint(pixel_hashes(digits.test_images))
    textures = find_textures()
    if variant != "wildlife" or textures.source == "dtd":
        assert training_images(variant, full, textures).sha256 == record["config"]["images"]


def test_records_name_the_digits_that_were_left_out() -> None:
    files = [shipped_folder() / f"{variant}-{RECIPE}.json" for variant in VARIANTS]
    records = [json.loads(file.read_text(encoding="utf-8"))["left_out"] for file in files]
    assert records == [left_out()] * len(VARIANTS)
    assert records[0]["digits"] == 1_000


def test_the_command_names_what_it_lacks(digits: Digits, monkeypatch, capsys) -> None:
    monkeypatch.setattr("cgnlib.mnist.shipped.find_digits", lambda: digits)
    for arguments, words in (([], "full MNIST and DTD's textures"), (["coloured"], "unknown variant coloured")):
        with pytest.raises(SystemExit):
            main(arguments)
        assert words in capsys.readouterr().err
