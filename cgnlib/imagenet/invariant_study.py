"""Claims 2 and 3 at ImageNet as steps that any notebook can call: the toy world's Tables 4, 5 and 7.

Every step is found or made: what an earlier notebook trained with the same parameters is loaded. One classifier of
several processes: `torchrun --nproc-per-node 2 -m cgnlib.imagenet.invariant_study --profile paper`, or by srun.
"""

import argparse
import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from cgnlib import results
from cgnlib.fetching import AssetError
from cgnlib.imagenet.biggan import sample_latents
from cgnlib.imagenet.imagenet9 import background_gap
from cgnlib.imagenet.invariant import InvariantEnsemble, Logits, ensemble, real_loss
from cgnlib.imagenet.invariant_training import (
    TOY,
    EnsembleRecipe,
    ImagesInMemory,
    TrainedEnsemble,
    train_ensemble,
)
from cgnlib.imagenet.processes import Launch, alone, launched
from cgnlib.imagenet.sampling import Sampling, Store, draw_labels
from cgnlib.imagenet.shape_bias import shape_bias
from cgnlib.imagenet.study import cgn_params, toy_cgn
from cgnlib.imagenet.training import AUTHORS as AUTHORS_CGN
from cgnlib.imagenet.training import SEED as SEED_CGN
from cgnlib.imagenet.training import TOY as TOY_CGN
from cgnlib.images import to_uint8
from cgnlib.parameters import IMAGENET_METHODS, ParameterError, StudyParameters
from cgnlib.paths import project_root
from cgnlib.randomness import derive_seed, generator
from cgnlib.results import Row
from cgnlib.statistics import Interval, paired_bootstrap
from cgnlib.toyworld.parts import judges_fingerprint, toy_parts
from cgnlib.toyworld.quality import HELD_OUT
from cgnlib.toyworld.sets import FREE, TRAIN, ToyImages, build
from cgnlib.training import TrainingStopped, default_device, fingerprint
from cgnlib.verdicts import code_and_rules

SHORT = SEED_CGN.images / AUTHORS_CGN.images  # of the training length: the seed's CGN saw 500,000 of 1,200,000 images
GAP_SETS = ("original", "mixed-same", "mixed-rand", "only-background")  # of Table 5
VALIDATION_SEED = HELD_OUT + 1  # of the images that choose the best epoch; test sets have HELD_OUT
GRID_RATES = (3e-3, 1e-3, 1e-4)  # published: the last two; trainings here have far fewer steps, so one larger
GRID_RATIOS = (0.0, 1.0, 2.0)
RESAMPLES = 10_000


class Generated(NamedTuple):
    """Images added to the original ones, and what identifies them in result rows."""

    images: ImagesInMemory
    params: dict[str, Any]


@dataclass(frozen=True)
class Reading:
    """A trained network's logits on a test set, and the set."""

    logits: Logits
    images: ToyImages

    def correct(self, output: str) -> Tensor:
        """(N,) bool: the class of the image is predicted. In only-background that is the class of the background."""
        return self.logits.output(output).argmax(dim=1) == self.images.shape


