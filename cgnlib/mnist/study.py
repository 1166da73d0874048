"""The MNIST protocol as steps that any notebook can call, in any order: data, CGNs, training sets, classifiers, rows.

Every step is found or made: what an earlier notebook trained with the same parameters is loaded. Table numbers refer to
the seed. One `Study` holds one set of parameters.
"""

import copy
import difflib
import functools
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from cgnlib import results
from cgnlib.assets import Digits, Textures, find_authors_weights, find_digits, find_textures
from cgnlib.features import PerceptualFeatures, perceptual_features
from cgnlib.fetching import AssetError
from cgnlib.images import LabelledImages, concatenate, to_uint8
from cgnlib.mnist.cgn import CGN, SIZE, load_weights
from cgnlib.mnist.classifier import METHOD_VERSION, Classifier, ClassifierConfig, correct, train_classifier
from cgnlib.mnist.control import (
    Control,
    CounterfactualParts,
    free_labels,
    measure_control,
    painted_colours,
    sample_parts,
    train_oracles,
)
from cgnlib.mnist.counterfactuals import CounterfactualStream
from cgnlib.mnist.gan import METHOD_VERSION as GAN_VERSION
from cgnlib.mnist.gan import GANConfig, GANStream, train_gan
from cgnlib.mnist.gradcam import heat_maps, theme_grid
from cgnlib.mnist.recipes import AdversarialRecipe, recipe_for
from cgnlib.mnist.training import cgn_artefact, recipe_hash, train_cgn
from cgnlib.mnist.variants import make_variant
from cgnlib.parameters import StudyParameters
from cgnlib.paths import project_root
from cgnlib.pictures import keep_tiles, kept_tiles
from cgnlib.results import Row
from cgnlib.training import Artefact, TrainingStopped, default_device, file_sha256
from cgnlib.verdicts import code_and_rules

# What each method's training set is made of.
METHOD_PARTS = {
    "original": ("original",),
    "gan": ("gan",),
    "original+gan": ("original", "gan"),
    "cgn-tied": ("cgn-tied",),
    "original+cgn-tied": ("original", "cgn-tied"),
    "cgn": ("cgn",),
    "original+cgn": ("original", "cgn"),
    "oracle": ("free",),
}
EXPERIMENT_SPLITS = {"mnist-ood": ("test", "train"), "mnist-indomain": ("indomain", "train")}
CGN_METHODS = tuple(method for method in METHOD_PARTS if "cgn" in method)
ORACLE_EPOCHS = 4  # of the factor oracles: on 40,000 images two already read 97 to 100 % of double-colored factors
MISREAD = 10  # misread masks that are kept as a picture
COLOURS = 10  # of colored MNIST: a shape has no more counterfactuals than that


@dataclass(frozen=True)
class TrainedCGN:
    """A CGN and what is known of it. `params` identifies it in result rows, which are looked for without its weights:
    these are loaded, or trained, when `cgn`, `artefact` or `seconds` is asked for.
    """

    variant: str
    recipe: str  # authors, or a key of parameters.TRAININGS
    params: dict[str, Any]
    make: Callable[[], tuple[CGN, Artefact | None]]  # no artefact: the weights are read from a file
    shipped_seconds: float | None = None  # by the record of shipped weights that stand for this training

    @functools.cached_property
    def _made(self) -> tuple[CGN, Artefact | None]:
        return self.make()

    @property
    def cgn(self) -> CGN:
        return self._made[0]

    @property
    def artefact(self) -> Artefact | None:
        """Of its training on this machine; None for weights that came from elsewhere."""
        return self._made[1]

    @functools.cached_property
    def stopped(self) -> str:
        """Why its training stopped and left no CGN, else "". Loads or trains the CGN."""
        try:
            _ = self._made
        except TrainingStopped as stop:
            return str(stop)
        return ""

    @property
    def seconds(self) -> float | None:
        """Of its training: on this machine, else by the record of the shipped weights that stand for it."""
        return self.artefact.seconds if self.artefact else self.shipped_seconds

    @property
    def origin(self) -> str:
        """In words, for captions. Loads or trains the CGN, to say which it was."""
        if self.recipe == "authors":
            return "the authors' weights"
        how = "trained on this machine" if self.artefact else "shipped with the project"
        images, seed = self.params["cgn_images"], self.params["cgn_seed"]
        asked = recipe_for(self.recipe, self.variant).images
        cut = f" of its recipe's {asked:,}" if images < asked else ""
        return f"our CGN ({how}, recipe {self.recipe}, {images:,} images{cut}, seed {seed})"


