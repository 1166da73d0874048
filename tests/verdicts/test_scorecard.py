"""The scorecard lists every table and figure; its verdicts, numbers and cost come from the rows at hand."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from cgnlib.errors import Blocked
from cgnlib.imagenet.recipes import TOY_CGN
from cgnlib.mnist.recipes import recipe_for
from cgnreport.build.places import notebook_names
from cgnreport.protocol import imagenet_settings
from cgnreport.protocol.mnist_settings import MnistSettings
from cgnreport.protocol.parameters import Parameters
from cgnreport.protocol.rows import Number, Setting, select
from cgnreport.protocol.store import keep, load
from cgnreport.protocol.toy_settings import ToySettings
from cgnreport.verdicts.chosen import Chosen, rows_for
from cgnreport.verdicts.claims import CLAIMS
from cgnreport.verdicts.cost import cost, cost_line, duration, uncounted
from cgnreport.verdicts.matrix import matrix
from cgnreport.verdicts.numbers import ratio_sentence, repeats
from cgnreport.verdicts.scorecard import ITEMS, WORDS, Line, claim_records, claim_verdicts, scorecard
from cgnreport.verdicts.worlds import WORLDS, world_of
from tests.verdicts.conftest import UNITS, control

PARAMETERS = Parameters.of(
    {
        "variants": ["wildlife"], "live_variant": "wildlife", "cgn_images": recipe_for("robust", "wildlife").images,
        "ratio_variants": ["wildlife"], "ratio_values": [1, 5, 10], "imagenet_grid": True,
    }
)  # fmt: skip
pytestmark = pytest.mark.usefixtures("build")
MNIST, TOY = MnistSettings(PARAMETERS), ToySettings(PARAMETERS)


def keep_rows(setting: Setting | Blocked, values: Mapping[str, float], seed: int = 0, **about: Any) -> None:
    """Rows of a setting, of trainings of 60 s."""
    assert isinstance(setting, Setting)
    about = {"n": 1000} | about
    units = {metric: UNITS.get(metric.split("/")[0], "percent") for metric in values}
    numbers = [Number(metric, value, unit=units[metric], **about) for metric, value in values.items()]
    keep([setting.row(number, seed, seconds=60.0) for number in numbers])


def keep_accuracies(original: float, ours: float, experiment: str = "mnist-ood", seed: int = 0) -> None:
    values = {"original": original, "original+cgn": ours, "oracle": 95.0}
    for method, value in values.items():
        setting = MNIST.accuracy(experiment, "wildlife", method)
        keep_rows(setting, {"accuracy/test": value}, seed, n=5000, epoch="last")


def lines() -> dict[str, Line]:
    return {line.item.name: line for line in scorecard(PARAMETERS)}


def test_every_table_and_figure_is_listed_once() -> None:
    names = [item.name for item in ITEMS if item.name != "Table 4, baseline"]
    assert names == [f"Table {i}" for i in range(1, 8)] + [f"Figure {i}" for i in range(1, 13)]
    assert {item.notebook for item in ITEMS} <= set(notebook_names())
    assert {claim for item in ITEMS for claim in item.claims} == set(CLAIMS)
    assert {item.words for item in ITEMS} <= {"", *WORDS}
    assert {item.world for item in ITEMS} <= set(WORLDS)
    assert {item.needs for item in ITEMS} <= {"", *imagenet_settings.NEEDED}


def test_without_rows_items_name_the_notebook_that_makes_them() -> None:
    found = lines()
    assert {line.status for name, line in found.items() if name != "Table 4, baseline"} == {"not tested"}
    assert found["Table 5"].ours == "no rows at this scale: run 08-claim2-imagenet"
    assert found["Figure 1"].ours == "a drawing; its parts are shown"
    baseline = found["Table 4, baseline"]
    assert (baseline.status, baseline.world.name, baseline.scale) == ("holds", "ImageNet", "paper")
    assert baseline.missing is None
    assert found["Table 7"].missing is not None


def test_verdicts_follow_from_rows_of_these_parameters() -> None:
    for seed in (0, 1):
        keep_accuracies(10.0, 85.0, seed=seed)
    other = MnistSettings(PARAMETERS.with_changes(classifier_epochs=9))  # another scale
    keep_rows(other.accuracy("mnist-ood", "wildlife", "original+cgn"), {"accuracy/test": 11.0}, epoch="last")
    found = lines()
    assert (found["Table 2"].status, found["Table 2"].seeds, found["Table 2"].seconds) == ("holds", 2, 360)
    assert found["Table 6"].status == "not tested"
    assert claim_verdicts(PARAMETERS)["claim2-mnist"].status == "holds"
    assert claim_verdicts(PARAMETERS, own=False)["claim2-mnist"].status == "not tested"


def test_items_on_imagenet_are_judged_in_the_toy_world_and_say_what_is_missing() -> None:
    biases = {"original": {"avg": 30.0}, "original+oracle": {"shape": 95.0, "texture": 5.0}}
    for method, outputs in (biases | {"original+cgn": {"shape": 80.0, "texture": 10.0}}).items():
        keep_rows(TOY.classifier("imagenet-indomain", method), {"accuracy/top1": 97.0}, output="avg", epoch="last")
        for output, value in outputs.items():
            setting = TOY.classifier("imagenet-shape-bias", method)
            keep_rows(setting, {"shape-bias": value, "decided": 60.0}, output=output, epoch="last")
    for method, value in (("cgn", 40.0), ("real", 12.0)):
        keep_rows(TOY.images("imagenet-control", method), {"entangled/foreground": value})
    found = lines()
    table_4 = found["Table 4"]
    # 1,000 images leave the margin of accuracy undecided; the cost has three classifiers and their CGN.
    assert (table_4.status, table_4.seconds, table_4.world.name) == ("partly", 240, "toy world")
    assert table_4.ours.startswith("shape bias, least distance of a head from 'original': 20.0 [")
    assert "; change of in-domain accuracy: 0.0 [" in table_4.ours
    assert "29.1" in table_4.published and "toy" not in table_4.published
    assert table_4.missing is not None and table_4.missing.reason.startswith("missing ")
    assert found["Figure 10"].badge == "failure found"
    assert found["Figure 11"].status == "not tested"


def test_photographs_are_judged_whatever_the_scale_of_the_toy_world() -> None:
    for method, change in (("original", 0.0), ("original+cgn", -4.0)):
        setting = imagenet_settings.classifier(PARAMETERS, "imagenet-background", method)
        about = {"n": 4050, "epoch": "last", "output": "avg" if method == "original" else "shape_texture"}
        values = {"bg-gap": 8.0 + change} | ({"bg-gap/change": change} if change else {})
        for metric, value in values.items():
            keep_rows(setting, {metric: value}, low=value - 1, high=value + 1, **about)
        keep_rows(setting, {"accuracy/mixed-rand": 80.0}, **about)
    line = lines()["Table 5"]
    assert (line.status, line.replication, line.world.name) == ("holds", "replicated", "ImageNet")
    assert line.missing is None


def keep_every_world() -> None:
    """Rows of claims 1 to 3 in every world, each number 10 times as large as a world before would have it."""
    keep_accuracies(10.0, 85.0)
    keep_accuracies(99.0, 98.9, "mnist-indomain")
    worlds = {"toy": (TOY.classifier, -60.0), "imagenet-9": (imagenet_settings.classifier, -4.0)}
    for world, (make, change) in worlds.items():
        for method in ("original", "original+cgn", "original+oracle"):
            if world != "toy" and method == "original+oracle":
                continue
            given = ("imagenet-background", method)
            setting = make(*given) if world == "toy" else imagenet_settings.classifier(PARAMETERS, *given)
            about = {"n": 4050, "epoch": "last", "output": "avg" if method == "original" else "shape_texture"}
            moved = 0.0 if method == "original" else change
            values = {"bg-gap": 70.0 + moved} | ({"bg-gap/change": moved} if moved else {})
            for metric, value in values.items():
                keep_rows(setting, {metric: value}, low=value - 1, high=value + 1, **about)
            keep_rows(setting, {"accuracy/mixed-rand": 80.0}, **about)
    scores = {"toy": (9.0, 9.5), "imagenet": (130.0, 200.0)}
    for world, pair in scores.items():
        for method, score in zip(("cgn", "biggan"), pair, strict=True):
            setting = TOY.images("imagenet-is", method)
            if world == "imagenet":
                setting = imagenet_settings.table_3(PARAMETERS, method, "authors")
            more = {"mask/mean": 0.3} if method == "cgn" else {}
            keep_rows(setting, {"inception-score": score} | more)


def test_no_number_stands_under_the_name_of_another_world() -> None:
    keep_every_world()
    worlds = [
        (line.world.name, line.ours, line.seconds) for line in scorecard(PARAMETERS) if line.item.name == "Table 5"
    ]
    assert [name for name, *_ in worlds] == ["toy world", "ImageNet"]
    assert "−60.0" in worlds[0][1] and "−4.0" not in worlds[0][1]
    assert "−4.0" in worlds[1][1] and "−60.0" not in worlds[1][1]
    table_3 = {line.world.name: line.ours for line in scorecard(PARAMETERS) if line.item.name == "Table 3"}
    assert "IS 9.0" in table_3["toy world"] and "130" not in table_3["toy world"]
    assert "IS 130.0" in table_3["ImageNet"] and "9.0" not in table_3["ImageNet"].replace("130.0", "")
    found = claim_records(PARAMETERS)
    assert all(each["world"] == world_of(each["variant"]).key for each in found)
    cells = {(cell.claim, cell.world.key, cell.method): cell for line in matrix(found) for cell in line}
    assert cells["claim2-imagenet", "toy", "robust"].number.startswith("−60.0 points")
    assert cells["claim2-imagenet", "imagenet", "authors"].number.startswith("−4.0 points")
    assert cells["claim2-imagenet", "imagenet", "authors"].replication == "replicated"
    assert cells["claim2-imagenet", "toy", "robust"].replication == "not tested", "the study has no such world"
    assert cells["claim1-imagenet", "imagenet", "authors"].number == "65.0 % of BigGAN's Inception Score, needs 62.2"
    assert cells["claim2-mnist", "mnist", "robust"].number.startswith("75.0 points")
    others = [cell for cell in cells.values() if cell.world.whose and cell.method != cell.world.whose]
    assert {cell.status for cell in others} == {"not tested"}, "no badge stands for another method than its column's"


def test_rows_of_other_networks_and_settings_are_not_chosen() -> None:
    setting = TOY.images("imagenet-is", "biggan")
    keep_rows(setting, {"inception-score": 2.0}, seed=7)
    for change in ({"teacher": "f" * 12}, {"parts": "f" * 12}):
        keep_rows(replace(setting, params=dict(setting.params) | change), {"inception-score": 1.0})
    assert rows_for(PARAMETERS, "imagenet-is")["value"].tolist() == [2.0], "with any random seed"
    for normalisation in ("lite", "imagenet"):
        keep_rows(imagenet_settings.stimuli(PARAMETERS, normalisation, False), {"shape-bias": 20.0})
    assert len(rows_for(PARAMETERS, "imagenet-shape-bias")) == 2
    with pytest.raises(ValueError, match="did you mean 'imagenet-is'"):
        Chosen(PARAMETERS).rows("imagenet-si")


@pytest.mark.parametrize(("images", "number"), [(None, "failed: mask area"), (200_000, "200,000 of 750,000 images")])
def test_the_papers_recipe_is_judged_at_the_length_that_it_asks_for(images: int | None, number: str) -> None:
    parameters = PARAMETERS.with_changes(cgn_images=images)
    for seed in range(5):
        setting = MnistSettings(parameters.with_changes(seed=seed)).control("wildlife", "paper")
        for line in control("wildlife", area=0.9, seed=seed):
            keep_rows(setting, {line["metric"]: line["value"]}, seed)
    (cell,) = (cell for line in matrix(claim_records(parameters)) for cell in line if cell.method == "paper"
               and cell.claim == "claim1-mnist")  # fmt: skip
    assert number in cell.number
    judged = ("does not hold", "replicated") if images is None else ("not tested", "not tested")
    assert (cell.status, cell.replication) == judged


# --- Numbers without a verdict ----------------------------------------------------------------------------------------


def test_table_3_has_words_of_its_own() -> None:
    keep_rows(TOY.images("imagenet-is", "biggan"), {"inception-score": 9.0})
    keep_rows(TOY.images("imagenet-is", "cgn"), {"inception-score": 8.0, "mask/mean": 0.2})
    line = lines()["Table 3"]
    assert line.ours == "IS 8.0, teacher's 9.0, mean mask 0.20"
    assert "SG21: IS 130.2, teacher's 202.9, mean mask 0.30" in line.published
    assert "RS22: IS 115.5, teacher's 195.9, mean mask 0.29" in line.published


def test_the_grid_of_table_7_is_shown_without_a_verdict() -> None:
    for rate, gap in ((1e-3, 4.0), (1e-4, 9.5)):
        setting, _ = TOY.grid(rate, 2.0)
        keep_rows(setting, {"bg-gap": gap}, output="shape_texture", epoch="last")
        keep_rows(setting, {"bg-gap": 50.0}, output="avg", epoch="last")
    line = lines()["Table 7"]
    assert (line.status, line.ours) == ("not tested", "BG-gap 4.0 to 9.5 points over 2 settings")
    assert line.published == "RS22, ImageNet-9: BG-gap 7.5 to 10.0 points over 9 settings"


def test_ratios_stand_beside_the_published_ranges_and_their_repeats() -> None:
    parameters = PARAMETERS.with_changes(ratio_sizes=[10_000], counterfactuals=10_000)
    settings = MnistSettings(parameters)
    for ratio, value in ((1, 50.0), (5, 51.0), (10, 20.0)):
        keep_rows(settings.ratio("wildlife", 10_000, ratio), {"accuracy/test": value}, epoch="last")
    line = next(line for line in scorecard(parameters) if line.item.name == "Figure 5")
    assert line.status == "not tested"
    assert "wildlife, 10,000: 47.9 to 52.6 %" in line.published and "20.0 to 51.0" in line.ours
    rows = load("quick", "mnist-cf-ratio")
    assert repeats(rows).empty
    keep_rows(settings.accuracy("mnist-ood", "wildlife", "original+cgn"), {"accuracy/test": 48.5}, epoch="last")
    assert repeats(rows).empty  # as many seconds: one training, kept twice
    found = repeats(rows.assign(seconds=31.0))
    assert found[["value", "claim2", "difference"]].to_numpy().tolist() == [[50.0, 48.5, 1.5]]


def test_which_way_the_curves_go_is_said_in_words() -> None:
    curves = pd.DataFrame({"change": [-2.9, -0.4, 0.0, 0.3]})
    words = "falls in 2 of 4 curves, by 2.9 points at most and rises in 1 of 4 curves, by 0.3 points at most"
    assert words in ratio_sentence(curves)
    assert "stays the same" in ratio_sentence(curves.iloc[2:3])


def test_rows_with_the_published_features_take_the_place_of_others() -> None:
    full = Parameters.load("paper")
    for network in ("efficientnet-lite0", "vgg16"):
        settings = MnistSettings(full.with_changes(features=network))
        for variant in ("colored", "wildlife")[: 2 if network == "efficientnet-lite0" else 1]:
            keep_rows(settings.control(variant, "paper"), {"mask/area": 0.5})
    found = Chosen(full).rows("mnist-control", "paper")
    own = found.loc[found["value"] == 0.5]
    assert dict(zip(own["dataset"], own["features"], strict=True)) == {
        "colored": "vgg16",
        "wildlife": "efficientnet-lite0",
    }
    assert set(select(found, dataset="colored")["features"]) == {"vgg16"}


# --- Cost -------------------------------------------------------------------------------------------------------------


def test_the_cost_of_a_classifier_has_that_of_its_cgn_once() -> None:
    for experiment in ("imagenet-indomain", "imagenet-shape-bias"):  # of one training
        keep_rows(TOY.classifier(experiment, "original+cgn"), {"accuracy/top1": 90.0})
    keep_rows(TOY.classifier("imagenet-indomain", "original+cgn-short"), {"accuracy/top1": 80.0})
    rows = load("quick")
    short, full = "a CGN of 104 updates, seed 0", f"a CGN of {TOY_CGN.updates} updates, seed 0"
    assert (cost(rows), uncounted(rows)) == (120, [short, full])
    keep_rows(TOY.images("imagenet-control", "cgn"), {"fid/tied": 1.0})
    assert cost(rows) == cost(load("quick")) == 180
    assert uncounted(rows) == [short]
    assert cost_line(rows).endswith(f"among them: 3 min. Not counted: {short}.")


def test_a_training_that_several_experiments_measure_costs_once() -> None:
    keep_accuracies(10.0, 85.0)
    keep_accuracies(10.0, 85.0, "mnist-indomain")
    setting = MNIST.accuracy("mnist-ood", "wildlife", "original")
    assert isinstance(setting, Setting)
    params = {**setting.params, "gradcam": 2, "precision": "bfloat16"}
    keep_rows(replace(setting, experiment="mnist-gradcam", params=params), {"accuracy/themes": 90.0})
    rows = load("quick")
    assert cost(rows) == cost(load("quick", "mnist-ood")) == 180
    assert uncounted(rows) == ["MNIST's CGNs"]
    short = rows.assign(experiment="mnist-training", code="a1b2c3d")
    older, newer = ({"a1b2c3d": day} for day in ("2026-11-27", "2026-12-02"))
    with pytest.MonkeyPatch.context() as patch:
        for days, words in ((older, ["MNIST's CGNs of rows until 2026-12-01"]), (newer, [])):
            patch.setattr("cgnreport.protocol.provenance._days", lambda days=days: days)
            assert uncounted(short) == words
    assert [duration(s) for s in (None, 45, 720, 12_240)] == ["–", "45 s", "12 min", "3.4 h"]
