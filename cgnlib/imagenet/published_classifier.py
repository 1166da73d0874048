"""Claims 2 and 3 on ImageNet itself: ResNet-50 on ImageNet-mini with counterfactuals of the authors' CGN.

Settings are the seed's, the CF ratio 2.0 included. Nothing here is downloaded; what is missing is said in words. Under
torchrun or srun, `python -m cgnlib.imagenet.published_classifier` trains in several processes.
"""

import argparse
import functools
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from PIL import Image
from safetensors import safe_open
from torch import Tensor

from cgnlib.fetching import AssetError
from cgnlib.imagenet import imagenet9
from cgnlib.imagenet.cue_conflict import batches as stimulus_batches
from cgnlib.imagenet.cue_conflict import conflicting, stimuli
from cgnlib.imagenet.folders import DRAWS, ImageSet, imagenet_9, imagenet_mini, random_crop
from cgnlib.imagenet.invariant import HEADS, IMAGENET_9, InvariantEnsemble, Logits, ensemble
from cgnlib.imagenet.invariant_study import bias_values, gap_change, gap_values, rows_of, with_bounds
from cgnlib.imagenet.invariant_training import SEED, EnsembleRecipe, TrainedEnsemble, train_ensemble
from cgnlib.imagenet.processes import Launch, alone, launched
from cgnlib.imagenet.published_cgn import authors_cgn
from cgnlib.imagenet.sampling import Sampling, Store
from cgnlib.imagenet.shape_bias import decisions
from cgnlib.images import to_float
from cgnlib.parameters import StudyParameters
from cgnlib.paths import build_folder, project_root
from cgnlib.registry import find, missing
from cgnlib.results import keep
from cgnlib.training import TrainingStopped, fingerprint
from cgnlib.verdicts import code_and_rules

NEEDED = ("imagenet-mini", "imagenet-9", "resnet50", "authors-imagenet")
METHODS = ("original", "original+cgn")
COUNTERFACTUALS = 100_000  # as published
GAP_SETS = ("original", "mixed-same", "mixed-rand")


def why_not(parameters: StudyParameters) -> str:
    """Why nothing is trained on ImageNet, and how to get what is missing; "" if it can be done."""
    reasons = [missing(NEEDED, parameters.data_folder)]
    if not torch.cuda.is_available():
        reasons.append("missing a CUDA device: the seed's classifiers took up to five hours on one")
    if parameters.profile != "paper":
        reasons.append(f"not part of scale {parameters.profile}: run scale paper")
    return "; ".join(reason for reason in reasons if reason)


class StoredImages:
    """Counterfactuals in the folder of a finished `Store`, for training: cropped at random, read as they are drawn."""

    def __init__(self, folder: Path) -> None:
        self.files = sorted(folder.glob("shard-*.safetensors"))
        sizes = []
        for file in self.files:
            with safe_open(file, "pt") as stored:
                sizes.append(stored.get_slice("labels").get_shape()[0])
        self.ends = torch.tensor(sizes).cumsum(0)

    def __len__(self) -> int:
        return int(self.ends[-1])

    @property
    def sha256(self) -> str:
        """Of the store's index, which has the checksum of every file."""
        return hashlib.sha256((self.files[0].parent / "index.json").read_bytes()).hexdigest()

    def draw(self, index: Tensor, stream: torch.Generator) -> tuple[Tensor, Tensor]:
        """(B, 3, 224, 224) in [-1, 1] and labels (B, 3)."""
        draws = torch.rand(len(index), DRAWS, generator=stream)
        images, labels = [], []
        for i, numbers in zip(index.tolist(), draws, strict=True):
            shard = int(torch.searchsorted(self.ends, i, right=True))
            place = i - (int(self.ends[shard - 1]) if shard else 0)
            with safe_open(self.files[shard], "pt") as stored:
                pixels, label = (stored.get_slice(name)[place] for name in ("images", "labels"))
            picture = random_crop(Image.fromarray(pixels.permute(1, 2, 0).numpy()), numbers)
            images.append(torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8).view(*picture.size, 3))
            labels.append(label)
        return to_float(torch.stack(images).permute(0, 3, 1, 2)), torch.stack(labels)


