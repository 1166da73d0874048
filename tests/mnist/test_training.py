"""CGN training: each loss reaches what it should; a run is idempotent and survives interruption to the bit."""

import copy
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from cgnlib import losses
from cgnlib.features import PerceptualFeatures, perceptual_features, random_vgg16_features
from cgnlib.images import LabelledImages
from cgnlib.mnist import classifier as classifiers
from cgnlib.mnist import gan as gans
from cgnlib.mnist import training
from cgnlib.mnist.cgn import CGN
from cgnlib.mnist.classifier import ClassifierConfig, train_classifier
from cgnlib.mnist.discriminators import GROUP
from cgnlib.mnist.gan import GANConfig, train_gan
from cgnlib.mnist.recipes import PAPER, ROBUST
from cgnlib.mnist.training import (
    AdversarialTrainer,
    MechanismTrainer,
    build_networks,
    sample_classes,
    start_from_colours,
    train_cgn,
    trainer_for,
)
from cgnlib.training import Artefact, TrainingStopped

RECIPE = replace(ROBUST["double-colored"], batch_size=16, texture_batch=8, images=16 * 12)
PUBLISHED = replace(PAPER["double-colored"], images=16 * 12)
GAN = GANConfig(images=16 * 12, batch_size=16)
CLASSIFIER = ClassifierConfig(epochs=3, batch_size=16)

# What trains one thing of each kind on the same images, in `root`.
Trainer = Callable[[LabelledImages, PerceptualFeatures, Path], Artefact]
TRAINERS: dict[str, Trainer] = {
    "cgn": lambda images, features, root: train_cgn(images, RECIPE, None, 0, root=root)[1],
    "published cgn": lambda images, features, root: train_cgn(images, PUBLISHED, features, 0, root=root)[1],
    "gan": lambda images, features, root: train_gan(images, GAN, 0, root=root)[1],
    "classifier": lambda images, features, root: train_classifier(
        images, {"test": images.subset(slice(20))}, CLASSIFIER, 0, root=root
    )[2],
}


# The kind of artefact that each makes, which names its folder.
ARTEFACTS = {"cgn": "cgn", "published cgn": "cgn", "gan": "gan", "classifier": "classifier"}


def products(artefact: Artefact) -> list[bytes]:
    """The bytes of weights and log."""
    return [artefact.weights.read_bytes(), artefact.log_file.read_bytes()]


@pytest.fixture(scope="module")
def straight(some_images, tiny_features, tmp_path_factory) -> dict[str, list[bytes]]:
    """Products of uninterrupted trainings."""
    root = tmp_path_factory.mktemp("straight")
    return {kind: products(train(some_images, tiny_features, root)) for kind, train in TRAINERS.items()}


def first_weight(cgn: CGN) -> torch.Tensor:
    return cgn.state_dict()["f_text2.0.weight"]


# --- one step -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", PAPER)
def test_the_published_recipe_takes_a_step(variant: str, some_images, tiny_features) -> None:
    trainer = trainer_for(some_images, PAPER[variant], tiny_features, 0)
    assert isinstance(trainer, AdversarialTrainer)
    terms = {"adversarial", "entropy", "style", "discriminator", "mask mean"}
    assert_one_step(trainer, (trainer.cgn, trainer.discriminator), terms)


@pytest.mark.parametrize("variant", ["double-colored", "wildlife"])
def test_the_published_recipe_with_vgg16_in_bfloat16_keeps_its_masks_exact(
    variant: str, some_images, monkeypatch
) -> None:
    """The same draws as in float32; textures and losses differ by roundings."""
    drawn, losses_of_a_step = [], []
    for precision in ("float32", "bfloat16"):
        monkeypatch.setattr(training, "fast_precision", lambda device, precision=precision: precision)
        trainer = trainer_for(some_images, PAPER[variant], random_vgg16_features(), 0)
        assert isinstance(trainer, AdversarialTrainer) and trainer.precision == precision
        drawn.append(trainer._draw(torch.arange(10)))
        losses_of_a_step.append(trainer.step(0))
    plain, fast = drawn
    assert torch.equal(fast.mask, plain.mask)
    for ours, theirs in ((fast.foreground, plain.foreground), (fast.background, plain.background)):
        assert ours.dtype == torch.float32 and not torch.equal(ours, theirs)
        assert (ours - theirs).abs().mean() < 0.02
    torch.testing.assert_close(losses_of_a_step[1], losses_of_a_step[0], rtol=0.05, atol=0.02)


