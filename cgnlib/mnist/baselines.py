"""The field's baselines against spurious colours and textures, where these often agree with the class.

Invariant risk minimisation (IRMv1; Arjovsky et al., 2019), group DRO (Sagawa et al., 2020), just train twice (JTT; Liu
et al., 2021) and learning not to learn (LNTL; Kim et al., 2019) train the classifier of `classifier` as it is trained
there but for the loss, or what a batch is drawn from. They differ in what they are told: see `TOLD`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgnlib.data.digits import Digits
from cgnlib.data.textures import Textures
from cgnlib.errors import Blocked, Unavailable, known
from cgnlib.images import LabelledImages
from cgnlib.mnist.classifier import Classifier, as_input, correct, redraw, run_epochs, train_classifier
from cgnlib.mnist.names import N_CLASSES
from cgnlib.mnist.recipes import BASELINES_VERSION, ClassifierConfig
from cgnlib.mnist.variants import make_variant
from cgnlib.randomness import generator, seeded
from cgnlib.training.artefact import Artefact
from cgnlib.training.loop import TrainingState
from cgnlib.training.precision import fast_autocast, precision_key
from cgnlib.training.steps import Batches, update

TOLD = {  # beside images and their classes
    "erm": "nothing",
    "irm": "which of two environments an image is from; colour is less reliable in one of them",
    "group-dro": "whether an image's colour or texture is that of its class",
    "jtt": "nothing; images that a first training gets wrong count more",
    "lntl": "that the mean colour of an image is not to be used",
}
LEVELS = 8  # of each channel of an image's mean colour


@dataclass(frozen=True)
class BaselineConfig:
    """Settings of the methods. Our choices, within the ranges that their papers search."""

    classifier: ClassifierConfig = ClassifierConfig()
    irm_weight: float = 1e4  # of the penalty, once `irm_anneal` of the training is over; 1 before
    irm_anneal: float = 0.2
    dro_rate: float = 0.01  # of the weights of groups
    jtt_epochs: int = 1  # of the first training
    jtt_weight: int = 20  # how often images count that it got wrong
    lntl_entropy: float = 0.01  # weight of the entropy of the predicted colour
    lntl_reversal: float = 0.1  # weight of the reversed gradient of the colour

    def __post_init__(self) -> None:
        if self.classifier.target != "shape":
            raise ValueError(f"the baselines' task is the shape, not {self.classifier.target}")


@dataclass(frozen=True)
class Correlated:
    """Training images whose colour or texture agrees with their class with probability `agreement`.

    environments: (N,) int64, 0 or 1; in 1 it disagrees twice as often as in 0.
    """

    images: LabelledImages
    environments: Tensor
    agreement: float

    @property
    def groups(self) -> Tensor:
        """Class and whether the foreground's label is that of the class: (N,) int64, 2 x class + agrees."""
        return groups_of(self.images)


def groups_of(images: LabelledImages) -> Tensor:
    """Class and whether the foreground's label agrees with it: (N,) int64."""
    return 2 * images.shape + (images.foreground == images.shape).long()


def correlated(
    variant: str, agreement: float, digits: Digits, textures: Textures | None = None, *, limit: int | None = None
) -> Correlated:
    """The training digits of a variant. An image is one of split `train`, or of `free-train`, where a label is the
    class's one in ten times by chance.

    Raises ValueError for an agreement that is below chance in an environment, or above 1.
    """
    # In the environment with more of them 4/3 times as many images are free, and 0.9 of these disagree.
    most = 0.75 * 0.9
    if not 1 - most <= agreement <= 1:
        raise ValueError(f"agreement must lie between {1 - most:g} and 1, not {agreement}")
    tied, free = (make_variant(variant, split, digits, textures, limit=limit) for split in ("train", "free-train"))
    draw = torch.rand(2, len(tied), generator=generator(0, "correlated", variant))
    environments = (draw[0] < 0.5).long()
    shares = torch.tensor([2 / 3, 4 / 3]) * (1 - agreement) / (1 - 1 / N_CLASSES)
    is_free = draw[1] < shares[environments]
    mixed = {
        name: torch.where(
            is_free.view(-1, *[1] * (getattr(free, name).ndim - 1)), getattr(free, name), getattr(tied, name)
        )
        for name in ("images", "foreground", "background")
    }
    return Correlated(replace(tied, **mixed, name=f"{variant}/agreement-{agreement:g}"), environments, agreement)


def worst_group(right: Tensor, images: LabelledImages) -> tuple[float, int]:
    """The lowest accuracy (percent) of `right` (N,) over the groups of test images, and the size of that group."""
    groups = groups_of(images)
    found = [
        (100 * right[groups == group].float().mean().item(), int((groups == group).sum())) for group in groups.unique()
    ]
    return min(found)


# --- Losses -----------------------------------------------------------------------------------------------------------


