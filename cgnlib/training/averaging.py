"""Gradients averaged over processes, as a strategy of Lightning Fabric."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from lightning_fabric.strategies import DDPStrategy

from cgnlib.errors import TrainingStopped


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
            where, why = f"process {self.global_rank} of {self.world_size}", " ".join(str(error).split())[:160]
            remedy = "Start the run again: it resumes from its last checkpoint."
            raise TrainingStopped(f"{where}: another process ended or does not answer ({why}). {remedy}") from error
