"""The experiments on MNIST: rows of every table and figure, found or measured; pictures are kept beside them."""

import functools

import numpy as np
import pandas as pd
import torch

from cgnlib.errors import known, needed
from cgnlib.images import LabelledImages, concatenate, to_uint8
from cgnlib.mnist.classifier import correct, predict, train_classifier
from cgnlib.mnist.control import Control, measure_control, painted_colours
from cgnlib.mnist.gradcam import heat_maps, theme_grid
from cgnlib.mnist.names import N_CLASSES, SIZE
from cgnlib.mnist.published_colored import class_colours, find_published_colored
from cgnlib.mnist.recipes import RECIPES
from cgnlib.mnist.training import SNAPSHOT_PARTS, sample_classes
from cgnlib.mnist.variants import DIGIT_SHIFT, make_variant
from cgnlib.randomness import generator
from cgnreport.protocol.experiments import Measured, Rows
from cgnreport.protocol.mnist import MnistStudy, TrainedCGN
from cgnreport.protocol.mnist_settings import METHOD_PARTS, SAMPLE_SEED, MnistSettings
from cgnreport.protocol.pictures import keep_tiles, kept_tiles
from cgnreport.protocol.rows import Number

ACCURACIES = {"mnist-ood": ("test", "train"), "mnist-indomain": ("indomain", "train")}  # splits that rows are of
TESTS = {"test": "test", "indomain": "test-indomain"}  # split of the variant by its name in metrics
HELD_OUT = 1_000_000  # added to the random seed of counterfactuals that no classifier was trained on
MISREAD = 10  # misread masks that are kept as a picture


def accuracy_rows(study: MnistStudy, experiment: str, variant: str, method: str, recipe: str | None = None) -> Rows:
    """Rows of `mnist-ood` (Tables 2 and 6) or `mnist-indomain` (Table 1) for one method.

    Those of the other experiment, which come from the same classifiers, are kept, too. Metrics: "accuracy/<split>" at
    the last and the best epoch, and at the last one its parts, see `part_numbers`; where the method trains on free
    counterfactuals, "accuracy/counterfactuals", on as many others of the same CGN as there are test images.
    """
    known("experiment", experiment, ACCURACIES)
    setting, *beside = [
        study.settings.accuracy(name, variant, method, recipe)
        for name in (experiment, *(other for other in ACCURACIES if other != experiment))
    ]
    training = functools.cache(lambda: study.training_set(variant, method, recipe))

    def measure(seed: int) -> dict[str, Measured]:
        classifier, history, seconds = study.classifier(variant, training(), seed)
        found, held_out = {}, {"mnist-ood": _on_counterfactuals(study, variant, method, recipe, classifier)}
        for name, splits in ACCURACIES.items():
            numbers = [number for split in splits for number in accuracy_numbers(history, split)]
            tested = study.images(variant, TESTS[splits[0]])
            numbers += part_numbers(predict(classifier, tested), tested, variant, splits[0])
            found[name] = Measured(numbers + held_out.get(name, []), seconds)
        return found

    return study.rows(setting, measure, study.settings.classifier_seeds, beside)


def _on_counterfactuals(
    study: MnistStudy, variant: str, method: str, recipe: str | None, classifier: torch.nn.Module
) -> list[Number]:
    """Accuracy on counterfactuals of the CGN that no classifier was trained on; none where the method has no such."""
    if "cgn" not in METHOD_PARTS[method]:
        return []
    n = len(study.images(variant, "test"))
    others = study.counterfactuals(needed(study.cgn(variant, recipe)), n=n, seed=HELD_OUT + study.seed)
    accuracy = 100 * correct(classifier, others).float().mean().item()
    return [Number("accuracy/counterfactuals", accuracy, n, epoch="last")]


def order_rows(study: MnistStudy, variant: str, recipe: str | None = None, start: str = "cgn") -> Rows:
    """A classifier trained on counterfactuals alone and then, from its weights, on original data and counterfactuals
    (experiment mnist-order): does it matter that the original data came later?

    start: what it is trained on before, "cgn" or, for the length alone, as many images drawn from "original+cgn".

    Metrics: "accuracy/test" and "accuracy/indomain" at the last and the best epoch, and `part_numbers` of the former.
    Seconds are those of both trainings.
    """

    @functools.cache
    def training() -> tuple[LabelledImages, LabelledImages]:
        before, both = (study.training_set(variant, each, recipe) for each in (start, "original+cgn"))
        drawn = torch.randperm(len(before), generator=generator(study.seed, "order", "first"))
        return before.subset(drawn[: study.mnist.counterfactuals]) if start != "cgn" else before, both

    def measure(seed: int) -> Measured:
        before, both = training()
        begun, _, earlier = study.classifier(variant, before, seed)
        classifier, history, seconds = study.classifier(variant, both, seed, start=begun)
        tested = study.images(variant, "test")
        parts = part_numbers(predict(classifier, tested), tested, variant, "test")
        return Measured(
            accuracy_numbers(history, "test") + accuracy_numbers(history, "indomain") + parts, earlier + seconds
        )

    return study.rows(study.settings.order(variant, recipe, start), measure, study.settings.classifier_seeds)


