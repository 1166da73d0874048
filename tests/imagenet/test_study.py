"""Claim 1 in the toy world from CGN to rows and sheets: every step real, networks with random weights."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from cgnlib.fetching import AssetError
from cgnlib.imagenet import claim1_figures, published_cgn, study
from cgnlib.imagenet.cgn import ImageNetCGN
from cgnlib.imagenet.control import HEADS
from cgnlib.imagenet.sampling import Sampling, draw
from cgnlib.imagenet.study import ABLATIONS, ToyStudy, cgn_params, toy_cgn
from cgnlib.imagenet.training import TERMS, TOY
from cgnlib.images import to_uint8
from cgnlib.parameters import StudyParameters
from cgnlib.results import ResultsError, Row, keep, published, select
from cgnlib.statistics import mean_interval, wilson_interval
from cgnlib.toyworld.parts import judges_fingerprint
from cgnlib.training import TrainingStopped
from cgnlib.verdicts import claim1_imagenet

SMALL = StudyParameters(
    profile="smoke",
    imagenet_updates=2,
    imagenet_samples=200,
    imagenet_ablations=("fill",),
    imagenet_ablation_updates=1,
)


@pytest.fixture
def toy(build, random_parts, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ToyStudy]:
    monkeypatch.setattr(study, "toy_parts", random_parts)
    return lambda **changes: ToyStudy(replace(SMALL, **changes), device="cpu")


def test_ablations_have_the_names_of_the_published_table() -> None:
    named = set(select(published("imagenet-is"), source="SG21")["method"])
    for term in TERMS:
        method, recipe = ABLATIONS[term]
        assert method in named
        assert recipe.name == f"toy -{term}"
    assert ABLATIONS["fill"][1] == replace(TOY, name="toy, fill", texture_target="fill")


def test_published_table_3_has_the_share_that_the_rule_asks_for() -> None:
    table = claim1_figures.published_table_3()
    shares = dict(zip(table["source"] + " " + table["images"], table["share of BigGAN's"], strict=True))
    assert shares["SG21 CGN, authors' weights"] == pytest.approx(0.6417, abs=1e-4)
    assert shares["seed CGN, the seed's own"] == pytest.approx(115.5 / 195.9)
    assert shares["seed BigGAN"] == 1


@pytest.mark.slow
def test_a_cgn_is_trained_once_and_told_from_others(toy, monkeypatch: pytest.MonkeyPatch) -> None:
    made = toy()
    first = made.artefact
    _, again = toy_cgn(SMALL, device="cpu")
    assert again.folder == first.folder
    params = cgn_params(first)
    assert (params["cgn_updates"], params["cgn_seed"], params["features"]) == (2, 0, "efficientnet-lite0")
    _, other = toy_cgn(SMALL, ABLATIONS["bg"][1], updates=1, device="cpu")
    assert cgn_params(other)["cgn_recipe"] != params["cgn_recipe"]
    assert list(made.snapshots()) == [0, 1, 2]
    log = made.residue_log()
    assert list(log.columns) == ["step", "residue"] and log["residue"].between(0, 1).all()
    assert np.isfinite(made.unpainted_through_training()["unpainted"]).all()


@pytest.mark.slow
def test_rows_tables_and_sheets(toy) -> None:
    made = toy()
    scores, found = made.inception_rows(), made.control_rows()
    assert {*scores["method"], *found["method"]} == {"real", "biggan", "cgn"}
    assert select(scores, metric="inception-score")["value"].between(1, 10).all()
    assert len(select(found, method="cgn", metric=[f"control/{a}/{b}" for a in HEADS for b in HEADS])) == 9
    read = {
        method: select(found, method=method, metric=[f"oracle/{factor}" for factor in HEADS])["n"]
        for method in ("cgn", "biggan")
    }
    assert {method: set(n) for method, n in read.items()} == {"cgn": {400}, "biggan": {200}}
    clean = select(found, method="real", metric=["legible/background", "entangled/foreground"])
    assert len(clean) == 2 and clean["value"].between(0, 100).all() and set(clean["n"]) == {200}
    for part in (scores, found):
        assert {json.loads(text)["parts"] for text in part["params"]} == {judges_fingerprint()}
    params = json.loads(select(scores, method="cgn")["params"].iloc[0])
    assert (params["splits"], params["truncation"], params["network"]) == (1, 1.0, "toy classifier")
    verdict = claim1_imagenet(pd.concat([scores, found]), "missing X")
    assert verdict.status == "not tested"
    assert "not tested at this scale" in verdict.findings[0].sentence  # neither oracle nor CGN is trained enough

    assert claim1_figures.table_3(pd.concat([scores, found]))["images"].tolist()[0] == "real images"
    assert claim1_figures.oracle_table(found)["n"].tolist() == [400, 200, 200]
    assert sum(claim1_figures.area_table(made)["images"].tolist()) == 200
    assert set(claim1_figures.conjecture_table(found)["verdict"]) <= {
        "not tested: one training",
        "not tested: too little to measure at this scale",
    }
    assert claim1_figures.mechanisms(made.cgn, [0, 1], ["a", "b"]).images.shape == (6, 2, 3, 64, 64)
    assert claim1_figures.through_training(made.snapshots(), 3).images.shape == (5, 3, 3, 64, 64)
    first, second = claim1_figures.counterfactuals(made.cgn)
    assert first.images.shape == second.images.shape == (5, 8, 3, 64, 64)
    assert first.columns != second.columns
    galleries = claim1_figures.failures(made)
    assert galleries["residue"].images.shape == (4, 10, 3, 64, 64)
    for name in ("entanglement", "residue"):
        likely = [float(label.rstrip("%")) for label in galleries[name].columns]
        assert likely == sorted(likely, reverse=True) and max(likely) <= 100
    assert set(made.interpolations(3)) == {"shape", "texture", "background", "all"}


def test_a_conjecture_is_decided_by_three_trainings() -> None:
    assert claim1_figures.conjecture([]) == "not tested: too little to measure at this scale"
    assert claim1_figures.conjecture([2.0]) == "not tested: one training"
    assert claim1_figures.conjecture([2.0, 2.1]) == "not tested: 2 trainings"
    assert claim1_figures.conjecture([2.0, 2.1, 2.2]) == "reproduced"
    assert claim1_figures.conjecture([-2.0, -2.1, -2.2]) == "not reproduced"
    assert claim1_figures.conjecture([-2.0, 0.0, 2.2]) == "undecided"


def test_rows_change_with_the_parts_that_judge(tmp_path: Path) -> None:
    def fingerprint_with(**sums: str) -> str:
        for name in ("oracle", "u2net", "classifier"):
            (tmp_path / f"{name}.json").write_text(json.dumps({"weights_sha256": sums.get(name, "a")}))
        return judges_fingerprint(tmp_path)

    found = {fingerprint_with(), *(fingerprint_with(**{name: "b"}) for name in ("oracle", "u2net", "classifier"))}
    assert len(found) == 4
    (tmp_path / "oracle.json").write_text("{}")
    with pytest.raises(AssetError, match="oracle has no checksum"):
        judges_fingerprint(tmp_path)


def ablation_rows(seeds: int, method: str = "cgn", **params: Any) -> list[Row]:
    """Rows of as many CGNs whose every number is 50 plus their seed, in the unit it is kept in."""
    diagonal = [f"control/{factor}/{factor}" for factor in HEADS]
    shares = ["mask/mean", "iou/true", "residue/mean"]
    about: dict[str, Any] = {"experiment": "imagenet-ablation", "dataset": "toy", "method": method, "recipe": "toy"}
    about |= {"n": 200, "profile": "smoke", "data": "toy-world"}
    rows = []
    for seed in range(seeds):
        named = about | {"seed": seed, "params": {"cgn_seed": seed} | params}
        percents = [*diagonal, "entangled/foreground", "legible/background"]
        rows += [Row(**named, metric=metric, value=50 + seed) for metric in percents]
        rows += [Row(**named, metric=metric, value=0.5 + seed / 100, unit="fraction") for metric in shares]
        rows += [Row(**named, metric=metric, value=50 + seed, unit="-") for metric in ("inception-score", "fid/free")]
    return rows


def test_cells_have_intervals_over_cgns_or_images_and_one_setting(build) -> None:
    one = claim1_figures.ablation_table(keep(ablation_rows(1))).to_dict("records")[0]
    assert (one["IS"], one["IoU, true"], one["shape, %"]) == (
        "50.00",
        "0.50",
        wilson_interval(100, 200).scaled(100).text(),
    )
    three = claim1_figures.ablation_table(keep(ablation_rows(3))).to_dict("records")[0]
    assert three["FID, free"] == mean_interval([50, 51, 52]).text(2) and three["CGNs"] == 3
    mixed = pd.concat([keep(ablation_rows(1)), keep(ablation_rows(1, teacher="another"))], ignore_index=True)
    with pytest.raises(ResultsError, match="one setting"):
        claim1_figures.ablation_table(mixed)


def test_trainings_that_stop_are_named(toy, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise TrainingStopped("the masks collapsed")

    monkeypatch.setattr(study, "toy_cgn", stopped)
    rows, reasons = toy().ablation_rows()
    assert rows.empty and reasons == {"cgn": "the masks collapsed", "cgn-fill": "the masks collapsed"}
    assert claim1_figures.ablation_table(rows).empty


def test_figure_7_draws_the_triples(cgn: ImageNetCGN, monkeypatch: pytest.MonkeyPatch) -> None:
    triples = [(place % 5, 1, 2) for place in range(16)]
    monkeypatch.setattr(published_cgn, "triples", lambda: triples)
    first, second = claim1_figures.figure_7(cgn.eval())
    assert first.images.shape == second.images.shape == (5, 8, 3, 32, 32)
    assert first.columns[0] == "vase\ngolden retriever\nblack and gold garden spider"
    drawn = next(iter(draw(cgn, Sampling(1, "fixed", triples[9], seed=9), 0)))
    assert torch.equal(second.images[4, 1], to_uint8(drawn.parts.image)[0])


@pytest.mark.slow
def test_ablations_at_one_length(toy) -> None:
    rows, stopped = toy().ablation_rows()
    assert not stopped
    assert set(rows["method"]) == {"cgn", "cgn-fill"}
    assert {json.loads(text)["cgn_updates"] for text in rows["params"]} == {1}
    table = claim1_figures.ablation_table(rows)
    assert table["CGN"].tolist() == ["CGN", "CGN, texture filled"]
    assert table["IS, SG21"].tolist()[0] == pytest.approx(130.2)
