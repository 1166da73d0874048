"""Training that survives interruption, damage, full disks and divergence, on a model of a few numbers."""

import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from cgnlib.errors import TrainingStopped
from cgnlib.paths import own_file
from cgnlib.training import loop
from cgnlib.training.artefact import Artefact
from cgnlib.training.collapse import COLLAPSE_ROWS, masks_collapsed
from cgnlib.training.loop import LOG_EVERY, TrainingState, run

UNWRITABLE = r"cannot write .*Free some space, or point CGN_BUILD to a folder that can be written"


def state(key: str = "") -> TrainingState:
    """A linear layer that is always the same at first, its optimizer and a generator."""
    layer = nn.Linear(3, 1)
    nn.init.constant_(layer.weight, 0.5)
    nn.init.zeros_(layer.bias)
    optimizer = torch.optim.Adam(layer.parameters(), 0.1)
    made = TrainingState({"layer": layer}, {"adam": optimizer}, {"noise": torch.Generator().manual_seed(0)})
    made.key = key
    return made


def loaded(path: Path, key: str = "") -> TrainingState:
    made = state(key)
    made.load(path)
    return made


def stepper(of: TrainingState, hook: Callable[[int, str], None] = lambda step, place: None):
    """One update of `of`; `hook` is called before it and, in the middle, when the weights are already changed."""

    def step(index: int) -> dict[str, Tensor]:
        hook(index, "start")
        layer, adam = of.modules["layer"], of.optimizers["adam"]
        loss = layer(torch.randn(4, 3, generator=of.generators["noise"])).square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        hook(index, "middle")
        torch.randn(1, generator=of.generators["noise"])
        return {"loss": loss.detach()}

    return step


def trained(steps: int, key: str = "", checkpoint: Path | None = None) -> TrainingState:
    made = state(key)
    run(made, steps, stepper(made), checkpoint)
    return made


def assert_same(one: TrainingState, other: TrainingState) -> None:
    """Weights, optimizer, generator, step and log are equal to the bit."""
    parts = [each.contents() | {"seconds": 0, "key": None} for each in (one, other)]
    torch.testing.assert_close(*parts, rtol=0, atol=0)


@pytest.fixture
def save_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)


# --- the loop -------------------------------------------------------------------------------------------------------


def test_log_and_snapshots() -> None:
    made, seen = state(), []
    run(made, 25, stepper(made), snapshots={n: lambda: seen.append(made.step) for n in (1, 20, 25)})
    assert made.log["step"] == [10, 20, 25]
    assert len(made.log["loss"]) == 3
    assert seen == [1, 20, 25]


def test_no_step_at_all_is_an_error() -> None:
    with pytest.raises(ValueError, match="CGN: the training length is less than one batch"):
        run(state(), 0, lambda step: {}, title="CGN")


def test_a_finished_training_is_left_alone(tmp_path: Path) -> None:
    trained(35, checkpoint=tmp_path / "c.pt")
    run(loaded(tmp_path / "c.pt"), 35, lambda step: pytest.fail("a step was run"))


