"""BigGAN-deep (Brock et al. 2019, Appendix B), the generator behind every mechanism of the ImageNet CGN (SG21, 4).

State-dict keys and shapes are those of the file published for `pytorch-pretrained-biggan`, so its weights load as they
are. Batch norm takes the statistics that are stored for each truncation (as published, in train and eval mode alike),
or those of the batch (to train a new generator).
"""

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgnlib.training.weights import load_state

START_SIZE = 4  # height and width of the first feature map
BOTTLENECK = 4  # a block's inner convolutions have this many times fewer channels than its input
START_ITERATIONS = 15  # of power iteration on new weights, so that eval mode is sound from the start
LATENT_BOUND = 2.0  # latents are normal, truncated to [-2, 2]


@dataclass(frozen=True)
class BigGANConfig:
    """A BigGAN-deep generator. Raises ValueError where the numbers do not fit each other.

    layers: (upsample, input, output) of each residual block, the last two as multiples of `channel_width`.
    attention_position: index in the list of layers at which self-attention is inserted.
    n_stats: stored batch-norm statistics, for truncations 0, 1 / (n_stats - 1), ..., 1.
    eps: added to variances, and the floor of norms in spectral normalisation.
    """

    resolution: int
    channel_width: int
    z_dim: int
    class_embed_dim: int
    num_classes: int
    layers: tuple[tuple[bool, int, int], ...]
    attention_position: int
    n_stats: int = 51
    eps: float = 1e-4

    def __post_init__(self) -> None:
        size = START_SIZE * 2 ** sum(upsample for upsample, _, _ in self.layers)
        if size != self.resolution:
            raise ValueError(f"these layers give images of {size} px, not {self.resolution}")
        inputs, outputs = [layer[1] for layer in self.layers], [layer[2] for layer in self.layers]
        if inputs[1:] != outputs[:-1] or outputs[-1] != 1:
            raise ValueError(f"each layer takes what the one before gives, and the last gives 1: {self.layers}")

    @property
    def condition_dim(self) -> int:
        """Length of what conditions every layer: latent and class embedding."""
        return self.z_dim + self.class_embed_dim


BIGGAN_DEEP_256 = BigGANConfig(
    resolution=256,
    channel_width=128,
    z_dim=128,
    class_embed_dim=128,
    num_classes=1000,
    layers=(
        (False, 16, 16),
        (True, 16, 16),
        (False, 16, 16),
        (True, 16, 8),
        (False, 8, 8),
        (True, 8, 8),
        (False, 8, 8),
        (True, 8, 4),
        (False, 4, 4),
        (True, 4, 2),
        (False, 2, 2),
        (True, 2, 1),
    ),
    attention_position=8,
)
TOY_64 = BigGANConfig(
    resolution=64,
    channel_width=32,
    z_dim=24,
    class_embed_dim=32,
    num_classes=10,
    layers=((True, 8, 8), (True, 8, 4), (True, 4, 2), (True, 2, 1)),
    attention_position=2,
    n_stats=11,
)


