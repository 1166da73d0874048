"""Rows of photographs, from made photographs and a network that reads their class off a colour."""

import functools
from pathlib import Path

import pytest
import torch
from torch import Tensor

from cgnlib.errors import AssetError, Blocked, needed
from cgnlib.imagenet.names import NINE
from cgnlib.imagenet.photographs import Photographs
from cgnlib.imagenet.recipes import HeadsRecipe
from cgnlib.statistics import Unit
from cgnlib.training.weights import save_tensors
from cgnreport.protocol import photographs as module
from cgnreport.protocol.imagenet_settings import TRAINED
from cgnreport.protocol.parameters import Parameters
from cgnreport.protocol.photographs import PhotographStudy
from cgnreport.protocol.rows import select
from cgnreport.protocol.summary import interval_of

SIZE, N = 16, 90


class Reader:
    """Answers for the class in the red of the corner, which is background. Its features are that and the middle."""

    network = torch.nn.Linear(1, 1)  # what features are kept by

    def __call__(self, images: Tensor) -> Tensor:
        return torch.nn.functional.one_hot(self._first(images[:, 0, 0, 0]), 1000).float()

    def describe(self, images: Tensor) -> Tensor:
        codes = [torch.nn.functional.one_hot(images[:, 0, at, at].long() // 20, 13) for at in (0, 8)]
        return torch.cat(codes, dim=1).float()

    def before_last_block(self, images: Tensor) -> Tensor:
        return self.describe(images)[:, :, None, None]

    def trainable_block(self) -> torch.nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(26, 26))

    def _first(self, red: Tensor) -> Tensor:
        return torch.tensor([indices[0] for indices in NINE.values()])[(red.long() // 20).clamp(max=8)]


@pytest.fixture
def study(build: Path, monkeypatch: pytest.MonkeyPatch) -> PhotographStudy:
    """Ten photographs of each class, a square of its colour before its colour."""
    monkeypatch.setattr(module, "missing", lambda names, folder: None)
    monkeypatch.setattr(module, "COMPOSED", 30)
    monkeypatch.setattr(module, "POOL", 120)
    short = HeadsRecipe(steps=20, learning_rate=0.05)
    monkeypatch.setattr(module, "train_heads", functools.partial(module.train_heads, recipe=short))
    made = PhotographStudy(Parameters.load("smoke"))
    labels = torch.arange(N) % 9
    images = (20 * labels).to(torch.uint8)[:, None, None, None].repeat(1, 3, SIZE, SIZE)
    masks = torch.zeros(N, 1, SIZE, SIZE, dtype=torch.uint8)
    masks[:, :, 4:12, 4:12] = 255
    made.photographs = Photographs(images, masks, images, labels)
    monkeypatch.setattr(made, "network", lambda name: Reader())
    return made


def test_a_network_that_reads_backgrounds_has_the_whole_gap_over_photographs(study: PhotographStudy) -> None:
    rows = needed(study.background_rows("efficientnet-lite0"))
    value = {metric: select(rows, metric=metric)["value"].item() for metric in set(rows["metric"])}
    assert value["accuracy/mixed-same"] == value["accuracy/only-background"] == value["bg-gap"] == 100
    assert value["accuracy/mixed-rand"] == value["accuracy/mixed-next"] == 0
    gap = select(rows, metric="bg-gap")
    assert gap["n"].item() == N and interval_of(gap).unit is Unit.IMAGES
    assert len(needed(study.suppression_rows("efficientnet-lite0"))) == 6


@pytest.mark.parametrize("trained", TRAINED)
def test_composition_is_split_by_photograph_and_tells_what_each_head_names(
    study: PhotographStudy, trained: str
) -> None:
    counts = torch.stack([torch.bincount(study.folds[study.photographs.labels == c], minlength=5) for c in range(9)])
    assert (counts == 2).all()
    free, tied = study.triples(tied=False), study.triples(tied=True)
    of = study.photographs.labels
    assert (of[tied] == of[tied][:, :1]).all() and not (of[free] == of[free][:, :1]).all()
    base, composed = (needed(study.composition_rows(method, trained)) for method in ("original", "original+composed"))
    assert sorted(set(composed["seed"])) == list(range(5)) and set(base["output"]) == {
        "avg",
        "shape",
        "texture",
        "background",
    }
    assert len(select(composed, metric="bg-gap/change")) == 2 * 5
    gap = interval_of(select(composed, metric="bg-gap", output="avg"))
    assert gap.unit is Unit.CLASSIFIERS
    named = {
        f: interval_of(select(composed, metric=f"named/{f}", output="background")).value
        for f in ("texture", "background")
    }
    assert named["background"] > named["texture"], "the background head reads the corner"


def test_features_are_kept_by_everything_that_they_are_made_of(study: PhotographStudy) -> None:
    """Other masks, backgrounds, labels or another order are other photographs, though their pixels have one sum."""
    given, first = study.photographs._asdict(), study.tests("heads")["original"]
    study._tests.clear()
    study.photographs = Photographs(**given | {"images": given["images"].roll(1, 0)})
    assert torch.equal(study.tests("heads")["original"], first.roll(1, 0))
    others = [Photographs(**given | {name: values.roll(1, 0) + 1}) for name, values in given.items()]
    assert len({each.sha256 for each in (Photographs(**given), *others)}) == 5
    for file in module.build_folder().rglob("original-*"):
        save_tensors({"features": first[1:]}, file)
    study._tests.clear()
    with pytest.raises(AssetError, match="features has 89 values, expected 90"):
        study.tests("heads")


def test_composition_needs_two_photographs_of_each_class_in_each_split(study: PhotographStudy, monkeypatch) -> None:
    study.photographs = Photographs(*(part[: N - 1] for part in study.photographs))
    monkeypatch.setattr(study, "network", lambda name: pytest.fail("something was computed"))
    rows = study.composition_rows("original")
    assert str(rows) == (
        "composition needs 10 photographs of each class, not 9: set imagenet_photographs: null, or 90 at least"
    )
    study.parameters = study.parameters.with_changes(imagenet_photographs=None)
    assert str(study.composition_rows("original")).endswith("not 9: add photographs whose masks count")


def test_without_photographs_the_rows_say_what_is_missing(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    why = Blocked("missing photographs with masks", "by hand")
    monkeypatch.setattr(module, "missing", lambda names, folder: why)
    bare = PhotographStudy(Parameters.load("smoke"))
    assert [bare.background_rows("efficientnet-lite0"), bare.mask_rows(), bare.composition_rows("original")] == [
        why
    ] * 3
    with pytest.raises(SystemExit) as error:
        module.main(["--profile", "smoke", "--part", "masks"])
    assert error.value.code == 1
