"""Training that can be interrupted anywhere: artefact folders keyed by configuration, atomic checkpoints, one run loop.

The same configuration always names the same artefact: finished, it is loaded; interrupted, it is resumed to the same
bits; corrupt, it is named and rebuilt. So a notebook run by hand, by papermill or by the workflow engine does the same.
"""

import contextlib
import copy
import functools
import hashlib
import json
import math
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cgnlib.fetching import AssetError
from cgnlib.locking import locked
from cgnlib.memory import keep_freed_memory, peak_memory
from cgnlib.paths import atomic_file, build_folder, file_sha256, unwritable
from cgnlib.progress import tqdm
from cgnlib.provenance import has_instructions
from cgnlib.randomness import generator

CHECKPOINT_SECONDS = 30.0
LOG_EVERY = 10  # steps between two logged rows
COLLAPSE_ROWS = 100  # logged rows in a row with a mask mean out of bounds: the run is stopped
MASK_BOUNDS = (0.02, 0.98)

Module = TypeVar("Module", bound=nn.Module)


def default_device() -> str:
    """The device to train on: "cuda" where there is one, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


@functools.cache
def fast_precision(device: str) -> str:
    """ "bfloat16" where it is multiplied at least twice as fast as float32 (CUDA; processors with AMX or AVX-512 BF16),
    else "float32".
    """
    fast = (
        torch.cuda.is_bf16_supported(including_emulation=False)
        if device.startswith("cuda")
        else (device == "cpu" and (has_instructions("amx_bf16") or has_instructions("avx512_bf16")))
    )
    return "bfloat16" if fast else "float32"


def fast_autocast(device: str) -> torch.autocast:
    """Networks run in `fast_precision` in this context; weights, optimizers and what needs its digits stay float32."""
    kind = device.split(":")[0]
    return torch.autocast(kind, torch.bfloat16, enabled=fast_precision(device) == "bfloat16")


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
        self.key = ""  # of the artefact that this state belongs to
        self.step = 0
        self.seconds = 0.0  # time spent training, over all interruptions
        self.log: dict[str, list[float]] = {}  # losses, one value per logged step
        self.history: list[dict[str, float | str]] = []  # evaluations taken along the way

    def cost(self, device: str) -> dict[str, Any]:
        """What every record says of a training on `device`: where, for how many seconds, at what peak of memory.

        The peak (MB) is that of the process, with whatever it did before.
        """
        return {"device": device, "seconds": round(self.seconds, 1), "peak_memory_mb": peak_memory()}

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
) -> None:
    """Call `step_function(step)` until `steps` are done, with progress bar, log, checkpoints and a check of the losses.

    The step function returns scalar tensors by name; "mask mean" among them is watched for collapse. `snapshots`
    (sample sheets, evaluations) are called once as many steps are done as their key says. Ctrl-C waits for the end of a
    step and saves before it propagates: only whole steps are ever saved. Raises TrainingStopped; ValueError if `steps`
    is 0.
    """
    if steps < 1:
        raise ValueError(f"{title}: the training length is less than one batch; raise it")
    keep_freed_memory()
    started = last_save = time.monotonic()
    spent = state.seconds

    def save() -> None:
        nonlocal last_save
        _check_weights(state, title)
        state.seconds = spent + time.monotonic() - started
        if checkpoint is not None:
            state.save(checkpoint)
        last_save = time.monotonic()

    progress = tqdm(total=steps, initial=state.step, desc=title, unit="step", mininterval=1.0, leave=False)
    with contextlib.closing(progress), _interrupt_noted() as interrupted:
        while state.step < steps and not interrupted():
            values = step_function(state.step)
            state.step += 1
            if state.step % LOG_EVERY == 0 or state.step == steps:
                _log(state, {name: value.item() for name, value in values.items()}, title)
            progress.update()
            if snapshots and state.step in snapshots:
                snapshots[state.step]()
            if time.monotonic() - last_save > CHECKPOINT_SECONDS:
                save()
        save()
        if interrupted():
            raise KeyboardInterrupt


@contextlib.contextmanager
def _interrupt_noted() -> Iterator[Callable[[], bool]]:
    """Within the block, Ctrl-C is noted for the function that is given; a second Ctrl-C is raised at once.

    Python runs signal handlers in the main thread alone, and an ignored Ctrl-C stays ignored: there nothing changes.
    """
    previous = signal.getsignal(signal.SIGINT)
    noted: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if noted:
            raise KeyboardInterrupt
        noted.append(number)

    ours = threading.current_thread() is threading.main_thread() and callable(previous)
    if ours:
        signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(noted)
    finally:
        if ours:
            signal.signal(signal.SIGINT, previous)


def _check_weights(state: TrainingState, title: str) -> None:
    """Weights that are not finite never reach a checkpoint or a finished artefact."""
    for module in state.modules.values():
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point() and not tensor.isfinite().all():
                raise _diverged(title, name, "not finite", state.step)


def _diverged(title: str, what: str, value: float | str, step: int) -> TrainingStopped:
    return TrainingStopped(
        f"{title}: {what} is {value} at step {step}. Lower the learning rate or take another seed; "
        "the last checkpoint before it is kept."
    )


def _log(state: TrainingState, values: dict[str, float], title: str) -> None:
    for name, value in {"step": float(state.step), **values}.items():
        if not math.isfinite(value):
            raise _diverged(title, name, value, state.step)
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
        self.kind = kind
        text = json.dumps(dict(config), sort_keys=True)
        self.config: dict[str, Any] = json.loads(text)  # as it stands in the record
        self.key = hashlib.sha256(text.encode()).hexdigest()[:12]
        self.folder = (root or build_folder() / "artefacts") / kind / self.key
        self.checkpoint = self.folder / "checkpoint.pt"
        self.weights = self.folder / "weights.safetensors"
        self.log_file = self.folder / "log.csv"
        self.record = self.folder / "record.json"

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold this artefact: a second process that wants the same one waits, then finds it finished.

        Raises OSError where the folder cannot be written, and LockHeld (see `locked`).
        """
        waiting = f"waiting for another process that makes the same {self.kind}"
        with contextlib.ExitStack() as stack:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                stack.enter_context(locked(self.folder / "lock", waiting))
            except OSError as error:
                raise unwritable(self.folder, error) from error
            yield

    def resume(self, state: TrainingState) -> None:
        """Bring `state` to the last checkpoint; one that cannot be used is named, set aside, and training starts anew.

        To be called under `lock`.
        """
        state.key = self.key
        for leftover in self.folder.glob(".*.partial"):  # of a process that was killed while it wrote
            leftover.unlink(missing_ok=True)
        if not self.checkpoint.exists():
            return
        try:
            state.load(self.checkpoint)
        except AssetError as error:
            warnings.warn(f"{error}. Starting {self.kind} again from step 0.", stacklevel=2)
            self.checkpoint.replace(self.checkpoint.with_suffix(".corrupt"))

    def finish(self, module: nn.Module, record: Mapping[str, Any], log: pd.DataFrame) -> None:
        """Write weights, log and record (last, so that it marks the artefact as finished) and drop the checkpoint."""
        save_weights(module, self.weights)
        with atomic_file(self.log_file) as partial:
            log.to_csv(partial, index=False)
        sums = {"weights_sha256": file_sha256(self.weights), "log_sha256": file_sha256(self.log_file)}
        content = {"kind": self.kind, "config": self.config, **sums, **record}
        with atomic_file(self.record) as partial:
            partial.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
        self.checkpoint.unlink(missing_ok=True)

    def load(self, module: nn.Module) -> dict[str, Any] | None:
        """Fill `module` from a finished artefact and return its record; None if it must be (re)built.

        A record, weight or log file that does not match is named and counts as not finished.
        """
        if not self.record.exists():
            return None
        try:
            record = json.loads(self.record.read_text())
            for file, name in ((self.weights, "weights_sha256"), (self.log_file, "log_sha256")):
                if record[name] != file_sha256(file):
                    raise AssetError(f"{file} does not have the checksum in its record")
            load_state(module, self.weights, self.kind)
        except (OSError, ValueError, KeyError, TypeError, AssetError) as error:
            warnings.warn(
                f"finished {self.kind} in {self.folder} is damaged ({error}); building it again", stacklevel=2
            )
            self.record.unlink(missing_ok=True)
            return None
        return record

    @property
    def seconds(self) -> float:
        """Time that the training of this finished artefact took, over all interruptions."""
        return json.loads(self.record.read_text())["seconds"]

    def log(self) -> pd.DataFrame:
        """The training log: one row per logged step."""
        return pd.read_csv(self.log_file)


