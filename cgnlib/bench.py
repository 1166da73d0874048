"""How fast the library is, beside plain code that does the same in the same run: `python -m cgnlib.bench`.

A benchmark is a function without arguments that returns its measurements; add it to BENCHMARKS to have it run.
"""

import argparse
import contextlib
import copy
import functools
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.transforms import functional as transforms

from cgnlib import losses
from cgnlib.assets import Digits, Textures, embedded_digits, find_digits, find_textures
from cgnlib.composition import compose
from cgnlib.features import PerceptualFeatures, perceptual_features, random_vgg16_features
from cgnlib.imagenet.biggan import sample_latents
from cgnlib.imagenet.cgn import ImageNetCGN
from cgnlib.imagenet.folders import FolderSet, folder_set
from cgnlib.imagenet.invariant import ensemble
from cgnlib.imagenet.invariant_training import TOY as ENSEMBLE
from cgnlib.imagenet.invariant_training import EnsembleTrainer, ImagesInMemory
from cgnlib.imagenet.sampling import Sampling, sample_shard
from cgnlib.imagenet.texture_targets import PUBLISHED, PatchGrid, patch_grid
from cgnlib.imagenet.training import TOY as IMAGENET_TOY
from cgnlib.imagenet.training import ImageNetTrainer
from cgnlib.images import LabelledImages, to_float
from cgnlib.memory import keep_freed_memory
from cgnlib.mnist.cgn import CGN, CLASSES, LATENT, InstanceNorm, UpsampledConv2d, initialise
from cgnlib.mnist.classifier import Classifier
from cgnlib.mnist.counterfactuals import CounterfactualStream
from cgnlib.mnist.discriminators import LinearDiscriminator
from cgnlib.mnist.recipes import AdversarialRecipe, recipe_for
from cgnlib.mnist.training import AdversarialTrainer, MechanismTrainer, trainer_for
from cgnlib.mnist.variants import MASK_LEVEL, PADDING, SIZE, Factors, draw_factors, make_variant, select_digits
from cgnlib.randomness import generator
from cgnlib.toyworld import sets as toy_sets
from cgnlib.toyworld.parts import toy_parts
from cgnlib.training import fast_autocast, fast_precision

LOOP_IMAGES = 1000  # the plain loops are timed on this many images
SAMPLES = 2000  # counterfactual or toy images made per timing
PHOTOGRAPHS = 100  # read per timing
STEPS = 8  # training steps per timing


