"""What the classifier looks at: GradCAM (Selvaraju et al., 2016) on colour themes and digits (the study's Figure 3)."""

from dataclasses import dataclass

import numpy as np
import torch

from cgnlib.data.digits import Digits
from cgnlib.gradcam import grad_cam, package_maps
from cgnlib.images import LabelledImages, to_float
from cgnlib.mnist.classifier import Classifier, predict
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


def heat_maps(classifier: Classifier, grid: LabelledImages, *, package: bool = False) -> HeatMaps:
    """GradCAM of the last convolution for the predicted class of each of the 100 images of a `theme_grid`.

    Of its logit; package: of its log-probability and scaled as the package `grad-cam` does it, for comparison.
    """
    images, predicted = to_float(grid.images), predict(classifier, grid)
    scores = [lambda outputs, label=label: outputs[label] for label in predicted.tolist()]
    how, network = (package_maps, classifier) if package else (grad_cam, classifier.logits)
    maps = how(network, classifier.last_convolution, images, scores).numpy()
    return HeatMaps(maps.reshape(N_CLASSES, N_CLASSES, *maps.shape[1:]), predicted.view(N_CLASSES, N_CLASSES).numpy())
