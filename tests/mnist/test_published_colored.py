"""The published file of colored MNIST, as somebody who has it would place it; here one of the same format is made."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cgnlib.data.catalogue import named
from cgnlib.errors import AssetError
from cgnlib.mnist.published_colored import class_colours, find_published_colored
from cgnlib.mnist.variants import COLORED_PALETTE, make_variant


def place(folder: Path, **changes: np.ndarray) -> Path:
    """A file of 40 + 20 digits, all of one grey level, in colours of their class; sparse up to its usual size."""
    labels = np.arange(40) % 10
    pixels = np.broadcast_to(np.array(COLORED_PALETTE, np.uint8)[labels][:, None, None], (40, 28, 28, 3)).copy()
    content = {"train_image": pixels, "train_label": labels, "test_image": pixels[:20], "test_label": labels[:20][::-1]}
    path = folder / named("colored-mnist").path
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, content | changes)  # type: ignore[arg-type]
    with path.open("r+b") as stream:
        stream.truncate(named("colored-mnist").size)
    return path


def test_the_file_becomes_images_with_labels(tmp_path: Path) -> None:
    place(tmp_path)
    found = find_published_colored(tmp_path)
    assert found is not None
    train, test = found["train"], found["test"]
    assert train.images.shape == (40, 3, 32, 32) and len(test) == 20
    assert torch.equal(train.shape, train.foreground) and train.shape[:3].tolist() == [0, 1, 2]
    assert test.shape[:2].tolist() == [9, 8] and set(test.foreground.tolist()) == {-1}
    assert torch.equal(class_colours(train), torch.tensor(COLORED_PALETTE).float())


def test_colours_of_a_class_are_those_where_its_digits_are_brightest(digits) -> None:
    ours = class_colours(make_variant("colored", "train", digits))
    assert (ours - torch.tensor(COLORED_PALETTE)).abs().mean() < 12  # clipped noise of deviation 36


@pytest.mark.parametrize("changes", [{"test_label": np.arange(3)}, {"train_image": np.zeros((40, 28, 28), np.uint8)}])
def test_another_file_is_named(tmp_path: Path, changes: dict[str, np.ndarray]) -> None:
    path = place(tmp_path, **changes)
    with pytest.raises(AssetError, match=f"{path} is another file: .*not uint8"):
        find_published_colored(tmp_path)


def test_without_the_file_there_is_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cgnlib.data.finding.shared_folder", lambda: tmp_path / "nowhere")
    monkeypatch.delenv("CGN_DATA", raising=False)
    monkeypatch.setenv("CGN_CACHE", str(tmp_path / "cache"))
    assert find_published_colored() is None
