"""Loss terms against values computed by hand."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from cgnlib import losses


def test_adversarial() -> None:
    validity = torch.tensor([0.0, 1.0, 3.0])
    assert losses.adversarial(validity, real=True).item() == pytest.approx((1 + 0 + 4) / 3)
    assert losses.adversarial(validity, real=False).item() == pytest.approx((0 + 1 + 9) / 3)


@pytest.mark.parametrize(("value", "bits"), [(0.5, 1.0), (0.25, 0.8112781), (0.75, 0.8112781), (1e-4, 0.0014730)])
def test_binary_entropy_in_bits(value: float, bits: float) -> None:
    assert losses.binary_entropy(torch.full((2, 1, 3, 3), value)).item() == pytest.approx(bits, abs=1e-6)


@given(st.lists(st.booleans(), min_size=1, max_size=20))
def test_a_binary_mask_has_no_entropy(pixels: list[bool]) -> None:
    mask = torch.tensor(pixels).float().clamp(1e-4, 1 - 1e-4)
    assert losses.binary_entropy(mask) < 0.002


def test_mask_interval_is_taken_per_image() -> None:
    mask = torch.stack([torch.full((1, 4, 4), value) for value in (0.05, 0.5, 0.95)])
    assert losses.mask_interval(mask, 0.1, 0.9).item() == pytest.approx((0.05 + 0 + 0.05) / 3)
    assert losses.mask_interval(mask.mean(0, keepdim=True), 0.1, 0.9).item() == 0


def test_border_residue_is_the_mean_over_the_frame() -> None:
    mask = torch.zeros(2, 1, 6, 6)
    mask[:, :, 2:4, 2:4] = 1  # inside a frame of two pixels
    assert losses.border_residue(mask, 2) == 0
    mask[0, 0, 0, :] = 1  # 6 of the 32 pixels of the frame, in one of two images
    assert losses.border_residue(mask, 2).item() == pytest.approx(6 / 32 / 2)
    assert losses.border_residue(torch.ones(1, 1, 6, 6), 1).item() == pytest.approx(1)


def test_gram() -> None:
    features = torch.tensor([[[[1.0, 2.0]], [[0.0, 3.0]]]])  # two channels of 1 x 2 pixels
    assert losses.gram(features).tolist() == [[[5 / 4, 6 / 4], [6 / 4, 9 / 4]]]


def test_style_by_hand() -> None:
    ours, target = [torch.ones(1, 1, 1, 2), torch.ones(1, 1, 1, 1)], [torch.zeros(1, 1, 1, 2), torch.zeros(1, 1, 1, 1)]
    assert losses.style(ours, target, (0.1, 0.0)).item() == pytest.approx(0.1**2 * 5000 * 1)
    assert losses.style(ours, target, (0.1, 0.2)).item() == pytest.approx((0.1**2 + 0.2**2) * 5000)


def test_style_of_a_perfect_match_is_zero_and_without_weights_too() -> None:
    maps = [torch.rand(2, 3, 4, 4)]
    assert losses.style(maps, maps, (1.0,)) == 0
    assert losses.style(maps, [torch.zeros(2, 3, 4, 4)], (0.0,)) == 0


def test_style_does_not_see_where_a_feature_is() -> None:
    maps = torch.rand(2, 3, 4, 4)
    assert losses.style([maps.roll((1, 2), (2, 3))], [maps], (1.0,)).item() == pytest.approx(0, abs=1e-3)


def test_style_refuses_a_wrong_number_of_weights() -> None:
    with pytest.raises(ValueError, match="shorter|longer"):
        losses.style([torch.ones(1, 1, 1, 1)], [torch.ones(1, 1, 1, 1)], (0.1, 0.2))


@pytest.mark.parametrize("term", [losses.binary_entropy, lambda m: losses.mask_interval(m, 0.6, 0.9)])
def test_gradients_by_finite_differences(term) -> None:
    mask = (0.2 + 0.3 * torch.rand(2, 1, 3, 3, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(term, (mask,))


def test_style_gradient_by_finite_differences() -> None:
    maps, target = torch.rand(1, 2, 3, 3, dtype=torch.float64).requires_grad_(), torch.zeros(1, 2, 3, 3).double()
    assert torch.autograd.gradcheck(lambda m: losses.style([m], [target], (0.1,)), (maps,))
    assert F.l1_loss(losses.gram(maps), losses.gram(target)) > 0


# --- what trains our CGN --------------------------------------------------------------------------------------------


def test_two_colours_rebuild_an_image_of_two_colours() -> None:
    mask = torch.zeros(2, 1, 8, 8)
    mask[:, :, 2:5, 2:6] = 1
    inside, outside = torch.tensor([0.5, -0.5, 0.1]), torch.tensor([-1.0, 0.2, 0.9])
    colours = [colour[None, :, None, None].expand(2, 3, 8, 8) for colour in (inside, outside)]
    images = mask * colours[0] + (1 - mask) * colours[1]
    assert losses.two_colour_reconstruction(images, mask, *colours).item() == pytest.approx(0, abs=1e-9)
    wrong = losses.two_colour_reconstruction(images, 1 - mask, *colours).item()
    assert wrong == pytest.approx(64 * (inside - outside).square().sum().item(), rel=1e-5)


def test_only_the_mean_of_a_texture_counts_in_the_reconstruction() -> None:
    stream = torch.Generator().manual_seed(0)
    images, pattern = torch.rand(2, 4, 3, 8, 8, generator=stream)
    mask = torch.rand(4, 1, 8, 8, generator=stream)
    moved = torch.roll(pattern, (3, 5), dims=(2, 3))
    first, second = (losses.two_colour_reconstruction(images, mask, texture, images) for texture in (pattern, moved))
    assert first.item() == pytest.approx(second.item(), rel=1e-5)


def test_kl_of_the_standard_normal_is_zero() -> None:
    assert losses.gaussian_kl(torch.zeros(3, 5), torch.zeros(3, 5)).item() == 0
    mean, log_variance = torch.tensor([[1.0, -2.0]]), torch.tensor([[0.5, -1.0]])
    ours = torch.distributions.Normal(mean, (log_variance / 2).exp())
    expected = torch.distributions.kl_divergence(ours, torch.distributions.Normal(0.0, 1.0)).sum()
    assert losses.gaussian_kl(mean, log_variance).item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("offset", [(0, 0), (1, 0), (-2, 3), (3, -1)])
def test_autocovariance_is_that_of_the_pixels_in_the_region(offset: tuple[int, int]) -> None:
    """Against a plain loop over pairs of pixels."""
    stream = torch.Generator().manual_seed(1)
    image = torch.rand(1, 2, 9, 9, generator=stream)
    region = (torch.rand(1, 1, 9, 9, generator=stream) > 0.4).float()
    covariance, share = losses.autocovariance(image, 3, region)
    assert covariance.shape == (1, 2, 2, 7, 7)
    inside = region[0, 0].bool()
    centred = image[0] - image[0][:, inside].mean(dim=1)[:, None, None]
    dy, dx = offset
    pairs = [
        (centred[0, y + dy, x + dx], centred[1, y, x])
        for y in range(9)
        for x in range(9)
        if 0 <= y + dy < 9 and 0 <= x + dx < 9 and inside[y, x] and inside[y + dy, x + dx]
    ]
    total = int(inside.sum())
    assert covariance[0, 0, 1, 3 + dy, 3 + dx].item() == pytest.approx(
        float(sum(a * b for a, b in pairs)) / total, abs=1e-5
    )
    assert share[0, 0, 0, 3 + dy, 3 + dx].item() == pytest.approx(len(pairs) / total, abs=1e-5)


def test_a_texture_is_itself_wherever_it_is_shifted() -> None:
    stream = torch.Generator().manual_seed(2)
    pattern = torch.rand(2, 3, 16, 16, generator=stream)
    moved = torch.roll(pattern, (5, 9), dims=(2, 3))
    for one, other in zip(losses.autocovariance(pattern, 4), losses.autocovariance(moved, 4), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_texture_loss_of_flat_and_striped_regions() -> None:
    image = torch.zeros(1, 3, 16, 16)
    image[..., ::2, :8] = 1  # stripes on the left half, black on the right
    left = torch.zeros(1, 1, 16, 16)
    left[..., :8] = 1
    stripes, flat = torch.zeros(1, 3, 16, 16), torch.full((1, 3, 16, 16), 0.7)
    stripes[..., ::2, :] = 1
    assert losses.texture(flat, image, 1 - left, 4).item() == pytest.approx(0, abs=1e-4)
    assert losses.texture(stripes, image, left, 4).item() < 0.2 * losses.texture(flat, image, left, 4).item()
    assert losses.texture(stripes, image, 1 - left, 4) > losses.texture(flat, image, 1 - left, 4)


def test_an_empty_region_gives_no_nan() -> None:
    image = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(3)).requires_grad_()
    loss = losses.texture(image, image.detach(), torch.zeros(2, 1, 16, 16), 4)
    loss.backward()
    assert torch.isfinite(loss)
    assert image.grad is not None
    assert torch.isfinite(image.grad).all()


# --- ImageNet (Eq. 2) -----------------------------------------------------------------------------------------------


def test_reconstruction_is_the_mean_distance_of_values() -> None:
    x_gt = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(4))
    assert losses.reconstruction(x_gt, x_gt) == 0
    x_gen = x_gt.clone()
    x_gen[0, 0, 0, 0] += 0.96  # one of 96 values
    assert losses.reconstruction(x_gen, x_gt).item() == pytest.approx(0.01, rel=1e-4)


def test_background_residue_is_taken_per_image() -> None:
    masks = torch.stack([torch.full((1, 4, 4), value) for value in (0.0, 0.3, -0.6)])
    assert losses.background_residue(masks).item() == pytest.approx(0.1)
    assert losses.background_residue(masks[:1]) == 0


@pytest.mark.parametrize(("weights", "factor"), [((4.0, 4.0, 4.0, 4.0), 4 * 80_000), ((0.0, 5.0, 5.0, 0.0), 250_000)])
def test_published_style_weights(weights: tuple[float, ...], factor: float) -> None:
    ours, target = [torch.ones(1, 1, 1, 1)] * 4, [torch.zeros(1, 1, 1, 1)] * 4
    assert losses.style(ours, target, weights).item() == factor


@pytest.mark.parametrize("raw", [-3.0, 0.0, 1e-4, 0.5, 1.0, 4.0])
def test_clamped_masks_have_finite_losses_and_gradients(raw: float) -> None:
    """Also where a saliency network saturates: the mechanisms clamp to [1e-4, 1 - 1e-4]."""
    premask = torch.full((2, 1, 3, 3), raw, requires_grad=True)
    mask = premask.clamp(1e-4, 1 - 1e-4)
    terms = losses.binary_entropy(mask), losses.mask_interval(mask, 0.1, 0.9), losses.background_residue(mask)
    (gradient,) = torch.autograd.grad(torch.stack(terms).sum(), premask)
    assert all(torch.isfinite(term) and term >= 0 for term in terms)
    assert torch.isfinite(gradient).all()
