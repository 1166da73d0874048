import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from cgnlib import training
from cgnlib.imagenet.invariant_training import (
    AUTHORS,
    SEED,
    TOY,
    EnsembleRecipe,
    EnsembleTrainer,
    ImagesInMemory,
    Processes,
    TrainedEnsemble,
    processes,
    train_ensemble,
)
from cgnlib.paths import project_root
from cgnlib.training import fingerprint
from tests.imagenet.test_invariant import small

TINY = replace(TOY, epochs=2, batch_size=4, cf_ratio=1.0, learning_rate=0.05)


def images(n: int, seed: int, factors: int) -> ImagesInMemory:
    stream = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (n, factors), generator=stream)
    pixels = torch.randint(256, (n, 3, 8, 8), generator=stream, dtype=torch.uint8)
    return ImagesInMemory(pixels, labels[:, 0] if factors == 1 else labels)


REAL, COUNTERFACTUAL = images(12, 0, 1), images(9, 1, 3)


def train(
    root: Path, recipe: EnsembleRecipe = TINY, scores: list[float] | None = None, workers: Processes | None = None
) -> TrainedEnsemble:
    given = iter(scores or range(recipe.epochs))
    other = COUNTERFACTUAL if recipe.cf_ratio else None
    return train_ensemble(small(), recipe, REAL, other, lambda _: float(next(given)), 0, root=root, workers=workers)


def test_presets_are_the_published_ones() -> None:
    assert (AUTHORS.epochs, AUTHORS.decay_epochs, AUTHORS.batch_size, AUTHORS.cf_ratio) == (45, 15, 32, 2.0)
    assert (AUTHORS.learning_rate, AUTHORS.momentum, AUTHORS.weight_decay) == (1e-4, 0.9, 1e-4)
    assert (SEED.epochs, SEED.decay_epochs, SEED.backbone) == (30, 10, "resnet50")
    assert AUTHORS.counterfactual_batch == 64
    assert [round(SEED.rate(epoch), 9) for epoch in (0, 9, 10, 29)] == [1e-4, 1e-4, 1e-5, 1e-6]


def test_a_recipe_that_cannot_be_meant() -> None:
    for change in ({"precision": "float16"}, {"epochs": 0}, {"cf_ratio": -1.0}):
        with pytest.raises(ValueError, match="precision|must be"):
            replace(TOY, **change)


