"""Training that can be interrupted anywhere: artefact folders keyed by configuration, atomic checkpoints, one run loop.

The same configuration always names the same artefact: finished, it is loaded; interrupted, it is resumed to the same bits;
corrupt, it is named and rebuilt. So a notebook run by hand, by papermill or by the workflow engine does the same thing.
"""

import contextlib
import fcntl
import hashlib
import json
import math
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cgnlib.assets import AssetError
from cgnlib.paths import build_folder
from cgnlib.progress import tqdm

CHECKPOINT_SECONDS = 30.0
LOG_EVERY = 10  # steps between two logged rows
COLLAPSE_ROWS = 100  # logged rows in a row with a mask mean out of bounds: the run is stopped
MASK_BOUNDS = (0.02, 0.98)


class TrainingStopped(RuntimeError):
    """Training cannot go on: a loss is not finite or the masks collapsed. The message says where and what to change."""


class TrainingState:
    """Everything that a run needs to go on from where it was: modules, optimizers, generators, step and log."""

    def __init__(
        self,
        modules: Mapping[str, nn.Module],
        optimizers: Mapping[str, torch.optim.Optimizer],
        generators: Mapping[str, torch.Generator],
    ) -> None:
        self.modules, self.optimizers, self.generators = dict(modules), dict(optimizers), dict(generators)
        self.step = 0
        self.seconds = 0.0  # time spent training, over all interruptions
        self.log: dict[str, list[float]] = {}  # losses, one value per logged step
        self.history: list[dict[str, float | str]] = []  # evaluations taken along the way

    def save(self, path: Path) -> None:
        """Write the whole state to `path` atomically: after a crash there is the old file or the new one."""
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "log": self.log,
            "history": self.history,
            "modules": {name: module.state_dict() for name, module in self.modules.items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "generators": {name: generator.get_state() for name, generator in self.generators.items()},
        }
        with atomic_file(path) as partial:
            torch.save(state, partial)

    def load(self, path: Path) -> None:
        """Restore the state saved at `path`. Raises AssetError when the file is corrupt or of another configuration."""
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            for name, module in self.modules.items():
                module.load_state_dict(state["modules"][name])
            for name, optimizer in self.optimizers.items():
                optimizer.load_state_dict(state["optimizers"][name])
            for name, generator in self.generators.items():
                generator.set_state(state["generators"][name])
            self.step, self.seconds = state["step"], state["seconds"]
            self.log, self.history = state["log"], state["history"]
        except Exception as error:
            raise AssetError(
                f"checkpoint {path} is corrupt ({type(error).__name__}); delete it to start anew"
            ) from error


def run(
    state: TrainingState,
    steps: int,
    step_function: Callable[[int], dict[str, Tensor]],
    checkpoint: Path | None = None,
    *,
    title: str = "training",
    snapshots: Mapping[int, Callable[[], None]] | None = None,
) -> None:
    """Call `step_function(step)` until `steps` are done, with progress bar, log, checkpoints and a check of the losses.

    The step function returns scalar tensors by name; "mask mean" among them is watched for collapse. `snapshots` (sample
    sheets, evaluations) are called once as many steps are done as their key says. Ctrl-C saves a checkpoint before it
    propagates.
    """
    started = last_save = time.monotonic()
    spent = state.seconds

    def save() -> None:
        nonlocal last_save
        state.seconds = spent + time.monotonic() - started
        if checkpoint is not None:
            state.save(checkpoint)
        last_save = time.monotonic()

    progress = tqdm(total=steps, initial=state.step, desc=title, unit="step", mininterval=1.0, leave=False)
    try:
        while state.step < steps:
            values = step_function(state.step)
            state.step += 1
            if state.step % LOG_EVERY == 0 or state.step == steps:
                _log(state, {name: value.item() for name, value in values.items()}, title)
            progress.update()
            if snapshots and state.step in snapshots:
                snapshots[state.step]()
            if time.monotonic() - last_save > CHECKPOINT_SECONDS:
                save()
    except KeyboardInterrupt:
        save()
        raise
    finally:
        progress.close()
    save()


def _log(state: TrainingState, values: dict[str, float], title: str) -> None:
    for name, value in {"step": float(state.step), **values}.items():
        if not math.isfinite(value):
            raise TrainingStopped(
                f"{title}: {name} is {value} at step {state.step}. Lower the learning rate or take another seed; "
                "the last checkpoint before it is kept."
            )
        state.log.setdefault(name, []).append(value)
    recent = state.log.get("mask mean", [])[-COLLAPSE_ROWS:]
    low, high = MASK_BOUNDS
    if len(recent) == COLLAPSE_ROWS and all(not low <= area <= high for area in recent):
        raise TrainingStopped(
            f"{title}: masks collapsed (mean {recent[-1]:.3f}, outside [{low}, {high}] for {COLLAPSE_ROWS * LOG_EVERY} "
            f"steps up to {state.step}). Take another seed or a recipe with a mask prior."
        )


