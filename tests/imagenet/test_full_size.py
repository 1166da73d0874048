"""The published sizes, with random weights: 256 x 256 pixels, BigGAN-deep, full U2-Net, VGG16."""

import resource
from dataclasses import replace

import pytest
import torch

from cgnlib.features import random_vgg16_features
from cgnlib.imagenet.biggan import BIGGAN_DEEP_256, BigGAN, initialise
from cgnlib.imagenet.cgn import ImageNetCGN
from cgnlib.imagenet.recipes import AUTHORS_CGN
from cgnlib.imagenet.training import ImageNetTrainer
from cgnlib.imagenet.u2net import FULL, U2Net
from cgnlib.randomness import generator

MEMORY_LIMIT = 24e9  # bytes: the study's GPU had as much


@pytest.mark.slow
@pytest.mark.parametrize("recompute", [False, True])
def test_one_training_step_fits(recompute: bool) -> None:
    teacher = BigGAN(BIGGAN_DEEP_256)
    with torch.no_grad():
        initialise(teacher, generator(0, "full size"))
    cgn = ImageNetCGN(teacher, U2Net(FULL), recompute)
    assert sum(parameter.numel() for parameter in cgn.f_shape.parameters()) == 55_880_833
    before = cgn.f_text.generator.gen_z.weight_orig.clone()
    recipe = replace(AUTHORS_CGN, accumulation=1)
    values = ImageNetTrainer(cgn, recipe, random_vgg16_features(), 0).step(0)
    assert all(value.isfinite() for value in values.values())
    assert not torch.equal(cgn.f_text.generator.gen_z.weight_orig, before)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 < MEMORY_LIMIT
