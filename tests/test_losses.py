"""Loss terms against values computed by hand."""

import math

import pytest
import torch
import torch.nn.functional as F

from cgnlib import losses


def test_adversarial() -> None:
    validity = torch.tensor([0.0, 1.0, 3.0])
    assert losses.adversarial(validity, real=True).item() == pytest.approx((1 + 0 + 4) / 3)
    assert losses.adversarial(validity, real=False).item() == pytest.approx((0 + 1 + 9) / 3)


@pytest.mark.parametrize(("value", "bits"), [(0.5, 1.0), (0.25, 0.8112781), (0.75, 0.8112781), (1e-4, 0.0014730)])
def test_binary_entropy_in_bits(value: float, bits: float) -> None:
    assert losses.binary_entropy(torch.full((2, 1, 3, 3), value)).item() == pytest.approx(bits, abs=1e-6)


def test_mask_interval_is_taken_per_image() -> None:
    mask = torch.stack([torch.full((1, 4, 4), value) for value in (0.05, 0.5, 0.95)])
    assert losses.mask_interval(mask, 0.1, 0.9).item() == pytest.approx((0.05 + 0 + 0.05) / 3)
    assert losses.mask_interval(mask.mean(0, keepdim=True), 0.1, 0.9).item() == 0


def test_gram() -> None:
    features = torch.tensor([[[[1.0, 2.0]], [[0.0, 3.0]]]])  # two channels of 1 x 2 pixels
    assert losses.gram(features).tolist() == [[[5 / 4, 6 / 4], [6 / 4, 9 / 4]]]


def test_style_by_hand() -> None:
    ours, target = [torch.ones(1, 1, 1, 2), torch.ones(1, 1, 1, 1)], [torch.zeros(1, 1, 1, 2), torch.zeros(1, 1, 1, 1)]
    assert losses.style(ours, target, (0.1, 0.0)).item() == pytest.approx(0.1**2 * 5000 * 1)
    assert losses.style(ours, target, (0.1, 0.2)).item() == pytest.approx((0.1**2 + 0.2**2) * 5000)


@pytest.mark.parametrize(("channels", "size", "target_size"), [(2, 3, 3), (9, 2, 2), (5, 2, 3), (3, 3, 2)])
def test_gram_distance_is_the_distance_of_gram_matrices(channels: int, size: int, target_size: int) -> None:
    """Value and gradient, with fewer pixels than channels and more, and with a target of another size."""
    stream = torch.Generator().manual_seed(channels)
    maps = torch.rand(3, channels, size, size, dtype=torch.float64, generator=stream).requires_grad_()
    target = torch.rand(3, channels, target_size, target_size, dtype=torch.float64, generator=stream)
    plain = F.l1_loss(losses.gram(maps), losses.gram(target))
    assert losses.gram_distance(maps, target).item() == pytest.approx(plain.item())
    assert torch.autograd.gradcheck(lambda m: losses.gram_distance(m, target), (maps,))


def test_gram_distance_refuses_maps_of_different_batches() -> None:
    with pytest.raises(ValueError, match="differ in batch or channels"):
        losses.gram_distance(torch.ones(2, 3, 4, 4), torch.ones(1, 3, 4, 4))


@pytest.mark.parametrize(("channels", "size"), [(512, 4), (256, 8), (64, 32)])
def test_gram_distance_of_maps_in_bfloat16(channels: int, size: int, monkeypatch) -> None:
    """As good as that of the same maps in float32, whether some matrices are in the cache at a time or all."""
    stream = torch.Generator().manual_seed(0)
    maps, target = (torch.rand(5, channels, size, size, generator=stream).bfloat16() for _ in range(2))
    found = []
    for kept, dtype in ((losses.CACHED_ENTRIES, torch.bfloat16), (2**30, torch.bfloat16), (2**30, torch.float32)):
        monkeypatch.setattr(losses, "CACHED_ENTRIES", kept)
        leaf = maps.to(dtype, memory_format=torch.channels_last).requires_grad_()
        distance = losses.gram_distance(leaf, target.to(dtype))
        distance.backward()
        assert distance.dtype == torch.float32 and leaf.grad is not None and leaf.grad.dtype == dtype
        found.append((distance.item(), leaf.grad.float().flatten()))
    for value, gradient in found[:2]:
        assert value == pytest.approx(found[2][0], rel=1e-3)
        assert torch.cosine_similarity(gradient, found[2][1], dim=0) > 0.999


# --- what trains our CGN --------------------------------------------------------------------------------------------


def test_logistic_loss_by_hand() -> None:
    scores = torch.tensor([0.0, 2.0])
    assert losses.non_saturating(scores, real=True).item() == pytest.approx(
        (math.log(2) + math.log1p(math.exp(-2))) / 2
    )
    assert losses.non_saturating(scores, real=False).item() == pytest.approx(
        (math.log(2) + math.log1p(math.exp(2))) / 2
    )


def test_gradient_penalty_of_linear_scores() -> None:
    """Scores w . x have the gradient w at every image; its squared norm is the penalty, and it trains the scores."""
    weight = torch.arange(12.0).view(3, 2, 2).requires_grad_()
    for n in (1, 5):
        images = torch.rand(n, 3, 2, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
        penalty = losses.gradient_penalty((images * weight).sum(dim=(1, 2, 3)), images)
        assert penalty.item() == pytest.approx(weight.square().sum().item())
    (trained,) = torch.autograd.grad(penalty, weight)
    torch.testing.assert_close(trained, 2 * weight.detach())


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


@pytest.mark.parametrize("raw", [-3.0, 0.0, 1e-4, 0.5, 1.0, 4.0])
def test_clamped_masks_have_finite_losses_and_gradients(raw: float) -> None:
    """Also where a saliency network saturates: the mechanisms clamp to [1e-4, 1 - 1e-4]."""
    premask = torch.full((2, 1, 3, 3), raw, requires_grad=True)
    mask = premask.clamp(1e-4, 1 - 1e-4)
    terms = losses.binary_entropy(mask), losses.mask_interval(mask, 0.1, 0.9), losses.background_residue(mask)
    (gradient,) = torch.autograd.grad(torch.stack(terms).sum(), premask)
    assert all(torch.isfinite(term) and term >= 0 for term in terms)
    assert torch.isfinite(gradient).all()
