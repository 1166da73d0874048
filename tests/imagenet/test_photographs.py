"""The background challenge on photographs, suppression, and heads on frozen features."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from cgnlib.imagenet.frozen import train_heads
from cgnlib.imagenet.invariant import Logits
from cgnlib.imagenet.photographs import (
    Photographs,
    blurred,
    challenge,
    counterfactuals,
    donors,
    grey,
    shuffled,
    tiled_background,
)
from cgnlib.imagenet.recipes import HeadsRecipe
from cgnlib.randomness import generator

SIZE = 32


@pytest.fixture
def made() -> Photographs:
    """Three of each class: a square of the colour (class, number, 0) before one of (class, number, 255)."""
    labels = torch.arange(9).repeat(3)
    colour = torch.stack([20 * labels, torch.arange(27), torch.zeros(27, dtype=torch.long)], dim=1).to(torch.uint8)
    masks = torch.zeros(27, 1, SIZE, SIZE, dtype=torch.uint8)
    masks[:, :, 8:24, 12:30] = 255
    backgrounds = colour[:, :, None, None].repeat(1, 1, SIZE, SIZE)
    backgrounds[:, 2] = 255
    images = torch.where(masks > 0, colour[:, :, None, None], backgrounds)
    return Photographs(images, masks, backgrounds, labels)


def drawn(made: Photographs, name: str, draw: int = 0) -> Tensor:
    return torch.cat(list(challenge(made, name, 0, draw)))


def test_the_box_of_the_object_is_filled_from_the_largest_strip_and_nothing_else_changes() -> None:
    image = np.random.default_rng(0).integers(0, 255, (SIZE, SIZE, 3)).astype(np.uint8)
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[8:24, 12:30] = 255
    filled = tiled_background(image, mask)
    outside = np.ones((SIZE, SIZE), bool)
    outside[8:24, 12:30] = False
    assert (filled[outside] == image[outside]).all()
    assert (filled[8:24, 12:24] == image[8:24, :12]).all() and (filled[8:24, 24:30] == image[8:24, :6]).all()
    turned = tiled_background(image.transpose(1, 0, 2), mask.T)
    assert (turned == filled.transpose(1, 0, 2)).all(), "above and below as left and right"


def test_mixed_sets_keep_the_object_and_take_the_background_of_the_class_they_say(made: Photographs) -> None:
    assert torch.equal(drawn(made, "original"), made.images)
    assert drawn(made, "only-foreground")[:, :, 0, 0].max() == 0
    steps = {"mixed-same": {0}, "mixed-next": {1}, "mixed-rand": set(range(1, 9))}
    for name, allowed in steps.items():
        found = drawn(made, name)
        assert torch.equal(found[:, :, 16, 20], made.images[:, :, 16, 20]), name
        background = found[:, 0, 0, 0].long() // 20
        assert set(((background - made.labels) % 9).tolist()) <= allowed, name
        assert (found[:, 2, 0, 0] == 255).all() and (found[:, 1, 0, 0] != made.images[:, 1, 0, 0]).all(), name
    assert not torch.equal(drawn(made, "mixed-rand"), drawn(made, "mixed-rand", 1))


def test_donors_are_of_the_same_group_and_their_lack_is_named(made: Photographs) -> None:
    groups = torch.arange(27) // 18
    found = donors(made.labels, "mixed-rand", generator(0, "x"), groups)
    assert torch.equal(groups[found], groups)
    with pytest.raises(ValueError, match="mixed-same: no other photograph of class 0 in the group of photograph 18"):
        donors(made.labels, "mixed-same", generator(0, "x"), groups)


def test_a_counterfactual_has_the_shape_texture_and_background_of_three_photographs(made: Photographs) -> None:
    (found,) = counterfactuals(made, torch.tensor([0]), torch.tensor([1]), torch.tensor([2]))
    assert found[0, :, 16, 20].tolist() == made.images[1, :, 16, 20].tolist()
    assert found[0, :, 0, 0].tolist() == made.backgrounds[2, :, 0, 0].tolist()


def test_suppression_takes_one_cue_and_leaves_the_others() -> None:
    images = torch.randint(256, (2, 3, SIZE, SIZE), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    moved = shuffled(images, 4, torch.Generator().manual_seed(0))
    assert torch.equal(moved.flatten(2).sort().values, images.flatten(2).sort().values) and not torch.equal(
        moved, images
    )
    patches = {tuple(p.flatten().tolist()) for p in images[0].unfold(1, 8, 8).unfold(2, 8, 8).flatten(1, 2).unbind(1)}
    assert {tuple(moved[0, :, :8, :8].flatten().tolist())} <= patches, "patches stay whole"
    with pytest.raises(ValueError, match="5 x 5 patches do not fit into 32 pixels"):
        shuffled(images, 5, torch.Generator())
    spread = [blurred(images, sigma).float().std().item() for sigma in (0.5, 2, 4)]
    assert all(more > less for more, less in pairwise(spread))
    flat = torch.full((1, 3, SIZE, SIZE), 77, dtype=torch.uint8)
    assert torch.equal(blurred(flat, 2), flat) and torch.equal(grey(flat), flat)
    assert torch.equal(grey(images)[:, 0], grey(images)[:, 2])


def test_heads_learn_the_label_of_their_own_factor() -> None:
    """Features are three one-hot codes; real images have equal labels, composed ones free ones."""
    stream = torch.Generator().manual_seed(0)
    tied = torch.randint(3, (200,), generator=stream)
    free = torch.randint(3, (300, 3), generator=stream)

    def coded(labels: Tensor) -> Tensor:
        return torch.nn.functional.one_hot(labels, 3).flatten(1).float()

    def right(heads: Callable[[Tensor], Logits]) -> list[float]:
        said = heads(coded(free))
        return [(each.argmax(dim=1) == y).double().mean().item() for each, y in zip(said, free.unbind(1), strict=True)]

    real, recipe = coded(tied[:, None].expand(-1, 3)), HeadsRecipe(steps=60, learning_rate=0.03)
    apart = train_heads(real, tied, (coded(free), free), 3, seed=0, recipe=recipe)
    together = train_heads(real, tied, None, 3, seed=0, recipe=recipe)
    assert min(right(apart)) > 0.95 and max(right(together)) < 0.9
    again = train_heads(real, tied, None, 3, seed=0, recipe=recipe)
    assert torch.equal(again(real).shape, together(real).shape), "same seed, same bits"


def test_a_block_is_trained_with_the_heads() -> None:
    """What the block is given tells the class by a product alone, which no linear head reads."""
    stream = torch.Generator().manual_seed(0)
    real = torch.randn(300, 2, generator=stream)
    labels = (real.prod(dim=1) > 0).long()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layer = torch.nn.Linear(2, 16)
    before = layer.weight.detach().clone()
    recipe = HeadsRecipe(steps=300, learning_rate=0.03, block_learning_rate=0.03)
    alone = train_heads(real, labels, None, 2, seed=0, recipe=recipe)
    deeper = train_heads(
        real, labels, None, 2, seed=0, recipe=recipe, block=torch.nn.Sequential(layer, torch.nn.ReLU())
    )
    right = [(heads(real).avg.argmax(dim=1) == labels).double().mean().item() for heads in (alone, deeper)]
    assert right[0] < 0.65 and right[1] > 0.9
    assert not torch.equal(layer.weight, before)