@pytest.mark.parametrize("variant", ROBUST)
def test_our_recipe_takes_a_step_without_features(variant: str, some_images) -> None:
    trainer = trainer_for(some_images, replace(ROBUST[variant], batch_size=16, texture_batch=16, warm_up=0), None, 0)
    assert isinstance(trainer, MechanismTrainer)
    mechanisms = {"shape", "foreground", "background"}
    terms = mechanisms | {f"{name} discriminator" for name in mechanisms} | {"gradient penalty", "mask mean"}
    assert_one_step(trainer, (trainer.cgn, trainer.judges), terms)


def test_the_gradient_penalty_is_taken_every_few_steps(some_images) -> None:
    trainer = trainer_for(some_images, replace(RECIPE, r1_every=3), None, 0)
    penalties = [trainer.step(step)["gradient penalty"].item() for step in range(4)]
    assert penalties[0] > 0
    assert [penalty == penalties[0] for penalty in penalties] == [True, True, True, False]  # the last one is logged


def test_each_mechanism_learns_from_its_own_discriminator_alone(some_images) -> None:
    """With the scores of the other two set to a constant, only one mechanism and the shared embedding move."""

    def silence(module: torch.nn.Module, inputs: tuple, scores: torch.Tensor) -> torch.Tensor:
        return scores * 0

    for name, prefix in (("shape", "f_shape"), ("foreground", "f_text1"), ("background", "f_text2")):
        trainer = trainer_for(some_images, replace(RECIPE, warm_up=0), None, 0)
        assert isinstance(trainer, MechanismTrainer)
        for other, judge in trainer.judges.items():
            if other != name:
                judge.register_forward_hook(silence)
        before = copy.deepcopy(dict(trainer.cgn.named_parameters()))
        trainer.step(0)
        moved = {n.split(".")[0] for n, p in trainer.cgn.named_parameters() if not torch.equal(before[n], p)}
        assert moved == {prefix, "label_emb"}


def test_batches_of_our_recipe_come_in_groups_of_one_class(some_images) -> None:
    trainer = trainer_for(some_images, RECIPE, None, 0)
    assert isinstance(trainer, MechanismTrainer)
    labels = some_images.shape[trainer._classes_in_groups()].view(-1, GROUP)
    assert (labels == labels[:, :1]).all()
    assert len(labels[:, 0].unique()) > 1
    with pytest.raises(ValueError, match="batches of a multiple of 4, .* not 18 and 8"):
        trainer_for(some_images, replace(RECIPE, batch_size=18), None, 0)
    for wrong in (4, 20):  # textures of a single class; more than there are images
        with pytest.raises(ValueError, match=f"not 16 and {wrong}"):
            trainer_for(some_images, replace(RECIPE, texture_batch=wrong), None, 0)


def assert_one_step(
    trainer: AdversarialTrainer | MechanismTrainer, networks: tuple, terms: set[str], step: int = 0
) -> None:
    """A step gives finite terms, and changes nearly every parameter of the networks."""
    before = [copy.deepcopy(network.state_dict()) for network in networks]
    values = trainer.step(step)
    assert all(value.ndim == 0 and torch.isfinite(value) and not value.requires_grad for value in values.values())
    assert set(values) == terms
    for network, old in zip(networks, before, strict=True):
        trained = [n for n, p in network.named_parameters() if p.grad is not None and not torch.equal(old[n], p)]
        assert len(trained) > 0.8 * len(list(network.parameters()))


def test_the_published_recipe_needs_features(some_images) -> None:
    with pytest.raises(ValueError, match="recipe paper needs perceptual features"):
        trainer_for(some_images, PUBLISHED, None, 0)


