"""The MNIST protocol: settings, training sets, rows, reuse, seeds, CGNs, and what is missing."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from cgnlib.errors import AssetError, Blocked, TrainingStopped, needed
from cgnlib.images import LabelledImages
from cgnlib.mnist.cgn import CGN
from cgnlib.mnist.recipes import CGN_VERSION, recipe_fields, recipe_for
from cgnlib.mnist.variants import COLORED_PALETTE, make_variant
from cgnlib.paths import file_sha256, project_root
from cgnlib.training.weights import fingerprint, save_weights
from cgnreport.protocol import mnist as module
from cgnreport.protocol import mnist_experiments, mnist_settings
from cgnreport.protocol.mnist import MnistStudy
from cgnreport.protocol.mnist_experiments import (
    accuracy_rows,
    control_rows,
    heat_map_rows,
    heat_map_tiles,
    misread,
    order_rows,
    own_colour_rows,
    part_numbers,
    published_file_rows,
    ratio_rows,
    training_rows,
    training_samples,
)
from cgnreport.protocol.mnist_settings import shipped_cgn
from cgnreport.protocol.rows import KEY, joined, select
from cgnreport.protocol.store import load
from tests.mnist.test_published_colored import place

V = "double-colored"
Make = Callable[..., MnistStudy]


def test_features_are_looked_for_in_the_data_folder(make: Make, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("cgnlib.data.finding.find", lambda name, folder=None: folder)
    monkeypatch.setattr(module, "perceptual_features", lambda *given: given)
    parameters = make(features="auto", data_folder=str(tmp_path)).parameters
    assert MnistStudy(parameters, device="cpu").features == ("vgg16", str(tmp_path))


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """After its call every training is a failure."""

    def forbid() -> None:
        for where in (module, mnist_experiments):
            for name in ("train_cgn", "train_gan", "train_classifier", "train_readers"):
                if hasattr(where, name):
                    monkeypatch.setattr(where, name, lambda *_, **__: pytest.fail("something was trained"))

    return forbid


@pytest.fixture
def stopping(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The training of every CGN stops."""

    def stop(*_: object, **__: object) -> None:
        raise TrainingStopped("the masks collapsed")

    monkeypatch.setattr(module, "train_cgn", stop)
    return monkeypatch


# --- Training sets ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "size", "sources"),
    [
        ("original", 80, ["mnist-5000"]),
        ("gan", 70, ["gan"]),
        ("original+gan", 150, ["mnist-5000", "gan"]),
        ("cgn-tied", 70, ["cgn-robust"]),
        ("original+cgn-tied", 150, ["mnist-5000", "cgn-robust"]),
        ("cgn", 70, ["cgn-robust"]),
        ("original+cgn", 150, ["mnist-5000", "cgn-robust"]),
        ("oracle", 80, ["mnist-5000"]),
    ],
)
def test_training_sets(make: Make, method: str, size: int, sources: list[str]) -> None:
    images = make().training_set(V, method)
    assert len(images) == size
    assert images.source.split(" + ") == sources
    assert images.name == f"{V}/{method}"
    tied = bool((images.shape == images.foreground).all() and (images.shape == images.background).all())
    assert tied == (method not in ("cgn", "original+cgn", "oracle"))


def test_methods_and_names_are_checked_before_anything_is_trained(make: Make, no_training) -> None:
    no_training()
    with pytest.raises(ValueError, match=r"unknown method 'orginal\+cgn'; did you mean 'original\+cgn'\?"):
        accuracy_rows(make(), "mnist-ood", V, "orginal+cgn")


def test_limits_and_sampling_by_parameters(make: Make) -> None:
    study = make(cf_ratio=5)
    sizes = {split: len(study.images(V, split)) for split in ("train", "test", "test-indomain", "free-train")}
    assert sizes == {"train": 80, "test": 40, "test-indomain": 40, "free-train": 100}
    cgn = needed(study.cgn(V))
    images = study.counterfactuals(cgn)
    assert torch.equal(images.shape[:14].repeat(5), images.shape) and len(images) == 70
    assert len(study.counterfactuals(cgn, n=11, ratio=2)) == 11
    assert study.counterfactuals(cgn, tied=True).name == "cgn-robust/tied"


