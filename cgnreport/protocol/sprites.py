"""What the explorer shows: images of each mechanism of a CGN, and a classifier's parameters, as plain arrays."""

import numpy as np
import torch

from cgnlib.images import to_uint8
from cgnlib.mnist.cgn import CGN, draw_noise
from cgnlib.mnist.classifier import Classifier
from cgnlib.mnist.names import N_CLASSES
from cgnlib.randomness import generator

# Noises per label. A page may have 3 MB; 64 textures of four CGNs would be 11 MB in it, or 7 as lossless WebP of pixels
# to 1 grey level. A texture is shifted at random besides, in 1,024 ways.
MASKS, TEXTURES = 64, 8


@torch.inference_mode()
def sprites(cgn: CGN, seed: int = 0) -> dict[str, np.ndarray]:
    """uint8: mask (10, MASKS, 1, 32, 32); foreground and background (10, TEXTURES, 3, 32, 32), before the shuffler."""
    stream = generator(seed, "explorer")

    def drawn(part: str, n: int) -> np.ndarray:
        labels = torch.arange(N_CLASSES).repeat_interleave(n)
        values = getattr(cgn, part)(draw_noise(len(labels), stream), labels)
        pixels = (255 * values).round().to(torch.uint8) if part == "mask" else to_uint8(values)
        return pixels.unflatten(0, (N_CLASSES, n)).numpy()

    return {"mask": drawn("mask", MASKS), "foreground": drawn("foreground", TEXTURES)} | {
        "background": drawn("background", TEXTURES)
    }


def flat_parameters(classifier: Classifier) -> np.ndarray:
    """All numbers of a classifier in the order of its layers, running statistics after a norm's parameters: float32
    (N,), rounded to the nearest bfloat16, which halves the page.
    """
    tensors = [each for each in classifier.state_dict().values() if each.is_floating_point()]
    return torch.cat([each.flatten() for each in tensors]).bfloat16().float().numpy()
