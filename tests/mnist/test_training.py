"""CGN training: each loss reaches what it should; a run is idempotent and survives interruption to the bit."""

import copy
import json
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

from cgnlib.errors import TrainingStopped
from cgnlib.features import perceptual_features, random_vgg16_features
from cgnlib.mnist import classifier as classifiers
from cgnlib.mnist import training
from cgnlib.mnist.cgn import CGN
from cgnlib.mnist.classifier import train_classifier
from cgnlib.mnist.gan import train_gan
from cgnlib.mnist.names import FACTORS
from cgnlib.mnist.recipes import GROUP, PAPER, ROBUST, ClassifierConfig, GANConfig
from cgnlib.mnist.training import (
    AdversarialTrainer,
    MechanismTrainer,
    build_networks,
    sample_classes,
    start_from_colours,
    train_cgn,
    trainer_for,
)
from cgnlib.paths import project_root
from cgnlib.training.artefact import Artefact
from tests.mnist.conftest import make_features, make_images

IMAGES, FEATURES = make_images(), make_features()
RECIPE = replace(ROBUST["double-colored"], batch_size=16, texture_batch=8, images=16 * 12)
PUBLISHED = replace(PAPER["double-colored"], images=16 * 12)
GAN = GANConfig(images=16 * 12, batch_size=16)
CLASSIFIER = ClassifierConfig(epochs=3, batch_size=16)

# What trains one thing of each kind, in a root.
TRAINERS: dict[str, Callable[[Path], Artefact]] = {
    "cgn": lambda root: train_cgn(IMAGES, RECIPE, 0, root=root)[1],
    "published cgn": lambda root: train_cgn(IMAGES, PUBLISHED, 0, features=FEATURES, root=root)[1],
    "gan": lambda root: train_gan(IMAGES, GAN, 0, root=root)[1],
    "classifier": lambda root: train_classifier(IMAGES, {"test": IMAGES.subset(slice(20))}, CLASSIFIER, 0, root=root)[
        2
    ],
}


def products(artefact: Artefact) -> list[bytes]:
    """The bytes of weights and log."""
    return [artefact.weights.read_bytes(), artefact.log_file.read_bytes()]


@pytest.fixture(scope="module")
def straight(tmp_path_factory) -> dict[str, list[bytes]]:
    """Products of uninterrupted trainings."""
    root = tmp_path_factory.mktemp("straight")
    return {kind: products(train(root)) for kind, train in TRAINERS.items()}


# --- one step -------------------------------------------------------------------------------------------------------

OURS = {*FACTORS, *(f"{name} discriminator" for name in FACTORS), "gradient penalty", "mask mean"}
THEIRS = {"adversarial", "entropy", "style", "discriminator", "mask mean"}


@pytest.mark.parametrize(("recipes", "terms"), [(PAPER, THEIRS), (ROBUST, OURS)], ids=["paper", "robust"])
@pytest.mark.parametrize("variant", PAPER)
def test_a_step_trains_all_networks(variant: str, recipes: dict, terms: set[str]) -> None:
    """Finite terms, and nearly every parameter changed."""
    ours = recipes is ROBUST
    recipe = replace(ROBUST[variant], batch_size=16, texture_batch=16, warm_up=0) if ours else PAPER[variant]
    trainer = trainer_for(IMAGES, recipe, 0, features=None if ours else FEATURES)
    networks = list(trainer.state.modules.values())[::2]  # but for the averaged weights
    before = [copy.deepcopy(network.state_dict()) for network in networks]
    values = trainer.step(0)
    assert all(value.ndim == 0 and torch.isfinite(value) and not value.requires_grad for value in values.values())
    assert set(values) == terms
    for network, old in zip(networks, before, strict=True):
        trained = [n for n, p in network.named_parameters() if p.grad is not None and not torch.equal(old[n], p)]
        assert len(trained) > 0.8 * len(list(network.parameters()))