# --- Rows -------------------------------------------------------------------------------------------------------------


def test_accuracy_rows(make: Make) -> None:
    rows = needed(accuracy_rows(make(classifier_seeds=2), "mnist-ood", V, "original+cgn"))
    found = sorted(rows[["seed", "metric", "epoch"]].itertuples(index=False, name=None))
    names = ("other-colours", "same-colour", "worst-class", "worst-group")
    parts = [(f"accuracy/test/{name}", "last") for name in names]
    parts = [("accuracy/test", "best"), ("accuracy/test", "last"), *parts, ("accuracy/train", "last")]
    read_as = [(f"read-as/{factor}", "last") for factor in ("background", "foreground")]
    metrics = [("accuracy/counterfactuals", "last"), *parts, *read_as]
    assert found == [(seed, *metric) for seed in (0, 1) for metric in metrics]
    assert set(select(rows, metric="accuracy/test")["n"]) == {40}
    assert set(select(rows, metric="accuracy/train")["n"]) == {150}
    whole, worst = (select(rows, metric=f"accuracy/test{part}", epoch="last") for part in ("", "/worst-class"))
    assert all(worst["value"] <= whole["value"]) and max(worst["n"]) < 40, "each with its own n"
    about = rows[["unit", "recipe", "data"]].drop_duplicates().to_numpy().tolist()
    assert about == [["percent", "robust", "mnist-5000"]]
    params = json.loads(rows["params"].iloc[0])
    assert len(params.pop("cgn_recipe")) == 8
    assert params == {
        "epochs": 1, "batch": 32, "classifier": 2, "train_images": 80, "generated": 70, "cf_ratio": 1,
        "cgn_images": 128, "cgn_seed": 0, "sample_seed": 0, "features": "none", "test_images": 40,
    }  # fmt: skip


def test_original_data_after_counterfactuals(make: Make, no_training, monkeypatch) -> None:
    train, starts, sizes = module.train_classifier, [], []

    def noted(training: LabelledImages, *others, start=None, **more):
        found = train(training, *others, start=start, **more)
        sizes.append(len(training))
        starts.append((training.name, start and fingerprint(start), fingerprint(found[0])))
        return found

    monkeypatch.setattr(module, "train_classifier", noted)
    rows = needed(order_rows(make(), "wildlife", "robust"))
    (first, nothing, trained), (then, start, _) = starts
    assert (first, nothing, then, start) == ("wildlife/cgn", None, "wildlife/original+cgn", trained)
    assert set(rows["experiment"]) == {"mnist-order"} and set(rows["start"]) == {"cgn"}
    names = {"accuracy/test", "accuracy/indomain", "read-as/foreground", "read-as/background"}
    assert names <= set(rows["metric"])
    starts.clear()
    control = needed(order_rows(make(), "wildlife", "robust", "original+cgn"))
    assert [name for name, *_ in starts] == ["wildlife/original+cgn"] * 2 and starts[1][1] == starts[0][2]
    assert set(control["start"]) == {"original+cgn"} and sizes[2:] == sizes[:2], "as many steps"
    no_training()
    assert len(needed(order_rows(make(reuse_rows=True), "wildlife", "robust"))) == len(rows)