class ClassifierStudy:
    """Tables 4, 5 and 7 in the toy world at one set of parameters."""

    def __init__(self, parameters: StudyParameters, device: str | None = None, launch: Launch = alone) -> None:
        self.parameters, self.launch = parameters, launch
        self.device = device or default_device()

    # --- data -------------------------------------------------------------------------------------------------------

    @functools.cached_property
    def real(self) -> ImagesInMemory:
        """Class-tied training images."""
        n, seed = self.parameters.imagenet_train_images, derive_seed(self.parameters.seed, "classifier", "real")
        found = build(TRAIN, n, seed)
        return ImagesInMemory(found.images, found.shape)

    @functools.cache  # noqa: B019  (a study lives as long as its notebook)
    def test_set(self, name: str) -> ToyImages:
        """A test set of `toyworld.sets.TEST_SETS`, the same at every seed."""
        return build(name, self.parameters.imagenet_test_images, HELD_OUT)

    @functools.cached_property
    def validation(self) -> ImagesInMemory:
        """Images like the training images, which choose the best epoch."""
        found = build("original", self.parameters.imagenet_test_images, VALIDATION_SEED)
        return ImagesInMemory(found.images, found.shape)

    @functools.cache  # noqa: B019
    def generated(self, method: str) -> Generated | None:
        """What a method adds to the original images, as many as `imagenet_counterfactuals`; None for "original".

        Raises ValueError for an unknown method.
        """
        if method not in IMAGENET_METHODS:
            raise ValueError(f"unknown method {method!r}: choose one of {', '.join(IMAGENET_METHODS)}")
        n, seed = self.parameters.imagenet_counterfactuals, self.parameters.seed
        if method == "original":
            return None
        if method == "original+oracle":
            found = build(FREE, n, derive_seed(seed, "classifier", "free"))
            labels = torch.stack([found.shape, found.texture, found.background], dim=1)
            return Generated(ImagesInMemory(found.images, labels), {"sample_seed": seed})
        sampling = Sampling(n, "tied" if method == "original+gan" else "random", seed=seed)
        if method == "original+gan":
            return self._teacher_images(sampling)
        length = self.parameters.imagenet_updates or TOY_CGN.updates
        updates = max(1, round(SHORT * length)) if method == "original+cgn-short" else length
        cgn, artefact = toy_cgn(self.parameters, updates=updates, device=self.device)
        store = Store(artefact.folder / f"counterfactuals-{n}-{seed}-{fingerprint(cgn)}")
        store.make(cgn, sampling)
        images, _, labels = (torch.cat(parts) for parts in zip(*store, strict=True))
        params = cgn_params(artefact) | {"sample_seed": seed}
        return Generated(ImagesInMemory(images, labels), params)

    def _teacher_images(self, sampling: Sampling) -> Generated:
        """Images of the toy world's BigGAN: the same generator as the CGN's, but one label for the whole image."""
        gan = toy_parts().biggan.to(self.device)
        images, labels = [], []
        with torch.inference_mode():
            for shard in range(sampling.shards):
                drawn = draw_labels(sampling, shard, gan.config.num_classes)
                stream = generator(sampling.seed, "imagenet", "sampling", "noise", shard)
                u = sample_latents(len(drawn), gan.config.z_dim, sampling.truncation, stream)
                vectors = F.one_hot(drawn[:, 0], gan.config.num_classes).float()
                for noise, y in zip(u.split(50), vectors.split(50), strict=True):
                    x_gt = gan(noise.to(self.device), y.to(self.device), sampling.truncation)
                    images.append(to_uint8(x_gt).contiguous().cpu())
                labels.append(drawn)
        params = {"teacher": fingerprint(gan), "sample_seed": sampling.seed}
        return Generated(ImagesInMemory(torch.cat(images), torch.cat(labels)), params)

    # --- classifiers ------------------------------------------------------------------------------------------------

    @property
    def seeds(self) -> range:
        """Of the classifiers."""
        return range(self.parameters.seed, self.parameters.seed + self.parameters.imagenet_classifier_seeds)

    def recipe(self, method: str) -> EnsembleRecipe:
        """TOY at the parameters' length, the learning rate falling after two thirds of it."""
        epochs = self.parameters.imagenet_classifier_epochs
        ratio = 0.0 if method == "original" else TOY.cf_ratio
        return replace(TOY, epochs=epochs, decay_epochs=max(1, round(2 * epochs / 3)), cf_ratio=ratio)

    @functools.cache  # noqa: B019
    def trained(self, method: str, seed: int, recipe: EnsembleRecipe | None = None) -> TrainedEnsemble:
        """The classifier of a method: trained, resumed or loaded. recipe: in place of the method's own.

        The best epoch has the least cross-entropy on validation images; their accuracy, as published, soon is 100 %.
        """
        recipe = recipe or self.recipe(method)
        generated = self.generated(method) if recipe.cf_ratio else None
        validation = self.validation

        def score(network: InvariantEnsemble) -> float:
            return -real_loss(network.read(validation.images), validation.labels).item()

        return train_ensemble(
            ensemble(recipe.backbone, seed),
            recipe,
            self.real,
            generated and generated.images,
            score,
            seed,
            device=self.device,
            launch=self.launch,
            about={"validation": validation.sha256},
        )

    def readings(self, network: InvariantEnsemble, names: Iterable[str]) -> dict[str, Reading]:
        """What a network says of test sets, by name."""
        return {name: Reading(network.read(self.test_set(name).images), self.test_set(name)) for name in names}

    # --- Table 5 ----------------------------------------------------------------------------------------------------

    def background_rows(self, method: str) -> pd.DataFrame:
        """Rows of Table 5 for one method (experiment imagenet-background), kept in the results.

        accuracy/<set> (percent), bg-gap (points) and, beside "original" with the same seed, bg-gap/change, each of
        the last with its interval over images as <metric>/low and <metric>/high. Taken, as published, from the shape
        and texture heads (of "original", which has no counterfactuals to tell heads apart, from all); with "/avg" from
        all heads; with "/best" at the best epoch.
        """
        return self._table("imagenet-background", method, self._gap_values)

    def _gap_values(self, method: str, seed: int, at: str) -> dict[str, tuple[float, int, str]]:
        readings = self.readings(getattr(self.trained(method, seed), at), GAP_SETS)
        values: dict[str, tuple[float, int, str]] = {}
        for output, suffix in (("avg" if method == "original" else "shape_texture", ""), ("avg", "/avg")):
            right = {name: reading.correct(output) for name, reading in readings.items()}
            values |= gap_values(right, suffix)
            if method != "original":
                base = self._original_right(seed, at)
                change = gap_change(right, base)
                values |= with_bounds("bg-gap/change", change.scaled(100), len(base["mixed-same"]), suffix)
        return values

    @functools.cache  # noqa: B019
    def _original_right(self, seed: int, at: str) -> dict[str, Tensor]:
        network = getattr(self.trained("original", seed), at)
        return {name: reading.correct("avg") for name, reading in self.readings(network, GAP_SETS).items()}

    # --- Table 4 ----------------------------------------------------------------------------------------------------

    def indomain_rows(self, method: str) -> pd.DataFrame:
        """Rows of Table 4's accuracies for one method (experiment imagenet-indomain), kept in the results.

        accuracy/top1 and accuracy/top5 of all heads together on images like the training images, and of each head as
        accuracy/top1/<head>; with "/best" at the best epoch.
        """
        return self._table("imagenet-indomain", method, self._indomain_values)

    def _indomain_values(self, method: str, seed: int, at: str) -> dict[str, tuple[float, int, str]]:
        (reading,) = self.readings(getattr(self.trained(method, seed), at), ["original"]).values()
        labels, n = reading.images.shape, len(reading.images)
        top5 = (reading.logits.avg.topk(5, dim=1).indices == labels[:, None]).any(dim=1)
        values = {"accuracy/top1": percent(reading.correct("avg")), "accuracy/top5": percent(top5)}
        values |= {f"accuracy/top1/{head}": percent(reading.correct(head)) for head in Logits._fields}
        return {metric: (value, n, "percent") for metric, value in values.items()}

    def shape_bias_rows(self, method: str) -> pd.DataFrame:
        """Rows of Table 4's shape biases for one method (experiment imagenet-shape-bias), kept in the results.

        shape-bias of all heads together and shape-bias/<head>, with n decisions for one of the two cues (no row where
        there is none); decided and decided/<head>, the share of images in which there is one; "/best" as above.
        """
        return self._table("imagenet-shape-bias", method, self._bias_values)

    def _bias_values(self, method: str, seed: int, at: str) -> dict[str, tuple[float, int, str]]:
        (reading,) = self.readings(getattr(self.trained(method, seed), at), ["cue-conflict"]).values()
        decided = {name: reading.logits.output(name).argmax(dim=1) for name in ("avg", *Logits._fields)}
        return bias_values(decided, reading.images.shape, reading.images.texture)

    # --- Table 7 ----------------------------------------------------------------------------------------------------

    def grid_rows(self) -> tuple[pd.DataFrame, dict[str, str]] | None:
        """Rows of Table 7 (experiment imagenet-grid): learning rate by CF ratio, one seed; None where it is left out.

        Metrics as in `background_rows`, and epoch: the best one, from 1. Params hold lr and cf_ratio. Also why a
        training stopped, by its settings in words, where one did.
        """
        if not self.parameters.imagenet_grid:
            return None
        tables: list[pd.DataFrame] = []
        stopped: dict[str, str] = {}
        for rate, ratio in product(GRID_RATES, GRID_RATIOS):
            method = "original+cgn" if ratio else "original"
            recipe = replace(self.recipe(method), learning_rate=rate, cf_ratio=ratio)
            about = self._about("imagenet-grid", method, recipe)
            seed = self.parameters.seed
            if (kept := self._reused(about, [seed])) is not None:
                tables.append(kept)
                continue
            try:
                trained = self.trained(method, seed, recipe)
            except TrainingStopped as stop:
                stopped[f"learning rate {rate:g}, CF ratio {ratio:g}"] = str(stop)
                continue
            values: dict[str, tuple[float, int, str]] = {"epoch": (trained.best_epoch, recipe.epochs, "epochs")}
            for at, end in (("last", ""), ("best", "/best")):
                readings = self.readings(getattr(trained, at), GAP_SETS)
                output = "shape_texture" if ratio else "avg"
                values |= gap_values({name: each.correct(output) for name, each in readings.items()}, end)
            tables.append(results.keep(rows_of(about, values, seed, trained.seconds)))
        return (pd.concat(tables, ignore_index=True) if tables else results.keep([])), stopped

    # --- rows -------------------------------------------------------------------------------------------------------

    def _table(self, experiment: str, method: str, values: Any) -> pd.DataFrame:
        """values(method, seed, at) -> (value, n, unit) by metric, for each seed at the last and the best epoch."""
        self.generated(method)  # an unknown method is named first
        about = self._about(experiment, method, self.recipe(method))
        if (kept := self._reused(about, self.seeds)) is not None:
            return kept
        rows = []
        for seed in self.seeds:
            found = values(method, seed, "last")
            found |= {f"{metric}/best": value for metric, value in values(method, seed, "best").items()}
            rows += rows_of(about, found, seed, self.trained(method, seed).seconds)
        return results.keep(rows)

    def _about(self, experiment: str, method: str, recipe: EnsembleRecipe) -> dict[str, Any]:
        """Columns that all rows of one configuration share."""
        params: dict[str, Any] = {
            "epochs": recipe.epochs,
            "batch": recipe.batch_size,
            "lr": recipe.learning_rate,
            "cf_ratio": recipe.cf_ratio,
            "train_images": self.parameters.imagenet_train_images,
            "test_images": self.parameters.imagenet_test_images,
            "data_seed": self.parameters.seed,  # of the training images; a row's own seed is its classifier's
            "parts": judges_fingerprint(),
        }
        generated = self.generated(method)
        if generated is not None:
            params |= generated.params | {"generated": self.parameters.imagenet_counterfactuals}
        return {
            "experiment": experiment,
            "dataset": "toy",
            "method": method,
            "recipe": "toy" if "cgn" in method else "-",
            "profile": self.parameters.profile,
            "data": "toy-world",
            "params": params,
            "device": self.device,
            "code": code_and_rules("imagenet"),
        }

    def _reused(self, about: Mapping[str, Any], seeds: Iterable[int]) -> pd.DataFrame | None:
        """Rows kept earlier for the same columns and all seeds, where the parameters allow it."""
        return results.earlier(about, seeds) if self.parameters.reuse_rows else None


