"""Finding and verifying by name: places in order, what is wrong, what to do; the command."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cgnlib.data import catalogue
from cgnlib.data.__main__ import main
from cgnlib.data.catalogue import CATALOGUE, named
from cgnlib.data.fetching import fetch
from cgnlib.data.finding import (
    digest,
    find,
    find_authors_weights,
    home,
    lock_file,
    missing,
    remedy,
    require,
    search_folders,
)
from cgnlib.errors import AssetError
from cgnlib.paths import project_root


def place_u2net(folder: Path, content: bytes = bytes(300_000)) -> Path:
    path = folder / "weights" / "u2net.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


# --- places ---------------------------------------------------------------------------------------------------------


def test_places_are_looked_into_in_order(u2net, tmp_path, monkeypatch):
    (tmp_path / "environment" / "cue-conflict").mkdir(parents=True)
    monkeypatch.setenv("CGN_DATA", str(tmp_path / "environment"))
    monkeypatch.setattr("cgnlib.data.finding.shared_folder", lambda: tmp_path / "shared")
    assert find("u2net") is None
    for place in ("cache", "shared", "environment"):
        expected = place_u2net(tmp_path / place)
        assert find("u2net") == expected
    expected = place_u2net(tmp_path / "named")
    assert find("u2net", tmp_path / "named") == require("u2net", tmp_path / "named") == expected
    assert search_folders(tmp_path / "named") == [tmp_path / name for name in ("named", "shared", "cache")]


def test_relative_places_begin_at_the_project(tmp_path, monkeypatch):
    """Notebooks run in notebooks/, the commands that fetch for them elsewhere."""
    monkeypatch.setattr("cgnlib.paths.project_root", lambda: tmp_path / "project")
    for name in ("environment", "argument"):
        (tmp_path / "project" / name / "cue-conflict").mkdir(parents=True)
    monkeypatch.setenv("CGN_CACHE", "the cache")
    monkeypatch.setenv("CGN_DATA", "environment")
    monkeypatch.setenv("HOME", str(tmp_path / "project"))
    monkeypatch.chdir(tmp_path / "project" / "environment")
    cache = tmp_path / "project" / "the cache"
    assert search_folders() == [tmp_path / "project" / "environment", cache]
    assert search_folders("argument") == search_folders("~/argument") == [tmp_path / "project" / "argument", cache]
    with pytest.raises(AssetError, match=r"data folder .*/project/nowhere does not exist"):
        find("mnist", "nowhere")
    monkeypatch.setenv("CGN_DATA", "elsewhere")
    with pytest.raises(AssetError, match=r"CGN_DATA folder .*/project/elsewhere does not exist"):
        find("dtd")


def test_a_place_that_cannot_be_looked_into_is_named(tmp_path):
    """A link to itself stands for any folder that the system refuses to open."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mnist").symlink_to(tmp_path / "data" / "mnist")
    with pytest.raises(AssetError, match="cannot be looked up: .*Make its folder readable"):
        find("mnist", tmp_path / "data")


def test_torch_keeps_its_weights_where_it_does(monkeypatch, tmp_path):
    assert home(named("vgg16")) == Path(torch.hub.get_dir()) == tmp_path / "torch" / "hub"
    monkeypatch.delenv("TORCH_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", "~/somewhere")
    assert home(named("vgg16")) == Path(torch.hub.get_dir())


