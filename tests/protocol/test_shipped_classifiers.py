"""The classifiers that ship: what is changed is named, and what is recorded is measured again."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

from cgnlib.data.digits import Digits
from cgnlib.data.textures import stand_in_textures
from cgnlib.errors import AssetError
from cgnlib.mnist.classifier import correct, predict
from cgnlib.mnist.names import VARIANTS
from cgnlib.mnist.variants import make_variant
from cgnreport.build.__main__ import main
from cgnreport.protocol import shipped_classifiers
from cgnreport.protocol.headline import TRAINED_ON
from cgnreport.protocol.shipped_classifiers import (
    EXPLORED,
    TITLES,
    Check,
    as_seen,
    blocks,
    compared_answers,
    compared_images,
    compared_row,
    compared_weights,
    load_classifier,
    record_of,
    recorded_accuracy,
    shipped,
)
from cgnreport.protocol.sprites import flat_parameters
from cgnreport.protocol.store import load

NAME = "wildlife-cgn-0"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shipped files."""
    copied = Path(shutil.copytree(shipped_classifiers.folder(), tmp_path / "classifiers"))
    monkeypatch.setattr(shipped_classifiers, "folder", lambda: copied)
    return copied


def test_those_of_the_tables_and_of_the_explorer_ship() -> None:
    behind_table = [name for name in TRAINED_ON if name not in ("cgn", "authors-cgn", "border-stretched")]
    wanted = {f"{variant}-{name}-0" for variant in VARIANTS for name in behind_table}
    wanted |= {f"{variant}-{name}-0" for variant in EXPLORED for name in TITLES}
    assert wanted <= set(shipped())


def test_every_one_has_the_published_row_that_it_gave() -> None:
    assert [check for name in shipped() if (check := compared_row(name)).trouble] == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_recorded_answers_are_measured_again(digits: Digits, variant: str) -> None:
    textures = stand_in_textures() if variant == "wildlife" else None
    images = make_variant(variant, "test", digits, textures, limit=1000)
    for name in (name for name in shipped() if record_of(name)["row"]["dataset"] == variant):
        record = record_of(name)
        right = int(correct(load_classifier(name), as_seen(images, record["row"]["method"])).sum())
        recorded = record["right"][f"{images.name}, {images.source}"]
        assert recorded[1] == 1000 and abs(recorded[0] - right) <= 1, name


def test_rounded_for_the_explorer_they_answer_the_same(digits: Digits) -> None:
    images = make_variant("double-colored", "test", digits, limit=1000)
    classifier, rounded = (load_classifier("double-colored-cgn-0") for _ in range(2))
    numbers, start = torch.from_numpy(flat_parameters(classifier)), 0
    for each in (each for each in rounded.state_dict().values() if each.is_floating_point()):
        each.copy_(numbers[start : start + each.numel()].view_as(each))
        start += each.numel()
    assert start == len(numbers)
    assert (predict(rounded, images) == predict(classifier, images)).float().mean() > 0.99


def test_stretched_contrast_needs_no_free_factor_and_no_cgn() -> None:
    right = {method: recorded_accuracy(f"double-colored-{method}-0", "test") for method in TITLES}
    assert max(right, key=lambda method: right[method]) == "border-stretched"
    assert min(right, key=lambda method: right[method]) == "original"


def test_a_row_that_is_another_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = load("paper", "mnist-ood", own=False).iloc[:0]
    monkeypatch.setattr(shipped_classifiers, "load", lambda *_, **__: nothing)
    assert "mnist-ood.csv has no such row" in compared_row(NAME).trouble


def test_one_changed_weight_is_named(folder: Path) -> None:
    assert compared_weights(NAME).trouble == ""
    file = folder / f"{NAME}.safetensors"
    tensors = load_file(file)
    tensors["5.weight"][0, 0, 0, 0] += 1
    save_file(tensors, file)
    assert compared_weights(NAME).trouble == "5.weight differs"
    with pytest.raises(AssetError, match=r"wildlife-cgn-0\.safetensors does not have the checksum"):
        load_classifier(NAME)


def test_weights_that_are_gone_are_named(folder: Path) -> None:
    (folder / f"{NAME}.safetensors").unlink()
    assert NAME in shipped()
    with pytest.raises(AssetError, match=r"wildlife-cgn-0\.safetensors cannot be read"):
        compared_weights(NAME)


def test_what_is_no_result_does_not_ship(folder: Path, build: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    kept, rows = build / "classifiers", {"full": ("paper", "mnist-full"), "short": ("quick", "mnist-full")}
    kept.mkdir(parents=True)
    for name, (profile, data) in (rows | {"stand-in": ("paper", "mnist-5000")}).items():
        (kept / f"{name}.json").write_text(json.dumps({"row": {"profile": profile, "data": data}}))
        (kept / f"{name}.safetensors").write_bytes(b"weights")
    at_hand = SimpleNamespace(source="mnist-5000"), SimpleNamespace(source="dtd")
    monkeypatch.setattr(shipped_classifiers, "find_digits", lambda: at_hand[0])
    monkeypatch.setattr(shipped_classifiers, "find_textures", lambda: at_hand[1])
    monkeypatch.setattr(shipped_classifiers, "test_sets", lambda variant: [])
    with pytest.raises(SystemExit, match="1"):
        shipped_classifiers.main()
    assert "full MNIST" in capsys.readouterr().err
    at_hand[0].source = "mnist-full"
    shipped_classifiers.main()
    assert capsys.readouterr().out == "full\n"
    assert (folder / "full.safetensors").read_bytes() == b"weights" and not (folder / "short.json").exists()


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
