"""Training of the invariant classifier (SG21, Section 4.2; the study, Section 3.4.2): real and counterfactual images.

Device, precision and number of processes are Lightning Fabric's: see `training.processes`.
"""

import contextlib
import copy
import json
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import pandas as pd
import torch
from torch import Tensor, nn

from cgnlib.data.folders import DRAWS
from cgnlib.imagenet.invariant import InvariantEnsemble, Logits, counterfactual_loss, real_loss
from cgnlib.imagenet.recipes import CLASSIFIER_VERSION, EnsembleRecipe
from cgnlib.images import tensors_sha256, to_float
from cgnlib.randomness import generator
from cgnlib.training.artefact import Artefact
from cgnlib.training.capture import set_learning_rate
from cgnlib.training.loop import TrainingState, run
from cgnlib.training.processes import Launch, alone, share
from cgnlib.training.steps import Batches
from cgnlib.training.weights import fingerprint

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class LabelledBatches(Protocol):
    """Images to train on, drawn by index: a set in memory, or a folder of files, which is read a step ahead.

    What `draw` gives depends on its arguments alone.
    """

    @property
    def sha256(self) -> str:
        """What tells two sets apart."""
        ...

    def __len__(self) -> int: ...

    def draw(self, index: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, 3, R, R) float in [-1, 1], each augmented by its row of `draws` (B, DRAWS), and their labels.

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
        return tensors_sha256(self.images, self.labels)

    def __len__(self) -> int:
        return len(self.images)

    def draw(self, index: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
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
        self.reader, self.ahead = ThreadPoolExecutor(1), dict[int, Future[list[tuple[Tensor, Tensor]]]]()
        self.networks = nn.ModuleDict({"last": self.network, "best": self.best})  # what the artefact keeps
        self.state = TrainingState(dict(self.networks.items()), {"optimizer": optimizer}, {})

    @property
    def per_epoch(self) -> int:
        """Steps in an epoch over the real images."""
        return self.sources["real"][1].per_epoch

    def step(self, step: int) -> dict[str, Tensor]:
        """Returns the loss terms, means over all processes."""
        set_learning_rate(self.optimizer, self.recipe.rate(step // self.per_epoch))
        logits, labels = zip(*(self._logits(batch) for batch in self._drawn(step)), strict=True)
        terms = {"real": real_loss(logits[0], labels[0])}
        if len(logits) > 1:
            terms["counterfactual"] = counterfactual_loss(logits[1], labels[1])
        losses = torch.stack(list(terms.values()))
        self.optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(losses.sum())
        self.optimizer.step()
        return dict(zip(terms, self.fabric.all_reduce(losses.detach()), strict=True))

    def _drawn(self, step: int) -> list[tuple[Tensor, Tensor]]:
        """The batches of a step, drawn while the step before was computed; meanwhile those of the next are begun."""
        drawn = self.ahead.pop(step, None) or self.reader.submit(self._draw, step)
        self.ahead = {step + 1: self.reader.submit(self._draw, step + 1)}
        return drawn.result()

    def _draw(self, step: int) -> list[tuple[Tensor, Tensor]]:
        """This process's share of each batch of a step, augmented as one process alone augments it."""
        found = []
        for name, (source, order) in self.sources.items():
            stream = generator(self.seed, "ensemble", "augmentation", name, step)
            draws, own = torch.rand(order.batch_size, DRAWS, generator=stream), share(self.fabric, order.batch_size)
            found.append(source.draw(order[step][own], draws[own]))
        return found

    def _logits(self, batch: tuple[Tensor, Tensor]) -> tuple[Logits, Tensor]:
        images, labels = self.fabric.to_device(batch)
        with self.fabric.autocast():  # not `Fabric.setup`, which rounds images before they are standardised
            logits = self.network(images)
        return Logits(*(each.float() for each in logits)), labels

    def keep_if_best(self, score: float) -> None:
        """Keep the weights as the best so far if no epoch before scored as high."""
        if all(float(line["score"]) < score for line in self.state.history):
            self.best.load_state_dict(self.network.state_dict())


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
        "version": CLASSIFIER_VERSION,
    }
    artefact = Artefact("ensemble", config, root)
    fabric = launch(device, recipe.precision)
    trainer = EnsembleTrainer(network, recipe, real, counterfactuals, seed, fabric)
    networks, first = trainer.networks, fabric.is_global_zero
    with contextlib.ExitStack() as stack:
        if first:  # the others wait as long as it does: they hear that it still does
            stack.enter_context(artefact.lock(lambda: fabric.broadcast("waiting")))
        while fabric.broadcast("ready" if first else "") == "waiting":
            pass
        if not fabric.broadcast(first and artefact.load(networks) is not None):
            _train(trainer, artefact, score, device)
    kept = fabric.broadcast(json.loads(artefact.record.read_text()) | {"log": artefact.log()} if first else {})
    if fabric.world_size > 1:
        networks.load_state_dict(fabric.broadcast(networks.state_dict() if first else {}))
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
    checkpoint = artefact.checkpoint if first else None
    run(state, max(epochs), trainer.step, checkpoint, title=title, snapshots=epochs, follows=not first)
    if first:
        record = state.cost(device) | {"processes": fabric.world_size}
        artefact.finish(trainer.networks, record, pd.DataFrame(state.history))
