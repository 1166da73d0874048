"""Speed of the MNIST half: data, layers, training steps, counterfactuals."""

import contextlib
import functools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks import measure
from benchmarks.measure import STEPS, Measurement, bound_words, counted_flops
from benchmarks.plain import (
    plain_cgn,
    plain_classifier,
    reference_cgn_step,
    reference_counterfactuals,
    reference_wildlife,
)
from cgnlib.data.digits import Digits, embedded_digits, find_digits
from cgnlib.data.textures import find_textures
from cgnlib.features import PerceptualFeatures, perceptual_features, random_vgg16_features
from cgnlib.images import to_float
from cgnlib.mnist.cgn import CGN, UpsampledConv2d, initialise
from cgnlib.mnist.classifier import Classifier
from cgnlib.mnist.counterfactuals import CounterfactualStream
from cgnlib.mnist.names import N_CLASSES
from cgnlib.mnist.recipes import recipe_for
from cgnlib.mnist.training import AdversarialTrainer, MechanismTrainer, trainer_for
from cgnlib.mnist.variants import draw_factors, make_variant, select_digits
from cgnlib.randomness import generator
from cgnlib.training.precision import fast_autocast, fast_precision

LOOP_IMAGES = 1000  # the plain loops are timed on this many images


def wildlife_data() -> list[Measurement]:
    """Building wildlife MNIST, train and test: with finding the textures, without reading the digits."""
    digits = find_digits(download=False)
    if digits.source != "mnist-full":
        digits = repeated(digits, 60_000)

    def build() -> None:
        textures = find_textures()
        for split in ("train", "test"):
            make_variant("wildlife", split, digits, textures)

    images, labels = select_digits("wildlife", "train", digits)
    factors = draw_factors("wildlife", "train", labels)
    textures = find_textures()
    built = len(images) + len(select_digits("wildlife", "test", digits)[0])
    seconds = measure.best_seconds(build)
    loop_seconds = measure.best_seconds(lambda: reference_wildlife(images[:LOOP_IMAGES], factors, textures), repeats=2)
    note = f"{built:,} images in {seconds:.2f} s"
    return [Measurement("wildlife data", "images/s", built / seconds, LOOP_IMAGES / loop_seconds, note)]


def repeated(digits: Digits, total: int) -> Digits:
    """`total` digits, one in six for testing, by repeating what is there: timings are of one size everywhere."""

    def repeat(part: Tensor, size: int) -> Tensor:
        return part[torch.arange(size) % len(part)]

    test = total // 6
    return Digits(
        repeat(digits.train_images, total - test),
        repeat(digits.train_labels, total - test),
        repeat(digits.test_images, test),
        repeat(digits.test_labels, test),
        digits.source,
    )


def upsampled_convolution() -> list[Measurement]:
    """Forward and backward of the folded layer, beside upsampling and convolution in a row (as published)."""
    measurements = []
    for channels, out, size in ((64, 64, 8), (64, 32, 16)):
        layer = UpsampledConv2d(channels, out)
        images = torch.rand(64, channels, size, size).contiguous(memory_format=torch.channels_last).requires_grad_()

        def folded(layer: UpsampledConv2d = layer, images: Tensor = images) -> None:
            layer(images).sum().backward()

        def plain(layer: UpsampledConv2d = layer, images: Tensor = images) -> None:
            F.conv2d(F.interpolate(images, scale_factor=2), layer.weight, padding=1).sum().backward()

        ours, theirs = (64 / seconds for seconds in measure.best_in_turns(folded, plain, repeats=15))
        note = f"{channels} -> {out}, {size} -> {2 * size} pixels, with gradients"
        measurements.append(Measurement("upsampled convolution", "images/s", ours, theirs, note))
    return measurements


