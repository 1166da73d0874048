"""What is measured of three-headed classifiers (Tables 4 and 5), the same in the toy world and on ImageNet."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import product
from typing import Any, Literal

import numpy as np
from torch import Tensor

from cgnlib.errors import Blocked, needed
from cgnlib.imagenet.imagenet9 import background_gap
from cgnlib.imagenet.invariant import InvariantEnsemble, Logits, ensemble
from cgnlib.imagenet.invariant_training import LabelledBatches, TrainedEnsemble, train_ensemble
from cgnlib.imagenet.names import FACTORS
from cgnlib.imagenet.recipes import EnsembleRecipe
from cgnlib.imagenet.shape_bias import shape_bias
from cgnlib.randomness import derive_seed
from cgnlib.statistics import Interval, paired_bootstrap
from cgnlib.training.processes import Launch, launched
from cgnreport.protocol.experiments import Measured, Rows, Study
from cgnreport.protocol.parameters import Parameters
from cgnreport.protocol.rows import Number, Setting

Epoch = Literal["last", "best"]
EPOCHS: tuple[Epoch, ...] = ("last", "best")
RESAMPLES = 10_000  # of the bootstrap over images
Right = Mapping[str, Tensor]  # by test set: (N,) bool, whether the image's class is predicted
Measurement = Callable[[InvariantEnsemble, int, Epoch], list[Number]]  # of a classifier, its random seed and epoch


class EnsembleStudy(Study, ABC):
    """Classifiers of several kinds of training data. Rows are of the last and the best epoch."""

    real: LabelledBatches  # training images
    validation: LabelledBatches  # images that choose the best epoch

    def __init__(
        self,
        parameters: Parameters,
        device: str | None,
        launch: Launch,
        setting: Callable[..., Setting],
        recipe: Callable[[str], EnsembleRecipe],
    ) -> None:
        """setting: what rows of an experiment and a method (given first) are called. recipe: training of a method's
        classifier.
        """
        super().__init__(parameters, device)
        self.setting, self.recipe, self.launch, seed = setting, recipe, launch, parameters.seed
        self.seeds = range(seed, seed + parameters.imagenet.classifier_seeds)  # random seeds of a method's classifiers
        self._trained: dict[tuple[str, int, EnsembleRecipe], TrainedEnsemble] = {}
        self._bases: dict[tuple[int, Epoch], Right] = {}

    @abstractmethod
    def generated(self, method: str) -> LabelledBatches | None:
        """What a method adds to the training images, labels (N, 3): shape, texture, background; None for "original"."""

    @abstractmethod
    def score(self, network: InvariantEnsemble) -> float:
        """Measure on the validation images whose largest value is of the best epoch."""

    @abstractmethod
    def right(self, network: InvariantEnsemble, outputs: tuple[str, ...]) -> dict[str, Right]:
        """Where outputs are right on the test sets of Table 5, by output."""

    @abstractmethod
    def in_domain(self, network: InvariantEnsemble) -> tuple[Logits, Tensor]:
        """Logits and labels (N,) of test images that are like the training images."""

    def harder(self, network: InvariantEnsemble) -> Mapping[str, Tensor]:
        """Where all heads together are right, (N,) bool, on the images of `in_domain` made harder, by metric."""
        return {}

    @abstractmethod
    def cue_conflicts(self, network: InvariantEnsemble) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Decisions of each head, and of all together ("avg"), on images with conflicting shapes and textures."""

    def blocked(self, experiment: str, method: str) -> Blocked | None:
        """Why an experiment cannot be done here with a method; None if it can."""
        return None

    def trained(self, method: str, seed: int, recipe: EnsembleRecipe | None = None) -> TrainedEnsemble:
        """The classifier of a method: trained, resumed or loaded. recipe: in place of the method's own.

        Raises TrainingStopped on divergence.
        """
        recipe = recipe or self.recipe(method)
        key = (method, seed, recipe)
        if key not in self._trained:
            self._trained[key] = train_ensemble(
                ensemble(recipe.backbone, seed, folder=self.parameters.data_folder),
                recipe,
                self.real,
                self.generated(method) if recipe.cf_ratio else None,
                self.score,
                seed,
                device=self.device,
                launch=self.launch,
                about={"validation": self.validation.sha256},
            )
        return self._trained[key]

    def network(self, method: str, seed: int, epoch: Epoch = "last") -> InvariantEnsemble:
        """The classifier of a method at its last or its best epoch, in eval mode."""
        return getattr(self.trained(method, seed), epoch)

    # --- Rows -------------------------------------------------------------------------------------------------------

    def background_rows(self, method: str) -> Rows:
        """Rows of Table 5 (experiment imagenet-background).

        "accuracy/<set>", "bg-gap" (points) and, against "original" with the same seed, "bg-gap/change", gaps with their
        intervals over images; of output shape_texture, as published, of all heads (avg), and of the shape head alone.
        "original" has no counterfactuals that could tell heads apart, so avg alone.
        """

        def measure(network: InvariantEnsemble, seed: int, epoch: Epoch) -> list[Number]:
            if method == "original":
                return gap_numbers(self.right(network, ("avg",)), epoch)
            if (seed, epoch) not in self._bases:
                self._bases[seed, epoch] = self.right(self.network("original", seed, epoch), ("avg",))["avg"]
            outputs = ("shape_texture", "avg", "shape")
            return gap_numbers(self.right(network, outputs), epoch, self._bases[seed, epoch])

        return self._rows("imagenet-background", method, measure)

    def indomain_rows(self, method: str) -> Rows:
        """Rows of Table 4's accuracies (experiment imagenet-indomain).

        "accuracy/top1" of all heads together (avg) and of each head, "accuracy/top5" of all together; in the toy world
        "accuracy/noise-1" to "accuracy/noise-5" of all together, on images with noise.
        """

        def measure(network: InvariantEnsemble, seed: int, epoch: Epoch) -> list[Number]:
            logits, labels = self.in_domain(network)
            right = {output: logits.output(output).argmax(dim=1) == labels for output in ("avg", *FACTORS)}
            top5 = (logits.avg.topk(5, dim=1).indices == labels[:, None]).any(dim=1)
            found = [share("accuracy/top1", each, output, epoch) for output, each in right.items()]
            found += [share(metric, each, "avg", epoch) for metric, each in self.harder(network).items()]
            return [share("accuracy/top5", top5, "avg", epoch), *found]

        return self._rows("imagenet-indomain", method, measure)

    def shape_bias_rows(self, method: str) -> Rows:
        """Rows of Table 4's shape biases (experiment imagenet-shape-bias), of all heads together (avg) and of each.

        "shape-bias", with n decisions for one of the two cues, has no row where there is none; "decided" is the share
        of images in which there is one.
        """

        def measure(network: InvariantEnsemble, seed: int, epoch: Epoch) -> list[Number]:
            decided, shapes, textures = self.cue_conflicts(network)
            return [n for output, each in decided.items() for n in bias_numbers(each, shapes, textures, output, epoch)]

        return self._rows("imagenet-shape-bias", method, measure)

    def cell(self, setting: Setting, recipe: EnsembleRecipe) -> Rows:
        """Rows of a cell of Table 7 (experiment imagenet-grid), one random seed.

        Metrics of Table 5 at output shape_texture ("original": avg), and "best-epoch", from 1.
        """

        def measure(seed: int) -> Measured:
            needed(self.blocked(setting.experiment, setting.method))
            trained = self.trained(setting.method, seed, recipe)
            numbers = [Number("best-epoch", trained.best_epoch, recipe.epochs, "epochs")]
            for epoch, network in zip(EPOCHS, (trained.last, trained.best), strict=True):
                numbers += gap_numbers(self.right(network, ("shape_texture" if recipe.cf_ratio else "avg",)), epoch)
            return Measured(numbers, trained.seconds)

        rows = self.rows(setting, measure)
        if isinstance(rows, Blocked):
            about = f"learning rate {recipe.learning_rate:g}, CF ratio {recipe.cf_ratio:g}"
            return replace(rows, reason=f"{about}: {rows.reason}")
        return rows

    def _rows(self, experiment: str, method: str, measurement: Measurement, **about: Any) -> Rows:
        """about: what else the experiment's setting is told."""

        def measure(seed: int) -> Measured:
            needed(self.blocked(experiment, method))
            found = [measurement(self.network(method, seed, epoch), seed, epoch) for epoch in EPOCHS]
            return Measured([number for part in found for number in part], self.trained(method, seed).seconds)

        return self.rows(self.setting(experiment, method, **about), measure, self.seeds)

    def train(self, methods: Iterable[str], precision: str) -> None:
        """Train the classifiers of methods; under torchrun or srun, all processes train each one."""
        fabric = launched(self.device, precision)  # before anything else, so that "cuda" is this process's own
        for method, seed in product(methods, self.seeds):
            trained = self.trained(method, seed)
            if fabric.is_global_zero:
                print(f"{method}, seed {seed}: best epoch {trained.best_epoch}, {trained.artefact.weights}")


