"""ImageNet's own CGN: Table 3 is computed as in the toy world, goes on after an interruption, and is not made twice."""

from pathlib import Path

import pytest
import torch

from cgnlib.errors import Blocked
from cgnlib.imagenet import control
from cgnlib.imagenet.cgn import ImageNetCGN
from cgnlib.imagenet.evaluation import inception_score
from cgnlib.imagenet.sampling import Sampling
from cgnlib.training.weights import save_tensors
from cgnreport.protocol import imagenet_cgn as module
from cgnreport.protocol import imagenet_settings
from cgnreport.protocol.experiments import collected
from cgnreport.protocol.imagenet_cgn import CLASSES, TABLE_3, TRIPLES, class_index, table_3, table_3_rows
from cgnreport.protocol.parameters import Parameters
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
    ours, theirs, masks = table_3(cgn, Colours(), tmp_path, n=40, seed=2, size=None)
    measured = control.measure(cgn, Sampling(40, "tied", seed=2))
    x_gt = cgn.teacher(measured.u, torch.eye(5)[measured.labels[:, 0]])
    assert masks.mean == pytest.approx(measured.area.mean().item())
    expected = inception_score(Colours()(x_gt))
    assert theirs.value == pytest.approx(expected.value, rel=1e-4)


def test_table_3_goes_on_where_it_was_interrupted(cgn: ImageNetCGN, tmp_path: Path) -> None:
    """Shards of 500: of two, the one that is damaged is drawn again, the other is not."""
    network = Colours()
    whole = table_3(cgn, network, tmp_path, n=510, size=None)
    drawn, file = network.calls, tmp_path / "shard-00001.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    assert table_3(cgn, network, tmp_path, n=510, size=None) == whole
    assert network.calls == drawn + 2
    save_tensors({name: torch.full((10, 10), float("nan")) for name in TABLE_3}, file)
    assert table_3(cgn, network, tmp_path, n=510, size=None) == whole


def test_a_damaged_file_of_the_authors_costs_a_page_only_its_samples(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(imagenet_settings, "blocked", lambda what, parameters: None)
    (tmp_path / "cgn.pth").write_bytes(b"0" * 1000)
    monkeypatch.setattr(module, "require", lambda name, folder: tmp_path / "cgn.pth")
    found = module.shown_cgn(Parameters())
    assert isinstance(found, Blocked) and "weights of the ImageNet CGN" in str(found) and "cgn.pth" in str(found)


def test_rows_of_table_3(build: Path, cgn: ImageNetCGN, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, blocked = collected(table_3_rows(Parameters(), "authors"))
    assert rows.empty and "set imagenet_real: authors" in str(*blocked)

    monkeypatch.setattr(imagenet_settings, "blocked", lambda what, parameters: None)
    monkeypatch.setattr(module, "require", lambda name, folder: Path())
    monkeypatch.setattr(module, "inception_network", lambda path, device: Colours())
    monkeypatch.setattr(module, "authors_cgn", lambda parameters, device: cgn)
    monkeypatch.setattr(module.table_3, "__kwdefaults__", {"seed": 0, "size": None})
    rows, blocked = collected(table_3_rows(PAPER, "authors"))
    assert not blocked and set(rows["n"]) == {100}
    assert set(zip(rows["method"], rows["recipe"], rows["metric"], strict=True)) == {
        ("cgn", "authors", "inception-score"),
        ("cgn", "authors", "mask/mean"),
        ("cgn", "authors", "mask/deviation"),
        ("biggan", "-", "inception-score"),
    }
    monkeypatch.setattr(module, "authors_cgn", lambda *_: pytest.fail("loaded again"))
    assert sorted(collected(table_3_rows(PAPER, "authors"))[0]["value"]) == sorted(rows["value"])
