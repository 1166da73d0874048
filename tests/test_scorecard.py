"""The scorecard lists every table and figure, and its verdicts come from the rows at hand."""

from pathlib import Path

from cgnlib import results
from cgnlib.boxes import badge
from cgnlib.cards import as_frame, claim_cards, tally, teaser, to_be_tested
from cgnlib.imagenet.invariant_training import TOY as CLASSIFIER
from cgnlib.imagenet.training import TOY
from cgnlib.parameters import VARIANTS, StudyParameters
from cgnlib.report.places import notebook_names
from cgnlib.results import Row
from cgnlib.scorecard import (
    ITEMS,
    SHOWN_ONLY,
    claim_verdicts,
    cost,
    cost_line,
    duration,
    matching_rows,
    published_verdict,
    ratio_sentence,
    repeats,
    scorecard,
    uncounted,
)
from cgnlib.toyworld.parts import judges_fingerprint, toy_parts
from cgnlib.training import fingerprint
from cgnlib.verdicts import CLAIMS

PARAMETERS = StudyParameters(
    variants=VARIANTS,
    train_images=10_000,
    test_images=5_000,
    classifier_epochs=2,
    ratio_sizes=(10_000,),
    ratio_values=(1, 5, 10),
)


def keep(experiment: str, metric: str, method: str, value: float, *, seed: int = 0, **params: object) -> None:
    given = {"epochs": 2, "test_images": 5000} | params
    recipe = "-" if method in ("original", "oracle") else "robust"
    row = Row(
        experiment=experiment, dataset="wildlife", method=method, recipe=recipe, metric=metric, value=value, n=5000,
        seed=seed, profile="quick", data="mnist-full+dtd", params=given, seconds=30,
    )  # fmt: skip
    results.append([row], "quick", experiment)


def keep_toy(experiment: str, method: str, values: dict[str, float], **params: object) -> None:
    units = {"iou": "fraction", "inception-score": "score", "mask": "fraction", "fid": "distance"}
    common = {"experiment": experiment, "dataset": "toy", "method": method, "profile": "quick", "data": "toy-world"}
    if experiment in ("imagenet-control", "imagenet-is"):
        params = {"parts": judges_fingerprint()} | params
    common |= {"recipe": "toy" if "cgn" in method else "-", "n": 1000, "seed": 0, "seconds": 60.0, "params": params}
    rows = [
        Row(**common, metric=metric, value=value, unit=units.get(metric.split("/")[0], "percent"))  # type: ignore[arg-type]
        for metric, value in values.items()
    ]
    results.append(rows, "quick", experiment)


def test_every_table_and_figure_is_listed_once() -> None:
    names = [item.name for item in ITEMS if item.name != "Table 4, baseline"]
    assert names == [f"Table {i}" for i in range(1, 8)] + [f"Figure {i}" for i in range(1, 13)]
    assert {item.notebook for item in ITEMS} <= set(notebook_names())
    assert {rule for item in ITEMS for rule in item.rules} - set(SHOWN_ONLY) <= set(CLAIMS)