@pytest.mark.parametrize("variant", ["double-colored", "wildlife"])
@pytest.mark.parametrize("network", [random_vgg16_features, lambda: perceptual_features("efficientnet-lite0")])
def test_the_published_recipe_in_bfloat16_keeps_its_masks_exact(network, variant: str, monkeypatch) -> None:
    """The same draws as in float32; textures and losses differ by roundings."""
    drawn, losses_of_a_step = [], []
    for precision in ("float32", "bfloat16"):
        monkeypatch.setattr(training, "fast_precision", lambda device, precision=precision: precision)
        trainer = trainer_for(IMAGES, PAPER[variant], 0, features=network())
        assert isinstance(trainer, AdversarialTrainer) and trainer.precision == precision
        drawn.append(trainer._draw(torch.arange(10)))
        losses_of_a_step.append(trainer.step(0))
    plain, fast = drawn
    assert torch.equal(fast.mask, plain.mask)
    for ours, theirs in ((fast.foreground, plain.foreground), (fast.background, plain.background)):
        assert ours.dtype == torch.float32 and not torch.equal(ours, theirs)
        assert (ours - theirs).abs().mean() < 0.02
    torch.testing.assert_close(losses_of_a_step[1], losses_of_a_step[0], rtol=0.05, atol=0.02)


def test_the_gradient_penalty_is_taken_every_few_steps() -> None:
    trainer = trainer_for(IMAGES, replace(RECIPE, r1_every=3), 0)
    penalties = [trainer.step(step)["gradient penalty"].item() for step in range(4)]
    assert penalties[0] > 0
    assert [penalty == penalties[0] for penalty in penalties] == [True, True, True, False]  # the last one is logged


@pytest.mark.parametrize(("name", "mechanism"), [*zip(FACTORS, ("f_shape", "f_text1", "f_text2"), strict=True)])
def test_each_mechanism_learns_from_its_own_discriminator_alone(name: str, mechanism: str) -> None:
    """With the scores of the other two set to a constant, only one mechanism and the shared embedding move."""
    trainer = trainer_for(IMAGES, replace(RECIPE, warm_up=0), 0)
    assert isinstance(trainer, MechanismTrainer)
    for other in set(FACTORS) - {name}:
        trainer.judges[other].register_forward_hook(lambda *seen: seen[-1] * 0)
    before = copy.deepcopy(dict(trainer.cgn.named_parameters()))
    trainer.step(0)
    moved = {n.split(".")[0] for n, p in trainer.cgn.named_parameters() if not torch.equal(before[n], p)}
    assert moved == {mechanism, "label_emb"}


@pytest.mark.parametrize("by_image", [*((factor,) for factor in FACTORS), FACTORS])
def test_mechanisms_judged_in_images_learn_from_whole_images_alone(by_image: tuple[str, ...]) -> None:
    """Without the score of the image they stand still; with all three, the found masks are not read."""
    trainer = trainer_for(IMAGES, replace(RECIPE, warm_up=0, by_image=by_image), 0)
    assert isinstance(trainer, MechanismTrainer)
    assert set(trainer.judges) == {*FACTORS, "image"} - set(by_image)
    if by_image == FACTORS:
        trainer.masks.fill_(0)
    mechanisms: dict[str, str] = dict(zip(map(str, FACTORS), ("f_shape", "f_text1", "f_text2"), strict=True))
    before = copy.deepcopy(dict(trainer.cgn.named_parameters()))
    for each in trainer.judges.values():
        if each is not trainer.judges["image"]:
            each.register_forward_hook(lambda *seen: seen[-1] * 0)
    assert torch.isfinite(trainer.step(0)["image"])
    moved = {n.split(".")[0] for n, p in trainer.cgn.named_parameters() if not torch.equal(before[n], p)}
    assert moved == {"label_emb", *(mechanisms[factor] for factor in by_image)}


def test_the_published_recipe_with_found_masks_compares_masks_of_one_class() -> None:
    recipe = replace(PUBLISHED, found_masks="hard")
    trainer = trainer_for(IMAGES, recipe, 0, features=FEATURES)
    assert isinstance(trainer, AdversarialTrainer)
    labels, drawn = torch.arange(4).repeat_interleave(GROUP), trainer.masks.float() / 255
    found = trainer._found(torch.zeros(16, 1, 32, 32), labels)
    for label, mask in zip(labels, found.true, strict=True):
        assert any(torch.equal(mask, each) for each in drawn[IMAGES.shape == label])
    before = copy.deepcopy(trainer.judge.state_dict())
    values = trainer.step(0)
    assert set(values) == {*THEIRS, "found masks", "masks discriminator"}
    assert any(not torch.equal(before[name], tensor) for name, tensor in trainer.judge.state_dict().items())
    gradients = {name: p.grad for name, p in trainer.cgn.f_shape.named_parameters()}
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients.values())