class Study:
    """The MNIST half of the study at one set of parameters."""

    def __init__(self, parameters: StudyParameters, device: str | None = None) -> None:
        self.parameters = parameters
        self.device = device or default_device()

    def at_seed(self, seed: int) -> "Study":
        """This study with another seed; data and features that are loaded stay so."""
        if seed == self.parameters.seed:
            return self
        other = copy.copy(self)
        other.parameters = replace(self.parameters, seed=seed)
        return other

    # --- data -----------------------------------------------------------------------------------------------------

    @functools.cached_property
    def digits(self) -> Digits:
        return find_digits(self.parameters.data_folder)

    @functools.cached_property
    def textures(self) -> Textures:
        return find_textures(self.parameters.data_folder)

    @functools.cached_property
    def features(self) -> PerceptualFeatures:
        return perceptual_features(self.parameters.features)

    @functools.lru_cache(maxsize=4)  # noqa: B019  (a Study lives as long as its notebook)
    def images(self, variant: str, split: str) -> LabelledImages:
        """A split of a variant, shortened to the parameters' `train_images` or `test_images`."""
        limit = self.parameters.test_images if split in ("test", "test-indomain") else self.parameters.train_images
        if split == "free-train":
            limit = max(limit or 0, self.parameters.oracle_images) if limit else None
        return make_variant(variant, split, self.digits, self.textures if variant == "wildlife" else None, limit=limit)

    @property
    def sources(self) -> list[str]:
        """What the pixels come from, e.g. ["mnist-full", "dtd"]."""
        return [self.digits.source, self.textures.source]

    # --- generators ------------------------------------------------------------------------------------------------

    def cgn(self, variant: str, recipe: str | None = None, seed: int | None = None) -> TrainedCGN | None:
        """Our CGN, or with recipe "authors" theirs; None where that is not at hand or the parameters leave it out.

        The CGN that the project ships stands for ours where it was trained with the very settings asked for, and in
        profile `quick` for all variants but `live_variant`. Else ours is trained here, resumed or loaded.
        """
        recipe = recipe or self.parameters.recipe
        if recipe == "authors":
            path = find_authors_weights(variant, self.parameters.data_folder) if self.parameters.authors else None
            return None if path is None else self._loaded(path, variant, "authors", {})
        seed = self.parameters.seed if seed is None else seed
        settings = recipe_for(recipe, variant)
        if self.parameters.cgn_images is not None:
            settings = replace(settings, images=self.parameters.cgn_images)
        features = self.features if isinstance(settings, AdversarialRecipe) else None
        params = {"cgn_images": settings.images, "cgn_seed": seed, "features": features.name if features else "none"}
        params |= {"cgn_recipe": recipe_hash(settings), "train_images": self.parameters.train_images or "all"}
        shipped = shipped_cgn(variant, recipe)
        if shipped and self.parameters.profile == "quick" and variant != self.parameters.live_variant:
            config = _shipped_record(shipped)["config"]
            params = {"cgn_images": config["recipe"]["images"], "cgn_seed": config["seed"], "shipped": True}
            return self._loaded(shipped, variant, recipe, params | {"features": config["features"]})

        def make() -> tuple[CGN, Artefact | None]:
            images = self.images(variant, "train")
            artefact = cgn_artefact(images, settings, features, seed)
            if shipped and not artefact.record.exists() and _shipped_record(shipped)["config"] == artefact.config:
                return self._read(shipped), None
            return train_cgn(images, settings, features, seed, device=self.device)

        return TrainedCGN(variant, recipe, params, make, _shipped_record(shipped)["seconds"] if shipped else None)

    def _loaded(self, path: Path, variant: str, recipe: str, params: dict[str, Any]) -> TrainedCGN:
        params = params | {"cgn_sha256": file_sha256(path)[:12]}
        return TrainedCGN(variant, recipe, params, lambda: (self._read(path), None))

    def _read(self, weights: Path) -> CGN:
        return load_weights(weights).to(self.device)

    def gan_images(self, variant: str) -> LabelledImages:
        """Images of the conditional GAN trained on the variant, as many as the parameters' `counterfactuals`."""
        config = GANConfig(images=self.parameters.gan_images)
        network, _ = train_gan(self.images(variant, "train"), config, self.parameters.seed, device=self.device)
        return GANStream(network, self.parameters.counterfactuals, self.parameters.seed).collect()

    def counterfactuals(
        self, cgn: TrainedCGN, *, tied: bool = False, n: int | None = None, ratio: int | None = None
    ) -> LabelledImages:
        """Images of a CGN, by default as many as the parameters' `counterfactuals` at CF ratio `cf_ratio`."""
        stream = CounterfactualStream(
            cgn.cgn,
            n or self.parameters.counterfactuals,
            self.parameters.seed,
            ratio=1 if tied else ratio or self.parameters.cf_ratio,
            tied=tied,
            source=f"cgn-{cgn.recipe}",
        )
        return stream.collect()

    @property
    def why_no_authors(self) -> str:
        """Why nothing is made with the authors' weights, for the reader."""
        if not self.parameters.authors:
            return f"not part of scale {self.parameters.profile} (parameter authors)"
        return "their weights are missing; python -m cgnlib.assets says how to get them"

    # --- classifiers (Tables 1, 2, 6) ------------------------------------------------------------------------------

    def training_set(self, variant: str, method: str, cgn: TrainedCGN | None = None) -> LabelledImages:
        """The training images of a method; methods with a CGN need `cgn`."""
        parts = []
        for part in parts_of(method):
            if part == "original":
                parts.append(self.images(variant, "train"))
            elif part == "free":
                parts.append(self.images(variant, "free-train").subset(slice(self.parameters.train_images)))
            elif part == "gan":
                parts.append(self.gan_images(variant))
            else:
                if cgn is None:
                    raise ValueError(f"method {method} needs a CGN")
                parts.append(self.counterfactuals(cgn, tied=part == "cgn-tied"))
        return concatenate(parts, f"{variant}/{method}")

    def classifiers(
        self, variant: str, method: str, cgn: TrainedCGN | None = None
    ) -> list[tuple[int, Classifier, pd.DataFrame, float]]:
        """One (seed, classifier, history, seconds) per classifier seed; test splits are "test" and "indomain"."""
        return self._trained(variant, self.training_set(variant, method, cgn))

    def _trained(self, variant: str, training: LabelledImages) -> list[tuple[int, Classifier, pd.DataFrame, float]]:
        evaluations = {"test": self.images(variant, "test"), "indomain": self.images(variant, "test-indomain")}
        config = self._classifier_config
        trained = []
        for seed in self.classifier_seeds:
            classifier, history, artefact = train_classifier(training, evaluations, config, seed, device=self.device)
            trained.append((seed, classifier, history, artefact.seconds))
        return trained

    @property
    def _classifier_config(self) -> ClassifierConfig:
        return ClassifierConfig(self.parameters.classifier_epochs, self.parameters.classifier_batch)

    @property
    def classifier_seeds(self) -> range:
        return range(self.parameters.seed, self.parameters.seed + self.parameters.classifier_seeds)

    def accuracy_rows(
        self, experiment: str, variant: str, method: str, recipe: str | None = None
    ) -> pd.DataFrame | None:
        """Rows of `mnist-ood` (Tables 2 and 6) or `mnist-indomain` (Table 1) for one method, kept in the results.

        Taken from earlier results when the parameters say so; else those of the other experiment, which come from the
        same classifiers, are kept too. None when the CGN of `recipe` is not at hand, or its training stopped.
        """
        if experiment not in EXPERIMENT_SPLITS:
            raise ValueError(f"unknown experiment {experiment!r}: choose {' or '.join(EXPERIMENT_SPLITS)}")
        parts_of(method)
        cgn = self.cgn(variant, recipe) if method in CGN_METHODS else None
        if cgn is None and method in CGN_METHODS:
            return None
        common = self.row_columns(experiment, variant, method, cgn, self._method_params(method, cgn))
        found = self.reused(common)
        if found is not None:
            return found
        if _left_no_cgn(cgn):
            return None
        rows: dict[str, list[Row]] = {name: [] for name in EXPERIMENT_SPLITS}
        for seed, _, history, seconds in self.classifiers(variant, method, cgn):
            for name, splits in EXPERIMENT_SPLITS.items():
                about = common | {"experiment": name, "seed": seed, "seconds": seconds}
                rows[name] += [row for split in splits for row in _accuracies(history, split, about)]
        kept = {name: results.keep(found) for name, found in rows.items()}
        return kept[experiment]

    def own_colours(self, cgn: TrainedCGN) -> Tensor:
        """The colours in which a CGN of colored MNIST paints digits, (10, 3) in [0, 255]."""
        return painted_colours(self.control_samples(cgn))

    def own_colour_rows(self, method: str, recipe: str | None = None) -> pd.DataFrame | None:
        """How a colored-MNIST classifier fares on test digits in the data's colours and in those its CGN paints.

        Rows of experiment mnist-own-colours: "accuracy/palette" and "accuracy/own" over all test digits,
        "accuracy/palette/<colour>" and "accuracy/own/<colour>" for each of the ten colours. The CGN of the authors saw
        a file that is lost: where its colours are not ours, this tells what that costs. None as in `accuracy_rows`.
        """
        cgn = self.cgn("colored", recipe)
        if cgn is None:
            return None
        params = self._method_params(method, cgn) | {"control_samples": self.parameters.control_samples}
        common = self.row_columns("mnist-own-colours", "colored", method, cgn, params)
        found = self.reused(common)
        if found is not None:
            return found
        if _left_no_cgn(cgn):
            return None
        digits, limit = self.digits, self.parameters.test_images
        tests = {"palette": self.images("colored", "test")}
        tests["own"] = make_variant("colored", "test", digits, limit=limit, palette=self.own_colours(cgn))
        rows = []
        for seed, classifier, _, _ in self.classifiers("colored", method, cgn):
            about: dict[str, Any] = common | {"seed": seed}  # seconds: in the rows of mnist-ood
            for name, images in tests.items():
                right = correct(classifier, images)
                groups = {"": torch.ones_like(right)}
                groups |= {f"/{colour}": images.foreground == colour for colour in range(COLOURS)}
                for group, members in groups.items():
                    n = int(members.sum())
                    if n:
                        value = 100 * right[members].sum().item() / n
                        rows.append(Row(**about, metric=f"accuracy/{name}{group}", value=value, n=n))
        return results.keep(rows)

    def _method_params(self, method: str, cgn: TrainedCGN | None) -> dict[str, Any]:
        parameters, parts = self.parameters, parts_of(method)
        params = classifier_params(self._classifier_config)
        if {"original", "free", "gan"} & set(parts):
            params["train_images"] = parameters.train_images or "all"
        if method != "original" and method != "oracle":
            params["generated"] = parameters.counterfactuals
        if "gan" in parts:
            params |= {"gan_images": parameters.gan_images, "gan_seed": parameters.seed}
            params |= {} if GAN_VERSION == 1 else {"gan": GAN_VERSION}
        if "cgn" in parts:
            params["cf_ratio"] = parameters.cf_ratio
        if cgn is not None:  # the same CGN, sampled with another seed, gives another number
            params |= cgn.params | {"sample_seed": parameters.seed}
        return params

    # --- CF ratio (Figures 5 and 6) --------------------------------------------------------------------------------

    def ratios(self, variant: str) -> list[int]:
        """CF ratios of the figures; above ten they are left out for colored MNIST, which has ten colours."""
        return [r for r in self.parameters.ratio_values if variant != "colored" or r <= COLOURS]

    def ratio_rows(self, variant: str, size: int, ratio: int, recipe: str | None = None) -> pd.DataFrame | None:
        """Accuracy of original + `size` counterfactuals at CF ratio `ratio` (experiment mnist-cf-ratio). None as in
        `accuracy_rows`.
        """
        cgn = self.cgn(variant, recipe)
        if cgn is None:
            return None
        params = self._method_params("original+cgn", cgn) | {"generated": size, "cf_ratio": ratio}
        common = self.row_columns("mnist-cf-ratio", variant, "original+cgn", cgn, params)
        found = self.reused(common)
        if found is not None:
            return found
        if _left_no_cgn(cgn):
            return None
        generated = self.counterfactuals(cgn, n=size, ratio=ratio)
        training = concatenate([self.images(variant, "train"), generated], f"{variant}/original+cgn")
        rows = []
        for seed, _, history, seconds in self._trained(variant, training):
            rows += _accuracies(history, "test", common | {"seed": seed, "seconds": seconds})
        return results.keep(rows)

    # --- control (claim 1) -----------------------------------------------------------------------------------------

    @functools.lru_cache(maxsize=3)  # noqa: B019
    def oracles(self, variant: str) -> tuple[dict[str, Classifier], dict[str, float]]:
        """Factor oracles of a variant and their accuracy on held-out real images in percent."""
        return train_oracles(
            self.digits,
            self.images(variant, "free-train").subset(slice(self.parameters.oracle_images)),
            self.images(variant, "test"),
            self._oracle_config,
            limit=self.parameters.oracle_images,
            has_background=variant != "colored",
            device=self.device,
        )

    @property
    def _oracle_config(self) -> ClassifierConfig:
        return ClassifierConfig(oracle_epochs(self.parameters), self.parameters.classifier_batch)

    @property
    def control_params(self) -> dict[str, Any]:
        """What defines a measurement of control, in rows; those that name no batch have oracles of batch 64."""
        config, parameters = self._oracle_config, self.parameters
        params = {"oracle_images": parameters.oracle_images, "oracle_epochs": config.epochs} | _classifier_version()
        params |= {} if config.batch_size == 64 else {"oracle_batch": config.batch_size}
        return params | {"control_samples": parameters.control_samples}

    def control_samples(self, cgn: TrainedCGN) -> CounterfactualParts:
        """Counterfactuals with free labels and all their parts."""
        labels = free_labels(self.parameters.control_samples, self.parameters.seed)
        return sample_parts(cgn.cgn, *labels, seed=self.parameters.seed)

    def control(self, cgn: TrainedCGN) -> tuple[Control | None, pd.DataFrame]:
        """The control matrix of a CGN and its rows (experiment mnist-control).

        Without the matrix where the rows are taken from earlier results, so that no oracle is trained. Of a CGN that is
        trained here, "training/stopped" is 100 where its training diverged or its masks collapsed, which leaves nothing
        else to measure and no CGN, else 0.
        """
        params = cgn.params | self.control_params
        common = self.row_columns("mnist-control", cgn.variant, "cgn", cgn, params)
        found = self.reused(common, [self.parameters.seed])
        if found is not None:
            return None, found
        about: dict[str, Any] = common | {"seed": self.parameters.seed}
        if cgn.stopped:
            return None, results.keep([Row(**about, metric="training/stopped", value=100, n=1)])
        about["seconds"] = cgn.seconds
        oracles, accuracies = self.oracles(cgn.variant)
        samples = self.control_samples(cgn)
        control = measure_control(samples, oracles)
        missed = (control.shape_read != samples.images.shape).nonzero()[:MISREAD, 0]
        if len(missed):
            masks = to_uint8(2 * samples.masks[missed] - 1).expand(-1, 3, -1, -1)
            tiles = torch.stack([masks, samples.images.images[missed]]).numpy()
            keep_tiles(tiles, self.parameters.profile, self._misread_name(cgn), common)
        rows = control_rows(control, accuracies, about)
        if cgn.artefact:
            rows.append(Row(**about, metric="training/stopped", value=0, n=1))
        return control, results.keep(rows)

    def misread(self, cgn: TrainedCGN, rows: pd.DataFrame) -> np.ndarray | None:
        """The first masks that the shape oracle read as another digit than was asked for, and their counterfactuals:
        uint8 (2, n <= 10, 3, 32, 32), as `control` kept them beside its `rows`. None where there are none.
        """
        return kept_tiles(rows, self._misread_name(cgn), SIZE)

    def _misread_name(self, cgn: TrainedCGN) -> str:
        return f"mnist-misread-{cgn.variant}-{cgn.recipe}-{self.parameters.seed}"

    # --- heat maps (Figure 3) --------------------------------------------------------------------------------------

    def heat_maps(self, method: str, recipe: str | None = None) -> tuple[np.ndarray | None, pd.DataFrame] | None:
        """GradCAM grid (10 digits, 10 colour themes, 32, 32) of a classifier of double-colored MNIST and its rows
        (experiment mnist-gradcam).

        The maps are those of the first classifier seed, kept beside the rows as a picture; rows are kept for all,
        without the ratio of sensitivities where it is not defined (the maps do not change with the digit). Where rows
        are taken from earlier results the picture is read, so that no classifier is trained; None for the maps where it
        is missing. None as in `accuracy_rows`.
        """
        parts_of(method)
        variant = "double-colored"
        cgn = self.cgn(variant, recipe) if method in CGN_METHODS else None
        if cgn is None and method in CGN_METHODS:
            return None
        common = self.row_columns("mnist-gradcam", variant, method, cgn, self._method_params(method, cgn))
        profile = self.parameters.profile
        name = "-".join(["mnist-gradcam", method, *([cgn.recipe] if cgn else []), str(self.parameters.seed)])
        found = self.reused(common)
        if found is not None:
            tiles = kept_tiles(found, name, SIZE)
            return None if tiles is None else tiles[:, :, 0].astype(np.float32) / 255, found
        if _left_no_cgn(cgn):
            return None
        grid = theme_grid(self.digits)
        maps, rows = [], []
        for seed, classifier, _, seconds in self.classifiers(variant, method, cgn):
            seen = heat_maps(classifier, grid)
            maps.append(seen.maps)
            columns: dict[str, Any] = common | {"seed": seed, "seconds": seconds, "n": len(grid)}
            variance: dict[str, Any] = columns | {"unit": "variance"}
            ratio: dict[str, Any] = columns | {"unit": "ratio"}
            right = 100 * float((seen.predicted.ravel() == grid.shape.numpy()).mean())
            rows += [
                Row(**columns, metric="maps/empty", value=100 * float(seen.empty.mean())),
                Row(**columns, metric="accuracy/themes", value=right),
                Row(**variance, metric="sensitivity/colour", value=seen.colour_effect),
                Row(**variance, metric="sensitivity/digit", value=seen.digit_effect),
            ]
            if seen.digit_effect > 0:
                rows.append(Row(**ratio, metric="sensitivity/colour-over-digit", value=seen.colour_over_digit))
        keep_tiles(np.rint(maps[0][:, :, None] * 255).astype(np.uint8), profile, name, common)
        return maps[0], results.keep(rows)

    # --- rows ------------------------------------------------------------------------------------------------------

    def row_columns(
        self, experiment: str, variant: str, method: str, cgn: TrainedCGN | None, params: dict[str, Any]
    ) -> dict[str, Any]:
        """Columns of a `Row` that all rows of one setting share."""
        return {
            "experiment": experiment,
            "dataset": variant,
            "method": method,
            "recipe": "-" if cgn is None else cgn.recipe,
            "unit": "percent",
            "profile": self.parameters.profile,
            "data": self.images(variant, "test").source,
            "params": params | {"test_images": self.parameters.test_images or "all"},
            "device": self.device,
            "code": code_and_rules(),
        }

    def reused(self, common: dict[str, Any], seeds: Iterable[int] | None = None) -> pd.DataFrame | None:
        """Rows left earlier for the same columns and parameters, if all are there and the parameters allow it.

        seeds: of the rows, by default those of the classifiers.
        """
        seeds = self.classifier_seeds if seeds is None else seeds
        return results.earlier(common, seeds) if self.parameters.reuse_rows else None