@pytest.mark.parametrize("place", ["start", "middle"])
@pytest.mark.parametrize("signalled", [signal.SIGINT, signal.SIGTERM, None], ids=["Ctrl-C", "SIGTERM", "exception"])
def test_interrupted_and_resumed_gives_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, signalled: signal.Signals | None
) -> None:
    """Also where weights are already changed but the step is not done: half a step is never saved.

    Ctrl-C and SIGTERM save whatever the time; what is not caught goes on from the last checkpoint.
    """
    checkpoint = tmp_path / "c.pt"
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 1e9 if signalled else 0.0)

    def interrupt(step: int, now: str) -> None:
        if (step, now) == (17, place):
            if not signalled:
                raise KeyboardInterrupt
            for _ in range(1 + (signalled == signal.SIGTERM)):  # whoever ends a job may say so twice
                os.kill(os.getpid(), signalled)

    first, handlers = state(), [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(KeyboardInterrupt):
        run(first, 35, stepper(first, interrupt), checkpoint)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    second = loaded(checkpoint)
    assert second.step == (18 if signalled else 17)
    run(second, 35, stepper(second), checkpoint)
    assert_same(second, trained(35))


def test_ctrl_c_in_the_last_step_saves_and_interrupts(tmp_path: Path) -> None:
    made = state()

    def interrupt(step: int, place: str) -> None:
        if place == "middle":
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(made, 1, stepper(made, interrupt), tmp_path / "c.pt")
    assert loaded(tmp_path / "c.pt").step == 1


def test_a_process_that_follows_another_goes_on_until_that_one_is_gone() -> None:
    made = state()

    def stop(step: int, place: str) -> None:
        if (step, place) == (2, "start"):
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        run(made, 9, stepper(made, stop), follows=True)
    assert made.step == 9


def test_a_second_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    made = state()

    def twice(step: int, place: str) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("the step went on")

    with pytest.raises(KeyboardInterrupt):
        run(made, 4, stepper(made, twice), tmp_path / "c.pt")
    assert not (tmp_path / "c.pt").exists()


def test_training_runs_outside_the_main_thread() -> None:
    made = state()
    thread = threading.Thread(target=run, args=(made, 35, stepper(made)))
    thread.start()
    thread.join()
    assert_same(made, trained(35))


def test_weights_that_are_not_finite_stop_the_run_before_they_are_saved(tmp_path: Path, save_always: None) -> None:
    made = state()

    def spoil(step: int, place: str) -> None:
        if (step, place) == (12, "start"):
            nn.init.constant_(next(made.modules["layer"].parameters()), float("inf"))

    with pytest.raises(TrainingStopped, match="run: .*(not finite|inf|nan) at step 1[3-9].*learning rate or .*seed"):
        run(made, 35, stepper(made, spoil), tmp_path / "c.pt", title="run")
    kept = loaded(tmp_path / "c.pt")
    assert kept.step == 12  # the last sound one
    assert all(torch.isfinite(parameter).all() for parameter in kept.modules["layer"].parameters())


def test_a_logged_nan_is_named() -> None:
    with pytest.raises(TrainingStopped, match="GAN: adversarial is nan at step 10"):
        run(state(), 35, lambda step: {"adversarial": torch.tensor(float("nan"))}, title="GAN")


@pytest.mark.parametrize("area", [0.001, 0.999])
def test_a_watch_stops_the_run_where_masks_collapse(area: float) -> None:
    made = state()
    with pytest.raises(
        TrainingStopped,
        match=r"CGN: masks collapsed \(mean \d\.\d+, outside \[0.02, 0.98\] for 1000 steps up to 1000\)",
    ):
        run(made, 5000, lambda step: {"mask mean": torch.tensor(area)}, title="CGN", watch=masks_collapsed)
    assert made.step == COLLAPSE_ROWS * LOG_EVERY


def test_masks_that_recover_do_not_stop_the_run() -> None:
    made = state()
    run(made, 1500, lambda step: {"mask mean": torch.tensor(0.5 if step == 799 else 0.0)}, watch=masks_collapsed)
    assert made.step == 1500


# --- checkpoints ----------------------------------------------------------------------------------------------------


def artefact(root: Path, **config: int) -> Artefact:
    return Artefact("thing", {"seed": 0, **config}, root)


def checkpointed(root: Path, **config: int) -> Artefact:
    """The artefact with a checkpoint after 5 steps."""
    thing = artefact(root, **config)
    trained(5, thing.key, thing.checkpoint)
    return thing


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("cut", ""),
        ("other keys", "KeyError"),
        ("other network", "parameter group"),
        ("other configuration", "belongs to another configuration"),
    ],
)
def test_a_checkpoint_that_cannot_be_used_is_named_and_training_starts_anew(
    tmp_path: Path, damage: str, message: str
) -> None:
    """Nothing of it stays, even where only the optimizer, restored last, does not fit."""
    thing = checkpointed(tmp_path)
    path = thing.checkpoint
    if damage == "other keys":
        torch.save({"key": thing.key, "modules": {}}, path)
    elif damage == "other network":
        saved = torch.load(path, weights_only=True)
        saved["optimizers"]["adam"]["param_groups"][0]["params"] = [0]
        torch.save(saved, path)
    elif damage == "other configuration":
        checkpointed(tmp_path, epochs=3).checkpoint.replace(path)
    else:
        path.write_bytes(path.read_bytes()[:-200])
    made = state()
    with pytest.warns(
        UserWarning, match=f"checkpoint.pt cannot be used .*{message}.* Starting thing again from step 0"
    ):
        thing.resume(made)
    assert_same(made, state(thing.key))
    assert not path.exists()
    assert path.with_suffix(".corrupt").exists()


