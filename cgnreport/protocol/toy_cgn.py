"""Claim 1 at ImageNet as steps that any notebook can call, in any order: CGNs, samples, measures, rows.

The toy world has true factors and masks; for ImageNet's own networks see `imagenet_cgn`.
"""

import functools
from collections.abc import Callable, Mapping

import pandas as pd
import torch
from torch import Tensor

from cgnlib.features import perceptual_features
from cgnlib.imagenet import control
from cgnlib.imagenet.cgn import ImageNetCGN, Parts
from cgnlib.imagenet.evaluation import frechet_distance, inception_score, kernel_distance, mask_statistics
from cgnlib.imagenet.names import FACTOR_OF_METRIC
from cgnlib.imagenet.recipes import ImageNetRecipe
from cgnlib.imagenet.sampling import Sampling
from cgnlib.imagenet.toy.parts import ToyParts, toy_parts
from cgnlib.imagenet.toy.quality import HELD_OUT
from cgnlib.imagenet.training import sample_noise, train_imagenet_cgn
from cgnlib.images import to_float
from cgnlib.toyworld.sets import FREE, TRAIN, ToyImages, build, factors_of
from cgnlib.training.artefact import Artefact
from cgnreport.protocol.experiments import Measured, Rows, Study
from cgnreport.protocol.parameters import Parameters
from cgnreport.protocol.rows import Number
from cgnreport.protocol.toy_settings import SPLITS, TOY_FEATURES, TRUNCATION, ToySettings

# By metric or by its first part; all others are percent.
UNITS = {"inception-score": "score", "mask": "fraction", "iou": "fraction", "residue": "fraction"}
UNITS |= {"fid": "distance", "kid": "distance", "residue/growth": "points", "entangled/small-masks": "points"}


def toy_cgn(recipe: ImageNetRecipe, seed: int, device: str) -> tuple[ImageNetCGN, Artefact]:
    """The toy world's CGN (trained, resumed or loaded) in eval mode, with its artefact.

    Raises AssetError where the toy world's pre-trained parts are missing, TrainingStopped where training diverges.
    """
    parts = toy_parts()
    cgn, features = ImageNetCGN(parts.biggan, parts.u2net), perceptual_features(TOY_FEATURES)
    return train_imagenet_cgn(cgn, recipe, features, seed, world="toy", device=device)