def bias_numbers(
    decided: Tensor, shapes: Tensor, textures: Tensor, output: str, epoch: Epoch, interval: Interval | None = None
) -> list[Number]:
    """Shape bias of decisions (N,), with n of those for a cue, and the share of images in which there is one.

    interval: of the shape bias, in [0, 1]; None to leave it to the number of decisions.
    """
    for_cue = (decided == shapes) | (decided == textures)
    numbers = [share("decided", for_cue, output, epoch)]
    if for_cue.any():
        bias = shape_bias(decided, shapes, textures)
        low, high = (100 * interval.low, 100 * interval.high) if interval else (None, None)
        numbers.append(Number("shape-bias", 100 * bias.value, bias.decided, "percent", output, epoch, low, high))
    return numbers


def gap_numbers(right: Mapping[str, Right], epoch: Epoch, base: Right | None = None) -> list[Number]:
    """Accuracies and BG-gap of outputs and, against `base`, its change.

    Where image i of mixed-same and mixed-rand shows other objects, pairs are as good as random, and so is the interval.
    """
    numbers = []
    for output, by_set in right.items():
        numbers += [share(f"accuracy/{name}", each, output, epoch) for name, each in by_set.items()]
        same, rand = by_set["mixed-same"], by_set["mixed-rand"]
        gaps = {"bg-gap": background_gap(same, rand, paired=True, resamples=RESAMPLES)}
        if base is not None:
            gaps["bg-gap/change"] = gap_change(by_set, base)
        for metric, gap in gaps.items():
            value, low, high = (100 * number for number in (gap.value, gap.low, gap.high))
            numbers.append(Number(metric, value, len(same), "points", output, epoch, low, high))
    return numbers


def gap_change(ours: Right, base: Right, seed: int = 0) -> Interval:
    """BG-gap of one classifier minus that of another, in [-2, 2], on the same images: paired bootstrap (seeded).

    Image i of mixed-same and of mixed-rand shows the same object. Raises ValueError where lengths differ.
    """
    parts = [each[name].long() for each in (ours, base) for name in ("mixed-same", "mixed-rand")]
    if len({len(part) for part in parts}) != 1 or not len(parts[0]):
        raise ValueError(f"a change of BG-gap needs four results on the same images, not {[len(p) for p in parts]}")
    same, rand, base_same, base_rand = parts
    differences = (same - rand) - (base_same - base_rand)  # -2 to 2
    draw = np.random.default_rng(derive_seed(seed, "gap-change"))
    return paired_bootstrap(differences.numpy(), draw, resamples=RESAMPLES)


def share(metric: str, hits: Tensor, output: str, epoch: Epoch) -> Number:
    """Percent of (N,) bool that are true, in float64."""
    return Number(metric, 100 * hits.double().mean().item(), len(hits), output=output, epoch=epoch)