def irm_penalty(scores: Tensor, labels: Tensor) -> Tensor:
    """IRMv1's penalty of one environment: the squared gradient of the cross-entropy by a factor on the scores, at 1.

    scores: (B, K), logits or log-probabilities, which differ by what cancels. As the product of the gradients on every
    other image, whose mean over batches is the penalty; the square of one on all would be larger by its variance.
    """
    gradient = (scores.softmax(1) * scores).sum(1) - scores.gather(1, labels[:, None])[:, 0]
    return gradient[::2].mean() * gradient[1::2].mean()


def group_losses(losses: Tensor, groups: Tensor, n: int) -> Tensor:
    """Mean loss (n,) of each group of a batch, from losses (B,) and groups (B,); 0 for a group without images."""
    count = torch.bincount(groups, minlength=n).clamp(min=1)
    return torch.zeros(n, device=losses.device).index_add(0, groups, losses) / count


def dro_weights(weights: Tensor, losses: Tensor, rate: float) -> Tensor:
    """Weights (n,) of groups after a step: each grows with its loss (n,); they sum to 1."""
    raised = weights * torch.exp(rate * losses.detach())
    return raised / raised.sum()


class Reversed(torch.autograd.Function):
    """The identity, with the gradient reversed and scaled (Ganin & Lempitsky, 2015)."""

    @staticmethod
    def forward(ctx, values: Tensor, scale: float) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.scale = scale
        return values.view_as(values)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return -ctx.scale * gradient, None


def mean_colours(pixels: Tensor) -> Tensor:
    """Level (N, 3), int64 in 0 to 7, of the mean of each channel of images (N, 3, H, W) uint8."""
    return (pixels.float().mean((2, 3)) * LEVELS / 256).long()


# --- Methods: what a batch is, and its loss ---------------------------------------------------------------------------


