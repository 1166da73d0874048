"""Pictures of ImageNet's own CGNs: nothing is trained for one, and the worst images stand first, by the stated rule."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cgnlib.errors import Blocked, needed
from cgnlib.features import perceptual_features
from cgnlib.imagenet.cgn import ImageNetCGN
from cgnlib.imagenet.evaluation import likeness
from cgnlib.imagenet.recipes import TOY_CGN
from cgnlib.imagenet.training import artefact_of, sample_classes, train_imagenet_cgn
from cgnreport.protocol import imagenet_settings
from cgnreport.protocol import imagenet_shown as module
from cgnreport.protocol.parameters import Parameters
from tests.imagenet.conftest import small_cgn

SHORT = replace(TOY_CGN, updates=2, batch_size=2)


@pytest.fixture
def cgn() -> ImageNetCGN:
    return small_cgn().eval()


def test_a_part_is_like_the_teachers_image_where_it_repeats_it() -> None:
    x_gt, where = torch.zeros(3, 3, 4, 4), torch.zeros(3, 1, 4, 4, dtype=torch.bool)
    where[..., :2] = True
    part = torch.ones(3, 3, 4, 4)
    part[0, ..., :2], part[1, ..., 2:], part[2, ..., 2:] = 0, 0, 3
    assert likeness(part, x_gt, where).tolist() == [1, -1, 0.5]
    assert likeness(part, x_gt, torch.zeros_like(where)).isnan().all()


def test_failures_are_the_worst_of_their_measure(cgn: ImageNetCGN, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgn, "saliency", lambda images: (images[:, :1] > images[:, :1].mean()).float())
    found = module.failures(cgn, lambda images: images.mean(dim=(2, 3)) @ torch.ones(3, 5), n=24, shown=3)  # pyright: ignore
    assert set(found) == {"entanglement", "residue", "realism"}
    for name in found:
        gallery = needed(found[name])
        values = gallery.values.tolist()
        assert values == sorted(values, reverse=name != "realism"), "the worst first"
        assert len(gallery.parts["image"]) == len(values) == 3
    residue = needed(found["residue"])
    again = likeness(residue.parts["background"], residue.parts["x_gt"], residue.parts["mask"] > 0.5)
    torch.testing.assert_close(again, residue.values)
    monkeypatch.setattr(cgn, "saliency", lambda images: torch.ones_like(images[:, :1]))
    full, judged = Blocked("all masks are full or empty"), Blocked("missing Inception")
    assert module.failures(cgn, judged, n=8, shown=2) == {"entanglement": full, "residue": full, "realism": judged}


def test_failures_are_sought_on_the_device_that_was_asked_for(cgn: ImageNetCGN, monkeypatch) -> None:
    on_cpu = Parameters().with_changes(imagenet_device="cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(module, "judge", lambda *_: None)
    monkeypatch.setattr(module, "failures", lambda cgn, network: {"residue": module.failures.__name__})
    assert module.galleries(on_cpu, cgn) == {"residue": "<lambda>"}
    assert module.galleries(on_cpu, Blocked("missing")) == Blocked("missing")
    assert str(module.galleries(Parameters(), cgn)).startswith("missing a CUDA device")


def test_no_figure_starts_a_training(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The study's CGN is shown, with the course of its training, once it was trained on this machine."""
    features = perceptual_features("efficientnet-lite0")
    monkeypatch.setattr(imagenet_settings, "blocked", lambda what, parameters, names=None: None)
    monkeypatch.setattr(imagenet_settings, "cgn_recipe", lambda parameters: SHORT)
    monkeypatch.setattr(module, "untrained_cgn", lambda parameters: small_cgn())
    monkeypatch.setattr(module, "study_cgn", lambda *_: pytest.fail("a training was begun"))
    monkeypatch.setattr(
        module, "artefact_of", lambda cgn, recipe, _, *more: artefact_of(cgn, recipe, features.name, *more)
    )
    reason = module.shown_cgn(Parameters(), "paper")
    assert reason == Blocked("the study's CGN was not trained on this machine")
    assert module.snapshots(Parameters()) == reason

    shown = torch.tensor([3, 1])
    trained = train_imagenet_cgn(small_cgn(), SHORT, features, 0, world="imagenet", shown=shown)
    monkeypatch.setattr(module, "study_cgn", lambda *_: trained)
    assert module.shown_cgn(Parameters(), "paper") is trained[0]
    course = needed(module.snapshots(Parameters()))
    assert list(course) == [0, 1, 2]
    torch.testing.assert_close(course[2]["image"], sample_classes(trained[0], shown)[0].image)


def test_a_damaged_file_of_the_authors_costs_a_page_only_its_samples(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(imagenet_settings, "blocked", lambda what, parameters: None)
    (tmp_path / "cgn.pth").write_bytes(b"0" * 1000)
    monkeypatch.setattr("cgnreport.protocol.imagenet_cgn.require", lambda name, folder: tmp_path / "cgn.pth")
    found = module.shown_cgn(Parameters())
    assert isinstance(found, Blocked) and "weights of the ImageNet CGN" in str(found) and "cgn.pth" in str(found)


def test_what_fails_unforeseen_is_told_with_its_kind_and_what_it_costs(cgn: ImageNetCGN, monkeypatch) -> None:
    def fails(*_: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr(imagenet_settings, "blocked", lambda *_: None)
    monkeypatch.setattr(module, "missing", lambda names, folder: None)
    for name in ("authors_cgn", "untrained_cgn", "inception_networks", "failures"):
        monkeypatch.setattr(module, name, fails)
    given = Parameters().with_changes(imagenet_device="cpu")
    found = {
        "the authors' CGN": module.shown_cgn(given),
        "the study's CGN": module.shown_cgn(given, "paper"),
        "the training of the study's CGN": module.snapshots(given),
        "torchvision's Inception-v3": module.judge(given),
        "failures of the CGN": module.galleries(given, cgn),
    }
    assert found == {what: Blocked(f"{what}: KeyError: 'x'") for what in found}
    monkeypatch.setattr(module, "missing", lambda names, folder: Blocked(f"missing {names}"))
    assert module.judge(given) == Blocked("missing ['inception-v3']")