class PublishedStudy:
    """The published experiment at one set of parameters. Raises AssetError where something is missing or damaged."""

    def __init__(self, parameters: StudyParameters, device: str = "cuda", launch: Launch = alone) -> None:
        self.parameters, self.device, self.launch = parameters, device, launch

    @functools.cached_property
    def counterfactuals(self) -> StoredImages:
        """Of the authors' CGN: 20 GB in the build folder, made once."""
        cgn = authors_cgn(self.parameters, self.device)
        folder = build_folder() / "artefacts" / "counterfactuals" / fingerprint(cgn)
        Store(folder).make(cgn, Sampling(COUNTERFACTUALS, seed=0))
        return StoredImages(folder)

    @functools.cached_property
    def validation(self) -> ImageSet:
        return imagenet_mini("val", self.parameters.data_folder)

    def recipe(self, method: str) -> EnsembleRecipe:
        """Raises ValueError for an unknown method."""
        if method not in METHODS:
            raise ValueError(f"unknown method {method!r}: choose one of {', '.join(METHODS)}")
        return SEED if method == "original+cgn" else replace(SEED, cf_ratio=0.0)

    @functools.cache  # noqa: B019  (a study lives as long as its notebook)
    def trained(self, method: str, seed: int) -> TrainedEnsemble:
        """Trained, resumed or loaded. Top-1 accuracy on the validation images chooses the best epoch, as published."""
        recipe = self.recipe(method)

        def score(network: InvariantEnsemble) -> float:
            logits, labels = read(network, self.validation)
            return imagenet9.top_k(logits.avg, labels, 1).value

        return train_ensemble(
            ensemble(recipe.backbone, seed),
            recipe,
            imagenet_mini("train", self.parameters.data_folder),
            self.counterfactuals if recipe.cf_ratio else None,
            score,
            seed,
            device=self.device,
            launch=self.launch,
            about={"validation": self.validation.sha256},
        )

    @property
    def seeds(self) -> range:
        return range(self.parameters.seed, self.parameters.seed + self.parameters.imagenet_classifier_seeds)

    def rows(self, method: str) -> pd.DataFrame:
        """Rows of Table 5 (imagenet-background), of Table 4's accuracies (imagenet-indomain) and, where the stimuli are
        at hand, of its shape biases (imagenet-shape-bias); metrics as those of `ClassifierStudy`, last and best epoch.
        """
        tables = {
            ("imagenet-background", "imagenet-9"): self._gaps,
            ("imagenet-indomain", "imagenet-mini"): self._accuracies,
            ("imagenet-shape-bias", "cue-conflict"): self._biases,
        }
        found = []
        for (experiment, dataset), values in tables.items():
            about = self._about(experiment, dataset, method)
            kept = []
            for seed in self.seeds:
                trained = self.trained(method, seed)
                measured = values(method, seed, "last")
                measured |= {f"{metric}/best": value for metric, value in values(method, seed, "best").items()}
                kept += rows_of(about, measured, seed, trained.seconds)
            if kept:
                found.append(keep(kept))
        return pd.concat(found, ignore_index=True)

    def _about(self, experiment: str, dataset: str, method: str) -> dict[str, Any]:
        recipe = self.recipe(method)
        params: dict[str, Any] = {"epochs": recipe.epochs, "batch": recipe.batch_size, "lr": recipe.learning_rate}
        params |= {"cf_ratio": recipe.cf_ratio, "backbone": recipe.backbone, "train": "imagenet-mini"}
        if recipe.cf_ratio:
            params["generated"] = len(self.counterfactuals)
        return {
            "experiment": experiment,
            "dataset": dataset,
            "method": method,
            "recipe": "authors" if recipe.cf_ratio else "-",
            "profile": self.parameters.profile,
            "data": "imagenet-mini" if dataset == "imagenet-mini" else f"imagenet-mini+{dataset}",
            "params": params,
            "device": self.device,
            "code": code_and_rules("imagenet"),
        }

    @functools.cache  # noqa: B019
    def _right(self, method: str, seed: int, at: str) -> dict[str, dict[str, Tensor]]:
        """Which images of ImageNet-9 are predicted right, by output and set."""
        network = getattr(self.trained(method, seed), at)
        found: dict[str, dict[str, Tensor]] = {"avg": {}, "shape_texture": {}}
        for name in GAP_SETS:
            logits, labels = read(network, imagenet_9(name, self.parameters.data_folder), nine=True)
            for output, right in found.items():
                right[name] = imagenet9.predict(logits.output(output)) == labels
        return found

    def _gaps(self, method: str, seed: int, at: str) -> dict[str, tuple[float, int, str]]:
        found = self._right(method, seed, at)
        values: dict[str, tuple[float, int, str]] = {}
        for output, suffix in (("avg" if method == "original" else "shape_texture", ""), ("avg", "/avg")):
            right = found[output]
            # Where image i of both sets shows other objects, pairs are as good as random, and so is the interval.
            values |= gap_values(right, suffix)
            if method != "original":
                change = gap_change(right, self._right("original", seed, at)["avg"])
                values |= with_bounds("bg-gap/change", change.scaled(100), len(right["mixed-same"]), suffix)
        return values

    def _accuracies(self, method: str, seed: int, at: str) -> dict[str, tuple[float, int, str]]:
        logits, labels = read(getattr(self.trained(method, seed), at), self.validation)
        shares = {f"accuracy/top{k}": imagenet9.top_k(logits.avg, labels, k) for k in (1, 5)}
        shares |= {f"accuracy/top1/{head}": imagenet9.top_k(logits.output(head), labels, 1) for head in HEADS}
        return {metric: (100 * share.value, len(labels), "percent") for metric, share in shares.items()}

    def _biases(self, method: str, seed: int, at: str) -> dict[str, tuple[float, int, str]]:
        folder = find("cue-conflict", self.parameters.data_folder)
        if folder is None:
            return {}
        network, parts = getattr(self.trained(method, seed), at), list(stimulus_batches(conflicting(stimuli(folder))))
        logits = joined([network.read(part.images) for part in parts])
        shapes, textures = (torch.cat(each) for each in zip(*((b.shapes, b.textures) for b in parts), strict=True))
        return bias_values({name: decisions(logits.output(name)) for name in ("avg", *HEADS)}, shapes, textures)