class Artefact:
    """The folder of one trained thing: `record.json` (configuration and provenance), weights, log, snapshots."""

    def __init__(self, kind: str, config: Mapping[str, Any], root: Path | None = None) -> None:
        self.kind, self.config = kind, dict(config)
        text = json.dumps(self.config, sort_keys=True)
        self.key = hashlib.sha256(text.encode()).hexdigest()[:12]
        self.folder = (root or build_folder() / "artefacts") / kind / self.key
        self.checkpoint = self.folder / "checkpoint.pt"
        self.weights = self.folder / "weights.safetensors"
        self.record = self.folder / "record.json"

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold this artefact: a second process that wants the same one waits, then finds it finished."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = open(self.folder / "lock", "w")
        except OSError as error:
            raise _unwritable(self.folder, error) from error
        with handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def resume(self, state: TrainingState) -> None:
        """Bring `state` to the last checkpoint; a corrupt one is named, set aside and training starts from step 0."""
        if not self.checkpoint.exists():
            return
        fresh = {name: {k: v.clone() for k, v in m.state_dict().items()} for name, m in state.modules.items()}
        generators = {name: g.get_state() for name, g in state.generators.items()}
        try:
            state.load(self.checkpoint)
        except AssetError as error:
            warnings.warn(f"{error}. Starting {self.kind} again from step 0.", stacklevel=2)
            self.checkpoint.rename(self.checkpoint.with_suffix(".corrupt"))
            for name, module in state.modules.items():
                module.load_state_dict(fresh[name])
            for name, generator in state.generators.items():
                generator.set_state(generators[name])
            state.step, state.seconds, state.log, state.history = 0, 0.0, {}, []

    def finish(self, module: nn.Module, record: Mapping[str, Any], log: pd.DataFrame) -> None:
        """Write weights, log and record (last, so that it marks the artefact as finished) and drop the checkpoint."""
        save_weights(module, self.weights)
        with atomic_file(self.folder / "log.csv") as partial:
            log.to_csv(partial, index=False)
        with atomic_file(self.record) as partial:
            content = {"kind": self.kind, "config": self.config, "weights_sha256": file_sha256(self.weights), **record}
            partial.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
        self.checkpoint.unlink(missing_ok=True)

    def load(self, module: nn.Module) -> dict[str, Any] | None:
        """Fill `module` from a finished artefact and return its record; None if it must be (re)built.

        A record or weight file that does not match is named and counts as not finished.
        """
        if not self.record.exists():
            return None
        try:
            record = json.loads(self.record.read_text())
            if record["weights_sha256"] != file_sha256(self.weights):
                raise AssetError(f"{self.weights} does not have the checksum in its record")
            load_state(module, self.weights, self.kind)
        except (OSError, ValueError, KeyError, AssetError) as error:
            warnings.warn(
                f"finished {self.kind} in {self.folder} is damaged ({error}); building it again", stacklevel=2
            )
            self.record.unlink(missing_ok=True)
            return None
        return record

    def log(self) -> pd.DataFrame:
        """The training log: one row per logged step."""
        return pd.read_csv(self.folder / "log.csv")


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A path to write to; it replaces `path` when the block ends well. A full or read-only folder is one clear error."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        os.replace(partial, path)
    except OSError as error:
        raise _unwritable(path, error) from error
    except RuntimeError as error:  # torch.save reports a full disk so
        if "write" in str(error) or "inline_container" in str(error):
            raise _unwritable(path, error) from error
        raise
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _unwritable(path: Path, error: Exception) -> OSError:
    return OSError(
        f"cannot write {path}: {getattr(error, 'strerror', None) or error}. Free some space, or point CGN_BUILD to a "
        "folder that can be written; what was finished before is kept."
    )


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def save_weights(module: nn.Module, path: Path) -> None:
    """The module's state dict as safetensors, written atomically."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
    with atomic_file(path) as partial:
        save_file(tensors, partial)


def load_state(module: nn.Module, path: Path | str, what: str) -> None:
    """Load a `.safetensors` or PyTorch state dict into `module`, strictly and without executing code.

    Raises AssetError naming the file and what is wrong: missing, unreadable, wrong keys, wrong shapes, not finite.
    """
    path = Path(path)
    if not path.exists():
        raise AssetError(f"weights of {what}: {path} does not exist. Check the path, or train it anew.")
    try:
        if path.suffix == ".safetensors":
            tensors = load_file(path)
        else:
            tensors = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise AssetError(f"weights of {what}: {path} is truncated or corrupt ({error}). Fetch it again.") from error
    except Exception as error:  # pickle.UnpicklingError: the file holds more than tensors
        raise AssetError(f"weights of {what}: {path} is not a plain state dict ({error}).") from error
    if not isinstance(tensors, Mapping):
        raise AssetError(f"weights of {what}: {path} holds a {type(tensors).__name__}, not a state dict.")
    expected = module.state_dict()
    if set(tensors) != set(expected):
        missing, extra = sorted(set(expected) - set(tensors)), sorted(set(tensors) - set(expected))
        raise AssetError(
            f"weights of {what}: {path} is of another architecture (missing {missing[:3]}, extra {extra[:3]})."
        )
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            raise AssetError(
                f"weights of {what}: {path}: {name} is {tuple(tensor.shape)}, expected {tuple(expected[name].shape)}."
            )
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise AssetError(f"weights of {what}: {path}: {name} holds values that are not finite.")
    module.load_state_dict(tensors)


class Batches:
    """Indices of shuffled mini-batches as a function of the step alone, so that a resumed run sees the same ones.

    Every epoch is a new permutation of the n images; the last incomplete batch of an epoch is dropped.
    """

    def __init__(self, n: int, batch_size: int, seed: int, *names: str) -> None:
        if n < batch_size:
            raise ValueError(f"{n} training images are fewer than one batch of {batch_size}: lower the batch size")
        self.n, self.batch_size, self.seed, self.names = n, batch_size, seed, names
        self.per_epoch = n // batch_size
        self._epoch = -1
        self._order = torch.empty(0, dtype=torch.int64)

    def __getitem__(self, step: int) -> Tensor:
        from cgnlib.randomness import generator

        epoch, position = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._order = torch.randperm(self.n, generator=generator(self.seed, *self.names, "epoch", epoch))
            self._epoch = epoch
        return self._order[position * self.batch_size : (position + 1) * self.batch_size]
