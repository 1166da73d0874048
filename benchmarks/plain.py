"""The same as the library does, as published or plain code does it: one image, one layer, one patch at a time."""

import copy
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms import functional as transforms

from cgnlib import losses
from cgnlib.composition import compose
from cgnlib.data.textures import Textures
from cgnlib.features import PerceptualFeatures
from cgnlib.imagenet.texture_targets import PUBLISHED, PatchGrid
from cgnlib.images import LabelledImages
from cgnlib.mnist.cgn import CGN, LATENT, InstanceNorm, UpsampledConv2d
from cgnlib.mnist.classifier import Classifier
from cgnlib.mnist.discriminators import LinearDiscriminator
from cgnlib.mnist.names import N_CLASSES, SIZE
from cgnlib.mnist.recipes import AdversarialRecipe, recipe_for
from cgnlib.mnist.variants import MASK_LEVEL, PADDING, Factors
from cgnlib.randomness import generator


def reference_wildlife(images: Tensor, factors: Factors, textures: Textures) -> Tensor:
    """Wildlife MNIST one image at a time with PIL and torchvision transforms, as published code builds it.

    images: (N, 28, 28) uint8; factors: their labels and crop positions; returns (N, 3, 32, 32) uint8, equal to what
    `make_variant` gives for the same factors.
    """
    kinds = (textures.foreground, textures.background)
    materials: list[list[Any]] = [[Image.fromarray(texture.numpy()) for texture in kind] for kind in kinds]

    def material(kind: int, label: int, position: Tensor) -> Tensor:
        image: Any = transforms.resize(materials[kind][label], [150, 150], transforms.InterpolationMode.NEAREST)
        padded: Any = transforms.pad(image, [PADDING], padding_mode="reflect")
        cropped: Any = transforms.crop(padded, int(position[0]), int(position[1]), SIZE, SIZE)
        return transforms.to_tensor(cropped)

    rendered = []
    for i in range(len(images)):
        digit = F.interpolate(images[i][None, None].float(), size=(SIZE, SIZE), mode="nearest")[0]
        mask = (digit > MASK_LEVEL).float()
        foreground = material(0, int(factors.foreground[i]), factors.foreground_draw[i])
        background = material(1, int(factors.background[i]), factors.background_draw[i])
        composed = mask * foreground + (1 - mask) * background
        rendered.append((composed * 255).round().to(torch.uint8))
    return torch.stack(rendered)


