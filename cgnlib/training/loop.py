"""The training loop: it can be interrupted anywhere, saves whole steps alone, and goes on to the same bits."""

import contextlib
import copy
import math
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from cgnlib.errors import AssetError, TrainingStopped
from cgnlib.paths import atomic_file
from cgnlib.progress import tqdm

CHECKPOINT_SECONDS = 30.0
LOG_EVERY = 10  # steps between two logged rows


class TrainingState:
    """Everything that a run needs to go on from where it was: modules, optimizers, generators, step and log."""

    def __init__(
        self,
        modules: Mapping[str, nn.Module],
        optimizers: Mapping[str, torch.optim.Optimizer],
        generators: Mapping[str, torch.Generator],
    ) -> None:
        self.modules, self.optimizers, self.generators = dict(modules), dict(optimizers), dict(generators)
        self.key = ""  # of the artefact that this state belongs to
        self.step = 0
        self.seconds = 0.0  # time spent training, over all interruptions
        self.log: dict[str, list[float]] = {}  # losses, one value per logged step
        self.history: list[dict[str, float | str]] = []  # evaluations taken along the way

    def cost(self, device: str) -> dict[str, Any]:
        """What every record says of a training on `device`: where, seconds, and the process's peak of memory (MB)."""
        return {"device": device, "seconds": round(self.seconds, 1), "peak_memory_mb": _peak_memory()}

    def contents(self) -> dict[str, Any]:
        """The whole state as plain values and tensors, which are not copied."""
        return {
            "key": self.key,
            "step": self.step,
            "seconds": self.seconds,
            "log": self.log,
            "history": self.history,
            "modules": {name: module.state_dict() for name, module in self.modules.items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "generators": {name: stream.get_state() for name, stream in self.generators.items()},
        }

    def restore(self, contents: Mapping[str, Any]) -> None:
        """Take over what `contents` gave. Raises KeyError, ValueError or RuntimeError where it does not fit."""
        if contents["key"] != self.key:
            raise ValueError("it belongs to another configuration")
        for name, module in self.modules.items():
            module.load_state_dict(contents["modules"][name])
        for name, optimizer in self.optimizers.items():
            saved = contents["optimizers"][name]
            # Settings stay those of the optimizer, which suit its device; a schedule sets the rate in every step.
            groups = [
                ours | {"params": theirs["params"]}
                for ours, theirs in zip(optimizer.param_groups, saved["param_groups"], strict=True)
            ]
            optimizer.load_state_dict({"state": saved["state"], "param_groups": groups})
        for name, stream in self.generators.items():
            stream.set_state(contents["generators"][name])
        self.step, self.seconds = contents["step"], contents["seconds"]
        self.log, self.history = contents["log"], contents["history"]

    def save(self, path: Path) -> None:
        """Write the whole state to `path` atomically: after a crash there is the old file or the new one."""
        with atomic_file(path) as partial:
            torch.save(self.contents(), partial)

    def load(self, path: Path) -> None:
        """Restore the state saved at `path`.

        Raises AssetError when the file is corrupt, of another configuration or of an older version of the networks, and
        leaves the state as it was.
        """
        before = copy.deepcopy(self.contents())
        try:
            self.restore(torch.load(path, map_location="cpu", weights_only=True))
        except Exception as error:  # torch.load raises nearly anything for a damaged file
            self.restore(before)
            why = " ".join(str(error).split())[:200]
            raise AssetError(f"checkpoint {path} cannot be used ({type(error).__name__}: {why})") from error


def run(
    state: TrainingState,
    steps: int,
    step_function: Callable[[int], dict[str, Tensor]],
    checkpoint: Path | None = None,
    *,
    title: str = "training",
    snapshots: Mapping[int, Callable[[], None]] | None = None,
    watch: Callable[[dict[str, list[float]]], str] | None = None,
    follows: bool = False,
) -> None:
    """Call `step_function(step)` until `steps` are done, with progress bar, log, checkpoints and a check of the losses.

    The step function returns scalar tensors by name. `snapshots` (sample sheets, evaluations) are called once as many
    steps are done as their key says. `watch` is given the log after each row: what it says, if anything, is why the
    training is stopped. Ctrl-C and SIGTERM (`kill`, `scancel`, a cluster's time limit) wait for the end of a step and
    save before they propagate as KeyboardInterrupt: only whole steps are ever saved. A process that `follows` another
    in one training leaves this to it, and goes on until that one is gone. Raises TrainingStopped; ValueError if `steps`
    is 0.
    """
    if steps < 1:
        raise ValueError(f"{title}: the training length is less than one batch; raise it")
    started = last_save = time.monotonic()
    spent = state.seconds

    def save() -> None:
        nonlocal last_save
        for module in state.modules.values():  # weights that are not finite never reach a checkpoint or an artefact
            for name, tensor in module.state_dict().items():
                if tensor.is_floating_point() and not tensor.isfinite().all():
                    raise _diverged(title, name, "not finite", state.step)
        state.seconds = spent + time.monotonic() - started
        if checkpoint is not None:
            state.save(checkpoint)
        last_save = time.monotonic()

    progress = tqdm(total=steps, initial=state.step, desc=title, unit="step", mininterval=1.0, leave=False)
    with contextlib.closing(progress), _stops_noted() as stops:
        while state.step < steps and (follows or not stops):
            values = step_function(state.step)
            state.step += 1
            if state.step % LOG_EVERY == 0 or state.step == steps:
                for name, value in {"step": state.step, **values}.items():
                    number = float(value)
                    if not math.isfinite(number):
                        raise _diverged(title, name, number, state.step)
                    state.log.setdefault(name, []).append(number)
                if watch and (why := watch(state.log)):
                    raise TrainingStopped(f"{title}: {why}")
            progress.update()
            if snapshots and state.step in snapshots:
                snapshots[state.step]()
            if time.monotonic() - last_save > CHECKPOINT_SECONDS:
                save()
        save()
        if stops:
            raise KeyboardInterrupt


@contextlib.contextmanager
def _stops_noted() -> Iterator[list[int]]:
    """Within the block, Ctrl-C and SIGTERM are noted in the list that is given; a second Ctrl-C is raised at once.

    Not so a second SIGTERM: whoever ends a job may send it twice. Python runs signal handlers in the main thread alone,
    and an ignored signal stays ignored: there nothing changes.
    """
    noted: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and number in noted:
            raise KeyboardInterrupt
        noted.append(number)

    with contextlib.ExitStack() as stack:
        for number in (signal.SIGINT, signal.SIGTERM):
            before = signal.getsignal(number)
            ignored = before is None or before is signal.SIG_IGN
            if threading.current_thread() is threading.main_thread() and not ignored:
                stack.callback(signal.signal, number, before)
                signal.signal(number, note)
        yield noted


def _diverged(title: str, what: str, value: float | str, step: int) -> TrainingStopped:
    return TrainingStopped(
        f"{title}: {what} is {value} at step {step}. Lower the learning rate or take another seed; "
        "the last checkpoint before it is kept."
    )


def _peak_memory() -> int:
    """The most memory (MB) that the process has held so far, with whatever it did before."""
    try:  # what getrusage says is, on Linux, at least the peak of the program that started this one
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        kib = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
        kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit // 1024
    return round(kib * 1024 / 1e6)