def control_rows(control: Control, oracles: dict[str, float], about: dict[str, Any]) -> list[Row]:
    """What was measured of a CGN: control matrix, accuracy of the oracles, shape by digit, area, diversity of masks.

    about: all other columns.
    """
    about = about | {"n": control.n}
    matrix = {f"{wanted}/{found}": value for wanted, line in control.matrix.items() for found, value in line.items()}
    percent = {f"control/{cell}": value for cell, value in matrix.items()}
    percent |= {f"oracle/{factor}": accuracy for factor, accuracy in oracles.items()}
    percent |= {f"shape/{digit}": value for digit, value in enumerate(control.shape_by_class)}
    rows = [Row(**about, metric=metric, value=value) for metric, value in percent.items()]
    about["unit"] = "fraction"
    masks = {"mask/area": control.area, "mask/diversity": control.diversity}
    return rows + [Row(**about, metric=metric, value=value) for metric, value in masks.items()]


def oracle_epochs(parameters: StudyParameters) -> int:
    """Of the training of the factor oracles."""
    return min(ORACLE_EPOCHS, 2 * parameters.classifier_epochs)


def classifier_params(config: ClassifierConfig) -> dict[str, Any]:
    """Of a training of classifiers, in rows; those that name no version are of version 2."""
    return {"epochs": config.epochs, "batch": config.batch_size} | _classifier_version()