def test_finding_needs_no_torch(tmp_path):
    (tmp_path / "cue-conflict").mkdir()
    program = (
        "import sys, cgnlib.data.__main__; from cgnlib.data import digits, finding, textures; "
        "finding.missing(['resnet50']); print(digits._mnist_files(None, download=False, verified=False), "
        "textures.textures_source(), 'torch' in sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": str(project_root()), "CGN_DATA": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "False"


# --- what is wrong --------------------------------------------------------------------------------------------------


def test_what_is_nowhere_is_named_with_places_and_remedy(tmp_path):
    (tmp_path / "named" / "weights").mkdir(parents=True)
    (tmp_path / "named" / "weights" / "cgn.pth").touch()
    places = f"no weights/u2net.pth in {tmp_path}/named or {tmp_path}/cache"
    with pytest.raises(
        AssetError, match=f"{places}. Run `python -m cgnlib.data --fetch u2net`, or by hand: .*CGN_DATA"
    ):
        require("u2net", tmp_path / "named")
    with pytest.raises(ValueError, match="unknown asset 'u3net'; did you mean 'u2net'"):
        require("u3net")


def test_a_file_placed_by_hand_is_checked_too(u2net):
    place_u2net(u2net.parents[1], b"<html>")
    with pytest.raises(AssetError, match="truncated or another file: 6 bytes"):
        find("u2net")
    assert find("u2net", verified=False) == u2net
    u2net.unlink()
    u2net.mkdir()
    with pytest.raises(AssetError, match="is a folder, where a file is expected"):
        find("u2net")


def test_a_file_that_changes_after_its_download_is_refused(u2net):
    content = bytearray(fetch("u2net").read_bytes())
    content[-1] ^= 1
    u2net.write_bytes(content)
    with pytest.raises(AssetError, match=f"{u2net} is not what was downloaded first.*delete .*u2net.pth.sha256"):
        find("u2net")
    lock_file(u2net).write_text("")
    with pytest.raises(AssetError, match=r"u2net.pth.sha256 cannot be read"):
        find("u2net")
    lock_file(u2net).unlink()
    assert find("u2net") == u2net


def test_a_part_of_a_data_set_is_an_error(bare_machine, change):
    (bare_machine / "imagenet-mini" / "train").mkdir(parents=True)
    with pytest.raises(AssetError, match="imagenet-mini/val is missing, while other parts of ImageNet-mini are there"):
        find("imagenet-mini")
    (bare_machine / "imagenet-mini" / "val").mkdir()
    assert find("imagenet-mini") == bare_machine / "imagenet-mini"
    (bare_machine / "cue-conflict").mkdir()
    with pytest.raises(AssetError, match="has 0 files, not 1,280"):
        find("cue-conflict")
    change("cue-conflict", count=1)
    (bare_machine / "cue-conflict" / "cat1-dog1.png").touch()
    assert find("cue-conflict") == bare_machine / "cue-conflict"


@pytest.mark.parametrize("layout", ["{}", "weights/{}", "checkpoints/{}"])
@pytest.mark.parametrize("older", [False, True])
def test_torchs_weights_are_found_in_a_data_folder_under_either_name(tmp_path, change, monkeypatch, layout, older):
    digits = hashlib.sha256(b"weights").hexdigest()[:8]
    name = f"resnet50-{digits}.pth" if older else "resnet50-0676ba61.pth"
    layouts = tuple((form.format(name),) for form in ("{}", "weights/{}", "checkpoints/{}"))
    change("resnet50", size=7, other_files=layouts, checksums=("sha256:0000" if older else f"sha256:{digits}",))
    path = tmp_path / "mine" / layout.format(name)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"weights")
    monkeypatch.setenv("CGN_DATA", str(tmp_path / "mine"))
    assert find("resnet50") == path
    path.write_bytes(b"another")
    with pytest.raises(AssetError, match=f"{name} is not the published file"):
        find("resnet50")


def test_what_systems_leave_in_a_folder_is_no_matter(bare_machine, change):
    change("cue-conflict", count=1)
    folder = bare_machine / "cue-conflict"
    for name in ("cat/cat1-dog1.png", "cat/.DS_Store", "._cat", "Thumbs.db", ".ipynb_checkpoints/x.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    assert find("cue-conflict") == folder
    lock_file(folder).write_text(f"{digest(folder)}  cue-conflict\n")
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "x.png").touch()
    assert find("cue-conflict") == folder