def gap_change(ours: Mapping[str, Tensor], base: Mapping[str, Tensor], seed: int = 0) -> Interval:
    """BG-gap of one classifier minus that of another, in [-2, 2], on the same images: paired bootstrap (seeded).

    Both hold (N,) bool by "mixed-same" and "mixed-rand", image i of each showing the same object. Raises ValueError
    where they differ in length.
    """
    parts = [each[name].long() for each in (ours, base) for name in ("mixed-same", "mixed-rand")]
    if len({len(part) for part in parts}) != 1 or not len(parts[0]):
        raise ValueError(f"a change of BG-gap needs four results on the same images, not {[len(p) for p in parts]}")
    same, rand, base_same, base_rand = parts
    differences = (same - rand) - (base_same - base_rand)  # -2 to 2
    draw = np.random.default_rng(derive_seed(seed, "gap-change"))
    return paired_bootstrap(differences.numpy(), draw, resamples=RESAMPLES)


def bias_values(decided: Mapping[str, Tensor], shapes: Tensor, textures: Tensor) -> dict[str, tuple[float, int, str]]:
    """Shape bias and share of decided images from decisions (N,) by output ("avg" or a head), for rows."""
    values: dict[str, tuple[float, int, str]] = {}
    for output, each in decided.items():
        suffix = "" if output == "avg" else f"/{output}"
        for_cue = (each == shapes) | (each == textures)
        values[f"decided{suffix}"] = (percent(for_cue), len(each), "percent")
        if for_cue.any():
            found = shape_bias(each, shapes, textures)
            values[f"shape-bias{suffix}"] = (100 * found.value, found.decided, "percent")
    return values


