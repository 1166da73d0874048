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

from cgnlib import results
from cgnlib.features import PerceptualFeatures
from cgnlib.fetching import AssetError
from cgnlib.imagenet import cue_conflict
from cgnlib.imagenet.cue_conflict import (
    IMAGENET,
    LITE,
    batches,
    conflicting,
    efficientnet_lite0,
    evaluate,
    lite0_rows,
    result_rows,
    stimuli,
)
from cgnlib.imagenet.shape_bias import CATEGORIES, CATEGORY_INDICES, category_index, parse_name, shape_bias


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

    def chosen(folder: Path) -> list[cue_conflict.Stimulus]:
        return [s for s in stimuli(folder) if s.cues.shape_image == 1 and s.cues.texture < 4]

    monkeypatch.setattr(cue_conflict, "stimuli", chosen)


def without_files() -> list[cue_conflict.Stimulus]:
    """All 1,280 cues in the order of their names, on no file."""
    names = [f"{s}{i}-{t}{i}.png" for s in CATEGORIES for i in range(1, 6) for t in CATEGORIES]
    return [cue_conflict.Stimulus(Path(name), parse_name(name)) for name in names]


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
    assert all(s.cues == parse_name(s.path.name) for s in found)
    assert sum(s.cues.shape == s.cues.texture for s in found) == 80


def test_missing_files_are_counted_by_pair(copy: Path) -> None:
    for name in ("dog1-cat1.png", "dog2-cat5.png", "dog1-bear1.png"):
        (copy / "dog" / name).unlink()
    with pytest.raises(
        AssetError, match=r"2 pairs .* without 5 images \(1,277 of 1,280 .*dog-bear \(4\), dog-cat \(3\)"
    ):
        stimuli(copy)


def test_a_missing_category_names_some_pairs_and_counts_all(copy: Path) -> None:
    shutil.rmtree(copy / "oven")
    with pytest.raises(AssetError, match=r"16 pairs .*1,200 of 1,280.*oven-airplane \(0\).*, \.\.\.") as error:
        stimuli(copy)
    assert "oven-truck" not in str(error.value)


@pytest.mark.parametrize(
    "name", ["dog/cat1-dog1.png", "dog1-cat9.png", "dog/notes.txt", "dog/dog01-cat1.png", "dog/more/dog1-cat9.png"]
)
def test_other_files_are_named(name: str, copy: Path) -> None:
    (copy / name).parent.mkdir(exist_ok=True)
    (copy / name).touch()
    with pytest.raises(AssetError, match=f"1 files that are no stimuli by name or folder: {name}"):
        stimuli(copy)


def test_unreadable_files_are_named_and_counted_with_the_reason(copy: Path) -> None:
    content = (copy / "cat" / "cat1-dog1.png").read_bytes()
    broken = {
        "cat1-dog1.png": content[: len(content) // 2],
        "cat1-car1.png": b"",
        "cat2-car5.png": b"<html>not found</html>",
    }
    for name, part in broken.items():
        (copy / "cat" / name).unlink()
        (copy / "cat" / name).write_bytes(part)
    (copy / "cat" / "cat3-car4.png").unlink()
    write(copy / "cat" / "cat3-car4.png", (0, 0, 0), (512, 512))
    with pytest.raises(AssetError, match="4 files that cannot be used: ") as error:
        stimuli(copy)
    assert "cat/cat3-car4.png (PNG RGB 512 x 512)" in str(error.value)
    assert all(f"cat/{name} (unreadable" in str(error.value) for name in broken)


def test_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="there is no folder"):
        stimuli(tmp_path / "nowhere")


# --- Batches --------------------------------------------------------------------------------------------------------


def test_batches_are_the_pixels_in_order(made: Path) -> None:
    chosen = stimuli(made)[3:13]
    found = list(batches(chosen, 4))
    assert [len(part.images) for part in found] == [4, 4, 2]
    images = torch.cat([part.images for part in found])
    assert images.shape == (10, 3, 224, 224)
    assert images.dtype == torch.uint8
    for part in ("shape", "texture"):
        assert torch.cat([getattr(b, f"{part}s") for b in found]).tolist() == [getattr(s.cues, part) for s in chosen]
    assert images[:, :, 5, 9].tolist() == [[16 * s.cues.shape, 16 * s.cues.texture, 0] for s in chosen]


