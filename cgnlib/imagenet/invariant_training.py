"""Training of the invariant classifier (SG21, Section 4.2; seed, Section 3.4.2) on real and counterfactual images.

Device, precision and number of processes are Lightning Fabric's: see `processes`.
"""

import contextlib
import copy
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import pandas as pd
import torch
from torch import Tensor, nn

from cgnlib.capture import set_learning_rate
from cgnlib.imagenet.invariant import InvariantEnsemble, Logits, counterfactual_loss, real_loss
from cgnlib.imagenet.processes import Launch, alone, share
from cgnlib.images import to_float
from cgnlib.randomness import generator
from cgnlib.training import Artefact, Batches, TrainingState, fingerprint, run

if TYPE_CHECKING:
    from lightning_fabric import Fabric

METHOD_VERSION = 1


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
        fabric: "Fabric | None" = None,
    ) -> None:
        if (counterfactuals is None) != (recipe.counterfactual_batch == 0):
            given = "none" if counterfactuals is None else f"{len(counterfactuals):,}"
            raise ValueError(f"a CF ratio of {recipe.cf_ratio:g} does not go with {given} counterfactual images")
        self.recipe, self.seed = recipe, seed
        self.fabric = fabric or alone(precision=recipe.precision)
        self.network = network.train()
        self.fabric.to_device(network)
        self.best = copy.deepcopy(network).requires_grad_(False)
        self.sources = {"real": (real, Batches(len(real), recipe.batch_size, seed, "ensemble", "real"))}
        if counterfactuals is not None:
            order = Batches(len(counterfactuals), recipe.counterfactual_batch, seed, "ensemble", "counterfactual")
            self.sources["counterfactual"] = (counterfactuals, order)
        optimizer = torch.optim.SGD(
            network.parameters(), recipe.learning_rate, recipe.momentum, weight_decay=recipe.weight_decay, foreach=True
        )
        self.optimizer: Any = self.fabric.setup_optimizers(optimizer)
        modules = {"last": self.network, "best": self.best}
        self.state = TrainingState(modules, {"optimizer": optimizer}, {})

    @property
    def per_epoch(self) -> int:
        """Steps in an epoch over the real images."""
        return self.sources["real"][1].per_epoch

    def step(self, step: int) -> dict[str, Tensor]:
        """Returns the loss terms, means over all processes."""
        set_learning_rate(self.optimizer, self.recipe.rate(step // self.per_epoch))
        logits, labels = zip(*(self._logits(name, step) for name in self.sources), strict=True)
        terms = {"real": real_loss(logits[0], labels[0])}
        if len(logits) > 1:
            terms["counterfactual"] = counterfactual_loss(logits[1], labels[1])
        losses = torch.stack(list(terms.values()))
        self.optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(losses.sum())
        self.optimizer.step()
        return dict(zip(terms, self.fabric.all_reduce(losses.detach()), strict=True))

    def _logits(self, name: str, step: int) -> tuple[Logits, Tensor]:
        """Logits and labels of this process's share of a batch."""
        source, order = self.sources[name]
        index = order[step][share(self.fabric, order.batch_size)]
        stream = generator(self.seed, "ensemble", "augmentation", name, step, self.fabric.global_rank)
        images, labels = self.fabric.to_device(source.draw(index, stream))
        with self.fabric.autocast():  # not `Fabric.setup`, which rounds images before they are standardised
            logits = self.network(images)
        return Logits(*(each.float() for each in logits)), labels

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
    launch: Launch = alone,
    about: Mapping[str, Any] | None = None,
) -> TrainedEnsemble:
    """Train, resume or load an ensemble, which comes with fresh heads.

    score: a number after each epoch, on validation images (never on test images), that chooses the best epoch.
    launch: `alone`, or `launched` for several processes; the first one keeps the artefact and hands what it holds to
    the others. about: what else defines the result, e.g. the validation images.

    Raises TrainingStopped on divergence or where another process is gone.
    """
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
    fabric = launch(device, recipe.precision)
    trainer = EnsembleTrainer(network, recipe, real, counterfactuals, seed, fabric)
    both, first = nn.ModuleDict({"last": trainer.network, "best": trainer.best}), fabric.is_global_zero
    with artefact.lock() if first else contextlib.nullcontext():
        record = artefact.load(both) if first else None
        if not fabric.broadcast(record is not None):
            _train(trainer, artefact, score, device)
    kept = fabric.broadcast(json.loads(artefact.record.read_text()) | {"log": artefact.log()} if first else {})
    if fabric.world_size > 1:
        both.load_state_dict(fabric.broadcast(both.state_dict() if first else {}))
    best_epoch = int(kept["log"]["epoch"].iloc[int(kept["log"]["score"].argmax())])
    return TrainedEnsemble(network.eval(), trainer.best.eval(), best_epoch, kept["log"], kept["seconds"], artefact)


def _train(
    trainer: EnsembleTrainer, artefact: Artefact, score: Callable[[InvariantEnsemble], float], device: str
) -> None:
    state, recipe, fabric = trainer.state, trainer.recipe, trainer.fabric
    state.key, first = artefact.key, fabric.is_global_zero
    if first:
        artefact.resume(state)
    if fabric.world_size > 1:
        state.restore(fabric.broadcast(state.contents() if first else {}))

    def evaluate() -> None:
        found = score(trainer.network)
        trainer.keep_if_best(found)
        losses = {name: values[-1] for name, values in state.log.items() if name != "step"}
        state.history.append({"epoch": state.step // trainer.per_epoch, "score": found, **losses})
        trainer.network.train()

    epochs = {(epoch + 1) * trainer.per_epoch: evaluate for epoch in range(recipe.epochs)}
    title = f"classifier {recipe.name}, CF ratio {recipe.cf_ratio:g}, seed {trainer.seed}"
    run(state, max(epochs), trainer.step, artefact.checkpoint if first else None, title=title, snapshots=epochs)
    if first:
        both = nn.ModuleDict({"last": trainer.network, "best": trainer.best})
        record = state.cost(device) | {"processes": fabric.world_size}
        artefact.finish(both, record, pd.DataFrame(state.history))
