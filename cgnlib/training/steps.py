"""The parts of a training step: batches by step number, an optimizer step, averaged weights, frozen networks."""

import functools
from typing import TypeVar

import torch
from torch import Tensor, nn

from cgnlib.randomness import generator

Module = TypeVar("Module", bound=nn.Module)


class Batches:
    """Indices of shuffled mini-batches as a function of the step alone, so that a resumed run sees the same ones.

    Every epoch is a new permutation of the n images; the last incomplete batch of an epoch is dropped. Several threads
    may ask.
    """

    def __init__(self, n: int, batch_size: int, seed: int, *names: str) -> None:
        if n < batch_size:
            raise ValueError(f"{n} training images are fewer than one batch of {batch_size}: take more")
        self.n, self.batch_size, self.seed, self.names = n, batch_size, seed, names
        self.per_epoch = n // batch_size
        self._last = (-1, torch.empty(0, dtype=torch.int64))  # epoch and its permutation

    def __getitem__(self, step: int) -> Tensor:
        epoch, position = divmod(step, self.per_epoch)
        last = self._last
        if epoch != last[0]:
            order = torch.randperm(self.n, generator=generator(self.seed, *self.names, "epoch", epoch))
            self._last = last = (epoch, order)
        return last[1][position * self.batch_size : (position + 1) * self.batch_size]


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