def fingerprint(module: nn.Module) -> str:
    """First 12 hex digits of the SHA-256 of a module's weights: what tells two networks apart."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def save_weights(module: nn.Module, path: Path) -> None:
    """The module's state dict as safetensors, written atomically."""
    save_tensors(module.state_dict(), path)


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Tensors by name as safetensors, written atomically."""
    with atomic_file(path) as partial:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, partial)


def load_state(module: nn.Module, path: Path | str, what: str, drop_prefix: str = "") -> None:
    """Load a `.safetensors` or PyTorch state dict into `module`, strictly and without executing code.

    Batch norms keep their own count of batches where an old file has none (PyTorch 0.4.0 did not count).
    drop_prefix: taken off the keys that have it ("module." of a network that was trained in parallel).

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
    tensors = {name.removeprefix(drop_prefix): tensor for name, tensor in tensors.items()}
    expected = module.state_dict()
    counters = {name: count for name, count in expected.items() if name.endswith("num_batches_tracked")}
    tensors = counters | tensors
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
            raise ValueError(f"{n} training images are fewer than one batch of {batch_size}: take more")
        self.n, self.batch_size, self.seed, self.names = n, batch_size, seed, names
        self.per_epoch = n // batch_size
        self._epoch = -1
        self._order = torch.empty(0, dtype=torch.int64)

    def __getitem__(self, step: int) -> Tensor:
        epoch, position = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._order = torch.randperm(self.n, generator=generator(self.seed, *self.names, "epoch", epoch))
            self._epoch = epoch
        return self._order[position * self.batch_size : (position + 1) * self.batch_size]


def update(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step of the optimizer down the gradient of a scalar loss."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


@torch.no_grad()
def follow(averaged: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Move averaged weights towards those of the network: exponential average, of short memory in the first steps.

    Counters are copied.
    """
    decay = min(decay, (step + 1) / (step + 10))
    means, values = averaged.state_dict(), network.state_dict()
    moving = [name for name, mean in means.items() if mean.is_floating_point()]
    torch._foreach_lerp_([means[name] for name in moving], [values[name] for name in moving], 1 - decay)
    for name in means.keys() - set(moving):
        means[name].copy_(values[name])


def freeze(module: Module) -> Module:
    """Make `module` a fixed function, in place: no gradients for its parameters, and eval mode also after `train()`.

    Gradients still flow through it to its input. A `train()` of a module that holds it leaves it in eval mode too.
    """
    module.eval().requires_grad_(False)
    # A partial and not a closure: copies of the module then refer to themselves.
    module.train = functools.partial(_stay_in_eval, module)
    return module


def _stay_in_eval(module: Module, mode: bool = True) -> Module:
    return module
