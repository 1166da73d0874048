"""The scorecard lists every table and figure, and its verdicts come from the rows at hand."""

from pathlib import Path

from cgnlib import results
from cgnlib.parameters import VARIANTS, StudyParameters
from cgnlib.report.places import notebook_names
from cgnlib.results import Row
from cgnlib.scorecard import ITEMS, as_frame, claim_cards, claim_verdicts, cost, duration, scorecard, tally, teaser

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


def test_every_table_and_figure_is_listed_once() -> None:
    names = [item.name for item in ITEMS]
    assert names == [f"Table {i}" for i in range(1, 8)] + [f"Figure {i}" for i in range(1, 13)]
    assert {item.notebook for item in ITEMS} - {""} <= set(notebook_names())
    assert all(not item.rule for item in ITEMS if item.world == "ImageNet")


def test_verdicts_follow_from_rows_of_these_parameters(build: Path) -> None:
    for seed in (0, 1):
        keep("mnist-ood", "accuracy/test/last", "original", 10.0, seed=seed)
        keep("mnist-ood", "accuracy/test/last", "original+cgn", 85.0, seed=seed)
        keep("mnist-ood", "accuracy/test/last", "oracle", 95.0, seed=seed)
    keep("mnist-ood", "accuracy/test/last", "original+cgn", 11.0, epochs=9)  # another scale: not of these parameters
    lines = {line.item.name: line for line in scorecard(PARAMETERS)}
    assert lines["Table 2"].status == "reproduced"
    assert (lines["Table 2"].seeds, lines["Table 2"].seconds) == (2, 180)
    assert lines["Table 3"].status == "not tested" and "not yet part" in lines["Table 3"].ours
    assert "06-cf-ratio" in lines["Figure 5"].ours
    assert claim_verdicts(PARAMETERS)["claim2-mnist"].status == "reproduced"


def test_ratios_stand_beside_the_published_ranges_without_a_verdict(build: Path) -> None:
    for ratio, value in ((1, 50.0), (5, 51.0), (10, 20.0)):
        params = {"epochs": 4, "generated": 10_000, "cf_ratio": ratio}
        keep("mnist-cf-ratio", "accuracy/test/last", "original+cgn", value, **params)
    line = next(line for line in scorecard(PARAMETERS) if line.item.name == "Figure 5")
    assert line.status == "not tested"
    assert "47.9 to 52.6" in line.published and "20.0 to 51.0" in line.ours


def test_without_rows_pages_name_the_notebook_and_end_well(build: Path) -> None:
    lines = scorecard(StudyParameters(profile="smoke"))
    assert {line.status for line in lines} == {"not tested"}
    assert len(as_frame(lines)) == 19
    assert "19 not tested (of 19). No rows at scale smoke" in tally(lines, "smoke")
    assert teaser(lines).count("<a ") == 19
    assert "run 02-claim1-mnist" in claim_cards(claim_verdicts(StudyParameters(profile="smoke")))


def test_durations_and_cost(build: Path) -> None:
    assert [duration(s) for s in (None, 45, 720, 12_240)] == ["–", "45 s", "12 min", "3.4 h"]
    keep("mnist-ood", "accuracy/test/last", "original", 10.0)
    keep("mnist-ood", "accuracy/test/best", "original", 12.0)
    keep("mnist-indomain", "accuracy/indomain/last", "original", 99.0)  # the same training
    assert cost(results.load("quick")) == 30
    assert cost(results.load("quick", "mnist-ood")) == 30
