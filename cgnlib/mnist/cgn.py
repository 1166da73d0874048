"""The MNIST CGN (SG21, Section 3 and Appendix; method as published): three independent mechanisms.

State-dict keys and shapes are those of the authors' published files, so their weights load as they are.
"""

import copy
import itertools
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import skip_init

from cgnlib.composition import compose
from cgnlib.errors import known
from cgnlib.mnist.names import N_CLASSES
from cgnlib.training.weights import load_state

LATENT = 32
EMBEDDING = 10
MASK_FLOOR = 1e-4  # keeps the logarithms of the binary entropy finite


class UpsampledConv2d(nn.Module):
    """Nearest-neighbour upsampling by 2 and a 3 x 3 convolution, as one 4 x 4 transposed convolution of stride 2.

    Each output pixel sees only 2 x 2 different inputs, so the nine weights fold into four per output phase: the same
    function with 2.25 times fewer multiply-adds. `weight` is the (out, in, 3, 3) weight of the published convolution.
    """

    fold: Tensor

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, 3, 3))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)
        # Row t of the 4-tap kernel sums the 3-tap rows that read the same low-resolution pixel.
        fold = torch.tensor([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], dtype=torch.float32)
        self.register_buffer("fold", fold, persistent=False)

    def kernel(self) -> Tensor:
        """The (in, out, 4, 4) weight of the transposed convolution."""
        return torch.einsum("oihw,th,sw->iots", self.weight, self.fold, self.fold)

    def forward(self, images: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, 2H, 2W)."""
        # Without channels-last input the CPU takes a path that is five times slower.
        images = images.contiguous(memory_format=torch.channels_last)
        return F.conv_transpose2d(images, self.kernel(), stride=2, padding=1)


class InstanceNorm(nn.Module):
    """Standardises each channel of each image (no affine part, eps 1e-5): `nn.InstanceNorm2d` that keeps the layout."""

    def forward(self, images: Tensor) -> Tensor:
        centred = images - images.mean(dim=(2, 3), keepdim=True)
        return centred * torch.rsqrt(centred.square().mean(dim=(2, 3), keepdim=True) + 1e-5)


def _first_maps() -> list[nn.Module]:
    return [nn.Linear(LATENT + EMBEDDING, 64 * 8 * 8), nn.Unflatten(1, (64, 8, 8))]


def _upsampling(channels: int, out: int) -> list[nn.Module]:
    return [UpsampledConv2d(channels, out), nn.BatchNorm2d(out), nn.LeakyReLU(0.2, inplace=True)]


def _colours() -> list[nn.Module]:
    return [nn.Conv2d(32, 3, 3, padding=1), nn.BatchNorm2d(3), nn.Tanh()]


def _numbered(layers: list[nn.Module]) -> nn.Sequential:
    """Layers in a row under the numbers of the published ones: there, upsampling and convolution are two layers."""
    numbered: OrderedDict[str, nn.Module] = OrderedDict()
    number = 0
    for layer in layers:
        number += isinstance(layer, UpsampledConv2d)
        numbered[str(number)] = layer
        number += 1
    return nn.Sequential(numbered)


@dataclass(frozen=True)
class Composition:
    """What the mechanisms gave and the image they compose (the study's Eq. 1).

    mask: (B, 1, 32, 32) in (0, 1); foreground, background, image: (B, 3, 32, 32) in [-1, 1].
    """

    mask: Tensor
    foreground: Tensor
    background: Tensor

    @property
    def image(self) -> Tensor:
        return compose(self.mask, self.foreground, self.background)


class CGN(nn.Module):
    """Shape, foreground and background mechanism: each maps noise u (B, 32) and labels y (B,) to its own part.

    >>> cgn, stream = load_weights("weights/mnist/colored-robust.safetensors"), torch.Generator().manual_seed(0)
    >>> parts = cgn.counterfactual(torch.tensor([3]), torch.tensor([7]), torch.tensor([0]), stream)
    >>> torch.equal(parts.image, parts.mask * parts.foreground + (1 - parts.mask) * parts.background)
    True
    """

    def __init__(self) -> None:
        super().__init__()
        self.label_emb = nn.Embedding(N_CLASSES, EMBEDDING)
        norm = InstanceNorm()
        self.f_shape = _numbered([*_first_maps(), norm, *_upsampling(64, 32), norm, *_upsampling(32, 1), norm])
        self.f_text1, self.f_text2 = (
            _numbered([*_first_maps(), *_upsampling(64, 64), *_upsampling(64, 32), *_colours()]) for _ in range(2)
        )

    def _input(self, u: Tensor, y: Tensor) -> Tensor:
        return torch.cat([u, self.label_emb(y)], dim=1)

    def mask(self, u: Tensor, y: Tensor) -> Tensor:
        """(B, 1, 32, 32) in [1e-4, 1 - 1e-4]."""
        return self.f_shape(self._input(u, y)).clamp(MASK_FLOOR, 1 - MASK_FLOOR)

    def foreground(self, u: Tensor, y: Tensor) -> Tensor:
        """(B, 3, 32, 32) in [-1, 1], before the shuffler."""
        return self.f_text1(self._input(u, y))

    def background(self, u: Tensor, y: Tensor) -> Tensor:
        """(B, 3, 32, 32) in [-1, 1], before the shuffler."""
        return self.f_text2(self._input(u, y))

    def forward(self, u: Tensor, y: Tensor, generator: torch.Generator) -> Composition:
        """One noise and one label for all mechanisms, as in training. `generator` draws the shifts of the textures."""
        return Composition(
            mask=self.mask(u, y),
            foreground=shuffle_texture(self.foreground(u, y), generator),
            background=shuffle_texture(self.background(u, y), generator),
        )

    @torch.no_grad()
    def counterfactual(
        self, shape: Tensor, foreground: Tensor, background: Tensor, generator: torch.Generator
    ) -> Composition:
        """A label (B,) and noise of its own for each mechanism. `generator` draws noise and shifts, on its device."""
        f, b, mask = (
            part(draw_noise(len(y), generator), y)
            for part, y in ((self.foreground, foreground), (self.background, background), (self.mask, shape))
        )
        return Composition(mask, shuffle_texture(f, generator), shuffle_texture(b, generator))

    @torch.no_grad()
    def fused(self) -> "CGN":
        """A copy for sampling: in eval mode and of the same function, but each batch norm is part of the convolution
        before it, and kernels are folded once. Its state dict is not that of published files."""
        copied = copy.deepcopy(self).eval()
        for mechanism in (copied.f_shape, copied.f_text1, copied.f_text2):
            for index, (layer, norm) in enumerate(itertools.pairwise(list(mechanism))):
                if isinstance(norm, nn.BatchNorm2d):
                    mechanism[index], mechanism[index + 1] = _with_norm(layer, norm), nn.Identity()
        return copied.to(memory_format=torch.channels_last)


def _with_norm(layer: nn.Module, norm: nn.BatchNorm2d) -> nn.Module:
    """One convolution that does what `layer`, an UpsampledConv2d or Conv2d, and its batch norm in eval mode do."""
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    shift = norm.bias - norm.running_mean * scale
    if isinstance(layer, UpsampledConv2d):
        kernel = layer.kernel() * scale[:, None, None]
        merged = skip_init(nn.ConvTranspose2d, *kernel.shape[:2], 4, stride=2, padding=1)
    else:
        assert isinstance(layer, nn.Conv2d) and layer.bias is not None
        kernel = layer.weight * scale[:, None, None, None]
        shift = shift + layer.bias * scale
        merged = skip_init(nn.Conv2d, layer.in_channels, layer.out_channels, 3, padding=1)
    merged.weight, merged.bias = nn.Parameter(kernel), nn.Parameter(shift)
    return merged


def draw_noise(n: int, generator: torch.Generator) -> Tensor:
    """(n, 32) standard normal, on the generator's device."""
    return torch.randn(n, LATENT, generator=generator, device=generator.device)


def shuffle_texture(images: Tensor, generator: torch.Generator) -> Tensor:
    """The published shuffler: a random 32 x 32 crop of the 2 x 2 tiled texture, that is, a cyclic shift per image.

    It keeps a texture mechanism from encoding shape. images: (B, C, H, W).
    """
    batch, _, height, width = images.shape
    shift = torch.randint(0, height * width, (batch, 2), generator=generator, device=generator.device)
    rows = (torch.arange(height, device=images.device) + shift[:, :1]) % height
    columns = (torch.arange(width, device=images.device) + shift[:, 1:]) % width
    index = torch.arange(batch, device=images.device)[:, None, None]
    return images.permute(0, 2, 3, 1)[index, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def initialise(module: nn.Module, kind: str, gain: float, generator: torch.Generator) -> None:
    """Published initialisation: convolution and linear weights `kind` (orthogonal | normal) with `gain`, biases 0,
    batch-norm weights N(1, gain) with bias 0, embeddings N(0, 1)."""
    known("initialisation", kind, ("orthogonal", "normal"))
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Conv2d | UpsampledConv2d):
            if kind == "orthogonal":
                nn.init.orthogonal_(part.weight, gain, generator=generator)
            else:
                nn.init.normal_(part.weight, 0.0, gain, generator=generator)
            if isinstance(bias := getattr(part, "bias", None), Tensor):
                nn.init.zeros_(bias)
        elif isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.weight, 1.0, gain, generator=generator)
            nn.init.zeros_(part.bias)
        elif isinstance(part, nn.Embedding):
            nn.init.normal_(part.weight, generator=generator)


def load_weights(path: Path | str) -> CGN:
    """A CGN in eval mode from a published `.pth` state dict or a `.safetensors` file of this project.

    Raises AssetError when the file is missing, truncated or does not hold this architecture; never executes code.
    """
    cgn = CGN()
    load_state(cgn, path, "a CGN for 32 x 32 images")
    return cgn.eval()