def own_colour_rows(study: MnistStudy, method: str, recipe: str | None = None) -> Rows:
    """How a colored-MNIST classifier fares on test digits in the data's colours and in those its CGN paints.

    Rows of experiment mnist-own-colours: "accuracy/palette" and "accuracy/own" over all test digits,
    "accuracy/palette/<colour>" and "accuracy/own/<colour>" for each of the ten colours. The CGN of the authors saw
    a file that is lost: where its colours are not ours, this tells what that costs.
    """

    def measure(seed: int) -> Measured:
        cgn = needed(study.cgn("colored", recipe))
        tests = {"palette": study.images("colored", "test")}
        own = painted_colours(study.control_samples(cgn))
        tests["own"] = make_variant("colored", "test", study.digits, limit=study.mnist.test_images, palette=own)
        classifier, _, _ = study.classifier("colored", study.training_set("colored", method, recipe), seed)
        numbers = []
        for name, images in tests.items():
            right = correct(classifier, images)
            groups = {"": torch.ones_like(right)}
            groups |= {f"/{colour}": images.foreground == colour for colour in range(N_CLASSES)}
            for group, members in groups.items():
                if n := int(members.sum()):
                    numbers.append(Number(f"accuracy/{name}{group}", 100 * right[members].sum().item() / n, n))
        return Measured(numbers)  # seconds: in the rows of mnist-ood

    return study.rows(study.settings.own_colours(method, recipe), measure, study.settings.classifier_seeds)


def published_file_rows(study: MnistStudy, method: str, recipe: str | None = None) -> Rows:
    """A colored-MNIST classifier, trained on our images, on the test images of the file that SG21 used.

    Rows of experiment mnist-own-colours, data colored-file: "accuracy/file"; "colour-distance/<class>": mean absolute
    difference of the class's mean colour in training, over channels, in grey levels. Blocked without the file.
    """

    def measure(seed: int) -> Measured:
        cgn, theirs = needed(study.cgn("colored", recipe)), find_published_colored(study.parameters.data_folder)
        assert theirs is not None  # or the setting would be Blocked
        classifier, _, _ = study.classifier("colored", study.training_set("colored", method, cgn.setting.recipe), seed)
        right = correct(classifier, theirs["test"])
        numbers = [Number("accuracy/file", 100 * right.float().mean().item(), len(right))]
        distances = (class_colours(theirs["train"]) - class_colours(study.images("colored", "train"))).abs().mean(dim=1)
        for label, distance in enumerate(distances.tolist()):
            n = int((theirs["train"].shape == label).sum())
            numbers.append(Number(f"colour-distance/{label}", distance, n, "levels"))
        return Measured(numbers)

    return study.rows(study.settings.published_file(method, recipe), measure, study.settings.classifier_seeds)


def ratio_rows(study: MnistStudy, variant: str, size: int, ratio: int, recipe: str | None = None) -> Rows:
    """Accuracy of original data and `size` counterfactuals at CF ratio `ratio` (experiment mnist-cf-ratio)."""

    def measure(seed: int) -> Measured:
        cgn = needed(study.cgn(variant, recipe))
        generated = study.counterfactuals(cgn, n=size, ratio=ratio)
        training = concatenate([study.images(variant, "train"), generated], f"{variant}/original+cgn")
        _, history, seconds = study.classifier(variant, training, seed)
        return Measured(accuracy_numbers(history, "test"), seconds)

    setting = study.settings.ratio(variant, size, ratio, recipe)
    return study.rows(setting, measure, study.settings.classifier_seeds)