def test_which_factor_is_read_instead() -> None:
    labels = torch.arange(10).repeat(10), torch.arange(10).repeat_interleave(10), torch.zeros(100, dtype=torch.long)
    images = LabelledImages(torch.zeros(100, 3, 32, 32, dtype=torch.uint8), *labels, "wildlife/test", "drawn")
    for factor, read in {"shape": 0, "foreground": 1, "background": 2}.items():
        found = {each.metric: each for each in part_numbers(labels[read], images, "wildlife", "test")}
        read_as = [found[f"read-as/{name}"].value for name in ("foreground", "background")]
        assert read_as == pytest.approx({"shape": [0, 0], "foreground": [100, 10], "background": [10, 100]}[factor])
        assert {found[f"read-as/{name}"].n for name in ("foreground", "background")} == {90}
    assert "read-as/background" not in {each.metric for each in part_numbers(labels[0], images, "colored", "test")}
    assert {each.metric for each in part_numbers(labels[0], images, "wildlife", "indomain")} == {
        "accuracy/indomain/worst-class"
    }


def test_rows_are_reused_for_the_very_same_settings_alone(make: Make, no_training, monkeypatch) -> None:
    accuracy_rows(make(), "mnist-ood", V, "original")
    no_training()
    assert len(needed(accuracy_rows(make(reuse_rows=True), "mnist-ood", V, "original"))) == 3 + 4 + 2
    beside = needed(accuracy_rows(make(reuse_rows=True), "mnist-indomain", V, "original"))  # of the same training
    assert set(beside["metric"]) == {"accuracy/indomain", "accuracy/indomain/worst-class", "accuracy/train"}
    for different in ({"train_images": 64}, {"classifier_epochs": 3}, {"seed": 7}, {"test_images": 30}):
        with pytest.raises(pytest.fail.Exception, match="something was trained"):
            accuracy_rows(make(reuse_rows=True, **different), "mnist-ood", V, "original")
    study = make(reuse_rows=True)
    study.settings.digits = "other-digits"
    with pytest.raises(pytest.fail.Exception, match="something was trained"):
        accuracy_rows(study, "mnist-ood", V, "original")
    monkeypatch.setattr(mnist_settings, "CLASSIFIER_VERSION", 3)
    with pytest.raises(pytest.fail.Exception, match="something was trained"):
        accuracy_rows(make(reuse_rows=True), "mnist-ood", V, "original")


def test_a_control_measured_by_other_readers_is_another_setting(make: Make, monkeypatch) -> None:
    def params(**changes: object) -> dict:
        return dict(needed(make(**changes).settings.control(V)).params)

    before = params()
    assert params(classifier_batch=16) != before != params(classifier_epochs=2)
    monkeypatch.setattr(mnist_settings, "CLASSIFIER_VERSION", 3)
    assert params() != before


def test_rows_that_are_there_take_no_training_and_no_weights(make: Make, no_training) -> None:
    def every_row(study: MnistStudy) -> list:
        parts = [
            accuracy_rows(study, "mnist-indomain", V, "original+cgn"),
            ratio_rows(study, V, 60, 5),
            control_rows(study, V),
            heat_map_rows(study, "cgn"),
            own_colour_rows(study, "cgn"),
            *training_rows(study, V, "robust"),
        ]
        return [sorted(needed(part)[[*KEY, "value", "n"]].astype(str).to_numpy().tolist()) for part in parts]

    computed = every_row(make(training_seeds=2))
    no_training()
    study = make(training_seeds=2, reuse_rows=True)
    study.__dict__.pop("digits")  # not even the digits are read
    for before, after in zip(computed, every_row(study), strict=True):
        assert after == before


def test_cf_ratio_rows(make: Make) -> None:
    study = make()
    in_table = needed(accuracy_rows(study, "mnist-ood", V, "original+cgn"))
    same = needed(ratio_rows(study, V, study.mnist.counterfactuals, study.mnist.cf_ratio))
    one, other = (select(rows, metric="accuracy/test", epoch="last") for rows in (in_table, same))
    assert one[["value", "seconds"]].equals(other[["value", "seconds"]]), "a point that a table has: one training"
    rows = needed(ratio_rows(study, V, 60, 5))
    assert set(rows["metric"]) == {"accuracy/test"}
    assert (set(rows["generated"]), set(rows["cf_ratio"]), set(rows["epochs"])) == ({60}, {5}, {1})
    assert study.settings.ratios(V) == [1, 5, 20]
    assert study.settings.ratios("colored") == [1, 5]  # ten colours