def test_textures_start_from_the_colours_of_frame_and_middle() -> None:
    pixels = torch.zeros(50, 3, 32, 32, dtype=torch.uint8)
    pixels[:, 0, 8:-8, 8:-8] = torch.randint(120, 255, (50, 1, 1), generator=torch.Generator().manual_seed(0)).byte()
    cgn = CGN()
    start_from_colours(cgn, pixels, border=3)
    state = cgn.state_dict()
    weight = {"middle": state["f_text1.11.weight"], "frame": state["f_text2.11.weight"]}
    bias = {"middle": state["f_text1.11.bias"], "frame": state["f_text2.11.bias"]}
    assert torch.tanh(bias["frame"]).tolist() == pytest.approx([-0.98] * 3, abs=1e-3)
    assert weight["frame"].tolist() == pytest.approx([0] * 3, abs=1e-5)
    red, green, _ = torch.tanh(bias["middle"]).tolist()
    assert red > 0.3
    assert green == pytest.approx(-0.98, abs=1e-3)
    assert weight["middle"][0] > 0.3


def test_published_networks_have_their_initialisation() -> None:
    cgn, discriminator = build_networks(PAPER["wildlife"], 0)
    assert cgn.state_dict()["f_text1.3.weight"].std().item() == pytest.approx(0.03, rel=0.05)
    first = next(p for n, p in discriminator.named_parameters() if n.startswith("features.0"))
    assert first.std().item() == pytest.approx(0.02, rel=0.1)
    again = build_networks(PAPER["wildlife"], 0)
    torch.manual_seed(5)  # global draws change nothing
    for one, other in zip((cgn, discriminator), again, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert not torch.equal(first_weight(build_networks(PAPER["wildlife"], 1)[0]), first_weight(cgn))


def test_the_generator_step_leaves_the_discriminator_alone(some_images, tiny_features) -> None:
    """And the other way round: each loss moves its own network."""
    trainer = AdversarialTrainer(some_images, PUBLISHED, tiny_features, 0, "cpu")
    old = copy.deepcopy(trainer.discriminator.state_dict())
    seen, cgn_after = [], {}

    def after_generator(*_: object) -> None:
        seen.append([p.grad for p in trainer.discriminator.parameters()])
        cgn_after.update(copy.deepcopy(trainer.cgn.state_dict()))

    trainer.optimizer_g.register_step_post_hook(after_generator)
    trainer.step(0)
    assert all(gradient is None for gradient in seen[0])
    assert all(torch.equal(cgn_after[name], tensor) for name, tensor in trainer.cgn.state_dict().items())
    assert not all(torch.equal(old[name], p) for name, p in trainer.discriminator.named_parameters())


@pytest.mark.parametrize("recipe", [RECIPE, PUBLISHED], ids=lambda r: r.name)
def test_training_sees_images_and_class_labels_only(recipe, some_images, tiny_features) -> None:
    """Other factor labels in the data change nothing."""
    blind = replace(some_images, foreground=some_images.shape * 0 - 1, background=some_images.shape * 0 - 1)
    cgns = [trainer_for(images, recipe, tiny_features, 0) for images in (some_images, blind)]
    for trainer in cgns:
        trainer.step(0)
    assert all(torch.equal(a, b) for a, b in zip(cgns[0].cgn.parameters(), cgns[1].cgn.parameters(), strict=True))


def test_learning_rate_rises_and_falls_linearly(some_images) -> None:
    recipe = replace(RECIPE, warm_up=4, final_learning_rate=0.1)
    trainer = trainer_for(some_images, recipe, None, 0)
    rates = []
    for step in (0, 3, 6, 12):
        trainer.step(step)
        rates.append(trainer.state.optimizers["shape"].param_groups[0]["lr"] / RECIPE.learning_rate)
    assert rates == pytest.approx([0.25, 1 - 0.9 * 3 / 12, 0.55, 0.1])


def test_efficientnet_takes_a_step(some_images) -> None:
    trainer = AdversarialTrainer(some_images, PUBLISHED, perceptual_features("efficientnet-lite0"), 0, "cpu")
    assert trainer.step(0)["style"] > 0
    assert all(scale > 0 for scale in trainer.features.scale)


# --- whole trainings ------------------------------------------------------------------------------------------------


def test_a_cgn_is_trained_once(some_images, tiny_features, straight, tmp_path: Path, monkeypatch) -> None:
    cgn, artefact = train_cgn(some_images, RECIPE, None, 0, root=tmp_path)
    assert products(artefact) == straight["cgn"]
    assert not cgn.training
    assert set(artefact.log()) >= {"step", "shape", "foreground", "background", "gradient penalty", "mask mean"}
    assert artefact.log()["step"].tolist() == [10, 12]
    written = artefact.weights.stat().st_mtime_ns
    monkeypatch.setattr(training, "run", lambda *arguments, **options: pytest.fail("trained again"))
    again, _ = train_cgn(some_images, RECIPE, None, 0, root=tmp_path)
    assert artefact.weights.stat().st_mtime_ns == written
    a, b = sample_classes(cgn), sample_classes(again)
    assert torch.equal(a.image, b.image)


def test_snapshots_show_every_class_through_training(some_images, tiny_features, tmp_path: Path) -> None:
    _, artefact = train_cgn(some_images, RECIPE, None, 0, root=tmp_path)
    files = sorted(artefact.folder.glob("snapshot-*.safetensors"))
    assert [int(file.stem[-6:]) for file in files] == [1, 3, 6, 12]
    last = load_file(files[-1])
    assert {name: tuple(tensor.shape) for name, tensor in last.items()} == {
        "mask": (10, 1, 32, 32),
        **dict.fromkeys(("foreground", "background", "image"), (10, 3, 32, 32)),
    }


def test_averaged_weights_are_the_ones_that_are_kept(some_images, tiny_features, tmp_path: Path) -> None:
    plain, _ = train_cgn(some_images, replace(RECIPE, ema=0.0), None, 0, root=tmp_path)
    averaged, _ = train_cgn(some_images, RECIPE, None, 0, root=tmp_path)
    assert not torch.equal(first_weight(plain), first_weight(averaged))


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"recipe": replace(RECIPE, lambda_r1_texture=0.5)}, {"limit": 80}],
    ids=["seed", "recipe", "data"],
)
def test_what_defines_a_training_names_its_artefact(some_images, tiny_features, tmp_path: Path, change) -> None:
    images = some_images.subset(slice(change.get("limit")))
    length = {"images": 32}
    first, _ = train_cgn(some_images, replace(RECIPE, **length), None, 0, root=tmp_path)
    recipe = replace(change.get("recipe", RECIPE), **length)
    other, _ = train_cgn(images, recipe, None, change.get("seed", 0), root=tmp_path)
    assert len(list((tmp_path / "cgn").iterdir())) == 2
    assert not torch.equal(first_weight(first), first_weight(other))


