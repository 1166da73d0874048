"""Counterfactual images of a trained ImageNet CGN: labels, streams of images, a store on disk, interpolations.

One noise vector per image is shared by all mechanisms, as published; only labels differ (`random`, `fixed`, `tied`).
"""

import json
import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from cgnlib.errors import AssetError, known
from cgnlib.imagenet.biggan import sample_latents
from cgnlib.imagenet.cgn import ImageNetCGN, Labels, Parts
from cgnlib.images import to_uint8
from cgnlib.locking import locked
from cgnlib.paths import atomic_file, file_sha256
from cgnlib.progress import tqdm
from cgnlib.randomness import generator
from cgnlib.training.weights import fingerprint, save_tensors

LABEL_MODES = ("random", "tied", "fixed")


@dataclass(frozen=True)
class Sampling:
    """What is sampled. Raises ValueError for settings that cannot be meant.

    labels: "random": three independent uniform labels per image; "tied": one label for all three; "fixed": `triple`.
    """

    n: int
    labels: str = "random"
    triple: tuple[int, int, int] | None = None  # shape, texture, background
    truncation: float = 1.0
    seed: int = 0
    shard: int = 500  # images drawn, and stored, at a time

    def __post_init__(self) -> None:
        known("labels", self.labels, LABEL_MODES)
        if (self.labels == "fixed") != (self.triple is not None):
            raise ValueError("labels are fixed exactly where a triple (shape, texture, background) is given")
        if min(self.n, self.shard) < 1 or not 0 <= self.truncation <= 1:
            raise ValueError("n and shard must be 1 or more, truncation between 0 and 1")

    @property
    def shards(self) -> int:
        return math.ceil(self.n / self.shard)

    def size(self, shard: int) -> int:
        """Images in a shard; the last one may have fewer."""
        return min(self.shard, self.n - shard * self.shard)


class Samples(NamedTuple):
    """Sampled images with the labels that were asked for."""

    images: Tensor  # (N, 3, R, R) uint8
    masks: Tensor  # (N, R, R) uint8, 255 where the object is
    labels: Tensor  # (N, 3) int64: shape, texture, background


def draw_labels(sampling: Sampling, shard: int, num_classes: int) -> Tensor:
    """(n, 3) int64 labels of a shard: shape, texture, background. Depends on what `sampling` says, but truncation."""
    size = sampling.size(shard)
    if sampling.triple is not None:
        triple = torch.tensor(sampling.triple)
        if triple.min() < 0 or triple.max() >= num_classes:
            raise ValueError(f"triple {sampling.triple} has a label outside [0, {num_classes - 1}]")
        return triple.expand(size, 3).clone()
    stream = generator(sampling.seed, "imagenet", "sampling", "labels", shard)
    if sampling.labels == "tied":
        return torch.randint(num_classes, (size, 1), generator=stream).expand(size, 3).clone()
    return torch.randint(num_classes, (size, 3), generator=stream)


def draw_noise(sampling: Sampling, shard: int, z_dim: int) -> Tensor:
    """(n, z_dim) u of a shard. Depends on truncation, seed and shard alone."""
    stream = generator(sampling.seed, "imagenet", "sampling", "noise", shard)
    return sample_latents(sampling.size(shard), z_dim, sampling.truncation, stream)


class Drawn(NamedTuple):
    """A batch of counterfactuals with what they were drawn from and all their parts, on the CGN's device."""

    labels: Tensor  # (B, 3) int64: shape, texture, background
    u: Tensor  # (B, z_dim)
    parts: Parts


@torch.inference_mode()
def draw(cgn: ImageNetCGN, sampling: Sampling, shard: int = 0, batch: int = 50) -> Iterator[Drawn]:
    """The images of one shard. `cgn` must be in eval mode (ValueError), or each image would change its weights."""
    if cgn.training:
        raise ValueError("the CGN is in training mode: call eval() first")
    device = next(cgn.parameters()).device
    labels, u = draw_labels(sampling, shard, cgn.num_classes), draw_noise(sampling, shard, cgn.z_dim)
    for asked, noise in zip(labels.split(batch), u.split(batch), strict=True):
        asked, noise = asked.to(device), noise.to(device)
        classes = Labels.of(*asked.T, num_classes=cgn.num_classes)
        yield Drawn(asked, noise, cgn(noise, classes, sampling.truncation))


def sample_shard(cgn: ImageNetCGN, sampling: Sampling, shard: int = 0, batch: int = 50) -> Samples:
    """The images of one shard, as `draw` gives them, on the CPU. Raises ValueError for a CGN in training mode."""
    images, masks, labels = [], [], []
    for drawn in draw(cgn, sampling, shard, batch):
        images.append(to_uint8(drawn.parts.image).contiguous().cpu())
        masks.append(drawn.parts.mask[:, 0].mul(255).round().to(torch.uint8).cpu())
        labels.append(drawn.labels.cpu())
    return Samples(torch.cat(images), torch.cat(masks), torch.cat(labels))