class ToyStudy(Study):
    """The toy world's half of Table 3 and of Figures 7 to 12 at one set of parameters. Rows: one frame per method."""

    def __init__(self, parameters: Parameters, device: str | None = None) -> None:
        super().__init__(parameters, device)
        self.settings, self.n = ToySettings(parameters), parameters.imagenet.samples

    # --- Images -----------------------------------------------------------------------------------------------------

    @functools.cached_property
    def parts(self) -> ToyParts:
        """The toy world's pre-trained networks."""
        return toy_parts()

    @functools.cached_property
    def _trained(self) -> tuple[ImageNetCGN, Artefact]:
        return toy_cgn(self.settings.cgn(), self.parameters.seed, self.device)

    @property
    def cgn(self) -> ImageNetCGN:
        """The CGN of Table 3, in eval mode."""
        return self._trained[0]

    @property
    def artefact(self) -> Artefact:
        """Its training."""
        return self._trained[1]

    @functools.cached_property
    def real(self) -> dict[str, ToyImages]:
        """Rendered images with "tied" and with "free" factors: `n` to compare with, and `n` to compare these with."""
        return {"tied": build(TRAIN, 2 * self.n, HELD_OUT), "free": build(FREE, 2 * self.n, HELD_OUT)}

    def measured(self, cgn: ImageNetCGN, labels: str, n: int | None = None) -> control.Measured:
        """Images of a CGN, by default as many as the parameters say, with labels "tied" or "random"."""
        return control.measure(cgn, Sampling(n or self.n, labels, truncation=TRUNCATION, seed=self.parameters.seed))

    @functools.cached_property
    def tied(self) -> control.Measured:
        """Images of the CGN whose three labels are one."""
        return self.measured(self.cgn, "tied")

    @functools.cached_property
    def free(self) -> control.Measured:
        """Counterfactuals: images of the CGN with three independent labels."""
        return self.measured(self.cgn, "random")

    @functools.cached_property
    def teacher(self) -> tuple[Tensor, Tensor]:
        """The teacher's images of the noise and classes of `tied`, uint8, and the U2-Net's masks of them, bool."""
        return control.teacher_images(self.cgn, self.tied, TRUNCATION)

    @functools.cached_property
    def _real_features(self) -> dict[str, Tensor]:
        return {kind: self.parts.reader.read(images.images)[1] for kind, images in self.real.items()}

    # --- Rows -------------------------------------------------------------------------------------------------------

    def inception_rows(self) -> list[Rows]:
        """Rows of Table 3 for the toy world (experiment imagenet-is): of real images, the teacher ("biggan"), the CGN.

        "inception-score" and, of the CGN, "mask/mean" and "mask/deviation".
        """

        def measure(method: str) -> Measured:
            if method == "cgn":
                values = self._inception(self.tied.image) | mask_values(self.tied)
                return Measured(self._numbers(values), self.artefact.seconds)
            images = self.real["tied"].images[: self.n] if method == "real" else self.teacher[0]
            return Measured(self._numbers(self._inception(images)))

        return self._rows("imagenet-is", measure)

    def control_rows(self) -> list[Rows]:
        """Rows of what the papers could not measure (experiment imagenet-control): of real images, teacher, CGN.

        "control/<requested>/<recovered>": percent of free images; "reader/<factor>": percent of real ones, and of the
        teacher's; "iou/teacher": with what the U2-Net finds in the teacher's image; "iou/true": with the true object
        (of the U2-Net itself for real images and the teacher's); "residue/mean": of the U2-Net's mask of the
        background; "legible/background": percent of backgrounds that show their class's silhouette;
        "entangled/foreground": percent of foregrounds that show their class's scene (of real images: rendered scenes
        without objects, and rendered textures, which can show neither); "fid", "kid": on the factor reader's features,
        with tied and with free labels.
        "residue/growth" and "entangled/small-masks": what the study conjectures, where there is enough to measure.
        """
        measures = {"real": self._control_of_real, "biggan": self._control_of_teacher, "cgn": self._control_of_cgn}
        return self._rows("imagenet-control", lambda method: measures[method]())

    def parts_rows(self) -> list[Rows]:
        """Rows of what stops control over the shape (experiment imagenet-parts): "shape/<mask>/<parts>", in percent.

        Of counterfactuals whose mask, or whose other parts, too, are replaced: see `control.shape_by_parts`.
        """

        def measure(method: str) -> Measured:
            n = self.settings.samples("imagenet-parts")
            sampling = Sampling(n, "random", truncation=TRUNCATION, seed=self.parameters.seed)
            found = control.shape_by_parts(self.cgn, sampling, self.parts.reader)
            values = {f"shape/{mask}/{parts}": value for (mask, parts), value in found.items()}
            return Measured(self._numbers(values, n), self.artefact.seconds)

        return self._rows("imagenet-parts", measure)

    def ablation_rows(self) -> list[Rows]:
        """Rows of the CGN and its `imagenet_ablations` at one training length (experiment imagenet-ablation).

        Metrics of imagenet-is and imagenet-control. Empty where the parameters leave ablations out.
        """

        def measure(method: str) -> Measured:
            cgn, artefact = toy_cgn(self.settings.ablated_cgn(method), self.parameters.seed, self.device)
            n = self.settings.samples("imagenet-ablation")
            tied, free = self.measured(cgn, "tied", n), self.measured(cgn, "random", n)
            values = mask_values(tied) | self._inception(tied.image) | self._control(tied, free)
            return Measured(self._numbers(values, n), artefact.seconds)

        return self._rows("imagenet-ablation", measure)

    def _rows(self, experiment: str, measure: Callable[[str], Measured]) -> list[Rows]:
        """measure: numbers of a method. Real images are the same at every seed, so they are measured once, at 0."""
        return [
            self.rows(each, lambda _, of=each.method: measure(of), [0] if each.method == "real" else None)
            for each in self.settings.plan(experiment)
        ]

    def _numbers(self, values: Mapping[str, float], n: int | None = None) -> list[Number]:
        """values: by metric; n: images, by default `imagenet_samples`."""
        units = {metric: UNITS.get(metric, UNITS.get(metric.split("/")[0], "percent")) for metric in values}
        return [Number(metric, value, n or self.n, units[metric]) for metric, value in values.items()]

    # --- Measures ---------------------------------------------------------------------------------------------------

    def _control_of_real(self) -> Measured:
        """Values of rendered images and of rendered parts, which cannot have the failures of Figures 10 and 11."""
        n, features, reader = self.n, self._real_features, self.parts.reader
        factors = factors_of(FREE, 2 * n, HELD_OUT)[:n]
        foregrounds, backgrounds = control.rendered_parts(factors)
        values = {
            "iou/true": self._u2net_overlap("tied"),
            "iou/true/free": self._u2net_overlap("free"),
            **self._distances(features["tied"][n:], "tied"),
            **self._distances(features["free"][n:], "free"),
            "entangled/foreground": percent(control.entangled(foregrounds, factors.texture, reader)),
            "legible/background": percent(control.legible(backgrounds, factors.background, reader)),
        }
        return Measured(self._numbers(values))

    def _control_of_teacher(self) -> Measured:
        images, masks = self.teacher
        read, features = self.parts.reader.read(images)
        values = {
            "iou/true": control.overlap(masks, control.true_masks(self.tied.u, self.tied.labels[:, 0])),
            **self._distances(features, "tied"),
        }
        return Measured(self._numbers(values | reader_values(read, self.tied.labels)))

    def _control_of_cgn(self) -> Measured:
        tied, free = self.tied, self.real["free"]
        entangled = control.entangled(tied.foreground, tied.labels[:, 1], self.parts.reader)
        conjectured = {
            "residue/growth": control.residue_growth([100 * float(each) for each in self.residue_log()["residue"]]),
            "entangled/small-masks": control.small_mask_effect(tied.area, entangled, tied.labels[:, 1]),
        }
        values = self._control(tied, self.free)
        values |= {metric: value for metric, value in conjectured.items() if value is not None}
        read, _ = self.parts.reader.read(free.images)
        readers = reader_values(read, torch.stack([free.shape, free.texture, free.background], dim=1))
        return Measured([*self._numbers(values), *self._numbers(readers, len(free))], self.artefact.seconds)

    def _control(self, tied: control.Measured, free: control.Measured) -> dict[str, float]:
        reader = self.parts.reader
        read, features = reader.read(free.image)
        matrix = control.control_matrix(read, free.labels)
        values = {f"control/{a}/{b}": value for a, line in matrix.items() for b, value in line.items()}
        return values | {
            "iou/teacher": control.overlap(tied.mask, self.teacher[1][: len(tied)]),
            "iou/true": control.overlap(tied.mask, control.true_masks(tied.u, tied.labels[:, 0])),
            "iou/true/free": control.overlap(free.mask, control.true_masks(free.u, free.labels[:, 0])),
            "residue/mean": free.residue.mean().item(),
            "legible/background": percent(control.legible(free.background, free.labels[:, 2], reader)),
            "entangled/foreground": percent(control.entangled(tied.foreground, tied.labels[:, 1], reader)),
            **self._distances(reader.read(tied.image)[1], "tied"),
            **self._distances(features, "free"),
        }

    def _inception(self, images: Tensor) -> dict[str, float]:
        logits = self.parts.classifier.read(images)[0]["shape"]
        return {"inception-score": inception_score(logits, SPLITS).value}

    def _distances(self, features: Tensor, kind: str) -> dict[str, float]:
        """FID and KID from real images, as many as there are features, since FID depends on both numbers."""
        real = self._real_features[kind][: len(features)]
        distances = {"fid": frechet_distance, "kid": kernel_distance}
        return {f"{name}/{kind}": distance(features, real) for name, distance in distances.items()}

    def _u2net_overlap(self, kind: str) -> float:
        """Mean IoU of the U2-Net's masks of rendered images with their true ones."""
        images = self.real[kind]
        with torch.inference_mode():
            found = [self.parts.u2net(to_float(part)) for part in images.images[: self.n].split(100)]
        return control.overlap(torch.cat(found), images.masks[: self.n, None] > 127)

    # --- Figures and the study's conjectures ------------------------------------------------------------------------

    def snapshots(self) -> dict[int, dict[str, Tensor]]:
        """Parts of one tied sample of each class through training, by update: premask, mask, ..., image, x_gt."""
        return self.artefact.snapshots((*Parts._fields, "x_gt"))

    def residue_log(self) -> pd.DataFrame:
        """What the U2-Net finds in backgrounds through training: step and residue, a share of the image's area."""
        log = self.artefact.log()
        weight = self.artefact.config["recipe"]["lambda_background"]
        return pd.DataFrame({"step": log["step"], "residue": log["background"] / weight})

    def unpainted_through_training(self) -> pd.DataFrame:
        """Step and the mean over classes of `control.unpainted` of the backgrounds in the snapshots."""
        classes = torch.arange(self.cgn.num_classes)
        truth = control.true_scenes(sample_noise(self.cgn, len(classes)), classes)
        found = {step: control.unpainted(parts["background"], truth) for step, parts in self.snapshots().items()}
        return pd.DataFrame([{"step": step, "unpainted": values.mean().item()} for step, values in found.items()])


def mask_values(images: control.Measured) -> dict[str, float]:
    """Mean and spread of the masks' area."""
    masks = mask_statistics(images.area[:, None, None, None])
    return {"mask/mean": masks.mean, "mask/deviation": masks.deviation}


def reader_values(read: Mapping[str, Tensor], labels: Tensor) -> dict[str, float]:
    """Percent of images in which the factor reader finds each factor's label."""
    matrix = control.control_matrix(read, labels)
    return {f"reader/{factor}": matrix[factor][factor] for factor in FACTOR_OF_METRIC}


def percent(hits: Tensor) -> float:
    """Percent of (N,) bool that are true, in float32."""
    return 100 * hits.float().mean().item()