def plain_classifier() -> nn.Sequential:
    """The classifier from the published layers in a row."""
    first = (nn.BatchNorm2d(3), nn.Conv2d(3, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
    return nn.Sequential(*first, *copy.deepcopy(list(Classifier())[3:]))


def plain_cgn(cgn: CGN) -> CGN:
    """The same CGN from the layers of the published code: upsampling, convolution and instance norm one by one."""
    plain = copy.deepcopy(cgn)
    for name in ("f_shape", "f_text1", "f_text2"):
        layers: list[nn.Module] = []
        channels = 64
        for layer in getattr(cgn, name):
            if isinstance(layer, UpsampledConv2d):
                into, channels = channels, layer.weight.shape[0]
                layers += [nn.Upsample(scale_factor=2), nn.Conv2d(into, channels, 3, padding=1, bias=False)]
            else:
                layers.append(nn.InstanceNorm2d(channels) if isinstance(layer, InstanceNorm) else copy.deepcopy(layer))
        setattr(plain, name, nn.Sequential(*layers))
    plain.load_state_dict(cgn.state_dict())  # under the published numbers, which count the upsampling
    return plain.to(memory_format=torch.contiguous_format)


@torch.no_grad()
def reference_counterfactuals(cgn: CGN, n: int, ratio: int) -> Tensor:
    """Counterfactuals as published code makes them: batches of 100, all mechanisms run each time that one is needed,
    textures tiled and cropped one by one, float32 images kept. Returns (n, 3, 32, 32) in [-1, 1]."""
    images = []
    for _ in range(n // 100 // ratio):
        shape = torch.randint(N_CLASSES, (100,))
        mask = _all_mechanisms(cgn, shape, shape, shape)[0]
        for _ in range(ratio):
            labels = (shape, shape[torch.randperm(100)], shape[torch.randperm(100)])
            _, foreground, background = _all_mechanisms(cgn, *labels)
            images.append(compose(mask, foreground, background))
    return torch.cat(images)


def _all_mechanisms(cgn: CGN, shape: Tensor, foreground: Tensor, background: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    mask = cgn.mask(torch.randn(len(shape), LATENT), shape).repeat(1, 3, 1, 1)
    f, b = (
        torch.stack([_random_crop(texture.repeat(1, 2, 2)) for texture in mechanism(torch.randn(len(y), LATENT), y)])
        for mechanism, y in ((cgn.foreground, foreground), (cgn.background, background))
    )
    return mask, f, b


def _random_crop(texture: Tensor) -> Tensor:
    row, column = torch.randint(0, SIZE, (2,)).tolist()
    return texture[:, row : row + SIZE, column : column + SIZE]


def reference_cgn_step(images: LabelledImages, features: PerceptualFeatures) -> Callable[[], None]:
    """A step of CGN training as published code does it, for double-colored: layers one by one, textures tiled and
    cropped one by one, features of real and generated images from all blocks with their graph, Adam as it comes."""
    recipe = recipe_for("paper", "double-colored")
    assert isinstance(recipe, AdversarialRecipe)
    cgn, judge = plain_cgn(CGN()).train(), LinearDiscriminator().train()
    plain_features = copy.deepcopy(features).float().to(memory_format=torch.contiguous_format)
    optimizers = [torch.optim.Adam(network.parameters(), 2e-4, (0.5, 0.999)) for network in (cgn, judge)]
    real, labels = images.as_float(slice(recipe.batch_size)), images.shape[: recipe.batch_size]
    dropout = generator(0, "bench", "dropout")

    def step() -> None:
        mask, foreground, background = _all_mechanisms(cgn, labels, labels, labels)
        image = compose(mask, foreground, background)
        optimizers[0].zero_grad()
        loss = losses.adversarial(judge(image, labels, dropout), real=True)
        loss = loss + recipe.lambda_mask * losses.binary_entropy(mask)
        for ours, theirs, w in zip(plain_features(image), plain_features(real), recipe.style_weights, strict=True):
            loss = loss + w**2 * losses.STYLE_SCALE * F.l1_loss(losses.gram(ours), losses.gram(theirs))
        loss.backward()
        optimizers[0].step()
        optimizers[1].zero_grad()
        valid, invalid = (judge(batch, labels, dropout) for batch in (real, image.detach()))
        (losses.adversarial(valid, real=True) + losses.adversarial(invalid, real=False)).backward()
        optimizers[1].step()

    return step


@torch.no_grad()
def reference_patch_grid(
    images: Tensor, masks: Tensor, stream: torch.Generator, sizes: PatchGrid = PUBLISHED
) -> Tensor:
    """The patch grid by building every patch of image and mask, as published: equal to `patch_grid`."""
    size, patch, grid = sizes.working_size, sizes.patch, sizes.grid
    small, cover = (F.interpolate(each, size=(size, size), mode="bicubic") for each in (images, masks))
    draws = torch.randint(sizes.best, (len(images), grid * grid), generator=stream)
    grids = []
    for image, mask, drawn in zip(small, cover, draws, strict=True):
        windows = image.unfold(1, patch, 1).unfold(2, patch, 1)  # (3, rows, columns, patch, patch)
        patches = windows.permute(1, 2, 0, 3, 4).reshape(-1, 3, patch, patch)
        means = mask[0].unfold(0, patch, 1).unfold(1, patch, 1).reshape(len(patches), -1).mean(dim=1)
        best = means.argsort(descending=True)[: sizes.best]
        chosen = patches[best[drawn]].view(grid, grid, 3, patch, patch)
        grids.append(chosen.permute(2, 0, 3, 1, 4).reshape(3, grid * patch, grid * patch))
    return F.interpolate(torch.stack(grids), size=images.shape[2:], mode="bicubic")
