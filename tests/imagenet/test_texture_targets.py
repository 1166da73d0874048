"""Texture targets: the published patch grid and the study's fill."""

import pytest
import torch
from torch import Tensor

from benchmarks.plain import reference_patch_grid
from cgnlib.imagenet.texture_targets import PUBLISHED, PatchGrid, fill, patch_grid
from cgnlib.randomness import generator

TOY = PatchGrid.for_resolution(64)


def blob(size: int, top: int, bottom: int, left: int, right: int) -> Tensor:
    """A (1, 1, size, size) mask of a rectangle."""
    mask = torch.zeros(1, 1, size, size)
    mask[..., top:bottom, left:right] = 1
    return mask


def noise(count: int, size: int, *names: str) -> Tensor:
    return torch.rand(count, 3, size, size, generator=generator(0, *names)) * 2 - 1


# --- patch grid -----------------------------------------------------------------------------------------------------


def test_published_sizes() -> None:
    assert PatchGrid.for_resolution(256) == PUBLISHED == PatchGrid(128, 15, 100, 6)
    assert PUBLISHED.windows == 114 * 114
    assert PatchGrid(64, 8, 25, 6) == TOY


@pytest.mark.parametrize("sizes", [{"patch": 129}, {"patch": 128, "best": 2}, {"grid": 0}, {"best": 0}])
def test_sizes_that_do_not_fit_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="patch grid"):
        PatchGrid(**sizes)


@pytest.mark.parametrize(("resolution", "sizes"), [(64, TOY), (256, PUBLISHED), (64, PUBLISHED), (40, TOY)])
def test_equals_building_every_patch(resolution: int, sizes: PatchGrid) -> None:
    """In float64, where rounding does not decide which of two nearly equal windows is better."""
    images = noise(3, resolution, "images").double()
    masks = torch.rand(3, 1, resolution, resolution, generator=generator(0, "masks"), dtype=torch.float64)
    ours = patch_grid(images, masks, generator(1), sizes)
    assert ours.shape == images.shape
    torch.testing.assert_close(ours, reference_patch_grid(images, masks, generator(1), sizes), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("resolution", "sizes", "rim"), [(64, TOY, 0), (256, PUBLISHED, 4)])
def test_grid_of_an_object_of_one_colour_is_that_colour(resolution: int, sizes: PatchGrid, rim: int) -> None:
    """Where image and mask are made smaller, bicubic weights mix a rim of the object with what is around it."""
    fifth = resolution // 5
    mask = blob(resolution, fifth, 3 * fifth, 2 * fifth, 4 * fifth)
    thing = blob(resolution, fifth - rim, 3 * fifth + rim, 2 * fifth - rim, 4 * fifth + rim)
    colour = torch.tensor([0.9, -0.4, 0.1])[None, :, None, None]
    images = torch.where(thing > 0, colour, noise(1, resolution, "background"))
    result = patch_grid(images, mask, generator(0), sizes)
    torch.testing.assert_close(result, colour.expand_as(images), rtol=0, atol=1e-5)


def test_patches_are_pixels_of_the_object_in_their_order() -> None:
    """Each pixel of the image names its place, and nothing is resized."""
    sizes = PatchGrid(working_size=48, patch=8, best=30, grid=6)
    rows, columns = torch.meshgrid(torch.arange(48.0), torch.arange(48.0), indexing="ij")
    images = torch.stack([rows, columns, torch.zeros(48, 48)])[None]
    result = patch_grid(images, blob(48, 5, 25, 20, 45), generator(0), sizes).round()
    assert result[:, 0].min() >= 5
    assert result[:, 0].max() < 25
    assert result[:, 1].min() >= 20
    assert result[:, 1].max() < 45
    patches = result[0].unfold(1, 8, 8).unfold(2, 8, 8)  # (3, 6, 6, 8, 8)
    corners = patches[..., :1, :1]
    within = torch.arange(8.0)
    assert torch.equal(patches[0] - corners[0], within[:, None].expand(6, 6, 8, 8))
    assert torch.equal(patches[1] - corners[1], within.expand(6, 6, 8, 8))
    assert len(corners[:2].flatten(1).unique(dim=1).T) > 10  # drawn from many windows, not from one


def test_an_image_does_not_see_its_neighbours() -> None:
    images, masks = noise(3, 64, "images"), blob(64, 10, 50, 10, 50).repeat(3, 1, 1, 1)
    before = patch_grid(images, masks, generator(0), TOY)
    images[1], masks[1] = -images[1], 0
    after = patch_grid(images, masks, generator(0), TOY)
    assert torch.equal(before[[0, 2]], after[[0, 2]])
    assert not torch.equal(before[1], after[1])


# --- fill -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", [blob(32, 4, 12, 20, 31), blob(32, 0, 1, 0, 1), torch.eye(32)[None, None]])
def test_fill_covers_the_canvas_with_the_object(mask: Tensor) -> None:
    """Also with an object of one pixel, and with one that has a bounding box but hardly any area."""
    images = torch.where(mask > 0, torch.ones(1), -torch.ones(1)).expand(1, 3, 32, 32)
    covered = (fill(images, mask, generator(0)) == 1).float().mean().item()
    assert 0.95 < covered <= 1
    assert (fill(images, mask, generator(0), coverage=0.5) == 1).float().mean().item() < covered


def test_copies_are_whole_and_wrap_around() -> None:
    """Each pixel names its place: a paste moves the object as it is, so one shift explains all its pixels."""
    places = torch.arange(16.0 * 16).view(1, 1, 16, 16).expand(1, 3, 16, 16)
    mask = blob(16, 3, 9, 2, 8)
    result = fill(places, mask, generator(3), coverage=36 / 256)[0, 0].long()  # one paste beyond the object itself
    moved = result != places[0, 0].long()
    rows, columns = moved.nonzero(as_tuple=True)
    down = (rows - result[moved] // 16) % 16
    right = (columns - result[moved] % 16) % 16
    assert moved.sum() == 36
    assert len(down.unique()) == len(right.unique()) == 1
    assert sorted(result[moved].tolist()) == places[0, 0][mask[0, 0] > 0].long().tolist()


def test_fill_draws_from_the_generator_and_no_image_sees_its_neighbours() -> None:
    images, masks = noise(3, 32, "images"), blob(32, 8, 16, 8, 16).repeat(3, 1, 1, 1)
    before = fill(images, masks, generator(0))
    assert torch.equal(before, fill(images, masks, generator(0)))
    assert not torch.equal(before, fill(images, masks, generator(1)))
    masks[0] = 0
    assert torch.equal(before[1:], fill(images, masks, generator(0))[1:])


# --- both -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", [patch_grid, fill])
@pytest.mark.parametrize("shape", [(2, 1, 64, 64), (1, 3, 64, 64), (1, 1, 32, 32), (64, 64)])
def test_shapes_that_do_not_match_are_refused(mechanism, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="do not match"):
        mechanism(noise(1, 64, "images"), torch.ones(shape), generator(0))


@pytest.mark.parametrize("coverage", [-0.1, 1.0])
def test_a_coverage_that_cannot_be_exceeded_is_refused(coverage: float) -> None:
    with pytest.raises(ValueError, match="coverage"):
        fill(noise(1, 32, "images"), blob(32, 4, 12, 4, 12), generator(0), coverage)
