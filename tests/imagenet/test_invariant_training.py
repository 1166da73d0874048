import json
import os
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from cgnlib.imagenet.invariant_training import EnsembleTrainer, ImagesInMemory, TrainedEnsemble, train_ensemble
from cgnlib.imagenet.recipes import AUTHORS_CLASSIFIER, STUDY_CLASSIFIER, TOY_CLASSIFIER, EnsembleRecipe
from cgnlib.images import to_float
from cgnlib.paths import project_root
from cgnlib.training import loop as training
from cgnlib.training.processes import Launch, alone
from cgnlib.training.weights import fingerprint
from tests.imagenet.test_invariant import small

TINY = replace(TOY_CLASSIFIER, epochs=2, batch_size=4, cf_ratio=1.0, learning_rate=0.05)


def images(n: int, seed: int, factors: int) -> ImagesInMemory:
    stream = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (n, factors), generator=stream)
    pixels = torch.randint(256, (n, 3, 8, 8), generator=stream, dtype=torch.uint8)
    return ImagesInMemory(pixels, labels[:, 0] if factors == 1 else labels)


REAL, COUNTERFACTUAL = images(12, 0, 1), images(9, 1, 3)


def train(
    root: Path, recipe: EnsembleRecipe = TINY, scores: list[float] | None = None, launch: Launch = alone
) -> TrainedEnsemble:
    given = iter(scores or range(recipe.epochs))
    other = COUNTERFACTUAL if recipe.cf_ratio else None
    return train_ensemble(small(), recipe, REAL, other, lambda _: float(next(given)), 0, root=root, launch=launch)


def test_presets_are_the_published_ones() -> None:
    published = {"epochs": 45, "decay_epochs": 15, "batch_size": 32, "cf_ratio": 2.0, "learning_rate": 1e-4}
    published |= {"momentum": 0.9, "weight_decay": 1e-4, "backbone": "resnet50"}
    assert published.items() <= vars(AUTHORS_CLASSIFIER).items()
    assert vars(STUDY_CLASSIFIER) == vars(AUTHORS_CLASSIFIER) | {"name": "study", "epochs": 30, "decay_epochs": 10}
    assert AUTHORS_CLASSIFIER.counterfactual_batch == 64
    assert [round(STUDY_CLASSIFIER.rate(epoch), 9) for epoch in (0, 9, 10, 29)] == [1e-4, 1e-4, 1e-5, 1e-6]


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
            drawn.append(source.draw(order[step], torch.zeros(0)))
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


