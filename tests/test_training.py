"""Training that survives interruption, damage, full disks and divergence, on a model of a few numbers."""

import errno
import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from cgnlib import training
from cgnlib.fetching import AssetError
from cgnlib.locking import LockHeld
from cgnlib.training import (
    COLLAPSE_ROWS,
    LOG_EVERY,
    Artefact,
    Batches,
    TrainingState,
    TrainingStopped,
    default_device,
    load_state,
    run,
    save_weights,
)


def state(key: str = "") -> TrainingState:
    """A linear layer that is always the same at first, its optimizer and a generator."""
    layer = nn.Linear(3, 1)
    nn.init.constant_(layer.weight, 0.5)
    nn.init.zeros_(layer.bias)
    optimizer = torch.optim.Adam(layer.parameters(), 0.1)
    made = TrainingState({"layer": layer}, {"adam": optimizer}, {"noise": torch.Generator().manual_seed(0)})
    made.key = key
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


def same(one: TrainingState, other: TrainingState) -> bool:
    """Whether weights, optimizer, generator, step and log are equal to the bit."""

    def equal(a: object, b: object) -> bool:
        if isinstance(a, Tensor) and isinstance(b, Tensor):
            return torch.equal(a, b)
        if isinstance(a, dict) and isinstance(b, dict):
            return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
        if isinstance(a, list) and isinstance(b, list):
            return len(a) == len(b) and all(map(equal, a, b))
        return a == b

    a, b = one.contents() | {"seconds": 0}, other.contents() | {"seconds": 0}
    return equal(a, b)


@pytest.fixture
def uninterrupted() -> TrainingState:
    """After 35 steps in a row."""
    made = state()
    run(made, 35, stepper(made))
    return made


@pytest.fixture
def save_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)


def fill_disk(path: Path) -> None:
    """What is next written in the place of `path` goes to a device that is always full."""
    path.with_name(f".{path.name}.{os.getpid()}.partial").symlink_to("/dev/full")


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


def test_a_finished_training_is_left_alone(tmp_path: Path, uninterrupted: TrainingState) -> None:
    uninterrupted.save(tmp_path / "c.pt")
    again = state()
    again.load(tmp_path / "c.pt")
    run(again, 35, lambda step: pytest.fail("a step was run"))
    assert same(again, uninterrupted)


@pytest.mark.parametrize("place", ["start", "middle"])
@pytest.mark.parametrize("signalled", [True, False], ids=["Ctrl-C", "KeyboardInterrupt"])
def test_interrupted_and_resumed_gives_the_same_bits(
    tmp_path: Path, uninterrupted: TrainingState, save_always: None, place: str, signalled: bool
) -> None:
    """Also where weights are already changed but the step is not done: half a step is never saved."""
    checkpoint = tmp_path / "c.pt"

    def interrupt(step: int, now: str) -> None:
        if (step, now) == (17, place):
            if not signalled:
                raise KeyboardInterrupt
            os.kill(os.getpid(), signal.SIGINT)

    first, handler = state(), signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run(first, 35, stepper(first, interrupt), checkpoint)
    assert signal.getsignal(signal.SIGINT) is handler
    second = state()
    second.load(checkpoint)
    assert second.step == (18 if signalled else 17)
    run(second, 35, stepper(second), checkpoint)
    assert same(second, uninterrupted)


def interrupt_step_3(step: int, place: str) -> None:
    if (step, place) == (3, "middle"):
        os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_saves_even_between_periodic_checkpoints(tmp_path: Path) -> None:
    made = state()
    with pytest.raises(KeyboardInterrupt):
        run(made, 35, stepper(made, interrupt_step_3), tmp_path / "c.pt")
    resumed = state()
    resumed.load(tmp_path / "c.pt")
    assert resumed.step == 4


def test_ctrl_c_in_the_last_step_still_interrupts(tmp_path: Path) -> None:
    made = state()
    with pytest.raises(KeyboardInterrupt):
        run(made, 4, stepper(made, interrupt_step_3), tmp_path / "c.pt")


def test_a_second_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    made = state()

    def twice(step: int, place: str) -> None:
        if place == "start":
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            pytest.fail("the step went on")

    with pytest.raises(KeyboardInterrupt):
        run(made, 4, stepper(made, twice), tmp_path / "c.pt")
    assert not (tmp_path / "c.pt").exists()


def test_training_runs_outside_the_main_thread(uninterrupted: TrainingState) -> None:
    made = state()
    thread = threading.Thread(target=run, args=(made, 35, stepper(made)))
    thread.start()
    thread.join()
    assert same(made, uninterrupted)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path, save_always: None) -> None:
    made = state()

    def spoil(step: int, place: str) -> None:
        if (step, place) == (12, "start"):
            nn.init.constant_(next(made.modules["layer"].parameters()), float("inf"))

    with pytest.raises(TrainingStopped, match="run: .*(not finite|inf|nan) at step 1[3-9].*learning rate or .*seed"):
        run(made, 35, stepper(made, spoil), tmp_path / "c.pt", title="run")
    kept = state()
    kept.load(tmp_path / "c.pt")
    assert kept.step == 12  # the last sound one
    assert all(torch.isfinite(parameter).all() for parameter in kept.modules["layer"].parameters())


