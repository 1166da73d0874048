"""The classifiers that ship: what is changed is named, and what is recorded is measured again."""

import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from cgnlib.data.digits import Digits
from cgnlib.errors import AssetError
from cgnlib.mnist.classifier import correct
from cgnlib.mnist.variants import make_variant
from cgnreport.build.__main__ import main
from cgnreport.protocol import shipped_classifiers
from cgnreport.protocol.shipped_classifiers import (
    TITLES,
    Check,
    as_seen,
    blocks,
    compared_answers,
    compared_images,
    compared_weights,
    load_classifier,
    record_of,
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shipped files."""
    copied = Path(shutil.copytree(shipped_classifiers.folder(), tmp_path / "classifiers"))
    monkeypatch.setattr(shipped_classifiers, "folder", lambda: copied)
    return copied


@pytest.mark.parametrize("method", TITLES)
def test_recorded_answers_are_measured_again(digits: Digits, method: str) -> None:
    images = make_variant("double-colored", "test", digits, limit=1000)
    right = int(correct(load_classifier("double-colored", method), as_seen(images, method)).sum())
    recorded = record_of("double-colored", method)["right"][f"{images.name}, {images.source}"]
    assert recorded[1] == 1000 and abs(recorded[0] - right) <= 1


def test_stretched_contrast_needs_no_free_factor_and_no_cgn() -> None:
    right = {
        method: record_of("double-colored", method)["right"]["double-colored/test, mnist-full"][0] for method in TITLES
    }
    assert max(right, key=lambda method: right[method]) == "border-stretched"
    assert min(right, key=lambda method: right[method]) == "original"


def test_one_changed_weight_is_named(folder: Path) -> None:
    assert compared_weights("wildlife", "cgn").trouble == ""
    file = folder / "wildlife-cgn.safetensors"
    tensors = load_file(file)
    tensors["5.weight"][0, 0, 0, 0] += 1
    save_file(tensors, file)
    assert compared_weights("wildlife", "cgn").trouble == "5.weight differs"
    with pytest.raises(AssetError, match=r"wildlife-cgn\.safetensors does not have the checksum"):
        load_classifier("wildlife", "cgn")


def test_one_changed_pixel_is_named(digits: Digits) -> None:
    images = make_variant("double-colored", "test", digits, limit=350)
    recorded = blocks(images)
    images.images[234, 1, 30, 30] ^= 1
    assert compared_images("a set", recorded, recorded).trouble == ""
    assert compared_images("a set", recorded, blocks(images)).trouble == "images 200 to 299 differ"
    assert "another number" in compared_images("a set", recorded[:2], recorded).trouble


def test_answers_may_differ_as_processors_do() -> None:
    assert compared_answers("set", [900, 1000], [901, 1000]).trouble == ""
    assert compared_answers("set", [900, 1000], [898, 1000]).trouble == "898 of 1,000 right, recorded are 900 of 1,000"
    assert compared_answers("set", None, [898, 1000]).trouble == "no record of this data"


def test_verify_ends_with_what_differs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    checks = [Check("weights: a", "12", "12"), Check("images: b", "34", "56", "images 0 to 99 differ")]
    monkeypatch.setattr(shipped_classifiers, "verify", lambda offline: checks[: 1 if offline else 2])
    assert main(["verify", "--offline"]) == 0
    assert "1 of 1 agree" in capsys.readouterr().out
    assert main(["verify"]) == 1
    assert capsys.readouterr().out.endswith(
        "1 of 2 agree with their records (recorded, found)\nimages: b: images 0 to 99 differ\n"
    )
