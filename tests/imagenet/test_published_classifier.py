"""The published experiment on stand-ins: tiny networks, a few images; every step of the code is the real one."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from cgnlib.imagenet import published_classifier
from cgnlib.imagenet.cue_conflict import IMAGENET
from cgnlib.imagenet.imagenet9 import IMAGENET_9 as NINE
from cgnlib.imagenet.invariant import InvariantEnsemble
from cgnlib.imagenet.invariant_training import SEED
from cgnlib.imagenet.published_classifier import PublishedStudy, StoredImages, read, why_not
from cgnlib.imagenet.sampling import Sampling, Store
from cgnlib.images import to_float
from cgnlib.parameters import StudyParameters
from cgnlib.results import select
from tests.imagenet.conftest import small_cgn

PAPER = StudyParameters(profile="paper")
FIRST = torch.tensor([indices[0] for indices in NINE.values()])  # an ImageNet-1k class of each of the nine


class Photographs:
    """Random pixels with the interface of a folder."""

    def __init__(self, name: str, n: int, labels: Tensor) -> None:
        self.name, self.source, self.sha256 = name, "stand-in", f"{name} {n}"
        stream = torch.Generator().manual_seed(len(name))
        self.pixels = torch.randint(256, (n, 3, 32, 32), generator=stream, dtype=torch.uint8)
        self.labels = labels

    def __len__(self) -> int:
        return len(self.pixels)

    def batches(self, size: int = 4) -> Iterator[tuple[Tensor, Tensor]]:
        yield from zip(self.pixels.split(size), self.labels.split(size), strict=True)

    def draw(self, index: Tensor, stream: torch.Generator) -> tuple[Tensor, Tensor]:
        return to_float(self.pixels[index]), self.labels[index]


def tiny(backbone: str, seed: int) -> InvariantEnsemble:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        trunk = nn.Sequential(nn.Conv2d(3, 4, 3, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return InvariantEnsemble(trunk, 4, 1000, IMAGENET)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("store")
    Store(made).make(small_cgn().eval(), Sampling(7, shard=3))
    return made


@pytest.fixture
def stored(folder: Path) -> StoredImages:
    return StoredImages(folder)


@pytest.fixture
def study(stored: StoredImages, build, monkeypatch: pytest.MonkeyPatch) -> PublishedStudy:
    monkeypatch.setattr(published_classifier, "ensemble", tiny)
    monkeypatch.setattr(published_classifier, "SEED", replace(SEED, epochs=1, batch_size=2))
    monkeypatch.setattr(published_classifier, "find", lambda name, folder: None)
    monkeypatch.setattr(
        published_classifier, "imagenet_mini", lambda split, folder: Photographs(split, 6, FIRST[torch.arange(6)])
    )
    monkeypatch.setattr(
        published_classifier, "imagenet_9", lambda name, folder: Photographs(name, 18, torch.arange(18) % 9)
    )
    made = PublishedStudy(PAPER, device="cpu")
    monkeypatch.setitem(made.__dict__, "counterfactuals", stored)
    return made


def value(rows: pd.DataFrame, **wanted: object) -> float:
    (found,) = select(rows, **wanted)["value"]
    return float(found)


def test_stored_images_are_those_of_the_store(stored: StoredImages, folder: Path, monkeypatch) -> None:
    monkeypatch.setattr(published_classifier, "random_crop", lambda picture, draws: picture)
    whole = [torch.cat(each) for each in zip(*((s.images, s.labels) for s in Store(folder)), strict=True)]
    index = torch.tensor([6, 0, 2, 3, 5])
    images, labels = stored.draw(index, torch.Generator())
    assert len(stored) == 7
    torch.testing.assert_close(images, to_float(whole[0][index]))
    assert torch.equal(labels, whole[1][index])


def test_stored_images_are_cropped_by_the_numbers_of_the_stream(stored: StoredImages) -> None:
    first, again, other = (stored.draw(torch.tensor([1, 1]), torch.Generator().manual_seed(s))[0] for s in (0, 0, 1))
    assert first.shape == (2, 3, 224, 224)
    assert torch.equal(first, again)
    assert not torch.equal(first, other) and not torch.equal(first[0], first[1])


def test_settings_are_the_seeds() -> None:
    fresh = PublishedStudy(PAPER)
    assert fresh.recipe("original").cf_ratio == 0
    assert fresh.recipe("original+cgn").cf_ratio == 2
    with pytest.raises(ValueError, match="unknown method 'original\\+gan'"):
        fresh.recipe("original+gan")


def test_reading_uses_the_normalisation_of_imagenet_9() -> None:
    network, images = tiny("", 0), Photographs("x", 6, torch.zeros(6, dtype=torch.int64))
    (plain, labels), (nine, _) = read(network, images), read(network, images, nine=True)
    assert plain.avg.shape == (6, 1000) and len(labels) == 6
    assert not torch.allclose(plain.avg, nine.avg)


@pytest.mark.slow
def test_rows_of_both_methods(study: PublishedStudy) -> None:
    study.parameters = replace(PAPER, imagenet_classifier_seeds=1)
    base, ours = study.rows("original"), study.rows("original+cgn")
    background = {"dataset": "imagenet-9", "seed": 0}
    for output in ("", "/avg", "/avg/best"):
        same, rand = (value(ours, metric=f"accuracy/mixed-{n}{output}", **background) for n in ("same", "rand"))
        gap = value(ours, metric=f"bg-gap{output}", **background)
        assert gap == pytest.approx(same - rand)
        before = value(base, metric=f"bg-gap{output.removeprefix('/avg')}", **background)
        assert value(ours, metric=f"bg-gap/change{output}", **background) == pytest.approx(gap - before)
    assert set(select(ours, dataset="imagenet-mini")["n"]) == {6}
    assert value(ours, metric="accuracy/top5", dataset="imagenet-mini") >= value(
        ours, metric="accuracy/top1", dataset="imagenet-mini"
    )
    assert select(ours, dataset="cue-conflict").empty
    assert set(ours["recipe"]) == {"authors"} and set(base["recipe"]) == {"-"}


def test_what_is_missing_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    assert why_not(StudyParameters()).endswith("; not part of scale quick: run scale paper")
    monkeypatch.setattr(published_classifier, "missing", lambda names, folder: f"missing {', '.join(names)}")
    assert "missing imagenet-mini, imagenet-9, resnet50, authors-imagenet" in why_not(PAPER)
    monkeypatch.setattr(published_classifier, "missing", lambda names, folder: "")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "missing a CUDA device" in why_not(PAPER)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert why_not(PAPER) == ""


def test_the_command_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(published_classifier, "missing", lambda names, folder: "missing everything")
    with pytest.raises(SystemExit) as stopped:
        published_classifier.main([])
    assert stopped.value.code == 1
    assert "not tested: missing everything" in capsys.readouterr().err
