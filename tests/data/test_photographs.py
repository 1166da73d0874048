"""Photographs with masks: which count, what is read, and what may be shown."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cgnlib.data.photographs import SIZE, Photograph, balanced, counting, credits, fault, overlap, photographs, strips
from cgnlib.errors import AssetError

HEADER = "file,mask_isnet,mask_true,in9,licence,author,url\n"
Y, X = np.mgrid[:SIZE, :SIZE]


def disc(radius: int, x: int = 128, y: int = 128, value: int = 255) -> np.ndarray:
    return np.where((X - x) ** 2 + (Y - y) ** 2 < radius**2, value, 0).astype(np.uint8)


@pytest.mark.parametrize(
    ("mask", "wrong"),
    [
        (disc(60), ""),
        (disc(20), "area"),
        (disc(130), "area"),
        (np.zeros((SIZE, SIZE), np.uint8), "area"),
        (disc(40, 60) | disc(40, 200), "pieces"),
        (disc(60) | disc(8, 20, 20), ""),  # a speck is no second piece
        (np.maximum(disc(60), disc(90, value=100)), "agreement"),
        (np.where(np.minimum(abs(X - 128), abs(Y - 128)) < 20, 255, 0), "room"),  # a cross from edge to edge
    ],
)
def test_a_mask_counts_unless_one_of_four_things_is_wrong(mask: np.ndarray, wrong: str) -> None:
    assert fault(mask.astype(np.uint8)) == wrong


def test_strips_are_what_is_left_beside_the_object() -> None:
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[30:100, 10:200] = 255
    assert strips(mask) == (10, 56, 30, 156)


def written(root: Path, labels: list[int], licence: str = "CC BY 2.0 (photograph)") -> Path:
    """A folder of as many photographs 300 x 280, blue with a red disc, masked, each of a class; the last has no mask
    that counts."""
    folder = root / "photographs"
    for name in ("images", "masks-isnet"):
        (folder / name).mkdir(parents=True)
    lines = HEADER
    for i, label in enumerate(labels):
        mask = disc(60) if i < len(labels) - 1 else disc(10)
        pixels = np.where(mask[..., None] > 0, (255, 0, 0), (0, 0, 255)).astype(np.uint8)
        Image.fromarray(np.pad(pixels, ((12, 12), (22, 22), (0, 0)), "edge")).save(folder / f"images/{i}.png")
        Image.fromarray(np.pad(mask, ((12, 12), (22, 22)))).save(folder / f"masks-isnet/{i}.png")
        lines += f"images/{i}.png,masks-isnet/{i}.png,,{label},{licence},An Author,https://example.org/{i}\n"
    (folder / "index.csv").write_text(lines)
    return root


def test_photographs_are_read_as_central_squares_and_counted(tmp_path: Path) -> None:
    found = photographs(written(tmp_path, [0, 0, 3, -1, 8]))
    assert found[0].pixels().shape == (SIZE, SIZE, 3) and found[0].mask().shape == (SIZE, SIZE)
    assert found[0].pixels()[128, 128].tolist() == [255, 0, 0] and found[0].true_mask() is None
    chosen, faults = counting(found)
    assert [each.label for each in chosen] == [0, 0, 3] and faults == ["area"]
    assert [each.file.stem for each in balanced(chosen, 2)] == ["0", "2"], "one of each class before a second"
    assert balanced(chosen, None) == chosen
    assert overlap(found[0].mask(), found[0].mask() > 127) > 0.99 > overlap(found[0].mask(), found[0].mask() < 1)


def test_only_what_its_licence_allows_is_credited(tmp_path: Path) -> None:
    allowed = photographs(written(tmp_path / "a", [0, 1]))
    assert credits(allowed[:1]) == "[An Author](https://example.org/0), CC BY 2.0"
    with pytest.raises(ValueError, match="licence does not allow"):
        credits(photographs(written(tmp_path / "b", [0, 1], licence="ImageNet terms of access")))


def test_a_damaged_index_or_file_is_named(tmp_path: Path) -> None:
    root = written(tmp_path, [0, 1])
    photograph: Photograph = photographs(root)[0]
    photograph.file.write_bytes(b"no picture")
    with pytest.raises(AssetError, match="0.png cannot be read as an image"):
        photograph.pixels()
    photograph.file.unlink()
    with pytest.raises(AssetError, match="names 1 photographs without a file or mask, first .*0.png"):
        photographs(root)
    (root / "photographs/index.csv").write_text("file,in9\nx,0\n")
    with pytest.raises(AssetError, match="index of the photographs.*mask_true"):
        photographs(root)
    (root / "photographs/index.csv").write_text("file\n" + "x" * 200_000)
    with pytest.raises(AssetError, match="index of the photographs.*field larger"):
        photographs(root)