def control_rows(study: MnistStudy, variant: str, recipe: str | None = None) -> Rows:
    """Control of a CGN over the factors (experiment mnist-control).

    "training/stopped" is 100 where the training of a CGN diverged or its masks collapsed, which leaves nothing else
    to measure and no CGN; it is 0 for a CGN that was trained here. Of own shapes samples are kept: `shape_samples`; of
    the published recipe, whose training fails in more than one way, how they came about: `course_samples`.
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
            keep_tiles(tiles, needed(setting), "mnist-misread", study.seed)
        if study.mnist.shapes:
            keep_tiles(_class_tiles(cgn, study.device), needed(setting), "mnist-shapes", study.seed)
        if recipe == "paper" and cgn.artefact:
            course = cgn.artefact.snapshots(SNAPSHOT_PARTS).values()
            tiles = torch.cat([_tiles(each["mask"], each["image"]) for each in course])
            keep_tiles(to_uint8(tiles).numpy(), needed(setting), "mnist-course", study.seed)
        numbers = control_numbers(control, accuracies)
        return Measured(numbers + [Number("training/stopped", 0, 1)] * bool(cgn.artefact), cgn.seconds)

    return study.rows(setting, measure)


def misread(study: MnistStudy, variant: str, recipe: str | None = None) -> np.ndarray | None:
    """The first masks that the shape reader read as another digit than was asked for, and their counterfactuals:
    uint8 (2, n <= 10, 3, 32, 32), as kept beside the rows of control. None where there are none.
    """
    return kept_tiles(study.settings.control(variant, recipe), "mnist-misread", study.seed, SIZE)


def heat_map_rows(study: MnistStudy, method: str, recipe: str | None = None) -> Rows:
    """GradCAM of classifiers of double-colored MNIST (experiment mnist-gradcam).

    The maps of the first seed are kept beside the rows, see `heat_map_tiles`. The ratio of sensitivities has no row
    where the maps do not change with the digit. "package/...": the same as the package `grad-cam` scales its maps.
    """
    variant = "double-colored"
    setting = study.settings.accuracy("mnist-gradcam", variant, method, recipe)
    training = functools.cache(lambda: study.training_set(variant, method, recipe))

    def measure(seed: int) -> Measured:
        grid = theme_grid(study.digits)
        classifier, _, seconds = study.classifier(variant, training(), seed)
        seen, n = heat_maps(classifier, grid), len(grid)
        if seed == study.seed:
            tiles = np.rint(seen.maps[:, :, None] * 255).astype(np.uint8)
            keep_tiles(tiles, needed(setting), "mnist-gradcam", seed)
        right = 100 * float((seen.predicted.ravel() == grid.shape.numpy()).mean())
        numbers = [
            Number("maps/empty", 100 * float(seen.empty.mean()), n),
            Number("accuracy/themes", right, n),
            Number("sensitivity/colour", seen.colour_effect, n, "variance"),
            Number("sensitivity/digit", seen.digit_effect, n, "variance"),
        ]
        theirs = heat_maps(classifier, grid, package=True)
        numbers.append(Number("package/maps/empty", 100 * float(theirs.empty.mean()), n))
        for prefix, each in {"": seen, "package/": theirs}.items():
            if each.digit_effect > 0:
                name = f"{prefix}sensitivity/colour-over-digit"
                numbers.append(Number(name, each.colour_over_digit, n, "ratio"))
        return Measured(numbers, seconds)

    return study.rows(setting, measure, study.settings.classifier_seeds)


def heat_map_tiles(study: MnistStudy, method: str, recipe: str | None = None) -> np.ndarray | None:
    """GradCAM maps of the first seed's classifier, (10 digits, 10 colour themes, 32, 32) in [0, 1], as kept beside
    the rows. None where they are not.
    """
    setting = study.settings.accuracy("mnist-gradcam", "double-colored", method, recipe)
    tiles = kept_tiles(setting, "mnist-gradcam", study.seed, SIZE)
    return None if tiles is None else tiles[:, :, 0].astype(np.float32) / 255


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
            keep_tiles(_class_tiles(cgn, study.device), setting, "mnist-training", seed)
        readers, accuracies = study.readers(variant)
        control = measure_control(study.control_samples(cgn, SAMPLE_SEED), readers)
        dev, size = study.images(variant, "dev"), study.settings.training_size
        generated, config = study.counterfactuals(cgn, n=size, seed=SAMPLE_SEED), study.settings.training_classifier
        _, history, artefact = train_classifier(generated, {"dev": dev}, config, seed, device=study.device)
        accuracy = float(history.loc[history["split"] == "dev", "accuracy"].iloc[-1])
        numbers = [*control_numbers(control, accuracies), Number("training/stopped", 0, 1)]
        seconds = (cgn.seconds or 0.0) + artefact.seconds
        return Measured([*numbers, Number("accuracy/dev", accuracy, len(dev), epoch="last")], seconds)

    return study.rows(setting, measure, [seed])


def _class_tiles(cgn: TrainedCGN, device: str) -> np.ndarray:
    """Masks and images of the ten classes, labels tied: uint8 (2, 10, 3, 32, 32)."""
    parts = sample_classes(cgn.cgn, device)
    return to_uint8(_tiles(parts.mask, parts.image)).cpu().numpy()


def _tiles(mask: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    return torch.stack([2 * mask.expand(-1, 3, -1, -1) - 1, image])


def course_samples(settings: MnistSettings, variant: str, seed: int) -> np.ndarray | None:
    """Masks and images of the ten classes, labels tied, after each of `SNAPSHOT_SHARES` of a training of the published
    recipe: uint8 (2 x shares, 10, 3, 32, 32), as kept beside its rows of control; None without."""
    return kept_tiles(settings.control(variant, "paper"), "mnist-course", seed, SIZE)


def shape_samples(settings: MnistSettings, variant: str, seed: int) -> np.ndarray | None:
    """Masks and images of the ten classes by a CGN of own shapes, as kept beside its rows of control; None without."""
    return kept_tiles(settings.control(variant), "mnist-shapes", seed, SIZE)


def training_samples(study: MnistStudy, variant: str, training: str) -> np.ndarray | None:
    """Masks and images of the ten classes, labels tied, by the first CGN of a recipe: uint8 (2, 10, 3, 32, 32), as
    kept beside its rows. None where they are not.
    """
    setting, _ = study.settings.training(variant, training, SAMPLE_SEED)
    return kept_tiles(setting, "mnist-training", SAMPLE_SEED, SIZE)


def control_numbers(control: Control, readers: dict[str, float]) -> list[Number]:
    """What was measured of a CGN: control matrix, accuracy of the readers, shape by digit, area, diversity of masks."""
    percent = {f"control/{a}/{b}": value for a, line in control.matrix.items() for b, value in line.items()}
    percent |= {f"reader/{factor}": accuracy for factor, accuracy in readers.items()}
    percent |= {f"shape/{digit}": value for digit, value in enumerate(control.shape_by_class)}
    masks = {"mask/area": control.area, "mask/diversity": control.diversity}
    numbers = [Number(metric, value, control.n) for metric, value in percent.items()]
    return numbers + [Number(metric, value, control.n, "fraction") for metric, value in masks.items()]


def accuracy_numbers(history: pd.DataFrame, split: str) -> list[Number]:
    """accuracy/<split> at the last epoch and, for test splits, at the best one, as the study reports it."""
    values = history.loc[history["split"] == split].sort_values(by="epoch")
    accuracies, n = [float(accuracy) for accuracy in values["accuracy"]], int(values["n"].iloc[-1])
    last = Number(f"accuracy/{split}", accuracies[-1], n, epoch="last")
    return [last] if split == "train" else [last, last._replace(value=max(accuracies), epoch="best")]


def part_numbers(predicted: torch.Tensor, images: LabelledImages, variant: str, split: str) -> list[Number]:
    """Accuracy at the last epoch on parts of test images, each with its n; predicted: int64 (N,).

    "accuracy/<split>/worst-class" and, where factors are free, "worst-group" (one digit in one colour or texture) and,
    for double-colored, "same-colour" and "other-colours": see `same_colour`. There also "read-as/<factor>": of the
    images in which the factor has the label of another class, the percentage that are read as that class.
    """
    right = predicted == images.shape
    parts, shares = {"worst-class": _worst(right, images.shape)}, {}
    if split == "test":
        parts["worst-group"] = _worst(right, images.shape * N_CLASSES + images.foreground)
        if variant == "double-colored":
            same = same_colour(images)
            parts |= {"same-colour": right[same], "other-colours": right[~same]}
        for factor in ("foreground", "background") if variant != "colored" else ("foreground",):
            labels = getattr(images, factor)
            shares[factor] = (predicted == labels)[labels != images.shape]
    named = {f"accuracy/{split}/{name}": part for name, part in parts.items()}
    named |= {f"read-as/{factor}": part for factor, part in shares.items()}
    return [
        Number(name, 100 * part.float().mean().item(), len(part), epoch="last")
        for name, part in named.items()
        if len(part)
    ]


def _worst(right: torch.Tensor, groups: torch.Tensor) -> torch.Tensor:
    """Of the group that is read worst, whether each image is read right."""
    return min((right[groups == group] for group in groups.unique()), key=lambda each: each.float().mean().item())


def same_colour(images: LabelledImages) -> torch.Tensor:
    """Where digit and background of double-colored have the same colour but for the noise: bool (N,)."""
    return (images.foreground - DIGIT_SHIFT) % N_CLASSES == images.background