class Store:
    """Counterfactual images on disk, one file per shard; made, continued after an interruption, and checked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index = folder / "index.json"

    def make(self, cgn: ImageNetCGN, sampling: Sampling) -> None:
        """Write the shards that are missing or damaged. Finished ones are kept.

        How much that is is said first. Raises AssetError where the disk has no room for it, and ValueError where the
        folder holds images of another CGN or other settings.
        """
        config = {**vars(sampling), "cgn": fingerprint(cgn), "triple": list(sampling.triple or [])}
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder / "lock", "waiting for another process that makes the same images"):
            found = self._read() if self.index.exists() else {"config": config, "sha256": {}}
            if different := [name for name in config if found["config"].get(name) != config[name]]:
                raise ValueError(
                    f"{self.folder} holds images with another {', '.join(different)}: take an empty folder"
                )
            files = [self.folder / f"shard-{shard:05d}.safetensors" for shard in range(sampling.shards)]
            missing = [shard for shard, file in enumerate(files) if not _intact(file, found["sha256"].get(file.name))]
            size = _room(self.folder, cgn.f_shape.config.resolution, len(missing) * sampling.shard)
            for shard in tqdm(missing, desc=f"counterfactual images, {size}", unit="shard", leave=False):
                save_tensors(sample_shard(cgn, sampling, shard)._asdict(), files[shard])
                found["sha256"][files[shard].name] = file_sha256(files[shard])
                with atomic_file(self.index) as partial:
                    partial.write_text(json.dumps(found, indent=1) + "\n")

    def __len__(self) -> int:
        """How many images the store holds. Raises AssetError where it is not finished."""
        return int(self._finished()["config"]["n"])

    def __iter__(self) -> Iterator[Samples]:
        """Shard by shard, each checked. Raises AssetError where it is not finished, or names the file that is missing
        or damaged.
        """
        for name, expected in sorted(self._finished()["sha256"].items()):
            if not _intact(self.folder / name, expected):
                raise AssetError(f"{self.folder / name} is missing or damaged. Make the store again: the rest is kept.")
            yield Samples(**load_file(self.folder / name))

    def _finished(self) -> dict:
        found = self._read()
        if len(found["sha256"]) < math.ceil(found["config"]["n"] / found["config"]["shard"]):
            raise AssetError(f"The store {self.folder} is not finished. Make it again: the rest is kept.")
        return found

    def _read(self) -> dict:
        if not self.index.exists():
            raise AssetError(f"{self.index} does not exist: no counterfactual images there. Make the store first.")
        try:
            found = json.loads(self.index.read_text())
            _ = found["config"]["n"], found["config"]["shard"], found["sha256"]
            return found
        except (ValueError, KeyError, TypeError) as error:
            raise AssetError(
                f"{self.index} is damaged ({error!r}). Delete the folder and make the store again."
            ) from error


def stored_bytes(resolution: int) -> int:
    """Bytes of a stored image: pixels, mask and three labels."""
    return 4 * resolution**2 + 24


def _room(folder: Path, resolution: int, images: int) -> str:
    """The size of that many stored images, "26.2 GB". Raises AssetError where the disk has less to spare."""
    size, free = images * stored_bytes(resolution), shutil.disk_usage(folder).free
    if size > free:
        raise AssetError(
            f"{images:,} counterfactual images take {size / 1e9:.1f} GB, and the disk of {folder} has {free / 1e9:.1f} "
            "GB free. Free some, name another folder in CGN_BUILD, or take fewer images."
        )
    return f"{size / 1e9:.1f} GB"


def _intact(file: Path, sha256: str | None) -> bool:
    return sha256 is not None and file.exists() and file_sha256(file) == sha256


@torch.inference_mode()
def interpolate(
    cgn: ImageNetCGN, u: Tensor, start: tuple[int, int, int], end: tuple[int, int, int], steps: int
) -> Parts:
    """`steps` images from the labels `start` to `end` (shape, texture, background), in one-hot space, with one noise.

    u: (1, z_dim). A factor whose two labels are equal stays as it is.
    """
    if steps < 2:
        raise ValueError(f"an interpolation needs 2 steps or more, not {steps}")
    device, n = u.device, cgn.num_classes
    share = torch.linspace(0, 1, steps, device=device)[:, None]
    ends = [(F.one_hot(torch.tensor(pair, device=device), n).float()) for pair in zip(start, end, strict=True)]
    return cgn(u.expand(steps, -1), Labels(*(torch.lerp(first, last, share) for first, last in ends)))
