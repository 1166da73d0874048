"""Where the assumption that an image's frame shows background alone ends: digits that touch it, backgrounds that fade.

`segmentation`, and with it our recipe, and the preprocessing of `without_cgn` that starts from the frame rest on it.
"""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from cgnlib.images import LabelledImages
from cgnlib.randomness import generator


def zoomed(digits: Tensor, factor: float) -> Tensor:
    """Digits (N, 28, 28) uint8 enlarged about their centre by a factor (bilinear), cut at the border."""
    matrix = torch.eye(2, 3)[None].expand(len(digits), -1, -1) / factor
    grid = F.affine_grid(matrix, [len(digits), 1, *digits.shape[1:]], align_corners=False)
    return F.grid_sample(digits[:, None].float(), grid, align_corners=False)[:, 0].round().to(torch.uint8)


def shaded(images: LabelledImages, masks: Tensor, slope: float, seed: int) -> LabelledImages:
    """Images whose background fades from darker to lighter along a random direction, cut at 0 and 255.

    masks: (N, H, W) bool, where the digit is, which keeps its colour. slope: from one end of the image to the other, in
    shares of the range of grey values.
    """
    size = images.images.shape[-1]
    angle = torch.rand(len(masks), generator=generator(seed, "frame prior", "direction")) * 2 * torch.pi
    along = torch.linspace(-0.5, 0.5, size)
    ramp = angle.cos()[:, None, None] * along + angle.sin()[:, None, None] * along[:, None]
    change = (255 * slope * ramp * ~masks)[:, None]
    pixels = (images.images + change).clamp(0, 255).round().to(torch.uint8)
    return replace(images, images=pixels)
