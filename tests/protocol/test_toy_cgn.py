"""Claim 1 in the toy world from CGN to rows: every step real, the shipped parts, CGNs trained for an update or two."""

import numpy as np
import pytest

from cgnlib.errors import TrainingStopped
from cgnlib.imagenet.names import FACTOR_OF_METRIC
from cgnreport.protocol import toy_cgn as module
from cgnreport.protocol.experiments import collected
from cgnreport.protocol.parameters import Parameters
from cgnreport.protocol.rows import select
from cgnreport.protocol.toy_cgn import ToyStudy, toy_cgn

SMALL = Parameters.of(
    {
        "profile": "smoke",
        "imagenet_updates": 2,
        "imagenet_samples": 200,
        "imagenet_ablations": ["fill"],
        "imagenet_ablation_updates": 1,
    }
)
PAPER = Parameters.load("paper")


def stop(*_: object, **__: object) -> None:
    raise TrainingStopped("the masks collapsed")


def test_rows_that_are_there_take_no_network_and_no_image(build, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("toy_parts", "toy_cgn", "build"):
        monkeypatch.setattr(module, name, lambda *_, name=name: pytest.fail(f"{name} was called"))
    study = ToyStudy(PAPER)
    for parts in (study.inception_rows(), study.control_rows(), study.ablation_rows()):
        rows, blocked = collected(parts)
        assert len(rows) and not blocked
    with pytest.raises(pytest.fail.Exception, match="was called"):
        ToyStudy(PAPER.with_changes(reuse_rows=False)).inception_rows()


def test_rows_of_another_number_of_images_are_not_taken(build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "toy_cgn", stop)
    assert ToyStudy(SMALL.with_changes(imagenet_ablations=None)).ablation_rows() == []
    rows, blocked = collected(ToyStudy(PAPER.with_changes(imagenet_samples=200)).inception_rows())
    assert set(rows["method"]) == {"real"} and set(rows["n"]) == {200}
    assert [str(each) for each in blocked] == [
        "toy, biggan, recipe -: the masks collapsed",
        "toy, cgn, recipe toy: the masks collapsed",
    ]


@pytest.mark.slow
def test_rows_and_figures(build) -> None:
    study = ToyStudy(SMALL, device="cpu")
    scores, found, ablations = (
        collected(parts)[0] for parts in (study.inception_rows(), study.control_rows(), study.ablation_rows())
    )
    assert {*scores["method"]} == {*found["method"]} == {"real", "biggan", "cgn"}
    assert set(ablations["method"]) == {"cgn", "cgn-fill"} and set(ablations["cgn_updates"]) == {1}
    assert select(scores, metric="inception-score")["value"].between(1, 10).all()
    crossed = [f"control/{a}/{b}" for a in FACTOR_OF_METRIC for b in FACTOR_OF_METRIC]
    assert len(select(found, method="cgn", metric=crossed)) == 9
    read = [f"reader/{factor}" for factor in FACTOR_OF_METRIC]
    n = {method: set(select(found, method=method, metric=read)["n"]) for method in ("cgn", "biggan")}
    assert n == {"cgn": {400}, "biggan": {200}}
    clean = select(found, method="real", metric=["legible/background", "entangled/foreground"])
    assert len(clean) == 2 and clean["value"].between(0, 100).all() and set(clean["n"]) == {200}
    assert set(select(found, method="cgn")["seconds"]) == {study.artefact.seconds}

    # What the settings say of the CGN is what the artefact was trained with.
    assert toy_cgn(study.settings.cgn(), 0, "cpu")[1].folder == study.artefact.folder
    config, params = study.artefact.config, study.settings.cgn_params(study.settings.cgn())
    assert (config["recipe"]["updates"], config["seed"]) == (params["cgn_updates"], params["cgn_seed"])
    assert (config["features"], config["teacher"]) == (params["features"], params["teacher"])

    # What figures are drawn from.
    assert list(study.snapshots()) == [0, 1, 2]
    log = study.residue_log()
    assert list(log.columns) == ["step", "residue"] and log["residue"].between(0, 1).all()
    assert np.isfinite(study.unpainted_through_training()["unpainted"]).all()

    again, _ = collected(ToyStudy(SMALL.with_changes(reuse_rows=True)).control_rows())
    assert sorted(again["value"]) == sorted(found["value"])

    other, _ = collected(ToyStudy(SMALL.with_changes(seed=1, reuse_rows=True)).inception_rows())
    seeds = dict(other[["method", "seed"]].drop_duplicates().itertuples(index=False, name=None))
    assert seeds == {"real": 0, "biggan": 1, "cgn": 1}, "real images are the same at every seed"
