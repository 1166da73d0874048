"""The experiment that asks whether it takes a CGN."""

import re
from collections.abc import Callable

import pytest

from cgnlib.errors import Blocked, needed
from cgnlib.mnist.variants import make_variant
from cgnlib.mnist.without_cgn import AUGMENTATION, PREPROCESSING
from cgnreport.protocol import mnist, without_cgn
from cgnreport.protocol.mnist import MnistStudy
from cgnreport.protocol.mnist_experiments import same_colour
from cgnreport.protocol.mnist_settings import AUGMENTED
from cgnreport.protocol.parameters import WITHOUT_CGN
from cgnreport.protocol.rows import select
from cgnreport.protocol.without_cgn import ORACLES, training_set, without_cgn_rows

Make = Callable[..., MnistStudy]


def test_names_are_the_same_everywhere() -> None:
    assert (*PREPROCESSING, *AUGMENTATION, *ORACLES) == WITHOUT_CGN
    assert tuple(AUGMENTATION) == AUGMENTED


def test_rows_of_both_tables_from_one_training(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = needed(without_cgn_rows(make(), "double-colored", "border-cut"))
    parts = ["test/other-colours", "test/same-colour", "test/worst-class", "test/worst-group"]
    metrics = ["indomain", "indomain/worst-class", "test", *parts, "train"]
    read_as = ["read-as/background", "read-as/foreground"]
    assert sorted(set(rows["metric"])) == [*(f"accuracy/{name}" for name in metrics), *read_as]
    n = {name: select(rows, metric=f"accuracy/test{name}", epoch="last")["n"].item() for name in
         ("", "/other-colours", "/same-colour")}  # fmt: skip
    assert n["/other-colours"] + n["/same-colour"] == n[""] == 40
    monkeypatch.setattr(mnist, "train_classifier", lambda *_, **__: pytest.fail("something was trained"))
    again = needed(without_cgn_rows(make(reuse_rows=True), "double-colored", "border-cut"))
    assert len(again) == len(rows)


def test_the_command_keeps_what_it_can_measure_and_says_what_is_lacking(
    make: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = make()
    monkeypatch.setattr(without_cgn, "MnistStudy", lambda parameters: study)
    assert without_cgn.main(["--part", "double-colored:border-cut"]) == 0
    assert re.fullmatch(r"double-colored border-cut 0: \d+\.\d\d % \(n = 40\)\n", capsys.readouterr().out)
    blocked = Blocked("missing textures", "get them")
    monkeypatch.setattr(without_cgn, "without_cgn_rows", lambda study, variant, method: blocked)
    with pytest.raises(SystemExit, match="1"):
        without_cgn.main(["--part", "wildlife:paste"])
    assert capsys.readouterr().err == "not tested: missing textures: get them\n"
    with pytest.raises(SystemExit, match="1"):
        without_cgn.main(["--seed", "-1"])
    assert "seed" in capsys.readouterr().err


def test_test_images_are_preprocessed_and_never_augmented(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, bool] = {}
    study = make(variants=["colored"])
    plain = study.images("colored", "test").sha256

    def stop(_: object, tests: dict[str, object], *__: object, **___: object) -> None:
        seen[name] = tests["test"].sha256 == plain  # pyright: ignore[reportAttributeAccessIssue]
        raise KeyboardInterrupt

    monkeypatch.setattr(mnist, "train_classifier", stop)
    for name in WITHOUT_CGN:
        with pytest.raises(KeyboardInterrupt):
            without_cgn_rows(study, "colored", name)
    assert {name for name, same in seen.items() if same} == {*AUGMENTATION, "oracle"}


def test_augmentations_draw_as_many_images_as_others_draw_counterfactuals(make: Make) -> None:
    study = make()
    assert len(training_set(study, "double-colored", "paste", 0)) == study.mnist.counterfactuals == 70
    assert len(training_set(study, "double-colored", "border-cut", 0)) == 80


def test_one_in_ten_test_digits_has_the_colour_of_its_background(make: Make) -> None:
    images = make_variant("double-colored", "test", make().digits)
    same = same_colour(images)
    assert same.float().mean() == pytest.approx(0.1, abs=0.02)
    spread = images.images.float().flatten(2).std(2).max(1).values
    assert spread[same].max() < 10 < spread[~same].min()  # of 255 levels: noise alone, and colours that differ
