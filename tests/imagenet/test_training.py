from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from cgnlib.features import PerceptualFeatures
from cgnlib.imagenet import training
from cgnlib.imagenet.cgn import ImageNetCGN
from cgnlib.imagenet.recipes import AUTHORS_CGN, STUDY_CGN, TERMS, TOY_CGN, TOY_CLASSIFIER, without
from cgnlib.imagenet.training import ImageNetTrainer, train_imagenet_cgn
from cgnlib.training.weights import fingerprint
from tests.imagenet.conftest import small_cgn

TINY = replace(TOY_CGN, updates=4, accumulation=2, batch_size=2)


def weights(cgn: ImageNetCGN) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in cgn.state_dict().items()}


def moved(names: Iterable[tuple[str, nn.Parameter]]) -> set[str]:
    return {name.split(".")[0] for name, p in names if p.grad is not None and p.grad.abs().sum() > 0}


def test_published_lengths() -> None:
    assert (AUTHORS_CGN.updates * AUTHORS_CGN.accumulation, AUTHORS_CGN.images) == (1_200_000, 1_200_000)
    assert STUDY_CGN.images == 500_000  # 5 x 500 x 200


def test_an_update_moves_the_mechanisms_and_nothing_else(cgn: ImageNetCGN, features: PerceptualFeatures) -> None:
    before = weights(cgn)
    values = ImageNetTrainer(cgn, TINY, features, 0).step(0)
    changed = {name.split(".")[0] for name, tensor in cgn.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {"f_shape", "f_text", "f_bg"}
    assert set(values) == {
        "reconstruction",
        "style",
        "entropy",
        "interval",
        "texture",
        "background",
        "mask mean",
    }
    assert all(value.isfinite() for value in values.values())


@pytest.mark.parametrize(
    ("term", "reached"),
    [
        ("reconstruction", {"f_shape", "f_text", "f_bg"}),
        ("style", {"f_shape", "f_text", "f_bg"}),
        ("entropy", {"f_shape"}),
        ("texture", {"f_text"}),
        ("background", {"f_bg"}),
    ],
)
def test_a_gradient_reaches_only_the_mechanisms_it_should(
    cgn: ImageNetCGN, features: PerceptualFeatures, term: str, reached: set[str]
) -> None:
    trainer = ImageNetTrainer(cgn, TINY, features, 0)
    with torch.no_grad():  # so that the reconstruction is not perfect, as it is at the very start
        for mechanism in (cgn.f_shape, cgn.f_text, cgn.f_bg):
            mechanism.embeddings.weight.add_(torch.randn(mechanism.embeddings.weight.shape))
    terms, _ = trainer.terms()
    terms[term].backward()
    assert moved(cgn.named_parameters()) == reached


def test_a_training_starts_from_the_teacher_whatever_came_before(features: PerceptualFeatures, tmp_path: Path) -> None:
    again, once = small_cgn(), small_cgn()
    train_imagenet_cgn(again, TINY, features, 0, world="toy", root=tmp_path)
    for number, network in enumerate((again, once)):
        train_imagenet_cgn(network, TINY, features, 1, world="toy", root=tmp_path / str(number))
    assert fingerprint(again) == fingerprint(once)


def test_trainers_calibrate_features_of_their_own(cgn: ImageNetCGN, features: PerceptualFeatures) -> None:
    scales = [list(ImageNetTrainer(cgn, TINY, features, seed).features.scale) for seed in (0, 1)]
    assert scales[0] != scales[1] and features.scale == [1.0] * len(features.scale)


def test_gradients_are_summed_over_micro_batches_or_averaged(features: PerceptualFeatures) -> None:
    found = []
    for average in (False, True):
        network = small_cgn()
        trainer = ImageNetTrainer(network, replace(TINY, average_gradients=average), features, 0)
        trainer.step(0)
        found.append(network.f_text.generator.gen_z.weight_orig.grad)
    torch.testing.assert_close(found[0], 2 * found[1])


def test_the_images_of_a_micro_batch_are_of_one_class(
    cgn: ImageNetCGN, features: PerceptualFeatures, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    trainer = ImageNetTrainer(cgn, TINY, features, 0)
    teacher = cgn.teacher
    monkeypatch.setattr(cgn, "teacher", lambda u, y, truncation: (seen.append(y), teacher(u, y, truncation))[1])
    for _ in range(6):
        trainer.terms()
    assert all((y == y[0]).all() for y in seen)
    assert len({y[0].argmax().item() for y in seen}) > 1


@pytest.mark.parametrize("term", TERMS)
def test_an_ablation_lacks_its_term(cgn: ImageNetCGN, features: PerceptualFeatures, term: str) -> None:
    lost = {
        "shape": {"entropy", "interval"},
        "text": {"texture"},
        "bg": {"background"},
        "rec": {"reconstruction", "style"},
    }[term]
    terms, _ = ImageNetTrainer(cgn, without(TINY, term), features, 0).terms()
    assert all(value.item() == 0 for name, value in terms.items() if name in lost)
    assert all(value.item() > 0 for name, value in terms.items() if name not in lost | {"interval", "reconstruction"})


def test_resumed_is_the_same_as_uninterrupted(
    features: PerceptualFeatures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, artefact = train_imagenet_cgn(small_cgn(), TINY, features, 0, world="toy", root=tmp_path / "whole")
    snapshots = sorted(path.name for path in artefact.folder.glob("snapshot-*"))
    assert snapshots[0] == "snapshot-000000.safetensors" and snapshots[-1] == "snapshot-000004.safetensors"

    first = ImageNetTrainer(small_cgn(), TINY, features, 0)
    for step in range(2):
        first.step(step)
    second = ImageNetTrainer(small_cgn(), TINY, features, 0)
    second.state.restore(first.state.contents())
    for step in range(2, 4):
        second.step(step)
    expected = whole.state_dict()
    for name, tensor in second.cgn.state_dict().items():
        assert torch.equal(tensor, expected[name]), name

    def no_trainer(*_: object) -> None:
        raise AssertionError("a finished training needs none")

    monkeypatch.setattr(training, "ImageNetTrainer", no_trainer)
    loaded, _ = train_imagenet_cgn(small_cgn(), TINY, features, 0, world="toy", root=tmp_path / "whole")
    assert fingerprint(loaded) == fingerprint(whole) and not loaded.training


def test_unknown_settings_are_named() -> None:
    with pytest.raises(ValueError, match="patch-grid, fill"):
        replace(TOY_CGN, texture_target="quilt")
    with pytest.raises(ValueError, match="float32, bfloat16"):
        replace(TOY_CGN, precision="half")
    with pytest.raises(ValueError, match="1 or more"):
        replace(TOY_CGN, updates=0)
    with pytest.raises(ValueError, match="cf_ratio 0 or more"):
        replace(TOY_CLASSIFIER, cf_ratio=-1.0)
    with pytest.raises(ValueError, match="shape, text, bg, rec"):
        without(TOY_CGN, "mask")
