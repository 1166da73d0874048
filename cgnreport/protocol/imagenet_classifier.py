"""Claims 2 and 3 on ImageNet itself: ResNet-50 on ImageNet-mini with counterfactuals of the authors' CGN.

Settings are the study's. `imagenet_settings.blocked` says what is missing. Under torchrun or srun,
`python -m cgnreport.protocol.imagenet_classifier` trains in several processes.
"""

import argparse
import functools
import hashlib
import json
from pathlib import Path

import torch
from PIL import Image
from safetensors import safe_open
from torch import Tensor

from cgnlib.data.finding import require
from cgnlib.data.folders import DRAWS, FolderSet, imagenet_9, imagenet_mini, random_crop
from cgnlib.errors import AssetError, Blocked, TrainingStopped
from cgnlib.imagenet import imagenet9
from cgnlib.imagenet.cue_conflict import batches, conflicting, stimuli
from cgnlib.imagenet.invariant import InvariantEnsemble, Logits, ensemble
from cgnlib.imagenet.invariant_training import TrainedEnsemble, train_ensemble
from cgnlib.imagenet.names import FACTORS
from cgnlib.imagenet.normalisation import IMAGENET_9
from cgnlib.imagenet.recipes import STUDY_CLASSIFIER
from cgnlib.imagenet.sampling import Sampling, Store
from cgnlib.imagenet.shape_bias import decisions
from cgnlib.images import to_float
from cgnlib.paths import build_folder
from cgnlib.training.processes import Launch, alone, launched
from cgnlib.training.weights import fingerprint
from cgnreport.protocol import imagenet_settings
from cgnreport.protocol.ensembles import EnsembleStudy, Right
from cgnreport.protocol.imagenet_cgn import authors_cgn
from cgnreport.protocol.imagenet_settings import COUNTERFACTUALS, METHODS, recipe_for
from cgnreport.protocol.parameters import ParameterError, Parameters
from cgnreport.protocol.rows import Setting

GAP_SETS = ("original", "mixed-same", "mixed-rand")


class StoredImages:
    """Counterfactuals in the folder of a finished `Store`, for training: cropped at random, read as they are drawn."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.index = folder, (folder / "index.json").read_bytes()
        config = json.loads(self.index)["config"]
        self.n, self.shard = config["n"], config["shard"]

    def __len__(self) -> int:
        return self.n

    @property
    def sha256(self) -> str:
        """SHA-256 of the store's index, which has the checksum of every file."""
        return hashlib.sha256(self.index).hexdigest()

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

    def __init__(self, parameters: Parameters, device: str = "cuda", launch: Launch = alone) -> None:
        super().__init__(parameters, device, launch)
        self.folder = parameters.data_folder
        self._trained: dict[tuple[str, int], TrainedEnsemble] = {}

    def setting(self, experiment: str, method: str) -> Setting:
        return imagenet_settings.classifier(self.parameters, experiment, method)

    def blocked(self, experiment: str) -> Blocked | None:
        return imagenet_settings.blocked(experiment, self.parameters)

    @functools.cached_property
    def counterfactuals(self) -> StoredImages:
        """Counterfactuals of the authors' CGN: 20 GB in the build folder, made once."""
        cgn = authors_cgn(self.parameters, self.device)
        folder = build_folder() / "artefacts" / "counterfactuals" / fingerprint(cgn)
        Store(folder).make(cgn, Sampling(COUNTERFACTUALS, seed=0))
        return StoredImages(folder)

    @functools.cached_property
    def validation(self) -> FolderSet:
        """Validation images of ImageNet-mini."""
        return imagenet_mini("val", self.folder)

    def trained(self, method: str, seed: int) -> TrainedEnsemble:
        """Trained, resumed or loaded. Top-1 accuracy on the validation images chooses the best epoch, as published."""
        if (method, seed) not in self._trained:
            recipe = recipe_for(method)

            def score(network: InvariantEnsemble) -> float:
                logits, labels = read(network, self.validation)
                return imagenet9.top_k(logits.avg, labels, 1).value

            self._trained[method, seed] = train_ensemble(
                ensemble(recipe.backbone, seed),
                recipe,
                imagenet_mini("train", self.folder),
                self.counterfactuals if recipe.cf_ratio else None,
                score,
                seed,
                device=self.device,
                launch=self.launch,
                about={"validation": self.validation.sha256},
            )
        return self._trained[method, seed]

    def right(self, network: InvariantEnsemble, outputs: tuple[str, ...]) -> dict[str, Right]:
        sets = {name: read(network, imagenet_9(name, self.folder), nine=True) for name in GAP_SETS}
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
    found, labels = [], []
    for pixels, y in images.batches():
        found.append(network.read(pixels, IMAGENET_9 if nine else None))
        labels.append(y)
    return joined(found), torch.cat(labels)


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
    given = parser.parse_args(arguments)
    try:
        study = PublishedStudy(Parameters.load("paper", {"data_folder": given.data_folder}), launch=launched)
        if reason := study.blocked("imagenet-background"):
            parser.exit(1, f"not tested: {reason}\n")
        study.train(given.method or METHODS, STUDY_CLASSIFIER.precision)
    except (AssetError, ParameterError, TrainingStopped) as error:
        parser.exit(1, f"{error}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
