"""Cue-conflict stimuli: a folder of made ones, what is wrong with them named and counted, and the measurement."""

import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from cgnlib.errors import AssetError
from cgnlib.imagenet import cue_conflict
from cgnlib.imagenet.cue_conflict import Stimulus, batches, conflicting, evaluate, read_record, stimuli
from cgnlib.imagenet.names import CATEGORIES, CATEGORY_INDICES
from cgnlib.imagenet.networks import Pretrained
from cgnlib.imagenet.normalisation import LITE


def write(path: Path, pixels: np.ndarray | tuple[int, int, int], size: tuple[int, int] = (224, 224)) -> None:
    image = Image.fromarray(pixels) if isinstance(pixels, np.ndarray) else Image.new("RGB", size, pixels)
    image.save(path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All 1,280 names. The colour tells the cues: red 16 * shape, green 16 * texture. One file per pair, five links."""
    folder = tmp_path_factory.mktemp("made") / "cue-conflict"
    for s, shape in enumerate(CATEGORIES):
        (folder / shape).mkdir(parents=True)
        for t, texture in enumerate(CATEGORIES):
            first = folder / shape / f"{shape}1-{texture}1.png"
            write(first, (16 * s, 16 * t, 0))
            for i in range(2, 6):
                os.link(first, folder / shape / f"{shape}{i}-{texture}{7 - i}.png")
    return folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    """A copy whose files can be replaced (not written into: they are links)."""
    return Path(shutil.copytree(made, tmp_path / "stimuli", copy_function=os.link))


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """The measurement takes one image of each shape in each of four textures, 60 that conflict, to be fast."""

    def chosen(folder: Path) -> list[Stimulus]:
        return [s for s in stimuli(folder) if s.path.name.split("-")[0].endswith("1") and s.texture < 4]

    monkeypatch.setattr(cue_conflict, "stimuli", chosen)


class Reader(nn.Module):
    """Reads the cues off the colour of a made image; decides for the texture, or for the shape of the named ones."""

    def __init__(self, by_shape: int) -> None:
        super().__init__()
        self.by_shape = by_shape
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(images)
        shape, texture, _ = (images[:, :, 100, 100] * 128 + 127).div(16).round().long().unbind(dim=1)
        chosen = torch.where(shape < self.by_shape, shape, texture)
        logits = torch.zeros(len(images), 1000)
        for row, category in enumerate(chosen.tolist()):
            logits[row, list(CATEGORY_INDICES[CATEGORIES[category]])] = 20.0
        return logits


# --- Folder ---------------------------------------------------------------------------------------------------------


def test_all_stimuli_with_their_cues(made: Path) -> None:
    found = stimuli(made)
    assert len(found) == 1280
    assert [s.path for s in found] == sorted(s.path for s in found)
    assert sum(s.shape == s.texture for s in found) == 80
    (one,) = (s for s in found if s.path.name == "bear2-dog5.png")
    assert (CATEGORIES[one.shape], CATEGORIES[one.texture]) == ("bear", "dog")


def test_a_missing_category_names_some_pairs_and_counts_all(copy: Path) -> None:
    shutil.rmtree(copy / "oven")
    with pytest.raises(AssetError, match=r"16 pairs .*1,200 of 1,280.*oven-airplane \(0\).*, \.\.\.") as error:
        stimuli(copy)
    assert "oven-truck" not in str(error.value)
    with pytest.raises(AssetError, match="256 pairs .*0 of 1,280"):
        stimuli(copy / "nowhere")


@pytest.mark.parametrize(
    "name", ["dog/cat1-dog1.png", "dog1-cat9.png", "dog/notes.txt", "dog/dog01-cat1.png", "dog/dog1-zebra1.png"]
)
def test_other_files_are_named(name: str, copy: Path) -> None:
    (copy / name).parent.mkdir(exist_ok=True)
    (copy / name).touch()
    with pytest.raises(AssetError, match=f"1 files that are no stimuli by name or folder: {name}"):
        stimuli(copy)


# --- Batches --------------------------------------------------------------------------------------------------------


def test_batches_are_the_pixels_in_order(made: Path) -> None:
    chosen = stimuli(made)[3:13]
    found = list(batches(chosen, 4))
    assert [len(part.images) for part in found] == [4, 4, 2]
    images = torch.cat([part.images for part in found])
    assert images.shape == (10, 3, 224, 224)
    assert images.dtype == torch.uint8
    for part in ("shape", "texture"):
        assert torch.cat([getattr(b, f"{part}s") for b in found]).tolist() == [getattr(s, part) for s in chosen]
    assert images[:, :, 5, 9].tolist() == [[16 * s.shape, 16 * s.texture, 0] for s in chosen]
    with pytest.raises(ValueError, match="at least 1"):
        list(batches(chosen, 0))


@pytest.mark.parametrize(
    ("content", "reason"), [(b"<html>not found</html>", "no image"), (None, "512 x 512"), ("", "No")]
)
def test_a_file_that_is_no_stimulus_is_named_with_the_reason(
    content: bytes | str | None, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "cat1-dog1.png"
    if content is None:
        write(path, (0, 0, 0), (512, 512))
    elif isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(AssetError, match=f"cat1-dog1.png cannot be read as an image: .*{reason}"):
        list(batches([Stimulus(path, 0, 1)]))


def test_a_drawn_part_is_balanced_ordered_and_seeded() -> None:
    everything = [Stimulus(Path(f"{i}"), s, t) for s in range(16) for i in range(5) for t in range(16)]
    assert len(conflicting(everything)) == 1200
    part = conflicting(everything, 40, seed=1)
    counts = Counter(stimulus.shape for stimulus in part)
    assert len(counts) == 16 and set(counts.values()) == {2, 3}
    assert all(s.shape != s.texture for s in part)
    assert part == sorted(part, key=everything.index)
    assert conflicting(everything, 40, seed=1) == part
    assert conflicting(everything, 40, seed=2) != part
    assert conflicting(everything, 1200) == conflicting(everything)
    for wrong in (0, 1201):
        with pytest.raises(ValueError, match="of 1200 conflicting stimuli"):
            conflicting(everything, wrong)


def test_enlarging_zooms_in_on_the_centre(tmp_path: Path) -> None:
    """8/7 as large around the centre: a centred square of 112 pixels becomes one of 128, a border of 7 is gone."""
    pixels = np.zeros((224, 224, 3), np.uint8)
    pixels[56:168, 56:168] = 255
    pixels[:7], pixels[-7:] = 200, 200
    path = tmp_path / "cat1-dog1.png"
    write(path, pixels)
    moved = [Stimulus(path, 7, 10)]
    (plain,), (enlarged,) = (list(batches(moved, enlarge=e)) for e in (False, True))
    assert torch.equal(plain.images[0], torch.from_numpy(pixels).permute(2, 0, 1))
    assert enlarged.images.shape == plain.images.shape
    assert (enlarged.images[0, 0] > 127).sum().item() == 128 * 128
    assert enlarged.images[0, :, 1:47].max() == 0


# --- Measurement ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("enlarge", [False, True])
def test_shape_bias_of_a_network_that_reads_the_cues(enlarge: bool, made: Path) -> None:
    """Four categories by shape, with three conflicting images each here; twelve by texture, with four each."""
    reader = Reader(by_shape=4)
    trials = evaluate(Pretrained("reader", reader, 224, LITE, reader), made, enlarge=enlarge)
    found = trials.bias
    assert (found.shape, found.texture, found.other) == (12, 48, 0)
    assert found.value == 0.2
    assert [counts.value for counts in found.by_category.values()] == [1] * 4 + [0] * 12
    assert trials.shape_images[0] == "airplane1" and trials.texture_images[0] == "bear1"
    assert [tuple(images.shape) for images in reader.seen] == [(n, 3, 224, 224) for n in (*[8] * 7, 4)]


# --- Records --------------------------------------------------------------------------------------------------------


def test_a_record_of_decisions_is_read_whatever_else_stands_in_it(tmp_path: Path) -> None:
    """One decision for the shape, one for the texture, one not made in time."""
    file = tmp_path / "record.csv"
    file.write_text(
        "subj,object_response,category,imagename\n"
        "s,cat,cat,cat1-dog2.png\n"
        "s,dog,cat,0002_s5n_dnn_0_cat_00_cat2-dog2.png\n"
        "s,na,bear,bear1-dog1.png\n"
    )
    trials = read_record(file)
    assert (trials.bias.shape, trials.bias.texture, trials.bias.other) == (1, 1, 1)
    assert (trials.shape_images, trials.texture_images) == (("cat1", "cat2", "bear1"), ("dog2", "dog2", "dog1"))
    assert trials.answers(CATEGORIES.index("dog")) == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("object_response,imagename\nzebra,cat1-dog2.png\n", "zebra"),
        ("object_response,imagename\ncat,cat1.png\n", "'cat1.png' names no stimulus"),
        ("object_response,imagename\ncat,cat1-dog2.png\ncat,cat1-dog2.png\n", "2 trials of 1 stimuli"),
        ("answer,imagename\ncat,cat1-dog2.png\n", "object_response"),
        ("object_response,imagename\n", "0 trials"),
        ("object_response,imagename\n" + "x" * 200_000, "field larger than field limit"),
    ],
)
def test_a_file_that_is_no_record_is_named(content: str, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "record.csv"
    file.write_text(content)
    with pytest.raises(AssetError, match=f"record .*record.csv cannot be used: .*{reason}"):
        read_record(file)
