"""Finding, checking and fetching data and weights, with every way in which it can go wrong."""

import functools
import gzip
import hashlib
import http.server
import io
import struct
import tarfile
import threading
import time
from pathlib import Path

import numpy as np
import pooch
import pytest
import requests
import torch
from PIL import Image

from cgnlib import assets, fetching
from cgnlib.assets import AssetError, Digits, IdxFile, find_authors_weights, find_digits, find_textures, search_folders


@pytest.fixture(scope="module")
def embedded() -> Digits:
    """The embedded digits, read once (it takes 2 s)."""
    return assets.embedded_digits()


@pytest.fixture(autouse=True)
def bare_machine(embedded, tmp_path, monkeypatch):
    """No data folder, an empty cache, and no network: what a test needs, it adds."""
    monkeypatch.setattr(assets, "embedded_digits", lambda: embedded)
    monkeypatch.delenv("CGN_DATA", raising=False)
    monkeypatch.setenv("CGN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(assets, "shared_folder", lambda: tmp_path / "no-shared-data")
    monkeypatch.setattr(assets, "MNIST_MIRRORS", ("http://127.0.0.1:9/",))  # the discard port: refused at once


def idx_bytes(shape: tuple[int, ...], seed: int) -> bytes:
    """An idx file of random bytes."""
    content = np.random.default_rng(seed).integers(0, 10, size=shape, dtype=np.uint8).tobytes()
    return bytes((0, 0, 8, len(shape))) + struct.pack(f">{len(shape)}I", *shape) + content


@pytest.fixture
def small_mnist(tmp_path, monkeypatch) -> Path:
    """A data folder that holds "full MNIST" of 40 + 20 digits, with the checksums expected of it."""
    raw = tmp_path / "data" / "mnist" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    files = []
    for seed, file in enumerate(assets.MNIST_FILES):
        shape = (40 if file.name.startswith("train") else 20, *file.shape[1:])
        content = idx_bytes(shape, seed)
        (raw / file.name).write_bytes(content)
        archive_md5 = hashlib.md5(gzip.compress(content, mtime=0)).hexdigest()
        files.append(IdxFile(file.name, shape, hashlib.md5(content).hexdigest(), archive_md5))
    monkeypatch.setattr(assets, "MNIST_FILES", tuple(files))
    return tmp_path / "data"


@pytest.fixture
def mirror(small_mnist, tmp_path, monkeypatch):
    """A web server on this machine that serves small MNIST as .gz files; the data folder itself is gone."""
    site = tmp_path / "site"
    site.mkdir()
    for path in (small_mnist / "mnist" / "MNIST" / "raw").iterdir():
        (site / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setattr(assets, "MNIST_MIRRORS", (f"http://127.0.0.1:{server.server_port}/",))
    yield site
    server.shutdown()
    server.server_close()


def image_file(folder: Path, kind: str, index: int) -> Path:
    name, numbers = assets.TEXTURE_KINDS[kind]
    return folder / "textures" / kind / f"{index}_{name}_{numbers[index]}.jpg"


@pytest.fixture
def small_textures(tmp_path) -> Path:
    """A data folder that holds the 20 texture files, each of one colour, of different sizes."""
    folder = tmp_path / "data"
    for kind in assets.TEXTURE_KINDS:
        for index in range(10):
            path = image_file(folder, kind, index)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (200 + index, 170), (20 * index, 100, 50)).save(path, quality=95)
    return folder


# --- Places


def test_places_are_searched_in_order(tmp_path, monkeypatch):
    for name in ("named", "environment", "shared"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(assets, "shared_folder", lambda: tmp_path / "shared")
    cache = tmp_path / "cache"
    assert search_folders() == [tmp_path / "shared", cache]
    monkeypatch.setenv("CGN_DATA", str(tmp_path / "environment"))
    assert search_folders() == [tmp_path / "environment", tmp_path / "shared", cache]
    assert search_folders(tmp_path / "named") == [tmp_path / "named", tmp_path / "shared", cache]


def test_relative_places_begin_at_the_project(tmp_path, monkeypatch):
    """Notebooks run in notebooks/, the commands that fetch for them elsewhere."""
    monkeypatch.setattr("cgnlib.paths.project_root", lambda: tmp_path / "project")
    for name in ("environment", "argument"):
        (tmp_path / "project" / name).mkdir(parents=True)
    monkeypatch.setenv("CGN_CACHE", "the cache")
    monkeypatch.setenv("CGN_DATA", "environment")
    for cwd in (tmp_path, tmp_path / "project" / "environment"):
        monkeypatch.chdir(cwd)
        cache = tmp_path / "project" / "the cache"
        assert search_folders() == [tmp_path / "project" / "environment", cache]
        assert search_folders("argument") == [tmp_path / "project" / "argument", cache]
    monkeypatch.setenv("HOME", str(tmp_path / "project"))
    assert search_folders("~/argument") == search_folders("argument")
    with pytest.raises(AssetError, match=r"data folder .*/project/nowhere does not exist"):
        search_folders("nowhere")


@pytest.mark.parametrize("find", [find_digits, find_textures, functools.partial(find_authors_weights, "wildlife")])
def test_a_named_folder_must_exist(find, tmp_path, monkeypatch):
    with pytest.raises(AssetError, match="data folder .*nowhere does not exist"):
        find(folder=tmp_path / "nowhere")
    monkeypatch.setenv("CGN_DATA", str(tmp_path / "elsewhere"))
    with pytest.raises(AssetError, match="CGN_DATA folder .*elsewhere does not exist"):
        find()


@pytest.mark.parametrize("name", ["mnist", "textures", "authors-weights"])
def test_a_place_that_cannot_be_looked_into_is_named(name, tmp_path):
    """A link to itself stands for any folder that the system refuses to open."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / name).symlink_to(tmp_path / "data" / name)
    find = {"mnist": find_digits, "textures": find_textures}.get(
        name, functools.partial(find_authors_weights, "colored")
    )
    with pytest.raises(AssetError, match="cannot be looked up: .*Make its folder readable"):
        find(folder=tmp_path / "data")


# --- Digits


def test_embedded_digits_are_the_stand_in():
    digits = find_digits()
    assert digits.source == "mnist-5000"
    assert digits.train_images.shape == (4000, 28, 28)
    assert digits.train_images.dtype == digits.test_images.dtype == torch.uint8
    assert digits.train_labels.dtype == torch.int64
    assert digits.train_labels.bincount().tolist() == [400] * 10
    assert digits.test_labels.bincount().tolist() == [100] * 10
    assert digits.train_labels[:50].unique().numel() > 5  # in random order
    train = {image.numpy().tobytes() for image in digits.train_images}
    assert not any(image.numpy().tobytes() in train for image in digits.test_images)


@pytest.mark.parametrize("layout", ["mnist/MNIST/raw", "MNIST/raw"])
def test_digits_in_a_folder(small_mnist, tmp_path, layout):
    target = tmp_path / "mine" / layout
    target.parent.mkdir(parents=True)
    (small_mnist / "mnist" / "MNIST" / "raw").rename(target)
    digits = find_digits(tmp_path / "mine")
    assert digits.source == "mnist-full"
    assert digits.train_images.shape == (40, 28, 28)
    assert digits.test_images.shape == (20, 28, 28)
    assert digits.train_labels.tolist() == list(target.joinpath("train-labels-idx1-ubyte").read_bytes()[8:])


def test_compressed_digits_in_a_folder(small_mnist):
    for path in list((small_mnist / "mnist" / "MNIST" / "raw").iterdir()):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert find_digits(small_mnist).train_images.shape == (40, 28, 28)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def cut_header(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:6])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"more")


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)


def reshape(path: Path) -> None:
    path.write_bytes(idx_bytes((40, 32, 32), 0))


def replace_by_text(path: Path) -> None:
    path.write_text("<html>404 not found, and so on and so forth</html>")


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def remove(path: Path) -> None:
    path.unlink()


def replace_by_broken_archive(path: Path) -> None:
    content = bytearray(gzip.compress(path.read_bytes()))
    content[200:210] = bytes(10)
    path.with_name(f"{path.name}.gz").write_bytes(content)
    path.unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncate, "is truncated: 31371 bytes, not 31376"),
        (cut_header, "is truncated: 6 bytes"),
        (lengthen, "is too long"),
        (flip_a_byte, "is corrupt: its md5 is"),
        (reshape, r"has the shape \(40, 32, 32\), not \(40, 28, 28\)"),
        (replace_by_text, "is not an MNIST file"),
        (replace_by_folder, "cannot be read"),
        (remove, "is missing in"),
        (replace_by_broken_archive, "cannot be read"),
    ],
)
def test_damaged_digits_are_named(small_mnist, damage, message):
    damage(small_mnist / "mnist" / "MNIST" / "raw" / "train-images-idx3-ubyte")
    with pytest.raises(AssetError, match=message) as caught:
        find_digits(small_mnist)
    assert "train-images-idx3-ubyte" in str(caught.value)
    assert any(remedy in str(caught.value) for remedy in ("Delete", "Add it"))


def test_digits_are_downloaded_once(mirror, tmp_path, capsys):
    assert find_digits().source == "mnist-full"
    for path in mirror.iterdir():
        path.unlink()
    digits = find_digits()
    assert digits.source == "mnist-full"
    assert digits.train_images.shape == (40, 28, 28)
    assert sorted(path.name for path in (tmp_path / "cache").rglob("*.gz")) == [
        "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz",
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
    ]
    assert str(tmp_path) not in "".join(capsys.readouterr())


def test_nothing_is_downloaded_unasked(mirror, tmp_path):
    assert find_digits(download=False).source == "mnist-5000"
    assert not (tmp_path / "cache").exists()


def test_an_interrupted_download_goes_on(mirror):
    hidden = (mirror / "t10k-labels-idx1-ubyte.gz").rename(mirror / "hidden")
    assert find_digits().source == "mnist-5000"  # three of four files came
    hidden.rename(mirror / "t10k-labels-idx1-ubyte.gz")
    (mirror / "train-images-idx3-ubyte.gz").unlink()  # is in the cache: not asked for again
    assert find_digits().source == "mnist-full"


def test_a_second_mirror_takes_over(mirror, monkeypatch):
    monkeypatch.setattr(assets, "MNIST_MIRRORS", ("http://127.0.0.1:9/", *assets.MNIST_MIRRORS))
    assert find_digits().source == "mnist-full"


def test_a_corrupt_download_is_an_error_and_leaves_nothing(mirror, tmp_path):
    (mirror / "train-labels-idx1-ubyte.gz").write_bytes(b"no archive")
    with pytest.raises(AssetError, match="train-labels-idx1-ubyte.gz is corrupt"):
        find_digits()
    kept = [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert kept == ["train-images-idx3-ubyte.gz"]


def test_an_unwritable_cache_is_named(mirror, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("CGN_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(AssetError, match="cannot be written.*set CGN_CACHE"):
        find_digits()
    assert find_digits(download=False).source == "mnist-5000"


def test_a_full_disk_is_named(mirror, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pooch, "retrieve", full)
    with pytest.raises(AssetError, match="No space left on device. Free some space"):
        find_digits()


def test_offline_is_decided_soon(monkeypatch):
    """A name look-up or a connection that hangs costs no more than the connection limit."""
    monkeypatch.setattr(fetching, "CONNECT_SECONDS", 0.2)

    def hang(*args, **kwargs):
        time.sleep(2)
        raise requests.ConnectTimeout

    monkeypatch.setattr(requests, "head", hang)
    start = time.perf_counter()
    assert find_digits().source == "mnist-5000"
    assert time.perf_counter() - start < 1


@pytest.fixture
def shared_data() -> Path:
    """The data beside the checkout; a test that needs it is skipped where it is absent."""
    folder = Path(assets.__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no ../shared/data beside the checkout")
    return folder


def test_full_data_beside_the_checkout(shared_data):
    digits = find_digits(shared_data)
    assert digits.source == "mnist-full"
    assert digits.train_images.shape == (60_000, 28, 28)
    assert digits.test_labels[:5].tolist() == [7, 2, 1, 0, 4]
    textures = find_textures(shared_data)
    assert textures.source == "dtd"
    assert textures.foreground.shape == textures.background.shape == (10, 150, 150, 3)
    assert all(find_authors_weights(variant, shared_data) for variant in assets.AUTHORS_WEIGHTS)


# --- Textures


def test_procedural_textures_are_the_stand_in():
    textures = find_textures()
    assert textures.source == "procedural"
    assert textures.foreground.shape == textures.background.shape == (10, 150, 150, 3)


def test_texture_files_are_read_in_class_order(small_textures):
    textures = find_textures(small_textures)
    assert textures.source == "dtd"
    for kind in (textures.foreground, textures.background):
        assert kind.shape == (10, 150, 150, 3)
        assert kind.dtype == torch.uint8
        expected = 20.0 * torch.arange(10)
        assert torch.allclose(kind[..., 0].float().mean((1, 2)), expected, atol=3)


def test_textures_are_resized_to_the_nearest_pixel(small_textures):
    path = image_file(small_textures, "object", 0)
    with Image.open(image_file(small_textures, "object", 3)) as image:
        image.resize((333, 200)).save(path)
    with Image.open(path) as image:
        expected = np.array(image.resize((150, 150), Image.Resampling.NEAREST))
    assert (find_textures(small_textures).foreground[0].numpy() == expected).all()


def test_torchvision_layout_of_dtd(small_textures, tmp_path):
    for kind, (name, numbers) in assets.TEXTURE_KINDS.items():
        folder = tmp_path / "torchvision" / "dtd" / "dtd" / "images" / name
        folder.mkdir(parents=True)
        for index, number in enumerate(numbers):
            image_file(small_textures, kind, index).rename(folder / f"{name}_{number}.jpg")
    textures = find_textures(tmp_path / "torchvision")
    assert textures.source == "dtd"
    assert textures.foreground[9, 0, 0, 0] > 170


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), r"is missing \(1 of 20"),
        (lambda path: path.write_bytes(path.read_bytes()[:-200]), "cannot be read as an image"),
        (lambda path: path.write_bytes(b"not an image"), "cannot be read as an image"),
        (replace_by_folder, "cannot be read as an image"),
    ],
)
def test_damaged_textures_are_named(small_textures, damage, message):
    damage(image_file(small_textures, "background", 4))
    with pytest.raises(AssetError, match=message) as caught:
        find_textures(small_textures)
    assert "4_veined_0131.jpg" in str(caught.value)


def texture_archive(folder: Path, small_textures: Path, *, leave_out: int = 0) -> Path:
    """A DTD archive with the 20 textures, and members that would be written elsewhere if their paths were followed."""
    archive = folder / "dtd-r1.0.1.tar.gz"
    folder.mkdir(exist_ok=True)
    with tarfile.open(archive, "w:gz") as tar:
        for path in ("../outside.jpg", "/tmp/cgn-report-outside.jpg"):
            tar.addfile(tarfile.TarInfo(path), io.BytesIO())
        for kind, (name, numbers) in assets.TEXTURE_KINDS.items():
            for index, number in list(enumerate(numbers))[leave_out:]:
                tar.add(image_file(small_textures, kind, index), f"dtd/images/{name}/{name}_{number}.jpg")
    return archive


def test_textures_are_unpacked_into_the_cache_alone(small_textures, tmp_path):
    archive = texture_archive(tmp_path / "cache", small_textures)
    assert assets.fetch_textures() == tmp_path / "cache"
    assert not archive.exists()
    assert find_textures().source == "dtd"
    assert len([path for path in (tmp_path / "cache").rglob("*") if path.is_file()]) == 20
    assert not (tmp_path / "outside.jpg").exists()
    assert not Path("/tmp/cgn-report-outside.jpg").exists()


def test_an_interrupted_unpacking_leaves_no_part_and_goes_on(small_textures, tmp_path, monkeypatch):
    archive = texture_archive(tmp_path / "cache", small_textures)
    taken, extract = [], tarfile.TarFile.extractfile

    def interrupted(tar, member):
        taken.append(member)
        if len(taken) == 7:
            raise KeyboardInterrupt
        return extract(tar, member)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(tarfile.TarFile, "extractfile", interrupted)
        assets.fetch_textures()
    assert list((tmp_path / "cache").iterdir()) == [archive]
    assert find_textures().source == "procedural"
    assets.fetch_textures()
    assert find_textures().source == "dtd"


def test_a_bad_texture_archive_is_named(small_textures, tmp_path):
    archive = texture_archive(tmp_path / "cache", small_textures, leave_out=2)
    with pytest.raises(AssetError, match=r"dtd-r1.0.1.tar.gz cannot be unpacked.*striped_0001"):
        assets.fetch_textures()
    archive.write_bytes(b"no archive")
    with pytest.raises(AssetError, match="cannot be unpacked"):
        assets.fetch_textures()


def test_textures_that_cannot_be_fetched(monkeypatch):
    monkeypatch.setattr(assets, "DTD_URL", "http://127.0.0.1:9/dtd.tar.gz")
    with pytest.raises(AssetError, match="cannot be reached. Fetch it elsewhere and place it at"):
        assets.fetch_textures()


# --- Weights


def test_authors_weights(tmp_path, monkeypatch):
    assert find_authors_weights("double-colored") is None
    path = tmp_path / "cache" / "authors-weights" / "double_colored_mnist.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"weights")
    with pytest.raises(AssetError, match="double_colored_mnist.pth is not the published file"):
        find_authors_weights("double-colored")
    monkeypatch.setitem(assets.AUTHORS_WEIGHTS, "double-colored", hashlib.sha256(b"weights").hexdigest())
    assert find_authors_weights("double-colored") == path


def test_unknown_variant_of_the_authors_weights():
    with pytest.raises(ValueError, match="unknown variant 'coloured'"):
        find_authors_weights("coloured")
