"""Where the assumption that an image's frame shows background alone ends: digits that touch it, backgrounds that fade.

`segmentation`, and with it our recipe, and the preprocessing of `without_cgn` that starts from the frame rest on it.
"""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from cgnlib.data.digits import Digits
from cgnlib.images import LabelledImages
from cgnlib.mnist.variants import digit_masks, make_variant, select_digits
from cgnlib.randomness import generator

VARIANT = "double-colored"  # whose true masks are those of its digits


def zoomed(digits: Digits, factor: float) -> Digits:
    """Digits enlarged about their centre by a factor of 1 or more (bilinear), cut at the border."""

    def larger(images: Tensor) -> Tensor:
        matrix = torch.eye(2, 3)[None].expand(len(images), -1, -1) / factor
        grid = F.affine_grid(matrix, [len(images), 1, *images.shape[1:]], align_corners=False)
        return F.grid_sample(images[:, None].float(), grid, align_corners=False)[:, 0].round().to(torch.uint8)

    return replace(digits, train_images=larger(digits.train_images), test_images=larger(digits.test_images))


def shaded(images: LabelledImages, masks: Tensor, slope: float, seed: int) -> LabelledImages:
    """Images whose background fades from darker to lighter along a random direction, cut at 0 and 255.

    masks: (N, H, W) bool, where the digit is, which keeps its colour. slope: over the width of the image, in shares of
    the range of grey values.
    """
    size = images.images.shape[-1]
    angle = torch.rand(len(masks), generator=generator(seed, "frame prior", "direction")) * 2 * torch.pi
    along = torch.linspace(-0.5, 0.5, size)
    ramp = angle.cos()[:, None, None] * along + angle.sin()[:, None, None] * along[:, None]
    change = (255 * slope * ramp * ~masks)[:, None]
    pixels = (images.images + change).clamp(0, 255).round().to(torch.uint8)
    return replace(images, images=pixels, name=f"{images.name}/shaded {slope:g}")


def fading(digits: Digits, split: str, n: int, slope: float, seed: int = 0) -> tuple[LabelledImages, Tensor]:
    """The first n images of a split of double-colored MNIST with backgrounds that fade by `slope` (see `shaded`), and
    their true masks (N, H, W), bool.
    """
    masks = digit_masks(select_digits(VARIANT, split, digits)[0][:n])
    return shaded(make_variant(VARIANT, split, digits, limit=n), masks, slope, seed), masks
