"""Speed of the ImageNet half: texture targets, training steps, sampling, reading photographs, the toy world."""

import functools
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode
from torchvision.transforms import functional as transforms

from benchmarks import measure
from benchmarks.measure import STEPS, Measurement, bound_words, counted_flops
from benchmarks.plain import reference_patch_grid
from cgnlib.data.folders import FolderSet, folder_set
from cgnlib.features import perceptual_features
from cgnlib.imagenet.biggan import sample_latents
from cgnlib.imagenet.cgn import ImageNetCGN
from cgnlib.imagenet.invariant import ensemble
from cgnlib.imagenet.invariant_training import EnsembleTrainer, ImagesInMemory
from cgnlib.imagenet.recipes import TOY_CGN, TOY_CLASSIFIER
from cgnlib.imagenet.sampling import Sampling, sample_shard
from cgnlib.imagenet.texture_targets import PUBLISHED, patch_grid
from cgnlib.imagenet.toy.parts import toy_parts
from cgnlib.imagenet.training import ImageNetTrainer
from cgnlib.images import to_float
from cgnlib.randomness import generator
from cgnlib.toyworld import sets as toy_sets

PHOTOGRAPHS = 100  # read per timing


def texture_targets() -> list[Measurement]:
    """Patch grids at published sizes, beside building all 12,996 patches of each image first."""
    count, resolution = 5, 256  # the study's batch
    stream = generator(0, "bench")
    images = torch.rand(count, 3, resolution, resolution, generator=stream) * 2 - 1
    masks = torch.rand(count, 1, resolution, resolution, generator=stream)
    ours, theirs = (
        count / seconds
        for seconds in measure.best_in_turns(
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
    trainer = ImageNetTrainer(cgn, TOY_CGN, features, seed=0)
    recipe, n = trainer.recipe, trainer.recipe.batch_size * trainer.recipe.accumulation
    u = sample_latents(n, cgn.z_dim, 1.0, generator(0, "bench", "latents"))
    y = F.one_hot(torch.arange(n) % cgn.num_classes, cgn.num_classes).float()
    images = cgn.teacher(u, y)
    flops = counted_flops(lambda: trainer.step(0))
    seconds = measure.best_seconds(lambda: [trainer.step(step) for step in range(STEPS)], repeats=2) / STEPS
    forward: dict[str, Callable[[], object]] = {
        "teacher": lambda: cgn.teacher(u, y),
        "mechanisms": lambda: [mechanism(u, y) for mechanism in (cgn.f_shape, cgn.f_text, cgn.f_bg)],
        "U2-Net": lambda: [cgn.saliency(images) for _ in ("premask", "background")],
        "features": lambda: [
            features.style_loss(images, images, weights) for weights in (recipe.style_weights, recipe.texture_weights)
        ],
    }
    with torch.no_grad():
        spent = {name: measure.best_seconds(action) for name, action in forward.items()}
    spent["backward and update"] = seconds - sum(spent.values())
    note = ", ".join(f"{name} {1000 * each:.0f} ms" for name, each in spent.items())
    reached = bound_words(flops, n, seconds)
    cgn.eval()
    drawn = measure.SAMPLES / measure.best_seconds(
        lambda: sample_shard(cgn, Sampling(measure.SAMPLES, shard=measure.SAMPLES), 0), repeats=2
    )
    return [
        Measurement("ImageNet CGN training", "images/s", n / seconds, note=f"toy, 64 pixels, {reached}; {note}"),
        Measurement("ImageNet CGN sampling", "images/s", drawn, note="toy, 64 pixels"),
    ]


def ensemble_step() -> list[Measurement]:
    """Training of the invariant classifier, and what share of the machine's matrix product it reaches."""
    measurements = []
    for name, size, batch in (("toy", 64, 32), ("resnet50", 224, 8)):
        network = ensemble(name, 0, pretrained=False)
        recipe = replace(TOY_CLASSIFIER, backbone=name, batch_size=batch // 2, cf_ratio=1.0)
        stream = generator(0, "bench", name)
        images = torch.randint(256, (batch, 3, size, size), generator=stream, dtype=torch.uint8)
        labels = torch.randint(network.num_classes, (batch, 3), generator=stream)
        sources = ImagesInMemory(images, labels[:, 0]), ImagesInMemory(images, labels)
        with FlopCounterMode(display=False) as counted, torch.no_grad():
            network(to_float(images))
        trainer = EnsembleTrainer(network, recipe, *sources, seed=0)
        trainer.step(0)
        seconds = (
            measure.best_seconds(lambda trainer=trainer: [trainer.step(step) for step in range(STEPS)], repeats=2)
            / STEPS
        )
        # A step costs three times the forward pass: two products for each one of it going back.
        words = bound_words(3 * counted.get_total_flops(), batch, seconds)
        note = f"{name}, {size} pixels, batch {batch}, {words}"
        measurements.append(Measurement("ImageNet classifier training", "images/s", batch / seconds, note=note))
    return measurements


def toy_world() -> list[Measurement]:
    """Rendering the toy world's test images, factors drawn independently."""
    seconds = measure.best_seconds(lambda: toy_sets.build(toy_sets.FREE, measure.SAMPLES, 0))
    return [
        Measurement(
            "toy world", "images/s", measure.SAMPLES / seconds, note=f"{measure.SAMPLES:,} images and masks, 64 pixels"
        )
    ]


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
                for seconds in measure.best_in_turns(
                    lambda found=found: sum(len(labels) for _, labels in found.batches(50)), plain
                )
            )
        note = f"{width} x {height} pixels to 224"
        measurements.append(Measurement("photographs", "images/s", ours, theirs, note))
    return measurements