def test_less_than_one_batch_is_an_error(some_images, tiny_features, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="CGN noise/train seed 0: the training length is less than one batch"):
        train_cgn(some_images, replace(RECIPE, images=15), None, 0, root=tmp_path)


def test_divergence_stops_the_training(some_images, tiny_features, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(losses, "binary_entropy", lambda mask: mask.mean() * float("nan"))
    with pytest.raises(TrainingStopped, match="CGN noise/train seed 0: [a-z]+ is nan at step 10"):
        train_cgn(some_images, PUBLISHED, tiny_features, 0, root=tmp_path)


# --- interruption and damage ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TRAINERS)
def test_interrupted_inside_a_step_and_resumed(
    kind: str, some_images, tiny_features, straight, every_step, tmp_path: Path, monkeypatch
) -> None:
    """The interrupt comes where one network has had its update of the step and nothing else has."""
    calls = []

    def interrupting(step_of):
        def update(*arguments, **options):
            result = step_of(*arguments, **options)
            calls.append(1)
            if len(calls) == 5:
                raise KeyboardInterrupt
            return result

        return update

    optimizer = torch.optim.Adadelta if kind == "classifier" else torch.optim.Adam
    with monkeypatch.context() as patch:
        patch.setattr(optimizer, "step", interrupting(optimizer.step))
        with pytest.raises(KeyboardInterrupt):
            TRAINERS[kind](some_images, tiny_features, tmp_path)
    assert products(TRAINERS[kind](some_images, tiny_features, tmp_path)) == straight[kind]
    assert every_step == [{"classifier": 4, "cgn": 1}.get(kind, 2)]  # of one optimizer, of three, of two


def script(kind: str, root: Path, stand_ins: str) -> str:
    """A program that trains one thing slowly, with a checkpoint at every step."""
    return "\n".join(
        [
            "import time, torch",
            "from dataclasses import replace",
            "from pathlib import Path",
            "from torch import nn",
            "from cgnlib import training",
            "from cgnlib.features import PerceptualFeatures",
            "from cgnlib.images import LabelledImages",
            "from cgnlib.mnist.classifier import ClassifierConfig, train_classifier",
            "from cgnlib.mnist.gan import GANConfig, train_gan",
            "from cgnlib.mnist.recipes import PAPER, ROBUST",
            "from cgnlib.mnist.training import train_cgn",
            stand_ins,
            "torch.set_num_threads(1)",
            "training.CHECKPOINT_SECONDS = 0",
            "save = training.TrainingState.save",
            "training.TrainingState.save = lambda state, path: (save(state, path), time.sleep(0.1))",
            f"images, features, root = make_images(), make_features(), Path({str(root)!r})",
            "recipe = replace(ROBUST['double-colored'], batch_size=16, texture_batch=8, images=16 * 12)",
            "published = replace(PAPER['double-colored'], images=16 * 12)",
            {
                "cgn": "train_cgn(images, recipe, None, 0, root=root)",
                "published cgn": "train_cgn(images, published, features, 0, root=root)",
                "gan": "train_gan(images, GANConfig(images=16 * 12, batch_size=16), 0, root=root)",
                "classifier": "train_classifier(images, {'test': images.subset(slice(20))},"
                " ClassifierConfig(epochs=3, batch_size=16), 0, root=root)",
            }[kind],
        ]
    )


def started(kind: str, root: Path, stand_ins: str) -> subprocess.Popen:
    """That program, running, with its first checkpoint written."""
    program = subprocess.Popen([sys.executable, "-c", script(kind, root, stand_ins)], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 100
    while not list(root.glob(f"{ARTEFACTS[kind]}/*/checkpoint.pt")):
        if program.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"no checkpoint: {program.communicate()[1]}")
        time.sleep(0.02)
    return program


@pytest.mark.parametrize(  # a process each; what a resumed training needs is tested for all kinds above
    "kind", ["cgn", "classifier", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("published cgn", "gan"))]
)
def test_killed_and_resumed(
    kind: str, some_images, tiny_features, straight, stand_ins: str, every_step, tmp_path: Path
) -> None:
    program = started(kind, tmp_path, stand_ins)
    os.kill(program.pid, signal.SIGKILL)
    program.communicate()
    assert program.returncode == -signal.SIGKILL
    assert not list(tmp_path.glob("*/*/record.json"))
    assert products(TRAINERS[kind](some_images, tiny_features, tmp_path)) == straight[kind]
    assert 0 < every_step[0] < 12


