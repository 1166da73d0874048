"""Class folders of photographs: what is found, what is wrong, what a network is shown."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from cgnlib.data import folders
from cgnlib.data.folders import DRAWS, FolderSet, central, folder_set, random_crop, whole
from cgnlib.data.pictures import opened_picture
from cgnlib.errors import AssetError
from cgnlib.randomness import generator

CLASSES = ("n00000001", "n00000002", "n00000003")
NOTHING = torch.zeros(DRAWS)


def photograph(width: int, height: int, seed: int = 0) -> Image.Image:
    """A smooth picture, as photographs are: noise of 8 pixels, enlarged."""
    noise = torch.randint(256, (8, 8, 3), generator=generator(seed, "test"), dtype=torch.uint8)
    return Image.fromarray(noise.numpy()).resize((width, height), Image.Resampling.BICUBIC)


def save(path: Path, picture: Image.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, "JPEG", quality=95)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Three classes with 3, 2 and 1 images, written in another order than sorted."""
    for label, name in reversed(list(enumerate(CLASSES))):
        for i in reversed(range(3 - label)):
            save(tmp_path / name / f"{name}_{i}.JPEG", photograph(300 + 10 * i, 280, seed=label))
    return tmp_path


def opened(tree: Path, images: int | None = None) -> FolderSet:
    return folder_set(tree, "set", "test", CLASSES, images=images)


# --- opening --------------------------------------------------------------------------------------------------------


def test_images_come_in_the_order_of_classes_and_names(tree: Path) -> None:
    found = opened(tree, images=6)
    assert len(found) == 6 and found.labels.tolist() == [0, 0, 0, 1, 1, 2]
    assert [p.name for p in found.paths[:3]] == [f"n00000001_{i}.JPEG" for i in range(3)]
    batches = list(found.batches(4))
    assert [tuple(images.shape) for images, _ in batches] == [(4, 3, 224, 224), (2, 3, 224, 224)]
    assert batches[0][0].dtype == torch.uint8
    assert torch.cat([labels for _, labels in batches]).tolist() == found.labels.tolist()
    with pytest.raises(ValueError, match="at least 1"):
        next(found.batches(0))


def test_the_hash_follows_names_and_sizes(tree: Path) -> None:
    before = opened(tree).sha256
    assert opened(tree).sha256 == before
    save(tree / CLASSES[2] / f"{CLASSES[2]}_0.JPEG", photograph(64, 64))
    assert opened(tree).sha256 != before


def damage_heads(tree: Path) -> None:
    for i, content in enumerate((b"", b"<html>")):
        (tree / CLASSES[0] / f"{CLASSES[0]}_{i}.JPEG").write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda tree: shutil.rmtree(tree / CLASSES[1]), "1 of 3 class folders missing or .*: n00000002. Get the data"),
        (lambda tree: (tree / "n9").mkdir(), "1 class folders that are not among the 3: n9. Get the data again.$"),
        (damage_heads, r"2 files that cannot be read: n00000001/n00000001_0.JPEG \(.*, 0 bytes\)"),
        (
            lambda tree: (tree / CLASSES[0] / f"{CLASSES[0]}_0.JPEG").unlink(),
            "5 images, where 6 .*: n00000003 has 1, n",
        ),
        (shutil.rmtree, "there is no folder"),
    ],
)
def test_what_is_wrong_is_counted_and_named(tree: Path, damage, message: str) -> None:
    damage(tree)
    with pytest.raises(AssetError, match=message):
        opened(tree, images=6)


def test_what_systems_leave_is_no_matter_and_class_folders_may_be_links(tree: Path, tmp_path: Path) -> None:
    for name in (".DS_Store", "n00000001/._1.JPEG", "n00000002/Thumbs.db", ".ipynb_checkpoints/x"):
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).touch()
    (tree / CLASSES[1]).rename(tmp_path.parent / "elsewhere")
    (tree / CLASSES[1]).symlink_to(tmp_path.parent / "elsewhere")
    assert len(opened(tree, images=6)) == 6


def test_a_set_that_is_not_whole_is_taken_where_it_is_asked_for_and_said(tree: Path) -> None:
    save(tree / CLASSES[0] / "9.webp", photograph(64, 64))
    with pytest.warns(UserWarning) as said:
        found = folder_set(tree, "set", "test", CLASSES, images=7, partial=True)
    words = " ".join(str(each.message) for each in said)
    assert len(found) == 6
    assert "n00000001/9.webp" in words and "6 images, where 7 are expected" in words


# --- reading --------------------------------------------------------------------------------------------------------


def test_files_damaged_further_in_are_found_on_reading(tree: Path) -> None:
    path = tree / CLASSES[1] / f"{CLASSES[1]}_0.JPEG"
    path.write_bytes(path.read_bytes()[:1000])
    found = opened(tree)
    for read in (lambda: list(found.batches()), lambda: found.draw(torch.tensor([3]), NOTHING[None])):
        with pytest.raises(AssetError, match=f"{path.name} cannot be read"):
            read()


@pytest.mark.parametrize("kind", [ValueError, KeyError, IndexError, TypeError, OSError])
def test_an_error_of_the_code_that_uses_a_picture_is_no_damage(tree: Path, kind: type[Exception]) -> None:
    def view(*_: object) -> Image.Image:
        raise kind("the view's own")

    with pytest.raises(kind, match="the view's own"):
        list(replace(opened(tree), view=view).batches())


def test_a_files_own_words_do_not_choose_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "cat.jpg", photograph(20, 20))
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda _: int("unknown mode"))
    with pytest.raises(AssetError, match="'unknown mode'. Get it again, or remove it.$"):
        opened_picture(tmp_path / "cat.jpg").__enter__()


