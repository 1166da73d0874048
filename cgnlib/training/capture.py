"""Training steps that a GPU replays as one graph (CUDA graphs); on a CPU they are called as they are.

The networks of the MNIST half are so small that a GPU is done with a kernel long before Python asks for the next one:
a step of the CGN is 1,165 kernels of 3 microseconds, and asking for them one by one takes ten times that.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

WARM_UP = 3  # calls before the capture: gradients, optimizer states and library handles exist by then
Values = dict[str, Tensor]


class CapturedStep:
    """`function()`, called once per step: on a CUDA device it is recorded once and then replayed.

    What changes between calls must lie in tensors that stay where they are (batch indices, `learning_rate`), and
    nothing in the function may wait for the GPU. The tensors that it returns are overwritten by the next call.
    generators: those that it draws from, which go on as they would without a recording.
    """

    def __init__(self, function: Callable[[], Values], device: str, generators: Iterable[torch.Generator] = ()) -> None:
        self._function, self._generators = function, list(generators)
        self._calls = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._values: Values = {}
        self._stream = torch.cuda.Stream(device) if device.startswith("cuda") else None

    def __call__(self) -> Values:
        if self._stream is None:
            return self._function()
        with torch.cuda.device(self._stream.device):
            return self._on_gpu(self._stream)

    def _on_gpu(self, stream: torch.cuda.Stream) -> Values:
        if self._graph is not None:
            self._graph.replay()
            return self._values
        self._calls += 1
        if self._calls <= WARM_UP:
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                values = self._function()
            torch.cuda.current_stream().wait_stream(stream)
            return values
        graph = torch.cuda.CUDAGraph()
        for generator in self._generators:
            graph.register_generator_state(generator)
        with torch.cuda.graph(graph, stream=stream):
            self._values = self._function()
        self._graph = graph
        graph.replay()  # recording runs nothing
        return self._values


def capturable(learning_rate: float, device: str) -> dict[str, Any]:
    """Options of an optimizer whose updates are part of a `CapturedStep` on `device`, with its learning rate."""
    if device.startswith("cuda"):
        return {"lr": torch.tensor(learning_rate, device=device), "capturable": True}
    return {"lr": learning_rate}


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Set it for all parameters of the optimizer, recorded or not."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(learning_rate)
        else:
            group["lr"] = learning_rate
