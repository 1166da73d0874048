"""Claim 1 at ImageNet as steps that any notebook can call, in any order: CGNs, samples, measures, rows.

Every step is found or made: what an earlier notebook trained with the same parameters is loaded. The study runs in the
toy world, which has true factors and masks; for ImageNet's own networks see `published_cgn`.
"""

import functools
import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import torch
from safetensors.torch import load_file
from torch import Tensor

from cgnlib import results
from cgnlib.features import perceptual_features
from cgnlib.imagenet import control
from cgnlib.imagenet.biggan import sample_latents
from cgnlib.imagenet.cgn import ImageNetCGN
from cgnlib.imagenet.control import HEADS, Measured
from cgnlib.imagenet.evaluation import frechet_distance, inception_score, mask_statistics
from cgnlib.imagenet.sampling import Sampling, interpolate
from cgnlib.imagenet.training import TERMS, TOY, ImageNetRecipe, train_imagenet_cgn, without
from cgnlib.images import to_float
from cgnlib.parameters import StudyParameters
from cgnlib.randomness import generator
from cgnlib.results import Row
from cgnlib.toyworld.parts import ToyParts, judges_fingerprint, toy_parts
from cgnlib.toyworld.quality import HELD_OUT
from cgnlib.toyworld.sets import FREE, TRAIN, ToyImages, build, factors_of
from cgnlib.toyworld.world import BACKGROUNDS, SHAPES, TEXTURES
from cgnlib.training import Artefact, TrainingStopped, default_device, fingerprint
from cgnlib.verdicts import code_and_rules

TOY_FEATURES = "efficientnet-lite0"  # also where VGG16 is at hand: the weights of recipe TOY belong to it
SPLITS, TRUNCATION = 1, 1.0  # of Inception Scores, as published
ABLATION_SAMPLES = 2_000  # images of each ablation at most: enough for differences that one CGN per ablation can show
NAMES = {"shape": SHAPES, "texture": TEXTURES, "background": BACKGROUNDS}
# By metric or by its first part; all others are percent.
UNITS = {
    "inception-score": "score",
    "mask": "fraction",
    "iou": "fraction",
    "residue": "fraction",
    "residue/growth": "points",
    "entangled/small-masks": "points",
    "fid": "distance",
}
# Of the parameters' `imagenet_ablations`: the method's name, SG21's in the published table or the seed's variant, and
# its recipe.
ABLATIONS = {
    **{
        term: (f"cgn-without-{name}", without(TOY, term))
        for term, name in zip(TERMS, ("shape", "texture", "background", "reconstruction"), strict=True)
    },
    "fill": ("cgn-fill", replace(TOY, name="toy, fill", texture_target="fill")),
}


def toy_cgn(
    parameters: StudyParameters, recipe: ImageNetRecipe = TOY, *, updates: int | None = None, device: str | None = None
) -> tuple[ImageNetCGN, Artefact]:
    """The toy world's CGN (trained, resumed or loaded) in eval mode, with its artefact.

    updates: training length, by default the parameters' `imagenet_updates`, else the recipe's. Raises AssetError where
    the toy world's pre-trained parts are missing.
    """
    parts = toy_parts()
    length = updates or parameters.imagenet_updates
    settings = recipe if length is None else replace(recipe, updates=length)
    return train_imagenet_cgn(
        ImageNetCGN(parts.biggan, parts.u2net),
        settings,
        perceptual_features(TOY_FEATURES),
        parameters.seed,
        world="toy",
        device=device or default_device(),
    )


def cgn_params(artefact: Artefact) -> dict[str, Any]:
    """What tells the CGN of an artefact from others, for result rows: recipe, length, seed, pre-trained parts."""
    config = artefact.config
    text = json.dumps({name: config[name] for name in ("recipe", "version", "u2net")}, sort_keys=True)
    return {
        "cgn_updates": config["recipe"]["updates"],
        "cgn_seed": config["seed"],
        "cgn_recipe": hashlib.sha256(text.encode()).hexdigest()[:8],
        "features": config["features"],
        "teacher": config["teacher"],
    }


@dataclass(frozen=True)
class Real:
    """Rendered images, as many as were asked for, twice: a set to compare with, and one to compare that with."""

    tied: ToyImages
    free: ToyImages
    n: int