class SpectralNorm(nn.Module):
    """A weight divided by its largest singular value, found by power iteration (Miyato et al. 2018).

    The weight is seen as a matrix (out, everything else). In train mode every use of it is one more iteration. Keys are
    those of `torch.nn.utils.spectral_norm`: weight_orig, weight_u, weight_v.
    """

    weight_u: Tensor
    weight_v: Tensor

    def __init__(self, shape: Sequence[int], bias: bool, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.iterating = True  # in train mode; see `same_weights`
        self.weight_orig = nn.Parameter(torch.empty(*shape))
        self.bias = nn.Parameter(torch.zeros(shape[0])) if bias else None
        self.register_buffer("weight_u", F.normalize(torch.randn(shape[0]), dim=0))
        self.register_buffer("weight_v", F.normalize(torch.randn(math.prod(shape[1:])), dim=0))
        nn.init.kaiming_uniform_(self.weight_orig, a=5**0.5)
        self.iterate(START_ITERATIONS)

    @torch.no_grad()
    def iterate(self, steps: int) -> None:
        """Move `weight_u` and `weight_v` closer to the singular vectors of the largest singular value."""
        matrix = self.weight_orig.flatten(1)
        for _ in range(steps):
            self.weight_v.copy_(F.normalize(matrix.T @ self.weight_u, dim=0, eps=self.eps))
            self.weight_u.copy_(F.normalize(matrix @ self.weight_v, dim=0, eps=self.eps))

    def weight(self) -> Tensor:
        """The normalised weight; its gradient passes through the singular value too."""
        if self.training and self.iterating:
            self.iterate(1)
        u, v = self.weight_u.clone(), self.weight_v.clone()  # backward needs these, and the buffers change
        with torch.autocast(u.device.type, enabled=False):  # in bfloat16 the singular value would be off by 1 %
            return self.weight_orig / torch.dot(u, self.weight_orig.flatten(1) @ v)


@contextlib.contextmanager
def same_weights(network: nn.Module) -> Iterator[None]:
    """Within the block a network in train mode uses its weights without a further iteration: as they were used last."""
    norms = [module for module in network.modules() if isinstance(module, SpectralNorm)]
    for norm in norms:
        norm.iterating = False
    try:
        yield
    finally:
        for norm in norms:
            norm.iterating = True


class SpectralLinear(SpectralNorm):
    def __init__(self, in_features: int, out_features: int, eps: float, bias: bool = True) -> None:
        super().__init__((out_features, in_features), bias, eps)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in) -> (B, out)."""
        return F.linear(x, self.weight(), self.bias)


class SpectralConv2d(SpectralNorm):
    """A convolution that keeps height and width (odd kernel)."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, eps: float, bias: bool = True) -> None:
        super().__init__((out_channels, in_channels, kernel, kernel), bias, eps)
        self.padding = kernel // 2

    def forward(self, x: Tensor, first: int | None = None) -> Tensor:
        """(B, in, H, W) -> (B, out, H, W), or the `first` channels of that alone."""
        bias = None if self.bias is None else self.bias[:first]
        return F.conv2d(x, self.weight()[:first], bias, padding=self.padding)

    def upsampled(self, x: Tensor) -> Tensor:
        """Nearest-neighbour upsampling by 2, then this 3 x 3 convolution: (B, in, H, W) -> (B, out, 2H, 2W).

        One transposed convolution in place of both, since upsampling is one itself: zeros between the pixels (stride
        2), then the kernel o = 2 x 2 ones. In turn, convolving by w is a transposed convolution by w with its sides
        flipped and its channels swapped, w'. By associativity (x * o) * w' = x * (o * w'), a kernel of 4 x 4. Its
        values are the sums of w' over 2 x 2 windows, zeros around w': average pooling that divides by 1, not by 4.
        """
        flipped = self.weight().transpose(0, 1).flip(2, 3)
        kernel = F.avg_pool2d(flipped, 2, stride=1, padding=1, divisor_override=1)
        return F.conv_transpose2d(x, kernel, self.bias, stride=2, padding=1)


Rows = tuple[int, int, float]  # two rows of stored statistics, and the second one's weight


def rows_around(truncation: float, n_stats: int, swapped: bool = False) -> Rows:
    """The stored statistics between which those of a truncation in [0, 1] lie. swapped: see `BigGAN`."""
    share, index = math.modf(truncation / (1.0 / (n_stats - 1)))  # the published formula, rounding included
    low = int(index)
    return low, min(low + 1, n_stats - 1), 1 - share if swapped and share > 0 else share


