"""TensorFlow's Inception as torch-fidelity ports it: the same parameters, pooling and resizing; and torchvision's."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from cgnlib.errors import AssetError
from cgnlib.imagenet.inception import (
    _A,
    TF_CLASSES,
    TensorFlowInception,
    TorchvisionInception,
    enlarged,
    load_inception,
)
from cgnlib.images import to_float


def test_images_are_enlarged_as_in_tensorflow_1() -> None:
    """Pixel i of 5 lies at i * 2 / 5 of 2: weights by hand; torch's own interpolation has others."""
    line = torch.tensor([[0.0, 10.0]]).expand(2, 2)[None, None]
    assert enlarged(line, 5)[0, 0, 0].tolist() == pytest.approx([0, 4, 8, 10, 10])
    down = torch.tensor([[0.0, 10.0]]).expand(2, 2).T[None, None]
    assert enlarged(down, 5)[0, 0, :, 0].tolist() == pytest.approx([0, 4, 8, 10, 10])


def test_the_border_does_not_count_in_means() -> None:
    ones = torch.ones(1, 192, 5, 5)
    assert _A.pool(ones).eq(1).all()
    assert nn.AvgPool2d(3, 1, 1)(ones).min() < 0.5, "torchvision's counts zeros beyond the border"


def test_parameters_are_those_of_the_published_file() -> None:
    """Names and shapes of torch-fidelity's weights-inception-2015-12-05: 94 convolutions, each with its batch norm."""
    with torch.device("meta"):
        network = TensorFlowInception().network
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    convolutions = [name for name in shapes if name.endswith(".conv.weight")]
    assert len(convolutions) == 94 and len(shapes) == 6 * 94 + 2
    assert shapes["fc.weight"] == (TF_CLASSES, 2048) and not any("Aux" in name for name in shapes)
    assert shapes["Mixed_5b.branch_pool.conv.weight"] == (32, 192, 1, 1)
    assert shapes["Mixed_7c.branch3x3_2b.conv.weight"] == (384, 384, 3, 1)
    assert sum(value.numel() for value in network.parameters()) == 23_850_960


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.zeros(1000, 2048)}, tmp_path / "other.pth")
    with pytest.raises(AssetError, match="TensorFlowInception: .* is of another architecture"):
        load_inception(TensorFlowInception(), tmp_path / "other.pth")


@pytest.mark.slow
def test_logits_are_those_of_torch_fidelity(tmp_path: Path) -> None:
    """Random weights through both. `pip install --no-deps torch-fidelity==0.4.0`: the report does not need it."""
    module = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    torch.manual_seed(0)
    ours = TensorFlowInception()
    for part in ours.modules():
        if isinstance(part, nn.BatchNorm2d) and part.running_mean is not None and part.running_var is not None:
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight)
    torch.save(ours.network.state_dict(), tmp_path / "weights.pth")
    theirs = module.FeatureExtractorInceptionV3("ours", ["logits_unbiased"], str(tmp_path / "weights.pth"))
    images = torch.randint(256, (2, 3, 256, 256), dtype=torch.uint8)
    with torch.no_grad():
        found, expected = load_inception(ours, tmp_path / "weights.pth")(to_float(images)), theirs(images)[0]
    assert "torch_fidelity" in sys.modules and expected.std() > 1
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-5 * float(expected.std()))


def test_torchvisions_network_sees_299_pixels() -> None:
    with torch.device("meta"):
        logits = TorchvisionInception().eval()(torch.zeros(1, 3, 64, 64))
    assert logits.shape == (1, 1000)
