"""Training of the MNIST CGN (SG21, Appendix; the study, Section 3.4.1), which sees images and class labels alone."""

import copy
import functools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import pandas as pd
import torch
from torch import Tensor, nn

from cgnlib import losses
from cgnlib.composition import compose
from cgnlib.features import PerceptualFeatures
from cgnlib.images import LabelledImages, to_float
from cgnlib.mnist.cgn import CGN, Composition, draw_noise, initialise, shuffle_texture
from cgnlib.mnist.discriminators import (
    DISCRIMINATORS,
    ConvDiscriminator,
    Discriminator,
    ShapeDiscriminator,
    TextureDiscriminator,
)
from cgnlib.mnist.names import FACTORS, N_CLASSES
from cgnlib.mnist.recipes import CGN_VERSION, GROUP, AdversarialRecipe, AnyRecipe, MechanismRecipe, recipe_fields
from cgnlib.mnist.segmentation import frame, segment
from cgnlib.randomness import generator, seeded
from cgnlib.training.artefact import Artefact
from cgnlib.training.capture import CapturedStep, capturable, set_learning_rate
from cgnlib.training.collapse import masks_collapsed
from cgnlib.training.loop import TrainingState, run
from cgnlib.training.precision import fast_autocast, fast_precision, precision_key
from cgnlib.training.steps import Batches, follow, update
from cgnlib.training.weights import save_tensors

SNAPSHOT_SHARES = (0.02, 0.1, 0.25, 0.5, 1.0)  # of the training length
SNAPSHOT_PARTS = ("mask", "foreground", "background", "image")  # what a snapshot holds
FIRST_VARIATION = 0.3  # textures begin nearly flat: share of the usual variation over an image
BLENDED = 0.1  # pixels in which a mask is farther than this from 0 and 1 show both textures and judge neither
MASK_PENALTY = 1.0  # weight of the squared gradient of the discriminator of found masks beside the published recipe
COLOUR_SAMPLE = 5000  # images whose colours the textures start from
OneRecipe = TypeVar("OneRecipe", AdversarialRecipe, MechanismRecipe)


def train_cgn(
    images: LabelledImages,
    recipe: AnyRecipe,
    seed: int,
    *,
    features: PerceptualFeatures | None = None,
    device: str = "cpu",
    root: Path | None = None,
) -> tuple[CGN, Artefact]:
    """The CGN that `recipe` gives on `images` with `seed`, in eval mode: trained, resumed or loaded.

        cgn, artefact = train_cgn(make_variant("colored", "train", find_digits()), recipe_for("robust", "colored"), 0)

    features: see `trainer_for`. root: folder of all artefacts, build/artefacts by default. Returns the CGN and its
    artefact (record, log, snapshots). Raises TrainingStopped on divergence or, from 1,000 updates on, mask collapse.
    """
    key = {
        "recipe": recipe_fields(recipe),
        "seed": seed,
        "images": images.sha256,
        "name": images.name,
        "features": features.name if features and isinstance(recipe, AdversarialRecipe) else "none",
        "version": CGN_VERSION,
    }
    artefact = Artefact("cgn", key | precision_key(device), root)
    with artefact.lock():
        cgn = CGN()
        if artefact.load(cgn) is None:
            trainer = trainer_for(images, recipe, seed, features=features, device=device)
            artefact.resume(trainer.state)
            shown = {max(1, round(share * recipe.steps)) for share in SNAPSHOT_SHARES}
            run(
                trainer.state,
                recipe.steps,
                trainer.step,
                artefact.checkpoint,
                title=f"CGN {images.name} seed {seed}",
                snapshots=dict.fromkeys(shown, lambda: trainer.snapshot(artefact.folder)),
                watch=masks_collapsed,
            )
            cgn.load_state_dict(trainer.kept.state_dict())
            artefact.finish(cgn, trainer.state.cost(device) | trainer.about, pd.DataFrame(trainer.state.log))
    return cgn.to(device).eval(), artefact