def test_a_drawn_part_is_balanced_ordered_and_seeded() -> None:
    everything = without_files()
    assert len(conflicting(everything)) == 1200
    part = conflicting(everything, 40, seed=1)
    counts = Counter(stimulus.cues.shape for stimulus in part)
    assert len(counts) == 16 and set(counts.values()) == {2, 3}
    assert all(s.cues.shape != s.cues.texture for s in part)
    assert part == sorted(part, key=everything.index)
    assert conflicting(everything, 40, seed=1) == part
    assert conflicting(everything, 40, seed=2) != part
    assert conflicting(everything, 1200) == conflicting(everything)
    for wrong in (0, 1201):
        with pytest.raises(ValueError, match="of 1200 conflicting stimuli"):
            conflicting(everything, wrong)


def test_enlarging_zooms_in_on_the_centre(made: Path, copy: Path) -> None:
    """8/7 as large around the centre: a centred square of 112 pixels becomes one of 128, a border of 7 is gone."""
    pixels = np.zeros((224, 224, 3), np.uint8)
    pixels[56:168, 56:168] = 255
    pixels[:7], pixels[-7:] = 200, 200
    chosen = [s for s in stimuli(made) if s.path.name == "cat1-dog1.png"]
    path = copy / "cat" / "cat1-dog1.png"
    path.unlink()
    write(path, pixels)
    moved = [cue_conflict.Stimulus(path, chosen[0].cues)]
    (plain,), (enlarged,) = (list(batches(moved, enlarge=e)) for e in (False, True))
    assert torch.equal(plain.images[0], torch.from_numpy(pixels).permute(2, 0, 1))
    assert enlarged.images.shape == plain.images.shape
    assert (enlarged.images[0, 0] > 127).sum().item() == 128 * 128
    assert enlarged.images[0, :, 1:47].max() == 0


def test_a_file_that_went_away_is_an_error(made: Path, tmp_path: Path) -> None:
    gone = cue_conflict.Stimulus(tmp_path / "cat1-dog1.png", parse_name("cat1-dog1.png"))
    with pytest.raises(AssetError, match="cat1-dog1.png cannot be read"):
        list(batches([gone]))
    with pytest.raises(ValueError, match="at least 1"):
        list(batches([gone], 0))


# --- Measurement ----------------------------------------------------------------------------------------------------


def test_normalisations_by_hand() -> None:
    images = torch.tensor([0, 127, 255], dtype=torch.uint8).reshape(1, 3, 1, 1)
    lite, imagenet = LITE(images).flatten(), IMAGENET(images).flatten()
    assert lite.tolist() == pytest.approx([-127 / 128, 0, 1], abs=1e-6)
    assert imagenet.tolist() == pytest.approx([-0.485 / 0.229, (127 / 255 - 0.456) / 0.224, 0.594 / 0.225], abs=1e-6)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("enlarge", [False, True])
def test_shape_bias_of_a_network_that_reads_the_cues(enlarge: bool, made: Path) -> None:
    """Four categories by shape, with three conflicting images each here; twelve by texture, with four each."""
    reader = Reader(by_shape=4).train()
    found = evaluate(reader, made, LITE, enlarge=enlarge, batch=25)
    assert (found.shape, found.texture, found.other) == (12, 48, 0)
    assert found.value == 0.2
    assert [counts.value for counts in found.by_category.values()] == [1] * 4 + [0] * 12
    assert not reader.training
    assert [tuple(images.shape) for images in reader.seen] == [(n, 3, 224, 224) for n in (25, 25, 10)]


@pytest.mark.slow
def test_all_stimuli_but_the_eighty_without_conflict_are_shown(made: Path) -> None:
    found = evaluate(Reader(by_shape=4), made, LITE)
    assert (found.shape, found.texture, found.other) == (300, 900, 0)
    assert {counts.n for counts in found.by_category.values()} == {75}


