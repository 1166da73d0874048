"""What the MNIST experiments are called in rows: a `Setting` for each, from parameters alone, without torch."""

import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from cgnlib.data.catalogue import AUTHORS_WEIGHTS
from cgnlib.data.digits import digits_source
from cgnlib.data.finding import features_name, missing
from cgnlib.data.shapes import is_own
from cgnlib.data.textures import textures_source
from cgnlib.errors import AssetError, Blocked, known, needed
from cgnlib.gradcam import GRADCAM_VERSION
from cgnlib.mnist.names import N_CLASSES, VARIANTS
from cgnlib.mnist.recipes import (
    BASELINES_VERSION,
    CLASSIFIER_VERSION,
    GAN_VERSION,
    WITHOUT_CGN_VERSION,
    AdversarialRecipe,
    AnyRecipe,
    ClassifierConfig,
    recipe_for,
    recipe_hash,
)
from cgnlib.paths import file_sha256, project_root
from cgnreport.protocol.parameters import METHODS, SWEEP, WITHOUT_CGN, Parameters
from cgnreport.protocol.rows import Setting

# What each method's training set is made of.
METHOD_PARTS = {method: tuple(method.split("+")) for method in METHODS} | {"oracle": ("free",)}
AUGMENTED = ("recolour", "paste", "augmix")  # without a CGN: random draws, as many as others draw counterfactuals
CGN_METHODS = tuple(method for method in METHODS if "cgn" in method)
READER_EPOCHS = 4  # of the factor readers: on 40,000 images two already read 97 to 100 % of double-colored factors
LOOKED_AT = ("oracle", "cgn", "original")  # methods whose heat maps are Figure 3
TRAINING_COUNTERFACTUALS = 40_000  # at most, of each CGN of mnist-training: enough for what one CGN can show
TRAINING_EPOCHS = 4  # at most, of the classifier trained on them
# Training digits of every variant, by source.
DIGITS = {
    "mnist-5000": dict.fromkeys(VARIANTS, 4_000),
    "mnist-full": dict.fromkeys(VARIANTS, 50_000) | {"colored": 60_000},
}
STARTS = ("cgn", "original+cgn")  # of mnist-order: what a classifier is trained on first; the latter for length alone
ORDERED = ("wildlife",)  # variants of mnist-order: where original data cost counterfactuals, the authors', most
SAMPLE_SEED = 0  # draws the counterfactuals of every CGN of mnist-training, whichever seeds a run asks for
EXPERIMENTS = (
    "mnist-ood",
    "mnist-indomain",
    "mnist-order",
    "mnist-own-colours",
    "mnist-cf-ratio",
    "mnist-control",
    "mnist-gradcam",
    "mnist-training",
    "mnist-without-cgn",
    "mnist-sweep",
)


@dataclass(frozen=True)
class CGNSetting:
    """A CGN before it is loaded or trained. recipe: authors, or one of `parameters.TRAININGS`.

    params: what tells it from others in rows. training: its recipe at the length asked for, None for weights from a
    file. seconds: what the training of shipped weights took.
    """

    variant: str
    recipe: str
    params: dict[str, Any]
    training: AnyRecipe | None = None
    shipped: Path | None = None
    seconds: float | None = None


