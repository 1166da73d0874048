"""Claims 2 and 3 at ImageNet as steps that any notebook can call: the toy world's Tables 4, 5 and 7.

Several processes train one classifier by `torchrun --nproc-per-node 2 -m cgnreport.protocol.toy_classifier --profile
paper`, or by srun.
"""

import argparse
import functools
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cgnlib.errors import known, told
from cgnlib.imagenet.gradcam import head_maps
from cgnlib.imagenet.invariant import InvariantEnsemble, Logits, real_loss
from cgnlib.imagenet.invariant_training import ImagesInMemory
from cgnlib.imagenet.names import FACTORS, OUTPUTS
from cgnlib.imagenet.recipes import TOY_CLASSIFIER
from cgnlib.imagenet.sampling import Sampling, Store, draw_labels, draw_noise
from cgnlib.imagenet.toy.parts import toy_parts
from cgnlib.imagenet.toy.quality import HELD_OUT
from cgnlib.images import to_float, to_uint8
from cgnlib.randomness import derive_seed
from cgnlib.toyworld.sets import FREE, MIXED_BOTH, TRAIN, ToyImages, build, noisy
from cgnlib.toyworld.world import SIZE
from cgnlib.training.processes import Launch, alone, launched
from cgnlib.training.weights import fingerprint
from cgnreport.protocol.ensembles import EnsembleStudy, Right
from cgnreport.protocol.experiments import Measured, Rows
from cgnreport.protocol.parameters import IMAGENET_METHODS, PROFILES, Parameters
from cgnreport.protocol.pictures import keep_tiles, kept_tiles
from cgnreport.protocol.rows import Number
from cgnreport.protocol.toy_cgn import toy_cgn
from cgnreport.protocol.toy_settings import GRID_RATES, GRID_RATIOS, NOISE, ToySettings

GAP_SETS = ("original", "mixed-same", "mixed-rand", "only-background", MIXED_BOTH)  # of Table 5, and with free textures
MAPPED, SHOWN = 200, 8  # images whose heat maps are measured, at most, and whose are kept as a picture
VALIDATION_SEED = HELD_OUT + 1  # of the images that choose the best epoch; test sets have HELD_OUT