class IRM(nn.Module):
    """Mean over environments of the cross-entropy, and their penalties."""

    def __init__(self, data: Correlated, config: BaselineConfig, seed: int) -> None:
        super().__init__()
        self.environments, self.config = data.environments, config
        self.batches = Batches(len(data.images), config.classifier.batch_size, seed, "irm", "order")
        self.annealed = config.irm_anneal * config.classifier.epochs * self.batches.per_epoch

    def batch(self, step: int) -> Tensor:
        """Indices of the images of a step."""
        return self.batches[step]

    def loss(self, step: int, classifier: Classifier, images: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Scaled down by the weight of the penalty, where that is large."""
        scores, environments = _forward(classifier, images), self.environments[index]
        parts = [(scores[environments == e], labels[environments == e]) for e in (0, 1)]
        parts = [part for part in parts if len(part[1]) > 1]
        fit = torch.stack([F.nll_loss(*part) for part in parts]).mean()
        penalty = torch.stack([irm_penalty(*part) for part in parts]).mean()
        weight = self.config.irm_weight if step >= self.annealed else 1.0
        return (fit + weight * penalty) / max(1.0, weight)


class GroupDRO(nn.Module):
    """The groups' losses, weighted so that the worst count most; batches hold as much of every group on average."""

    weights: Tensor

    def __init__(self, data: Correlated, config: BaselineConfig, seed: int) -> None:
        super().__init__()
        present, self.groups, self.sizes = data.groups.unique(return_inverse=True, return_counts=True)
        self.members = self.groups.argsort(stable=True)  # those of the first group, then of the second, ...
        self.starts = self.sizes.cumsum(0) - self.sizes
        self.config, self.seed, self.size = config, seed, config.classifier.batch_size
        self.register_buffer("weights", torch.full((len(present),), 1 / len(present)))

    def batch(self, step: int) -> Tensor:
        """Indices of the images of a step: random ones of random groups."""
        draw = torch.rand(2, self.size, generator=generator(self.seed, "group-dro", step))
        groups = (draw[0] * len(self.sizes)).long()
        return self.members[self.starts[groups] + (draw[1] * self.sizes[groups]).long()]

    def loss(self, step: int, classifier: Classifier, images: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """With the weights after the step's own losses."""
        each = F.nll_loss(_forward(classifier, images), labels, reduction="none")
        losses = group_losses(each, self.groups[index].to(each.device), len(self.sizes))
        self.weights.copy_(dro_weights(self.weights, losses, self.config.dro_rate))
        return (self.weights * losses).sum()


class LNTL(nn.Module):
    """A head reads the mean colour from the classifier's features, which are trained so that it cannot."""

    def __init__(self, data: Correlated, config: BaselineConfig, seed: int) -> None:
        super().__init__()
        self.config, self.colours = config, mean_colours(data.images.images)
        self.batches = Batches(len(data.images), config.classifier.batch_size, seed, "lntl", "order")
        with seeded(seed, "lntl", "head"):
            self.head = nn.Linear(64, 3 * LEVELS)

    def batch(self, step: int) -> Tensor:
        """Indices of the images of a step."""
        return self.batches[step]

    def loss(self, step: int, classifier: Classifier, images: Tensor, labels: Tensor, index: Tensor) -> Tensor:
        """Cross-entropy of the class; of the colour, reversed for the features; and the colour's negative entropy."""
        *reading, last, probabilities = classifier
        features = _forward(nn.Sequential(*reading), images)
        colours = self.colours[index].flatten().to(images.device)
        reversed_features = Reversed.apply(features, self.config.lntl_reversal)
        adversary = F.nll_loss(_colours(reversed_features, self.head.weight, self.head.bias), colours)
        # The entropy is for the features to raise, not for the head.
        seen = _colours(features, self.head.weight.detach(), self.head.bias.detach())
        certainty = (seen.exp() * seen).sum(1).mean()
        return F.nll_loss(probabilities(last(features)), labels) + adversary + self.config.lntl_entropy * certainty


def _forward(network: nn.Module, images: Tensor) -> Tensor:
    """What a network gives, in the precision in which ERM trains; losses have single precision."""
    with fast_autocast(images.device.type):
        return network(images).float()


def _colours(features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Log-probabilities (3 B, 8) of the level of each channel."""
    return F.linear(features, weight, bias).view(-1, LEVELS).log_softmax(1)


OBJECTIVES = {"irm": IRM, "group-dro": GroupDRO, "lntl": LNTL}


def refused(method: str, data: Correlated) -> Blocked | None:
    """Why a method has nothing to go by in these data; None where it has."""
    known("method", method, TOLD)
    agrees = data.images.foreground == data.images.shape
    if agrees.all() and method == "irm":
        return Blocked("IRM compares environments, and both are alike: colour agrees with the class in all images")
    if agrees.all() and method == "group-dro":
        return Blocked("group DRO weights groups, and each class has one group only: colour always agrees with it")
    return None


def train_baseline(
    method: str,
    data: Correlated,
    evaluations: Mapping[str, LabelledImages],
    config: BaselineConfig,
    seed: int,
    *,
    device: str = "cpu",
    root: Path | None = None,
) -> tuple[Classifier, pd.DataFrame, float]:
    """As `train_classifier`, by one of the methods of `TOLD`, with the seconds of all its trainings for the artefact.

    Raises Unavailable where it is `refused`.
    """
    if why := refused(method, data):
        raise Unavailable(why)
    images, options, before = data.images, {"device": device, "root": root}, 0.0
    if method == "jtt":
        short = replace(config.classifier, epochs=config.jtt_epochs)
        first, _, trained = train_classifier(images, {}, short, seed, **options)
        before = trained.seconds
        wrong = (~correct(first, images)).nonzero()[:, 0]
        index = torch.cat([torch.arange(len(images)), wrong.repeat(config.jtt_weight - 1)])
        images = replace(images.subset(index), name=f"{images.name}/jtt")
    if method in ("erm", "jtt"):
        classifier, history, trained = train_classifier(images, evaluations, config.classifier, seed, **options)
        return classifier, history, before + trained.seconds
    key = {
        "method": method,
        "config": asdict(config),
        "seed": seed,
        "training": images.sha256,
        "evaluations": {name: each.sha256 for name, each in evaluations.items()},
        "version": BASELINES_VERSION,
    } | precision_key(device)
    if method == "irm":  # the other methods' supervision is in the images and their labels
        key["environments"] = hashlib.sha256(data.environments.numpy().data).hexdigest()
    artefact, classifier = Artefact("baseline", key, root), Classifier()
    with artefact.lock():
        if artefact.load(classifier) is None:
            _train(method, classifier, artefact, data, evaluations, config, seed, device)
    classifier.to(device).to(memory_format=torch.channels_last)  # trained or loaded: the same layout, the same bits
    return classifier.eval(), artefact.log(), artefact.seconds


def _train(
    method: str,
    classifier: Classifier,
    artefact: Artefact,
    data: Correlated,
    evaluations: Mapping[str, LabelledImages],
    config: BaselineConfig,
    seed: int,
    device: str,
) -> None:
    images, settings = data.images, config.classifier
    redraw(classifier, seed)  # the same weights as ERM's
    objective = OBJECTIVES[method](data, config, seed)
    classifier.to(device).to(memory_format=torch.channels_last).train()
    objective.to(device)
    parameters = [*classifier.parameters(), *objective.parameters()]
    optimizer = torch.optim.Adadelta(parameters, lr=settings.learning_rate, foreach=True)
    state = TrainingState({"classifier": classifier, "objective": objective}, {"optimizer": optimizer}, {})
    artefact.resume(state)
    per_epoch = len(images) // settings.batch_size

    def step(index: int) -> dict[str, Tensor]:
        optimizer.param_groups[0]["lr"] = settings.learning_rate * settings.gamma ** (index // per_epoch)
        chosen = objective.batch(index)
        seen, labels = as_input(images.images[chosen].to(device)), images.shape[chosen].to(device)
        loss = objective.loss(index, classifier, seen, labels, chosen)
        update(optimizer, loss)
        return {"loss": loss.detach()}

    title = f"{method} {images.name} seed {seed}"
    run_epochs(state, classifier, artefact, step, per_epoch, settings, evaluations, {}, title=title, device=device)