@dataclass(frozen=True)
class Measurement:
    """One line of the table: `rate` and `plain_rate` in `unit`; plain_rate is None where there is no plain code."""

    name: str
    unit: str
    rate: float
    plain_rate: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times faster than the plain code."""
        return None if self.plain_rate is None else self.rate / self.plain_rate


def best_seconds(action: Callable[[], object], repeats: int = 3) -> float:
    """The shortest of `repeats` timings of `action`, in seconds: the one least disturbed by other programs."""
    return best_in_turns(action, repeats=repeats)[0]


def best_in_turns(*actions: Callable[[], object], repeats: int = 3) -> list[float]:
    """The same for each of several actions, which take turns, so that a busy minute of the machine meets them all."""
    best = [float("inf")] * len(actions)
    for _ in range(repeats):
        for index, action in enumerate(actions):
            start = time.perf_counter()
            action()
            best[index] = min(best[index], time.perf_counter() - start)
    return best


def reference_wildlife(images: Tensor, factors: Factors, textures: Textures) -> Tensor:
    """Wildlife MNIST one image at a time with PIL and torchvision transforms, as published code builds it.

    images: (N, 28, 28) uint8; factors: their labels and crop positions; returns (N, 3, 32, 32) uint8, equal to what
    `make_variant` gives for the same factors.
    """
    kinds = (textures.foreground, textures.background)
    materials: list[list[Any]] = [[Image.fromarray(texture.numpy()) for texture in kind] for kind in kinds]

    def material(kind: int, label: int, position: Tensor) -> Tensor:
        image: Any = transforms.resize(materials[kind][label], [150, 150], transforms.InterpolationMode.NEAREST)
        padded: Any = transforms.pad(image, [PADDING], padding_mode="reflect")
        cropped: Any = transforms.crop(padded, int(position[0]), int(position[1]), SIZE, SIZE)
        return transforms.to_tensor(cropped)

    rendered = []
    for i in range(len(images)):
        digit = F.interpolate(images[i][None, None].float(), size=(SIZE, SIZE), mode="nearest")[0]
        mask = (digit > MASK_LEVEL).float()
        foreground = material(0, int(factors.foreground[i]), factors.foreground_draw[i])
        background = material(1, int(factors.background[i]), factors.background_draw[i])
        composed = mask * foreground + (1 - mask) * background
        rendered.append((composed * 255).round().to(torch.uint8))
    return torch.stack(rendered)


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
    seconds = best_seconds(build)
    loop_seconds = best_seconds(lambda: reference_wildlife(images[:LOOP_IMAGES], factors, textures), repeats=2)
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


@functools.cache
def machine() -> list[Measurement]:
    """What the machine can do: a product of two square matrices, float32. Measured once."""
    size = 1024
    a, b = torch.rand(2, size, size)
    seconds = best_seconds(lambda: a @ b, repeats=50)
    return [Measurement("matrix product", "GFLOP/s", 2 * size**3 / seconds / 1e9, note=f"{size} x {size}, float32")]


def peak() -> float:
    """The rate of `machine`."""
    return machine()[0].rate


def bound_words(flops: float, images: int, seconds: float) -> str:
    """Of `flops` for so many images in so many seconds: multiply-adds per image, share of the matrix product."""
    return f"{flops / 2e6 / images:,.0f} M multiply-adds, {flops / 1e9 / seconds / peak():.0%} of the matrix product"


def counted_flops(action: Callable[[], object]) -> int:
    """What `action` multiplies and adds in convolutions and matrix products, forward and backward."""
    with FlopCounterMode(display=False) as counted:
        action()
    return counted.get_total_flops()


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

        ours, theirs = (64 / seconds for seconds in best_in_turns(folded, plain, repeats=15))
        note = f"{channels} -> {out}, {size} -> {2 * size} pixels, with gradients"
        measurements.append(Measurement("upsampled convolution", "images/s", ours, theirs, note))
    return measurements


def classifier_step() -> list[Measurement]:
    """Classifier training, beside the published layers in a row with Adadelta as it comes."""
    first = (nn.BatchNorm2d(3), nn.Conv2d(3, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
    plain = nn.Sequential(*first, *copy.deepcopy(list(Classifier())[3:]))
    ours = Classifier().to(memory_format=torch.channels_last)
    pixels = torch.randint(0, 256, (64, 3, 32, 32), dtype=torch.uint8)
    labels = torch.arange(64) % CLASSES
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
    seconds, plain_seconds = best_in_turns(*both, repeats=5)
    rates = (64 * STEPS / seconds, 64 * STEPS / plain_seconds)
    words = bound_words(counted_flops(both[0]), 64 * STEPS, seconds)
    note = f"batch 64, {fast_precision('cpu')}, {words}"
    return [Measurement("classifier training", "images/s", *rates, note)]


def plain_cgn(cgn: CGN) -> CGN:
    """The same CGN from the layers of the published code: upsampling, convolution and instance norm one by one."""
    plain = copy.deepcopy(cgn)
    for mechanism in (plain.f_shape, plain.f_text1, plain.f_text2):
        channels = 64
        for index, layer in enumerate(mechanism):
            if isinstance(layer, nn.Identity):
                mechanism[index] = nn.Upsample(scale_factor=2)
            elif isinstance(layer, UpsampledConv2d):
                mechanism[index] = nn.Conv2d(channels, layer.weight.shape[0], 3, padding=1, bias=False)
                channels = layer.weight.shape[0]
            elif isinstance(layer, InstanceNorm):
                mechanism[index] = nn.InstanceNorm2d(channels)
    plain.load_state_dict(cgn.state_dict())
    return plain.to(memory_format=torch.contiguous_format)


@torch.no_grad()
def reference_counterfactuals(cgn: CGN, n: int, ratio: int) -> Tensor:
    """Counterfactuals as published code makes them: batches of 100, all mechanisms run each time that one is needed,
    textures tiled and cropped one by one, float32 images kept. Returns (n, 3, 32, 32) in [-1, 1]."""
    images = []
    for _ in range(n // 100 // ratio):
        shape = torch.randint(CLASSES, (100,))
        mask = _all_mechanisms(cgn, shape, shape, shape)[0]
        for _ in range(ratio):
            labels = (shape, shape[torch.randperm(100)], shape[torch.randperm(100)])
            _, foreground, background = _all_mechanisms(cgn, *labels)
            images.append(compose(mask, foreground, background))
    return torch.cat(images)


def _all_mechanisms(cgn: CGN, shape: Tensor, foreground: Tensor, background: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    mask = cgn.mask(torch.randn(len(shape), LATENT), shape).repeat(1, 3, 1, 1)
    f, b = (
        torch.stack([_random_crop(texture.repeat(1, 2, 2)) for texture in mechanism(torch.randn(len(y), LATENT), y)])
        for mechanism, y in ((cgn.foreground, foreground), (cgn.background, background))
    )
    return mask, f, b


def _random_crop(texture: Tensor) -> Tensor:
    row, column = torch.randint(0, SIZE, (2,)).tolist()
    return texture[:, row : row + SIZE, column : column + SIZE]


def counterfactuals() -> list[Measurement]:
    """Sampling of counterfactual images at CF ratio 1 and 10, beside what published code does."""
    cgn = CGN().eval()
    initialise(cgn, "orthogonal", 0.2, generator(0, "bench"))
    plain = plain_cgn(cgn)
    measurements = []
    for ratio in (1, 10):
        stream = CounterfactualStream(cgn, SAMPLES, 0, ratio)
        loop = functools.partial(reference_counterfactuals, plain, LOOP_IMAGES, ratio)
        seconds, plain_seconds = best_in_turns(lambda stream=stream: sum(map(len, stream)), loop)
        rates = (SAMPLES / seconds, LOOP_IMAGES / plain_seconds)
        words = bound_words(counted_flops(lambda stream=stream: sum(map(len, stream))), SAMPLES, seconds)
        measurements.append(Measurement("counterfactuals", "images/s", *rates, f"CF ratio {ratio}, {words}"))
    return measurements


def reference_cgn_step(images: LabelledImages, features: PerceptualFeatures) -> Callable[[], None]:
    """A step of CGN training as published code does it, for double-colored: layers one by one, textures tiled and
    cropped one by one, features of real and generated images from all blocks with their graph, Adam as it comes."""
    recipe = recipe_for("paper", "double-colored")
    assert isinstance(recipe, AdversarialRecipe)
    cgn, judge = plain_cgn(CGN()).train(), LinearDiscriminator().train()
    plain_features = copy.deepcopy(features).float().to(memory_format=torch.contiguous_format)
    optimizers = [torch.optim.Adam(network.parameters(), 2e-4, (0.5, 0.999)) for network in (cgn, judge)]
    real, labels = images.as_float(slice(recipe.batch_size)), images.shape[: recipe.batch_size]
    dropout = generator(0, "bench", "dropout")

    def step() -> None:
        mask, foreground, background = _all_mechanisms(cgn, labels, labels, labels)
        image = compose(mask, foreground, background)
        optimizers[0].zero_grad()
        loss = losses.adversarial(judge(image, labels, dropout), real=True)
        loss = loss + recipe.lambda_mask * losses.binary_entropy(mask)
        for ours, theirs, w in zip(plain_features(image), plain_features(real), recipe.style_weights, strict=True):
            loss = loss + w**2 * losses.STYLE_SCALE * F.l1_loss(losses.gram(ours), losses.gram(theirs))
        loss.backward()
        optimizers[0].step()
        optimizers[1].zero_grad()
        valid, invalid = (judge(batch, labels, dropout) for batch in (real, image.detach()))
        (losses.adversarial(valid, real=True) + losses.adversarial(invalid, real=False)).backward()
        optimizers[1].step()

    return step


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
        trainer = trainer_for(images, recipe, features[network], 0)
        trainer.step(0)

        def steps(trainer: AdversarialTrainer | MechanismTrainer = trainer) -> None:
            for index in range(1, STEPS + 1):
                trainer.step(index)

        both: list[Callable[[], object]] = [steps]
        if variant == "double-colored":
            both.append(reference_cgn_step(images, features[network] or random_vgg16_features()))
            both[1]()
        seen, flops = STEPS * recipe.batch_size, counted_flops(lambda trainer=trainer: trainer.step(1))
        seconds, *plain_seconds = best_in_turns(*both, repeats=5)
        note = f"{variant}, recipe {name}, batch {recipe.batch_size}, {network}"
        note = f"{note}, {bound_words(STEPS * flops, seen, seconds)}"
        plain = recipe_for("paper", variant).batch_size / plain_seconds[0] if plain_seconds else None
        measurements.append(Measurement("CGN training", "images/s", seen / seconds, plain, note))
    return measurements


@torch.no_grad()
def reference_patch_grid(
    images: Tensor, masks: Tensor, stream: torch.Generator, sizes: PatchGrid = PUBLISHED
) -> Tensor:
    """The patch grid by building every patch of image and mask, as published: equal to `patch_grid`."""
    size, patch, grid = sizes.working_size, sizes.patch, sizes.grid
    small, cover = (F.interpolate(each, size=(size, size), mode="bicubic") for each in (images, masks))
    draws = torch.randint(sizes.best, (len(images), grid * grid), generator=stream)
    grids = []
    for image, mask, drawn in zip(small, cover, draws, strict=True):
        windows = image.unfold(1, patch, 1).unfold(2, patch, 1)  # (3, rows, columns, patch, patch)
        patches = windows.permute(1, 2, 0, 3, 4).reshape(-1, 3, patch, patch)
        means = mask[0].unfold(0, patch, 1).unfold(1, patch, 1).reshape(len(patches), -1).mean(dim=1)
        best = means.argsort(descending=True)[: sizes.best]
        chosen = patches[best[drawn]].view(grid, grid, 3, patch, patch)
        grids.append(chosen.permute(2, 0, 3, 1, 4).reshape(3, grid * patch, grid * patch))
    return F.interpolate(torch.stack(grids), size=images.shape[2:], mode="bicubic")


def texture_targets() -> list[Measurement]:
    """Patch grids at published sizes, beside building all 12,996 patches of each image first."""
    count, resolution = 5, 256  # the seed's batch
    stream = generator(0, "bench")
    images = torch.rand(count, 3, resolution, resolution, generator=stream) * 2 - 1
    masks = torch.rand(count, 1, resolution, resolution, generator=stream)
    ours, theirs = (
        count / seconds
        for seconds in best_in_turns(
            *(
                functools.partial(make, images, masks, generator(0, "bench", "draws"))
                for make in (patch_grid, reference_patch_grid)
            ),
            repeats=10,
        )
    )
    note = f"{resolution} pixels, {PUBLISHED.grid**2} of {PUBLISHED.windows:,} patches, batch {count}"
    return [Measurement("patch grid", "images/s", ours, theirs, note)]


def imagenet_cgn_step() -> list[Measurement]:
    """A training step of the toy world's ImageNet CGN, and its parts; and sampling from it."""
    parts = toy_parts()
    cgn = ImageNetCGN(parts.biggan, parts.u2net)
    features = perceptual_features("efficientnet-lite0")
    trainer = ImageNetTrainer(cgn, IMAGENET_TOY, features, seed=0)
    recipe, n = trainer.recipe, trainer.recipe.batch_size * trainer.recipe.accumulation
    u = sample_latents(n, cgn.z_dim, 1.0, generator(0, "bench", "latents"))
    y = F.one_hot(torch.arange(n) % cgn.num_classes, cgn.num_classes).float()
    images = cgn.teacher(u, y)
    flops = counted_flops(lambda: trainer.step(0))
    seconds = best_seconds(lambda: [trainer.step(step) for step in range(STEPS)], repeats=2) / STEPS
    forward: dict[str, Callable[[], object]] = {
        "teacher": lambda: cgn.teacher(u, y),
        "mechanisms": lambda: [mechanism(u, y) for mechanism in (cgn.f_shape, cgn.f_text, cgn.f_bg)],
        "U2-Net": lambda: [cgn.saliency(images) for _ in ("premask", "background")],
        "features": lambda: [
            features.style_loss(images, images, weights) for weights in (recipe.style_weights, recipe.texture_weights)
        ],
    }
    with torch.no_grad():
        spent = {name: best_seconds(action) for name, action in forward.items()}
    spent["backward and update"] = seconds - sum(spent.values())
    note = ", ".join(f"{name} {1000 * each:.0f} ms" for name, each in spent.items())
    reached = bound_words(flops, n, seconds)
    cgn.eval()
    drawn = SAMPLES / best_seconds(lambda: sample_shard(cgn, Sampling(SAMPLES, shard=SAMPLES), 0), repeats=2)
    return [
        Measurement("ImageNet CGN training", "images/s", n / seconds, note=f"toy, 64 pixels, {reached}; {note}"),
        Measurement("ImageNet CGN sampling", "images/s", drawn, note="toy, 64 pixels"),
    ]


