"""The 1,280 cue-conflict stimuli (Geirhos et al. 2019), and the shape bias of a classifier of ImageNet-1k on them.

`python -m cgnlib.imagenet.cue_conflict` measures EfficientNet-Lite0, whose weights come with a package, and keeps the
rows: the whole measurement on real images, without a download other than the stimuli.
"""

import argparse
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor, nn

from cgnlib import results
from cgnlib.features import efficientnet_lite0
from cgnlib.fetching import AssetError
from cgnlib.imagenet.shape_bias import CATEGORIES, Cues, ShapeBias, decisions, parse_name, shape_bias
from cgnlib.parameters import PROFILES
from cgnlib.progress import tqdm
from cgnlib.randomness import generator
from cgnlib.registry import require
from cgnlib.results import Row
from cgnlib.verdicts import code_and_rules

EXPERIMENT = "imagenet-shape-bias"
LITE0 = "efficientnet-lite0"  # the method of its rows
SIZE = 224  # pixels
ENLARGED = 256  # pixels: the authors' code resizes to this before it crops to SIZE
PER_PAIR = 5  # images of each shape in each texture: 16 * 16 * 5 = 1,280
TOTAL = PER_PAIR * len(CATEGORIES) ** 2
NAMED = 5  # files that an error names; the rest are only counted


@dataclass(frozen=True)
class Normalisation:
    """What is subtracted from images in [0, 1], and what they are divided by, per channel."""

    name: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 (B, 3, H, W) as normalised float32."""
        mean, std = (torch.tensor(v, device=images.device)[:, None, None] for v in (self.mean, self.std))
        return (images.float() / 255 - mean) / std


# As EfficientNet-Lite0 was trained: (x - 127) / 128 for x in [0, 255].
LITE = Normalisation("lite", (127 / 255, 127 / 255, 127 / 255), (128 / 255, 128 / 255, 128 / 255))
IMAGENET = Normalisation("imagenet", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


# --- Stimuli --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stimulus:
    """A file with the cues that its name tells."""

    path: Path
    cues: Cues


class Batch(NamedTuple):
    """images: (B, 3, 224, 224) uint8; shapes, textures: (B,) int64, categories in 0..15."""

    images: Tensor
    shapes: Tensor
    textures: Tensor


def stimuli(folder: str | Path) -> tuple[Stimulus, ...]:
    """The stimuli of a folder, `<shape>/<shape><i>-<texture><j>.png`, ordered by path; all files are checked.

    Raises AssetError, with the number of wrong files and the names of the first, for other names or folders, for pairs
    of categories that have not 5 images, and for files that are no intact RGB PNG of 224 x 224 pixels.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise AssetError(f"cue-conflict stimuli: there is no folder {folder}")
    files = sorted(path for path in folder.rglob("*") if not path.is_dir())
    found = [stimulus for path in files if (stimulus := _stimulus(folder, path)) is not None]
    known = {stimulus.path for stimulus in found}
    _refuse(
        folder,
        "files that are no stimuli by name or folder",
        [str(p.relative_to(folder)) for p in files if p not in known],
    )
    counts = Counter((stimulus.cues.shape, stimulus.cues.texture) for stimulus in found)
    pairs = [(shape, texture) for shape in range(len(CATEGORIES)) for texture in range(len(CATEGORIES))]
    wrong = [f"{CATEGORIES[s]}-{CATEGORIES[t]} ({counts[s, t]})" for s, t in pairs if counts[s, t] != PER_PAIR]
    _refuse(folder, f"pairs of shape and texture without {PER_PAIR} images ({len(found):,} of {TOTAL:,} there)", wrong)
    damaged = [f"{path.relative_to(folder)} ({why})" for path in sorted(known) if (why := _damage(path))]
    _refuse(folder, "files that cannot be used", damaged)
    return tuple(found)