def test_control_rows_and_the_misread_masks_beside_them(make: Make) -> None:
    study = make()
    rows = needed(control_rows(study, "colored"))
    expected = {f"control/{a}/{b}" for a in ("shape", "foreground") for b in ("shape", "foreground")}
    expected |= {"reader/shape", "reader/foreground", "mask/area", "mask/diversity"} | {f"shape/{d}" for d in range(10)}
    assert set(rows["metric"]) == expected | {"training/stopped"}
    assert set(rows.loc[rows["metric"] != "training/stopped", "n"]) == {200}
    assert (set(rows["reader_images"]), set(rows["reader_epochs"])) == ({100}, {2})
    kept, samples = misread(study, "colored"), study.control_samples(needed(study.cgn("colored")))
    control = mnist_experiments.measure_control(samples, study.readers("colored")[0])
    missed = (control.shape_read != samples.images.shape).nonzero()[:10, 0]
    assert kept is not None and kept.shape == (2, 10, 3, 32, 32)
    np.testing.assert_array_equal(kept[1], samples.images.images[missed].numpy())


def test_heat_maps_are_kept_beside_their_rows(make: Make, build_once: None) -> None:
    study = make(seed=5)
    rows = needed(heat_map_rows(study, "original"))
    assert {"maps/empty", "accuracy/themes", "sensitivity/colour", "sensitivity/digit"} <= set(rows["metric"])
    maps = heat_map_tiles(study, "original")
    assert maps is not None and maps.shape == (10, 10, 32, 32)
    assert select(rows, metric="maps/empty")["value"].tolist() == [(maps.max(axis=(2, 3)) <= 0).sum()]
    assert heat_map_tiles(make(seed=6), "original") is None


def test_maps_that_are_all_empty_are_a_result(make: Make, monkeypatch) -> None:
    from cgnlib.mnist.gradcam import HeatMaps

    blank = HeatMaps(torch.zeros(10, 10, 32, 32).numpy(), torch.zeros(10, 10).long().numpy())
    monkeypatch.setattr(mnist_experiments, "heat_maps", lambda classifier, grid, package=False: blank)
    rows = needed(heat_map_rows(make(train_images=70), "original"))
    assert select(rows, metric="maps/empty")["value"].tolist() == [100]
    assert "sensitivity/colour-over-digit" not in set(rows["metric"])


def test_own_colour_rows_test_one_classifier_on_two_palettes(make: Make, monkeypatch) -> None:
    monkeypatch.setattr(mnist_experiments, "painted_colours", lambda parts: torch.tensor(COLORED_PALETTE))
    rows = needed(own_colour_rows(make(seed=8), "cgn"))
    assert len(rows) == 2 * 11
    found = rows.set_index("metric")
    assert found.loc["accuracy/own", "value"] == found.loc["accuracy/palette", "value"]
    by_colour = found.loc[[f"accuracy/own/{k}" for k in range(10)]]
    assert by_colour["n"].sum() == found.loc["accuracy/own", "n"] == 40
    assert (by_colour["n"] * by_colour["value"]).sum() / 40 == pytest.approx(found.loc["accuracy/own", "value"])


# --- Ways of training -------------------------------------------------------------------------------------------------


def test_each_training_has_its_rows_on_development_digits(make: Make) -> None:
    study = make(training_seeds=2)
    rows = joined(needed(part) for part in training_rows(study, V, "published-rates"))
    assert (set(rows["recipe"]), set(rows["seed"])) == ({"published-rates"}, {0, 1})
    dev = select(rows, metric="accuracy/dev", epoch="last", cgn_images=64, generated=70)
    assert dev["n"].tolist() == [len(study.images(V, "dev"))] * 2
    assert select(rows, metric="training/stopped")["value"].tolist() == [0, 0]
    assert len(select(rows, seed=0)) == 9 + 3 + 10 + 2 + 2
    assert len(set(dev["params"])) == 2, "each CGN has a seed of its own"
    assert training_samples(study, V, "published-rates") is None, "kept of the two recipes alone"
    training_rows(study, V, "robust")
    tiles = training_samples(study, V, "robust")
    assert tiles is not None and tiles.shape == (2, 10, 3, 32, 32)


