"""Does it take a CGN? Ways to read a digit in any colour or texture for which nothing is generated.

Preprocessing is a function of an image alone, applied at training and at test. Augmentation makes the training images
from the tied ones and leaves test images as they are. None reads a factor, or anything of a test image but its pixels;
`paste` reads the class labels of training images, to find masks.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from cgnlib.composition import compose
from cgnlib.data.shapes import MASK_LEVEL
from cgnlib.errors import known
from cgnlib.images import LabelledImages, to_float, to_uint8
from cgnlib.mnist.segmentation import frame, segment
from cgnlib.randomness import generator, seeded

FULL = 0.98  # quantile of an image's own contrast that counts as full
CHUNK = 4096  # images transformed at a time
SOBEL = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))

# --- Preprocessing: (N, 3, H, W) uint8 -> the same, at training and at test -------------------------------------------


def from_border(images: Tensor) -> Tensor:
    """What differs from the median colour of the image's own frame of 3 pixels: float (N, 3, H, W) in [-255, 255].

    The assumption is that of `segmentation`: a digit does not touch the border, so the frame shows background alone.
    """
    return images.float() - images[..., frame(images)].float().median(dim=-1).values[..., None, None]


def border_colour(images: Tensor) -> Tensor:
    """The difference per channel; no difference is the middle grey."""
    return ((from_border(images) + 255) / 2).round().to(torch.uint8)


def border_grey(images: Tensor) -> Tensor:
    """The length of the difference, grey: 255 is the distance from black to white."""
    return _grey(from_border(images).norm(dim=1) / 3**0.5)


def border_cut(images: Tensor) -> Tensor:
    """White where the length is above 25 grey levels, else black."""
    return _grey(255.0 * (from_border(images).norm(dim=1) > MASK_LEVEL))


def border_stretched(images: Tensor) -> Tensor:
    """The length divided by its own 98th percentile, grey."""
    return _grey(_stretched(from_border(images).norm(dim=1)))


def grey(images: Tensor) -> Tensor:
    """Luminance."""
    from torchvision.transforms import v2  # here: to import it takes seconds

    return v2.functional.rgb_to_grayscale(images, num_output_channels=3)


def edges(images: Tensor) -> Tensor:
    """Length of the Sobel gradient over both directions and all channels, divided by its own 98th percentile, grey."""
    kernel = torch.tensor(SOBEL)
    planes = F.pad(images.float(), (1, 1, 1, 1), mode="replicate").flatten(0, 1)[:, None]
    gradient = F.conv2d(planes, torch.stack([kernel, kernel.T])[:, None]).unflatten(0, (len(images), 3))
    return _grey(_stretched(gradient.flatten(1, 2).norm(dim=1)))


def _stretched(length: Tensor) -> Tensor:
    full = length.flatten(1).quantile(FULL, dim=1).clamp(min=1e-6)
    return 255 * (length / full[:, None, None]).clamp(max=1)


def _grey(levels: Tensor) -> Tensor:
    return levels.round().to(torch.uint8)[:, None].repeat(1, 3, 1, 1)


PREPROCESSING: dict[str, Callable[[Tensor], Tensor]] = {
    "border-colour": border_colour,
    "border-grey": border_grey,
    "border-cut": border_cut,
    "border-stretched": border_stretched,
    "grey": grey,
    "edges": edges,
}


def preprocessed(images: LabelledImages, name: str) -> LabelledImages:
    """The images as one of PREPROCESSING shows them to a classifier, labels as they are."""
    transform = PREPROCESSING[known("preprocessing", name, PREPROCESSING)]
    pixels = torch.cat([transform(chunk) for chunk in images.images.split(CHUNK)])
    return replace(images, images=pixels, name=f"{images.name}/{name}")


# --- Augmentation: `n` images made from training images, by random draws of `seed` ------------------------------------


def recolour(images: LabelledImages, n: int, seed: int) -> LabelledImages:
    """Colours mixed by a random matrix per image: each new channel is the absolute value of a random sum of the three.

    Turns of the hue, exchanged channels, more and less contrast are such matrices; black stays black.
    """
    chosen = images.subset(torch.arange(n) % len(images))
    mixing = torch.randn(n, 3, 3, generator=generator(seed, "recolour")) / 3**0.5
    mixed = [
        torch.einsum("nij,njhw->nihw", matrix, pixels.float()).abs().clamp(max=255).round().to(torch.uint8)
        for matrix, pixels in zip(mixing.split(CHUNK), chosen.images.split(CHUNK), strict=True)
    ]
    return replace(chosen, images=torch.cat(mixed), name=f"{images.name}/recolour")


def paste(images: LabelledImages, n: int, seed: int, *, soft: bool = False) -> LabelledImages:
    """Digits cut out by the found masks, in the texture of another digit, before the background of a third image.

    All three images are drawn independently, whatever their class: without the digit's own class, colour would still
    tell which digit it is not. What a mask hides of a texture or background is filled with the nearest pixel that it
    shows. soft: as in `segment`. foreground and background are the classes of the images that these are from.
    Raises ValueError where no mask has both a digit and a background.
    """
    masks = segment(images, soft=soft)
    solid, empty = masks[:, 0] == 255, masks[:, 0] == 0
    usable = (solid.flatten(1).any(1) & empty.flatten(1).any(1)).nonzero()[:, 0]
    if not len(usable):
        raise ValueError(f"paste: no digit was found in {images.name}")
    stream = generator(seed, "paste")
    digit, front, back = (usable[torch.randint(len(usable), (n,), generator=stream)] for _ in range(3))
    textures, grounds = (_spread(images.images, shown) for shown in (solid, empty))
    made = [
        to_uint8(compose(masks[i].float() / 255, to_float(textures[j]), to_float(grounds[k])))
        for i, j, k in zip(digit.split(CHUNK), front.split(CHUNK), back.split(CHUNK), strict=True)
    ]
    labels = (images.shape[index] for index in (digit, front, back))
    return LabelledImages(torch.cat(made), *labels, name=f"{images.name}/paste", source=images.source)


def _spread(images: Tensor, shown: Tensor) -> Tensor:
    """Every pixel where `shown` (N, H, W) is false replaced by the nearest one where it is true."""
    filled = images.numpy().copy()
    for image, known_pixels in zip(filled, shown.numpy(), strict=True):
        if known_pixels.any():
            nearest = distance_transform_edt(~known_pixels, return_distances=False, return_indices=True)
            image[:] = image[:, *np.asarray(nearest)]
    return torch.from_numpy(filled)


def augmix(images: LabelledImages, n: int, seed: int) -> LabelledImages:
    """AugMix (Hendrycks et al., 2020) with the settings of torchvision, which are the published ones."""
    from torchvision.transforms import v2  # here: to import it takes seconds

    chosen, mix = images.subset(torch.arange(n) % len(images)), v2.AugMix()
    with seeded(seed, "augmix"):
        pixels = torch.stack([mix(image) for image in chosen.images])
    return replace(chosen, images=pixels, name=f"{images.name}/augmix")


AUGMENTATION: dict[str, Callable[..., LabelledImages]] = {"recolour": recolour, "paste": paste, "augmix": augmix}
