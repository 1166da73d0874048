"""The composition mechanism."""

import torch

from cgnlib.composition import compose


def test_the_mask_chooses_between_foreground_and_background() -> None:
    mask = torch.tensor([0.0, 1.0, 0.25, 0.5]).view(1, 1, 2, 2)
    foreground, background = torch.full((1, 3, 2, 2), 1.0), torch.full((1, 3, 2, 2), -1.0)
    composed = compose(mask, foreground, background)
    assert composed.shape == (1, 3, 2, 2)
    assert composed[0, 0].flatten().tolist() == [-1.0, 1.0, -0.5, 0.0]
