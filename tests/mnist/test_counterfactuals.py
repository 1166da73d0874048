"""The stream of counterfactual images: labels, shared masks, sizes, repetition."""

import contextlib
from typing import cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from cgnlib.images import to_uint8
from cgnlib.mnist import counterfactuals
from cgnlib.mnist.cgn import CGN, shuffle_texture
from cgnlib.mnist.counterfactuals import MASKS_PER_BATCH, CounterfactualStream
from cgnlib.randomness import generator


class Tally(nn.Module):
    """Stands in for a CGN. Red tells the foreground label, green the mask, blue the background label (all flat).

    mask: 0 or 1 by the first number of its noise, so that a mask can be told in the image; textures are flat, so the
    shuffler changes nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1))
        self.noises: dict[str, list[Tensor]] = {"mask": [], "foreground": [], "background": []}

    def fused(self) -> "Tally":
        return self

    def mask(self, u: Tensor, y: Tensor) -> Tensor:
        self.noises["mask"].append(u)
        return (u[:, :1, None, None] > 0).float().expand(-1, 1, 32, 32)

    def _flat(self, part: str, u: Tensor, y: Tensor, sign: float) -> Tensor:
        self.noises[part].append(u)
        colour = torch.stack([y / 10, torch.full_like(u[:, 0], sign), -y / 10], dim=1)
        return colour[:, :, None, None].expand(-1, 3, 32, 32)

    def foreground(self, u: Tensor, y: Tensor) -> Tensor:
        return self._flat("foreground", u, y, 1.0)

    def background(self, u: Tensor, y: Tensor) -> Tensor:
        return self._flat("background", u, y, -1.0)


def stream(n: int, ratio: int = 1, seed: int = 0, tied: bool = False) -> CounterfactualStream:
    return CounterfactualStream(cast(CGN, Tally()), n, seed, ratio, tied)


def test_no_batch_has_one_mask_whose_labels_would_all_be_its_own() -> None:
    assert [len(batch) for batch in stream(101)] == [101] and [len(batch) for batch in stream(102)] == [100, 2]
    with pytest.raises(ValueError, match="10 counterfactuals at ratio 20 have one mask"):
        stream(10, ratio=20)
    assert len(stream(1, tied=True).collect()) == 1


def test_iterating_again_gives_the_same_images(cgn: CGN) -> None:
    one = CounterfactualStream(cgn, 120, 0, ratio=3)
    assert one.collect().sha256 == one.collect().sha256
    assert one.collect().sha256 != CounterfactualStream(cgn, 120, 1, ratio=3).collect().sha256
    assert len(one.collect().images.flatten(1).unique(dim=0)) == 120


def test_bfloat16_changes_images_by_a_grey_level_or_so(cgn: CGN, monkeypatch) -> None:
    images = {}
    for fast in (True, False):
        autocast = torch.autocast("cpu", torch.bfloat16, enabled=fast)
        monkeypatch.setattr(counterfactuals, "fast_autocast", lambda device, autocast=autocast: autocast)
        images[fast] = CounterfactualStream(cgn, 50, 3).collect().images.float()
    difference = (images[True] - images[False]).abs()
    assert 0 < difference.mean() < 1


def test_images_are_what_the_mechanisms_give(cgn: CGN, monkeypatch) -> None:
    """Mask and texture of one image, computed step by step, in float32."""
    monkeypatch.setattr(counterfactuals, "fast_autocast", lambda device: contextlib.nullcontext())
    batch = next(iter(CounterfactualStream(cgn, 7, 3)))
    draws = generator(3, "counterfactuals", "free", 1)
    shape = torch.randint(0, 10, (7,), generator=draws)
    assert torch.equal(batch.shape, shape)
    u = torch.randn(7, 32, generator=draws)
    foreground = shape[torch.randperm(7, generator=draws)]
    assert torch.equal(batch.foreground, foreground)
    background = shape[torch.randperm(7, generator=draws)]
    assert torch.equal(batch.background, background)
    with torch.inference_mode():
        mask = cgn.eval().mask(u, shape)
        f = cgn.foreground(torch.randn(7, 32, generator=draws), foreground)
        f = shuffle_texture(f, draws)
        b = cgn.background(torch.randn(7, 32, generator=draws), background)
        b = shuffle_texture(b, draws)
    difference = (batch.images.float() - to_uint8(mask * f + (1 - mask) * b).float()).abs()
    assert difference.max() <= 1 and difference.mean() < 0.01  # the stream's layers are fused


@settings(max_examples=20, deadline=None)
@given(st.integers(8, 1300), st.integers(1, 7), st.booleans())
def test_the_number_of_images_is_exact(n: int, ratio: int, tied: bool) -> None:
    batches = list(stream(n, ratio, tied=tied))
    assert sum(map(len, batches)) == n
    assert max(map(len, batches)) <= (MASKS_PER_BATCH + 1) * ratio


@pytest.mark.parametrize("ratio", [1, 4])
def test_masks_are_shared_over_the_ratio_and_nothing_else_is(ratio: int) -> None:
    one = stream(50 * ratio, ratio)
    images = one.collect()
    tally = cast(Tally, one.cgn)
    assert len(tally.noises["mask"]) == 1
    assert len(tally.noises["foreground"]) == len(tally.noises["background"]) == ratio
    inside = (tally.noises["mask"][0][:, 0] > 0).repeat(ratio)
    assert torch.equal(images.images[:, 1, 0, 0] == 255, inside)  # green tells the mask
    assert torch.equal(images.shape, images.shape[:50].repeat(ratio))
    for textures in (images.foreground, images.background):  # permutations of the shapes in each part
        assert torch.equal(textures.view(ratio, 50).sort()[0], images.shape.view(ratio, 50).sort()[0])
    shown = torch.where(inside, images.foreground, images.background)
    assert torch.equal(images.images[:, 0, 0, 0], to_uint8(shown / 10))
    noises = [tally.noises["mask"][0], *tally.noises["foreground"], *tally.noises["background"]]
    assert len({tuple(u[0].tolist()) for u in noises}) == 1 + 2 * ratio


def test_tied_labels() -> None:
    one = stream(60, ratio=2, tied=True)
    images = one.collect()
    assert torch.equal(images.shape, images.foreground)
    assert torch.equal(images.shape, images.background)
    noises = cast(Tally, one.cgn).noises
    assert all(torch.equal(f, b) for f, b in zip(noises["foreground"], noises["background"], strict=True))
    assert not torch.equal(noises["mask"][0], noises["foreground"][0])
    assert images.name == "cgn/tied"


@pytest.mark.parametrize(("n", "ratio"), [(0, 1), (5, 0), (-1, 1)])
def test_impossible_sizes_are_refused(n: int, ratio: int) -> None:
    with pytest.raises(ValueError, match="a stream needs n >= 1 and ratio >= 1"):
        stream(n, ratio)