def test_batches_of_our_recipe_come_in_groups_of_one_class() -> None:
    trainer = trainer_for(IMAGES, RECIPE, 0)
    trainer.step(0)
    labels = IMAGES.shape[trainer.index].view(-1, GROUP)
    assert (labels == labels[:, :1]).all()
    assert len(labels[:, 0].unique()) > 1


def test_the_published_recipe_needs_features() -> None:
    with pytest.raises(ValueError, match="recipe paper needs perceptual features"):
        trainer_for(IMAGES, PUBLISHED, 0)


def test_textures_start_from_the_colours_of_frame_and_middle() -> None:
    pixels = torch.zeros(50, 3, 32, 32, dtype=torch.uint8)
    pixels[:, 0, 8:-8, 8:-8] = torch.randint(120, 255, (50, 1, 1), generator=torch.Generator().manual_seed(0)).byte()
    cgn = CGN()
    start_from_colours(cgn, pixels)
    state = cgn.state_dict()
    assert torch.tanh(state["f_text2.11.bias"]).tolist() == pytest.approx([-0.98] * 3, abs=1e-3)
    assert state["f_text2.11.weight"].tolist() == pytest.approx([0] * 3, abs=1e-5)
    red, green, _ = torch.tanh(state["f_text1.11.bias"]).tolist()
    assert red > 0.3
    assert green == pytest.approx(-0.98, abs=1e-3)
    assert state["f_text1.11.weight"][0] > 0.3


def test_published_networks_have_their_initialisation() -> None:
    cgn, discriminator = build_networks(PAPER["wildlife"], 0)
    assert cgn.state_dict()["f_text1.3.weight"].std().item() == pytest.approx(0.03, rel=0.05)
    first = next(p for n, p in discriminator.named_parameters() if n.startswith("features.0"))
    assert first.std().item() == pytest.approx(0.02, rel=0.1)


def test_the_generator_step_leaves_the_discriminator_alone() -> None:
    """And the other way round: each loss moves its own network."""
    trainer = AdversarialTrainer(IMAGES, PUBLISHED, FEATURES, 0, "cpu")
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
def test_training_sees_images_and_class_labels_only(recipe) -> None:
    """Other factor labels in the data change nothing."""
    blind = replace(IMAGES, foreground=IMAGES.shape * 0 - 1, background=IMAGES.shape * 0 - 1)
    cgns = [trainer_for(images, recipe, 0, features=FEATURES) for images in (IMAGES, blind)]
    for trainer in cgns:
        trainer.step(0)
    assert all(torch.equal(a, b) for a, b in zip(cgns[0].cgn.parameters(), cgns[1].cgn.parameters(), strict=True))


def test_learning_rate_rises_and_falls_linearly() -> None:
    trainer = trainer_for(IMAGES, replace(RECIPE, warm_up=4, final_learning_rate=0.1), 0)
    rates = []
    for step in (0, 3, 6, 12):
        trainer.step(step)
        rates.append(trainer.state.optimizers["shape"].param_groups[0]["lr"] / RECIPE.learning_rate)
    assert rates == pytest.approx([0.25, 1 - 0.9 * 3 / 12, 0.55, 0.1])


# --- whole trainings ------------------------------------------------------------------------------------------------


def test_a_cgn_is_trained_once(straight, tmp_path: Path, monkeypatch) -> None:
    cgn, artefact = train_cgn(IMAGES, RECIPE, 0, root=tmp_path)
    assert products(artefact) == straight["cgn"]
    assert not cgn.training
    assert set(artefact.log()) == {"step", *OURS}
    assert artefact.log()["step"].tolist() == [10, 12]
    monkeypatch.setattr(training, "run", lambda *arguments, **options: pytest.fail("trained again"))
    again, _ = train_cgn(IMAGES, RECIPE, 0, root=tmp_path)
    assert torch.equal(sample_classes(cgn).image, sample_classes(again).image)
    # Snapshots show every class through training.
    files = sorted(artefact.folder.glob("snapshot-*.safetensors"))
    assert [int(file.stem[-6:]) for file in files] == [1, 3, 6, 12]
    colours = dict.fromkeys(("foreground", "background", "image"), (10, 3, 32, 32))
    shapes = {name: tuple(tensor.shape) for name, tensor in load_file(files[-1]).items()}
    assert shapes == {"mask": (10, 1, 32, 32), **colours}


