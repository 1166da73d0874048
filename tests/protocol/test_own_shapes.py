"""Own shapes have rows of their own, CGNs of their own, and nothing that is of digits."""

import gzip
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cgnlib.data.shapes import read_shapes
from cgnlib.errors import AssetError, Blocked
from cgnreport.pages.boxes import source_line
from cgnreport.protocol.mnist import MnistStudy
from cgnreport.protocol.mnist_experiments import shape_samples
from cgnreport.protocol.own_shapes import ARRAYS, PLACE, own_rows, published_example, unpacked
from cgnreport.protocol.parameters import Parameters
from cgnreport.verdicts.chosen import Chosen
from cgnreport.verdicts.scorecard import published_verdict
from tests.data.shapes import drawn


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    images, labels = drawn(30)
    np.savez(tmp_path / "shapes.npz", images=images, labels=labels)
    return tmp_path / "shapes.npz"


def test_settings_of_own_shapes(shapes: Path) -> None:
    parameters = Parameters.load("quick", {"shapes": str(shapes), "authors": True})
    settings = MnistStudy(parameters, "cpu").settings
    name = read_shapes(shapes).source
    assert settings.data("colored") == name and name.startswith("shapes-240-")
    assert settings.data("wildlife").startswith(f"{name}+")
    trained = settings.cgn("colored")
    assert not isinstance(trained, Blocked) and trained.training and not trained.shipped
    assert isinstance(settings.cgn("colored", "authors"), Blocked)
    assert settings.digits_seen("colored") == (240, 240)
    assert published_verdict("claim1-mnist", parameters) is None
    assert Chosen(parameters).parameters.mnist.shapes is None
    line = source_line(parameters, [name])
    assert "240 training images" in line and "read shape" in line


def test_rows_of_own_shapes_at_scale_smoke(shapes: Path, build: Path) -> None:
    changes = {"shapes": str(shapes), "variants": ["double-colored"], "without_cgn": ["border-stretched"]}
    changes |= {"cgn_images": 64, "counterfactuals": 64, "reader_images": 240, "reuse_rows": True}
    found = own_rows(Parameters.load("smoke", changes))
    assert not found.blocked
    for rows in (found.control, found.ood, found.others):
        assert set(rows["data"]) == {read_shapes(shapes).source}
    assert set(found.ood["method"]) == {"original", "oracle", "cgn", "original+cgn"}
    tiles = shape_samples(found.of_seed(0), "double-colored", 0)
    assert tiles is not None and tiles.shape == (2, 10, 3, 32, 32)


def test_the_published_example_is_of_animals_alone() -> None:
    found = published_example()
    for rows in (found.control, found.ood, found.others):
        assert set(rows["data"]) <= {found.settings.digits}


def wheel(path: Path, images: object) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {"images": images, "labels": np.arange(10)}.items():
            archive.writestr(f"{PLACE}/{ARRAYS[name]}", gzip.compress(pickle.dumps(content)))
    return path


def test_the_animals_are_read_without_running_anything(tmp_path: Path, build: Path) -> None:
    images = np.zeros((10, 28, 28), np.uint8)
    with np.load(unpacked(wheel(tmp_path / "a.whl", images))) as file:
        assert np.array_equal(file["images"], images) and file["labels"].tolist() == list(range(10))
    with pytest.raises(AssetError, match="no part of an array"):
        unpacked(wheel(tmp_path / "b.whl", Path("code")))
    (tmp_path / "c.whl").write_bytes(b"")
    with pytest.raises(AssetError, match="is not the wheel"):
        unpacked(tmp_path / "c.whl")
