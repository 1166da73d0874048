"""ImageNet's own CGN: Table 3 is computed as in the toy world, goes on after an interruption, and is not made twice."""

from pathlib import Path

import pytest
import torch

from cgnlib.data.catalogue import INCEPTION_TF
from cgnlib.imagenet import control
from cgnlib.imagenet.cgn import ImageNetCGN
from cgnlib.imagenet.evaluation import inception_score
from cgnlib.imagenet.sampling import Sampling
from cgnlib.training.weights import save_tensors
from cgnreport.protocol import imagenet_cgn as module
from cgnreport.protocol import imagenet_settings
from cgnreport.protocol.experiments import collected
from cgnreport.protocol.imagenet_cgn import CLASSES, TABLE_3, TRIPLES, class_index, table_3, table_3_rows
from cgnreport.protocol.imagenet_settings import INCEPTIONS, TENSORFLOW, TORCHVISION
from cgnreport.protocol.parameters import Parameters
from cgnreport.protocol.rows import ANY, Number, Setting, frame_of
from tests.imagenet.conftest import small_cgn

PAPER = Parameters.load("paper").with_changes(imagenet_real_samples=100)
WEIGHT = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)) * 20


class Colours(torch.nn.Module):
    """A network that reads five classes off an image's mean colour, and counts its calls."""

    calls = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return images.mean(dim=(2, 3)) @ WEIGHT.T


@pytest.fixture
def cgn() -> ImageNetCGN:
    return small_cgn().eval()


def test_every_class_of_the_figures_is_one_of_imagenet() -> None:
    assert len(TRIPLES) == 16
    names = {name for triple in TRIPLES for name in triple}
    assert len({class_index(name) for name in names}) == len(names)
    assert [class_index(name) for name in TRIPLES[0]] == [883, 207, 72]
    assert dict(zip(CLASSES, map(class_index, CLASSES), strict=True))["lemon"] == 951
    with pytest.raises(ValueError, match="unknown ImageNet class 'boat'"):
        class_index("boat")


def test_table_3_is_that_of_its_images(cgn: ImageNetCGN, tmp_path: Path) -> None:
    ours, theirs, masks = table_3(cgn, {"a": Colours()}, tmp_path, n=40, seed=2)["a"]
    measured = control.measure(cgn, Sampling(40, "tied", seed=2))
    x_gt = cgn.teacher(measured.u, torch.eye(5)[measured.labels[:, 0]])
    assert masks.mean == pytest.approx(measured.area.mean().item())
    expected = inception_score(Colours()(x_gt))
    assert theirs.value == pytest.approx(expected.value, rel=1e-4)
    assert ours.n == 40


def test_table_3_goes_on_where_it_was_interrupted(cgn: ImageNetCGN, tmp_path: Path) -> None:
    """Shards of 500: of two, the one that is damaged is drawn again, the other is not."""
    network = Colours()
    whole = table_3(cgn, {"a": network}, tmp_path, n=510)
    drawn, file = network.calls, tmp_path / "a" / "shard-00001.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    assert table_3(cgn, {"a": network}, tmp_path, n=510) == whole
    assert network.calls == drawn + 2
    save_tensors({name: torch.full((10, 10), float("nan")) for name in TABLE_3}, file)
    assert table_3(cgn, {"a": network}, tmp_path, n=510) == whole


def test_networks_share_the_images_and_keep_their_logits_apart(cgn: ImageNetCGN, tmp_path: Path, monkeypatch) -> None:
    one, other = Colours(), Colours()
    alone = table_3(cgn, {TENSORFLOW: one}, tmp_path, n=40)
    both = table_3(cgn, {TENSORFLOW: one, TORCHVISION: lambda images: other(images) * 0.1}, tmp_path, n=40)  # pyright: ignore
    assert both[TENSORFLOW] == alone[TENSORFLOW] and both[TORCHVISION].ours != alone[TENSORFLOW].ours
    assert (one.calls, other.calls) == (2, 2)
    monkeypatch.setattr(module, "draw", lambda *_: pytest.fail("drawn again"))
    assert table_3(cgn, {TENSORFLOW: one, TORCHVISION: other}, tmp_path, n=40) == both


def test_rows_of_table_3(build: Path, cgn: ImageNetCGN, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, blocked = collected(table_3_rows(Parameters(), "authors"))
    assert rows.empty and "set imagenet_real: authors" in str(blocked[0])

    monkeypatch.setattr(imagenet_settings, "blocked", lambda what, parameters, names: None)
    monkeypatch.setattr(module, "inception_networks", lambda *_: dict.fromkeys(INCEPTIONS, Colours()))
    monkeypatch.setattr(module, "authors_cgn", lambda parameters, device: cgn)
    rows, blocked = collected(table_3_rows(PAPER, "authors"))
    assert not blocked and set(rows["n"]) == {100}
    assert set(zip(rows["network"], rows["method"], rows["recipe"], rows["metric"], strict=True)) == {
        (network, *each)
        for network in INCEPTIONS
        for each in (
            ("cgn", "authors", "inception-score"),
            ("cgn", "authors", "mask/mean"),
            ("cgn", "authors", "mask/deviation"),
            ("biggan", "-", "inception-score"),
        )
    }
    monkeypatch.setattr(module, "authors_cgn", lambda *_: pytest.fail("loaded again"))
    assert sorted(collected(table_3_rows(PAPER, "authors"))[0]["value"]) == sorted(rows["value"])


def test_whatever_goes_wrong_costs_its_rows_alone(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_) -> ImageNetCGN:
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2.00 GiB")

    monkeypatch.setattr(imagenet_settings, "blocked", lambda what, parameters, names: None)
    monkeypatch.setattr(module, "inception_networks", lambda *_: dict.fromkeys(INCEPTIONS, Colours()))
    monkeypatch.setattr(module, "authors_cgn", no_memory)
    rows, blocked = collected(table_3_rows(PAPER, "authors"))
    assert rows.empty
    words = "imagenet, cgn, imagenet-is: OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"
    assert str(blocked[0]) == words


def test_rows_name_the_files_that_they_are_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of any files will do while none are at hand; then those of these files alone."""
    monkeypatch.setenv("CGN_DATA", str(tmp_path))
    monkeypatch.setenv("CGN_CACHE", str(tmp_path / "none"))
    monkeypatch.setattr("cgnlib.data.finding.shared_folder", lambda: tmp_path / "none")
    monkeypatch.setattr("cgnlib.data.finding.torch_folder", lambda: tmp_path / "none")
    asked = PAPER.with_changes(imagenet_real="authors")
    (tmp_path / "weights").mkdir()
    file = tmp_path / "weights" / "cgn.pth"
    inception = tmp_path / "weights" / INCEPTION_TF
    inception.write_bytes(b"tf")

    def setting() -> Setting:
        return imagenet_settings.table_3(asked, "cgn", "authors")

    assert setting().params["weights"] == ANY
    found = []
    for content in (b"one", b"other"):
        file.write_bytes(content)
        found.append(setting())
    first, second = found
    rows = frame_of([each.row(Number("inception-score", 3, 10, "score"), 0).cells() for each in found])
    assert len({first.params["weights"], second.params["weights"], ANY}) == 3
    assert [len(each.of(rows)) for each in found] == [1, 1]
    assert len(imagenet_settings.table_3(PAPER, "cgn", "authors").of(rows)) == 2
