"""Counterfactual images as a stream (SG21, Section 3.3): a label for each factor, masks shared over the CF ratio."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from cgnlib.composition import compose
from cgnlib.images import LabelledImages, concatenate, to_uint8
from cgnlib.mnist.cgn import CGN, draw_noise, shuffle_texture
from cgnlib.mnist.names import N_CLASSES
from cgnlib.randomness import generator
from cgnlib.training.precision import fast_autocast

MASKS_PER_BATCH = 100  # as published; larger batches do not fit the cache of a processor and are slower


@dataclass(frozen=True)
class CounterfactualStream:
    """`n` counterfactual images of a CGN, made batch by batch; iterating again gives the same images.

    In a batch, shape labels are uniform; foreground and background labels are two independent permutations of them.
    Each mask is composed `ratio` times with fresh textures (CF ratio). `tied` gives all factors the label of the shape,
    with noise of its own for the mask: what the study's code calls its GAN.

    >>> from cgnlib.mnist.cgn import load_weights
    >>> images = CounterfactualStream(load_weights("weights/mnist/wildlife-robust.safetensors"), n=20, seed=0).collect()
    >>> images.images.shape, images.shape.shape, images.name
    (torch.Size([20, 3, 32, 32]), torch.Size([20]), 'cgn/counterfactual')
    """

    cgn: CGN
    n: int
    seed: int
    ratio: int = 1
    tied: bool = False
    source: str = "cgn"

    def __post_init__(self) -> None:
        if self.n < 1 or self.ratio < 1:
            raise ValueError(f"a stream needs n >= 1 and ratio >= 1, not n = {self.n}, ratio = {self.ratio}")
        if self.n <= self.ratio and not self.tied:
            raise ValueError(
                f"{self.n} counterfactuals at ratio {self.ratio} have one mask: all labels would be its own"
            )

    @property
    def name(self) -> str:
        return f"{self.source}/{'tied' if self.tied else 'counterfactual'}"

    def __iter__(self) -> Iterator[LabelledImages]:
        device = next(self.cgn.parameters()).device
        stream = generator(self.seed, "counterfactuals", "tied" if self.tied else "free", self.ratio, device=device)
        cgn, left = self.cgn.fused(), self.n
        while left > 0:
            masks = -(-left // self.ratio)  # labels are permuted within a batch, so none is of one mask
            batch = self._batch(cgn, masks if masks <= MASKS_PER_BATCH + 1 else MASKS_PER_BATCH, stream)
            yield batch if len(batch) <= left else batch.subset(slice(left))
            left -= len(batch)

    @torch.inference_mode()
    def _batch(self, cgn: CGN, masks: int, stream: torch.Generator) -> LabelledImages:
        device = stream.device
        shape = torch.randint(0, N_CLASSES, (masks,), generator=stream, device=device)

        def permuted() -> Tensor:
            return shape[torch.randperm(masks, generator=stream, device=device)]

        with fast_autocast(device.type):
            mask = cgn.mask(draw_noise(masks, stream), shape)
        images, labels = [], []
        for _ in range(self.ratio):
            foreground, background = (shape, shape) if self.tied else (permuted(), permuted())
            noise = draw_noise(masks, stream)
            with fast_autocast(device.type):
                f = shuffle_texture(cgn.foreground(noise, foreground), stream)
                noise = noise if self.tied else draw_noise(masks, stream)
                b = shuffle_texture(cgn.background(noise, background), stream)
            images.append(to_uint8(compose(mask.float(), f.float(), b.float())).contiguous().cpu())
            labels.append(torch.stack([shape, foreground, background]).cpu())
        shape, foreground, background = torch.cat(labels, dim=1)
        return LabelledImages(torch.cat(images), shape, foreground, background, self.name, self.source)

    def collect(self) -> LabelledImages:
        """All images in memory (3 kB each)."""
        return concatenate(list(self), self.name)