class CGNTrainer(Generic[OneRecipe]):
    """What every CGN training has: data, networks, averaged weights, schedule, snapshots.

    Subclasses add `updates`, a cycle of updates of all networks on the batch at hand, and `about`, what the record says
    of the training. `state` is all that a resume needs.
    """

    updates: list[CapturedStep]
    about: dict[str, Any]

    def __init__(
        self, images: LabelledImages, recipe: OneRecipe, seed: int, device: str, cgn: CGN, helper: nn.Module
    ) -> None:
        self.recipe, self.device = recipe, device
        self.labels = images.shape.to(device)
        self.pixels = images.images.to(device)
        self.batches = Batches(len(images), recipe.batch_size, seed, "cgn", "order")
        self.noise = generator(seed, "cgn", "noise", device=device)
        self.index = torch.empty(recipe.batch_size, dtype=torch.int64, device=device)  # of the images of a step
        for network in (cgn, helper):
            network.to(device).to(memory_format=torch.channels_last)
        self.cgn = cgn
        self.averaged = copy.deepcopy(cgn).requires_grad_(False)
        self.kept = self.averaged if recipe.ema else cgn
        self.state = TrainingState({"cgn": cgn, "averaged": self.averaged, "helper": helper}, {}, {"noise": self.noise})
        self._learning_rates: dict[str, float] = {}

    def _optimizer(self, name: str, parameters: Iterable[nn.Parameter], learning_rate: float) -> torch.optim.Adam:
        options = capturable(learning_rate, self.device)
        optimizer = torch.optim.Adam(parameters, betas=self.recipe.betas, fused=True, **options)
        self.state.optimizers[name] = optimizer
        self._learning_rates[name] = learning_rate
        return optimizer

    def _real(self, index: Tensor) -> Tensor:
        return to_float(self.pixels[index]).contiguous(memory_format=torch.channels_last)

    def _noise(self, labels: Tensor) -> Tensor:
        return draw_noise(len(labels), self.noise)

    def step(self, step: int) -> dict[str, Tensor]:
        """One update of all networks: the losses by name, and the mean of the masks."""
        self._schedule(step)
        self.index.copy_(self._batch(step))
        values = self.updates[step % len(self.updates)]()
        if self.recipe.ema:
            follow(self.averaged, self.cgn, self.recipe.ema, step)
        return values

    def _batch(self, step: int) -> Tensor:
        """Indices (batch_size,) of the images of a step."""
        return self.batches[step]

    def _schedule(self, step: int) -> None:
        """Set the learning rate of a step: a linear rise over `warm_up` steps, a linear fall over all."""
        share = 1 - (1 - self.recipe.final_learning_rate) * step / self.recipe.steps
        rise = min(1.0, (step + 1) / self.recipe.warm_up) if self.recipe.warm_up else 1.0
        for name, optimizer in self.state.optimizers.items():
            set_learning_rate(optimizer, self._learning_rates[name] * share * rise)

    def snapshot(self, folder: Path) -> None:
        """Write mask, foreground, background and image of each class, with noise fixed over training, to `folder`."""
        parts = sample_classes(self.kept.eval(), self.device)
        self.kept.train()
        tensors = {name: getattr(parts, name) for name in SNAPSHOT_PARTS}
        save_tensors(tensors, folder / f"snapshot-{self.state.step:06d}.safetensors")


