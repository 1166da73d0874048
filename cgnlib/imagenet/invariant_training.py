"""Training of the invariant classifier (SG21, Section 4.2; seed, Section 3.4.2) on real and counterfactual images.

One or several processes: `torchrun --nproc-per-node N` (or SLURM) starts them, each takes its share of every batch, and
gradients are averaged over all. The result does not depend on how many there are, but for rounding.
"""

import contextlib
import copy
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pandas as pd
import torch
import torch.distributed as dist
from torch import Tensor, nn

from cgnlib.imagenet.invariant import InvariantEnsemble, Logits, counterfactual_loss, real_loss
from cgnlib.images import to_float
from cgnlib.randomness import generator
from cgnlib.training import Artefact, Batches, TrainingState, TrainingStopped, fingerprint, run

METHOD_VERSION = 1
WAIT = timedelta(minutes=10)  # for a process that does not answer


@dataclass(frozen=True)
class EnsembleRecipe:
    """How the classifier is trained. Defaults are the published code's, for ImageNet.

    Raises ValueError for values that cannot be meant.
    """

    name: str = "authors"
    backbone: str = "resnet50"
    epochs: int = 45
    batch_size: int = 32  # real images in a step, over all processes
    cf_ratio: float = 2.0  # counterfactual images in a step, per real image
    learning_rate: float = 1e-4  # searched: 1e-3, 1e-4
    momentum: float = 0.9
    weight_decay: float = 1e-4
    decay_epochs: int = 15  # after so many epochs the learning rate falls ...
    decay: float = 0.1  # ... to this share
    precision: str = "float32"  # float32 | bfloat16, for the networks; losses are float32 always

    def __post_init__(self) -> None:
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"unknown precision {self.precision!r}: choose float32 or bfloat16")
        if min(self.epochs, self.batch_size, self.decay_epochs) < 1 or self.cf_ratio < 0:
            raise ValueError("epochs, batch_size and decay_epochs must be 1 or more, cf_ratio 0 or more")

    @property
    def counterfactual_batch(self) -> int:
        """Counterfactual images in a step, over all processes."""
        return round(self.cf_ratio * self.batch_size)

    def rate(self, epoch: int) -> float:
        """Learning rate in an epoch, counted from 0."""
        return self.learning_rate * self.decay ** (epoch // self.decay_epochs)


AUTHORS = EnsembleRecipe()
SEED = replace(AUTHORS, name="seed", epochs=30, decay_epochs=10)
# Fewer steps than on ImageNet, so larger ones; one counterfactual per real image to save time.
TOY = replace(AUTHORS, name="toy", backbone="toy", epochs=6, cf_ratio=1.0, decay_epochs=4, learning_rate=3e-3)


class LabelledBatches(Protocol):
    """Images to train on, drawn by index: a set in memory, or a folder of files."""

    @property
    def sha256(self) -> str:
        """What tells two sets apart."""
        ...

    def __len__(self) -> int: ...

    def draw(self, index: Tensor, stream: torch.Generator) -> tuple[Tensor, Tensor]:
        """Images (B, 3, R, R) float in [-1, 1], augmented with the numbers of `stream`, and their labels.

        Labels: (B,) class of real images, (B, 3) shape, texture, background of counterfactual ones.
        """
        ...


@dataclass(frozen=True)
class ImagesInMemory:
    """uint8 images (N, 3, R, R) as they are, with labels (N,) or (N, 3)."""

    images: Tensor
    labels: Tensor

    @property
    def sha256(self) -> str:
        digest = hashlib.sha256(self.images.contiguous().numpy().data)
        digest.update(self.labels.contiguous().numpy().data)
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self.images)

    def draw(self, index: Tensor, stream: torch.Generator) -> tuple[Tensor, Tensor]:
        return to_float(self.images[index]), self.labels[index]


# --- Processes --------------------------------------------------------------------------------------------------------