def test_items_on_imagenet_are_judged_in_the_toy_world_and_say_what_is_missing(build: Path) -> None:
    common = {"epochs": 3, "train_images": 1000, "test_images": 500}
    ours = common | {"generated": 1000, "cgn_updates": TOY.updates}
    for method, params in (("original", common), ("original+oracle", common), ("original+cgn", ours)):
        keep_toy("imagenet-indomain", method, {"accuracy/top1": 97.0}, **params)
    keep_toy("imagenet-shape-bias", "original", {"shape-bias": 30.0}, **common)
    keep_toy("imagenet-shape-bias", "original+oracle", {"shape-bias/shape": 95.0, "shape-bias/texture": 5.0}, **common)
    keep_toy("imagenet-shape-bias", "original+cgn", {"shape-bias/shape": 80.0, "shape-bias/texture": 10.0}, **ours)
    keep_toy("imagenet-indomain", "original+cgn", {"accuracy/top1": 20.0}, **(ours | {"epochs": 9}))  # another scale
    keep_toy("imagenet-control", "cgn", {"entangled/foreground": 40.0}, cgn_updates=TOY.updates)
    keep_toy("imagenet-control", "real", {"entangled/foreground": 12.0})
    lines = {line.item.name: line for line in scorecard(PARAMETERS)}
    table_4 = lines["Table 4"]
    # 1,000 images leave the margin of accuracy undecided; the cost has three classifiers and their CGN.
    assert (table_4.status, table_4.seconds) == ("partly", 240)
    assert table_4.ours.startswith("shape bias, least distance of a head from 'original': 20.0 [")
    assert "; change of in-domain accuracy: 0.0 [" in table_4.ours
    assert "29.1" in table_4.published and "toy" not in table_4.published
    assert table_4.missing.startswith("missing ")
    assert lines["Figure 10"].badge == "failure found"
    assert "1 failure found" in tally(list(lines.values()), "quick")
    assert "Figure 10, texture and background entangled: failure found" in teaser(list(lines.values()))
    assert lines["Figure 11"].status == "not tested"
    assert lines["Table 5"].ours == "no rows at this scale: run 08-claim2-imagenet"
    assert lines["Table 4, baseline"].scale == "paper"
    shown = as_frame(list(lines.values())).set_index("item")
    assert "not tested" in str(shown.loc["Table 4", "on ImageNet"])
    assert shown.loc["Table 4, baseline", "on ImageNet"] == badge(lines["Table 4, baseline"].status)
    assert shown.loc["Table 1", "on ImageNet"] == "–"
    ways = to_be_tested(list(lines.values()))
    assert "Table 4" in ways and "get it so: python -m cgnlib.assets --fetch" in ways
    assert ways.count("<li>") == len({line.missing for line in lines.values()} - {""})
    assert claim_verdicts(PARAMETERS)["claim3-imagenet"].status == "partly"
    assert "ImageNet, in the toy world" in claim_cards(claim_verdicts(PARAMETERS))


def test_the_baseline_on_photographs_has_published_rows() -> None:
    verdict = published_verdict("shape-bias-baseline", PARAMETERS)
    assert verdict is not None and verdict.number is not None
    assert 0 < verdict.number < 50


def keep_on_photographs(method: str, change: float | None = None) -> None:
    """Rows of the published experiment: epochs and counterfactuals of its own, not of the scale."""
    params = {"epochs": 30, "generated": 100_000} if "cgn" in method else {"epochs": 30}
    metrics = {"bg-gap": 8.0, "bg-gap/low": 7.0, "bg-gap/high": 9.0} if change is None else {"bg-gap": 8.0 + change}
    if change is not None:
        metrics |= {f"bg-gap/change{end}": change + d for end, d in (("", 0), ("/low", -1), ("/high", 1))}
    common: dict = {"experiment": "imagenet-background", "dataset": "imagenet-9", "method": method, "profile": "quick"}
    common |= {
        "recipe": "authors" if "cgn" in method else "-",
        "n": 4050,
        "seed": 0,
        "data": "imagenet-mini+imagenet-9",
    }
    rows = [Row(**common, metric=name, unit="points", value=value, params=params) for name, value in metrics.items()]
    rows.append(Row(**common, metric="accuracy/mixed-rand", value=80.0, params=params))
    results.append(rows, "quick", "imagenet-background")


def test_photographs_are_judged_whatever_the_scale_of_the_toy_world(build: Path) -> None:
    keep_on_photographs("original")
    keep_on_photographs("original+cgn", -4.0)
    line = next(line for line in scorecard(PARAMETERS) if line.item.name == "Table 5")
    assert (line.status, line.on_imagenet, line.missing) == ("reproduced", "reproduced", "")
    assert as_frame([line])["on ImageNet"].tolist() == [badge("reproduced")]