def gap_values(right: Mapping[str, Tensor], suffix: str) -> dict[str, tuple[float, int, str]]:
    """Accuracies and BG-gap from what was right (N,) bool by set; suffix: appended to every metric."""
    gap = background_gap(right["mixed-same"], right["mixed-rand"], paired=True, resamples=RESAMPLES).scaled(100)
    values = {f"accuracy/{name}{suffix}": (percent(each), len(each), "percent") for name, each in right.items()}
    return values | with_bounds("bg-gap", gap, len(right["mixed-same"]), suffix)


def with_bounds(metric: str, interval: Interval, n: int, suffix: str) -> dict[str, tuple[float, int, str]]:
    ends = {"": interval.value, "/low": interval.low, "/high": interval.high}
    return {f"{metric}{end}{suffix}": (value, n, "points") for end, value in ends.items()}


def percent(right: Tensor) -> float:
    return 100 * right.double().mean().item()


def rows_of(
    about: Mapping[str, Any], values: Mapping[str, tuple[float, int, str]], seed: int, seconds: float
) -> list[Row]:
    return [
        Row(**about, metric=metric, value=value, n=n, unit=unit, seed=seed, seconds=seconds)
        for metric, (value, n, unit) in values.items()
    ]


def main(arguments: list[str] | None = None) -> int:
    """Train the classifiers of the parameters and keep them; under torchrun or srun, all processes train each one."""
    parser = argparse.ArgumentParser(prog="python -m cgnlib.imagenet.invariant_study", description=__doc__)
    parser.add_argument("--profile", default="quick", help="scale: a file of params/ (quick)")
    parser.add_argument("--method", action="append", choices=tuple(IMAGENET_METHODS), help="default: the scale's")
    given = parser.parse_args(arguments)
    try:
        _train(StudyParameters.load(project_root() / "params" / f"{given.profile}.yaml"), given.method)
    except (ParameterError, AssetError, TrainingStopped) as error:
        parser.exit(1, f"{error}\n")
    return 0


def _train(parameters: StudyParameters, methods: list[str] | None) -> None:
    study = ClassifierStudy(parameters, launch=launched)
    fabric = launched(study.device, TOY.precision)  # before anything else, so that "cuda" is this process's own
    for method in methods or parameters.imagenet_methods:
        for seed in study.seeds:
            trained = study.trained(method, seed)
            if fabric.is_global_zero:
                print(f"{method}, seed {seed}: best epoch {trained.best_epoch}, {trained.artefact.weights}")


if __name__ == "__main__":
    raise SystemExit(main())
