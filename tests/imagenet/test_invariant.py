import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cgnlib.imagenet.invariant import InvariantEnsemble, Logits, counterfactual_loss, ensemble, real_loss
from cgnlib.imagenet.names import FACTORS, OUTPUTS
from cgnlib.imagenet.normalisation import IMAGENET, IMAGENET_9, LITE, PLAIN
from cgnlib.imagenet.toy.parts import toy_parts
from cgnlib.images import to_float

LABELS = torch.tensor([0, 1])


def logits(n: int = 2, classes: int = 3) -> Logits:
    stream = torch.Generator().manual_seed(0)
    return Logits(*torch.randn(3, n, classes, generator=stream))


def small() -> InvariantEnsemble:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        trunk = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return InvariantEnsemble(trunk, 4, 3, PLAIN)


def head(network: InvariantEnsemble, name: str) -> nn.Linear:
    layer = network.heads[name]
    assert isinstance(layer, nn.Linear)
    return layer


def test_outputs_are_means_of_heads() -> None:
    found = Logits(torch.tensor([[3.0]]), torch.tensor([[6.0]]), torch.tensor([[-3.0]]))
    assert (found.avg.item(), found.shape_texture.item()) == (2.0, 4.5)
    assert [found.output(name).item() for name in OUTPUTS] == [2.0, 4.5, 3.0, 6.0, -3.0]
    with pytest.raises(ValueError, match="unknown output 'mean'"):
        found.output("mean")


def test_losses_by_hand() -> None:
    found = logits()
    by_hand = -torch.log_softmax((found.shape + found.texture + found.background) / 3, 1)[torch.arange(2), LABELS]
    torch.testing.assert_close(real_loss(found, LABELS), by_hand.mean())
    three = torch.tensor([[0, 1, 2], [2, 0, 1]])
    separate = [F.cross_entropy(each, three[:, i]) for i, each in enumerate(found)]
    torch.testing.assert_close(counterfactual_loss(found, three), sum(separate))


def test_each_head_learns_from_its_own_label_alone() -> None:
    network = small()
    images = torch.rand(2, 3, 8, 8)
    texture = counterfactual_loss(network(images), torch.tensor([[0, 1, 2], [0, 1, 2]]))
    other = counterfactual_loss(network(images), torch.tensor([[0, 2, 2], [0, 2, 2]]))
    weight = {name: head(network, name).weight for name in FACTORS}
    first, second = (torch.autograd.grad(loss, list(weight.values())) for loss in (texture, other))
    changed = [name for name, a, b in zip(weight, first, second, strict=True) if not torch.equal(a, b)]
    assert changed == ["texture"]


def test_batch_norm_statistics_do_not_move_but_its_weights_learn() -> None:
    network = small().train()
    (norm,) = (layer for layer in network.backbone.modules() if isinstance(layer, nn.BatchNorm2d))
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    real_loss(network(torch.rand(2, 3, 8, 8)), LABELS).backward()
    after = norm.state_dict()
    assert all(
        torch.equal(before[name], after[name]) for name in ("running_mean", "running_var", "num_batches_tracked")
    )
    assert norm.weight.grad is not None and norm.weight.grad.abs().sum() > 0
    assert network.heads.training and network.backbone.training


def test_reading_in_parts_is_reading_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cgnlib.imagenet.invariant.EVALUATION_BATCH", 2)
    network = small()
    pixels = torch.randint(256, (5, 3, 8, 8), dtype=torch.uint8)
    found = network.read(pixels)
    torch.testing.assert_close(found.avg, network(pixels.float() / 127.5 - 1).avg.detach())
    assert not network.training


def test_normalisations_by_hand() -> None:
    pixels = torch.tensor([0, 127, 255], dtype=torch.uint8).reshape(1, 3, 1, 1)
    assert LITE(pixels).flatten().tolist() == pytest.approx([-127 / 128, 0, 1], abs=1e-6)
    by_hand = [-0.4717 / 0.26, (127 / 255 - 0.4499) / 0.2516, (1 - 0.3837) / 0.2575]
    for images in (pixels, to_float(pixels)):
        assert IMAGENET_9(images).flatten().tolist() == pytest.approx(by_hand, abs=1e-5)
    images, network = torch.rand(2, 3, 4, 4), small()
    torch.testing.assert_close(PLAIN(images), images)
    with torch.no_grad():
        torch.testing.assert_close(network(images, IMAGENET).avg, network(IMAGENET(images)).avg)


def test_the_toy_backbone_is_the_shipped_classifier_with_fresh_heads() -> None:
    images = torch.rand(2, 3, 64, 64) * 2 - 1
    network, reader = ensemble("toy", 0).eval(), toy_parts().classifier
    torch.testing.assert_close(network.backbone(images), reader.features(images))
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_heads_differ_and_depend_on_the_seed() -> None:
    one, same, other = (ensemble("toy", seed, pretrained=False) for seed in (0, 0, 1))
    assert torch.equal(head(one, "shape").weight, head(same, "shape").weight)
    assert not torch.equal(head(one, "shape").weight, head(other, "shape").weight)
    assert not torch.equal(head(one, "shape").weight, head(one, "texture").weight)


def test_an_unknown_backbone_is_named() -> None:
    with pytest.raises(ValueError, match="unknown backbone 'resnet51'"):
        ensemble("resnet51", 0)


@pytest.mark.slow
def test_the_published_backbone() -> None:
    """Without its last layer, torchvision's ResNet-50 has 25.56 M - 2.05 M parameters."""
    network = ensemble("resnet50", 0, pretrained=False)
    assert sum(p.numel() for p in network.backbone.parameters()) == 23_508_032
    assert network(torch.zeros(1, 3, 64, 64)).avg.shape == (1, 1000)