class ToyStudy:
    """The toy world's half of Table 3 and of Figures 7 to 12 at one set of parameters."""

    def __init__(self, parameters: StudyParameters, device: str | None = None) -> None:
        self.parameters = parameters
        self.device = device or default_device()

    @functools.cached_property
    def parts(self) -> ToyParts:
        return toy_parts()

    @functools.cached_property
    def trained(self) -> tuple[ImageNetCGN, Artefact]:
        return toy_cgn(self.parameters, device=self.device)

    @property
    def cgn(self) -> ImageNetCGN:
        return self.trained[0]

    @property
    def artefact(self) -> Artefact:
        return self.trained[1]

    @functools.cached_property
    def real(self) -> Real:
        n = self.parameters.imagenet_samples
        return Real(build(TRAIN, 2 * n, HELD_OUT), build(FREE, 2 * n, HELD_OUT), n)

    def measured(self, cgn: ImageNetCGN, labels: str, n: int | None = None) -> Measured:
        """Images of a CGN, by default as many as the parameters say, with labels "tied" or "random"."""
        n = n or self.parameters.imagenet_samples
        return control.measure(cgn, Sampling(n, labels, truncation=TRUNCATION, seed=self.parameters.seed))

    @functools.cached_property
    def tied(self) -> Measured:
        return self.measured(self.cgn, "tied")

    @functools.cached_property
    def free(self) -> Measured:
        return self.measured(self.cgn, "random")

    @functools.cached_property
    def teacher(self) -> tuple[Tensor, Tensor]:
        """The teacher's images of the noise and classes of `tied`, uint8, and the U2-Net's masks of them, bool."""
        return control.teacher_images(self.cgn, self.tied, TRUNCATION)

    @functools.cached_property
    def _real_features(self) -> dict[str, Tensor]:
        return {name: self.parts.oracle.read(getattr(self.real, name).images)[1] for name in ("tied", "free")}

    # --- rows -------------------------------------------------------------------------------------------------------

    def inception_rows(self) -> pd.DataFrame:
        """Table 3 for the toy world (experiment imagenet-is): Inception Scores of real images, teacher, CGN; masks."""
        real, masks = self.real, mask_statistics(self.tied.area[:, None, None, None])
        rows = [
            *self._rows("imagenet-is", "real", {"inception-score": self._inception(real.tied.images[: real.n])}),
            *self._rows("imagenet-is", "biggan", {"inception-score": self._inception(self.teacher[0])}),
            *self._rows(
                "imagenet-is",
                "cgn",
                {
                    "inception-score": self._inception(self.tied.image),
                    "mask/mean": masks.mean,
                    "mask/deviation": masks.deviation,
                },
                self.artefact,
            ),
        ]
        return results.keep(rows)

    def control_rows(self) -> pd.DataFrame:
        """What the papers could not measure (experiment imagenet-control), with the same on real images beside.

        control/<requested>/<recovered>: percent of free images; oracle/<factor>: percent of real ones, and of the
        teacher's; iou/teacher: with what the U2-Net finds in the teacher's image; iou/true: with the true object (of
        the U2-Net itself for real images and the teacher's); residue/mean: of the U2-Net's mask of the background;
        legible/background: percent of backgrounds that show their class's silhouette; entangled/foreground: percent of
        foregrounds that show their class's scene (of real images: rendered scenes without objects, and rendered
        textures, which can show neither); fid: on the oracle's features, with tied and with free labels.
        residue/growth and entangled/small-masks: what the seed's conjectures say, where there is enough to measure.
        """
        real, features = self.real, self._real_features
        tied_truth = control.true_scenes(self.tied.u, self.tied.labels[:, 0]).mask
        read, _ = self.parts.oracle.read(real.free.images)
        labels = torch.stack([real.free.shape, real.free.texture, real.free.background], dim=1)
        accuracies = control.control_matrix(read, labels)
        rows = self._rows(
            "imagenet-control",
            "real",
            {
                "iou/true": self._u2net_overlap(real.tied),
                "iou/true/free": self._u2net_overlap(real.free),
                "fid/tied": self._distance(features["tied"][real.n :], "tied"),
                "fid/free": self._distance(features["free"][real.n :], "free"),
                **self._clean_readings(),
            },
        )
        drawn, drawn_features = self.parts.oracle.read(self.teacher[0])
        own = control.control_matrix(drawn, self.tied.labels)
        rows += self._rows(
            "imagenet-control",
            "biggan",
            {
                "iou/true": control.overlap(self.teacher[1], tied_truth),
                "fid/tied": self._distance(drawn_features, "tied"),
                **{f"oracle/{factor}": own[factor][factor] for factor in HEADS},
            },
        )
        values = self._control_values(self.tied, self.free) | self._conjectured()
        rows += self._rows("imagenet-control", "cgn", values, self.artefact)
        oracles = {f"oracle/{factor}": accuracies[factor][factor] for factor in HEADS}
        rows += self._rows("imagenet-control", "cgn", oracles, self.artefact, 2 * real.n)
        return results.keep(rows)

    def ablation_rows(self) -> tuple[pd.DataFrame, dict[str, str]]:
        """The CGN and its `imagenet_ablations` at one training length (experiment imagenet-ablation).

        Returns the rows, and why a training stopped, by method, where one did.
        """
        rows, stopped = [], {}
        for method, recipe in [("cgn", TOY), *(ABLATIONS[name] for name in self.parameters.imagenet_ablations or ())]:
            length = self.parameters.imagenet_ablation_updates
            try:
                cgn, artefact = toy_cgn(self.parameters, recipe, updates=length, device=self.device)
            except TrainingStopped as stop:
                stopped[method] = str(stop)
                continue
            n = min(self.parameters.imagenet_samples, ABLATION_SAMPLES)
            tied, free = self.measured(cgn, "tied", n), self.measured(cgn, "random", n)
            masks = mask_statistics(tied.area[:, None, None, None])
            found = {"mask/mean": masks.mean, "mask/deviation": masks.deviation}
            found |= {"inception-score": self._inception(tied.image)} | self._control_values(tied, free)
            rows += self._rows("imagenet-ablation", method, found, artefact, n)
        return results.keep(rows), stopped

    def _clean_readings(self) -> dict[str, float]:
        """What the oracle says of rendered parts that cannot have the failures of Figures 10 and 11, in percent."""
        n = self.real.n
        factors = factors_of(FREE, 2 * n, HELD_OUT)[:n]
        foregrounds, backgrounds = control.rendered_parts(factors)
        oracle = self.parts.oracle
        return {
            "entangled/foreground": _percent(control.entangled(foregrounds, factors.texture, oracle)),
            "legible/background": _percent(control.legible(backgrounds, factors.background, oracle)),
        }

    def _conjectured(self) -> dict[str, float]:
        """The seed's two conjectures as one number each, in points, where there is enough to measure."""
        entangled = control.entangled(self.tied.foreground, self.tied.labels[:, 1], self.parts.oracle)
        found = {
            "residue/growth": control.residue_growth([100 * float(each) for each in self.residue_log()["residue"]]),
            "entangled/small-masks": control.small_mask_effect(self.tied.area, entangled, self.tied.labels[:, 1]),
        }
        return {metric: value for metric, value in found.items() if value is not None}

    def _control_values(self, tied: Measured, free: Measured) -> dict[str, float]:
        oracle = self.parts.oracle
        read, features = oracle.read(free.image)
        matrix = control.control_matrix(read, free.labels)
        tied_truth, free_truth = (control.true_scenes(each.u, each.labels[:, 0]).mask for each in (tied, free))
        entangled = control.entangled(tied.foreground, tied.labels[:, 1], oracle)
        legible = control.legible(free.background, free.labels[:, 2], oracle)
        values = {f"control/{a}/{b}": value for a, line in matrix.items() for b, value in line.items()}
        return values | {
            "iou/teacher": control.overlap(tied.mask, self.teacher[1][: len(tied)]),
            "iou/true": control.overlap(tied.mask, tied_truth),
            "iou/true/free": control.overlap(free.mask, free_truth),
            "residue/mean": free.residue.mean().item(),
            "legible/background": _percent(legible),
            "entangled/foreground": _percent(entangled),
            "fid/tied": self._distance(oracle.read(tied.image)[1], "tied"),
            "fid/free": self._distance(features, "free"),
        }

    def _rows(
        self,
        experiment: str,
        method: str,
        values: dict[str, float],
        artefact: Artefact | None = None,
        n: int | None = None,
    ) -> list[Row]:
        """One row per metric. artefact: of the CGN, None for other images; n: images, by default `imagenet_samples`."""
        params: dict[str, Any] = {"splits": SPLITS, "truncation": TRUNCATION, "network": "toy classifier"}
        params["parts"] = judges_fingerprint()
        if method != "real":
            params |= {"sample_seed": self.parameters.seed, "teacher": fingerprint(self.parts.biggan)}
        if artefact is not None:
            params |= cgn_params(artefact)
        common: dict[str, Any] = {
            "experiment": experiment,
            "dataset": "toy",
            "method": method,
            "recipe": "-" if artefact is None else "toy",
            "n": n or self.parameters.imagenet_samples,
            "seed": self.parameters.seed,
            "profile": self.parameters.profile,
            "data": "toy-world",
            "params": params,
            "device": self.device,
            "code": code_and_rules("imagenet"),
            "seconds": None if artefact is None else artefact.seconds,
        }
        units = ((metric, UNITS.get(metric, UNITS.get(metric.split("/")[0], "percent"))) for metric in values)
        return [Row(**common, metric=metric, unit=unit, value=values[metric]) for metric, unit in units]

    def _inception(self, images: Tensor) -> float:
        logits = self.parts.classifier.read(images)[0]["shape"]
        return inception_score(logits, network="the toy classifier", truncation=TRUNCATION, splits=SPLITS).value

    def _distance(self, features: Tensor, kind: str) -> float:
        """From real images, as many as there are features: the distance depends on both numbers."""
        return frechet_distance(features, self._real_features[kind][: len(features)])

    def _u2net_overlap(self, images: ToyImages) -> float:
        """Mean IoU of the U2-Net's masks of rendered images with their true ones."""
        with torch.inference_mode():
            found = [self.parts.u2net(to_float(part)) for part in images.images[: self.real.n].split(100)]
        return control.overlap(torch.cat(found), images.masks[: self.real.n, None] > 127)

    # --- figures and the seed's conjectures ---------------------------------------------------------------------------

    def snapshots(self) -> dict[int, dict[str, Tensor]]:
        """Parts of one tied sample of each class through training, by update: premask, mask, ..., image, x_gt."""
        files = sorted(self.artefact.folder.glob("snapshot-*.safetensors"))
        return {int(file.stem.removeprefix("snapshot-")): load_file(file) for file in files}

    def residue_log(self) -> pd.DataFrame:
        """What the U2-Net finds in backgrounds through training: step and residue, a share of the image's area."""
        log = self.artefact.log()
        weight = self.artefact.config["recipe"]["lambda_background"]
        return pd.DataFrame({"step": log["step"], "residue": log["background"] / weight})

    def unpainted_through_training(self) -> pd.DataFrame:
        """Step and the mean over classes of `control.unpainted` of the backgrounds in the snapshots."""
        classes = torch.arange(self.cgn.num_classes)
        u = sample_latents(len(classes), self.cgn.z_dim, TRUNCATION, generator(0, "samples"))  # as `sample_classes`
        truth = control.true_scenes(u, classes)
        found = {step: control.unpainted(parts["background"], truth) for step, parts in self.snapshots().items()}
        return pd.DataFrame([{"step": step, "unpainted": values.mean().item()} for step, values in found.items()])

    def interpolations(self, steps: int = 8) -> dict[str, Tensor]:
        """Images (steps, 3, R, R) in [-1, 1] from class 0 to class 5, in one factor at a time and in all, by name."""
        u = sample_latents(1, self.cgn.z_dim, TRUNCATION, generator(self.parameters.seed, "imagenet", "interpolation"))
        u, start = u.to(self.device), (0, 0, 0)
        ends = {"shape": (5, 0, 0), "texture": (0, 5, 0), "background": (0, 0, 5), "all": (5, 5, 5)}
        return {name: interpolate(self.cgn, u, start, end, steps).image.cpu() for name, end in ends.items()}


def _percent(hits: Tensor) -> float:
    return 100 * hits.float().mean().item()