class BatchNorm(nn.Module):
    """Standardises channels by statistics stored for a truncation, or by those of the batch."""

    running_means: Tensor
    running_vars: Tensor

    def __init__(self, channels: int, config: BigGANConfig) -> None:
        super().__init__()
        self.eps, self.batch_statistics = config.eps, False
        self.register_buffer("running_means", torch.zeros(config.n_stats, channels))
        self.register_buffer("running_vars", torch.ones(config.n_stats, channels))

    def normalise(self, x: Tensor, rows: Rows, gain: Tensor, offset: Tensor) -> Tensor:
        """Standardised x (B, C, H, W), times gain plus offset, which are (B, C), or (1, C) for all images alike."""
        if self.batch_statistics:
            x = F.batch_norm(x, None, None, training=True, eps=self.eps)
        else:
            low, high, share = rows
            mean, variance = (
                torch.lerp(each[low], each[high], share) for each in (self.running_means, self.running_vars)
            )
            gain = gain * torch.rsqrt(variance + self.eps)
            offset = offset - mean * gain
        return torch.addcmul(offset[:, :, None, None], x, gain[:, :, None, None])


class ConditionalBatchNorm(BatchNorm):
    """Batch norm whose gain and offset depend on latent and class."""

    def __init__(self, channels: int, config: BigGANConfig) -> None:
        super().__init__(channels, config)
        self.scale = SpectralLinear(config.condition_dim, channels, config.eps, bias=False)
        self.offset = SpectralLinear(config.condition_dim, channels, config.eps, bias=False)

    def forward(self, x: Tensor, condition: Tensor, rows: Rows) -> Tensor:
        """x: (B, C, H, W); condition: (B, condition_dim)."""
        return self.normalise(x, rows, 1 + self.scale(condition), self.offset(condition))


class OutputBatchNorm(BatchNorm):
    """Batch norm with one gain and offset per channel, before the last convolution."""

    def __init__(self, channels: int, config: BigGANConfig) -> None:
        super().__init__(channels, config)
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, rows: Rows) -> Tensor:
        """x: (B, C, H, W)."""
        return self.normalise(x, rows, self.weight[None], self.bias[None])


class Block(nn.Module):
    """Residual bottleneck block: 1 x 1, two 3 x 3 and 1 x 1 convolutions, each after batch norm and ReLU.

    The shortcut drops the last channels where there are fewer outputs than inputs.
    """

    def __init__(self, inputs: int, outputs: int, upsample: bool, config: BigGANConfig) -> None:
        super().__init__()
        inner, eps = inputs // BOTTLENECK, config.eps
        self.outputs, self.upsample = outputs, upsample
        self.bn_0 = ConditionalBatchNorm(inputs, config)
        self.conv_0 = SpectralConv2d(inputs, inner, 1, eps)
        self.bn_1 = ConditionalBatchNorm(inner, config)
        self.conv_1 = SpectralConv2d(inner, inner, 3, eps)
        self.bn_2 = ConditionalBatchNorm(inner, config)
        self.conv_2 = SpectralConv2d(inner, inner, 3, eps)
        self.bn_3 = ConditionalBatchNorm(inner, config)
        self.conv_3 = SpectralConv2d(inner, outputs, 1, eps)

    def forward(self, x: Tensor, condition: Tensor, rows: Rows) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H, W), or twice as high and wide."""
        y = self.conv_0(F.relu(self.bn_0(x, condition, rows), inplace=True))
        y = F.relu(self.bn_1(y, condition, rows), inplace=True)
        y = self.conv_1.upsampled(y) if self.upsample else self.conv_1(y)
        y = self.conv_2(F.relu(self.bn_2(y, condition, rows), inplace=True))
        y = self.conv_3(F.relu(self.bn_3(y, condition, rows), inplace=True))
        shortcut = x[:, : self.outputs]
        return y + (F.interpolate(shortcut, scale_factor=2, mode="nearest") if self.upsample else shortcut)


class SelfAttention(nn.Module):
    """Self-attention over positions, keys and values pooled by 2 (Zhang et al. 2019); `gamma` starts at 0."""

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__()
        self.snconv1x1_theta = SpectralConv2d(channels, channels // 8, 1, eps, bias=False)
        self.snconv1x1_phi = SpectralConv2d(channels, channels // 8, 1, eps, bias=False)
        self.snconv1x1_g = SpectralConv2d(channels, channels // 2, 1, eps, bias=False)
        self.snconv1x1_o_conv = SpectralConv2d(channels // 2, channels, 1, eps, bias=False)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape; H and W even."""
        queries = _positions(self.snconv1x1_theta(x))
        keys = _positions(F.max_pool2d(self.snconv1x1_phi(x), 2))
        values = _positions(F.max_pool2d(self.snconv1x1_g(x), 2))
        attention = torch.softmax(queries @ keys.transpose(1, 2), dim=2)  # (B, H W, H W / 4)
        attended = (attention @ values).unflatten(1, x.shape[2:]).permute(0, 3, 1, 2)
        return x + self.gamma * self.snconv1x1_o_conv(attended)