def _left_no_cgn(cgn: TrainedCGN | None) -> bool:
    """Whether the training of a CGN stopped, which it says for the reader of the page."""
    if cgn is None or not cgn.stopped:
        return False
    print(f"{cgn.variant}, recipe {cgn.recipe}: not tested, {cgn.stopped}")
    return True


def _classifier_version() -> dict[str, int]:
    return {} if METHOD_VERSION == 2 else {"classifier": METHOD_VERSION}


def _accuracies(history: pd.DataFrame, split: str, common: dict[str, Any]) -> list[Row]:
    """accuracy/<split>/last and, for test splits, accuracy/<split>/best (the best epoch, as the seed reports it)."""
    values = history.loc[history["split"] == split].sort_values(by="epoch")
    accuracies = [float(accuracy) for accuracy in values["accuracy"]]
    about: dict[str, Any] = common | {"n": int(values["n"].iloc[-1])}
    rows = [Row(**about, metric=f"accuracy/{split}/last", value=accuracies[-1])]
    if split != "train":
        rows.append(Row(**about, metric=f"accuracy/{split}/best", value=max(accuracies)))
    return rows


def parts_of(method: str) -> tuple[str, ...]:
    """What a method's training set is made of. Raises ValueError for an unknown method."""
    if method not in METHOD_PARTS:
        near = difflib.get_close_matches(method, METHOD_PARTS, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(METHOD_PARTS)}"
        raise ValueError(f"unknown method {method!r}; {hint}")
    return METHOD_PARTS[method]


def shipped_cgn(variant: str, recipe: str) -> Path | None:
    """Weights that the project ships for a variant and recipe, if any."""
    path = project_root() / "weights" / "mnist" / f"{variant}-{recipe}.safetensors"
    return path if path.exists() else None


def _shipped_record(weights: Path) -> dict[str, Any]:
    """How shipped weights were trained. Raises AssetError when the record beside them is missing or damaged."""
    file = weights.with_suffix(".json")
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        if record["weights_sha256"] != file_sha256(weights):
            raise ValueError(f"{weights.name} does not have the checksum in it")
    except (OSError, ValueError, KeyError, TypeError) as error:
        remedy = f"Restore both files with 'git checkout weights/{weights.parent.name}', or delete both to train anew."
        raise AssetError(f"{file}, the record of shipped weights, cannot be used ({error}). {remedy}") from error
    return record
