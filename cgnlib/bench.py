"""How fast the library is, beside a plain per-image loop that does the same in the same run: `python -m cgnlib.bench`.

A benchmark is a function without arguments that returns its measurements; add it to BENCHMARKS to have it run.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torchvision.transforms import functional as transforms

from cgnlib.assets import Digits, Textures, find_digits, find_textures
from cgnlib.mnist.variants import MASK_LEVEL, PADDING, SIZE, Factors, draw_factors, make_variant, select_digits

LOOP_IMAGES = 1000  # the plain loops are timed on this many images


@dataclass(frozen=True)
class Measurement:
    """One line of the table: `rate` and `loop_rate` in `unit`; loop_rate is None where there is no plain loop."""

    name: str
    unit: str
    rate: float
    loop_rate: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times faster than the plain loop."""
        return None if self.loop_rate is None else self.rate / self.loop_rate


def best_seconds(action: Callable[[], object], repeats: int = 3) -> float:
    """The shortest of `repeats` timings of `action`, in seconds: the one least disturbed by other programs."""
    timings = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        timings.append(time.perf_counter() - start)
    return min(timings)


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


BENCHMARKS: dict[str, Callable[[], list[Measurement]]] = {
    "wildlife-data": wildlife_data,
}


def table(measurements: list[Measurement]) -> str:
    """The measurements as aligned text: name, rate, rate of the plain loop, ratio."""
    rows = [("what", "rate", "plain loop", "ratio", "")]
    for one in measurements:
        loop = "-" if one.loop_rate is None else f"{one.loop_rate:,.0f} {one.unit}"
        ratio = "-" if one.ratio is None else f"{one.ratio:.0f}x"
        rows.append((one.name, f"{one.rate:,.0f} {one.unit}", loop, ratio, one.note))
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
    print(table([measurement for name in names for measurement in BENCHMARKS[name]()]))
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
