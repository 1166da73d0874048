"""Labelled images: what every data set, generator and classifier of the study exchanges."""

import hashlib
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from cgnlib.finite import finite


def to_uint8(images: Tensor) -> Tensor:
    """Float images in [-1, 1] (values outside are clipped) as uint8 in [0, 255], rounded to nearest.

    Raises ValueError for NaN and inf, which would be black and white.
    """
    return finite(images, "images").clamp(-1, 1).add(1).mul(127.5).round_().to(torch.uint8)


def to_float(images: Tensor) -> Tensor:
    """uint8 images in [0, 255] as float32 in [-1, 1]."""
    return images.float().div_(127.5).sub_(1)


@dataclass(frozen=True)
class LabelledImages:
    """Images with the label of each of their factors.

    images: (N, 3, H, W) uint8; shape, foreground, background: (N,) int64, -1 where a factor does not exist.
    `name` says which set this is ("wildlife/test"), `source` what its pixels come from ("mnist-full+dtd").
    """

    images: Tensor
    shape: Tensor
    foreground: Tensor
    background: Tensor
    name: str
    source: str

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.shape[1] != 3 or self.images.dtype != torch.uint8:
            raise ValueError(
                f"{self.name}: images must be uint8 (N, 3, H, W), not {self.images.dtype} {tuple(self.images.shape)}"
            )
        for factor in ("shape", "foreground", "background"):
            labels = getattr(self, factor)
            if labels.shape != (len(self.images),) or labels.dtype != torch.int64:
                found = f"{labels.dtype} {tuple(labels.shape)}"
                raise ValueError(f"{self.name}: {factor} labels must be int64 ({len(self.images)},), not {found}")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def sha256(self) -> str:
        """Hash of pixels and labels: two sets with the same hash are the same set."""
        return tensors_sha256(self.images, self.shape, self.foreground, self.background)

    def subset(self, index: Tensor | slice) -> "LabelledImages":
        """The images at `index`, in that order."""
        parts = {name: getattr(self, name)[index] for name in ("images", "shape", "foreground", "background")}
        return replace(self, **parts)

    def as_float(self, index: Tensor | slice = slice(None)) -> Tensor:
        """Images at `index` as float32 in [-1, 1]."""
        return to_float(self.images[index])


def tensors_sha256(*tensors: Tensor) -> str:
    """SHA-256 of the values of tensors on the CPU, one after the other."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()


def concatenate(sets: list[LabelledImages], name: str) -> LabelledImages:
    """One set after the other; sources are joined with ' + '."""
    parts = {key: torch.cat([getattr(s, key) for s in sets]) for key in ("images", "shape", "foreground", "background")}
    return LabelledImages(**parts, name=name, source=" + ".join(dict.fromkeys(s.source for s in sets)))