def read(network: InvariantEnsemble, images: ImageSet, nine: bool = False) -> tuple[Logits, Tensor]:
    """Logits and labels of all images of a set; nine: with the normalisation of ImageNet-9's published evaluation."""
    found, labels = [], []
    for pixels, y in images.batches():
        found.append(network.read(pixels, IMAGENET_9 if nine else None))
        labels.append(y)
    return joined(found), torch.cat(labels)


def joined(parts: list[Logits]) -> Logits:
    """One after the other."""
    return Logits(*(torch.cat(each) for each in zip(*parts, strict=True)))


def main(arguments: list[str] | None = None) -> int:
    """Train the classifiers of scale `paper` and keep their rows."""
    parser = argparse.ArgumentParser(prog="python -m cgnlib.imagenet.published_classifier", description=__doc__)
    parser.add_argument("--method", action="append", choices=METHODS, help="default: all")
    parser.add_argument("--data-folder", help="your own copies of the data and weights")
    given = parser.parse_args(arguments)
    parameters = replace(StudyParameters.load(project_root() / "params" / "paper.yaml"), data_folder=given.data_folder)
    if reason := why_not(parameters):
        parser.exit(1, f"not tested: {reason}\n")
    study = PublishedStudy(parameters, launch=launched)
    fabric = launched(study.device, SEED.precision)  # before anything else, so that "cuda" is this process's own
    try:
        for method in given.method or METHODS:
            trained = [study.trained(method, seed) for seed in study.seeds]
            if fabric.is_global_zero:
                print(f"{method}: " + ", ".join(str(each.artefact.weights) for each in trained))
    except (AssetError, TrainingStopped) as error:
        parser.exit(1, f"{error}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