def test_a_damaged_file_blocks_what_needs_it_and_says_why(u2net):
    place_u2net(u2net.parents[1], b"cut")
    blocked = missing(["u2net", "biggan"])
    assert blocked is not None and "u2net.pth is truncated or another file" in str(blocked)


def test_a_user_without_a_home_has_the_build_folder_for_a_cache(tmp_path, monkeypatch):
    for name in ("CGN_CACHE", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CGN_BUILD", str(tmp_path / "build"))
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    assert search_folders() == [tmp_path / "build" / "cache"]
    assert home(named("vgg16")) == tmp_path / "build" / "cache" / "torch" / "hub"


def test_authors_weights(change, bare_machine):
    assert find_authors_weights("double-colored") is None
    path = bare_machine / "authors-weights" / "double_colored_mnist.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(2_660_000))
    with pytest.raises(AssetError, match=r"double_colored_mnist.pth is not the published file"):
        find_authors_weights("double-colored")
    change("authors-double-colored", checksums=())
    assert find_authors_weights("double-colored") == path


def test_missing_things_are_said_with_the_commands(u2net):
    place_u2net(u2net.parents[1])
    assert missing(["u2net"]) is None
    blocked = missing(["imagenet-mini", "biggan", "u2net", "resnet50"])
    assert blocked is not None
    assert blocked.reason == "missing ImageNet-mini, BigGAN-deep-256 weights, ResNet-50 weights"
    fetched, by_hand = blocked.remedy.split("; ")
    assert fetched == "python -m cgnlib.data --fetch biggan resnet50"
    assert by_hand.startswith("ImageNet-mini by hand: download it from https://www.kaggle.com")


def test_a_remedy_names_one_place_for_one_thing(tmp_path):
    assert remedy(named("dtd")).count(" as textures ") == remedy(named("dtd")).count("/cache/textures,") == 1
    assert f"Place it at {tmp_path}/cache/mnist/MNIST/raw, or as mnist/MNIST/raw below" in remedy(named("mnist"))
    assert f"Place it at {tmp_path}/torch/hub/checkpoints/vgg16-397923af.pth, or as" in remedy(named("vgg16"))


# --- the command ----------------------------------------------------------------------------------------------------


def test_the_command_shows_what_is_there_and_how_to_get_the_rest(u2net, capsys):
    place_u2net(u2net.parents[1])
    assert main([]) == 0
    output = capsys.readouterr().out
    lines = {line.split()[0]: line for line in output.splitlines() if line and not line.startswith(" ")}
    assert lines["u2net"].endswith(str(u2net))
    assert lines["biggan"].endswith("not found")
    assert output.count("not found") == len(CATALOGUE) - 1
    for asset in catalogue.CATALOGUE:
        assert asset.licence in output
        assert (f"Without it: {asset.without}. {remedy(asset)}" in output) == (asset.name != "u2net")


def test_the_command_fetches_what_is_named_and_goes_on_after_an_error(u2net, capsys):
    assert main(["--fetch", "u2net"]) == 0
    assert str(u2net) in capsys.readouterr().out
    u2net.unlink()
    with pytest.raises(SystemExit, match="1"):
        main(["--fetch", "all"])
    assert u2net.exists()
    errors = capsys.readouterr().err
    assert "biggan: BigGAN-deep-256 weights: http" in errors
    assert "imagenet-mini:" not in errors


def test_the_command_shows_damage(u2net, capsys):
    place_u2net(u2net.parents[1], b"cut")
    assert main([]) == 1
    output = capsys.readouterr().out
    assert "damaged, see below" in output
    assert "u2net.pth is truncated or another file" in output
    with pytest.raises(SystemExit, match="1"):
        main(["--folder", "nowhere"])
    errors = capsys.readouterr().err
    assert "nowhere does not exist" in errors
    assert errors.count("\n") == 1
