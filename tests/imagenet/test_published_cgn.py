"""ImageNet's own networks: what is missing is said, and Table 3 is computed as in the toy world."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cgnlib.fetching import AssetError
from cgnlib.imagenet import control, published_cgn
from cgnlib.imagenet.cgn import ImageNetCGN
from cgnlib.imagenet.evaluation import inception_score
from cgnlib.imagenet.published_cgn import NEEDED, TRIPLES, class_index, table_3, triples, why_not
from cgnlib.imagenet.sampling import Sampling
from cgnlib.parameters import StudyParameters

PAPER = StudyParameters(profile="paper")


@pytest.fixture
def nothing_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CGN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("cgnlib.assets.shared_folder", lambda: tmp_path / "none")
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "hub"))


@pytest.mark.parametrize("what", NEEDED)
def test_other_scales_leave_imagenet_out_and_say_what_is_missing(what: str, nothing_there) -> None:
    words = why_not(what, replace(PAPER, profile="quick"))
    assert words.startswith("missing ") and words.endswith("; not part of scale quick: run scale paper")
    assert f"--fetch {' '.join(NEEDED[what])}" in words


@pytest.mark.parametrize("what", NEEDED)
def test_what_is_missing_is_named_with_its_command(what: str, nothing_there) -> None:
    words = why_not(what, PAPER)
    assert words.startswith("missing ")
    for name in NEEDED[what]:
        assert f"--fetch {' '.join(NEEDED[what])}" in words, name


def test_table_3_asks_for_a_gpu_once_the_files_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published_cgn, "missing", lambda names, folder: "")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert why_not("table 3", PAPER).startswith("missing a CUDA device")
    assert why_not("samples", PAPER) == ""


def test_missing_weights_are_one_error(nothing_there) -> None:
    with pytest.raises(AssetError, match="authors-imagenet"):
        published_cgn.authors_cgn(PAPER)


def test_every_class_of_the_figures_is_one_of_imagenet() -> None:
    assert len(TRIPLES) == 16
    assert len({index for triple in triples() for index in triple}) == len({n for t in TRIPLES for n in t})
    assert triples()[0] == (883, 207, 72)  # vase, golden retriever, black and gold garden spider
    indices, names = published_cgn.classes()
    assert dict(zip(names, indices, strict=True))["lemon"] == 951
    with pytest.raises(ValueError, match="unknown ImageNet class 'boat'"):
        class_index("boat")


def test_table_3_is_that_of_its_images(cgn: ImageNetCGN) -> None:
    weight = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)) * 20

    class Colours(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.mean(dim=(2, 3)) @ weight.T

    ours, theirs, masks = table_3(cgn.eval(), Colours(), "colours", n=40, seed=2, size=None)
    measured = control.measure(cgn, Sampling(40, "tied", seed=2))
    x_gt = cgn.teacher(measured.u, torch.eye(5)[measured.labels[:, 0]])
    assert masks.mean == pytest.approx(measured.area.mean().item())
    expected = inception_score(Colours()(x_gt), network="colours", truncation=1.0)
    assert theirs.value == pytest.approx(expected.value, rel=1e-4)
    assert (ours.n, ours.splits, ours.truncation, ours.network) == (40, 1, 1.0, "colours")
