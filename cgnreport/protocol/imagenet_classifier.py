"""Claims 2 and 3 on ImageNet itself: ResNet-50 on ImageNet-mini with counterfactuals of the authors' CGN, and of the
study's.

Settings are the study's. `imagenet_settings.blocked` says what is missing. Under torchrun or srun,
`python -m cgnreport.protocol.imagenet_classifier` trains in several processes.
"""

import argparse
import functools
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import get_args

import torch
from PIL import Image
from safetensors import safe_open
from torch import Tensor

from cgnlib.data.finding import find
from cgnlib.data.folders import WORKERS, FolderSet, imagenet_9, imagenet_mini, random_crop
from cgnlib.errors import Blocked, told
from cgnlib.imagenet import imagenet9
from cgnlib.imagenet.cgn import ImageNetCGN
from cgnlib.imagenet.cue_conflict import Stimulus, batches, conflicting, stimuli, trials_of
from cgnlib.imagenet.invariant import InvariantEnsemble, Logits
from cgnlib.imagenet.invariant_training import TrainedEnsemble
from cgnlib.imagenet.names import FACTORS
from cgnlib.imagenet.normalisation import IMAGENET_9
from cgnlib.imagenet.recipes import STUDY_CLASSIFIER, EnsembleRecipe
from cgnlib.imagenet.sampling import Sampling, Store
from cgnlib.imagenet.shape_bias import Trials, decisions
from cgnlib.images import to_float
from cgnlib.paths import build_folder, file_sha256
from cgnlib.training.processes import Launch, alone, launched
from cgnlib.training.weights import fingerprint
from cgnreport.protocol import imagenet_settings
from cgnreport.protocol.ensembles import EnsembleStudy, Epoch, Right, bias_numbers
from cgnreport.protocol.experiments import GuardedStudy, Rows
from cgnreport.protocol.imagenet_cgn import authors_cgn, study_cgn
from cgnreport.protocol.imagenet_settings import (
    BACKGROUND,
    GRID,
    METHODS,
    SHAPE_BIAS,
    announcement,
    for_classifier,
    recipe_for,
)
from cgnreport.protocol.parameters import Device, Parameters
from cgnreport.protocol.rows import Number

GAP_SETS = ("original", "mixed-same", "mixed-rand")


class StoredImages(Store):
    """Counterfactuals on disk, once they are made, for training: cropped at random, read as they are drawn."""

    @functools.cached_property
    def shard(self) -> int:
        """Images in a file."""
        return self._read()["config"]["shard"]

    @property
    def sha256(self) -> str:
        """SHA-256 of the store's index, which has the checksum of every file."""
        return file_sha256(self.index)

    def draw(self, index: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
        """Random crops (B, 3, 224, 224) in [-1, 1], by draws (B, DRAWS) in [0, 1), and labels (B, 3)."""
        with ThreadPoolExecutor(WORKERS) as pool:
            images, labels = zip(*pool.map(self._one, index.tolist(), draws), strict=True)
        return to_float(torch.stack(images).permute(0, 3, 1, 2)), torch.stack(labels)

    def _one(self, i: int, numbers: Tensor) -> tuple[Tensor, Tensor]:
        shard, place = divmod(i, self.shard)
        with safe_open(self.folder / f"shard-{shard:05d}.safetensors", "pt") as stored:
            pixels, label = (stored.get_slice(name)[place] for name in ("images", "labels"))
        picture = random_crop(Image.fromarray(pixels.permute(1, 2, 0).numpy()), numbers)
        return torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8).view(*picture.size, 3), label


