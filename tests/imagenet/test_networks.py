"""Networks of ImageNet: their own preprocessing, and SqueezeNet read from ncnn's file."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import squeezenet1_1

from cgnlib.errors import AssetError
from cgnlib.imagenet.networks import NORMALISATIONS, SQUEEZENET, Pretrained, pretrained, squeezenet
from cgnlib.imagenet.normalisation import LITE
from cgnlib.training.precision import fast_precision


def written(path: Path) -> dict[str, torch.Tensor]:
    """A file in ncnn's format of a network with random weights; these in 16 bits."""
    state, content = squeezenet1_1().half().float().state_dict(), b""
    for name in (name for name in state if name.endswith("weight")):
        content += (0x01306B47).to_bytes(4, "little") + state[name].numpy().astype("<f2").tobytes()
        content += state[name.replace("weight", "bias")].numpy().astype("<f4").tobytes()
    path.write_bytes(content)
    return state


def test_squeezenet_is_read_as_it_was_written_with_its_channels_turned(tmp_path: Path) -> None:
    state = written(tmp_path / "x.bin")
    found = squeezenet(tmp_path / "x.bin").state_dict()
    assert torch.equal(found.pop("features.0.weight"), state.pop("features.0.weight").flip(1))
    assert all(torch.equal(found[name], state[name]) for name in state)


def test_a_file_of_another_network_or_precision_is_named(tmp_path: Path) -> None:
    written(file := tmp_path / "x.bin")
    content = file.read_bytes()
    for wrong, reason in ((content[:-4], "bytes, not"), (b"0000" + content[4:], "another network or precision")):
        file.write_bytes(wrong)
        with pytest.raises(AssetError, match=f"x.bin .*{reason}"):
            squeezenet(file)


def test_images_are_resized_and_normalised_as_each_network_wants_them() -> None:
    grey = torch.full((1, 3, 256, 256), 127, dtype=torch.uint8)
    assert Pretrained("x", nn.Identity(), 240, LITE, nn.Identity()).prepared(grey).shape == (1, 3, 240, 240)
    assert Pretrained("x", nn.Identity(), 256, LITE, nn.Identity()).prepared(grey).abs().max() < 1e-6
    less = Pretrained("x", nn.Identity(), 227, SQUEEZENET, nn.Identity()).prepared(grey)[0, :, 0, 0]
    assert less.tolist() == pytest.approx([127 - 123, 127 - 117, 127 - 104], abs=1e-3)


def test_what_its_last_layer_reads_gives_a_network_s_logits() -> None:
    network = pretrained("efficientnet-lite0")
    images = torch.randint(256, (2, 3, 224, 224), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    features, logits = network.describe(images), network(images)
    assert np.allclose(network.network._fc(features).numpy(), logits.numpy(), atol=1e-4)
    block = network.trainable_block()
    again = block(network.before_last_block(images))
    assert np.allclose(
        again.detach().numpy(), features.numpy(), atol=1e-5 if fast_precision("cpu") == "float32" else 0.05
    )
    again.sum().backward()
    assert all(each.grad is not None for each in block.parameters()), "the whole block can be trained"
    assert not any(each.requires_grad for each in network.network.parameters()), "and is a copy"
    bare = Pretrained("squeezenet1.1", nn.Identity(), 227, SQUEEZENET, nn.Identity())
    for part in (bare.trainable_block, lambda: bare.before_last_block(images)):
        with pytest.raises(ValueError, match="squeezenet1.1 has no blocks; EfficientNet-Lite has"):
            part()
    with pytest.raises(ValueError, match="did you mean 'efficientnet-lite2'"):
        pretrained("efficientnet-lite3")
    assert list(NORMALISATIONS) == sorted(NORMALISATIONS)