def conflicting(chosen: Sequence[Stimulus], n: int | None = None, seed: int = 0) -> list[Stimulus]:
    """The stimuli whose cues conflict, in their order; with `n` as many of them, drawn with a seed, and of each shape
    category as many as of any other, but for one. Raises ValueError for more than there are, or none.
    """
    found = [stimulus for stimulus in chosen if stimulus.cues.shape != stimulus.cues.texture]
    if n is None:
        return found
    if not 1 <= n <= len(found):
        raise ValueError(f"{n} of {len(found)} conflicting stimuli cannot be taken")
    order = torch.randperm(len(found), generator=generator(seed, "cue-conflict")).tolist()
    seen: Counter[int] = Counter()
    turn = {}  # how many of its category are drawn before a stimulus
    for index in order:
        turn[index] = seen[found[index].cues.shape]
        seen[found[index].cues.shape] += 1
    return [found[index] for index in sorted(sorted(order, key=turn.__getitem__)[:n])]


def _stimulus(folder: Path, path: Path) -> Stimulus | None:
    try:
        cues = parse_name(path.name)
    except ValueError:
        return None
    expected = f"{CATEGORIES[cues.shape]}{cues.shape_image}-{CATEGORIES[cues.texture]}{cues.texture_image}.png"
    return Stimulus(path, cues) if path == folder / CATEGORIES[cues.shape] / expected else None


def _damage(path: Path) -> str:
    """What is wrong with an image, "" for nothing."""
    try:
        with Image.open(path) as image:
            image.load()
            kind = f"{image.format} {image.mode} {image.width} x {image.height}"
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises SyntaxError for broken chunks of a PNG
        return f"unreadable: {error}"
    return "" if kind == f"PNG RGB {SIZE} x {SIZE}" else kind


def _refuse(folder: Path, what: str, wrong: Sequence[str]) -> None:
    if wrong:
        names = ", ".join(wrong[:NAMED]) + (", ..." if len(wrong) > NAMED else "")
        raise AssetError(f"cue-conflict stimuli in {folder}: {len(wrong):,} {what}: {names}")


def batches(chosen: Sequence[Stimulus], size: int = 64, enlarge: bool = False) -> Iterator[Batch]:
    """Stimuli in their order, `size` at a time; the last batch may be smaller.

    enlarge: resize to 256 and crop the central 224 pixels, as the authors' code does with these 224 pixel files (it
    zooms in by 8/7 and drops the border); bilinear, by Pillow. Raises AssetError for a file that cannot be read.
    """
    if size < 1:
        raise ValueError(f"a batch needs at least 1 image, not {size}")
    for start in range(0, len(chosen), size):
        part = chosen[start : start + size]
        images = torch.stack([_pixels(stimulus.path, enlarge) for stimulus in part])
        shapes, textures = torch.tensor([(s.cues.shape, s.cues.texture) for s in part]).unbind(dim=1)
        yield Batch(images, shapes, textures)


def _pixels(path: Path, enlarge: bool) -> Tensor:
    """(3, 224, 224) uint8."""
    try:
        with Image.open(path) as image:
            picture = image.convert("RGB")
    except (OSError, SyntaxError) as error:
        raise AssetError(f"cue-conflict stimulus {path} cannot be read: {error}") from error
    if enlarge:
        from torchvision.transforms.functional import center_crop, resize  # here: to import it takes seconds

        picture = center_crop(resize(picture, [ENLARGED]), [SIZE])  # pyright: ignore[reportArgumentType]
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)


# --- Measurement ----------------------------------------------------------------------------------------------------


