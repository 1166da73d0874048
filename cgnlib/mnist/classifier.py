"""The digit classifier of SG21 and the study (Tables 1, 2, 6; Figures 3, 5, 6): a small CNN trained with Adadelta."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgnlib.finite import decided
from cgnlib.images import LabelledImages, to_float
from cgnlib.mnist.names import N_CLASSES
from cgnlib.mnist.recipes import CLASSIFIER_VERSION, ClassifierConfig
from cgnlib.randomness import generator, seeded
from cgnlib.training.artefact import Artefact
from cgnlib.training.capture import CapturedStep, capturable, set_learning_rate
from cgnlib.training.loop import TrainingState, run
from cgnlib.training.precision import fast_autocast, fast_precision, precision_key
from cgnlib.training.steps import Batches, update
from cgnlib.training.weights import fingerprint

EVALUATION_BATCH = 500
TRAINING_SAMPLE = 10_000  # training images on which the training accuracy is taken, after the last epoch


class NormalisedConv2d(nn.Module):
    """Batch norm of an image followed by a convolution, without a gradient with respect to the image.

    Scale and shift of the norm are folded into the convolution (the shift as the weight of a constant plane, so that
    zero padding stays what it was): the same function and the same parameter gradients as the two layers in a row, for
    which the costly gradient of a 3-channel input would be computed.
    """

    def __init__(self, channels: int, out: int, kernel: int, padding: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.convolution = nn.Conv2d(channels, out, kernel, padding=padding)

    def forward(self, images: Tensor) -> Tensor:
        norm, convolution = self.norm, self.convolution
        standard = F.batch_norm(
            images, norm.running_mean, norm.running_var, None, None, self.training, norm.momentum or 0.0, norm.eps
        )
        planes = torch.cat([standard, torch.ones_like(standard[:, :1])], dim=1)
        scale, shift = norm.weight[None, :, None, None], norm.bias[None, :, None, None]
        shifted = (convolution.weight * shift).sum(1, keepdim=True)
        weight = torch.cat([convolution.weight * scale, shifted], dim=1)
        return F.conv2d(planes, weight, convolution.bias, padding=convolution.padding)


class Classifier(nn.Sequential):
    """(B, 3, 32, 32) in [-1, 1] -> log-probabilities (B, 10)."""

    def __init__(self) -> None:
        super().__init__(
            NormalisedConv2d(3, 32, 5, padding=2),
            nn.MaxPool2d(3, 2, 1),
            nn.ReLU(),  # published before the pooling: the same function, on a quarter of the pixels
            nn.Conv2d(32, 32, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, 2, padding=1),
            nn.ReLU(),
            nn.Conv2d(64, 64, 3, padding=1),
            nn.ReLU(),
            nn.AvgPool2d(7),
            nn.Flatten(),
            nn.Linear(64, N_CLASSES),
            nn.LogSoftmax(1),
        )

    @property
    def last_convolution(self) -> nn.Module:
        """The layer that GradCAM looks at (the study's Figure 3)."""
        return self[7]

    @property
    def logits(self) -> nn.Sequential:
        """The network before its last layer, with the same weights: images -> logits (B, 10)."""
        return nn.Sequential(*list(self)[:-1])


def train_classifier(
    training: LabelledImages,
    evaluations: Mapping[str, LabelledImages],
    config: ClassifierConfig,
    seed: int,
    *,
    start: Classifier | None = None,
    device: str = "cpu",
    root: Path | None = None,
) -> tuple[Classifier, pd.DataFrame, Artefact]:
    """Train, resume or load a classifier; accuracy on `evaluations` is taken after each epoch, after the last one also
    on a fixed random sample of the training set (split "train").

        classifier, history, _ = train_classifier(train, {"test": test}, ClassifierConfig(epochs=2), seed=0)

    start: a classifier whose weights the training begins with; None: random ones.
    Returns the classifier in eval mode, its history (epoch, split, accuracy in percent, n) and its artefact.
    """
    key = {
        "config": asdict(config),
        "seed": seed,
        "training": training.sha256,
        "evaluations": {name: images.sha256 for name, images in evaluations.items()},
        "name": training.name,
        "version": CLASSIFIER_VERSION,
    } | precision_key(device)
    if start:
        key["start"] = fingerprint(start)
    artefact = Artefact("classifier", key, root)
    classifier = Classifier()
    with artefact.lock():
        if artefact.load(classifier) is None:
            _train(classifier, artefact, training, evaluations, config, seed, start, device)
    classifier.to(device).to(memory_format=torch.channels_last)  # trained or loaded: the same layout, the same bits
    return classifier.eval(), artefact.log(), artefact


def _train(
    classifier: Classifier,
    artefact: Artefact,
    training: LabelledImages,
    evaluations: Mapping[str, LabelledImages],
    config: ClassifierConfig,
    seed: int,
    start: Classifier | None,
    device: str,
) -> None:
    if start:
        classifier.load_state_dict(start.state_dict())
    else:
        redraw(classifier, seed)
    classifier.to(device).to(memory_format=torch.channels_last).train()
    options = capturable(config.learning_rate, device)
    optimizer = torch.optim.Adadelta(classifier.parameters(), foreach=True, **options)
    state = TrainingState({"classifier": classifier}, {"optimizer": optimizer}, {})
    artefact.resume(state)
    batches = Batches(len(training), config.batch_size, seed, "classifier", "order")
    chosen = torch.empty(config.batch_size, dtype=torch.int64, device=device)
    pixels, targets = training.images.to(device), getattr(training, config.target).to(device)
    sample = torch.randperm(len(training), generator=generator(seed, "classifier", "training sample"))[:TRAINING_SAMPLE]

    @functools.partial(CapturedStep, device=device)
    def on_batch() -> dict[str, Tensor]:
        with fast_autocast(device):
            scores = classifier(as_input(pixels[chosen]))
        loss = F.nll_loss(scores.float(), targets[chosen])
        update(optimizer, loss)
        return {"loss": loss.detach()}

    def step(index: int) -> dict[str, Tensor]:
        set_learning_rate(optimizer, config.learning_rate * config.gamma ** (index // batches.per_epoch))
        chosen.copy_(batches[index])
        return on_batch()

    splits, at_end = dict(evaluations), {"train": training.subset(sample)}
    title = f"classifier {training.name} seed {seed}"
    run_epochs(state, classifier, artefact, step, batches.per_epoch, config, splits, at_end, title=title, device=device)


def redraw(classifier: Classifier, seed: int) -> None:
    """Random weights of `seed`, by whichever method they will be trained."""
    with seeded(seed, "classifier", "initialisation"):
        for layer in classifier.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                layer.reset_parameters()


def run_epochs(
    state: TrainingState,
    classifier: Classifier,
    artefact: Artefact,
    step: Callable[[int], dict[str, Tensor]],
    per_epoch: int,
    config: ClassifierConfig,
    evaluations: Mapping[str, LabelledImages],
    at_end: Mapping[str, LabelledImages],
    *,
    title: str,
    device: str,
) -> None:
    """Run all steps, read `evaluations` after each epoch and `at_end` after the last, and finish the artefact."""

    def evaluate() -> None:
        epoch = state.step // per_epoch
        splits = {**evaluations, **(at_end if epoch == config.epochs else {})}
        for split, images in splits.items():
            accuracy = 100 * correct(classifier, images, config.target).sum().item() / len(images)
            state.history.append({"epoch": epoch, "split": split, "accuracy": accuracy, "n": len(images)})
        classifier.train()

    epochs = {(epoch + 1) * per_epoch: evaluate for epoch in range(config.epochs)}
    run(state, max(epochs), step, artefact.checkpoint, title=title, snapshots=epochs)
    artefact.finish(classifier, state.cost(device) | {"precision": fast_precision(device)}, pd.DataFrame(state.history))


def as_input(pixels: Tensor) -> Tensor:
    """Images (B, 3, 32, 32) uint8 as the classifier reads them: in [-1, 1], channels last."""
    return to_float(pixels).contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def predict(classifier: nn.Module, images: LabelledImages) -> Tensor:
    """Predicted class of each image, int64 (N,) on the CPU. Raises ValueError for scores that are not finite."""
    classifier.eval()
    device = next(classifier.parameters()).device
    chunks = images.images.split(EVALUATION_BATCH)
    return torch.cat([decided(classifier(as_input(chunk.to(device)))).cpu() for chunk in chunks])


def correct(classifier: nn.Module, images: LabelledImages, target: str = "shape") -> Tensor:
    """Whether each image's `target` factor is predicted, bool (N,)."""
    return predict(classifier, images) == getattr(images, target)