class MnistSettings:
    """Settings of every MNIST experiment at one set of parameters.

    full_data: the settings of results made with all of MNIST and DTD's textures, whatever is at hand here.
    precision: of the trainings. Accuracies differ by tenths of a point, heat maps in kind.
    """

    def __init__(self, parameters: Parameters, *, full_data: bool = False, precision: str = "float32") -> None:
        self.parameters, self.mnist, self.full_data = parameters, parameters.mnist, full_data
        self.precision = precision
        mnist, seed = parameters.mnist, parameters.seed
        self.classifier = ClassifierConfig(mnist.classifier_epochs, mnist.classifier_batch)
        self.classifier_seeds = range(seed, seed + mnist.classifier_seeds)  # random seeds of a method's classifiers
        longer = 2 * mnist.classifier_epochs  # own shapes are fewer than the digits that READER_EPOCHS suffice for
        self.reader = replace(self.classifier, epochs=longer if mnist.shapes else min(READER_EPOCHS, longer))
        # Of mnist-training: random seeds of its CGNs, the classifier of each, and the counterfactuals it is trained on.
        self.training_seeds = range(seed, seed + mnist.training_seeds)
        self.training_classifier = replace(self.classifier, epochs=min(TRAINING_EPOCHS, mnist.classifier_epochs))
        self.without_cgn_seeds = range(seed, seed + mnist.without_cgn_seeds)
        self.sweep_seeds = range(seed, seed + mnist.sweep_seeds)
        self.training_size = min(TRAINING_COUNTERFACTUALS, mnist.counterfactuals)

    # --- Data -------------------------------------------------------------------------------------------------------

    @functools.cached_property
    def digits(self) -> str:
        """Source of the digits: "mnist-full", "mnist-5000", or that of own shapes."""
        return "mnist-full" if self.full_data else digits_source(self.parameters.data_folder, self.mnist.shapes)

    @functools.cached_property
    def textures(self) -> str:
        """Source of the textures: "dtd" or "procedural"."""
        return "dtd" if self.full_data else textures_source(self.parameters.data_folder)

    def data(self, variant: str) -> str:
        """What the pixels of a variant come from."""
        return f"{self.digits}+{self.textures}" if variant == "wildlife" else self.digits

    def digits_seen(self, variant: str, recipe: str | None = None) -> tuple[int, int | Blocked]:
        """Real digits in the original images of a variant, and those that its CGN was trained on."""
        original = training_digits(self.digits, variant, self.mnist.train_images)
        cgn = self.cgn(variant, recipe)
        if isinstance(cgn, Blocked):
            return original, cgn
        if cgn.shipped:
            return original, shipped_record(cgn.shipped)["digits"]
        return original, original if cgn.training else DIGITS["mnist-full"][variant]

    # --- CGNs -------------------------------------------------------------------------------------------------------

    def cgn(self, variant: str, recipe: str | None = None) -> CGNSetting | Blocked:
        """Our CGN of a variant, or with recipe "authors" theirs; Blocked where the parameters leave it out.

        In profile `quick` the CGN that the project ships stands for ours, for all variants but `live_variant`; not
        where own shapes stand for the digits that it draws.
        """
        known("variant", variant, VARIANTS)
        recipe = recipe or self.mnist.recipe
        if recipe == "authors":
            if not self.mnist.authors:
                return Blocked(
                    f"the authors' weights are not part of scale {self.parameters.profile}", "set authors: true"
                )
            if self.mnist.shapes:
                return Blocked("the authors' weights draw digits, not your shapes")
            return CGNSetting(variant, recipe, {"cgn_sha256": AUTHORS_WEIGHTS[variant][:12]})
        training = recipe_for(recipe, variant)
        quick = self.parameters.profile == "quick" and variant != self.mnist.live_variant and not self.mnist.shapes
        if quick and (shipped := shipped_cgn(variant, recipe)):
            record = shipped_record(shipped)
            config = record["config"]
            params = {"cgn_images": config["recipe"]["images"], "cgn_seed": config["seed"], "shipped": True}
            params |= {"features": config["features"], "cgn_sha256": record["weights_sha256"][:12]}
            return CGNSetting(variant, recipe, params, shipped=shipped, seconds=record["seconds"])
        training = replace(training, images=self.mnist.cgn_images or training.images)
        params = self._trained_params(training, self.parameters.seed)
        return CGNSetting(variant, recipe, params, training)

    def _trained_params(self, training: AnyRecipe, seed: int) -> dict[str, Any]:
        return {
            "cgn_images": training.images,
            "cgn_seed": seed,
            "cgn_recipe": recipe_hash(training),
            "features": self.features if isinstance(training, AdversarialRecipe) else "none",
            "train_images": self.mnist.train_images or "all",
        }

    @functools.cached_property
    def features(self) -> str:
        """Network of the style loss, by name."""
        if self.full_data and self.mnist.features == "auto":  # what published rows were computed with
            return "efficientnet-lite0"
        return features_name(self.mnist.features, self.parameters.data_folder)

    # --- Experiments ------------------------------------------------------------------------------------------------

    def accuracy(self, experiment: str, variant: str, method: str, recipe: str | None = None) -> Setting | Blocked:
        """Rows of `mnist-ood` (Tables 2 and 6), `mnist-indomain` (Table 1) or `mnist-gradcam` (Figure 3)."""
        params = self._method_params(method)
        if experiment == "mnist-gradcam":
            params["gradcam"] = GRADCAM_VERSION
            params |= {"precision": self.precision} if self.precision != "float32" else {}
        cgn = self.cgn(variant, recipe) if method in CGN_METHODS else None
        return self._setting(experiment, variant, method, cgn, params)

    def order(self, variant: str, recipe: str | None = None, start: str = "cgn") -> Setting | Blocked:
        """Original data and counterfactuals for a classifier that was trained before, on the data of `start`."""
        params = self._method_params("original+cgn") | {"start": known("start", start, STARTS)}
        return self._setting("mnist-order", variant, "original+cgn", self.cgn(variant, recipe), params)

    def own_colours(self, method: str, recipe: str | None = None) -> Setting | Blocked:
        """How a classifier of colored MNIST fares in the colours that its CGN paints."""
        params = self._method_params(method) | {"control_samples": self.mnist.control_samples}
        return self._setting("mnist-own-colours", "colored", method, self.cgn("colored", recipe), params)

    def published_file(self, method: str, recipe: str | None = None) -> Setting | Blocked:
        """How the classifier of `own_colours` fares on the published file of colored MNIST, and that file's colours."""
        setting = self.own_colours(method, recipe)
        blocked = missing(["colored-mnist"], self.parameters.data_folder)
        return setting if isinstance(setting, Blocked) else blocked or replace(setting, data="colored-file")

    def ratio(self, variant: str, size: int, ratio: int, recipe: str | None = None) -> Setting | Blocked:
        """A point of Figures 5 and 6: original data and `size` counterfactuals, `ratio` per sampled mask."""
        params = self._method_params("original+cgn") | {"generated": size, "cf_ratio": ratio}
        return self._setting("mnist-cf-ratio", variant, "original+cgn", self.cgn(variant, recipe), params)

    def ratios(self, variant: str) -> list[int]:
        """CF ratios of the figures; colored has ten colours, so no more than ten counterfactuals of a shape."""
        return [ratio for ratio in self.mnist.ratio_values if variant != "colored" or ratio <= N_CLASSES]

    def control(self, variant: str, recipe: str | None = None) -> Setting | Blocked:
        """Control of a CGN over the factors (claim 1)."""
        return self._setting("mnist-control", variant, "cgn", self.cgn(variant, recipe), self._control_params())

    def training(self, variant: str, training: str, seed: int) -> tuple[Setting, CGNSetting]:
        """A CGN trained in one of `parameters.TRAININGS` at the length `training_images`, and what it is called."""
        recipe = replace(recipe_for(training, variant), images=self.mnist.training_images)
        cgn = CGNSetting(variant, training, self._trained_params(recipe, seed), recipe)
        params = self._control_params() | classifier_params(self.training_classifier)
        params |= {"generated": self.training_size, "cf_ratio": self.mnist.cf_ratio, "sample_seed": SAMPLE_SEED}
        return needed(self._setting("mnist-training", variant, "cgn", cgn, params)), cgn

    def without_cgn(self, variant: str, method: str) -> Setting | Blocked:
        """The task of claims 2 and 3 with one of `parameters.WITHOUT_CGN`."""
        params = classifier_params(self.classifier) | {"train_images": self.mnist.train_images or "all"}
        if known("method", method, WITHOUT_CGN) in AUGMENTED:
            params["generated"] = self.mnist.counterfactuals
        params["version"] = WITHOUT_CGN_VERSION
        return self._setting("mnist-without-cgn", variant, method, None, params)

    def sweep(self, variant: str, method: str, agreement: float) -> tuple[Setting, CGNSetting | None]:
        """A point of the sweep over how often colour agrees with the class, and the CGN that it takes, if any."""
        params = classifier_params(self.classifier) | {"agreement": agreement, "baselines": BASELINES_VERSION}
        params["train_images"] = self.mnist.train_images or "all"
        cgn = None
        if known("method", method, SWEEP) == "cgn":
            training = recipe_for(self.mnist.recipe, variant)
            training = replace(training, images=self.mnist.cgn_images or training.images)
            seed = self.parameters.seed
            cgn = CGNSetting(variant, self.mnist.recipe, self._trained_params(training, seed), training)
            params |= {"generated": self.mnist.counterfactuals, "cf_ratio": self.mnist.cf_ratio, "sample_seed": seed}
        elif method == "border-stretched":
            params["version"] = WITHOUT_CGN_VERSION
        return needed(self._setting("mnist-sweep", variant, method, cgn, params)), cgn

    def plan(self, experiment: str, recipe: str | None = None) -> Iterator[Setting]:
        """Every setting of an experiment at these parameters; recipe: of the CGN, by default ours."""
        mnist, found = self.mnist, []
        if experiment in ("mnist-ood", "mnist-indomain"):
            found = [self.accuracy(experiment, v, m, recipe) for v, m in product(mnist.variants, mnist.methods)]
        elif experiment == "mnist-gradcam":
            found = [self.accuracy(experiment, "double-colored", m, recipe) for m in LOOKED_AT]
        elif experiment == "mnist-order":
            ordered = (v for v in mnist.variants if v in ORDERED and recipe == "authors")
            found = [self.order(variant, recipe, start) for variant, start in product(ordered, STARTS)]
        elif experiment == "mnist-own-colours":
            found = [self.own_colours("original+cgn", recipe)]
        elif experiment == "mnist-cf-ratio":
            points = [(v, n, r) for v in mnist.ratio_variants for n in mnist.ratio_sizes for r in self.ratios(v)]
            found = [self.ratio(variant, size, ratio, recipe) for variant, size, ratio in points]
        elif experiment == "mnist-control":
            found = [self.control(variant, recipe) for variant in mnist.variants]
        elif experiment == "mnist-training":
            ways = product(mnist.variants, mnist.trainings or (), self.training_seeds)
            found = [self.training(variant, training, seed)[0] for variant, training, seed in ways]
        elif experiment == "mnist-without-cgn":
            found = [self.without_cgn(v, m) for v, m in product(mnist.variants, mnist.without_cgn)]
        elif experiment == "mnist-sweep":
            points = product(mnist.variants, mnist.sweep or (), mnist.sweep_agreements)
            found = [self.sweep(variant, method, agreement)[0] for variant, method, agreement in points]
        return (setting for setting in found if isinstance(setting, Setting))

    def _method_params(self, method: str) -> dict[str, Any]:
        mnist, parts = self.mnist, METHOD_PARTS[known("method", method, METHODS)]
        params = classifier_params(self.classifier)
        if {"original", "free", "gan"} & set(parts):
            params["train_images"] = mnist.train_images or "all"
        if method not in ("original", "oracle"):
            params["generated"] = mnist.counterfactuals
        if "gan" in parts:
            params |= {"gan_images": mnist.gan_images, "gan_seed": self.parameters.seed, "gan": GAN_VERSION}
        if "cgn" in parts:
            params["cf_ratio"] = mnist.cf_ratio
        if method in CGN_METHODS:  # the same CGN, sampled with another seed, gives another number
            params["sample_seed"] = self.parameters.seed
        return params

    def _control_params(self) -> dict[str, Any]:
        return {
            "reader_images": self.mnist.reader_images,
            "reader_epochs": self.reader.epochs,
            "reader_batch": self.reader.batch_size,
            "classifier": CLASSIFIER_VERSION,
            "control_samples": self.mnist.control_samples,
        }

    def _setting(
        self, experiment: str, variant: str, method: str, cgn: CGNSetting | Blocked | None, params: dict[str, Any]
    ) -> Setting | Blocked:
        if isinstance(cgn, Blocked):
            return cgn
        recipe, params = "-", params | {"test_images": self.mnist.test_images or "all"}
        if cgn is not None:
            recipe, params = cgn.recipe, params | cgn.params
        return Setting(experiment, variant, method, recipe, self.parameters.profile, self.data(variant), params)


def training_digits(source: str, variant: str, limit: int | None) -> int:
    """How many digits or own shapes a variant's training images show: all that a source has, at most `limit`."""
    if is_own(source):
        there = int(source.split("-")[1])
        return there if limit is None else min(limit, there)
    there = DIGITS[known("source of digits", source, DIGITS)][known("variant", variant, VARIANTS)]
    return there if limit is None else min(limit, there)


def classifier_params(config: ClassifierConfig) -> dict[str, Any]:
    """A training of classifiers, as rows name it."""
    return {"epochs": config.epochs, "batch": config.batch_size, "classifier": CLASSIFIER_VERSION}


def shipped_cgn(variant: str, recipe: str) -> Path | None:
    """Weights that the project ships for a variant and recipe, if any."""
    path = project_root() / "weights" / "mnist" / f"{variant}-{recipe}.safetensors"
    return path if path.exists() else None


@functools.cache
def shipped_record(weights: Path) -> dict[str, Any]:
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