def test_what_a_killed_writer_left_is_cleared(tmp_path: Path) -> None:
    thing, made = checkpointed(tmp_path), state()
    (thing.folder / ".checkpoint.pt.123.partial").write_bytes(b"half")
    thing.resume(made)
    assert made.step == 5
    assert not list(thing.folder.glob(".*.partial"))


# --- finished artefacts ---------------------------------------------------------------------------------------------


def finished(root: Path) -> Artefact:
    thing = artefact(root)
    made = trained(5, thing.key, thing.checkpoint)
    made.seconds = 12.345
    thing.finish(made.modules["layer"], made.cost("cuda"), pd.DataFrame(made.log))
    return thing


def test_the_key_depends_on_the_configuration_alone(tmp_path: Path) -> None:
    assert Artefact("thing", {"a": 1, "b": (2,)}, tmp_path).key == Artefact("thing", {"b": [2], "a": 1}, tmp_path).key
    assert artefact(tmp_path).key != artefact(tmp_path, epochs=1).key


def test_a_finished_artefact_is_loaded(tmp_path: Path) -> None:
    layer = nn.Linear(3, 1)
    assert artefact(tmp_path).load(layer) is None
    thing = finished(tmp_path)
    assert not thing.checkpoint.exists()
    record = artefact(tmp_path).load(layer)
    assert record == json.loads(thing.record.read_text())
    assert record is not None and (record["kind"], record["config"]) == ("thing", {"seed": 0})
    assert (record["device"], record["seconds"], thing.seconds) == ("cuda", 12.3, 12.3)
    assert 100 < record["peak_memory_mb"] < 24_000
    assert torch.equal(layer.weight, trained(5).modules["layer"].state_dict()["weight"])
    assert thing.log()["step"].tolist() == [5]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("weights.safetensors", b"other"),
        ("weights.safetensors", None),
        ("log.csv", b"step\n"),
        ("log.csv", None),
        ("record.json", b"{"),
        ("record.json", b"[]"),
    ],
)
def test_a_damaged_finished_artefact_is_named_and_counts_as_unfinished(
    tmp_path: Path, file: str, content: bytes | None
) -> None:
    thing = finished(tmp_path)
    if content is None:
        (thing.folder / file).unlink()
    else:
        (thing.folder / file).write_bytes(content)
    with pytest.warns(UserWarning, match=r"finished thing in .* is damaged .*; building it again"):
        assert thing.load(nn.Linear(3, 1)) is None
    assert not thing.record.exists()


# --- disks that are full or read-only -------------------------------------------------------------------------------


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path: Path, save_always: None) -> None:
    made, checkpoint = state(), tmp_path / "c.pt"

    def fill(step: int, place: str) -> None:
        if (step, place) == (7, "start"):
            own_file(checkpoint.with_name(".c.pt."), ".partial").symlink_to("/dev/full")

    with pytest.raises(OSError, match=UNWRITABLE):
        run(made, 35, stepper(made, fill), checkpoint)
    assert loaded(checkpoint).step == 7
    assert [path.name for path in tmp_path.iterdir()] == ["c.pt"]


def test_a_build_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "build").write_text("")
    with pytest.raises(OSError, match=UNWRITABLE), artefact(tmp_path / "build").lock():
        pytest.fail("the lock was given")
