"""How fast the library is, beside plain code that does the same in the same run: `python -m benchmarks`.

A benchmark is a function without arguments that returns its measurements; add it to BENCHMARKS to have it run.
"""

import argparse
from collections.abc import Callable

import torch

from benchmarks import imagenet, mnist
from benchmarks.measure import Measurement, machine, table

BENCHMARKS: dict[str, Callable[[], list[Measurement]]] = {
    "machine": machine,
    "wildlife-data": mnist.wildlife_data,
    "upsampled-convolution": mnist.upsampled_convolution,
    "classifier-step": mnist.classifier_step,
    "counterfactuals": mnist.counterfactuals,
    "cgn-step": mnist.cgn_step,
    "texture-targets": imagenet.texture_targets,
    "imagenet-cgn-step": imagenet.imagenet_cgn_step,
    "ensemble-step": imagenet.ensemble_step,
    "toy-world": imagenet.toy_world,
    "photographs": imagenet.photographs,
}


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmarks named (default: all) and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
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
