"""Loss terms of both CGNs, one function each (seed, Eq. 2; SG21, Section 3.2): scalars, means over the batch."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

STYLE_SCALE = 5000.0  # published constant of the style loss: each block's term counts w^2 * 5000


def adversarial(validity: Tensor, real: bool) -> Tensor:
    """Least-squares GAN: (D - 1)^2 for images that should pass as real, D^2 for those that should not."""
    return (validity - float(real)).square().mean()


def binary_entropy(mask: Tensor) -> Tensor:
    """Entropy of a mask in bits, 0 where it is binary, 1 where it is 0.5. mask: in (0, 1), the ends excluded."""
    return -(mask * mask.log2() + (1 - mask) * (1 - mask).log2()).mean()


def mask_interval(mask: Tensor, low: float, high: float) -> Tensor:
    """How far the mean of each mask (B, 1, H, W) lies outside [low, high] (L_mask; published: 0.1 and 0.9)."""
    area = mask.mean(dim=(1, 2, 3))
    return (F.relu(low - area) + F.relu(area - high)).mean()


def border_residue(mask: Tensor, width: int) -> Tensor:
    """Mean of the mask on a frame of `width` pixels: an object is not expected to touch the border (polarity prior)."""
    inner = mask[..., width:-width, width:-width]
    frame = mask.sum(dim=(1, 2, 3)) - inner.sum(dim=(1, 2, 3))
    return frame.mean() / (mask[0].numel() - inner[0].numel())


def gram(features: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, C): channel products over C * H * W, the texture statistic of Gatys et al."""
    batch, channels, height, width = features.shape
    flat = features.reshape(batch, channels, height * width)
    return flat @ flat.transpose(1, 2) / (channels * height * width)


def style(generated: Sequence[Tensor], target: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Sum over blocks of w^2 * 5000 * L1(gram(generated), gram(target)); image i is compared with target i."""
    terms = [
        w**2 * STYLE_SCALE * F.l1_loss(gram(g), gram(t))
        for g, t, w in zip(generated, target, weights, strict=True)
        if w > 0
    ]
    return torch.stack(terms).sum() if terms else generated[0].new_zeros(())


def two_colour_reconstruction(images: Tensor, mask: Tensor, foreground: Tensor, background: Tensor) -> Tensor:
    """How far images are from their mask filled with the mean colour of the foreground, and of the background outside.

    Squared distance, summed over pixels and channels. Only the mask and the two mean colours can lower it, wherever the
    pattern of a texture lies (after Chan and Vese, 2001: segmentation by two mean colours).
    """
    inside, outside = (texture.mean(dim=(2, 3), keepdim=True) for texture in (foreground, background))
    return (mask * inside + (1 - mask) * outside - images).square().sum(dim=(1, 2, 3)).mean()


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL divergence in nats of normal distributions (B, D) from the standard one, summed over dimensions."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1).mean()


def autocovariance(images: Tensor, reach: int, region: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Colour covariance between pixels and their neighbours at every offset up to `reach` in both directions.

    images: (B, C, H, W); region: (B, 1, H, W) in [0, 1], what each pixel counts, or None for a texture that repeats
    itself at its ends. Returns the covariances (B, C, C, 2 reach + 1, 2 reach + 1), each times the share of pairs of
    pixels at that offset that lie in the region, and these shares (B, 1, 1, ...), 1 at offset 0. A pair of pixels
    counts with the product of what its two pixels count.
    """
    height, width = images.shape[2:]
    if region is None:
        region, size = torch.ones_like(images[:, :1]), (height, width)
    else:
        size = (2 * height, 2 * width)  # room for the offsets: nothing repeats itself
    total = region.sum(dim=(2, 3), keepdim=True).clamp(min=1)
    centred = images - (region * images).sum(dim=(2, 3), keepdim=True) / total
    spectrum = torch.fft.rfft2(region * centred, s=size)
    products = spectrum[:, :, None] * spectrum[:, None].conj()
    window = torch.fft.rfft2(region, s=size).abs().square()[:, None]
    covariance, share = (torch.fft.irfft2(each, s=size) for each in (products, window))
    largest = share[..., :1, :1].clamp(min=1)  # at offset 0
    return _offsets(covariance / largest, reach), _offsets(share / largest, reach).clamp(0, 1)


def _offsets(values: Tensor, reach: int) -> Tensor:
    """Offsets -reach..reach in the last two dimensions, of which a Fourier transform gives the negative ones last."""
    return torch.roll(values, (reach, reach), dims=(-2, -1))[..., : 2 * reach + 1, : 2 * reach + 1]


def texture(generated: Tensor, images: Tensor, region: Tensor, reach: int) -> Tensor:
    """How far generated textures are from the texture of `region` in images: L1 between their autocovariances.

    Summed over colours, mean over offsets, times the number of pixels: a texture that varies where the region is flat
    costs its variance at every pixel, as in a reconstruction. Arguments as in `autocovariance`.
    """
    target, share = autocovariance(images, reach, region)
    found, _ = autocovariance(generated, reach)
    difference = (share * found - target).abs().sum(dim=(1, 2, 3, 4)) / share.sum(dim=(1, 2, 3, 4)).clamp(min=1)
    return difference.mean() * images.shape[2] * images.shape[3]


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Hinge loss of a discriminator: real scores should be above 1, fake ones below -1 (Lim & Ye 2017)."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def hinge_generator(fake: Tensor) -> Tensor:
    """Hinge loss of a generator: its images should score high."""
    return -fake.mean()


def reconstruction(x_gen: Tensor, x_gt: Tensor) -> Tensor:
    """L1 between the composed image and the teacher's (L_L1 of Eq. 2; published weight: 100)."""
    return F.l1_loss(x_gen, x_gt)


def background_residue(bg_mask: Tensor) -> Tensor:
    """How much object is found in the background (L_bg of Eq. 2; published weight: 2000): relu of each mask's mean.

    bg_mask: (B, 1, H, W), the saliency network's mask of the background mechanism's output.
    """
    return F.relu(bg_mask.mean(dim=(1, 2, 3))).mean()