def test_many_rows_of_one_network_leave_those_of_another_on_the_same_photographs(build: Path) -> None:
    common: dict = {"experiment": "imagenet-shape-bias", "dataset": "cue-conflict", "seed": 0, "profile": "quick"}
    rows = [
        Row(**common, method="efficientnet-lite0", metric=f"m{i}", value=20.0, n=800, data="cue-conflict")
        for i in range(5)
    ]
    rows.append(Row(**common, method="original", metric="shape-bias", value=29.0, n=800, data="imagenet-mini+cue"))
    results.append(rows, "quick", "imagenet-shape-bias")
    assert set(matching_rows(PARAMETERS, "imagenet-shape-bias")["method"]) == {"efficientnet-lite0", "original"}


def test_rows_of_another_teacher_or_classifier_recipe_do_not_match(build: Path) -> None:
    ours = fingerprint(toy_parts().biggan)
    for teacher, value in (("f" * 12, 1.0), (ours, 2.0)):
        keep_toy("imagenet-is", "biggan", {"inception-score": value}, teacher=teacher)
    assert matching_rows(PARAMETERS, "imagenet-is")["value"].tolist() == [2.0]
    keep_toy("imagenet-is", "real", {"inception-score": 1.0}, parts="f" * 12)  # measured by other networks
    earlier = Row(
        experiment="imagenet-is", dataset="toy", method="real", metric="inception-score", unit="score", value=1.0,
        n=1000, seed=0, profile="quick", data="toy-world",
    )  # fmt: skip
    results.append([earlier], "quick", "imagenet-is")
    assert matching_rows(PARAMETERS, "imagenet-is")["value"].tolist() == [2.0]
    for rate, value in ((0.5, 1.0), (CLASSIFIER.learning_rate, 2.0)):
        keep_toy("imagenet-indomain", "original", {"accuracy/top1": value}, epochs=3, lr=rate)
    assert matching_rows(PARAMETERS, "imagenet-indomain")["value"].tolist() == [2.0]


def test_table_3_has_words_of_its_own(build: Path) -> None:
    keep_toy("imagenet-is", "biggan", {"inception-score": 9.0})
    keep_toy("imagenet-is", "cgn", {"inception-score": 8.0, "mask/mean": 0.2})
    line = next(line for line in scorecard(PARAMETERS) if line.item.name == "Table 3")
    assert line.ours == "IS 8.0, teacher's 9.0, mean mask 0.20"
    assert "SG21: IS 130.2, teacher's 202.9, mean mask 0.30" in line.published
    assert "seed: IS 115.5, teacher's 195.9, mean mask 0.29" in line.published


def test_the_cost_of_a_classifier_has_that_of_its_cgn_once(build: Path) -> None:
    cgn = {"cgn_recipe": "abc", "cgn_seed": 0, "cgn_updates": 250, "teacher": "def"}
    for experiment in ("imagenet-indomain", "imagenet-shape-bias"):
        keep_toy(experiment, "original+cgn", {"accuracy/top1": 90.0}, **cgn)
    keep_toy("imagenet-indomain", "original+cgn-short", {"accuracy/top1": 80.0}, **(cgn | {"cgn_updates": 104}))
    rows = results.load("quick")
    assert cost(rows) == 120
    assert uncounted(rows) == ["a CGN of 104 updates, seed 0", "a CGN of 250 updates, seed 0"]
    keep_toy("imagenet-control", "cgn", {"fid/tied": 1.0}, splits=1, **cgn)
    assert cost(rows) == cost(results.load("quick")) == 180
    assert uncounted(rows) == ["a CGN of 104 updates, seed 0"]
    assert cost_line(rows).endswith("among them: 3 min. Not counted: a CGN of 104 updates, seed 0.")


def test_the_grid_of_table_7_is_shown_without_a_verdict(build: Path) -> None:
    for rate, gap in ((1e-3, 4.0), (1e-4, 9.5)):
        keep_toy("imagenet-grid", "original+cgn", {"bg-gap": gap}, epochs=3, lr=rate, cf_ratio=2.0, generated=1000)
    line = next(line for line in scorecard(PARAMETERS) if line.item.name == "Table 7")
    assert line.status == "not tested"
    assert line.ours == "BG-gap 4.0 to 9.5 points over 2 settings"
    assert line.published == "seed, ImageNet-9: BG-gap 7.5 to 10.0 points over 9 settings"


