"""Artefacts: folders of trained things, keyed by configuration.

The same configuration always names the same artefact: finished, it is loaded; interrupted, it is resumed to the same
bits; corrupt, it is named and rebuilt. So a notebook run by hand, by papermill or by the workflow engine does the same.
"""

import contextlib
import hashlib
import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor, nn

from cgnlib.errors import AssetError
from cgnlib.locking import locked
from cgnlib.paths import atomic_file, build_folder, file_sha256, unwritable
from cgnlib.training.loop import TrainingState
from cgnlib.training.weights import load_state, load_tensors, save_weights


class Artefact:
    """The folder of one trained thing: `record.json` (configuration and provenance), weights, log, snapshots.

    with artefact.lock():
        if artefact.load(network) is None:
            artefact.resume(state)
            run(state, steps, step, artefact.checkpoint)
            artefact.finish(network, state.cost("cpu"), pd.DataFrame(state.log))
    """

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
    def lock(self, beat: Callable[[], object] = lambda: None) -> Iterator[None]:
        """Hold this artefact: a second process that wants the same one waits, then finds it finished.

        beat: called again and again while this one waits. Raises OSError where the folder cannot be written, and
        LockHeld (see `locked`).
        """
        waiting = f"waiting for another process that makes the same {self.kind}"
        with contextlib.ExitStack() as stack:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                stack.enter_context(locked(self.folder / "lock", waiting, beat))
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
            problem = f"finished {self.kind} in {self.folder} is damaged ({error})"
            warnings.warn(f"{problem}; building it again", stacklevel=2)
            self.record.unlink(missing_ok=True)
            return None
        return record

    @property
    def seconds(self) -> float:
        """Time that the training of this finished artefact took, over all interruptions."""
        return json.loads(self.record.read_text())["seconds"]

    def snapshots(self, names: Iterable[str]) -> dict[int, dict[str, Tensor]]:
        """Tensors of these names that were kept in the course of training, by step. Raises AssetError as
        `load_tensors`.
        """
        names, files = tuple(names), sorted(self.folder.glob("snapshot-*.safetensors"))
        return {int(file.stem.removeprefix("snapshot-")): load_tensors(file, "snapshot", names) for file in files}

    def log(self) -> pd.DataFrame:
        """The training log: one row per logged step."""
        return pd.read_csv(self.log_file)
