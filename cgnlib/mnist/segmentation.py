"""Which pixels of a training image are the digit? Found from images and class labels alone.

The ImageNet CGN takes masks from a pre-trained U2-Net; MNIST has none. Here one assumption does: the background of a
class is what its images show at their frame (the polarity prior: an object does not touch the border).
"""

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from torch import Tensor

from cgnlib.images import LabelledImages
from cgnlib.mnist.names import N_CLASSES

FRAME = 3  # width in pixels of the frame that shows background alone
BINS = 32  # of each colour channel
SMOOTHING = 0.5  # in bins, of the colour densities
NEIGHBOURS = ((0.5, 1.0, 0.5), (1.0, 0.0, 1.0), (0.5, 1.0, 0.5))  # what the pixels around one count
COUPLING = 0.3  # weight of the neighbours against the colour of the pixel itself, in log odds
CERTAINTY = 0.01  # no colour alone decides with more certainty than 1 - this
SOLID = 0.9  # quantile of a digit's distance from its background that counts as fully digit


def frame(images: Tensor) -> Tensor:
    """Where images (N, 3, H, W) have their frame: bool (H, W), on their device."""
    inside = torch.zeros(images.shape[2:], dtype=torch.bool, device=images.device)
    inside[FRAME:-FRAME, FRAME:-FRAME] = True
    return ~inside


def segment(images: LabelledImages, *, soft: bool = False) -> Tensor:
    """The mask of every image, uint8 (N, 1, H, W): 255 on the digit, 0 elsewhere.

    Per class, the densities of colours in the frame and inside it give the odds that a pixel of a colour is digit (the
    inside is a mixture: as much background as makes the frame's most usual colours come from background alone); the
    neighbours have a say. soft: digits fade into the background (colored MNIST), so that a mask is the share of the
    digit's own colour. Reads `images` and `shape` (the class label) alone.
    """
    masks = torch.empty(len(images), 1, *images.images.shape[2:], dtype=torch.uint8)
    for label in range(N_CLASSES):
        members = (images.shape == label).nonzero()[:, 0]
        if len(members):
            pixels = images.images[members]
            mask = _vote(_digit_odds(pixels))
            masks[members] = ((_share_of_colour(pixels, mask) if soft else mask) * 255).round().to(torch.uint8)
    return masks


def _digit_odds(pixels: Tensor) -> Tensor:
    """Probability that each pixel (N, 3, H, W) of one class is digit, judged by its colour: float (N, 1, H, W)."""
    step, outer = 256 // BINS, frame(pixels)
    red, green, blue = (pixels[:, channel].long() // step for channel in range(3))
    code = (red * BINS + green) * BINS + blue
    outside, inside = (_density(code[:, where]) for where in (outer, ~outer))
    ratio = (inside + 1e-12) / (outside + 1e-12)
    background_share = ratio[code[:, outer].flatten()].median()
    digit = (1 - background_share / ratio).clamp(CERTAINTY, 1 - CERTAINTY).float()
    return digit[code][:, None]


def _density(code: Tensor) -> Tensor:
    counts = np.bincount(code.numpy().ravel(), minlength=BINS**3).astype(float)
    smooth = gaussian_filter(counts.reshape(BINS, BINS, BINS), SMOOTHING, mode="nearest")
    return torch.from_numpy(smooth.ravel() / counts.sum())


def _vote(digit: Tensor) -> Tensor:
    """Where a pixel's colour and its neighbours say digit: float (N, 1, H, W), 0 or 1."""
    kernel = torch.tensor(NEIGHBOURS)[None, None]
    return (torch.logit(digit) + COUPLING * F.conv2d(2 * digit - 1, kernel, padding=1) > 0).float()


def _share_of_colour(pixels: Tensor, mask: Tensor) -> Tensor:
    """How far each pixel is from the background's mean colour: 1 where as far as the digit's solid parts, 0 outside."""
    values = pixels.float()
    background = ((1 - mask) * values).sum((2, 3), keepdim=True) / (1 - mask).sum((2, 3), keepdim=True).clamp(min=1)
    distance = mask * (values - background).norm(dim=1, keepdim=True)
    flat, pixels_of_digit = distance.flatten(1), mask.sum((1, 2, 3))
    rank = ((1 - SOLID) * pixels_of_digit).long()[:, None]
    solid = flat.sort(dim=1, descending=True).values.gather(1, rank).clamp(min=1.0)
    return (distance / solid[:, :, None, None]).clamp(max=1)