def test_a_cgn_has_the_same_rows_whichever_seeds_a_run_asks_for(make: Make, no_training) -> None:
    both = joined(needed(part) for part in training_rows(make(training_seeds=2), V, "robust"))
    no_training()
    (second,) = training_rows(make(seed=1, reuse_rows=True), V, "robust")
    assert sorted(needed(second)["value"]) == sorted(select(both, seed=1)["value"])


def test_a_training_that_stops_leaves_a_row_which_a_later_success_replaces(make: Make, stopping) -> None:
    study = make(seed=9, training_seeds=2)
    assert [needed(part)["metric"].tolist() for part in training_rows(study, V, "paper")] == [["training/stopped"]] * 2
    assert needed(control_rows(study, V))["metric"].tolist() == ["training/stopped"]
    stopping.undo()
    control_rows(make(seed=9), V)
    kept = select(load("smoke", "mnist-control", published=False), seed=9)
    assert select(kept, metric="training/stopped")["value"].tolist() == [0]
    assert len(select(kept, metric="control/shape/shape")) == 1


def rows_of_a_cgn(study: MnistStudy, recipe: str) -> list:
    """What needs a CGN of double-colored MNIST."""
    return [
        accuracy_rows(study, "mnist-ood", V, "cgn", recipe),
        ratio_rows(study, V, 70, 1, recipe),
        heat_map_rows(study, "cgn", recipe),
        own_colour_rows(study, "cgn", recipe),
    ]


def test_a_cgn_whose_training_stopped_leaves_what_needs_it_untested(make: Make, stopping) -> None:
    study = make(seed=7)
    assert all("recipe robust: the masks collapsed" in str(found) for found in rows_of_a_cgn(study, "robust"))
    assert not isinstance(accuracy_rows(study, "mnist-ood", V, "original"), Blocked)


# --- Seeds, CGNs ------------------------------------------------------------------------------------------------------


def test_seeds_change_what_is_sampled_and_trained_but_no_test_set(make: Make) -> None:
    one, other = make(), make(seed=1)
    cgn, different = needed(one.cgn(V)), needed(other.cgn(V))
    assert one.counterfactuals(cgn).sha256 != other.counterfactuals(cgn).sha256
    assert one.gan_images(V).sha256 != other.gan_images(V).sha256
    assert list(other.settings.classifier_seeds) == [1]
    assert not torch.equal(next(cgn.cgn.parameters()), next(different.cgn.parameters()))
    assert different.setting.params["cgn_seed"] == 1
    assert one.images(V, "test").sha256 == other.images(V, "test").sha256


def test_without_the_authors_weights_rows_say_what_is_missing(make: Make, monkeypatch) -> None:
    monkeypatch.setattr(module, "find_authors_weights", lambda variant, folder: None)
    study = make()
    for found in (study.cgn(V, "authors"), *rows_of_a_cgn(study, "authors")):
        assert re.match("the authors' weights of .*colored are missing.*--fetch authors-.*colored", str(found))
    left_out = accuracy_rows(make(authors=False), "mnist-ood", V, "cgn", "authors")
    assert "not part of scale smoke" in str(left_out)


def test_the_authors_weights_are_a_recipe(make: Make, authors_file) -> None:
    authors_file(V)
    study = make()
    cgn = needed(study.cgn(V, "authors"))
    assert (cgn.setting.recipe, cgn.origin, cgn.artefact) == ("authors", "the authors' weights", None)
    rows = needed(accuracy_rows(study, "mnist-ood", V, "cgn", "authors"))
    assert set(rows["cgn_sha256"]) == {"7aa06c907f09"}
    assert "cgn_seed" not in rows.columns and set(rows["sample_seed"]) == {0}