class ClassifierStudy(EnsembleStudy):
    """Tables 4, 5 and 7 in the toy world at one set of parameters."""

    def __init__(self, parameters: Parameters, device: str | None = None, launch: Launch = alone) -> None:
        self.settings, self.imagenet = ToySettings(parameters), parameters.imagenet
        super().__init__(parameters, device, launch, self.settings.classifier, self.settings.recipe)
        self._tests: dict[str, ToyImages] = {}
        self._generated: dict[str, ImagesInMemory] = {}

    # --- Data -------------------------------------------------------------------------------------------------------

    @functools.cached_property
    def real(self) -> ImagesInMemory:
        """Class-tied training images."""
        return self._tied(TRAIN, self.imagenet.train_images, derive_seed(self.parameters.seed, "classifier", "real"))

    @functools.cached_property
    def validation(self) -> ImagesInMemory:
        """Images like the training images, which choose the best epoch."""
        return self._tied("original", self.imagenet.test_images, VALIDATION_SEED)

    def _tied(self, name: str, n: int, seed: int) -> ImagesInMemory:
        found = build(name, n, seed)
        return ImagesInMemory(found.images, found.shape)

    def test_set(self, name: str) -> ToyImages:
        """A test set of `toyworld.sets`, the same at every random seed."""
        if name not in self._tests:
            self._tests[name] = build(name, self.imagenet.test_images, HELD_OUT)
        return self._tests[name]

    def generated(self, method: str) -> ImagesInMemory | None:
        """What a method adds to the original images, as many as `imagenet_counterfactuals`; None for "original".

        Labels are (N, 3): shape, texture, background. Raises ValueError for an unknown method.
        """
        if known("method", method, IMAGENET_METHODS) == "original":
            return None
        if method not in self._generated:
            n, seed = self.imagenet.counterfactuals, self.parameters.seed
            if method == "original+oracle":
                found = build(FREE, n, derive_seed(seed, "classifier", "free"))
                labels = torch.stack([found.shape, found.texture, found.background], dim=1)
                self._generated[method] = ImagesInMemory(found.images, labels)
            elif method == "original+gan":
                self._generated[method] = self._teacher_images(Sampling(n, "tied", seed=seed))
            else:
                self._generated[method] = self._counterfactuals(method, Sampling(n, "random", seed=seed))
        return self._generated[method]

    def _counterfactuals(self, method: str, sampling: Sampling) -> ImagesInMemory:
        cgn, artefact = toy_cgn(self.settings.cgn(method), self.parameters.seed, self.device)
        store = Store(artefact.folder / f"counterfactuals-{sampling.n}-{sampling.seed}-{fingerprint(cgn)}")
        store.make(cgn, sampling)
        images, _, labels = (torch.cat(parts) for parts in zip(*store, strict=True))
        return ImagesInMemory(images, labels)

    def _teacher_images(self, sampling: Sampling) -> ImagesInMemory:
        """Images of the toy world's BigGAN: the same generator as the CGN's, but one label for the whole image."""
        gan = toy_parts().biggan.to(self.device)
        images, labels = [], []
        with torch.inference_mode():
            for shard in range(sampling.shards):
                drawn = draw_labels(sampling, shard, gan.config.num_classes)
                u = draw_noise(sampling, shard, gan.config.z_dim)
                vectors = F.one_hot(drawn[:, 0], gan.config.num_classes).float()
                for noise, y in zip(u.split(50), vectors.split(50), strict=True):
                    x_gt = gan(noise.to(self.device), y.to(self.device), sampling.truncation)
                    images.append(to_uint8(x_gt).contiguous().cpu())
                labels.append(drawn)
        return ImagesInMemory(torch.cat(images), torch.cat(labels))

    # --- Classifiers ------------------------------------------------------------------------------------------------

    def score(self, network: InvariantEnsemble) -> float:
        """The least cross-entropy is best; accuracy, as published, soon is 100 %."""
        return -real_loss(network.read(self.validation.images), self.validation.labels).item()

    def right(self, network: InvariantEnsemble, outputs: tuple[str, ...]) -> dict[str, Right]:
        sets = {name: self.test_set(name) for name in GAP_SETS}
        read = {name: network.read(images.images) for name, images in sets.items()}
        return {
            output: {name: read[name].output(output).argmax(dim=1) == sets[name].shape for name in sets}
            for output in outputs
        }

    def in_domain(self, network: InvariantEnsemble) -> tuple[Logits, Tensor]:
        images = self.test_set("original")
        return network.read(images.images), images.shape

    def harder(self, network: InvariantEnsemble) -> dict[str, Tensor]:
        images, found = self.test_set("original"), {}
        for severity, deviation in NOISE.items():
            logits = network.read(noisy(images.images, deviation, HELD_OUT))
            found[f"accuracy/noise-{severity}"] = logits.avg.argmax(dim=1) == images.shape
        return found

    def cue_conflicts(self, network: InvariantEnsemble) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        images = self.test_set("cue-conflict")
        logits = network.read(images.images)
        decided = {output: logits.output(output).argmax(dim=1) for output in ("avg", *FACTORS)}
        return decided, images.shape, images.texture

    # --- Table 7 ----------------------------------------------------------------------------------------------------

    def grid_rows(self) -> list[Rows]:
        """Rows of Table 7 (experiment imagenet-grid), learning rate by CF ratio, one random seed; a frame per cell.

        Metrics of Table 5 at output shape_texture ("original": avg), and "best-epoch", from 1. Empty where the
        parameters leave the table out (`imagenet_grid`).
        """
        cells = product(GRID_RATES, GRID_RATIOS) if self.imagenet.grid else ()
        return [self.cell(*self.settings.grid(rate, ratio)) for rate, ratio in cells]

    # --- Heat maps --------------------------------------------------------------------------------------------------

    def head_map_rows(self, method: str) -> Rows:
        """Rows of where each output looks (experiment imagenet-gradcam); first maps of the first seed are kept.

        On images of mixed-rand, whose background is of another class than the object, at most MAPPED. "on-object": mean
        share of the map on the object, a fraction, n maps that are not empty (no row where there is none); "empty":
        percent of maps; "on-object/uniform": of a map that is the same everywhere.
        """
        setting = self.setting("imagenet-gradcam", method)

        def measure(seed: int) -> Measured:
            images = self.test_set("mixed-rand")
            masks, pixels = images.masks[:MAPPED].float() / 255, to_float(images.images[:MAPPED])
            maps = {output: head_maps(self.network(method, seed), pixels, output) for output in OUTPUTS}
            if seed == self.parameters.seed:
                tiles = torch.stack([each.maps[:SHOWN, None] for each in maps.values()])
                keep_tiles((tiles * 255).round().to(torch.uint8).numpy(), setting, setting.experiment, seed)
            numbers = [Number("on-object/uniform", masks.mean().item(), len(masks), "fraction")]
            for output, found in maps.items():
                empty, shares = 100 * found.empty.float().mean().item(), found.on_object(masks)
                numbers.append(Number("empty", empty, len(masks), output=output, epoch="last"))
                if len(shares := shares[~shares.isnan()]):
                    value = shares.mean().item()
                    numbers.append(Number("on-object", value, len(shares), "fraction", output, "last"))
            return Measured(numbers, self.trained(method, seed).seconds)

        return self.rows(setting, measure, self.seeds)

    def head_map_tiles(self, method: str) -> dict[str, np.ndarray]:
        """Maps by output, (8, 64, 64) in [0, 1], of the first images of mixed-rand and the first seed's classifier.

        As kept beside the rows; empty where they are not.
        """
        setting = self.setting("imagenet-gradcam", method)
        tiles = kept_tiles(setting, setting.experiment, self.parameters.seed, SIZE)
        return {} if tiles is None else dict(zip(OUTPUTS, tiles[:, :, 0].astype(np.float32) / 255, strict=True))


@told()
def main(arguments: list[str] | None = None) -> int:
    """Train the classifiers of the parameters and keep them; under torchrun or srun, all processes train each one."""
    parser = argparse.ArgumentParser(prog="python -m cgnreport.protocol.toy_classifier", description=__doc__)
    parser.add_argument("--profile", default="quick", choices=PROFILES, help="scale: a file of params/ (quick)")
    parser.add_argument("--method", action="append", choices=IMAGENET_METHODS, help="default: the scale's")
    given = parser.parse_args(arguments)
    study = ClassifierStudy(Parameters.load(given.profile), launch=launched)
    study.train(given.method or study.imagenet.methods, TOY_CLASSIFIER.precision)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