def test_verdicts_follow_from_rows_of_these_parameters(build: Path) -> None:
    for seed in (0, 1):
        keep("mnist-ood", "accuracy/test/last", "original", 10.0, seed=seed)
        keep("mnist-ood", "accuracy/test/last", "original+cgn", 85.0, seed=seed)
        keep("mnist-ood", "accuracy/test/last", "oracle", 95.0, seed=seed)
    keep("mnist-ood", "accuracy/test/last", "original+cgn", 11.0, epochs=9)  # another scale: not of these parameters
    lines = {line.item.name: line for line in scorecard(PARAMETERS)}
    assert lines["Table 2"].status == "reproduced"
    assert (lines["Table 2"].seeds, lines["Table 2"].seconds) == (2, 180)
    assert lines["Table 3"].status == "not tested" and "run 07-claim1-imagenet" in lines["Table 3"].ours
    assert "06-cf-ratio" in lines["Figure 5"].ours
    assert claim_verdicts(PARAMETERS)["claim2-mnist"].status == "reproduced"


def test_ratios_stand_beside_the_published_ranges_without_a_verdict(build: Path) -> None:
    for ratio, value in ((1, 50.0), (5, 51.0), (10, 20.0)):
        params = {"epochs": PARAMETERS.classifier_epochs, "generated": 10_000, "cf_ratio": ratio}
        keep("mnist-cf-ratio", "accuracy/test/last", "original+cgn", value, **params)
    line = next(line for line in scorecard(PARAMETERS) if line.item.name == "Figure 5")
    assert line.status == "not tested"
    assert "47.9 to 52.6" in line.published and "20.0 to 51.0" in line.ours


def test_which_way_the_curves_go_is_said_in_words() -> None:
    lines = [{"change": change} for change in (-2.9, -0.4, 0.0, 0.3)]
    words = "falls in 2 of 4 curves, by 2.9 points at most and rises in 1 of 4 curves, by 0.3 points at most"
    assert words in ratio_sentence(lines)
    assert "stays the same" in ratio_sentence(lines[2:3])


def test_a_point_of_the_ratio_figures_stands_beside_its_repeat_in_claim_2(build: Path) -> None:
    metric, method = "accuracy/test/last", "original+cgn"
    for ratio, value in ((1, 89.0), (5, 88.0)):
        keep("mnist-cf-ratio", metric, method, value, generated=10_000, cf_ratio=ratio)
    rows = results.load("quick", "mnist-cf-ratio")
    assert repeats(rows).empty
    keep("mnist-ood", metric, method, 87.5, generated=10_000, cf_ratio=1)
    assert repeats(rows).empty  # as many seconds: one training, kept twice
    found = repeats(rows.assign(seconds=31.0))
    assert found[["here, %", "claim 2, %", "difference"]].to_numpy().tolist() == [[89.0, 87.5, "+1.5"]]


def test_without_rows_pages_name_the_notebook_and_end_well(build: Path) -> None:
    lines = scorecard(StudyParameters(profile="smoke"))
    assert {line.status for line in lines if line.item.name != "Table 4, baseline"} == {"not tested"}
    assert len(as_frame(lines)) == 20
    assert "19 not tested (of 20). No rows at scale smoke" in tally(lines, "smoke")
    assert teaser(lines).count("<a ") == 20
    assert "run 02-claim1-mnist" in claim_cards(claim_verdicts(StudyParameters(profile="smoke")))


def test_durations_and_cost(build: Path) -> None:
    assert [duration(s) for s in (None, 45, 720, 12_240)] == ["–", "45 s", "12 min", "3.4 h"]
    keep("mnist-ood", "accuracy/test/last", "original", 10.0)
    keep("mnist-ood", "accuracy/test/best", "original", 12.0)
    keep("mnist-indomain", "accuracy/indomain/last", "original", 99.0)  # the same training
    assert cost(results.load("quick")) == 30
    assert cost(results.load("quick", "mnist-ood")) == 30
