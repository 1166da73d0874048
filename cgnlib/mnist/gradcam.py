"""What the classifier looks at: GradCAM (Selvaraju et al., 2016) on colour themes and digits (the study's Figure 3)."""

from dataclasses import dataclass

import numpy as np
import torch

from cgnlib.data.digits import Digits
from cgnlib.images import LabelledImages, to_float
from cgnlib.mnist.classifier import Classifier
from cgnlib.mnist.names import N_CLASSES
from cgnlib.mnist.variants import DIGIT_SHIFT, DOUBLE_COLORED_PALETTE, paint


@dataclass(frozen=True)
class HeatMaps:
    """maps: (10 digits, 10 colour themes, 32, 32) float in [0, 1]; predicted: (10, 10) int."""

    maps: np.ndarray
    predicted: np.ndarray

    @property
    def empty(self) -> np.ndarray:
        """Maps without any positive value: no positive evidence for the predicted class in the last convolution."""
        return self.maps.max(axis=(2, 3)) <= 0

    @property
    def colour_effect(self) -> float:
        """Variance of the maps over colour themes at fixed digit, averaged over digits and pixels."""
        return float(self.maps.var(axis=1).mean())

    @property
    def digit_effect(self) -> float:
        """Variance of the maps over digits at fixed colour theme, averaged over themes and pixels."""
        return float(self.maps.var(axis=0).mean())

    @property
    def colour_over_digit(self) -> float:
        """colour_effect / digit_effect: 0 if the maps follow the digit alone, above 1 if they follow colour more.

        Raises ValueError when the maps do not change with the digit at all (all empty, say).
        """
        if self.digit_effect == 0:
            raise ValueError("the heat maps do not change with the digit: the ratio is not defined")
        return self.colour_effect / self.digit_effect


def theme_grid(digits: Digits) -> LabelledImages:
    """The 100 images of Figure 3: digit d (its first test image) in the clean colour theme of class c.

    Row-major by digit: image 10 * d + c has shape label d and foreground and background labels c.
    """
    index = [int((digits.test_labels == d).nonzero()[0, 0]) for d in range(N_CLASSES)]
    shape = torch.arange(N_CLASSES).repeat_interleave(N_CLASSES)
    theme = torch.arange(N_CLASSES).repeat(N_CLASSES)
    palette = torch.tensor(DOUBLE_COLORED_PALETTE) / 255
    shapes = digits.test_images[torch.tensor(index)].repeat_interleave(N_CLASSES, 0)
    pixels = paint(shapes, palette[(theme - DIGIT_SHIFT) % N_CLASSES], palette[theme])
    return LabelledImages(pixels, shape, theme, theme, "double-colored/themes", digits.source)


def heat_maps(classifier: Classifier, grid: LabelledImages) -> HeatMaps:
    """GradCAM of the last convolution for the predicted class of each of the 100 images of a `theme_grid`."""
    from pytorch_grad_cam import GradCAM  # here: to import it takes seconds

    classifier.eval()
    images = to_float(grid.images)
    with GradCAM(model=classifier, target_layers=[classifier.last_convolution]) as cam:
        maps = cam(input_tensor=images, targets=None)
        predicted = cam.outputs.argmax(1).cpu().numpy()
    return HeatMaps(
        np.asarray(maps).reshape(N_CLASSES, N_CLASSES, *maps.shape[1:]), predicted.reshape(N_CLASSES, N_CLASSES)
    )