class PublishedStudy(EnsembleStudy, GuardedStudy):
    """The published experiment at one set of parameters."""

    def __init__(self, parameters: Parameters, device: str | None = None, launch: Launch = alone) -> None:
        setting = functools.partial(imagenet_settings.classifier, parameters)
        recipe = functools.partial(recipe_for, parameters=parameters)
        device = device or imagenet_settings.device(parameters) or "cpu"
        super().__init__(parameters, device, launch, setting, recipe)
        self.seeds = range(parameters.seed, parameters.seed + parameters.imagenet.real_seeds)
        self.folder, self.partial = parameters.data_folder, parameters.imagenet.partial
        self._stores: dict[str, StoredImages] = {}

    def blocked(self, experiment: str, method: str = "original+cgn") -> Blocked | None:
        if self.parameters.imagenet.real != "all":  # what the verdict takes, the same for all methods, and so said once
            return imagenet_settings.blocked(experiment, self.parameters)
        return imagenet_settings.blocked(experiment, self.parameters, for_classifier(method, experiment))

    def counterfactuals(self, method: str) -> StoredImages:
        """Counterfactuals of a method's CGN: 26 GB in the build folder for 100,000, made once."""
        if method not in self._stores:
            cgn = authors_cgn(self.parameters, self.device) if method == "original+cgn" else self._own_cgn
            n = self.parameters.imagenet.real_counterfactuals
            store = StoredImages(build_folder() / "artefacts" / "counterfactuals" / f"{fingerprint(cgn)}-{n}")
            store.make(cgn, Sampling(n, seed=0))
            self._stores[method] = store
        return self._stores[method]

    @property
    def _own_cgn(self) -> ImageNetCGN:
        return study_cgn(self.parameters, self.device)[0]

    def generated(self, method: str) -> StoredImages | None:
        return self.counterfactuals(method) if self.recipe(method).cf_ratio else None

    @functools.cached_property
    def real(self) -> FolderSet:
        """Training images of ImageNet-mini."""
        return imagenet_mini("train", self.folder, partial=self.partial)

    @functools.cached_property
    def validation(self) -> FolderSet:
        """Validation images of ImageNet-mini."""
        return imagenet_mini("val", self.folder, partial=self.partial)

    @functools.cached_property
    def gap_sets(self) -> dict[str, FolderSet]:
        """The sets of ImageNet-9 that BG-gap takes."""
        return {name: imagenet_9(name, self.folder, partial=self.partial) for name in GAP_SETS}

    @functools.cached_property
    def stimuli(self) -> list[Stimulus]:
        """The cue-conflict stimuli that conflict, each of them decoded once; none where they are nowhere."""
        folder = find("cue-conflict", self.folder)
        chosen = conflicting(stimuli(folder)) if folder else []
        for _ in batches(chosen):
            pass
        return chosen

    def trained(self, method: str, seed: int, recipe: EnsembleRecipe | None = None) -> TrainedEnsemble:
        """As in `EnsembleStudy`; all images are opened and counted before the first training, which takes hours."""
        _ = self.real, self.validation, self.gap_sets, self.stimuli
        return super().trained(method, seed, recipe)

    def score(self, network: InvariantEnsemble) -> float:
        """Top-1 accuracy, as published."""
        logits, labels = self.in_domain(network)
        return imagenet9.top_k(logits.avg, labels, 1).value

    def right(self, network: InvariantEnsemble, outputs: tuple[str, ...]) -> dict[str, Right]:
        sets = {name: read(network, images, nine=True) for name, images in self.gap_sets.items()}
        return {
            output: {name: imagenet9.predict(logits.output(output)) == y for name, (logits, y) in sets.items()}
            for output in outputs
        }

    def in_domain(self, network: InvariantEnsemble) -> tuple[Logits, Tensor]:
        return read(network, self.validation)

    def cue_conflicts(self, network: InvariantEnsemble) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        found = self.trials(network)
        return {output: each.decided for output, each in found.items()}, found["avg"].shapes, found["avg"].textures

    def trials(self, network: InvariantEnsemble, enlarge: bool = False) -> dict[str, Trials]:
        """Decisions on the conflicting stimuli by output. enlarge: as `cue_conflict.batches`."""
        logits = joined([network.read(part.images) for part in batches(self.stimuli, enlarge=enlarge)])
        names = [stimulus.path.name for stimulus in self.stimuli]
        return {output: trials_of(decisions(logits.output(output)), names) for output in ("avg", *FACTORS)}

    def shape_bias_rows(self, method: str, enlarge: bool = False) -> Rows:
        """As in `EnsembleStudy`, with intervals over shape images and texture images, crossed.

        enlarge: show the stimuli as SG21's code does, and so the study: enlarged, without their border.
        """

        def measure(network: InvariantEnsemble, seed: int, epoch: Epoch) -> list[Number]:
            numbers = []
            for output, each in self.trials(network, enlarge).items():
                any_cue = bool(((each.decided == each.shapes) | (each.decided == each.textures)).any())
                interval = each.interval() if any_cue else None
                numbers += bias_numbers(each.decided, each.shapes, each.textures, output, epoch, interval)
            return numbers

        return self._rows(SHAPE_BIAS, method, measure, enlarge=enlarge)

    def grid_rows(self) -> list[Rows]:
        """Rows of Table 7 (experiment imagenet-grid), a frame per cell; empty where `imagenet_real_grid` is not set."""
        cells = imagenet_settings.grid(self.parameters) if self.parameters.imagenet.real_grid else []
        return [self.cell(self.setting(GRID, method, recipe), recipe) for method, recipe in cells]


def read(network: InvariantEnsemble, images: FolderSet, nine: bool = False) -> tuple[Logits, Tensor]:
    """Logits and labels of all images of a set; nine: with the normalisation of ImageNet-9's published evaluation."""
    found = [(network.read(pixels, IMAGENET_9 if nine else None), y) for pixels, y in images.batches()]
    return joined([logits for logits, _ in found]), torch.cat([y for _, y in found])


def joined(parts: list[Logits]) -> Logits:
    """Logits of several batches as those of one. Raises ValueError for NaN."""
    logits = Logits(*(torch.cat(each) for each in zip(*parts, strict=True)))
    imagenet9.check_logits(logits.avg)
    return logits


@told()
def main(arguments: list[str] | None = None) -> int:
    """Train the classifiers of scale `paper` and keep them."""
    parser = argparse.ArgumentParser(prog="python -m cgnreport.protocol.imagenet_classifier", description=__doc__)
    parser.add_argument("--method", action="append", choices=METHODS, help="default: all")
    parser.add_argument("--data-folder", help="your own copies of the data and weights")
    parser.add_argument("--device", choices=get_args(Device), default="auto")
    given = parser.parse_args(arguments)
    asked = {"data_folder": given.data_folder, "imagenet_device": given.device, "imagenet_real": "all"}
    study = PublishedStudy(Parameters.load("paper", asked), launch=launched)
    reasons = {method: study.blocked(BACKGROUND, method) for method in given.method or METHODS}
    for reason in dict.fromkeys(filter(None, reasons.values())):
        print(f"not tested: {reason}", file=sys.stderr)
    if all(reasons.values()):
        return 1
    for line in announcement(study.parameters):
        print(f"computed for the whole report: {line}")
    study.train([method for method, reason in reasons.items() if not reason], STUDY_CLASSIFIER.precision)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
