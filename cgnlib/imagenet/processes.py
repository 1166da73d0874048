"""Devices, precision and processes of the classifier's training, by Lightning Fabric.

`alone` is this process by itself, the default everywhere. Under `launched`, the processes that torchrun or SLURM
started train one network together: each takes its share of every batch, gradients are averaged over all, the first
keeps the artefact. The result does not depend on how many there are, but for rounding.
"""

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)
from lightning_fabric.plugins.precision import MixedPrecision, Precision
from lightning_fabric.strategies import DDPStrategy

from cgnlib.training import TrainingStopped

WAIT = timedelta(minutes=10)  # for a process that does not answer

# What the import switched on, off again: torch counting GPUs without trying them, so that one with a driver too old for
# torch is chosen and fails; and messages in every notebook.
os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)
logging.getLogger("lightning_fabric").setLevel(logging.WARNING)

Launch = Callable[[str, str], Fabric]  # of a device and a precision


def alone(device: str = "cpu", precision: str = "float32") -> Fabric:
    """This process by itself. device: cpu, cuda, cuda:1 ...; precision: float32 | bfloat16 (autocast)."""
    place = torch.device(device)
    # The environment is named, for Fabric looks for a cluster's otherwise, and warns in a job without srun.
    return Fabric(
        accelerator=place.type,
        devices=1 if place.index is None else [place.index],
        plugins=[LightningEnvironment(), _precision(place.type, precision)],
    )


def launched(device: str, precision: str) -> Fabric:
    """The processes that torchrun or srun started, else this one alone. device: cpu, or cuda for each one's own GPU.

    All of them have to call it, and wait for each other. Raises RuntimeError or ValueError for numbers of processes and
    machines that do not go together.
    """
    environment, each = _started()
    if environment is None or environment.world_size() == 1:
        return alone(device, precision)
    fabric = Fabric(
        accelerator=device,
        devices=each,
        num_nodes=environment.world_size() // each,
        strategy=Averaging(timeout=WAIT),
        plugins=[environment, _precision(device, precision)],
    )
    fabric.launch()
    return fabric


def share(fabric: Fabric, n: int) -> slice:
    """This process's part of a batch of n. Raises ValueError where n cannot be shared evenly."""
    if n % fabric.world_size:
        raise ValueError(f"a batch of {n} cannot be shared by {fabric.world_size} processes: take a multiple")
    each = n // fabric.world_size
    return slice(fabric.global_rank * each, (fabric.global_rank + 1) * each)


class Averaging(DDPStrategy):
    """Averages gradients before an update. Raises TrainingStopped where another process is gone.

    In place of torch's DistributedDataParallel, which orders the gradients anew after its first step: with three or
    more processes the sums then round otherwise, and a resumed run ends in other bits than one without a break.
    """

    def optimizer_step(self, optimizer: Any, **kwargs: Any) -> Any:
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        mean = self.all_reduce(torch.cat([gradient.flatten() for gradient in gradients]))
        for gradient, part in zip(gradients, mean.split([each.numel() for each in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))
        return super().optimizer_step(optimizer, **kwargs)

    def all_reduce(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        with self._answered():
            return super().all_reduce(*args, **kwargs)

    def broadcast(self, obj: Any, src: int = 0) -> Any:
        with self._answered():
            return super().broadcast(obj, src)

    @contextlib.contextmanager
    def _answered(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            raise TrainingStopped(
                f"process {self.global_rank} of {self.world_size}: another process ended or does not answer "
                f"({' '.join(str(error).split())[:160]}). Start the run again: it resumes from its last checkpoint."
            ) from error


def _started() -> tuple[ClusterEnvironment | None, int]:
    """What started this process, if anything, and how many processes it started on each machine."""
    if TorchElasticEnvironment.detect():  # torchrun, inside SLURM too
        return TorchElasticEnvironment(), int(os.environ["LOCAL_WORLD_SIZE"])
    if SLURMEnvironment.detect():
        return SLURMEnvironment(), int(os.environ.get("SLURM_NTASKS_PER_NODE", "1"))
    return None, 1


def _precision(kind: str, precision: str) -> Precision:
    return {"float32": Precision(), "bfloat16": MixedPrecision("bf16-mixed", kind)}[precision]
