"""GradCAM by its definition, of a network that is made by hand, and beside the package's scaling."""

import pytest
import torch
from torch import Tensor, nn

from cgnlib.gradcam import grad_cam, package_maps, raw_maps

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


class Evidence(nn.Module):
    """Channels of the image as they are, then a score: each channel's mean times its weight."""

    def __init__(self, weights: list[float]) -> None:
        super().__init__()
        self.seen = nn.Conv2d(len(weights), len(weights), 1, groups=len(weights), bias=False)
        self.weights = nn.Parameter(torch.tensor(weights))
        nn.init.ones_(self.seen.weight)

    def forward(self, images: Tensor) -> Tensor:
        return self.seen(images).mean(dim=(2, 3)) @ self.weights[:, None]


def first(outputs: Tensor) -> Tensor:
    return outputs[0]


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_gpu)])
def test_images_are_shown_where_the_network_is(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, to = [], Tensor.to
    monkeypatch.setattr(Tensor, "to", lambda tensor, where, *more: seen.append(where) or to(tensor, where, *more))
    network = Evidence([3.0]).to(device)
    found = raw_maps(network, network.seen, torch.ones(1, 1, 2, 2), [first])
    assert torch.device(device) in seen and found.device.type == "cpu"


def test_a_map_by_hand() -> None:
    """Two channels of four pixels with weights 3 and -1: what speaks for the score, by its maximum."""
    network = Evidence([3.0, -1.0])
    images = torch.tensor([[[[1.0, 2.0], [0.0, 1.0]], [[1.0, 2.0], [3.0, 0.0]]]])
    torch.testing.assert_close(
        raw_maps(network, network.seen, images, [first]), torch.tensor([[[0.5, 1], [-0.75, 0.75]]])
    )
    torch.testing.assert_close(
        grad_cam(network, network.seen, images, [first]), torch.tensor([[[0.5, 1.0], [0.0, 0.75]]])
    )
    assert network.weights.grad is None


def test_evidence_that_is_everywhere_counts() -> None:
    """Twice as much on the right: the package takes the left for no evidence, and a flat map for an empty one."""
    network, images = Evidence([1.0]), torch.tensor([[[[1.0, 2.0]]], [[[1.0, 1.0]]], [[[-1.0, -2.0]]]])
    given = network, network.seen, images, [first] * 3
    assert grad_cam(*given).flatten(1).tolist() == [[0.5, 1.0], [1.0, 1.0], [0.0, 0.0]]
    assert package_maps(*given).flatten(1).round(decimals=3).tolist() == [[0.0, 1.0], [0.0, 0.0], [0.0, 0.0]]


def test_the_package_agrees_on_maps_that_have_a_zero() -> None:
    """Blocks of 2 x 2 pixels, some of them 0, enlarged by 4: a corner stays 0, so there is nothing to subtract."""
    stream = torch.Generator().manual_seed(0)
    blocks = torch.rand(60, 3, 4, 4, generator=stream) * (torch.rand(60, 3, 4, 4, generator=stream) < 0.7)
    network = nn.Sequential(nn.AvgPool2d(4), Evidence([1.0, 2.0, -1.0]))
    images = blocks.repeat_interleave(4, 2).repeat_interleave(4, 3)
    given = network, network[1].seen, images, [first] * 60  # type: ignore[union-attr]
    ours, theirs = grad_cam(*given), package_maps(*given)  # type: ignore[arg-type]
    zero = ours.amin(dim=(1, 2)) == 0
    assert 20 < zero.sum() < 60
    torch.testing.assert_close((ours / ours.amax(dim=(1, 2), keepdim=True))[zero], theirs[zero], atol=1e-5, rtol=0)
    assert (ours - theirs).abs().amax(dim=(1, 2))[~zero].min() > 1e-3


def test_each_image_needs_a_score_and_errors_are_not_swallowed() -> None:
    network, images = Evidence([1.0]), torch.ones(2, 1, 2, 2)
    with pytest.raises(ValueError, match="there are 2 and 1"):
        grad_cam(network, network.seen, images, [first])
    with pytest.raises(IndexError):
        grad_cam(network, network.seen, images, [first, lambda outputs: outputs[5]])
    assert not network.seen._forward_hooks
