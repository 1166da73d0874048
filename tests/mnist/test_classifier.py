"""The digit classifier: the published network in value and gradient; learning, history, idempotence."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cgnlib.mnist import classifier as module
from cgnlib.mnist.classifier import Classifier, correct, predict, train_classifier
from cgnlib.mnist.control import binarised
from cgnlib.mnist.recipes import ClassifierConfig
from cgnlib.mnist.variants import digit_masks

# A few hundred images are few steps: the learning rate stays.
LEARNING = ClassifierConfig(epochs=6, batch_size=16, gamma=1.0)


def published() -> nn.Sequential:
    """The network of the published code."""
    return nn.Sequential(
        nn.BatchNorm2d(3),
        nn.Conv2d(3, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
        nn.Conv2d(32, 32, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, 2, padding=1),
        nn.ReLU(),
        nn.Conv2d(64, 64, 3, padding=1),
        nn.ReLU(),
        nn.AvgPool2d(7),
        nn.Flatten(),
        nn.Linear(64, 10),
        nn.LogSoftmax(1),
    )


@pytest.mark.parametrize("training", [True, False])
def test_the_classifier_is_the_published_one(training: bool) -> None:
    """Values, gradients of all parameters, and running statistics, with a norm that is not the identity."""
    ours, theirs = Classifier(), published()
    stream = torch.Generator().manual_seed(0)
    state = ours.state_dict()
    for name in ("weight", "bias", "running_mean", "running_var"):
        state[f"0.norm.{name}"].copy_(torch.rand(3, generator=stream) + 0.5)
    state["0.norm.weight"][0] *= -1
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    images = torch.rand(6, 3, 32, 32, generator=stream, dtype=torch.float64) * 2 - 1
    outputs = [network.double().train(training)(images) for network in (ours, theirs)]
    torch.testing.assert_close(*outputs)
    losses = [nn.functional.nll_loss(output, torch.arange(6)) for output in outputs]
    torch.testing.assert_close(
        torch.autograd.grad(losses[0], [*ours.parameters()]), torch.autograd.grad(losses[1], [*theirs.parameters()])
    )
    for name in ("running_mean", "running_var"):
        torch.testing.assert_close(ours.state_dict()[f"0.norm.{name}"], theirs.state_dict()[f"0.{name}"])


def test_a_classifier_learns_and_a_second_call_loads_it(digits, tmp_path: Path, monkeypatch) -> None:
    """Black and white digits: 600 to train on and 300 to test, long enough to learn."""
    parts = (digits.train_images[:600], digits.train_labels[:600]), (digits.test_images[:300], digits.test_labels[:300])
    train, test = (binarised(digit_masks(images), labels, "digits", digits.source) for images, labels in parts)
    classifier, history, _ = train_classifier(train, {"test": test}, LEARNING, 0, root=tmp_path)
    assert list(history.columns) == ["epoch", "split", "accuracy", "n"]
    assert history["epoch"].tolist() == [*range(1, 7), 6], "the training set is read once, at the end"
    assert history.groupby("split")["n"].unique().map(list).to_dict() == {"test": [300], "train": [600]}
    assert min(history["accuracy"].tolist()[-2:]) > 45  # chance is 10
    assert not classifier.training
    right = correct(classifier, test)
    assert 100 * right.float().mean().item() == pytest.approx(history.iloc[-2]["accuracy"])
    monkeypatch.setattr(module, "run", lambda *arguments, **options: pytest.fail("trained again"))
    again, other, _ = train_classifier(train, {"test": test}, LEARNING, 0, root=tmp_path)
    assert history.equals(other)
    assert torch.equal(predict(classifier, test), predict(again, test))


def test_the_target_factor_is_what_is_learned(some_images, tmp_path: Path) -> None:
    """Training on the foreground is training on the shape with the labels exchanged."""
    other = some_images.shape.flip(0)
    free = replace(some_images, foreground=other)
    config = ClassifierConfig(epochs=1, batch_size=48)
    by_target, history, _ = train_classifier(
        free, {"test": free}, replace(config, target="foreground"), 0, root=tmp_path
    )
    exchanged = replace(some_images, shape=other)
    by_exchange, expected, _ = train_classifier(exchanged, {"test": exchanged}, config, 0, root=tmp_path)
    assert torch.equal(by_target.state_dict()["3.weight"], by_exchange.state_dict()["3.weight"])
    assert history.equals(expected)
    assert torch.equal(correct(by_target, free, "foreground"), correct(by_target, exchanged))


def test_the_learning_rate_falls_by_epoch(some_images, tmp_path: Path, monkeypatch) -> None:
    rates = []
    step = torch.optim.Adadelta.step

    def noted(self: torch.optim.Adadelta, *arguments):
        rates.append(self.param_groups[0]["lr"])
        return step(self, *arguments)

    monkeypatch.setattr(torch.optim.Adadelta, "step", noted)
    train_classifier(some_images, {}, ClassifierConfig(epochs=3, batch_size=48), 0, root=tmp_path)
    assert rates == pytest.approx([1, 1, 0.7, 0.7, 0.49, 0.49])


def test_predictions_do_not_depend_on_the_batch(some_images, monkeypatch) -> None:
    classifier = Classifier()
    whole = predict(classifier, some_images)
    monkeypatch.setattr(module, "EVALUATION_BATCH", 7)
    assert torch.equal(predict(classifier, some_images), whole)


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch_size": 0}, {"target": "colour"}])
def test_settings_that_train_nothing_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=str(*wrong.values())):
        ClassifierConfig(**wrong)


def test_a_training_can_begin_with_the_weights_of_another(digits, tmp_path: Path) -> None:
    images = binarised(digit_masks(digits.train_images[:64]), digits.train_labels[:64], "digits", digits.source)
    hardly = replace(LEARNING, epochs=1, learning_rate=1e-9)
    first, _, one = train_classifier(images, {}, replace(LEARNING, epochs=1), 0, root=tmp_path)
    second, _, two = train_classifier(images, {}, hardly, 1, start=first, root=tmp_path)
    fresh, _, three = train_classifier(images, {}, hardly, 1, root=tmp_path)
    for name, weights in first.named_parameters():
        torch.testing.assert_close(second.get_parameter(name), weights, msg=name)
    assert not torch.allclose(fresh.get_parameter("11.weight"), first.get_parameter("11.weight"))
    assert len({one.key, two.key, three.key}) == 3
