"""Steps that a GPU replays: the same as called one by one. Without a GPU, that nothing is in the way of the call."""

import pytest
import torch
from torch import nn

from cgnlib.randomness import generator
from cgnlib.training.capture import WARM_UP, CapturedStep, capturable, set_learning_rate
from cgnlib.training.loop import TrainingState
from cgnlib.training.steps import update

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
DEVICES = ["cpu", pytest.param("cuda", marks=needs_gpu)]


class Regression:
    """A small training with a batch, noise from a generator and a falling learning rate."""

    def __init__(self, device: str, captured: bool = True) -> None:
        self.network = nn.Linear(4, 2)
        with torch.no_grad():
            for index, parameter in enumerate(self.network.parameters()):
                parameter.fill_(0.1 * (index + 1))
        self.network.to(device)
        self.noise = generator(5, "noise", device=device)
        self.batch = torch.zeros(8, 4, device=device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), fused=True, **capturable(0.1, device))
        self.state = TrainingState({"network": self.network}, {"adam": self.optimizer}, {"noise": self.noise})
        self.update = CapturedStep(self.once, device, [self.noise]) if captured else self.once

    def once(self) -> dict[str, torch.Tensor]:
        noise = torch.randn(8, 2, generator=self.noise, device=self.noise.device)
        loss = (self.network(self.batch) - noise).square().mean()
        update(self.optimizer, loss)
        return {"loss": loss.detach()}

    def steps(self, first: int, last: int) -> list[float]:
        losses = []
        for step in range(first, last):
            set_learning_rate(self.optimizer, 0.1 / (step + 1))
            self.batch.copy_(torch.full((8, 4), float(step)))
            losses.append(self.update()["loss"].item())
        return losses


@pytest.mark.parametrize("device", DEVICES)
def test_captured_steps_equal_those_called_one_by_one(device: str) -> None:
    plain, captured = Regression(device, captured=False), Regression(device)
    n = 3 * WARM_UP
    assert captured.steps(0, n) == plain.steps(0, n)
    for ours, theirs in zip(captured.network.parameters(), plain.network.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    # The generators have gone on alike, so that what is drawn next is alike.
    assert torch.equal(captured.noise.get_state(), plain.noise.get_state())


@pytest.mark.parametrize("device", DEVICES)
def test_captured_steps_resume_to_the_same_bits(device: str, tmp_path) -> None:
    n = 3 * WARM_UP
    whole, first, second = Regression(device), Regression(device), Regression(device)
    losses = whole.steps(0, 2 * n)
    assert first.steps(0, n) == losses[:n]
    first.state.save(tmp_path / "checkpoint.pt")
    second.state.load(tmp_path / "checkpoint.pt")
    assert second.steps(n, 2 * n) == losses[n:]


def test_state_of_another_device_keeps_the_settings_of_this_one(tmp_path) -> None:
    """A checkpoint that a GPU wrote holds a learning rate that is a tensor, and a mark that updates are captured."""
    saved, resumed = Regression("cpu"), Regression("cpu")
    saved.steps(0, 2)
    for group in saved.optimizer.param_groups:
        group |= {"lr": torch.tensor(0.05), "capturable": True}
    saved.state.save(tmp_path / "checkpoint.pt")
    resumed.state.load(tmp_path / "checkpoint.pt")
    (group,) = resumed.optimizer.param_groups
    assert (group["lr"], group["capturable"]) == (0.1, False)
    plain = Regression("cpu")
    plain.steps(0, 2)
    assert resumed.steps(2, 4) == plain.steps(2, 4)


def test_the_learning_rate_of_a_captured_update_is_changed_in_place() -> None:
    rate = torch.tensor(0.5)
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=rate)
    set_learning_rate(optimizer, 0.25)
    assert optimizer.param_groups[0]["lr"] is rate
    assert rate.item() == 0.25
