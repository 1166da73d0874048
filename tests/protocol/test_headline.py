"""The command that trains the classifiers behind the README's table, and what it keeps."""

from collections.abc import Callable, Iterable

import pytest

from cgnlib.mnist.classifier import predict
from cgnreport.protocol import headline, shipped_classifiers
from cgnreport.protocol.mnist import MnistStudy
from cgnreport.protocol.parameters import Parameters
from cgnreport.protocol.rows import select
from cgnreport.protocol.shipped_classifiers import load_classifier, record_of
from cgnreport.protocol.store import load

Make = Callable[..., MnistStudy]


def test_classifiers_are_kept_with_the_rows_that_they_gave(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = headline.HeadlineStudy

    def tiny(parameters: Parameters, seeds: Iterable[int]) -> headline.HeadlineStudy:
        tried = make()
        study = whole(tried.parameters, seeds)
        study.settings.digits, study.digits = tried.settings.digits, tried.digits
        return study

    monkeypatch.setattr(headline, "HeadlineStudy", tiny)
    monkeypatch.setattr(
        headline, "test_sets", lambda variant: list(shipped_classifiers.test_sets(variant, offline=True))[:2]
    )
    parts = [f"--part=double-colored:{name}" for name in ("original", "border-stretched", "cgn")]
    assert headline.main([*parts, "--profile", "smoke", "--classifiers", "2", "--first", "1"]) == 0
    monkeypatch.setattr(shipped_classifiers, "folder", shipped_classifiers.kept_folder)
    kinds = ("border-stretched", "cgn", "original")
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
