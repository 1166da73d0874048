"""Devices, precision and processes of the classifier's training, by Lightning Fabric.

`alone` is this process by itself, the default everywhere. Under `launched`, the processes that torchrun or SLURM
started train one network together: each takes its share of every batch, gradients are averaged over all, the first
keeps the artefact. The result does not depend on how many there are, but for rounding.
"""

import logging
import os
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:  # else imported where it is used: that takes seconds
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments import ClusterEnvironment
    from lightning_fabric.plugins.precision import Precision

WAIT = timedelta(minutes=10)  # for a process that does not answer

Launch = Callable[[str, str], "Fabric"]  # of a device and a precision


def alone(device: str = "cpu", precision: str = "float32") -> "Fabric":
    """This process by itself. device: cpu, cuda, cuda:1 ...; precision: float32 | bfloat16 (autocast)."""
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments import LightningEnvironment

    _quiet()
    place = torch.device(device)
    # The environment is named, for Fabric looks for a cluster's otherwise, and warns in a job without srun.
    return Fabric(
        accelerator=place.type,
        devices=1 if place.index is None else [place.index],
        plugins=[LightningEnvironment(), _precision(place.type, precision)],
    )


def launched(device: str, precision: str) -> "Fabric":
    """The processes that torchrun or srun started, else this one alone. device: cpu, or cuda for each one's own GPU.

    All of them have to call it, and wait for each other. Raises RuntimeError or ValueError for numbers of processes and
    machines that do not go together.
    """
    from lightning_fabric import Fabric

    from cgnlib.imagenet.averaging import Averaging

    _quiet()
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


def share(fabric: "Fabric", n: int) -> slice:
    """This process's part of a batch of n. Raises ValueError where n cannot be shared evenly."""
    if n % fabric.world_size:
        raise ValueError(f"a batch of {n} cannot be shared by {fabric.world_size} processes: take a multiple")
    each = n // fabric.world_size
    return slice(fabric.global_rank * each, (fabric.global_rank + 1) * each)


def _quiet() -> None:
    """What the import of Lightning switched on, off again: torch counting GPUs without trying them, so that one with a
    driver too old for torch is chosen and fails; and messages in every notebook.
    """
    os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)


def _started() -> tuple["ClusterEnvironment | None", int]:
    """What started this process, if anything, and how many processes it started on each machine."""
    from lightning_fabric.plugins.environments import SLURMEnvironment, TorchElasticEnvironment

    if TorchElasticEnvironment.detect():  # torchrun, inside SLURM too
        return TorchElasticEnvironment(), int(os.environ["LOCAL_WORLD_SIZE"])
    if SLURMEnvironment.detect():
        return SLURMEnvironment(), int(os.environ.get("SLURM_NTASKS_PER_NODE", "1"))
    return None, 1


def _precision(kind: str, precision: str) -> "Precision":
    from lightning_fabric.plugins.precision import MixedPrecision, Precision

    return {"float32": Precision(), "bfloat16": MixedPrecision("bf16-mixed", kind)}[precision]