@pytest.mark.parametrize(
    ("seed", "change", "limit"),
    [(1, {}, None), (0, {"lambda_r1_texture": 0.5}, None), (0, {"ema": 0.0}, None), (0, {}, 80)],
    ids=["seed", "recipe", "averaging", "data"],
)
def test_what_defines_a_training_names_its_artefact(tmp_path: Path, seed: int, change: dict, limit: int | None) -> None:
    short = replace(RECIPE, images=32)
    first, _ = train_cgn(IMAGES, short, 0, root=tmp_path)
    other, _ = train_cgn(IMAGES.subset(slice(limit)), replace(short, **change), seed, root=tmp_path)
    assert len(list((tmp_path / "cgn").iterdir())) == 2
    assert not torch.equal(*(cgn.state_dict()["f_text2.0.weight"] for cgn in (first, other)))


def test_a_training_in_another_precision_is_another_artefact(tmp_path: Path, monkeypatch) -> None:
    for name in ("float32", "bfloat16"):
        monkeypatch.setattr("cgnlib.training.precision.fast_precision", lambda device, name=name: name)
        train_cgn(IMAGES, replace(RECIPE, images=32), 0, root=tmp_path)
        train_classifier(IMAGES, {}, ClassifierConfig(epochs=1, batch_size=16), 0, root=tmp_path)
    keys = [json.loads(file.read_text())["config"].get("precision") for file in tmp_path.glob("*/*/record.json")]
    assert sorted(keys, key=str) == [None, None, "bfloat16", "bfloat16"]


def test_masks_that_collapse_stop_the_training(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("cgnlib.training.collapse.COLLAPSE_ROWS", 1)
    monkeypatch.setattr("cgnlib.training.collapse.MASK_BOUNDS", (0.98, 0.99))
    with pytest.raises(TrainingStopped, match="CGN noise/train seed 0: masks collapsed"):
        train_cgn(IMAGES, RECIPE, 0, root=tmp_path)


# --- interruption ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TRAINERS)
def test_interrupted_inside_a_step_and_resumed(kind: str, straight, every_step, tmp_path: Path, monkeypatch) -> None:
    """The interrupt comes where one network has had its update of the step and nothing else has."""
    calls = []
    optimizer = torch.optim.Adadelta if kind == "classifier" else torch.optim.Adam
    step = optimizer.step

    def interrupting(*arguments, **options):
        result = step(*arguments, **options)
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return result

    with monkeypatch.context() as patch:
        patch.setattr(optimizer, "step", interrupting)
        with pytest.raises(KeyboardInterrupt):
            TRAINERS[kind](tmp_path)
    assert products(TRAINERS[kind](tmp_path)) == straight[kind]
    assert every_step == [{"classifier": 4, "cgn": 1}.get(kind, 2)]  # of one optimizer, of three, of two


PROGRAM = """
import sys, time, torch
from pathlib import Path
from cgnlib.training import loop
from tests.mnist.test_training import TRAINERS

torch.set_num_threads(1)
loop.CHECKPOINT_SECONDS, save = 0, loop.TrainingState.save
loop.TrainingState.save = lambda state, path: (save(state, path), time.sleep(0.1))
TRAINERS[sys.argv[1]](Path(sys.argv[2]))
"""


def started(kind: str, root: Path) -> subprocess.Popen:
    """A slow training of that kind in another process, with its first checkpoint written."""
    command = [sys.executable, "-c", PROGRAM, kind, str(root)]
    program = subprocess.Popen(command, cwd=project_root(), stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 100
    while not list(root.glob("*/*/checkpoint.pt")):
        if program.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"no checkpoint: {program.communicate()[1]}")
        time.sleep(0.02)
    return program


@pytest.mark.parametrize(  # a process each; what a resumed training needs is tested for all kinds above
    "kind", ["cgn", "classifier", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("published cgn", "gan"))]
)
def test_killed_and_resumed(kind: str, straight, every_step, tmp_path: Path) -> None:
    program = started(kind, tmp_path)
    os.kill(program.pid, signal.SIGKILL)
    program.communicate()
    assert program.returncode == -signal.SIGKILL
    assert not list(tmp_path.glob("*/*/record.json"))
    assert products(TRAINERS[kind](tmp_path)) == straight[kind]
    assert 0 < every_step[0] < 12


def test_a_second_process_waits_and_loads(straight, tmp_path: Path, monkeypatch) -> None:
    program = started("classifier", tmp_path)
    monkeypatch.setattr(classifiers, "run", lambda *arguments, **options: pytest.fail("trained again"))
    artefact = TRAINERS["classifier"](tmp_path)
    assert program.wait() == 0
    assert products(artefact) == straight["classifier"]
