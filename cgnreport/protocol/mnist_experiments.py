"""The experiments on MNIST: rows of every table and figure, found or measured; pictures are kept beside them.

Each function returns rows, or `Blocked`, which says why there are none.
"""

import functools
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from cgnlib.errors import Blocked, known, needed
from cgnlib.images import concatenate, to_uint8
from cgnlib.mnist.classifier import correct, train_classifier
from cgnlib.mnist.control import Control, measure_control
from cgnlib.mnist.counterfactuals import CounterfactualStream
from cgnlib.mnist.gradcam import heat_maps, theme_grid
from cgnlib.mnist.names import N_CLASSES, SIZE
from cgnlib.mnist.recipes import RECIPES
from cgnlib.mnist.training import sample_classes
from cgnlib.mnist.variants import make_variant
from cgnreport.protocol.experiments import Measure, Measured, rows_of
from cgnreport.protocol.mnist import MnistStudy, TrainedCGN
from cgnreport.protocol.mnist_settings import SAMPLE_SEED
from cgnreport.protocol.pictures import keep_tiles, kept_tiles
from cgnreport.protocol.rows import Number, Setting

ACCURACIES = {"mnist-ood": ("test", "train"), "mnist-indomain": ("indomain", "train")}  # splits that rows are of
MISREAD = 10  # misread masks that are kept as a picture
Rows = pd.DataFrame | Blocked


def accuracy_rows(study: MnistStudy, experiment: str, variant: str, method: str, recipe: str | None = None) -> Rows:
    """Rows of `mnist-ood` (Tables 2 and 6) or `mnist-indomain` (Table 1) for one method.

    Those of the other experiment, which come from the same classifiers, are kept, too.
    """
    known("experiment", experiment, ACCURACIES)
    setting, *beside = [
        study.settings.accuracy(name, variant, method, recipe)
        for name in (experiment, *(other for other in ACCURACIES if other != experiment))
    ]
    training = functools.cache(lambda: study.training_set_of(variant, method, recipe))

    def measure(seed: int) -> dict[str, Measured]:
        _, history, seconds = study.classifier(variant, training(), seed)
        return {
            name: Measured([number for split in splits for number in _accuracies(history, split)], seconds)
            for name, splits in ACCURACIES.items()
        }

    return _rows(study, setting, measure, beside=beside)


def _rows(
    study: MnistStudy,
    setting: Setting | Blocked,
    measure: Measure,
    *,
    seeds: Sequence[int] | None = None,
    beside: Sequence[Setting | Blocked] = (),
) -> Rows:
    """Rows of a setting, found or measured; Blocked where they are not there and cannot be had."""
    if isinstance(setting, Blocked):
        return setting
    return rows_of(
        setting,
        study.settings.classifier_seeds if seeds is None else seeds,
        measure,
        reuse=study.parameters.reuse_rows,
        device=study.device,
        beside=[each for each in beside if isinstance(each, Setting)],
    )


def own_colour_rows(study: MnistStudy, method: str, recipe: str | None = None) -> Rows:
    """How a colored-MNIST classifier fares on test digits in the data's colours and in those its CGN paints.

    Rows of experiment mnist-own-colours: "accuracy/palette" and "accuracy/own" over all test digits,
    "accuracy/palette/<colour>" and "accuracy/own/<colour>" for each of the ten colours. The CGN of the authors saw
    a file that is lost: where its colours are not ours, this tells what that costs.
    """

    def measure(seed: int) -> Measured:
        cgn = needed(study.cgn("colored", recipe))
        tests = {"palette": study.images("colored", "test")}
        own = study.own_colours(cgn)
        tests["own"] = make_variant("colored", "test", study.digits, limit=study.mnist.test_images, palette=own)
        classifier, _, _ = study.classifier("colored", study.training_set("colored", method, cgn), seed)
        numbers = []
        for name, images in tests.items():
            right = correct(classifier, images)
            groups = {"": torch.ones_like(right)}
            groups |= {f"/{colour}": images.foreground == colour for colour in range(N_CLASSES)}
            for group, members in groups.items():
                if n := int(members.sum()):
                    numbers.append(Number(f"accuracy/{name}{group}", 100 * right[members].sum().item() / n, n))
        return Measured(numbers)  # seconds: in the rows of mnist-ood

    return _rows(study, study.settings.own_colours(method, recipe), measure)