def test_the_published_file_of_colored_mnist_has_rows_where_somebody_has_it(make: Make, tmp_path: Path) -> None:
    missing = published_file_rows(make(), "original+cgn")
    assert "missing the published file of colored MNIST" in str(missing)
    place(tmp_path)
    rows = needed(published_file_rows(make(data_folder=str(tmp_path), train_images=200), "original+cgn"))
    assert set(rows["data"]) == {"colored-file"} and set(rows["dataset"]) == {"colored"}
    assert dict(zip(rows["metric"], rows["n"], strict=True)) == {"accuracy/file": 20} | {
        f"colour-distance/{label}": 4 for label in range(10)
    }
    distances = select(rows, unit="levels")["value"].tolist()
    assert min(distances) > 0 and max(distances) < 60  # eight images a class, noise of deviation 36


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch) -> Path:
    """Weights and record that the project ships for colored MNIST."""
    monkeypatch.setattr(mnist_settings, "project_root", lambda: tmp_path)
    path = tmp_path / "weights" / "mnist" / "colored-robust.safetensors"
    save_weights(CGN(), path)
    config = {"recipe": {"images": 9000}, "seed": 4, "features": "efficientnet-lite0"}
    path.with_suffix(".json").write_text(
        json.dumps({"config": config, "weights_sha256": file_sha256(path), "seconds": 3.0, "digits": 59_000})
    )
    return path


def test_quick_uses_the_shipped_cgn_but_for_the_live_variant(make: Make, shipped: Path, no_training) -> None:
    assert shipped_cgn("colored", "robust") == shipped
    assert shipped_cgn(V, "robust") is None
    no_training()
    cgn = needed(make(profile="quick").cgn("colored"))
    params = cgn.setting.params
    assert (params["shipped"], params["cgn_images"], params["cgn_seed"]) == (True, 9000, 4)
    assert "shipped with the project, recipe robust, 9,000 images of its recipe's 200,000, seed 4" in cgn.origin
    for other in (make(profile="quick", live_variant="colored"), make(profile="paper")):
        with pytest.raises(pytest.fail.Exception, match="something was trained"):
            _ = needed(other.cgn("colored")).cgn


def test_pages_say_how_many_real_digits_are_behind_each_kind_of_data(make: Make, shipped: Path) -> None:
    quick = make(profile="quick", train_images=7500).settings
    assert quick.digits_seen("colored") == (4000, 59_000), "all there are, and what the record says"
    assert quick.digits_seen(V) == (4000, 4000), "its CGN is trained here, on the same images"
    assert make(profile="paper", train_images=128).settings.digits_seen("colored") == (128, 128)
    assert make().settings.digits_seen("colored", "authors")[1] == 60_000
    assert isinstance(make(authors=False).settings.digits_seen("colored", "authors")[1], Blocked)
    for variant in ("colored", V):
        assert len(make_variant(variant, "train", make().digits)) == quick.digits_seen(variant)[0]


def test_what_is_shipped_was_trained_with_todays_recipes() -> None:
    found = sorted((project_root() / "weights" / "mnist").glob("*-robust.json"))
    assert found
    for file in found:
        recipe = recipe_for("robust", file.stem.removesuffix("-robust"))
        config = json.loads(file.read_text())["config"]
        assert config["recipe"] == json.loads(json.dumps(recipe_fields(recipe))), file
        assert config["version"] == CGN_VERSION, file


@pytest.mark.parametrize("damage", ["missing record", "no json", "changed weights"])
def test_shipped_weights_that_cannot_be_used_are_named(make: Make, shipped: Path, damage: str) -> None:
    if damage == "missing record":
        shipped.with_suffix(".json").unlink()
    elif damage == "no json":
        shipped.with_suffix(".json").write_text("{")
    else:
        save_weights(CGN(), shipped)
    with pytest.raises(AssetError, match="colored-robust.json, the record of shipped weights, cannot be used"):
        make(profile="quick").cgn("colored")
