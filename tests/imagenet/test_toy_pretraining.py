"""Trainings of the pre-trained parts at a size of seconds: they learn, resume to the same bits and are found again."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from cgnlib.imagenet import biggan
from cgnlib.imagenet.evaluation import intersection_over_union
from cgnlib.imagenet.toy.pretraining import (
    CLASSIFIER,
    FACTOR_READER,
    BigGANRecipe,
    BigGANTrainer,
    SaliencyRecipe,
    train_biggan,
    train_reader,
    train_saliency,
)
from cgnlib.imagenet.u2net import uniform
from cgnlib.randomness import generator
from cgnlib.toyworld.sets import build, salient_scenes

TINY = replace(biggan.TOY_64, channel_width=8, n_stats=2)
GAN = BigGANRecipe(generator=TINY, steps=4, adversarial_from=2, batch_size=4, statistics_images=256)


def test_the_biggan_is_trained_measured_and_found_again(tmp_path: Path) -> None:
    network, artefact = train_biggan(GAN, 0, root=tmp_path)
    assert not network.training and not any(norm.batch_statistics for norm in network.batch_norms())
    assert all((norm.running_vars > 0).all() and norm.running_means.any() for norm in network.batch_norms())
    z, y = biggan.sample_latents(2, TINY.z_dim, 1.0, generator(0, "test")), F.one_hot(torch.tensor([1, 2]), 10).float()
    again, same = train_biggan(GAN, 0, root=tmp_path)
    assert same.folder == artefact.folder
    assert torch.equal(again(z, y), network(z, y))


def test_the_biggan_stays_what_it_is_when_it_is_trained_on(tmp_path: Path) -> None:
    network, _ = train_biggan(replace(GAN, ema=0.9), 0, root=tmp_path)
    vectors = [t for name, t in network.state_dict().items() if name.endswith(("weight_u", "weight_v"))]
    assert all(vector.norm().item() == pytest.approx(1, abs=1e-5) for vector in vectors)
    z, y = biggan.sample_latents(4, TINY.z_dim, 1.0, generator(0, "test")), torch.eye(10)[:4]
    with torch.no_grad():
        before = network(z, y)
        network.train()
        assert (network(z, y) - before).abs().mean() < 0.01


def test_a_resumed_biggan_is_the_same_as_an_uninterrupted_one() -> None:
    whole, first, second = (BigGANTrainer(GAN, 0) for _ in range(3))
    for step in range(4):
        whole.step(step)
    for step in range(3):
        first.step(step)
    second.state.restore(first.state.contents())
    second.step(3)
    found = second.averaged.state_dict()
    for name, tensor in whole.averaged.state_dict().items():
        assert torch.equal(found[name], tensor), name


def test_an_update_of_the_generator_leaves_the_frozen_features_alone() -> None:
    trainer = BigGANTrainer(GAN, 0)
    before = [parameter.clone() for parameter in trainer.features.parameters()]
    trainer.step(GAN.adversarial_from)
    assert all(torch.equal(a, b) for a, b in zip(before, trainer.features.parameters(), strict=True))


def test_the_generator_learns_the_scenes_of_its_latents_before_the_discriminator_takes_part() -> None:
    trainer = BigGANTrainer(replace(GAN, steps=60, adversarial_from=30), 0)
    judge = {name: tensor.clone() for name, tensor in trainer.judge.state_dict().items()}
    terms = [trainer.step(step) for step in range(30)]
    assert all(torch.equal(judge[name], tensor) for name, tensor in trainer.judge.state_dict().items())
    assert all(each["generator"] == each["discriminator"] == each["features"] == 0 for each in terms)
    assert torch.stack([each["pixel"] for each in terms[-5:]]).mean() < 0.9 * terms[0]["pixel"]
    later = trainer.step(30)
    assert later["discriminator"] > 0 and later["features"] > 0
    assert any(not torch.equal(judge[name], tensor) for name, tensor in trainer.judge.state_dict().items())


def test_the_u2net_learns_to_find_other_objects(tmp_path: Path) -> None:
    recipe = SaliencyRecipe(network=uniform(mid=4, out=8), steps=60, batch_size=8, learning_rate=5e-3)
    network, artefact = train_saliency(recipe, 0, root=tmp_path)
    assert not any(parameter.requires_grad for parameter in network.parameters())
    scenes = salient_scenes(40, generator(1, "test"))
    found = intersection_over_union(network(scenes.image), scenes.mask).mean()
    everything = intersection_over_union(torch.ones_like(scenes.mask), scenes.mask).mean()
    assert found > everything + 0.1
    losses = artefact.log()["loss"]
    assert losses.iloc[-1] < losses.iloc[0]


def test_the_classifier_leans_on_what_is_tied_and_the_factor_reader_reads_each(tmp_path: Path) -> None:
    small = {"images": 600, "epochs": 4, "batch_size": 50}
    classifier, _ = train_reader(replace(CLASSIFIER, **small), 0, root=tmp_path)
    reader, _ = train_reader(replace(FACTOR_READER, **small), 0, root=tmp_path)
    tied, free = build("original", 200, 1), build("free", 200, 1)

    def accuracy(network, data, head: str) -> float:
        logits, features = network.read(data.images)
        assert features.shape == (200, 96)
        return (logits[head].argmax(1) == getattr(data, head)).float().mean().item()

    assert accuracy(classifier, tied, "shape") > 0.9
    assert accuracy(classifier, free, "shape") < 0.6  # it never had to look at the shape
    for head in ("texture", "background"):
        assert accuracy(reader, free, head) > 0.5, head
