"""The digit classifier: the published network in value and gradient; learning, history, idempotence."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cgnlib.images import LabelledImages, to_float
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


def with_weights_of(ours: Classifier) -> nn.Sequential:
    theirs = published()
    learned = list(ours.state_dict().values())
    theirs.load_state_dict(dict(zip(theirs.state_dict(), learned, strict=True)))
    return theirs


def noise(n: int = 6) -> torch.Tensor:
    return torch.rand(n, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


def randomised(classifier: Classifier) -> Classifier:
    """With a norm that is not the identity."""
    values = {
        "weight": torch.tensor([0.5, 1.5, -1.0]),
        "bias": torch.tensor([0.3, -0.2, 0.7]),
        "running_mean": torch.tensor([0.1, 0.0, -0.4]),
        "running_var": torch.tensor([0.5, 2.0, 1.0]),
    }
    classifier.load_state_dict({f"0.norm.{name}": value for name, value in values.items()}, strict=False)
    return classifier


@pytest.mark.parametrize("training", [True, False])
def test_the_classifier_is_the_published_one(training: bool) -> None:
    """Values, gradients of all parameters, and running statistics."""
    ours = randomised(Classifier()).double().train(training)
    theirs = with_weights_of(ours).double().train(training)
    images, targets = noise().double(), torch.arange(6)
    outputs = [network(images) for network in (ours, theirs)]
    assert outputs[0].shape == (6, 10)
    torch.testing.assert_close(*outputs)
    for output in outputs:
        nn.functional.nll_loss(output, targets).backward()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)
    statistics = [(n, t) for n, t in ours.state_dict().items() if "running" in n]
    assert len(statistics) == 2
    for (_, a), b in zip(statistics, (theirs[0].running_mean, theirs[0].running_var), strict=True):
        torch.testing.assert_close(a, b)


@pytest.fixture(scope="module")
def digits_sets(digits) -> tuple[LabelledImages, LabelledImages]:
    """Black and white digits: 600 to train on and 300 to test."""
    train = binarised(digit_masks(digits.train_images[:600]), digits.train_labels[:600], "digits", digits.source)
    return train, binarised(digit_masks(digits.test_images[:300]), digits.test_labels[:300], "digits", digits.source)


@pytest.fixture(scope="module")
def learned(digits_sets, tmp_path_factory):
    """Root, classifier, history and artefact of a training that is long enough to learn."""
    root = tmp_path_factory.mktemp("classifier")
    train, test = digits_sets
    return root, *train_classifier(train, {"test": test}, LEARNING, 0, root=root)


def test_history(learned, digits_sets) -> None:
    _, classifier, history, artefact = learned
    assert list(history.columns) == ["epoch", "split", "accuracy", "n"]
    assert history["epoch"].tolist() == [*range(1, 7), 6], "the training set is read once, at the end"
    assert history.groupby("split")["n"].unique().map(list).to_dict() == {"test": [300], "train": [600]}
    assert (history["accuracy"].tail(2) > 45).all()  # chance is 10
    assert not classifier.training
    right = correct(classifier, digits_sets[1])
    assert right.dtype == torch.bool
    assert 100 * right.float().mean().item() == pytest.approx(history.iloc[-2]["accuracy"])
    assert artefact.record.exists()


def test_a_second_call_loads(learned, digits_sets, monkeypatch) -> None:
    root, classifier, history, artefact = learned
    written = artefact.weights.stat().st_mtime_ns
    monkeypatch.setattr(module, "run", lambda *arguments, **options: pytest.fail("trained again"))
    train, test = digits_sets
    again, other, _ = train_classifier(train, {"test": test}, LEARNING, 0, root=root)
    assert artefact.weights.stat().st_mtime_ns == written
    assert history.equals(other)
    images = to_float(test.images).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        assert torch.equal(classifier(images), again(images))


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
