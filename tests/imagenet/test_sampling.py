import shutil
from pathlib import Path

import pytest
import torch

from cgnlib.errors import AssetError
from cgnlib.imagenet import sampling as sampling_module
from cgnlib.imagenet.biggan import sample_latents
from cgnlib.imagenet.cgn import ImageNetCGN
from cgnlib.imagenet.sampling import Sampling, Store, draw_labels, interpolate, sample_shard, stored_bytes
from tests.imagenet.conftest import small_cgn


@pytest.fixture
def trained(cgn: ImageNetCGN) -> ImageNetCGN:
    return cgn.eval()


def test_random_labels_are_independent_and_tied_ones_equal() -> None:
    random = draw_labels(Sampling(2000, shard=2000), 0, 5)
    assert random.shape == (2000, 3)
    for first, second in ((0, 1), (1, 2), (0, 2)):
        assert abs((random[:, first] == random[:, second]).float().mean() - 0.2) < 0.05
    tied = draw_labels(Sampling(50, labels="tied"), 0, 5)
    assert (tied == tied[:, :1]).all() and tied.unique().numel() == 5
    fixed = draw_labels(Sampling(3, labels="fixed", triple=(4, 0, 2)), 0, 5)
    assert fixed.tolist() == [[4, 0, 2]] * 3


def test_shards_cover_n_and_differ() -> None:
    sampling = Sampling(25, shard=10)
    shards = [draw_labels(sampling, shard, 5) for shard in range(sampling.shards)]
    assert [len(shard) for shard in shards] == [10, 10, 5]
    assert not torch.equal(shards[0], shards[1])


def test_images_do_not_depend_on_the_batch(trained: ImageNetCGN) -> None:
    one, other = (sample_shard(trained, Sampling(6), 0, batch=batch) for batch in (2, 6))
    assert one.images.shape == (6, 3, 32, 32) and one.images.dtype == torch.uint8
    assert (one.images.int() - other.images.int()).abs().max() <= 1  # rounding
    assert torch.equal(one.labels, other.labels)


def test_a_network_in_training_mode_is_refused(cgn: ImageNetCGN) -> None:
    with pytest.raises(ValueError, match="eval"):
        sample_shard(cgn.train(), Sampling(2), 0)


def test_a_store_is_continued_and_mended(trained: ImageNetCGN, tmp_path: Path) -> None:
    store, sampling = Store(tmp_path / "store"), Sampling(5, shard=2)
    store.make(trained, sampling)
    whole = [samples.images for samples in store]
    assert len(store) == 5 and [len(images) for images in whole] == [2, 2, 1]

    files = sorted(store.folder.glob("shard-*"))
    files[0].unlink()
    files[1].write_bytes(files[1].read_bytes()[:-10])
    kept = files[2].stat().st_mtime_ns
    with pytest.raises(AssetError, match=files[0].name):
        list(store)
    store.make(trained, sampling)
    assert files[2].stat().st_mtime_ns == kept
    assert all(torch.equal(a, b.images) for a, b in zip(whole, store, strict=True))


def test_a_disk_without_room_is_known_before_the_first_image(trained: ImageNetCGN, tmp_path: Path, monkeypatch) -> None:
    store, usage = Store(tmp_path / "store"), shutil.disk_usage(tmp_path)._replace(free=10_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    words = f"4 counterfactual images take 0.0 GB, and the disk of {store.folder} has 0.0 GB free"
    with pytest.raises(AssetError, match=words):
        store.make(trained, Sampling(4, shard=2))
    assert not list(store.folder.glob("shard-*"))
    store.make(trained, Sampling(2, shard=2))
    assert stored_bytes(32) * 2 <= sum(file.stat().st_size for file in store.folder.glob("shard-*")) < 10_000


def test_a_store_of_other_images_is_not_mixed(trained: ImageNetCGN, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.make(trained, Sampling(2))
    with pytest.raises(ValueError, match="another seed"):
        store.make(trained, Sampling(2, seed=1))
    changed = small_cgn().eval()
    with torch.no_grad():
        changed.f_bg.embeddings.weight.add_(1)
    with pytest.raises(ValueError, match="another cgn"):
        store.make(changed, Sampling(2))


def test_a_missing_or_damaged_index_is_named(trained: ImageNetCGN, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with pytest.raises(AssetError, match="Make the store first"):
        len(store)
    store.make(trained, Sampling(2))
    for content in ("{", "{}", "[]", '{"config": {}, "sha256": {}}', '{"config": {"n": 2, "shard": 2}}'):
        store.index.write_text(content)
        with pytest.raises(AssetError, match="index.json is damaged"):
            len(store)


def test_an_interrupted_store_is_not_read_as_a_whole_one(trained: ImageNetCGN, tmp_path: Path, monkeypatch) -> None:
    store, sampling = Store(tmp_path / "store"), Sampling(4, shard=2)
    with monkeypatch.context() as patch:
        drawn = sampling_module.sample_shard
        patch.setattr(sampling_module, "sample_shard", lambda *given: drawn(*given) if given[2] == 0 else 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.make(trained, sampling)
    for read in (len, list):
        with pytest.raises(AssetError, match="store is not finished. Make it again: the rest is kept"):
            read(store)
    store.make(trained, sampling)
    assert len(store) == sum(len(shard.images) for shard in store) == 4


def test_interpolation_changes_its_factor_alone_and_ends_where_it_should(trained: ImageNetCGN) -> None:
    u = sample_latents(1, trained.z_dim, 1.0, torch.Generator().manual_seed(0))
    parts = interpolate(trained, u, (0, 1, 2), (0, 3, 2), steps=4)
    assert torch.equal(parts.mask, parts.mask[:1].expand(4, -1, -1, -1))
    assert torch.equal(parts.background, parts.background[:1].expand(4, -1, -1, -1))
    gaps = (parts.foreground[1:] - parts.foreground[:1]).abs().mean(dim=(1, 2, 3))
    assert (gaps > 0).all()
    last = interpolate(trained, u, (0, 3, 2), (0, 3, 2), steps=2)
    torch.testing.assert_close(parts.foreground[-1], last.foreground[0])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"labels": "tie"}, "did you mean 'tied'"),
        ({"labels": "fixed"}, "triple"),
        ({"triple": (0, 1, 2)}, "triple"),
        ({"truncation": 1.5}, "between 0 and 1"),
        ({"n": 0}, "1 or more"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sampling(**{"n": 2, **settings})


def test_a_label_that_the_cgn_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\[0, 4\]"):
        draw_labels(Sampling(2, labels="fixed", triple=(0, 5, 1)), 0, 5)
