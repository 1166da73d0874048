"""Heat maps of the heads of a classifier that is made by hand, and of one with a real backbone."""

import pytest
import torch
from torch import Tensor, nn

from cgnlib.features import efficientnet_lite
from cgnlib.imagenet.gradcam import HeadMaps, category_maps, head_maps, overlay
from cgnlib.imagenet.invariant import InvariantEnsemble, ensemble
from cgnlib.imagenet.normalisation import PLAIN


def colour_reader() -> InvariantEnsemble:
    """Shape head: class 0 by the amount of red; background head: class 1 by that of green; texture head: blind."""
    convolution = nn.Conv2d(3, 3, 1)
    with torch.no_grad():
        convolution.weight.copy_(torch.eye(3)[:, :, None, None])
        convolution.bias.fill_(1.0)  # type: ignore[union-attr]
    backbone = nn.Sequential(convolution, nn.BatchNorm2d(3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network = InvariantEnsemble(backbone, 3, 2, PLAIN)
    with torch.no_grad():
        for head in network.heads.values():
            head.weight.zero_()  # type: ignore[operator, union-attr]
            head.bias.zero_()  # type: ignore[operator, union-attr]
        network.heads["shape"].weight[0, 0] = 1.0  # type: ignore[index]
        network.heads["background"].weight[1, 1] = 1.0  # type: ignore[index]
    return network.eval()


@pytest.fixture
def pictures() -> tuple[Tensor, Tensor]:
    """A red object on the left quarter, green elsewhere: images in [-1, 1] and masks."""
    masks = torch.zeros(3, 32, 32)
    masks[:, :, :8] = 1
    images = torch.full((3, 3, 32, 32), -1.0)
    images[:, 0] += 2 * masks
    images[:, 1] += 2 * (1 - masks)
    return images, masks


def test_each_head_looks_where_its_evidence_is(pictures: tuple[Tensor, Tensor]) -> None:
    images, masks = pictures
    network = colour_reader()
    shape, background = (head_maps(network, images, name) for name in ("shape", "background"))
    assert shape.decided.tolist() == [0] * 3 and background.decided.tolist() == [1] * 3
    torch.testing.assert_close(shape.maps, masks, atol=1e-4, rtol=0)
    torch.testing.assert_close(background.maps, 1 - masks, atol=1e-4, rtol=0)
    torch.testing.assert_close(shape.on_object(masks), torch.ones(3))
    torch.testing.assert_close(background.on_object(masks), torch.zeros(3))


def test_a_head_without_evidence_gives_empty_maps(pictures: tuple[Tensor, Tensor]) -> None:
    images, masks = pictures
    found = head_maps(colour_reader(), images, "texture")
    assert found.empty.all()
    assert found.on_object(masks).isnan().all()


def test_shares_by_hand() -> None:
    maps = torch.tensor([[[1.0, 0.5], [0.5, 0.0]], [[1.0, 1.0], [1.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]])
    masks = torch.tensor([[1.0, 0.0], [0.0, 0.5]]).expand(3, 2, 2)
    shares = HeadMaps(maps, torch.zeros(3, dtype=torch.int64)).on_object(masks)
    assert shares[:2].tolist() == pytest.approx([0.5, 1.5 / 4])
    assert shares[2].isnan()
    with pytest.raises(ValueError, match="do not match"):
        HeadMaps(maps, torch.zeros(3)).on_object(masks[:2])


def test_maps_of_a_real_backbone_leave_the_network_as_it_was() -> None:
    network = ensemble("toy", 0, pretrained=False).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    images = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found = head_maps(network, images, "avg")
    assert found.maps.shape == (4, 64, 64)
    assert found.maps.min() >= 0 and found.maps.max() <= 1
    assert torch.equal(found.decided, network.read(images).avg.argmax(dim=1))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.equal(head_maps(network, images, "avg").maps, found.maps)
    with pytest.raises(ValueError, match="unknown output"):
        head_maps(network, images, "colour")


def test_maps_of_a_category_differ_by_category() -> None:
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    maps = category_maps(efficientnet_lite(), images[[0, 0]], torch.tensor([3, 10]))
    assert maps.shape == (2, 224, 224)
    assert maps.min() >= 0 and maps.max() <= 1
    assert not torch.equal(maps[0], maps[1])


def test_an_overlay_is_grey_where_it_is_shown_through() -> None:
    images = torch.zeros(1, 3, 2, 2, dtype=torch.uint8)
    images[:, 0] = 255
    maps = torch.tensor([[[0.0, 1.0], [0.0, 1.0]]])
    assert torch.equal(overlay(images, maps, strength=0.0), torch.full((1, 3, 2, 2), 85, dtype=torch.uint8))
    full = overlay(images, maps, strength=1.0)
    assert full[0, :, 0, 0].tolist() == [68, 1, 84]  # viridis' ends
    assert full[0, :, 0, 1].tolist() == [253, 231, 37]
