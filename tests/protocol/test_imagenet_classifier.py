"""The published experiment on stand-ins: tiny networks, a few images; every step of the code is the real one."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from cgnlib.data.folders import DRAWS
from cgnlib.errors import AssetError, Blocked, needed
from cgnlib.imagenet.cue_conflict import Batch, Stimulus
from cgnlib.imagenet.invariant import InvariantEnsemble
from cgnlib.imagenet.names import CATEGORIES, FACTORS
from cgnlib.imagenet.names import NINE as NINE
from cgnlib.imagenet.normalisation import IMAGENET
from cgnlib.imagenet.recipes import STUDY_CLASSIFIER
from cgnlib.imagenet.sampling import Sampling, Store
from cgnlib.imagenet.shape_bias import decisions
from cgnlib.images import to_float
from cgnreport.protocol import ensembles, imagenet_settings
from cgnreport.protocol import imagenet_classifier as module
from cgnreport.protocol.ensembles import EPOCHS
from cgnreport.protocol.imagenet_classifier import PublishedStudy, StoredImages, read
from cgnreport.protocol.imagenet_settings import GRID, METHODS
from cgnreport.protocol.parameters import Parameters
from cgnreport.protocol.rows import select
from tests.imagenet.conftest import small_cgn

PAPER = Parameters.load("paper").with_changes(imagenet_real_epochs=1)
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

    def draw(self, index: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
        return to_float(self.pixels[index]), self.labels[index]


def tiny(backbone: str, seed: int, folder: None = None) -> InvariantEnsemble:
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
    monkeypatch.setattr(ensembles, "ensemble", tiny)
    monkeypatch.setattr(imagenet_settings, "STUDY_CLASSIFIER", replace(STUDY_CLASSIFIER, epochs=1, batch_size=2))
    monkeypatch.setattr(imagenet_settings, "blocked", lambda what, parameters, names=None: None)
    monkeypatch.setattr(module, "find", lambda name, folder: None)
    labels = FIRST[torch.arange(6)]
    monkeypatch.setattr(module, "imagenet_mini", lambda split, folder, partial: Photographs(split, 6, labels))
    monkeypatch.setattr(module, "imagenet_9", lambda name, folder, partial: Photographs(name, 18, torch.arange(18) % 9))
    made = PublishedStudy(PAPER, device="cpu")
    made._stores = dict.fromkeys(METHODS[1:], stored)
    return made


def test_stored_images_are_those_of_the_store(stored: StoredImages, folder: Path, monkeypatch) -> None:
    monkeypatch.setattr(module, "random_crop", lambda picture, draws: picture)
    whole = [torch.cat(each) for each in zip(*((s.images, s.labels) for s in Store(folder)), strict=True)]
    index = torch.tensor([6, 0, 2, 3, 5])
    images, labels = stored.draw(index, torch.zeros(5, DRAWS))
    assert len(stored) == 7
    torch.testing.assert_close(images, to_float(whole[0][index]))
    assert torch.equal(labels, whole[1][index])


def test_stored_images_are_cropped_by_their_draws(stored: StoredImages) -> None:
    draws = [torch.rand(2, DRAWS, generator=torch.Generator().manual_seed(s)) for s in (0, 0, 1)]
    first, again, other = (stored.draw(torch.tensor([1, 1]), each)[0] for each in draws)
    assert first.shape == (2, 3, 224, 224)
    assert torch.equal(first, again)
    assert not torch.equal(first, other) and not torch.equal(first[0], first[1])


def test_reading_uses_the_normalisation_of_imagenet_9() -> None:
    network, images = tiny("", 0), Photographs("x", 6, torch.zeros(6, dtype=torch.int64))
    (plain, labels), (nine, _) = read(network, images), read(network, images, nine=True)  # pyright: ignore
    assert plain.avg.shape == (6, 1000) and len(labels) == 6
    assert not torch.allclose(plain.avg, nine.avg)


def test_rows_of_both_methods(study: PublishedStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    base, ours = needed(study.background_rows("original")), needed(study.background_rows("original+cgn"))
    assert [rows["recipe"].unique().tolist() for rows in (base, ours)] == [["-"], ["authors"]]
    for epoch in EPOCHS:
        before = select(base, metric="bg-gap", epoch=epoch)["value"].item()
        for output in ("shape_texture", "avg"):
            found = select(ours, output=output, epoch=epoch).set_index("metric")
            value, low, high = (found[column].to_dict() for column in ("value", "low", "high"))
            assert value["bg-gap"] == pytest.approx(value["accuracy/mixed-same"] - value["accuracy/mixed-rand"])
            assert low["bg-gap"] <= value["bg-gap"] <= high["bg-gap"]
            assert value["bg-gap/change"] == pytest.approx(value["bg-gap"] - before)
    assert "bg-gap/change" not in set(base["metric"])
    found = needed(study.indomain_rows("original+cgn"))
    assert set(found["n"]) == {6} and set(found["output"]) == {"avg", *FACTORS}

    monkeypatch.setattr(ensembles, "train_ensemble", None)  # calling it would be a TypeError
    again = needed(PublishedStudy(PAPER, device="cpu").background_rows("original+cgn"))
    assert again["value"].tolist() == ours["value"].tolist()


def test_shape_biases_are_those_of_the_stimuli(study: PublishedStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the stimuli show what the network decides for as their shape, the other half as their texture; enlarged
    ones are other images, and their rows say so.
    """
    images = torch.randint(256, (8, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    decided = decisions(study.network("original", 0).read(images).avg)
    other, first = (decided + 1) % 16, torch.arange(8) < 4
    shapes, textures = torch.where(first, decided, other), torch.where(first, other, decided)
    shown = []

    def decoded(chosen, enlarge: bool = False) -> list[Batch]:
        shown.append(enlarge)
        return [Batch(255 - images if enlarge else images, shapes, textures)]

    names = [
        f"{CATEGORIES[s]}{i + 1}-{CATEGORIES[t]}{i + 1}.png"
        for i, (s, t) in enumerate(zip(shapes, textures, strict=True))
    ]
    monkeypatch.setattr(module, "batches", decoded)
    monkeypatch.setitem(study.__dict__, "stimuli", [Stimulus(Path(name), 0, 0) for name in names])
    rows = select(needed(study.shape_bias_rows("original")), output="avg", epoch="last")
    found = {line["metric"]: line for line in rows.to_dict("records")}
    assert {metric: (line["value"], line["n"]) for metric, line in found.items()} == {
        "decided": (100, 8),
        "shape-bias": (50, 8),
    }
    assert 0 <= found["shape-bias"]["low"] < 50 < found["shape-bias"]["high"] <= 100
    larger = needed(study.shape_bias_rows("original", enlarge=True))
    assert set(larger["enlarge"]) == {True} and set(rows["enlarge"]) == {False}
    assert set(shown) == {False, True}


def test_stimuli_are_decoded_before_the_first_training(study: PublishedStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged one is an error of minutes, not of hours, and costs no other page."""

    def damaged(chosen, enlarge: bool = False):
        raise AssetError("dog1-cat1.png cannot be read as an image")

    monkeypatch.setattr(ensembles, "train_ensemble", lambda *_, **__: pytest.fail("a training was begun"))
    monkeypatch.setattr(module, "find", lambda name, folder: Path())
    monkeypatch.setattr(module, "stimuli", lambda folder: ())
    monkeypatch.setattr(module, "batches", damaged)
    found = study.background_rows("original")
    assert isinstance(found, Blocked) and str(found) == "dog1-cat1.png cannot be read as an image"


def test_table_7_has_its_cells_of_both_cgns(study: PublishedStudy) -> None:
    assert study.grid_rows() == []
    cells = imagenet_settings.grid(PAPER)
    assert [(m, r.learning_rate, r.cf_ratio) for m, r in cells[:4]] == [
        ("original", 1e-4, 0.0), ("original", 1e-3, 0.0), ("original+cgn", 1e-4, 1.0), ("original+cgn", 1e-4, 2.0),
    ]  # fmt: skip
    assert len(cells) == 10
    method, recipe = cells[2]
    rows = needed(study.cell(study.setting(GRID, method, recipe), recipe))
    assert set(rows["cf_ratio"]) == {1.0} and {"best-epoch", "bg-gap"} <= set(rows["metric"])


def test_what_is_missing_blocks_rows_and_the_command(build, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    why = Blocked("missing everything", "fetch it")
    monkeypatch.setattr(imagenet_settings, "blocked", lambda what, parameters, names=None: why)
    monkeypatch.setattr(module, "imagenet_mini", lambda *_, **__: pytest.fail("images were asked for"))
    assert [PublishedStudy(PAPER).background_rows("original")] == [why]
    assert module.main([]) == 1
    assert "not tested: missing everything: fetch it" in capsys.readouterr().err
