"""What the toy world's experiments are called in rows: a `Setting` for each, from parameters alone, without torch."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

from cgnlib.errors import known
from cgnlib.gradcam import GRADCAM_VERSION
from cgnlib.imagenet.recipes import (
    AUTHORS_CGN,
    STUDY_CGN,
    TERMS,
    TOY_CGN,
    TOY_CLASSIFIER,
    EnsembleRecipe,
    ImageNetRecipe,
    cgn_recipe,
    without,
)
from cgnlib.imagenet.toy.shipped import fingerprint_of_file, judges_fingerprint, part_file
from cgnreport.protocol.parameters import IMAGENET_METHODS, Parameters
from cgnreport.protocol.rows import Setting

TOY_FEATURES = "efficientnet-lite0"  # also where VGG16 is at hand: the weights of recipe TOY_CGN belong to it
SPLITS, TRUNCATION = 1, 1.0  # of Inception Scores, as published
ABLATION_SAMPLES = 2_000  # images of each ablation at most: enough for differences that one CGN per ablation can show
FEWER = ("imagenet-parts", "imagenet-ablation")  # the experiments with that limit
LENGTH = STUDY_CGN.images / AUTHORS_CGN.images  # of the length: the study's CGN saw 500,000 of 1,200,000 images
GRID_RATES = (3e-3, 1e-3, 1e-4)  # published: the last two; trainings here have far fewer steps, so one larger
GRID_RATIOS = (0.0, 1.0, 2.0)
# Gaussian noise of ImageNet-C (Hendrycks & Dietterich, 2019): standard deviation by severity, in shares of the range.
NOISE = {1: 0.08, 2: 0.12, 3: 0.18, 4: 0.26, 5: 0.38}
# Methods of the parameters' `imagenet_ablations`, SG21's in the published table and the study's texture target.
PARTS = ("shape", "texture", "background", "reconstruction")
ABLATIONS = {term: f"cgn-without-{part}" for term, part in zip(TERMS, PARTS, strict=True)} | {"fill": "cgn-fill"}
CGN_RECIPES = {"cgn": TOY_CGN, "cgn-fill": replace(TOY_CGN, name="toy, fill", texture_target="fill")}
CGN_RECIPES |= {ABLATIONS[term]: without(TOY_CGN, term) for term in TERMS}
GRADCAM_METHODS = ("original", "original+cgn")
CLASSIFIER_EXPERIMENTS = ("imagenet-background", "imagenet-indomain", "imagenet-shape-bias", "imagenet-gradcam")
CGN_EXPERIMENTS = ("imagenet-is", "imagenet-control", "imagenet-parts", "imagenet-ablation")
EXPERIMENTS = (*CGN_EXPERIMENTS, *CLASSIFIER_EXPERIMENTS, "imagenet-grid")


class ToySettings:
    """Settings of every experiment of the toy world at one set of parameters."""

    def __init__(self, parameters: Parameters) -> None:
        self.parameters, self.imagenet = parameters, parameters.imagenet

    # --- CGNs -------------------------------------------------------------------------------------------------------

    def cgn(self, method: str = "cgn") -> ImageNetRecipe:
        """Training of the CGN that a classifier's method takes images from; of "cgn" that of Table 3.

        "original+cgn-short": for 42 % of the updates, as in the study.
        """
        recipe = replace(TOY_CGN, updates=self.imagenet.updates or TOY_CGN.updates)
        return replace(recipe, updates=max(1, round(LENGTH * recipe.updates))) if method.endswith("-short") else recipe

    def ablated_cgn(self, method: str) -> ImageNetRecipe:
        """Training of a CGN of imagenet-ablation. method: "cgn", or one of ABLATIONS' values."""
        recipe = CGN_RECIPES[known("method", method, CGN_RECIPES)]
        return replace(recipe, updates=self.imagenet.ablation_updates or self.imagenet.updates or recipe.updates)

    def cgn_params(self, recipe: ImageNetRecipe) -> dict[str, Any]:
        """What tells a CGN from others in rows: recipe, length, random seed, pre-trained parts."""
        return {
            "cgn_updates": recipe.updates,
            "cgn_seed": self.parameters.seed,
            "cgn_recipe": cgn_recipe(recipe, fingerprint_of_file(part_file("u2net"))),
            "features": TOY_FEATURES,
            "teacher": teacher_fingerprint(),
        }

    def images(self, experiment: str, method: str) -> Setting:
        """Rows of images in imagenet-is, imagenet-control, imagenet-parts or imagenet-ablation.

        method: "real", "biggan" (the teacher), "cgn" or, in imagenet-ablation, one of ABLATIONS' values.
        """
        params: dict[str, Any] = {"splits": SPLITS, "truncation": TRUNCATION, "network": "toy classifier"}
        params["samples"] = self.samples(experiment)
        if method != "real":
            params |= {"sample_seed": self.parameters.seed, "teacher": teacher_fingerprint()}
        if method in CGN_RECIPES:
            recipe = self.ablated_cgn(method) if experiment == "imagenet-ablation" else self.cgn()
            params |= self.cgn_params(recipe)
        return self._setting(experiment, method, params)

    def samples(self, experiment: str) -> int:
        """How many images of each CGN are measured."""
        n = self.imagenet.samples
        return min(n, ABLATION_SAMPLES) if experiment in FEWER else n

    # --- Classifiers ------------------------------------------------------------------------------------------------

    def recipe(self, method: str) -> EnsembleRecipe:
        """TOY_CLASSIFIER at the parameters' length; the learning rate falls after two thirds of it."""
        known("method", method, IMAGENET_METHODS)
        epochs, ratio = self.imagenet.classifier_epochs, 0.0 if method == "original" else TOY_CLASSIFIER.cf_ratio
        return replace(TOY_CLASSIFIER, epochs=epochs, decay_epochs=max(1, round(2 * epochs / 3)), cf_ratio=ratio)

    def classifier(self, experiment: str, method: str, recipe: EnsembleRecipe | None = None) -> Setting:
        """Rows of classifiers of a method. recipe: in place of the method's own."""
        recipe, seed = recipe or self.recipe(method), self.parameters.seed
        params: dict[str, Any] = {
            "epochs": recipe.epochs,
            "batch": recipe.batch_size,
            "lr": recipe.learning_rate,
            "cf_ratio": recipe.cf_ratio,
            "train_images": self.imagenet.train_images,
            "test_images": self.imagenet.test_images,
            "data_seed": seed,  # of the training images; a row's own seed is its classifier's
        }
        if experiment == "imagenet-gradcam":
            params["gradcam"] = GRADCAM_VERSION
        if method != "original":
            params |= {"sample_seed": seed, "generated": self.imagenet.counterfactuals}
        if method == "original+gan":
            params["teacher"] = teacher_fingerprint()
        elif "cgn" in method:
            params |= self.cgn_params(self.cgn(method))
        return self._setting(experiment, method, params)

    def grid(self, rate: float, ratio: float) -> tuple[Setting, EnsembleRecipe]:
        """A cell of Table 7, learning rate by CF ratio, and the training of its classifier."""
        method = "original+cgn" if ratio else "original"
        recipe = replace(self.recipe(method), learning_rate=rate, cf_ratio=ratio)
        return self.classifier("imagenet-grid", method, recipe), recipe

    # --- All of them ------------------------------------------------------------------------------------------------

    def plan(self, experiment: str) -> Iterator[Setting]:
        """Every setting of an experiment at these parameters. Raises ValueError for an unknown experiment."""
        imagenet = self.imagenet
        if known("experiment", experiment, EXPERIMENTS) == "imagenet-ablation":
            methods = ["cgn", *(ABLATIONS[name] for name in imagenet.ablations)] if imagenet.ablations else []
            yield from (self.images(experiment, method) for method in methods)
        elif experiment in ("imagenet-is", "imagenet-control"):
            yield from (self.images(experiment, method) for method in ("real", "biggan", "cgn"))
        elif experiment == "imagenet-parts":
            yield self.images(experiment, "cgn")
        elif experiment == "imagenet-grid":
            cells = product(GRID_RATES, GRID_RATIOS) if imagenet.grid else ()
            yield from (self.grid(rate, ratio)[0] for rate, ratio in cells)
        else:
            allowed = GRADCAM_METHODS if experiment == "imagenet-gradcam" else IMAGENET_METHODS
            yield from (self.classifier(experiment, method) for method in imagenet.methods if method in allowed)

    def _setting(self, experiment: str, method: str, params: dict[str, Any]) -> Setting:
        recipe = "toy" if "cgn" in method else "-"
        params = params | {"parts": judges_fingerprint()}
        return Setting(experiment, "toy", method, recipe, self.parameters.profile, "toy-world", params)


def teacher_fingerprint() -> str:
    """Fingerprint of the shipped toy BigGAN."""
    return fingerprint_of_file(part_file("biggan"))