def ratio_rows(study: MnistStudy, variant: str, size: int, ratio: int, recipe: str | None = None) -> Rows:
    """Accuracy of original data and `size` counterfactuals at CF ratio `ratio` (experiment mnist-cf-ratio)."""

    def measure(seed: int) -> Measured:
        cgn = needed(study.cgn(variant, recipe))
        generated = study.counterfactuals(cgn, n=size, ratio=ratio)
        training = concatenate([study.images(variant, "train"), generated], f"{variant}/original+cgn")
        _, history, seconds = study.classifier(variant, training, seed)
        return Measured(_accuracies(history, "test"), seconds)

    return _rows(study, study.settings.ratio(variant, size, ratio, recipe), measure)


def control_rows(study: MnistStudy, variant: str, recipe: str | None = None) -> Rows:
    """Control of a CGN over the factors (experiment mnist-control).

    "training/stopped" is 100 where the training of a CGN diverged or its masks collapsed, which leaves nothing else
    to measure and no CGN; it is 0 for a CGN that was trained here.
    """
    setting = study.settings.control(variant, recipe)

    def measure(seed: int) -> Measured:
        cgn = needed(study.cgn(variant, recipe))
        if cgn.stopped:
            return Measured([Number("training/stopped", 100, 1)])
        readers, accuracies = study.readers(variant)
        samples = study.control_samples(cgn)
        control = measure_control(samples, readers)
        missed = (control.shape_read != samples.images.shape).nonzero()[:MISREAD, 0]
        if len(missed):
            masks = to_uint8(2 * samples.masks[missed] - 1).expand(-1, 3, -1, -1)
            tiles = torch.stack([masks, samples.images.images[missed]]).numpy()
            keep_tiles(tiles, needed(setting), _misread_name(study, needed(setting)))
        numbers = control_numbers(control, accuracies)
        return Measured(numbers + [Number("training/stopped", 0, 1)] * bool(cgn.artefact), cgn.seconds)

    return _rows(study, setting, measure, seeds=[study.seed])


def misread(study: MnistStudy, variant: str, recipe: str | None = None) -> np.ndarray | None:
    """The first masks that the shape reader read as another digit than was asked for, and their counterfactuals:
    uint8 (2, n <= 10, 3, 32, 32), as kept beside the rows of control. None where there are none.
    """
    setting = study.settings.control(variant, recipe)
    return None if isinstance(setting, Blocked) else kept_tiles(setting, _misread_name(study, setting), SIZE)


def _misread_name(study: MnistStudy, setting: Setting) -> str:
    return f"mnist-misread-{setting.dataset}-{setting.recipe}-{study.seed}"


def heat_map_rows(study: MnistStudy, method: str, recipe: str | None = None) -> Rows:
    """GradCAM of classifiers of double-colored MNIST (experiment mnist-gradcam).

    The maps of the first seed are kept beside the rows, see `heat_map_tiles`. The ratio of sensitivities has no row
    where the maps do not change with the digit.
    """
    variant = "double-colored"
    setting = study.settings.accuracy("mnist-gradcam", variant, method, recipe)
    training = functools.cache(lambda: study.training_set_of(variant, method, recipe))

    def measure(seed: int) -> Measured:
        grid = theme_grid(study.digits)
        classifier, _, seconds = study.classifier(variant, training(), seed)
        seen, n = heat_maps(classifier, grid), len(grid)
        if seed == study.seed:
            tiles = np.rint(seen.maps[:, :, None] * 255).astype(np.uint8)
            keep_tiles(tiles, needed(setting), _maps_name(study, needed(setting)))
        right = 100 * float((seen.predicted.ravel() == grid.shape.numpy()).mean())
        numbers = [
            Number("maps/empty", 100 * float(seen.empty.mean()), n),
            Number("accuracy/themes", right, n),
            Number("sensitivity/colour", seen.colour_effect, n, "variance"),
            Number("sensitivity/digit", seen.digit_effect, n, "variance"),
        ]
        if seen.digit_effect > 0:
            numbers.append(Number("sensitivity/colour-over-digit", seen.colour_over_digit, n, "ratio"))
        return Measured(numbers, seconds)

    return _rows(study, setting, measure)


def heat_map_tiles(study: MnistStudy, method: str, recipe: str | None = None) -> np.ndarray | None:
    """GradCAM maps of the first seed's classifier, (10 digits, 10 colour themes, 32, 32) in [0, 1], as kept beside
    the rows. None where they are not.
    """
    setting = study.settings.accuracy("mnist-gradcam", "double-colored", method, recipe)
    tiles = None if isinstance(setting, Blocked) else kept_tiles(setting, _maps_name(study, setting), SIZE)
    return None if tiles is None else tiles[:, :, 0].astype(np.float32) / 255