class Processes:
    """The processes of one run. Alone: rank 0 of 1, and every method leaves things as they are."""

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    @property
    def first(self) -> bool:
        """Whether this process keeps the artefact."""
        return self.rank == 0

    def share(self, n: int) -> slice:
        """This process's part of a batch of n. Raises ValueError where n cannot be shared evenly."""
        if n % self.size:
            raise ValueError(f"a batch of {n} cannot be shared by {self.size} processes: take a multiple")
        each = n // self.size
        return slice(self.rank * each, (self.rank + 1) * each)

    def average(self, tensors: list[Tensor]) -> None:
        """Replace tensors by their mean over processes. Raises TrainingStopped where one of them is gone."""
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([each.detach().flatten() for each in tensors])
        with self._answered():
            dist.all_reduce(flat)
        for each, mean in zip(tensors, (flat / self.size).split([t.numel() for t in tensors]), strict=True):
            each.detach().copy_(mean.view_as(each))

    def from_first(self, value: Any) -> Any:
        """What the first process gave."""
        if self.size == 1:
            return value
        box = [value]
        with self._answered():
            dist.broadcast_object_list(box)
        return box[0]

    @contextlib.contextmanager
    def _answered(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            raise TrainingStopped(
                f"process {self.rank} of {self.size}: another process ended or does not answer "
                f"({' '.join(str(error).split())[:160]}). Start the run again: it resumes from its last checkpoint."
            ) from error


@contextlib.contextmanager
def processes() -> Iterator[Processes]:
    """The processes that torchrun started (its environment variables say so), else this one alone.

    Device "cuda" means each process's own. Two collective operations are all that the training needs, so torch's own
    are used and no framework.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Processes()
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo", timeout=WAIT)
    try:
        yield Processes(dist.get_rank(), size)
    finally:
        dist.destroy_process_group()


# --- Training ---------------------------------------------------------------------------------------------------------


class EnsembleTrainer:
    """`step(i)` is one update from a real and a counterfactual batch; `state` is all that a resume needs.

    counterfactuals: None exactly where the recipe's cf_ratio is 0 (ValueError).
    """

    def __init__(
        self,
        network: InvariantEnsemble,
        recipe: EnsembleRecipe,
        real: LabelledBatches,
        counterfactuals: LabelledBatches | None,
        seed: int,
        device: str = "cpu",
        workers: Processes | None = None,
    ) -> None:
        if (counterfactuals is None) != (recipe.counterfactual_batch == 0):
            given = "none" if counterfactuals is None else f"{len(counterfactuals):,}"
            raise ValueError(f"a CF ratio of {recipe.cf_ratio:g} does not go with {given} counterfactual images")
        self.recipe, self.seed, self.device = recipe, seed, device
        self.workers = workers or Processes()
        self.network = network.to(device).train()
        self.best = copy.deepcopy(network).requires_grad_(False)
        self.sources = {"real": (real, Batches(len(real), recipe.batch_size, seed, "ensemble", "real"))}
        if counterfactuals is not None:
            order = Batches(len(counterfactuals), recipe.counterfactual_batch, seed, "ensemble", "counterfactual")
            self.sources["counterfactual"] = (counterfactuals, order)
        self.optimizer = torch.optim.SGD(
            network.parameters(), recipe.learning_rate, recipe.momentum, weight_decay=recipe.weight_decay, foreach=True
        )
        modules = {"last": self.network, "best": self.best}
        self.state = TrainingState(modules, {"optimizer": self.optimizer}, {})

    @property
    def per_epoch(self) -> int:
        """Steps in an epoch over the real images."""
        return self.sources["real"][1].per_epoch

    def step(self, step: int) -> dict[str, Tensor]:
        """Returns the loss terms, means over all processes."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.rate(step // self.per_epoch)
        logits, labels = zip(*(self._logits(name, step) for name in self.sources), strict=True)
        terms = {"real": real_loss(logits[0], labels[0])}
        if len(logits) > 1:
            terms["counterfactual"] = counterfactual_loss(logits[1], labels[1])
        self.optimizer.zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()
        self.workers.average([p.grad for p in self.network.parameters() if p.grad is not None])
        self.optimizer.step()
        terms = {name: value.detach() for name, value in terms.items()}
        self.workers.average(list(terms.values()))
        return terms

    def _logits(self, name: str, step: int) -> tuple[Logits, Tensor]:
        """Logits and labels of this process's share of a batch."""
        source, order = self.sources[name]
        index = order[step][self.workers.share(order.batch_size)]
        stream = generator(self.seed, "ensemble", "augmentation", name, step, self.workers.rank)
        images, labels = source.draw(index, stream)
        bfloat16 = self.recipe.precision == "bfloat16"
        with torch.autocast(self.device.split(":")[0], torch.bfloat16, enabled=bfloat16):
            logits = self.network(images.to(self.device))
        return Logits(*(each.float() for each in logits)), labels.to(self.device)

    def keep_if_best(self, score: float) -> bool:
        """Keep the weights as the best so far if no epoch before scored as high."""
        best = all(float(line["score"]) < score for line in self.state.history)
        if best:
            self.best.load_state_dict(self.network.state_dict())
        return best


class TrainedEnsemble(NamedTuple):
    """Both in eval mode. The best epoch is that of the highest score, the first of them where several are equal."""

    last: InvariantEnsemble
    best: InvariantEnsemble
    best_epoch: int  # from 1
    epochs: pd.DataFrame  # epoch, score, and the losses last logged in it
    seconds: float  # that the training took
    artefact: Artefact


def train_ensemble(
    network: InvariantEnsemble,
    recipe: EnsembleRecipe,
    real: LabelledBatches,
    counterfactuals: LabelledBatches | None,
    score: Callable[[InvariantEnsemble], float],
    seed: int,
    *,
    device: str = "cpu",
    root: Path | None = None,
    workers: Processes | None = None,
    about: Mapping[str, Any] | None = None,
) -> TrainedEnsemble:
    """Train, resume or load an ensemble, which comes with fresh heads.

    score: a number after each epoch, on validation images (never on test images), that chooses the best epoch.
    about: what else defines the result, e.g. the validation images. With several processes the first one keeps the
    artefact and hands what it holds to the others.

    Raises TrainingStopped on divergence or where another process is gone.
    """
    workers = workers or Processes()
    config = {
        "recipe": asdict(recipe),
        "seed": seed,
        "start": fingerprint(network),
        "real": real.sha256,
        "counterfactuals": None if counterfactuals is None else counterfactuals.sha256,
        "about": dict(about or {}),
        "version": METHOD_VERSION,
    }
    artefact = Artefact("ensemble", config, root)
    trainer = EnsembleTrainer(network, recipe, real, counterfactuals, seed, device, workers)
    both = nn.ModuleDict({"last": trainer.network, "best": trainer.best})
    with artefact.lock() if workers.first else contextlib.nullcontext():
        record = artefact.load(both) if workers.first else None
        if not workers.from_first(record is not None):
            _train(trainer, artefact, score, device)
    kept = json.loads(artefact.record.read_text()) | {"log": artefact.log()} if workers.first else None
    kept = workers.from_first(kept)
    if workers.size > 1:
        both.load_state_dict(workers.from_first(both.state_dict() if workers.first else None))
    best_epoch = int(kept["log"]["epoch"].iloc[int(kept["log"]["score"].argmax())])
    return TrainedEnsemble(network.eval(), trainer.best.eval(), best_epoch, kept["log"], kept["seconds"], artefact)


def _train(
    trainer: EnsembleTrainer, artefact: Artefact, score: Callable[[InvariantEnsemble], float], device: str
) -> None:
    state, recipe, workers = trainer.state, trainer.recipe, trainer.workers
    state.key = artefact.key
    if workers.first:
        artefact.resume(state)
    if workers.size > 1:
        state.restore(workers.from_first(state.contents() if workers.first else None))

    def evaluate() -> None:
        found = score(trainer.network)
        trainer.keep_if_best(found)
        losses = {name: values[-1] for name, values in state.log.items() if name != "step"}
        state.history.append({"epoch": state.step // trainer.per_epoch, "score": found, **losses})
        trainer.network.train()

    epochs = {(epoch + 1) * trainer.per_epoch: evaluate for epoch in range(recipe.epochs)}
    title = f"classifier {recipe.name}, CF ratio {recipe.cf_ratio:g}, seed {trainer.seed}"
    run(state, max(epochs), trainer.step, artefact.checkpoint if workers.first else None, title=title, snapshots=epochs)
    if workers.first:
        both = nn.ModuleDict({"last": trainer.network, "best": trainer.best})
        record = {"device": device, "seconds": round(state.seconds, 1), "processes": workers.size}
        artefact.finish(both, record, pd.DataFrame(state.history))