def test_a_second_process_waits_and_loads(
    some_images, tiny_features, straight, stand_ins: str, tmp_path: Path, monkeypatch
) -> None:
    program = started("classifier", tmp_path, stand_ins)
    monkeypatch.setattr(classifiers, "run", lambda *arguments, **options: pytest.fail("trained again"))
    artefact = TRAINERS["classifier"](some_images, tiny_features, tmp_path)
    assert program.wait() == 0
    assert products(artefact) == straight["classifier"]


@pytest.mark.parametrize("kind", TRAINERS)
def test_a_damaged_result_is_named_and_rebuilt(kind: str, some_images, tiny_features, straight, tmp_path: Path) -> None:
    artefact = TRAINERS[kind](some_images, tiny_features, tmp_path)
    artefact.weights.write_bytes(artefact.weights.read_bytes()[:-8])
    with pytest.warns(UserWarning, match=f"finished {ARTEFACTS[kind]} in .* is damaged .*; building it again"):
        TRAINERS[kind](some_images, tiny_features, tmp_path)
    assert products(artefact) == straight[kind]


@pytest.mark.parametrize("kind", TRAINERS)
def test_a_corrupt_checkpoint_is_named_and_rebuilt(
    kind: str, some_images, tiny_features, straight, every_step, tmp_path: Path, monkeypatch
) -> None:
    module = {"cgn": training, "published cgn": training, "gan": gans, "classifier": classifiers}[kind]
    with monkeypatch.context() as patch:
        patch.setattr(module, "run", lambda state, steps, step, checkpoint, **options: state.save(checkpoint) or 1 / 0)
        with pytest.raises(ZeroDivisionError):
            TRAINERS[kind](some_images, tiny_features, tmp_path)
    checkpoint = next(tmp_path.glob("*/*/checkpoint.pt"))
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    with pytest.warns(
        UserWarning, match=f"checkpoint.pt cannot be used .* Starting {ARTEFACTS[kind]} again from step 0"
    ):
        artefact = TRAINERS[kind](some_images, tiny_features, tmp_path)
    assert products(artefact) == straight[kind]