def _maps_name(study: MnistStudy, setting: Setting) -> str:
    return "-".join(["mnist-gradcam", setting.method, *[setting.recipe] * (setting.recipe != "-"), str(study.seed)])


def training_rows(study: MnistStudy, variant: str, training: str) -> list[Rows]:
    """Rows of the CGNs trained in one of `parameters.TRAININGS` (experiment mnist-training), one frame per CGN.

    Metrics as in mnist-control; accuracy/dev: of a classifier trained on counterfactuals alone, on the development
    digits, which the CGN did not see. The name of the training stands in the column `recipe`.
    """
    return [_training_rows(study, variant, training, seed) for seed in study.settings.training_seeds]


def _training_rows(study: MnistStudy, variant: str, training: str, seed: int) -> Rows:
    setting, about = study.settings.training(variant, training, seed)
    cgn = TrainedCGN(about, functools.partial(study.made, about, "fit", seed))

    def measure(seed: int) -> Measured:
        if cgn.stopped:
            return Measured([Number("training/stopped", 100, 1)])
        if training in RECIPES and seed == SAMPLE_SEED:
            parts = sample_classes(cgn.cgn, study.device)
            tiles = to_uint8(torch.stack([2 * parts.mask.expand(-1, 3, -1, -1) - 1, parts.image])).cpu().numpy()
            keep_tiles(tiles, setting, _samples_name(setting))
        readers, accuracies = study.readers(variant)
        control = measure_control(study.control_samples(cgn, SAMPLE_SEED), readers)
        dev, size = study.images(variant, "dev"), study.settings.training_size
        stream = CounterfactualStream(
            cgn.cgn, size, SAMPLE_SEED, ratio=study.mnist.cf_ratio, source=f"cgn-{about.recipe}"
        )
        config = study.settings.training_classifier
        _, history, artefact = train_classifier(stream.collect(), {"dev": dev}, config, seed, device=study.device)
        accuracy = float(history.loc[history["split"] == "dev", "accuracy"].iloc[-1])
        numbers = [*control_numbers(control, accuracies), Number("training/stopped", 0, 1)]
        return Measured([*numbers, Number("accuracy/dev", accuracy, len(dev), epoch="last")], artefact.seconds)

    return rows_of(setting, [seed], measure, reuse=study.parameters.reuse_rows, device=study.device)


def training_samples(study: MnistStudy, variant: str, training: str) -> np.ndarray | None:
    """Masks and images of the ten classes, labels tied, by the first CGN of a recipe: uint8 (2, 10, 3, 32, 32), as
    kept beside its rows. None where they are not.
    """
    setting, _ = study.settings.training(variant, training, SAMPLE_SEED)
    return kept_tiles(setting, _samples_name(setting), SIZE)


def _samples_name(setting: Setting) -> str:
    return f"mnist-training-{setting.dataset}-{setting.recipe}-{SAMPLE_SEED}"


def control_numbers(control: Control, readers: dict[str, float]) -> list[Number]:
    """What was measured of a CGN: control matrix, accuracy of the readers, shape by digit, area, diversity of masks."""
    percent = {f"control/{a}/{b}": value for a, line in control.matrix.items() for b, value in line.items()}
    percent |= {f"reader/{factor}": accuracy for factor, accuracy in readers.items()}
    percent |= {f"shape/{digit}": value for digit, value in enumerate(control.shape_by_class)}
    masks = {"mask/area": control.area, "mask/diversity": control.diversity}
    numbers = [Number(metric, value, control.n) for metric, value in percent.items()]
    return numbers + [Number(metric, value, control.n, "fraction") for metric, value in masks.items()]


def _accuracies(history: pd.DataFrame, split: str) -> list[Number]:
    """accuracy/<split> at the last epoch and, for test splits, at the best one, as the study reports it."""
    values = history.loc[history["split"] == split].sort_values(by="epoch")
    accuracies, n = [float(accuracy) for accuracy in values["accuracy"]], int(values["n"].iloc[-1])
    last = Number(f"accuracy/{split}", accuracies[-1], n, epoch="last")
    return [last] if split == "train" else [last, last._replace(value=max(accuracies), epoch="best")]
