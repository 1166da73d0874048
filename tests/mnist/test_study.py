"""The protocol: training sets, rows, reuse, seeds, and what is missing."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from cgnlib import results
from cgnlib.fetching import AssetError
from cgnlib.mnist import study as module
from cgnlib.mnist import training
from cgnlib.mnist.cgn import CGN
from cgnlib.mnist.study import CGN_METHODS, METHOD_PARTS, Study, parts_of, shipped_cgn
from cgnlib.mnist.variants import COLORED_PALETTE
from cgnlib.training import TrainingStopped, save_weights
from cgnlib.verdicts import FACTORS

V = "double-colored"
Make = Callable[..., Study]


def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("train_cgn", "train_gan", "train_classifier"):
        monkeypatch.setattr(module, name, lambda *arguments, **options: pytest.fail("something was trained"))


# --- training sets --------------------------------------------------------------------------------------------------


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
    study = make()
    images = study.training_set(V, method, study.cgn(V) if method in CGN_METHODS else None)
    assert len(images) == size
    assert images.source.split(" + ") == sources
    assert images.name == f"{V}/{method}"
    tied = bool((images.shape == images.foreground).all() and (images.shape == images.background).all())
    assert tied == (method not in ("cgn", "original+cgn", "oracle"))


def test_methods_are_those_of_the_results() -> None:
    assert set(METHOD_PARTS) == set(results.METHODS)
    assert set(CGN_METHODS) == {"cgn-tied", "original+cgn-tied", "cgn", "original+cgn"}
    with pytest.raises(ValueError, match=r"unknown method 'orginal\+cgn'; did you mean 'original\+cgn'\?"):
        parts_of("orginal+cgn")


def test_a_method_with_a_cgn_needs_one(make: Make) -> None:
    with pytest.raises(ValueError, match="method cgn needs a CGN"):
        make().training_set(V, "cgn")


def test_unknown_names_are_refused_before_anything_is_trained(make: Make, monkeypatch) -> None:
    no_training(monkeypatch)
    with pytest.raises(ValueError, match="unknown method 'gam'"):
        make().accuracy_rows("mnist-ood", V, "gam")
    with pytest.raises(ValueError, match="unknown experiment 'mnist-odd'"):
        make().accuracy_rows("mnist-odd", V, "gan")
    with pytest.raises(ValueError, match="unknown variant"):
        make().cgn("coloured")


# --- rows -----------------------------------------------------------------------------------------------------------


def test_accuracy_rows(make: Make) -> None:
    rows = make(classifier_seeds=2).accuracy_rows("mnist-ood", V, "original+cgn")
    assert rows is not None
    assert list(rows.columns) == list(results.COLUMNS)
    metrics = ["accuracy/test/best", "accuracy/test/last", "accuracy/train/last"]
    assert sorted(zip(rows["seed"], rows["metric"], strict=True)) == [(s, m) for s in (0, 1) for m in metrics]
    assert set(rows["n"][rows["metric"] != "accuracy/train/last"]) == {40}
    assert set(rows["n"][rows["metric"] == "accuracy/train/last"]) == {150}
    assert set(rows["unit"]) == {"percent"}
    assert set(rows["recipe"]) == {"robust"}
    assert set(rows["data"]) == {"mnist-5000"}
    params = json.loads(rows["params"].iloc[0])
    assert len(params.pop("cgn_recipe")) == 8
    assert params == {
        "epochs": 1,
        "batch": 32,
        "train_images": 80,
        "generated": 70,
        "cf_ratio": 1,
        "cgn_images": 128,
        "cgn_seed": 0,
        "sample_seed": 0,
        "features": "none",
        "test_images": 40,
    }


def test_in_domain_rows_need_no_second_training(make: Make, monkeypatch) -> None:
    make().accuracy_rows("mnist-ood", V, "original")
    monkeypatch.setattr("cgnlib.mnist.classifier.run", lambda *a, **o: pytest.fail("trained again"))
    rows = make().accuracy_rows("mnist-indomain", V, "original")
    assert rows is not None
    assert set(rows["metric"]) == {"accuracy/indomain/last", "accuracy/indomain/best", "accuracy/train/last"}
    assert set(rows["recipe"]) == {"-"}


def test_the_same_rows_replace_each_other_and_others_stay(make: Make) -> None:
    first = make().accuracy_rows("mnist-ood", V, "original")
    other = make(train_images=75).accuracy_rows("mnist-ood", V, "original")
    again = make().accuracy_rows("mnist-ood", V, "original")
    assert first is not None
    assert other is not None
    assert again is not None
    assert first[list(results.KEY)].equals(again[list(results.KEY)])
    assert first["value"].equals(again["value"])
    kept = results.select(results.load("smoke", "mnist-ood"), dataset=V, method="original")
    assert set(first["params"]) | set(other["params"]) <= set(kept["params"])
    assert not kept.duplicated(list(results.KEY)).any()


def test_rows_can_be_reused_instead_of_trained(make: Make, monkeypatch) -> None:
    first = make().accuracy_rows("mnist-ood", V, "original")
    no_training(monkeypatch)
    reused = make(reuse_rows=True).accuracy_rows("mnist-ood", V, "original")
    assert first is not None
    assert reused is not None
    assert reused["value"].tolist() == first["value"].tolist()
    for different in ({"train_images": 64}, {"classifier_epochs": 3}, {"seed": 7}, {"test_images": 30}):
        with pytest.raises(pytest.fail.Exception, match="something was trained"):
            make(reuse_rows=True, **different).accuracy_rows("mnist-ood", V, "original")


def test_the_data_is_part_of_what_rows_are(make: Make) -> None:
    """Rows of other digits under the same parameters are neither returned nor replaced."""
    ours = make().accuracy_rows("mnist-ood", V, "original")
    study = make()
    study.digits = replace(study.digits, source="other-digits")
    theirs = study.accuracy_rows("mnist-ood", V, "original")
    assert ours is not None
    assert theirs is not None
    assert set(theirs["data"]) == {"other-digits"}
    assert len(theirs) == len(ours) == 3


def test_a_point_of_the_ratio_figure_that_a_table_has_is_not_trained_again(make: Make) -> None:
    study = make()
    in_table = study.accuracy_rows("mnist-ood", V, "original+cgn")
    found = study.ratio_rows(V, study.parameters.counterfactuals, study.parameters.cf_ratio)
    assert in_table is not None and found is not None
    one, other = (results.select(rows, metric="accuracy/test/last") for rows in (in_table, found))
    assert list(one["value"]) == list(other["value"])
    assert list(one["seconds"]) == list(other["seconds"]), "the same training"


def test_cf_ratio_rows(make: Make) -> None:
    study = make()
    rows = study.ratio_rows(V, 60, 5)
    assert rows is not None
    assert set(rows["metric"]) == {"accuracy/test/last", "accuracy/test/best"}
    params = json.loads(rows["params"].iloc[0])
    assert (params["generated"], params["cf_ratio"], params["epochs"]) == (60, 5, 1)
    assert study.ratios(V) == [1, 5, 20]
    assert study.ratios("colored") == [1, 5]  # ten colours


def test_control_rows(make: Make) -> None:
    study = make()
    cgn = study.cgn("colored")
    assert cgn is not None
    control, rows = study.control(cgn)
    assert control is not None
    assert set(control.matrix) == {"shape", "foreground"} == set(FACTORS["colored"])
    expected = {f"control/{a}/{b}" for a in control.matrix for b in control.matrix}
    expected |= {"oracle/shape", "oracle/foreground", "mask/area", "mask/diversity"} | {f"shape/{d}" for d in range(10)}
    assert set(rows["metric"]) == expected | {"training/stopped"}
    assert set(rows.loc[rows["metric"].isin(list(expected)), "n"]) == {200}
    params = json.loads(rows["params"].iloc[0])
    assert (params["oracle_images"], params["oracle_epochs"]) == (100, 2)

    # The misread masks, by rule the first ten, are kept for the page.
    kept, samples = study.misread(cgn, rows), study.control_samples(cgn)
    missed = (control.shape_read != samples.images.shape).nonzero()[:10, 0]
    assert kept is not None
    assert kept.shape == (2, 10, 3, 32, 32)
    np.testing.assert_array_equal(kept[1], samples.images.images[missed].numpy())


def test_heat_map_rows(make: Make) -> None:
    found = make().heat_maps("original")
    assert found is not None
    maps, rows = found
    assert maps is not None
    assert maps.shape == (10, 10, 32, 32)
    assert {"maps/empty", "accuracy/themes", "sensitivity/colour", "sensitivity/digit"} <= set(rows["metric"])
    assert dict(zip(rows["metric"], rows["value"], strict=True))["maps/empty"] == (maps.max(axis=(2, 3)) <= 0).sum()


def test_heat_maps_are_kept_beside_their_rows(make: Make, monkeypatch) -> None:
    computed = make(seed=5).heat_maps("original")
    no_training(monkeypatch)
    again = make(seed=5, reuse_rows=True).heat_maps("original")
    assert computed is not None and again is not None
    assert computed[0] is not None and again[0] is not None
    assert np.abs(computed[0] - again[0]).max() <= 0.5 / 255 + 1e-6
    (file,) = results.results_file("smoke", "mnist-gradcam").parent.glob("mnist-gradcam-original-5-*.png")
    file.write_bytes(file.read_bytes()[:50])
    broken = make(seed=5, reuse_rows=True).heat_maps("original")
    assert broken is not None and broken[0] is None


def test_maps_that_are_all_empty_are_a_result(make: Make, monkeypatch) -> None:
    from cgnlib.mnist.gradcam import HeatMaps

    blank = HeatMaps(torch.zeros(10, 10, 32, 32).numpy(), torch.zeros(10, 10).long().numpy())
    monkeypatch.setattr(module, "heat_maps", lambda classifier, grid: blank)
    found = make(train_images=70).heat_maps("original")
    assert found is not None
    assert dict(zip(found[1]["metric"], found[1]["value"], strict=True))["maps/empty"] == 100
    assert "sensitivity/colour-over-digit" not in set(found[1]["metric"])


# --- seeds, limits, CGNs --------------------------------------------------------------------------------------------


def test_seeds_change_what_is_sampled_and_trained_but_no_test_set(make: Make) -> None:
    one, other = make(), make(seed=1)
    cgn = one.cgn(V)
    assert cgn is not None
    assert one.counterfactuals(cgn).sha256 != other.counterfactuals(cgn).sha256
    assert one.gan_images(V).sha256 != other.gan_images(V).sha256
    assert list(other.classifier_seeds) == [1]
    different = other.cgn(V)
    assert different is not None
    assert not torch.equal(next(cgn.cgn.parameters()), next(different.cgn.parameters()))
    assert different.params["cgn_seed"] == 1
    assert one.images(V, "test").sha256 == other.images(V, "test").sha256


def test_limits(make: Make) -> None:
    study = make()
    sizes = {split: len(study.images(V, split)) for split in ("train", "test", "test-indomain", "free-train")}
    assert sizes == {"train": 80, "test": 40, "test-indomain": 40, "free-train": 100}
    assert len(make(train_images=None, test_images=None).images("colored", "test")) == 1000


def test_a_cgn_whose_training_stopped_leaves_what_needs_it_untested(make: Make, monkeypatch, capsys) -> None:
    def stop(*_: object, **__: object) -> None:
        raise TrainingStopped("the masks collapsed")

    monkeypatch.setattr(module, "train_cgn", stop)
    study = make(seed=7)
    found = [
        study.accuracy_rows("mnist-ood", V, "cgn"),
        study.ratio_rows(V, 70, 1),
        study.own_colour_rows("cgn"),
        study.heat_maps("cgn"),
    ]
    assert found == [None] * 4
    said = capsys.readouterr().out
    assert said.count(f"{V}, recipe robust: not tested, the masks collapsed") == 3
    assert "colored, recipe robust: not tested" in said
    assert study.accuracy_rows("mnist-ood", V, "original") is not None


def test_sampling_by_parameters(make: Make) -> None:
    study = make(cf_ratio=5)
    cgn = study.cgn(V)
    assert cgn is not None
    images = study.counterfactuals(cgn)
    assert len(images) == 70
    assert torch.equal(images.shape[:14].repeat(5), images.shape)
    assert len(study.counterfactuals(cgn, n=11, ratio=2)) == 11
    assert study.counterfactuals(cgn, tied=True).name == "cgn-robust/tied"


def test_own_colour_rows_test_one_classifier_on_two_palettes(make: Make, monkeypatch) -> None:
    monkeypatch.setattr(Study, "own_colours", lambda self, cgn: torch.tensor(COLORED_PALETTE))
    rows = make().own_colour_rows("cgn")
    assert rows is not None
    assert len(rows) == 2 * 11
    found = rows.set_index("metric")
    assert found.loc["accuracy/own", "value"] == found.loc["accuracy/palette", "value"]
    by_colour = found.loc[[f"accuracy/own/{k}" for k in range(10)]]
    assert by_colour["n"].sum() == found.loc["accuracy/own", "n"] == 40
    assert (by_colour["n"] * by_colour["value"]).sum() / 40 == pytest.approx(found.loc["accuracy/own", "value"])
    monkeypatch.setattr(module, "train_classifier", lambda *arguments, **options: pytest.fail("trained again"))
    again = make(reuse_rows=True).own_colour_rows("cgn")
    assert again is not None
    pd.testing.assert_frame_equal(again, rows)
    with pytest.raises(pytest.fail.Exception, match="trained again"):
        make(reuse_rows=True, classifier_seeds=2).own_colour_rows("cgn")


def test_rows_that_are_there_take_no_training(make: Make, monkeypatch) -> None:
    def rows_of(study: Study) -> list[pd.DataFrame | None]:
        cgn = study.cgn(V)
        assert cgn is not None
        seen = study.heat_maps("cgn")
        assert seen is not None
        return [
            study.accuracy_rows("mnist-indomain", V, "original+cgn"),
            study.ratio_rows(V, 60, 1),
            study.control(cgn)[1],
            seen[1],
        ]

    computed = rows_of(make())
    no_training(monkeypatch)
    monkeypatch.setattr(module, "train_oracles", lambda *arguments, **options: pytest.fail("something was trained"))
    for before, after in zip(computed, rows_of(make(reuse_rows=True)), strict=True):
        assert before is not None
        assert after is not None
        pd.testing.assert_frame_equal(after, before)
    cgn = make(reuse_rows=True).cgn(V)
    assert cgn is not None
    assert make(reuse_rows=True).control(cgn)[0] is None


def test_both_tables_come_from_one_training(make: Make, monkeypatch) -> None:
    make(seed=6).accuracy_rows("mnist-ood", V, "original")
    no_training(monkeypatch)
    rows = make(seed=6, reuse_rows=True).accuracy_rows("mnist-indomain", V, "original")
    assert rows is not None
    assert set(rows["metric"]) == {"accuracy/indomain/last", "accuracy/indomain/best", "accuracy/train/last"}


def test_rows_of_another_version_of_the_classifier_are_not_reused(make: Make, monkeypatch) -> None:
    make().accuracy_rows("mnist-ood", V, "original")
    no_training(monkeypatch)
    monkeypatch.setattr(module, "METHOD_VERSION", 3)
    with pytest.raises(pytest.fail.Exception, match="something was trained"):
        make(reuse_rows=True).accuracy_rows("mnist-ood", V, "original")


def test_a_control_measured_by_other_oracles_is_not_reused(make: Make, monkeypatch) -> None:
    study = make()
    assert study.control_params != make(classifier_batch=16).control_params
    assert study.control_params != make(classifier_epochs=study.parameters.classifier_epochs + 1).control_params
    before = study.control_params
    monkeypatch.setattr(module, "METHOD_VERSION", 3)
    assert study.control_params != before


def test_without_the_authors_weights_there_are_no_rows(make: Make, monkeypatch) -> None:
    monkeypatch.setattr(module, "find_authors_weights", lambda variant, folder: None)
    study = make()
    assert study.cgn(V, "authors") is None
    assert study.accuracy_rows("mnist-ood", V, "cgn", recipe="authors") is None
    assert study.ratio_rows(V, 60, 1, recipe="authors") is None
    assert study.heat_maps("cgn", recipe="authors") is None
    assert study.own_colour_rows("original+cgn", "authors") is None
    assert "weights are missing" in study.why_no_authors


def test_parameters_can_leave_the_authors_weights_out(make: Make) -> None:
    study = make(authors=False)
    assert study.cgn(V, "authors") is None
    assert "not part of scale smoke" in study.why_no_authors


def test_the_authors_weights_are_a_recipe(make: Make, authors_file) -> None:
    authors_file(V)
    study = make()
    cgn = study.cgn(V, "authors")
    assert cgn is not None
    assert (cgn.recipe, cgn.origin, cgn.artefact) == ("authors", "the authors' weights", None)
    rows = study.accuracy_rows("mnist-ood", V, "cgn", recipe="authors")
    assert rows is not None
    params = json.loads(rows["params"].iloc[0])
    assert params["cgn_sha256"] == "7aa06c907f09"
    assert (params["sample_seed"], params.get("cgn_seed")) == (0, None)


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch) -> Path:
    """Weights and record that the project ships for colored MNIST."""
    monkeypatch.setattr(module, "project_root", lambda: tmp_path)
    path = tmp_path / "weights" / "mnist" / "colored-robust.safetensors"
    save_weights(CGN(), path)
    config = {"recipe": {"images": 9000}, "seed": 4, "features": "efficientnet-lite0"}
    path.with_suffix(".json").write_text(
        json.dumps({"config": config, "weights_sha256": module.file_sha256(path), "seconds": 3.0})
    )
    return path


def test_quick_uses_the_shipped_cgn_but_for_the_live_variant(make: Make, shipped: Path, monkeypatch) -> None:
    assert shipped_cgn("colored", "robust") == shipped
    assert shipped_cgn(V, "robust") is None
    no_training(monkeypatch)
    cgn = make(profile="quick").cgn("colored")
    assert cgn is not None
    assert cgn.params["shipped"] is True
    assert (cgn.params["cgn_images"], cgn.params["cgn_seed"]) == (9000, 4)
    assert "shipped with the project, recipe robust, 9,000 images of its recipe's 200,000, seed 4" in cgn.origin
    for other in (make(profile="quick", live_variant="colored"), make(profile="paper")):
        cgn = other.cgn("colored")
        assert cgn is not None
        with pytest.raises(pytest.fail.Exception, match="something was trained"):
            _ = cgn.cgn


def test_the_shipped_cgn_stands_for_a_training_with_its_settings(make: Make, shipped: Path, monkeypatch) -> None:
    study = make(profile="paper", seed=7)
    settings = replace(module.recipe_for("robust", "colored"), images=make().parameters.cgn_images)
    artefact = module.cgn_artefact(study.images("colored", "train"), settings, None, 7)
    record = json.loads(shipped.with_suffix(".json").read_text()) | {"config": artefact.config}
    shipped.with_suffix(".json").write_text(json.dumps(record))
    no_training(monkeypatch)
    cgn = study.cgn("colored")
    assert cgn is not None
    assert "shipped" not in cgn.params  # the same rows as where it was trained
    assert torch.equal(next(cgn.cgn.parameters()), next(module.load_weights(shipped).parameters()))
    assert "shipped with the project, recipe robust, 128 images of" in cgn.origin
    assert cgn.seconds == 3.0  # by the record


def test_what_is_shipped_was_trained_with_todays_recipes() -> None:
    found = sorted((module.project_root() / "weights" / "mnist").glob("*-robust.json"))
    assert found
    for file in found:
        recipe = module.recipe_for("robust", file.stem.removesuffix("-robust"))
        config = json.loads(file.read_text())["config"]
        assert config["recipe"] == json.loads(json.dumps(asdict(recipe))), file
        assert config["version"] == training.METHOD_VERSION, file


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
