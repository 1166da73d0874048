"""Claims 2 and 3 on ImageNet itself: ResNet-50 on ImageNet-mini with counterfactuals of the authors' CGN.

Settings are the study's. `imagenet_settings.blocked` says what is missing. Under torchrun or srun,
`python -m cgnreport.protocol.imagenet_classifier` trains in several processes.
"""

import argparse
import functools
import json
from typing import get_args

import torch
from PIL import Image
from safetensors import safe_open
from torch import Tensor

from cgnlib.data.finding import require
from cgnlib.data.folders import DRAWS, FolderSet, imagenet_9, imagenet_mini, random_crop
from cgnlib.errors import AssetError, Blocked, TrainingStopped
from cgnlib.imagenet import imagenet9
from cgnlib.imagenet.cue_conflict import batches, conflicting, stimuli
from cgnlib.imagenet.invariant import InvariantEnsemble, Logits
from cgnlib.imagenet.invariant_training import TrainedEnsemble
from cgnlib.imagenet.names import FACTORS
from cgnlib.imagenet.normalisation import IMAGENET_9
from cgnlib.imagenet.recipes import STUDY_CLASSIFIER, EnsembleRecipe
from cgnlib.imagenet.sampling import Sampling, Store
from cgnlib.imagenet.shape_bias import decisions
from cgnlib.images import to_float
from cgnlib.paths import build_folder, file_sha256
from cgnlib.training.processes import Launch, alone, launched
from cgnlib.training.weights import fingerprint
from cgnreport.protocol import imagenet_settings
from cgnreport.protocol.ensembles import EnsembleStudy, Right
from cgnreport.protocol.imagenet_cgn import authors_cgn
from cgnreport.protocol.imagenet_settings import METHODS, recipe_for
from cgnreport.protocol.parameters import Device, ParameterError, Parameters

GAP_SETS = ("original", "mixed-same", "mixed-rand")


class StoredImages(Store):
    """Counterfactuals on disk, once they are made, for training: cropped at random, read as they are drawn."""

    @functools.cached_property
    def shard(self) -> int:
        """Images in a file."""
        return json.loads(self.index.read_text())["config"]["shard"]

    @property
    def sha256(self) -> str:
        """SHA-256 of the store's index, which has the checksum of every file."""
        return file_sha256(self.index)

    def draw(self, index: Tensor, stream: torch.Generator) -> tuple[Tensor, Tensor]:
        """(B, 3, 224, 224) in [-1, 1] and labels (B, 3)."""
        draws = torch.rand(len(index), DRAWS, generator=stream)
        images, labels = [], []
        for i, numbers in zip(index.tolist(), draws, strict=True):
            shard, place = divmod(i, self.shard)
            with safe_open(self.folder / f"shard-{shard:05d}.safetensors", "pt") as stored:
                pixels, label = (stored.get_slice(name)[place] for name in ("images", "labels"))
            picture = random_crop(Image.fromarray(pixels.permute(1, 2, 0).numpy()), numbers)
            images.append(torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8).view(*picture.size, 3))
            labels.append(label)
        return to_float(torch.stack(images).permute(0, 3, 1, 2)), torch.stack(labels)


class PublishedStudy(EnsembleStudy):
    """The published experiment at one set of parameters. Raises AssetError where something is damaged."""

    def __init__(self, parameters: Parameters, device: str | None = None, launch: Launch = alone) -> None:
        setting = functools.partial(imagenet_settings.classifier, parameters)
        recipe = functools.partial(recipe_for, parameters=parameters)
        device = device or imagenet_settings.device(parameters) or "cpu"
        super().__init__(parameters, device, launch, setting, recipe)
        self.seeds = range(parameters.seed, parameters.seed + parameters.imagenet.real_seeds)
        self.folder, self.partial = parameters.data_folder, parameters.imagenet.partial

    def blocked(self, experiment: str) -> Blocked | None:
        return imagenet_settings.blocked(experiment, self.parameters)

    @functools.cached_property
    def counterfactuals(self) -> StoredImages:
        """Counterfactuals of the authors' CGN: 26 GB in the build folder for 100,000, made once."""
        cgn, n = authors_cgn(self.parameters, self.device), self.parameters.imagenet.real_counterfactuals
        store = StoredImages(build_folder() / "artefacts" / "counterfactuals" / f"{fingerprint(cgn)}-{n}")
        store.make(cgn, Sampling(n, seed=0))
        return store

    def generated(self, method: str) -> StoredImages | None:
        return self.counterfactuals if self.recipe(method).cf_ratio else None

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

    def trained(self, method: str, seed: int, recipe: EnsembleRecipe | None = None) -> TrainedEnsemble:
        """As in `EnsembleStudy`; all images are opened and counted before the first training, which takes hours."""
        _ = self.real, self.validation, self.gap_sets
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
        parts = list(batches(conflicting(stimuli(require("cue-conflict", self.folder)))))
        logits = joined([network.read(part.images) for part in parts])
        decided = {output: decisions(logits.output(output)) for output in ("avg", *FACTORS)}
        return decided, torch.cat([part.shapes for part in parts]), torch.cat([part.textures for part in parts])


def read(network: InvariantEnsemble, images: FolderSet, nine: bool = False) -> tuple[Logits, Tensor]:
    """Logits and labels of all images of a set; nine: with the normalisation of ImageNet-9's published evaluation."""
    found = [(network.read(pixels, IMAGENET_9 if nine else None), y) for pixels, y in images.batches()]
    return joined([logits for logits, _ in found]), torch.cat([y for _, y in found])


def joined(parts: list[Logits]) -> Logits:
    """Logits of several batches as those of one. Raises ValueError for NaN."""
    logits = Logits(*(torch.cat(each) for each in zip(*parts, strict=True)))
    imagenet9.check_logits(logits.avg)
    return logits


def main(arguments: list[str] | None = None) -> int:
    """Train the classifiers of scale `paper` and keep them."""
    parser = argparse.ArgumentParser(prog="python -m cgnreport.protocol.imagenet_classifier", description=__doc__)
    parser.add_argument("--method", action="append", choices=METHODS, help="default: all")
    parser.add_argument("--data-folder", help="your own copies of the data and weights")
    parser.add_argument("--device", choices=get_args(Device), default="auto")
    given = parser.parse_args(arguments)
    try:
        asked = {"data_folder": given.data_folder, "imagenet_device": given.device, "imagenet_real": "all"}
        study = PublishedStudy(Parameters.load("paper", asked), launch=launched)
        if reason := study.blocked("imagenet-background"):
            parser.exit(1, f"not tested: {reason}\n")
        study.train(given.method or METHODS, STUDY_CLASSIFIER.precision)
    except (AssetError, ParameterError, TrainingStopped) as error:
        parser.exit(1, f"{error}\n")
    except KeyboardInterrupt:
        parser.exit(130, "stopped; run the same command again to go on from the last checkpoint\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