def ensemble_step() -> list[Measurement]:
    """Training of the invariant classifier, and what share of the machine's matrix product it reaches."""
    measurements = []
    for name, size, batch in (("toy", 64, 32), ("resnet50", 224, 8)):
        network = ensemble(name, 0, pretrained=False)
        recipe = replace(ENSEMBLE, backbone=name, batch_size=batch // 2, cf_ratio=1.0)
        stream = generator(0, "bench", name)
        images = torch.randint(256, (batch, 3, size, size), generator=stream, dtype=torch.uint8)
        labels = torch.randint(network.num_classes, (batch, 3), generator=stream)
        sources = ImagesInMemory(images, labels[:, 0]), ImagesInMemory(images, labels)
        with FlopCounterMode(display=False) as counted, torch.no_grad():
            network(to_float(images))
        trainer = EnsembleTrainer(network, recipe, *sources, seed=0)
        trainer.step(0)
        seconds = best_seconds(lambda trainer=trainer: [trainer.step(step) for step in range(STEPS)], repeats=2) / STEPS
        # A step costs three times the forward pass: two products for each one of it going back.
        words = bound_words(3 * counted.get_total_flops(), batch, seconds)
        note = f"{name}, {size} pixels, batch {batch}, {words}"
        measurements.append(Measurement("ImageNet classifier training", "images/s", batch / seconds, note=note))
    return measurements


def toy_world() -> list[Measurement]:
    """Rendering the toy world's test images, factors drawn independently."""
    seconds = best_seconds(lambda: toy_sets.build(toy_sets.FREE, SAMPLES, 0))
    return [Measurement("toy world", "images/s", SAMPLES / seconds, note=f"{SAMPLES:,} images and masks, 64 pixels")]


def photographs() -> list[Measurement]:
    """Reading JPEG photographs for evaluation, in two threads, beside torchvision's transforms one by one."""
    measurements = []
    for width, height in ((500, 375), (1600, 1200)):
        noise = torch.randint(256, (height // 8, width // 8, 3), generator=generator(0, "bench"), dtype=torch.uint8)
        picture = Image.fromarray(noise.numpy()).resize((width, height), Image.Resampling.BICUBIC)
        with tempfile.TemporaryDirectory() as place:
            for i in range(PHOTOGRAPHS):
                (Path(place) / "class").mkdir(exist_ok=True)
                picture.save(Path(place) / "class" / f"{i}.jpg", "JPEG", quality=90)
            found = folder_set(Path(place), "bench", "bench", ["class"])

            def plain(found: FolderSet = found) -> None:
                for path in found.paths:
                    picture: Any = Image.open(path).convert("RGB")
                    transforms.pil_to_tensor(transforms.center_crop(transforms.resize(picture, [256]), [224]))

            ours, theirs = (
                PHOTOGRAPHS / seconds
                for seconds in best_in_turns(
                    lambda found=found: sum(len(labels) for _, labels in found.batches(50)), plain
                )
            )
        note = f"{width} x {height} pixels to 224, {found.workers} threads"
        measurements.append(Measurement("photographs", "images/s", ours, theirs, note))
    return measurements


BENCHMARKS: dict[str, Callable[[], list[Measurement]]] = {
    "machine": machine,
    "wildlife-data": wildlife_data,
    "upsampled-convolution": upsampled_convolution,
    "classifier-step": classifier_step,
    "counterfactuals": counterfactuals,
    "cgn-step": cgn_step,
    "texture-targets": texture_targets,
    "imagenet-cgn-step": imagenet_cgn_step,
    "ensemble-step": ensemble_step,
    "toy-world": toy_world,
    "photographs": photographs,
}


def table(measurements: list[Measurement]) -> str:
    """The measurements as aligned text: name, rate, rate of the plain code, ratio."""
    rows = [("what", "rate", "plain code", "ratio", "")]
    for one in measurements:
        plain = "-" if one.plain_rate is None else f"{one.plain_rate:,.0f} {one.unit}"
        ratio = "-" if one.ratio is None else f"{one.ratio:.{0 if one.ratio > 10 else 1}f}x"
        rows.append((one.name, f"{one.rate:,.0f} {one.unit}", plain, ratio, one.note))
    widths = np.max([[len(cell) for cell in row] for row in rows], axis=0)
    lines = []
    for name, *cells, note in rows:
        columns = [f"{cell:>{width}}" for cell, width in zip(cells, widths[1:], strict=False)]
        lines.append("  ".join([f"{name:<{widths[0]}}", *columns, note]).rstrip())
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmarks named (default: all) and print the table."""
    parser = argparse.ArgumentParser(prog="python -m cgnlib.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(BENCHMARKS)}; default: all")
    names = parser.parse_args(arguments).names or list(BENCHMARKS)
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"unknown benchmark {unknown[0]!r}: any of {', '.join(BENCHMARKS)}")
    keep_freed_memory()  # as training and sampling do; the plain code gets it too
    print(table([measurement for name in names for measurement in BENCHMARKS[name]()]))
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