def test_a_logged_nan_is_named() -> None:
    with pytest.raises(TrainingStopped, match="GAN: adversarial is nan at step 10"):
        run(state(), 35, lambda step: {"adversarial": torch.tensor(float("nan"))}, title="GAN")


@pytest.mark.parametrize("area", [0.001, 0.999])
def test_collapsed_masks_stop_the_run(area: float) -> None:
    made = state()
    with pytest.raises(TrainingStopped, match=r"CGN: masks collapsed \(mean \d\.\d+, outside \[0.02, 0.98\] for 1000"):
        run(made, 5000, lambda step: {"mask mean": torch.tensor(area)}, title="CGN")
    assert made.step == COLLAPSE_ROWS * LOG_EVERY


def test_masks_that_recover_do_not_stop_the_run() -> None:
    made = state()
    run(made, 1500, lambda step: {"mask mean": torch.tensor(0.5 if step == 799 else 0.0)})
    assert made.step == 1500


# --- checkpoints ----------------------------------------------------------------------------------------------------


def artefact(root: Path, **config: int) -> Artefact:
    return Artefact("thing", {"seed": 0, **config}, root)


def checkpointed(thing: Artefact) -> Path:
    """The artefact with a checkpoint after 5 steps."""
    made = state(thing.key)
    run(made, 5, stepper(made), thing.checkpoint)
    return thing.checkpoint


@pytest.mark.parametrize("damage", ["empty", "cut", "garbage", "text", "other keys"])
def test_a_damaged_checkpoint_is_named_and_training_starts_anew(tmp_path: Path, damage: str) -> None:
    thing = artefact(tmp_path)
    path = checkpointed(thing)
    content = path.read_bytes()
    if damage == "other keys":
        torch.save({"key": thing.key, "modules": {}}, path)
    else:
        path.write_bytes(
            {"empty": b"", "cut": content[:-200], "garbage": bytes(reversed(content)), "text": b"no"}[damage]
        )
    made = state()
    with pytest.warns(UserWarning, match="checkpoint.pt cannot be used .* Starting thing again from step 0"):
        thing.resume(made)
    fresh = state(thing.key)
    assert same(made, fresh)
    assert not thing.checkpoint.exists()
    assert thing.checkpoint.with_suffix(".corrupt").exists()


def test_a_checkpoint_of_another_configuration_is_not_taken(tmp_path: Path) -> None:
    thing, other = artefact(tmp_path), artefact(tmp_path, epochs=3)
    thing.folder.mkdir(parents=True)
    checkpointed(other).rename(thing.checkpoint)
    made = state()
    with pytest.warns(UserWarning, match="belongs to another configuration"):
        thing.resume(made)
    assert made.step == 0


def test_a_checkpoint_of_an_older_network_is_not_taken(tmp_path: Path) -> None:
    """Even where only the optimizer, restored last, does not fit: nothing of it stays."""
    thing = artefact(tmp_path)
    path = checkpointed(thing)
    saved = torch.load(path, weights_only=True)
    saved["optimizers"]["adam"]["param_groups"][0]["params"] = [0]
    torch.save(saved, path)
    made = state()
    with pytest.warns(UserWarning, match="parameter group"):
        thing.resume(made)
    assert same(made, state(thing.key))


def test_what_a_killed_writer_left_is_cleared(tmp_path: Path) -> None:
    thing = artefact(tmp_path)
    checkpointed(thing)
    (thing.folder / ".checkpoint.pt.123.partial").write_bytes(b"half")
    made = state()
    thing.resume(made)
    assert made.step == 5
    assert not list(thing.folder.glob(".*.partial"))


# --- finished artefacts ---------------------------------------------------------------------------------------------


def finished(root: Path) -> Artefact:
    thing = artefact(root)
    made = state(thing.key)
    run(made, 5, stepper(made), thing.checkpoint)
    thing.finish(made.modules["layer"], {"seconds": 1.0}, pd.DataFrame(made.log))
    return thing


def test_the_key_depends_on_the_configuration_alone(tmp_path: Path) -> None:
    assert Artefact("thing", {"a": 1, "b": (2,)}, tmp_path).key == Artefact("thing", {"b": [2], "a": 1}, tmp_path).key
    assert artefact(tmp_path).key != artefact(tmp_path, epochs=1).key