def test_lite0_is_the_network_of_the_perceptual_features(features: PerceptualFeatures) -> None:
    network = efficientnet_lite0()
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    logits = network(images)
    assert logits.shape == (2, 1000)
    assert not network.training
    assert not any(weight.requires_grad for weight in network.parameters())
    stages = network._swish(network._bn0(network._conv_stem(images)))  # pyright: ignore
    for block in network._blocks[:8]:  # pyright: ignore
        stages = block(stages)  # pyright: ignore
    torch.testing.assert_close(stages, features(images)[3], rtol=1e-3, atol=1e-4)


# --- Rows -----------------------------------------------------------------------------------------------------------


def test_rows_carry_both_counts_and_the_decisions_as_n() -> None:
    """Airplanes: 2 shape, 1 texture, 1 other; one bear: other."""
    bear, dog = category_index("bear"), category_index("dog")
    decided = torch.tensor([0, 0, bear, dog, dog])
    shapes = torch.tensor([0, 0, 0, 0, bear])
    textures = torch.tensor([bear, bear, bear, bear, 0])
    rows = result_rows(shape_bias(decided, shapes, textures), method="net", profile="quick", enlarge=True)
    found = {row.metric: (row.value, row.n, row.unit) for row in rows}
    assert found == {
        "shape-bias": (pytest.approx(200 / 3), 3, "percent"),
        "decisions/shape": (2, 5, "images"),
        "decisions/texture": (1, 5, "images"),
        "shape-bias/category/airplane": (pytest.approx(200 / 3), 3, "percent"),
        "decisions/shape/category/airplane": (2, 4, "images"),
        "decisions/texture/category/airplane": (1, 4, "images"),
        "decisions/shape/category/bear": (0, 1, "images"),
        "decisions/texture/category/bear": (0, 1, "images"),
    }
    assert {(row.experiment, row.dataset, row.recipe, row.params["enlarge"]) for row in rows} == {
        ("imagenet-shape-bias", "cue-conflict", "-", True)
    }


@pytest.mark.usefixtures("few")
def test_rows_of_a_part_say_so(made: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CGN_BUILD", str(tmp_path))
    monkeypatch.setattr(cue_conflict, "efficientnet_lite0", lambda: Reader(by_shape=4))
    rows = lite0_rows(made, "quick", [LITE], [False], limit=16, seed=3)
    total = rows.set_index("metric").loc["shape-bias"]
    assert results.select(rows, metric="decisions/shape", stimuli=16, sample_seed=3)["n"].tolist() == [16]
    assert "rules " in total["code"]
    assert len(results.load("quick", "imagenet-shape-bias")) == len(rows)


@pytest.mark.usefixtures("few")
def test_command_keeps_rows_of_both_sizes(
    made: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CGN_BUILD", str(tmp_path))
    monkeypatch.setattr(cue_conflict, "efficientnet_lite0", lambda: Reader(by_shape=4))
    code = cue_conflict.main(["--folder", str(made.parent), "--profile", "quick"])
    rows = results.select(results.load("quick", "imagenet-shape-bias"), metric="shape-bias")
    assert code == 0
    assert len(rows) == 4
    own = results.select(rows, normalisation="lite")  # the reader reads images normalised so
    assert own["value"].tolist() == [20.0, 20.0]
    assert own["n"].tolist() == [60, 60]
    assert min(rows["seconds"].tolist()) > 0
    assert '{"enlarge":true,"normalisation":"lite","stimuli":"all"} shape-bias: 20 percent' in capsys.readouterr().out


def test_command_without_stimuli_says_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nowhere(*_: object) -> Path:
        raise AssetError("no stimuli; run --fetch")

    monkeypatch.setattr(cue_conflict, "require", nowhere)
    with pytest.raises(SystemExit) as error:
        cue_conflict.main([])
    assert error.value.code == 1
    assert "run --fetch" in capsys.readouterr().err