def _positions(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, H W, C)."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


class Generator(nn.Module):
    """From condition (latent and class embedding) to image."""

    def __init__(self, config: BigGANConfig) -> None:
        super().__init__()
        width = config.channel_width
        self.first_channels = width * config.layers[0][1]
        self.gen_z = SpectralLinear(config.condition_dim, START_SIZE**2 * self.first_channels, config.eps)
        layers: list[nn.Module] = [Block(width * i, width * o, upsample, config) for upsample, i, o in config.layers]
        attended = width * config.layers[config.attention_position][1]
        layers.insert(config.attention_position, SelfAttention(attended, config.eps))
        self.layers = nn.ModuleList(layers)
        self.bn = OutputBatchNorm(width, config)
        # As published: as many outputs as inputs, of which three are the image; the others count in the norm.
        self.conv_to_rgb = SpectralConv2d(width, width, 3, config.eps)

    def forward(self, condition: Tensor, rows: Rows) -> Tensor:
        """(B, condition_dim) -> (B, 3, R, R) in [-1, 1]."""
        # Published order: height, width, channels. It stays so in memory, which is the fastest layout for CPUs too.
        x = self.gen_z(condition).view(-1, START_SIZE, START_SIZE, self.first_channels).permute(0, 3, 1, 2)
        for layer in self.layers:
            x = layer(x, condition, rows) if isinstance(layer, Block) else layer(x)
        return torch.tanh(self.conv_to_rgb(F.relu(self.bn(x, rows), inplace=True), first=3))


class BigGAN(nn.Module):
    """Maps latents, class vectors and a truncation to images.

    swapped_statistics: interpolate batch-norm statistics between two stored truncations with the two weights swapped,
    as the published code does (wrong by up to a whole step between stored truncations).
    """

    def __init__(self, config: BigGANConfig, swapped_statistics: bool = False) -> None:
        super().__init__()
        self.config, self.swapped_statistics = config, swapped_statistics
        self.embeddings = nn.Linear(config.num_classes, config.class_embed_dim, bias=False)
        self.generator = Generator(config)

    def forward(self, z: Tensor, class_vector: Tensor, truncation: float = 1.0) -> Tensor:
        """z: (B, z_dim); class_vector: (B, num_classes), one-hot or soft; truncation: in [0, 1], that of z.

        Returns (B, 3, R, R) in [-1, 1]. Raises ValueError for other shapes or truncations.
        """
        config = self.config
        for name, given, width in (("z", z, config.z_dim), ("class_vector", class_vector, config.num_classes)):
            if given.shape != (len(z), width):
                raise ValueError(f"{name} is {tuple(given.shape)}, expected {(len(z), width)}")
        if not 0 <= truncation <= 1:
            raise ValueError(f"truncation is {truncation}, expected 0 to 1")
        rows = rows_around(truncation, config.n_stats, self.swapped_statistics)
        return self.generator(torch.cat([z, self.embeddings(class_vector)], dim=1), rows)

    def batch_norms(self) -> list[BatchNorm]:
        """All batch norms, in the order in which data passes them."""
        return [module for module in self.modules() if isinstance(module, BatchNorm)]

    def use_batch_statistics(self, on: bool) -> None:
        """Normalise with the statistics of each batch (to train a generator from nothing) or with the stored ones."""
        for norm in self.batch_norms():
            norm.batch_statistics = on