def test_a_finished_artefact_is_loaded(tmp_path: Path) -> None:
    thing = finished(tmp_path)
    assert not thing.checkpoint.exists()
    layer = nn.Linear(3, 1)
    record = artefact(tmp_path).load(layer)
    assert record is not None
    assert (record["kind"], record["config"], record["seconds"]) == ("thing", {"seed": 0}, 1.0)
    made = state()
    run(made, 5, stepper(made))
    assert torch.equal(layer.weight, made.modules["layer"].state_dict()["weight"])
    assert thing.log()["step"].tolist() == [5]


def test_nothing_there_is_nothing_to_load(tmp_path: Path) -> None:
    assert artefact(tmp_path).load(nn.Linear(3, 1)) is None


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("weights.safetensors", b""),
        ("weights.safetensors", b"other"),
        ("weights.safetensors", None),
        ("log.csv", b"step\n"),
        ("log.csv", None),
        ("record.json", b"{"),
        ("record.json", b"[]"),
        ("record.json", b"{}"),
        ("record.json", b"\xff"),
    ],
)
def test_a_damaged_finished_artefact_is_named_and_counts_as_unfinished(
    tmp_path: Path, file: str, content: bytes | None
) -> None:
    thing = finished(tmp_path)
    path = thing.folder / file
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with pytest.warns(UserWarning, match=r"finished thing in .* is damaged .*; building it again"):
        assert thing.load(nn.Linear(3, 1)) is None
    assert not thing.record.exists()


# --- disks that are full or read-only -------------------------------------------------------------------------------

UNWRITABLE = r"cannot write .*Free some space, or point CGN_BUILD to a folder that can be written"


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path: Path, save_always: None) -> None:
    made, checkpoint = state(), tmp_path / "c.pt"

    def fill(step: int, place: str) -> None:
        if (step, place) == (7, "start"):
            fill_disk(checkpoint)

    with pytest.raises(OSError, match=UNWRITABLE):
        run(made, 35, stepper(made, fill), checkpoint)
    kept = state()
    kept.load(checkpoint)
    assert kept.step == 7
    assert [path.name for path in tmp_path.iterdir()] == ["c.pt"]


def test_weights_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """safetensors writes to a file of its own beside the one that it is given, and has an error of its own."""

    def refuse(tensors: dict[str, Tensor], path: Path) -> None:
        path.write_bytes(b"half")
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(training, "save_file", refuse)
    with pytest.raises(OSError, match=UNWRITABLE):
        save_weights(nn.Linear(100, 100), tmp_path / "w.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_log_on_a_full_disk(tmp_path: Path) -> None:
    artefact(tmp_path).folder.mkdir(parents=True)
    fill_disk(artefact(tmp_path).log_file)
    with pytest.raises(OSError, match=UNWRITABLE):
        artefact(tmp_path).finish(nn.Linear(3, 1), {}, pd.DataFrame({"step": range(1000)}))
    assert not artefact(tmp_path).record.exists()


def test_a_read_only_build_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(OSError, match=f"Read-only file system.*{UNWRITABLE[15:]}"), artefact(tmp_path).lock():
        pytest.fail("the lock was given")


def test_a_build_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "build").write_text("")
    with pytest.raises(OSError, match=UNWRITABLE), artefact(tmp_path / "build").lock():
        pytest.fail("the lock was given")


def test_an_artefact_that_another_process_makes(tmp_path: Path, without_flock: None) -> None:
    with artefact(tmp_path).lock(), pytest.raises(LockHeld, match="delete that file"), artefact(tmp_path).lock():
        pytest.fail("the lock was given twice")
    with artefact(tmp_path).lock():
        assert artefact(tmp_path).folder.is_dir()


def test_the_cost_of_a_training_is_read_back(tmp_path: Path) -> None:
    trained, made = state(), artefact(tmp_path)
    trained.seconds = 12.345
    cost = trained.cost("cuda")
    assert (cost["device"], cost["seconds"]) == ("cuda", 12.3)
    assert 100 < cost["peak_memory_mb"] < 24_000
    with made.lock():
        made.finish(nn.Linear(1, 1), trained.cost("cpu"), pd.DataFrame({"loss": [1.0]}))
    assert made.seconds == 12.3


@pytest.mark.parametrize(("units", "fast"), [("amx_bf16", True), ("avx512_bf16", True), ("avx512f", False)])
def test_networks_run_in_bfloat16_where_the_processor_multiplies_it(units: str, fast: bool, monkeypatch) -> None:
    monkeypatch.setattr(training, "has_instructions", lambda name: name == units)
    training.fast_precision.cache_clear()
    try:
        assert training.fast_precision("cpu") == ("bfloat16" if fast else "float32")
        with training.fast_autocast("cpu"):
            product = torch.ones(2, 2) @ torch.ones(2, 2)
        assert product.dtype == (torch.bfloat16 if fast else torch.float32)
    finally:
        training.fast_precision.cache_clear()