def classifier_step() -> list[Measurement]:
    """Classifier training, beside the published layers in a row with Adadelta as it comes."""
    ours, plain = Classifier().to(memory_format=torch.channels_last), plain_classifier()
    pixels = torch.randint(0, 256, (64, 3, 32, 32), dtype=torch.uint8)
    labels = torch.arange(64) % N_CLASSES
    both = []
    for network, layout, foreach in ((ours, torch.channels_last, True), (plain, torch.contiguous_format, None)):
        optimizer = torch.optim.Adadelta(network.parameters(), foreach=foreach)

        def steps(
            network: nn.Module = network,
            layout: torch.memory_format = layout,
            optimizer: torch.optim.Optimizer = optimizer,
        ) -> None:
            for _ in range(STEPS):
                optimizer.zero_grad()
                images = to_float(pixels).contiguous(memory_format=layout)
                with fast_autocast("cpu") if network is ours else contextlib.nullcontext():
                    scores = network(images)
                F.nll_loss(scores.float(), labels).backward()
                optimizer.step()

        both.append(steps)
    seconds, plain_seconds = measure.best_in_turns(*both, repeats=5)
    rates = (64 * STEPS / seconds, 64 * STEPS / plain_seconds)
    words = bound_words(counted_flops(both[0]), 64 * STEPS, seconds)
    note = f"batch 64, {fast_precision('cpu')}, {words}"
    return [Measurement("classifier training", "images/s", *rates, note)]


def counterfactuals() -> list[Measurement]:
    """Sampling of counterfactual images at CF ratio 1 and 10, beside what published code does."""
    cgn = CGN().eval()
    initialise(cgn, "orthogonal", 0.2, generator(0, "bench"))
    plain = plain_cgn(cgn)
    measurements = []
    for ratio in (1, 10):
        stream = CounterfactualStream(cgn, measure.SAMPLES, 0, ratio)
        loop = functools.partial(reference_counterfactuals, plain, LOOP_IMAGES, ratio)
        seconds, plain_seconds = measure.best_in_turns(lambda stream=stream: sum(map(len, stream)), loop)
        rates = (measure.SAMPLES / seconds, LOOP_IMAGES / plain_seconds)
        words = bound_words(counted_flops(lambda stream=stream: sum(map(len, stream))), measure.SAMPLES, seconds)
        measurements.append(Measurement("counterfactuals", "images/s", *rates, f"CF ratio {ratio}, {words}"))
    return measurements


def cgn_step() -> list[Measurement]:
    """CGN training (both updates) by recipe and perceptual features, beside what published code does.

    Recipe robust, which needs no features, stands beside the published code with VGG16, as the papers train. One of its
    steps in eight has a gradient penalty, which is timed and not counted.
    """
    digits = embedded_digits()
    images = make_variant("double-colored", "train", digits, limit=500)
    features: dict[str, PerceptualFeatures | None] = {
        "no features": None,
        "EfficientNet-Lite0": perceptual_features("efficientnet-lite0"),
        "VGG16": random_vgg16_features(),
    }
    measurements = []
    for variant, name, network in (
        ("double-colored", "robust", "no features"),
        ("double-colored", "paper", "EfficientNet-Lite0"),
        ("wildlife", "paper", "EfficientNet-Lite0"),
        ("double-colored", "paper", "VGG16"),
    ):
        recipe = recipe_for(name, variant)
        trainer = trainer_for(images, recipe, 0, features=features[network])
        trainer.step(0)

        def steps(trainer: AdversarialTrainer | MechanismTrainer = trainer) -> None:
            for index in range(1, STEPS + 1):
                trainer.step(index)

        both: list[Callable[[], object]] = [steps]
        if variant == "double-colored":
            both.append(reference_cgn_step(images, features[network] or random_vgg16_features()))
            both[1]()
        seen, flops = STEPS * recipe.batch_size, counted_flops(lambda trainer=trainer: trainer.step(1))
        seconds, *plain_seconds = measure.best_in_turns(*both, repeats=5)
        note = f"{variant}, recipe {name}, batch {recipe.batch_size}, {network}"
        note = f"{note}, {bound_words(STEPS * flops, seen, seconds)}"
        plain = recipe_for("paper", variant).batch_size / plain_seconds[0] if plain_seconds else None
        measurements.append(Measurement("CGN training", "images/s", seen / seconds, plain, note))
    return measurements
