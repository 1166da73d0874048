"""Texture targets: the published patch grid and the seed's fill."""

import pytest
import torch
from torch import Tensor

from cgnlib import bench
from cgnlib.bench import reference_patch_grid
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


@pytest.mark.parametrize("resolution", [16, 32, 64, 128, 256, 512])
def test_sizes_keep_their_proportions(resolution: int) -> None:
    sizes = PatchGrid.for_resolution(resolution)
    assert sizes.grid * sizes.patch / sizes.working_size == pytest.approx(90 / 128, abs=0.05)
    assert sizes.working_size <= resolution


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


def test_draws_come_from_the_generator() -> None:
    images, masks = noise(2, 64, "images"), blob(64, 10, 50, 10, 50).expand(2, -1, -1, -1)
    first, again, other = (patch_grid(images, masks, generator(seed), TOY) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


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


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_patches_of_an_empty_and_of_a_full_mask_are_pixels_of_the_image(value: float) -> None:
    images = torch.full((1, 3, 64, 64), 0.3)
    result = patch_grid(images, torch.full((1, 1, 64, 64), value), generator(0), TOY)
    torch.testing.assert_close(result, images, rtol=0, atol=1e-5)


# --- fill -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", [blob(32, 4, 12, 20, 31), blob(32, 0, 1, 0, 1), torch.eye(32)[None, None]])
def test_fill_covers_the_canvas_with_the_object(mask: Tensor) -> None:
    """Also with an object of one pixel, and with one that has a bounding box but hardly any area."""
    images = torch.where(mask > 0, torch.ones(1), -torch.ones(1)).expand(1, 3, 32, 32)
    covered = (fill(images, mask, generator(0)) == 1).float().mean().item()
    assert 0.95 < covered <= 1
    assert (fill(images, mask, generator(0), coverage=0.5) == 1).float().mean().item() < covered


def test_fill_stops_when_covered_enough() -> None:
    mask = blob(32, 4, 5, 4, 6)  # two pixels, so each paste adds at most two
    images = mask.expand(1, 3, 32, 32)
    covered = int(fill(images, mask, generator(0), coverage=0.5)[0, 0].sum())
    assert covered in (513, 514)  # more than half of 1024


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


def test_every_pixel_of_a_copy_is_of_the_object_and_the_rest_is_of_the_image() -> None:
    images, mask = noise(1, 32, "images"), blob(32, 4, 12, 20, 31)
    result = fill(images, mask, generator(0))
    inside = images[0, :, mask[0, 0] > 0].T
    kept = (result == images).all(dim=1)[0]
    from_object = (result[0].flatten(1).T[:, None] == inside).all(dim=2).any(dim=1).view(32, 32)
    assert (kept | from_object).all()
    assert (~from_object).float().mean() < 0.05


def test_an_empty_mask_and_a_full_one_change_nothing() -> None:
    images = noise(2, 32, "images")
    for masks in (torch.zeros(2, 1, 32, 32), torch.full((2, 1, 32, 32), 0.5), torch.ones(2, 1, 32, 32)):
        assert torch.equal(fill(images, masks, generator(0)), images)


def test_fill_draws_from_the_generator_and_no_image_sees_its_neighbours() -> None:
    images, masks = noise(3, 32, "images"), blob(32, 8, 16, 8, 16).repeat(3, 1, 1, 1)
    before = fill(images, masks, generator(0))
    assert torch.equal(before, fill(images, masks, generator(0)))
    assert not torch.equal(before, fill(images, masks, generator(1)))
    masks[0] = 0
    assert torch.equal(before[1:], fill(images, masks, generator(0))[1:])


# --- both -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", [patch_grid, fill])
def test_results_are_detached_and_arguments_left_alone(mechanism) -> None:
    images = noise(1, 64, "images").requires_grad_()
    masks = blob(64, 10, 40, 10, 40).requires_grad_()
    before = images.detach().clone()
    result = mechanism(images, masks, generator(0))
    assert not result.requires_grad
    assert result.shape == images.shape
    assert torch.equal(images, before)


@pytest.mark.parametrize("mechanism", [patch_grid, fill])
@pytest.mark.parametrize("shape", [(2, 1, 64, 64), (1, 3, 64, 64), (1, 1, 32, 32), (64, 64)])
def test_shapes_that_do_not_match_are_refused(mechanism, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="do not match"):
        mechanism(noise(1, 64, "images"), torch.ones(shape), generator(0))


@pytest.mark.parametrize("coverage", [-0.1, 1.0])
def test_a_coverage_that_cannot_be_exceeded_is_refused(coverage: float) -> None:
    with pytest.raises(ValueError, match="coverage"):
        fill(noise(1, 32, "images"), blob(32, 4, 12, 4, 12), generator(0), coverage)


def test_benchmark_measures(monkeypatch) -> None:
    monkeypatch.setattr(bench, "best_in_turns", lambda *actions, repeats: [len(action()) for action in actions])
    (row,) = bench.BENCHMARKS["texture-targets"]()
    assert row.ratio == 1
    assert "36 of 12,996" in row.note