def test_the_next_batch_is_drawn_while_a_step_is_computed() -> None:
    """In another thread and a step ahead; the same batches, whichever step is asked for."""
    drawn, here = [], threading.get_ident()

    class Watched(ImagesInMemory):
        def draw(self, index: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
            drawn.append((tuple(index.tolist()), threading.get_ident() == here))
            return super().draw(index, draws)

    trainer = EnsembleTrainer(small(), replace(TINY, cf_ratio=0.0), Watched(REAL.images, REAL.labels), None, 0)
    order = [tuple(trainer.sources["real"][1][step].tolist()) for step in range(9)]
    for step in (0, 1, 7):  # 7: a training that goes on from a checkpoint
        trainer.step(step)
    trainer.ahead[8].result()
    assert drawn == [(order[step], False) for step in (0, 1, 2, 7, 8)]


def test_bfloat16_is_for_the_networks_alone() -> None:
    found = {}
    for precision in ("float32", "bfloat16"):
        trainer = EnsembleTrainer(small(), replace(TINY, precision=precision), REAL, COUNTERFACTUAL, 0)
        inside: set[torch.dtype] = set()
        trainer.network.heads["shape"].register_forward_hook(lambda *given, seen=inside: seen.add(given[-1].dtype))
        terms = trainer.step(0)
        assert inside == {getattr(torch, precision)}
        assert {value.dtype for value in (*terms.values(), *trainer.network.parameters())} == {torch.float32}
        found[precision] = torch.stack(list(terms.values()))
    assert not torch.equal(found["bfloat16"], found["float32"])
    torch.testing.assert_close(found["bfloat16"], found["float32"], atol=0, rtol=0.01)


# --- Several processes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [2, 4])
def test_shares_of_a_batch_are_augmented_as_the_whole_batch(size: int) -> None:
    class Shaken(ImagesInMemory):
        def draw(self, index: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
            return to_float(self.images[index]) * draws[:, :1, None, None], self.labels[index]

    def drawn(rank: int, size: int) -> list[tuple[Tensor, Tensor]]:
        real, other = (Shaken(each.images, each.labels) for each in (REAL, COUNTERFACTUAL))
        trainer = EnsembleTrainer(small(), TINY, real, other, 0)
        trainer.fabric = SimpleNamespace(global_rank=rank, world_size=size)  # pyright: ignore
        return trainer._draw(3)

    shares = [drawn(rank, size) for rank in range(size)]
    for i, (images, labels) in enumerate(drawn(0, 1)):
        assert torch.equal(torch.cat([share[i][0] for share in shares]), images)
        assert torch.equal(torch.cat([share[i][1] for share in shares]), labels)


THREE = replace(TINY, batch_size=6)  # which three processes can share

SCRIPT = """
import json, os, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from cgnlib.training import loop as training
from cgnlib.imagenet.invariant_training import EnsembleTrainer
from cgnlib.training.processes import launched
from cgnlib.training.weights import fingerprint
from tests.imagenet import test_invariant_training as here

recipe, killed = getattr(here, sys.argv[1]), int(sys.argv[2])
training.CHECKPOINT_SECONDS, training.LOG_EVERY = 0.0, 1
steps = EnsembleTrainer.step
losses = []

def step(self, index):
    if index == killed and self.fabric.global_rank == 1:
        os._exit(9)
    terms = steps(self, index)
    losses.append([value.item() for value in terms.values()])
    return terms

EnsembleTrainer.step = step
rank = launched("cpu", recipe.precision).global_rank
for folder in map(Path, sys.argv[3:]):
    losses.clear()
    found = here.train(folder, recipe, scores=[0.9, 0.4], launch=launched)
    weights = [p.flatten().tolist() for p in found.last.parameters()]
    kept = {"losses": losses, "weights": weights, "best": found.best_epoch, "bits": fingerprint(found.last)}
    (folder / f"{rank}.json").write_text(json.dumps(kept))
"""


def started(commands: list[list[str]], environments: list[dict[str, str]]) -> list[subprocess.CompletedProcess[str]]:
    """Programs that run at the same time, once they have ended."""
    running = []
    for command, environment in zip(commands, environments, strict=True):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        places = os.environ | {"PYTHONPATH": str(project_root())} | environment
        running.append(subprocess.Popen([sys.executable, *command], env=places, cwd=project_root(), **pipes))
    ended = []
    for process in running:
        out, err = process.communicate(timeout=200)
        ended.append(subprocess.CompletedProcess(process.args, process.returncode, out, err))
    return ended


def script(recipe: str, *folders: Path, killed: int = -1) -> list[str]:
    return ["-c", SCRIPT, recipe, str(killed), *map(str, folders)]


def by_torchrun(size: int, recipe: str, folder: Path) -> list[subprocess.CompletedProcess[str]]:
    path = folder.with_suffix(".py")
    path.write_text(SCRIPT)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(size), str(path)]
    return started([[*launcher, *script(recipe, folder)[2:]]], [{}])


def by_srun(size: int, recipe: str, *folders: Path, killed: int = -1) -> list[subprocess.CompletedProcess[str]]:
    """As SLURM starts one process on each of several machines."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        job = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "SLURM_LOCALID": "0"}
    job |= {"SLURM_JOB_ID": "7", "SLURM_NNODES": str(size), "SLURM_NTASKS": str(size), "SLURM_NTASKS_PER_NODE": "1"}
    ranks = [{"SLURM_PROCID": str(rank), "SLURM_NODEID": str(rank)} for rank in range(size)]
    return started([script(recipe, *folders, killed=killed)] * size, [job | rank for rank in ranks])


def kept(folder: Path, rank: int = 0) -> dict[str, Any]:
    return json.loads((folder / f"{rank}.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [by_torchrun, by_srun])
def test_two_processes_do_what_one_does_with_the_doubled_batch(launcher: Any, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    ended = started([script("TINY", one)], [{}]) + launcher(2, "TINY", two)
    assert {process.returncode for process in ended} == {0}, "".join(process.stderr for process in ended)
    torch.testing.assert_close(torch.tensor(kept(two)["losses"]), torch.tensor(kept(one)["losses"]), atol=1e-5, rtol=0)
    for ours, theirs in zip(kept(two)["weights"], kept(one)["weights"], strict=True):
        torch.testing.assert_close(torch.tensor(ours), torch.tensor(theirs), atol=1e-5, rtol=0)
    assert kept(two, 1) == kept(two, 0)


@pytest.mark.slow
def test_a_killed_process_stops_the_run_and_the_next_run_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    cut, whole = tmp_path / "cut", tmp_path / "whole"
    ended = by_srun(3, "THREE", cut, killed=3)
    assert [process.returncode for process in ended] == [1, 9, 1]
    for rank in (0, 2):
        assert f"process {rank} of 3: another process ended or does not answer" in ended[rank].stderr
        assert "resumes from its last checkpoint" in ended[rank].stderr
    assert list(cut.rglob("checkpoint.pt")) and not list(cut.rglob("record.json"))
    again = by_srun(3, "THREE", cut, whole)
    assert [process.returncode for process in again] == [0, 0, 0], again[0].stderr
    assert (len(kept(cut)["losses"]), len(kept(whole)["losses"])) == (4 - 3, 4)
    assert {kept(cut, rank)["bits"] for rank in range(3)} == {kept(whole)["bits"]}
