"""The command that trains the classifiers behind the README's table, and what it keeps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cgnlib.mnist.classifier import predict
from cgnreport.protocol import headline, shipped_classifiers
from cgnreport.protocol.mnist import MnistStudy
from cgnreport.protocol.parameters import Parameters
from cgnreport.protocol.rows import select
from cgnreport.protocol.shipped_classifiers import load_classifier, record_of
from cgnreport.protocol.store import load

Make = Callable[..., MnistStudy]
COMMAND = ("--profile=smoke", "--classifiers=2", "--seed=1")


@pytest.fixture
def whole(make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[headline.HeadlineStudy]:
    """The study that the command makes, at the tests' sizes."""
    made = headline.HeadlineStudy
    monkeypatch.setenv("CGN_BUILD", str(tmp_path))

    def tiny(parameters: Parameters) -> headline.HeadlineStudy:
        tried = make(classifier_seeds=parameters.mnist.classifier_seeds, seed=parameters.seed)
        study = made(tried.parameters)
        study.settings.digits, study.digits = tried.settings.digits, tried.digits
        return study

    monkeypatch.setattr(headline, "HeadlineStudy", tiny)
    few = dict(list(shipped_classifiers.test_sets("double-colored", offline=True))[:2])
    monkeypatch.setattr(headline, "test_sets", lambda variant: few)
    monkeypatch.setattr(shipped_classifiers, "folder", shipped_classifiers.kept_folder)
    return made


def test_classifiers_are_kept_with_the_rows_that_they_gave(whole: type[headline.HeadlineStudy]) -> None:
    kinds = ("border-stretched", "cgn", "original")
    assert headline.main([*COMMAND, *(f"--part=double-colored:{name}" for name in kinds)]) == 0
    names = [f"double-colored-{name}-{seed}" for name in kinds for seed in (1, 2)]
    assert shipped_classifiers.shipped() == names
    images = dict(shipped_classifiers.test_sets("double-colored", offline=True))["double-colored/test, mnist-5000"]
    first, second = (predict(load_classifier(name), images) for name in names[-2:])
    assert (first != second).any()
    for name in names:
        row = record_of(name)["row"]
        rows = select(load("smoke", row["experiment"], published=False), method=row["method"], seed=row["seed"])
        assert len(select(rows, metric="accuracy/test", epoch="last")) == 1, name
    assert set(load("smoke", "mnist-gradcam", published=False)["seed"]) == {1, 2}


def test_an_interruption_costs_one_classifier(
    whole: type[headline.HeadlineStudy], monkeypatch: pytest.MonkeyPatch
) -> None:
    train = whole.classifier

    def interrupted(study: Any, variant: str, training: Any, seed: int, *others: Any, **more: Any) -> Any:
        if seed == 2:
            raise KeyboardInterrupt
        return train(study, variant, training, seed, *others, **more)

    monkeypatch.setattr(whole, "classifier", interrupted)
    with pytest.raises(SystemExit, match="130"):
        headline.main([*COMMAND, "--part=double-colored:original"])
    assert shipped_classifiers.shipped() == ["double-colored-original-1"]
    for experiment in ("mnist-ood", "mnist-indomain", "mnist-gradcam"):
        assert set(load("smoke", experiment, published=False)["seed"]) == {1}, experiment