class AdversarialTrainer(CGNTrainer[AdversarialRecipe]):
    """The published training: a generator and a discriminator update in each step."""

    def __init__(
        self, images: LabelledImages, recipe: AdversarialRecipe, features: PerceptualFeatures, seed: int, device: str
    ) -> None:
        cgn, self.discriminator = build_networks(recipe, seed)
        super().__init__(images, recipe, seed, device, cgn, self.discriminator)
        self.precision = fast_precision(device)  # of the textures
        features_precision = self.precision if features.name == "vgg16" else "float32"  # depthwise: slower in bfloat16
        features = copy.deepcopy(features).to(device, getattr(torch, features_precision))
        self.features = features.to(memory_format=torch.channels_last)
        # Rescale the style terms on 256 pairs of real images (nothing to do for VGG16).
        pair = torch.randint(0, len(images), (2, 256), generator=generator(seed, "cgn", "calibration")).to(device)
        self.features.calibrate(self._real(pair[0]), self._real(pair[1]))
        self.optimizer_g = self._optimizer("g", cgn.parameters(), recipe.learning_rate)
        self.optimizer_d = self._optimizer("d", self.discriminator.parameters(), recipe.learning_rate)
        if recipe.found_masks:
            self.masks = segment(images, soft=recipe.found_masks == "soft").to(device)
            self.by_class = self.labels.argsort(stable=True)
            self.sizes = self.labels.bincount(minlength=N_CLASSES)
            if not self.sizes.all():
                raise ValueError(f"recipe {recipe.name} compares masks within classes: some of the ten have no image")
            with seeded(seed, "cgn", "discriminators"):
                self.judge = ShapeDiscriminator().to(device)
            self.state.modules["judge"] = self.judge
            self.optimizer_m = self._optimizer("m", self.judge.parameters(), recipe.learning_rate)
        self.updates = [CapturedStep(self._update, device, [self.noise])]
        self.about = {
            "style_scale": self.features.scale,
            "precision": "float32",
            "features_precision": features_precision,
            "textures_precision": self.precision,
        }

    def _update(self) -> dict[str, Tensor]:
        recipe = self.recipe
        real, labels = self._real(self.index), self.labels[self.index]
        group = GROUP if recipe.found_masks else 1  # consecutive images of one class
        fake_labels = torch.randint(0, N_CLASSES, (len(labels) // group,), generator=self.noise, device=self.device)
        fake_labels = fake_labels.repeat_interleave(group)

        parts = self._draw(fake_labels)
        image = parts.image
        self.discriminator.requires_grad_(False)
        terms = {
            "adversarial": losses.adversarial(self.discriminator(image, fake_labels, self.noise), real=True),
            "entropy": recipe.lambda_mask * losses.binary_entropy(parts.mask),
            "style": self.features.style_loss(image, real, recipe.style_weights),
        }
        masks = self._found(parts.mask, fake_labels) if recipe.found_masks else None
        if masks:
            self.judge.requires_grad_(False)
            terms["found masks"] = masks.deception()
        update(self.optimizer_g, torch.stack(list(terms.values())).sum())
        self.discriminator.requires_grad_(True)
        if masks:
            self.judge.requires_grad_(True)
            terms["masks discriminator"] = masks.discrimination() + masks.penalty()
            update(self.optimizer_m, terms["masks discriminator"])

        valid, invalid = self.discriminator.both((real, labels), (image.detach(), fake_labels), self.noise)
        terms["discriminator"] = (losses.adversarial(valid, real=True) + losses.adversarial(invalid, real=False)) / 2
        update(self.optimizer_d, terms["discriminator"])
        return {name: term.detach() for name, term in terms.items()} | {"mask mean": parts.mask.detach().mean()}

    def _found(self, masks: Tensor, labels: Tensor) -> "Mechanism":
        """Masks beside those found in random images of their classes."""
        draw = torch.rand(len(labels), generator=self.noise, device=self.device)
        first = self.sizes.cumsum(0)[labels] - self.sizes[labels]
        index = self.by_class[first + (draw * self.sizes[labels]).long()]
        return Mechanism(self.judge, masks, self.masks[index].float() / 255, (labels,), MASK_PENALTY / 2)

    def _draw(self, labels: Tensor) -> Composition:
        """What `CGN.forward` gives, with the textures in `precision`, the masks, whose clamp needs it, in float32."""
        u = self._noise(labels)
        with torch.autocast(self.device.split(":")[0], torch.bfloat16, enabled=self.precision == "bfloat16"):
            textures = self.cgn.foreground(u, labels), self.cgn.background(u, labels)
        return Composition(self.cgn.mask(u, labels), *(shuffle_texture(each.float(), self.noise) for each in textures))


@dataclass(frozen=True)
class Mechanism:
    """One mechanism in a step: what it drew, the like of it in real images, and the discriminator of the two.

    fake, true: (B, C, 32, 32). conditions: what the discriminator is told beside them, labels (B,) and, of textures,
    the region (B, 1, 32, 32). weight: of the squared gradient at `true`.
    """

    judge: nn.Module
    fake: Tensor
    true: Tensor
    conditions: tuple[Tensor, ...]
    weight: float

    def scores(self, values: Tensor) -> Tensor:
        """Scores, float32, of one or several batches in a row."""
        several = [torch.cat([each] * (len(values) // len(each))) for each in self.conditions]
        with fast_autocast(values.device.type):
            return self.judge(values, *several).float()

    def deception(self) -> Tensor:
        """Loss of the mechanism."""
        return losses.non_saturating(self.scores(self.fake), real=True)

    def discrimination(self) -> Tensor:
        """Loss of the discriminator, which scores both kinds in one pass."""
        valid, invalid = self.scores(torch.cat([self.true, self.fake.detach()])).chunk(2)
        return losses.non_saturating(valid, real=True) + losses.non_saturating(invalid, real=False)

    def penalty(self) -> Tensor:
        """Weighted squared gradient of the discriminator at real data (R1)."""
        leaf = self.true.detach().requires_grad_()
        return self.weight * losses.gradient_penalty(self.scores(leaf), leaf)


class MechanismTrainer(CGNTrainer[MechanismRecipe]):
    """Our training: one discriminator compares masks with those found in real images, two others compare foreground and
    background with real images, seen through real masks. Those of `recipe.by_image` share one of whole images instead.
    """

    def __init__(self, images: LabelledImages, recipe: MechanismRecipe, seed: int, device: str) -> None:
        cgn = _new_cgn(recipe, seed)
        with seeded(seed, "cgn", "discriminators"):
            shape = ShapeDiscriminator()
            textures = [TextureDiscriminator(recipe.texture_width) for _ in range(2)]
            judges = dict[str, nn.Module](zip(FACTORS, [shape, *textures], strict=True))
            if recipe.by_image:
                judges["image"] = ShapeDiscriminator(channels=3)
        self.judges = nn.ModuleDict({name: judge for name, judge in judges.items() if name not in recipe.by_image})
        self.penalty = torch.zeros((), device=device)  # the last one, for the log
        self.judges.register_buffer("penalty", self.penalty)  # so that a resumed training has it
        flatten_textures(cgn, FIRST_VARIATION)
        start_from_colours(cgn, images.images[:COLOUR_SAMPLE])
        super().__init__(images, recipe, seed, device, cgn, self.judges)
        self.about = {"precision": fast_precision(device)}
        self.masks = segment(images, soft=recipe.soft_masks).to(device)
        self.members = [(self.labels == label).nonzero()[:, 0] for label in self.labels.unique()]
        of_shape = [*cgn.f_shape.parameters(), *cgn.label_emb.parameters()]
        of_textures = [*cgn.f_text1.parameters(), *cgn.f_text2.parameters()]
        self.optimizers_g = (
            self._optimizer("shape", of_shape, recipe.learning_rate),
            self._optimizer("textures", of_textures, recipe.texture_learning_rate),
        )
        self.optimizer_d = self._optimizer("d", self.judges.parameters(), recipe.discriminator_learning_rate)
        plain, penalised = (
            CapturedStep(functools.partial(self._update, penalty), device, [self.noise]) for penalty in (False, True)
        )
        self.updates = [penalised, *[plain] * (recipe.r1_every - 1)]

    def _update(self, penalty: bool) -> dict[str, Tensor]:
        mechanisms, area = self._mechanisms()
        terms = {f"{name} discriminator": each.discrimination() for name, each in mechanisms.items()}
        if penalty:
            order = ("foreground", "background", "shape", "image")  # of the sum: another one rounds otherwise
            penalties = [mechanisms[name].penalty() for name in order if name in mechanisms]
            terms["gradient penalty"] = sum(penalties, torch.zeros_like(self.penalty))
            self.penalty.copy_(terms["gradient penalty"].detach())
        update(self.optimizer_d, torch.stack(list(terms.values())).sum())
        terms["gradient penalty"] = self.penalty.clone()

        self.judges.requires_grad_(False)
        deceptions = {name: each.deception() for name, each in mechanisms.items()}
        self.judges.requires_grad_(True)
        self.cgn.zero_grad(set_to_none=True)
        torch.stack(list(deceptions.values())).sum().backward()
        for optimizer in self.optimizers_g:
            optimizer.step()
        return {name: term.detach() for name, term in (terms | deceptions).items()} | {"mask mean": area}

    def _mechanisms(self) -> tuple[dict[str, Mechanism], Tensor]:
        """What the three draw for the images of a step, and the mean of the masks."""
        recipe, cgn, index = self.recipe, self.cgn, self.index
        labels, true = self.labels[index], self.masks[index].float() / 255
        of_shape, of_texture = (w / 2 * recipe.r1_every for w in (recipe.lambda_r1, recipe.lambda_r1_texture))
        with fast_autocast(self.device):
            mask = cgn.mask(self._noise(labels), labels)
        mechanisms, parts = {}, {"shape": mask.float()}
        if "shape" in self.judges:
            mechanisms["shape"] = Mechanism(self.judges["shape"], parts["shape"], true, (labels,), of_shape)
        labels, true = labels[: recipe.texture_batch], true[: recipe.texture_batch]
        real = self._real(index[: recipe.texture_batch])
        for name, texture, region in (
            ("foreground", cgn.foreground, (true > 1 - BLENDED).float()),
            ("background", cgn.background, (true < BLENDED).float()),
        ):
            with fast_autocast(self.device):
                drawn = shuffle_texture(texture(self._noise(labels), labels), self.noise)
            parts[name] = drawn.float()
            if name in self.judges:
                fake, seen = parts[name] * region, region * real
                mechanisms[name] = Mechanism(self.judges[name], fake, seen, (region, labels), of_texture)
        if recipe.by_image:
            parts["shape"] = parts["shape"][: recipe.texture_batch]
            image = compose(*(parts[name] if name in recipe.by_image else parts[name].detach() for name in FACTORS))
            mechanisms["image"] = Mechanism(self.judges["image"], image, real, (labels,), of_shape)
        return mechanisms, mask.detach().mean()

    def _batch(self, step: int) -> Tensor:
        """Indices of random images in which `GROUP` consecutive ones are of one class."""

        def draw(below: int, n: int) -> Tensor:
            return torch.randint(below, (n,), generator=self.noise, device=self.device)

        chosen = draw(len(self.members), self.recipe.batch_size // GROUP)
        return torch.cat([self.members[label][draw(len(self.members[label]), GROUP)] for label in chosen.tolist()])


def trainer_for(
    images: LabelledImages,
    recipe: AnyRecipe,
    seed: int,
    *,
    features: PerceptualFeatures | None = None,
    device: str = "cpu",
) -> AdversarialTrainer | MechanismTrainer:
    """The trainer of a recipe. features: for the style loss of an AdversarialRecipe; a MechanismRecipe needs none.

    Raises ValueError where they are missing.
    """
    if isinstance(recipe, MechanismRecipe):
        return MechanismTrainer(images, recipe, seed, device)
    if features is None:
        raise ValueError(f"recipe {recipe.name} needs perceptual features for its style loss: pass features=...")
    return AdversarialTrainer(images, recipe, features, seed, device)


@torch.no_grad()
def start_from_colours(cgn: CGN, images: Tensor) -> None:
    """Let the textures begin with colours of the images: the background with those of their frame, the foreground with
    those of the middle.

    Mean and deviation over images, before the tanh, become bias and weight of each texture mechanism's last batch norm.
    Without it a black background is out of reach for hundreds of steps, and masks learn the wrong way round.
    images: uint8 (N, 3, H, W).
    """
    values = torch.atanh(to_float(images).clamp(-0.98, 0.98))
    outer = frame(images)
    middle = torch.zeros_like(outer)
    height, width = outer.shape
    middle[height // 4 : -(height // 4), width // 4 : -(width // 4)] = True
    for mechanism, where in ((cgn.f_text1, middle), (cgn.f_text2, outer)):
        norm = [layer for layer in mechanism if isinstance(layer, nn.BatchNorm2d)][-1]
        norm.weight.copy_(values[:, :, where].std(dim=(0, 2)))
        norm.bias.copy_(values[:, :, where].mean(dim=(0, 2)))


@torch.no_grad()
def flatten_textures(cgn: CGN, variation: float) -> None:
    """Let the textures begin nearly flat: the first maps (64, 8, 8) vary over the image by `variation` of what they do.

    What they have in common everywhere, one number per channel, carries label and noise.
    """
    for mechanism in (cgn.f_text1, cgn.f_text2):
        linear = mechanism[0]
        assert isinstance(linear, nn.Linear)
        weight = linear.weight.view(64, 64, linear.in_features)  # (channels, positions, inputs)
        weight.copy_(weight[:, :1] + variation * weight)


def _new_cgn(recipe: AnyRecipe, seed: int) -> CGN:
    with seeded(seed, "cgn", "default initialisation"):  # layers that keep PyTorch's default
        cgn = CGN()
    initialise(cgn, recipe.initialisation, recipe.gain, generator(seed, "cgn", "initialisation"))
    return cgn


def build_networks(recipe: AdversarialRecipe, seed: int) -> tuple[CGN, Discriminator]:
    """CGN and discriminator with the recipe's initialisation, from named generators."""
    with seeded(seed, "cgn", "discriminator"):
        discriminator = DISCRIMINATORS[recipe.discriminator]()
    if isinstance(discriminator, ConvDiscriminator):
        initialise(discriminator, "normal", 0.02, generator(seed, "discriminator", "initialisation"))
    return _new_cgn(recipe, seed), discriminator


@torch.no_grad()
def sample_classes(cgn: nn.Module, device: str = "cpu", seed: int = 0) -> Composition:
    """One sample of each class with tied labels and noise that depends on `seed` alone: comparable over training."""
    stream = generator(seed, "samples", device=device)
    return cgn(draw_noise(N_CLASSES, stream), torch.arange(N_CLASSES, device=device), stream)