def test_a_step_is_sgd_on_both_losses() -> None:
    """Two steps by hand: momentum and weight decay as in torch's SGD, gradients of both batches added."""
    from cgnlib.imagenet.invariant import counterfactual_loss, real_loss

    trainer, plain = EnsembleTrainer(small(), TINY, REAL, COUNTERFACTUAL, 0), small().train()
    velocity = [torch.zeros_like(p) for p in plain.parameters()]
    for step in range(2):
        terms = trainer.step(step)
        drawn = []
        for name in ("real", "counterfactual"):
            source, order = trainer.sources[name]
            drawn.append(source.draw(order[step], torch.Generator()))
        losses = [real_loss(plain(drawn[0][0]), drawn[0][1]), counterfactual_loss(plain(drawn[1][0]), drawn[1][1])]
        torch.testing.assert_close(torch.stack(list(terms.values())), torch.stack(losses).detach())
        gradients = torch.autograd.grad(losses[0] + losses[1], list(plain.parameters()))
        with torch.no_grad():
            for p, v, g in zip(plain.parameters(), velocity, gradients, strict=True):
                v.copy_(0.9 * v + g + 1e-4 * p if step else g + 1e-4 * p)
                p -= 0.05 * v
    for ours, theirs in zip(trainer.network.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_without_counterfactuals_there_is_one_loss(tmp_path: Path) -> None:
    trainer = EnsembleTrainer(small(), replace(TINY, cf_ratio=0.0), REAL, None, 0)
    assert list(trainer.step(0)) == ["real"]
    with pytest.raises(ValueError, match="CF ratio of 0 does not go with 9"):
        EnsembleTrainer(small(), replace(TINY, cf_ratio=0.0), REAL, COUNTERFACTUAL, 0)
    with pytest.raises(ValueError, match="CF ratio of 1 does not go with none"):
        EnsembleTrainer(small(), TINY, REAL, None, 0)


def test_last_and_best_epoch(tmp_path: Path) -> None:
    falling = train(tmp_path / "a", scores=[0.9, 0.4])
    assert falling.best_epoch == 1
    assert fingerprint(falling.best) != fingerprint(falling.last)
    rising = train(tmp_path / "b", scores=[0.4, 0.9])
    assert rising.best_epoch == 2
    assert fingerprint(rising.best) == fingerprint(rising.last) == fingerprint(falling.last)
    assert list(rising.epochs["score"]) == [0.4, 0.9]


def test_finished_is_loaded_and_other_data_is_another_artefact(tmp_path: Path) -> None:
    first = train(tmp_path, scores=[0.9, 0.4])
    again = train(tmp_path, scores=[])  # a score that is asked for would raise StopIteration
    assert fingerprint(again.last) == fingerprint(first.last)
    assert fingerprint(again.best) == fingerprint(first.best)
    assert (again.best_epoch, again.seconds) == (1, first.seconds)
    shorter = train_ensemble(small(), TINY, images(8, 0, 1), COUNTERFACTUAL, lambda _: 0.0, 0, root=tmp_path)
    assert shorter.artefact.key != first.artefact.key


def test_an_interrupted_training_goes_on_to_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train(tmp_path / "whole", scores=[0.9, 0.4])
    steps = EnsembleTrainer.step

    def interrupted(self: EnsembleTrainer, step: int) -> dict[str, Tensor]:
        if step == 4:
            raise KeyboardInterrupt
        return steps(self, step)

    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(EnsembleTrainer, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "parts", scores=[0.9])
    monkeypatch.setattr(EnsembleTrainer, "step", steps)
    resumed = train(tmp_path / "parts", scores=[0.4])
    assert fingerprint(resumed.last) == fingerprint(whole.last)
    assert fingerprint(resumed.best) == fingerprint(whole.best)
    assert list(resumed.epochs["score"]) == [0.9, 0.4]


def test_a_share_of_a_batch() -> None:
    assert [list(range(6))[Processes(rank, 3).share(6)] for rank in range(3)] == [[0, 1], [2, 3], [4, 5]]
    with pytest.raises(ValueError, match="a batch of 5 cannot be shared by 2"):
        Processes(0, 2).share(5)


def test_one_process_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with processes() as alone:
        value = torch.ones(2)
        alone.average([value])
        assert (alone.rank, alone.size, alone.from_first("x"), value.tolist()) == (0, 1, "x", [1.0, 1.0])


# --- Several processes ------------------------------------------------------------------------------------------------

SCRIPT = """
import json, os, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from cgnlib import training
from cgnlib.imagenet import invariant_training
from cgnlib.imagenet.invariant_training import EnsembleTrainer, processes
from cgnlib.training import fingerprint
from tests.imagenet import test_invariant_training as here

folder, killed = Path(sys.argv[1]), int(sys.argv[2])
training.CHECKPOINT_SECONDS, training.LOG_EVERY = 0.0, 1
steps = EnsembleTrainer.step
losses = []

def step(self, index):
    if index == killed and self.workers.rank == 1:
        os._exit(9)
    terms = steps(self, index)
    losses.append([value.item() for value in terms.values()])
    return terms

EnsembleTrainer.step = step
with processes() as workers:
    found = here.train(folder, scores=[0.9, 0.4], workers=workers)
    weights = [p.flatten().tolist() for p in found.last.parameters()]
    print(json.dumps({"losses": losses, "weights": weights, "best": found.best_epoch}))
"""


def start(folder: Path, size: int, port: int, killed: int = -1) -> list[subprocess.CompletedProcess[str]]:
    started = []
    for rank in range(size):
        places = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size)}
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "PYTHONPATH": str(project_root())}
        command = [sys.executable, "-c", SCRIPT, str(folder), str(killed)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, env=os.environ | places | address, cwd=project_root(), **pipes))
    ended = []
    for process in started:
        out, err = process.communicate(timeout=100)
        ended.append(subprocess.CompletedProcess(process.args, process.returncode, out, err))
    return ended


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.mark.slow
def test_two_processes_do_what_one_does_with_the_doubled_batch(tmp_path: Path) -> None:
    (alone,) = start(tmp_path / "one", 1, free_port())
    first, second = start(tmp_path / "two", 2, free_port())
    assert alone.returncode == first.returncode == second.returncode == 0, first.stderr + second.stderr
    one, two, other = (json.loads(done.stdout) for done in (alone, first, second))
    torch.testing.assert_close(torch.tensor(two["losses"]), torch.tensor(one["losses"]), atol=1e-5, rtol=0)
    for ours, theirs in zip(two["weights"], one["weights"], strict=True):
        torch.testing.assert_close(torch.tensor(ours), torch.tensor(theirs), atol=1e-5, rtol=0)
    assert other == two


@pytest.mark.slow
def test_a_killed_process_stops_the_run_and_the_next_run_resumes(tmp_path: Path) -> None:
    first, second = start(tmp_path / "cut", 2, free_port(), killed=4)
    assert (first.returncode, second.returncode) == (1, 9)
    assert "process 0 of 2: another process ended or does not answer" in first.stderr
    assert "resumes from its last checkpoint" in first.stderr
    assert list((tmp_path / "cut").rglob("checkpoint.pt"))
    again = start(tmp_path / "cut", 2, free_port())
    assert [done.returncode for done in again] == [0, 0], again[0].stderr
    resumed, whole = json.loads(again[0].stdout), train(tmp_path / "whole", scores=[0.9, 0.4])
    assert len(resumed["losses"]) == 6 - 4
    for ours, theirs in zip(resumed["weights"], whole.last.parameters(), strict=True):
        torch.testing.assert_close(torch.tensor(ours), theirs.detach().flatten(), atol=1e-5, rtol=0)