def test_the_default_device_is_the_accelerator_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for there, device in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr("torch.cuda.is_available", lambda there=there: there)
        assert default_device() == device


# --- weights from files ---------------------------------------------------------------------------------------------


class Evil:
    """Would make a file when unpickled without care."""

    def __reduce__(self) -> tuple:
        return os.system, ("touch evil",)


def write(path: Path, what: str) -> None:
    good = nn.Linear(3, 1).state_dict()
    if what == "truncated":
        torch.save(good, path)
        path.write_bytes(path.read_bytes()[:300])
    elif what == "garbage":
        path.write_bytes(os.urandom(500))
    elif what == "code":
        torch.save({"weight": Evil()}, path)
    elif what != "missing":
        content = {
            "list": [1, 2],
            "keys": {"weight": good["weight"]},
            "shape": good | {"weight": torch.zeros(1, 4)},
            "nan": good | {"bias": torch.tensor([float("nan")])},
        }
        torch.save(content[what], path)


def test_counts_of_batches_alone_may_be_missing(tmp_path: Path) -> None:
    """As in files of PyTorch 0.4.0, and in torchvision's of ResNet-50."""
    norm, found = nn.BatchNorm2d(2), nn.BatchNorm2d(2)
    norm(torch.randn(4, 2, 3, 3))
    found.num_batches_tracked = torch.tensor(7)
    old = {name: tensor for name, tensor in norm.state_dict().items() if name != "num_batches_tracked"}
    torch.save(old, tmp_path / "old.pth")
    load_state(found, tmp_path / "old.pth", "a norm")
    assert found.num_batches_tracked == 7
    assert torch.equal(found.state_dict()["running_mean"], norm.state_dict()["running_mean"])
    del old["running_var"]
    torch.save(old, tmp_path / "old.pth")
    with pytest.raises(AssetError, match=r"missing \['running_var'\], extra \[\]"):
        load_state(found, tmp_path / "old.pth", "a norm")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("missing", "does not exist"),
        ("truncated", "is truncated or corrupt"),
        ("garbage", "is (truncated or corrupt|not a plain state dict)"),
        ("code", "is not a plain state dict"),
        ("list", "holds a list, not a state dict"),
        ("keys", r"is of another architecture \(missing \['bias'\], extra \[\]\)"),
        ("shape", r"weight is \(1, 4\), expected \(1, 3\)"),
        ("nan", "bias holds values that are not finite"),
    ],
)
def test_weights_that_cannot_be_used_are_named(tmp_path: Path, monkeypatch, what: str, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "w.pth"
    write(path, what)
    layer = nn.Linear(3, 1)
    before = layer.weight.clone()
    with pytest.raises(AssetError, match=f"weights of a layer: .*w.pth.*{message}"):
        load_state(layer, path, "a layer")
    assert torch.equal(layer.weight, before)
    assert not (tmp_path / "evil").exists()


def test_both_kinds_of_weight_files_are_read(tmp_path: Path) -> None:
    layer = nn.Linear(3, 1)
    torch.save(layer.state_dict(), tmp_path / "w.pth")
    save_file(layer.state_dict(), tmp_path / "w.safetensors")
    for name in ("w.pth", "w.safetensors"):
        other = nn.Linear(3, 1)
        load_state(other, tmp_path / name, "a layer")
        assert torch.equal(other.weight, layer.weight)


def test_truncated_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(nn.Linear(3, 1), path)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(AssetError, match="w.safetensors is truncated or corrupt"):
        load_state(nn.Linear(3, 1), path, "a layer")


# --- batches --------------------------------------------------------------------------------------------------------


def test_an_epoch_sees_every_image_once_and_no_part_of_a_batch() -> None:
    batches = Batches(10, 3, 0, "order")
    assert batches.per_epoch == 3
    for epoch in range(3):
        seen = torch.cat([batches[3 * epoch + i] for i in range(3)])
        assert len(seen.unique()) == 9
    assert not torch.equal(batches[0], batches[3])


def test_a_batch_depends_on_its_step_alone() -> None:
    one = Batches(10, 3, 0, "order")
    expected = [one[step] for step in range(9)]
    other = Batches(10, 3, 0, "order")
    assert all(torch.equal(other[step], expected[step]) for step in (8, 0, 4, 3))
    assert not torch.equal(Batches(10, 3, 1, "order")[0], expected[0])


def test_fewer_images_than_a_batch_are_an_error() -> None:
    with pytest.raises(ValueError, match="2 training images are fewer than one batch of 3: take more"):
        Batches(2, 3, 0)


def test_the_record_is_plain_json(tmp_path: Path) -> None:
    record = json.loads(finished(tmp_path).record.read_text())
    assert set(record) == {"kind", "config", "weights_sha256", "log_sha256", "seconds"}