def initialise(module: nn.Module, stream: torch.Generator) -> None:
    """Start values for training from nothing: orthogonal weights as in Brock et al., biases 0.

    Class embeddings are N(0, 1), as latents are: a class counts as much as the noise from the first step.
    """
    for part in module.modules():
        if isinstance(part, SpectralNorm):
            nn.init.orthogonal_(part.weight_orig, generator=stream)
            nn.init.normal_(part.weight_u, generator=stream)
            part.iterate(START_ITERATIONS)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, generator=stream)


def sample_latents(n: int, z_dim: int, truncation: float, stream: torch.Generator) -> Tensor:
    """(n, z_dim) normal truncated to [-2, 2], times truncation, on the stream's device (inverse of the CDF)."""
    share = math.erf(LATENT_BOUND / math.sqrt(2))  # of the normal distribution that lies within the bounds
    uniform = torch.rand(n, z_dim, generator=stream, device=stream.device) * 2 - 1
    normal = torch.erfinv(uniform * share) * math.sqrt(2)
    return normal.clamp(-LATENT_BOUND, LATENT_BOUND) * truncation


def renew_singular_vectors(gan: BigGAN, steps: int = 100) -> None:
    """Find the singular vectors of every weight anew, as averaged weights need: an average of unit vectors is shorter
    than 1, so that weights come out too large, and change as soon as the generator is trained on.
    """
    for part in gan.modules():
        if isinstance(part, SpectralNorm):
            part.iterate(steps)


@torch.no_grad()
def measure_statistics(gan: BigGAN, images: int, batch_size: int, stream: torch.Generator) -> None:
    """Fill the stored statistics of every batch norm, for each stored truncation, from `images` samples of all classes.

    Layers see data that earlier layers normalised by the batch, as in training. Classes are uniform. Afterwards the
    generator uses the stored statistics. Raises ValueError unless `images` is a positive multiple of `batch_size`: a
    last, smaller batch would be normalised by worse statistics.
    """
    if images < batch_size or images % batch_size:
        raise ValueError(f"{images} images are not whole batches of {batch_size}")
    config, norms, was_training = gan.config, gan.batch_norms(), gan.training
    device = norms[0].running_means.device
    gan.eval()
    gan.use_batch_statistics(True)
    moments: dict[nn.Module, list[Tensor]] = {norm: [] for norm in norms}

    def record(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        variance, mean = torch.var_mean(inputs[0].double(), dim=(0, 2, 3), correction=0)
        moments[norm].append(torch.stack([mean, variance + mean.square()]))

    handles = [norm.register_forward_pre_hook(record) for norm in norms]
    try:
        for row in range(config.n_stats):
            truncation = row / (config.n_stats - 1)
            for _ in range(images // batch_size):
                z = sample_latents(batch_size, config.z_dim, truncation, stream).to(device)
                y = torch.randint(config.num_classes, (batch_size,), generator=stream, device=stream.device).to(device)
                gan(z, F.one_hot(y, config.num_classes).to(z), truncation)
            for norm in norms:
                mean, square = torch.stack(moments[norm]).mean(dim=0)
                norm.running_means[row], norm.running_vars[row] = mean, square - mean.square()
                moments[norm].clear()
    finally:
        for handle in handles:
            handle.remove()
        gan.use_batch_statistics(False)
        gan.train(was_training)


def load_published(path: Path | str, swapped_statistics: bool = False) -> BigGAN:
    """BigGAN-deep-256 in eval mode from the file published for `pytorch-pretrained-biggan` (or the same, safetensors).

    Raises AssetError when the file is missing, truncated or does not hold this architecture; never executes code.
    """
    gan = BigGAN(BIGGAN_DEEP_256, swapped_statistics)
    load_state(gan, path, "BigGAN-deep-256")
    return gan.eval()