def test_training_draws_are_seeded_crops_in_range(tree: Path) -> None:
    found = opened(tree)
    index, draws = torch.tensor([5, 0, 0]), torch.rand(3, DRAWS, generator=generator(1, "test"))
    images, labels = found.draw(index, draws)
    assert images.shape == (3, 3, 224, 224) and images.dtype == torch.float32
    assert images.min() >= -1 and images.max() <= 1
    assert labels.tolist() == [2, 0, 0]
    assert torch.equal(images, found.draw(index, draws)[0])
    assert not torch.equal(images[1], images[2])  # another crop of one photograph


# --- what the network sees ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(300, 280), (280, 300), (256, 256), (500, 375)])
def test_the_central_view_is_the_published_one(size: tuple[int, int]) -> None:
    """torchvision's Resize(256), CenterCrop(224); its rounding of the longer side may differ by a pixel."""
    picture = photograph(*size)
    expected = np.asarray(v2.CenterCrop(224)(v2.Resize(256)(picture)), float)
    found = np.asarray(central(picture.copy(), NOTHING), float)
    assert found.shape == (224, 224, 3)
    assert np.abs(found - expected).mean() < 0.5


def test_decoding_a_large_photograph_smaller_changes_little(tmp_path: Path) -> None:
    save(tmp_path / "large.jpg", photograph(1600, 1200))
    with Image.open(tmp_path / "large.jpg") as small, Image.open(tmp_path / "large.jpg") as full:
        full.load()
        found, expected = (np.asarray(central(each, NOTHING), float) for each in (small, full))
        assert small.size == (400, 300)  # a quarter: its shorter side is still 256 or more
    assert np.abs(found - expected).mean() < 1


def test_images_of_imagenet_9_are_shown_whole() -> None:
    picture = photograph(224, 224)
    assert np.array_equal(np.asarray(whole(picture, NOTHING)), np.asarray(picture))


def test_random_crops_take_the_part_that_their_numbers_say() -> None:
    """Half red, half blue. Area 0.54 and aspect 1 of 200 x 200: a side of 147, at the left or the right edge."""
    pixels = np.zeros((200, 200, 3), np.uint8)
    pixels[:, :100, 0], pixels[:, 100:, 2] = 255, 255
    draws = torch.full((DRAWS,), 0.5)
    draws[20], draws[22] = 0.0, 0.9
    left = np.asarray(random_crop(Image.fromarray(pixels), draws), float)
    assert left.shape == (224, 224, 3)
    assert (left[..., 0] > 127).mean() == pytest.approx(100 / 147, abs=0.01)
    draws[22] = 0.1
    assert np.array_equal(np.asarray(random_crop(Image.fromarray(pixels), draws), float), left[:, ::-1])


def test_a_crop_that_never_fits_is_the_centre() -> None:
    """Of 1000 x 100 at full area no allowed aspect fits: the central 133 x 100 is taken."""
    pixels = np.zeros((100, 1000, 3), np.uint8)
    pixels[:, 434:566] = 255
    assert np.asarray(random_crop(Image.fromarray(pixels), torch.full((DRAWS,), 0.999))).mean() > 250


# --- published layouts ----------------------------------------------------------------------------------------------


@pytest.fixture
def placed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Data are looked for in tmp_path/<name>."""
    monkeypatch.setattr(folders, "require", lambda name, _: tmp_path / name)
    return tmp_path


def test_imagenet_9_by_number_of_its_folders(placed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "IMAGENET_9_IMAGES", 9)
    val = placed / "imagenet-9" / "mixed_rand" / "val"
    for label in range(9):
        save(val / ("06_musical instrument" if label == 6 else f"{label:02}_x") / "1.JPEG", photograph(224, 224, label))
    found = folders.imagenet_9("mixed-rand")
    assert found.labels.tolist() == list(range(9))
    assert found.classes[6] == "06_musical instrument"
    for label in (0, 1, 2, 3, 4, 5, 7):
        shutil.rmtree(val / f"{label:02}_x")
    with pytest.raises(AssetError, match=r"7 of 9 class folders missing or without images: 00_\*, .*, 04_\*, \.\.\."):
        folders.imagenet_9("mixed-rand")
    with pytest.raises(ValueError, match="unknown set of ImageNet-9 'mixed-rnd'; did you mean 'mixed-rand'"):
        folders.imagenet_9("mixed-rnd")


def test_imagenet_mini_needs_the_full_list_of_classes(placed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "N_CLASSES", 3)
    monkeypatch.setattr(folders, "MINI_IMAGES", {"train": 3, "val": 3})
    for name in CLASSES:
        save(placed / "imagenet-mini" / "train" / name / "1.JPEG", photograph(64, 64))
    save(placed / "imagenet-mini" / "val" / CLASSES[2] / "1.JPEG", photograph(64, 64))
    assert folders.imagenet_mini("train").classes == CLASSES
    monkeypatch.setattr(folders, "MINI_IMAGES", {"train": 4, "val": 3})
    with pytest.raises(AssetError, match="classes with together 3 images, where 4 are expected: .* has 1, "):
        folders.imagenet_mini("train")
    monkeypatch.setattr(folders, "MINI_TOLERANCE", 0.25)
    assert len(folders.imagenet_mini("train")) == 3
    with pytest.raises(AssetError, match="2 of 3 class folders"):
        folders.imagenet_mini("val")
    shutil.rmtree(placed / "imagenet-mini" / "train" / CLASSES[0])
    with pytest.raises(AssetError, match="2 class folders by WordNet id, where 3 are expected"):
        folders.imagenet_mini("train")
