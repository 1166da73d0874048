"""Devices, precision and processes of the classifier's training, by Lightning Fabric.

`alone` is this process by itself, the default everywhere. Under `launched`, the processes that torchrun or SLURM
started train one network together: each takes its share of every batch, gradients are averaged over all, the first
keeps the artefact. The result does not depend on how many there are, but for rounding.
"""

import logging
import os
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import torch

from cgnlib.errors import TrainingStopped

if TYPE_CHECKING:  # else imported where it is used: that takes seconds
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments import ClusterEnvironment

WAIT = timedelta(minutes=10)  # for a process that does not answer
PRECISIONS: dict[str, Literal["32-true", "bf16-mixed"]] = {"float32": "32-true", "bfloat16": "bf16-mixed"}
Launch = Callable[[str, str], "Fabric"]  # of a device and a precision


def alone(device: str = "cpu", precision: str = "float32") -> "Fabric":
    """This process by itself. device: cpu, cuda, cuda:1 ...; precision: float32 | bfloat16 (autocast)."""
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments import LightningEnvironment

    _quiet()
    place = torch.device(device)
    devices = 1 if place.index is None else [place.index]
    # The environment is named, for Fabric looks for a cluster's otherwise, and warns in a job without srun.
    environment = LightningEnvironment()
    return Fabric(accelerator=place.type, devices=devices, precision=PRECISIONS[precision], plugins=[environment])


def launched(device: str, precision: str) -> "Fabric":
    """The processes that torchrun or srun started, else this one alone. device: cpu, or cuda for each one's own GPU.

    All of them have to call it, and wait for each other. Raises TrainingStopped for numbers of processes and machines
    that do not go together.
    """
    from lightning_fabric import Fabric

    from cgnlib.training.averaging import Averaging

    _quiet()
    try:
        environment, each = _started()
    except (RuntimeError, ValueError) as error:
        raise TrainingStopped(f"not started as several processes can be: {' '.join(str(error).split())}") from None
    if environment is None or environment.world_size() == 1:
        return alone(device, precision)
    fabric = Fabric(
        accelerator=device,
        devices=each,
        num_nodes=environment.world_size() // each,
        strategy=Averaging(timeout=WAIT),
        precision=PRECISIONS[precision],
        plugins=[environment],
    )
    fabric.launch()
    return fabric


def share(fabric: "Fabric", n: int) -> slice:
    """This process's part of a batch of n. Raises TrainingStopped where n cannot be shared evenly."""
    if n % fabric.world_size:
        raise TrainingStopped(f"a batch of {n} cannot be shared by {fabric.world_size} processes: take a multiple")
    each = n // fabric.world_size
    return slice(fabric.global_rank * each, (fabric.global_rank + 1) * each)


def _quiet() -> None:
    """Undo what the import of Lightning switched on: messages in every notebook, and torch counting GPUs without trying
    them, so that one whose driver is too old for torch is chosen and fails."""
    os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)


def _started() -> tuple["ClusterEnvironment | None", int]:
    """What started this process, if anything, and how many processes it started on each machine."""
    from lightning_fabric.plugins.environments import SLURMEnvironment, TorchElasticEnvironment

    if TorchElasticEnvironment.detect():  # torchrun, inside SLURM too
        return TorchElasticEnvironment(), int(os.environ["LOCAL_WORLD_SIZE"])
    if "SLURM_NTASKS" in os.environ and SLURMEnvironment.detect():  # elsewhere it warns of an srun that is not used
        return SLURMEnvironment(), int(os.environ.get("SLURM_NTASKS_PER_NODE", "1"))
    return None, 1