@torch.no_grad()
def evaluate(
    network: nn.Module,
    folder: str | Path,
    normalisation: Normalisation,
    *,
    enlarge: bool = False,
    limit: int | None = None,
    seed: int = 0,
    batch: int = 64,
    device: str | torch.device = "cpu",
) -> ShapeBias:
    """Shape bias of a network, (B, 3, 224, 224) -> logits (B, 1000), over the 1,200 stimuli whose cues conflict, or
    `limit` of them, as `conflicting` draws them.

    The network is moved to `device` and set to eval mode. Raises AssetError as `stimuli`, ValueError for logits that
    are no predictions of ImageNet-1k.
    """
    layout = torch.channels_last  # a quarter faster on a CPU
    network.to(device, memory_format=layout).eval()  # pyright: ignore[reportCallIssue]
    chosen = conflicting(stimuli(folder), limit, seed)
    decided, shapes, textures = [], [], []
    steps = -(-len(chosen) // batch)
    for part in tqdm(batches(chosen, batch, enlarge), total=steps, desc="cue-conflict stimuli"):
        images = normalisation(part.images.to(device)).contiguous(memory_format=layout)
        decided.append(decisions(network(images)).cpu())
        shapes.append(part.shapes)
        textures.append(part.textures)
    return shape_bias(torch.cat(decided), torch.cat(shapes), torch.cat(textures))


def result_rows(
    found: ShapeBias,
    *,
    method: str,
    profile: str,
    recipe: str = "-",
    seconds: float | None = None,
    device: str = "cpu",
    **params: Any,
) -> list[Row]:
    """Rows of a measurement: shape bias in percent (n: decisions for a cue), and the counts (n: images), for all images
    and for each shape category. A category without a decision has no shape bias, only counts.
    """
    rows = []
    parts = {"": found} | {f"/category/{name}": counts for name, counts in found.by_category.items()}
    common = {"experiment": EXPERIMENT, "dataset": "cue-conflict", "data": "cue-conflict", "seed": 0, "params": params}
    common |= {"method": method, "recipe": recipe, "profile": profile, "seconds": seconds, "device": device}
    common["code"] = code_and_rules("imagenet")
    for name, counts in parts.items():
        if counts.decided:
            value = 100 * counts.value
            rows.append(Row(**common, metric=f"shape-bias{name}", value=value, n=counts.decided))
        for cue in ("shape", "texture"):
            value = getattr(counts, cue)
            rows.append(Row(**common, metric=f"decisions/{cue}{name}", unit="images", value=value, n=counts.n))
    return rows


def lite0_rows(
    folder: str | Path,
    profile: str,
    normalisations: Sequence[Normalisation] = (LITE, IMAGENET),
    enlarged: Sequence[bool] = (False, True),
    limit: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Shape bias of EfficientNet-Lite0 for each preprocessing, on all conflicting stimuli or `limit` of them; kept."""
    rows = []
    for normalisation in normalisations:
        for enlarge in enlarged:
            start = time.perf_counter()
            found = evaluate(efficientnet_lite0(), folder, normalisation, enlarge=enlarge, limit=limit, seed=seed)
            params: dict[str, Any] = {"normalisation": normalisation.name, "enlarge": enlarge, "stimuli": "all"}
            if limit is not None:
                params |= {"stimuli": limit, "sample_seed": seed}
            seconds = time.perf_counter() - start
            rows += result_rows(found, method=LITE0, profile=profile, seconds=seconds, **params)
    return results.keep(rows)


def main(arguments: list[str] | None = None) -> int:
    """Measure EfficientNet-Lite0 with both normalisations, as they are and enlarged, and keep the rows."""
    parser = argparse.ArgumentParser(prog="python -m cgnlib.imagenet.cue_conflict", description=main.__doc__)
    parser.add_argument("--folder", help="a data folder to look into first (default: CGN_DATA)")
    parser.add_argument("--profile", choices=PROFILES, default="paper", help="scale of the rows (default: paper)")
    options = parser.parse_args(arguments)
    try:
        folder = require("cue-conflict", options.folder)
        for line in lite0_rows(folder, options.profile).to_dict("records"):
            if "/category/" not in line["metric"]:
                print("{params} {metric}: {value:.4g} {unit} (n = {n:,})".format(**line))
        print(results.results_file(options.profile, EXPERIMENT))
    except (AssetError, results.ResultsError) as error:
        parser.exit(1, f"{error}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
