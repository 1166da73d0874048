"""Training of the MNIST CGN (SG21, Appendix; seed, Section 3.4.1). Training sees images and their class labels only."""

import copy
import functools
import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Generic, TypeVar

import pandas as pd
import torch
from torch import Tensor, nn

from cgnlib import losses
from cgnlib.capture import CapturedStep, capturable, set_learning_rate
from cgnlib.features import PerceptualFeatures
from cgnlib.images import LabelledImages, to_float
from cgnlib.mnist.cgn import CGN, CLASSES, Composition, draw_noise, initialise, shuffle_texture
from cgnlib.mnist.discriminators import (
    DISCRIMINATORS,
    GROUP,
    ConvDiscriminator,
    Discriminator,
    ShapeDiscriminator,
    TextureDiscriminator,
)
from cgnlib.mnist.recipes import AdversarialRecipe, MechanismRecipe, Recipe
from cgnlib.mnist.segmentation import FRAME, segment
from cgnlib.randomness import derive_seed, generator
from cgnlib.training import (
    Artefact,
    Batches,
    TrainingState,
    fast_autocast,
    fast_precision,
    follow,
    run,
    save_tensors,
    update,
)

METHOD_VERSION = 4  # raised when a change of this module changes what the same recipe gives
SNAPSHOT_SHARES = (0.02, 0.1, 0.25, 0.5, 1.0)  # of the training length
FIRST_VARIATION = 0.3  # textures begin nearly flat: share of the usual variation over an image
BLENDED = 0.1  # pixels in which a mask is farther than this from 0 and 1 show both textures and judge neither
COLOUR_SAMPLE = 5000  # images whose colours the textures start from
AnyRecipe = TypeVar("AnyRecipe", bound=Recipe)


def recipe_hash(recipe: AdversarialRecipe | MechanismRecipe) -> str:
    """First 8 hex digits of the SHA-256 of a recipe and of the version of this module: what tells its CGNs apart."""
    text = json.dumps({"recipe": asdict(recipe), "version": METHOD_VERSION}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def train_cgn(
    images: LabelledImages,
    recipe: AdversarialRecipe | MechanismRecipe,
    features: PerceptualFeatures | None,
    seed: int,
    *,
    device: str = "cpu",
    root: Path | None = None,
) -> tuple[CGN, Artefact]:
    """The CGN that `recipe` gives on `images` with `seed`, in eval mode: trained, resumed or loaded.

    features: see `trainer_for`. Returns the CGN and its artefact (record, log, snapshots). Raises TrainingStopped on
    divergence or mask collapse.
    """
    artefact = cgn_artefact(images, recipe, features, seed, root)
    with artefact.lock():
        cgn = CGN()
        if artefact.load(cgn) is None:
            _train(cgn, artefact, images, recipe, features, seed, device)
    return cgn.to(device).eval(), artefact


def cgn_artefact(
    images: LabelledImages,
    recipe: AdversarialRecipe | MechanismRecipe,
    features: PerceptualFeatures | None,
    seed: int,
    root: Path | None = None,
) -> Artefact:
    """Where `train_cgn` keeps what these settings give, finished or not."""
    config = {
        "recipe": asdict(recipe),
        "seed": seed,
        "images": images.sha256,
        "name": images.name,
        "features": features.name if features and isinstance(recipe, AdversarialRecipe) else "none",
        "version": METHOD_VERSION,
    }
    return Artefact("cgn", config, root)


def _train(
    cgn: CGN,
    artefact: Artefact,
    images: LabelledImages,
    recipe: AdversarialRecipe | MechanismRecipe,
    features: PerceptualFeatures | None,
    seed: int,
    device: str,
) -> None:
    trainer = trainer_for(images, recipe, features, seed, device)
    artefact.resume(trainer.state)
    steps = recipe.images // recipe.batch_size
    snapshots = {max(1, round(share * steps)): lambda: trainer.snapshot(artefact.folder) for share in SNAPSHOT_SHARES}
    run(
        trainer.state,
        steps,
        trainer.step,
        artefact.checkpoint,
        title=f"CGN {images.name} seed {seed}",
        snapshots=snapshots,
    )
    kept = trainer.averaged if recipe.ema else trainer.cgn
    cgn.load_state_dict(kept.state_dict())
    record = trainer.state.cost(device)
    if isinstance(trainer, AdversarialTrainer):
        record["style_scale"] = trainer.features.scale
        record |= {"precision": "float32", "features_and_textures_precision": trainer.precision}
    else:
        record["precision"] = fast_precision(device)
    artefact.finish(cgn, record, pd.DataFrame(trainer.state.log))


class CGNTrainer(Generic[AnyRecipe]):
    """What every CGN training has: data, networks, averaged weights, schedule, snapshots.

    Subclasses add `step(i)`, one update of all networks; `state` is all that a resume needs.
    """

    def __init__(
        self, images: LabelledImages, recipe: AnyRecipe, seed: int, device: str, cgn: CGN, helper: nn.Module
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

    def _schedule(self, step: int) -> None:
        """Set the learning rate of a step: a linear rise over `warm_up` steps, a linear fall over all."""
        steps = self.recipe.images // self.recipe.batch_size
        share = 1 - (1 - self.recipe.final_learning_rate) * step / steps
        rise = min(1.0, (step + 1) / self.recipe.warm_up) if self.recipe.warm_up else 1.0
        for name, optimizer in self.state.optimizers.items():
            set_learning_rate(optimizer, self._learning_rates[name] * share * rise)

    def _average(self, step: int) -> None:
        if self.recipe.ema:
            follow(self.averaged, self.cgn, self.recipe.ema, step)

    def snapshot(self, folder: Path) -> None:
        """Write mask, foreground, background and image of each class, with noise fixed over training, to `folder`."""
        network = self.averaged if self.recipe.ema else self.cgn
        parts = sample_classes(network.eval(), self.device)
        network.train()
        tensors = {
            "mask": parts.mask,
            "foreground": parts.foreground,
            "background": parts.background,
            "image": parts.image,
        }
        save_tensors(tensors, folder / f"snapshot-{self.state.step:06d}.safetensors")


class AdversarialTrainer(CGNTrainer[AdversarialRecipe]):
    """The published training: a generator and a discriminator update in each step."""

    def __init__(
        self, images: LabelledImages, recipe: AdversarialRecipe, features: PerceptualFeatures, seed: int, device: str
    ) -> None:
        cgn, self.discriminator = build_networks(recipe, seed)
        super().__init__(images, recipe, seed, device, cgn, self.discriminator)
        # Of features and textures. The depthwise convolutions of EfficientNet-Lite0 are slower in bfloat16.
        self.precision = fast_precision(device) if features.name == "vgg16" else "float32"
        self.features = features.to(device, getattr(torch, self.precision)).to(memory_format=torch.channels_last)
        # Rescale the style terms on 256 pairs of real images (nothing to do for VGG16).
        pair = torch.randint(0, len(images), (2, 256), generator=generator(seed, "cgn", "calibration")).to(device)
        features.calibrate(self._real(pair[0]), self._real(pair[1]))
        self.optimizer_g = self._optimizer("g", cgn.parameters(), recipe.learning_rate)
        self.optimizer_d = self._optimizer("d", self.discriminator.parameters(), recipe.learning_rate)
        self._update = CapturedStep(self._update_networks, device, [self.noise])

    def step(self, step: int) -> dict[str, Tensor]:
        """Returns the losses of the generator, term by term, of the discriminator, and the mean of the masks."""
        self._schedule(step)
        self.index.copy_(self.batches[step])
        values = self._update()
        self._average(step)
        return values

    def _update_networks(self) -> dict[str, Tensor]:
        recipe = self.recipe
        real, labels = self._real(self.index), self.labels[self.index]
        fake_labels = torch.randint(0, CLASSES, (len(labels),), generator=self.noise, device=self.device)

        parts = self._draw(fake_labels)
        image = parts.image
        self.discriminator.requires_grad_(False)
        terms = {
            "adversarial": losses.adversarial(self.discriminator(image, fake_labels, self.noise), real=True),
            "entropy": recipe.lambda_mask * losses.binary_entropy(parts.mask),
            "style": self.features.style_loss(image, real, recipe.style_weights),
        }
        update(self.optimizer_g, torch.stack(list(terms.values())).sum())
        self.discriminator.requires_grad_(True)
        loss_d = self._train_discriminator((real, labels), (image.detach(), fake_labels))
        return {name: term.detach() for name, term in terms.items()} | {
            "discriminator": loss_d,
            "mask mean": parts.mask.detach().mean(),
        }

    def _draw(self, labels: Tensor) -> Composition:
        """What `CGN.forward` gives, with the textures in `precision`, the masks, whose clamp needs it, in float32."""
        u = draw_noise(len(labels), self.noise)
        with torch.autocast(self.device.split(":")[0], torch.bfloat16, enabled=self.precision == "bfloat16"):
            textures = self.cgn.foreground(u, labels), self.cgn.background(u, labels)
        return Composition(self.cgn.mask(u, labels), *(shuffle_texture(each.float(), self.noise) for each in textures))

    def _train_discriminator(self, real: tuple[Tensor, Tensor], fake: tuple[Tensor, Tensor]) -> Tensor:
        """One update on (images, labels) of both kinds; returns its loss."""
        valid, invalid = self.discriminator.both(real, fake, self.noise)
        loss = (losses.adversarial(valid, real=True) + losses.adversarial(invalid, real=False)) / 2
        update(self.optimizer_d, loss)
        return loss.detach()


class MechanismTrainer(CGNTrainer[MechanismRecipe]):
    """Our training: one discriminator compares masks with those found in real images, two others compare foreground and
    background with real images, seen through real masks.
    """

    def __init__(self, images: LabelledImages, recipe: MechanismRecipe, seed: int, device: str) -> None:
        if recipe.batch_size % GROUP or not 2 * GROUP <= recipe.texture_batch <= recipe.batch_size:
            raise ValueError(
                f"recipe {recipe.name} needs batches of a multiple of {GROUP}, and a texture_batch of {2 * GROUP} (two "
                f"classes) or more, at most the batch; not {recipe.batch_size} and {recipe.texture_batch}"
            )
        cgn = _new_cgn(recipe, seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "cgn", "discriminators"))
            self.judges = nn.ModuleDict(
                {
                    "shape": ShapeDiscriminator(),
                    "foreground": TextureDiscriminator(recipe.texture_width),
                    "background": TextureDiscriminator(recipe.texture_width),
                }
            )
        self.penalty = torch.zeros((), device=device)  # the last one, for the log
        self.judges.register_buffer("penalty", self.penalty)  # so that a resumed training has it
        flatten_textures(cgn, FIRST_VARIATION)
        start_from_colours(cgn, images.images[:COLOUR_SAMPLE], FRAME)
        super().__init__(images, recipe, seed, device, cgn, self.judges)
        self.masks = segment(images, soft=recipe.soft_masks).to(device)
        self.members = [(self.labels == label).nonzero()[:, 0] for label in self.labels.unique()]
        of_shape = [*cgn.f_shape.parameters(), *cgn.label_emb.parameters()]
        of_textures = [*cgn.f_text1.parameters(), *cgn.f_text2.parameters()]
        self.optimizers_g = (
            self._optimizer("shape", of_shape, recipe.learning_rate),
            self._optimizer("textures", of_textures, recipe.texture_learning_rate),
        )
        self.optimizer_d = self._optimizer("d", self.judges.parameters(), recipe.discriminator_learning_rate)
        self._update, self._update_with_penalty = (
            CapturedStep(functools.partial(self._update_networks, penalty), device, [self.noise])
            for penalty in (False, True)
        )

    def step(self, step: int) -> dict[str, Tensor]:
        """Returns the losses of each mechanism and of its discriminator, the gradient penalty that was taken last, and
        the mean of the masks."""
        self._schedule(step)
        self.index.copy_(self._classes_in_groups())
        values = self._update_with_penalty() if step % self.recipe.r1_every == 0 else self._update()
        self._average(step)
        return values

    def _update_networks(self, penalty: bool) -> dict[str, Tensor]:
        recipe, index = self.recipe, self.index
        labels, mask = self.labels[index], self.masks[index].float() / 255
        textured = slice(recipe.texture_batch)
        ours, real = labels[textured], self._real(index[textured])
        regions: dict[str, Tensor] = {
            "foreground": (mask[textured] > 1 - BLENDED).float(),
            "background": (mask[textured] < BLENDED).float(),
        }
        with fast_autocast(self.device):
            drawn = {
                "shape": self.cgn.mask(draw_noise(len(labels), self.noise), labels),
                "foreground": shuffle_texture(self.cgn.foreground(draw_noise(len(ours), self.noise), ours), self.noise),
                "background": shuffle_texture(self.cgn.background(draw_noise(len(ours), self.noise), ours), self.noise),
            }
        fake = {name: values.float() * regions.get(name, 1) for name, values in drawn.items()}
        true = {"shape": mask} | {name: region * real for name, region in regions.items()}
        about = {name: _About(ours, region) for name, region in regions.items()} | {"shape": _About(labels)}

        terms = {
            f"{name} discriminator": self._compare(name, true[name], fake[name].detach(), about[name]) for name in true
        }
        if penalty:
            weights = dict.fromkeys(regions, recipe.lambda_r1_texture) | {"shape": recipe.lambda_r1}
            terms["gradient penalty"] = mask.new_zeros(())
            for name, weight in weights.items():
                leaf = true[name].detach().requires_grad_()
                square = losses.gradient_penalty(self._scores(name, leaf, about[name]), leaf)
                terms["gradient penalty"] = terms["gradient penalty"] + weight / 2 * recipe.r1_every * square
            self.penalty.copy_(terms["gradient penalty"].detach())
        update(self.optimizer_d, torch.stack(list(terms.values())).sum())
        terms["gradient penalty"] = self.penalty.clone()

        self.judges.requires_grad_(False)
        for name in fake:
            terms[name] = losses.non_saturating(self._scores(name, fake[name], about[name]), real=True)
        self.judges.requires_grad_(True)
        self.cgn.zero_grad(set_to_none=True)
        torch.stack([terms[name] for name in fake]).sum().backward()
        for optimizer in self.optimizers_g:
            optimizer.step()
        return {name: term.detach() for name, term in terms.items()} | {"mask mean": drawn["shape"].detach().mean()}

    def _classes_in_groups(self) -> Tensor:
        """Indices of a batch of random images in which `GROUP` consecutive ones are of one class."""

        def draw(below: int, n: int) -> Tensor:
            return torch.randint(below, (n,), generator=self.noise, device=self.device)

        chosen = draw(len(self.members), self.recipe.batch_size // GROUP)
        return torch.cat([self.members[label][draw(len(self.members[label]), GROUP)] for label in chosen.tolist()])

    def _scores(self, name: str, values: Tensor, about: "_About") -> Tensor:
        judge = self.judges[name]
        with fast_autocast(self.device):
            scores = judge(values, about.labels) if about.region is None else judge(values, about.region, about.labels)
        return scores.float()

    def _compare(self, name: str, true: Tensor, fake: Tensor, about: "_About") -> Tensor:
        """Loss of a discriminator, which scores both in one pass."""
        valid, invalid = self._scores(name, torch.cat([true, fake]), about.twice()).chunk(2)
        return losses.non_saturating(valid, real=True) + losses.non_saturating(invalid, real=False)


@dataclass(frozen=True)
class _About:
    """What a discriminator is told beside the data: their labels (B,) and, of textures, the region (B, 1, H, W)."""

    labels: Tensor
    region: Tensor | None = None

    def twice(self) -> "_About":
        """The same for real and fake data in a row."""
        return _About(self.labels.repeat(2), None if self.region is None else self.region.repeat(2, 1, 1, 1))


def trainer_for(
    images: LabelledImages,
    recipe: AdversarialRecipe | MechanismRecipe,
    features: PerceptualFeatures | None,
    seed: int,
    device: str = "cpu",
) -> AdversarialTrainer | MechanismTrainer:
    """The trainer of a recipe. features: for the style loss of an AdversarialRecipe; a MechanismRecipe needs none.

    Raises ValueError where they are missing.
    """
    if isinstance(recipe, MechanismRecipe):
        return MechanismTrainer(images, recipe, seed, device)
    if features is None:
        raise ValueError(f"recipe {recipe.name} needs perceptual features for its style loss")
    return AdversarialTrainer(images, recipe, features, seed, device)


@torch.no_grad()
def start_from_colours(cgn: CGN, images: Tensor, border: int) -> None:
    """Let the textures begin with colours of the images: the background with those of the frame of `border` pixels, the
    foreground with those of the middle.

    Mean and deviation over images, before the tanh, become bias and weight of each texture mechanism's last batch norm.
    Without it a black background is out of reach for hundreds of steps, and masks learn the wrong way round.
    images: uint8 (N, 3, H, W).
    """
    values = torch.atanh(to_float(images).clamp(-0.98, 0.98))
    frame = torch.ones(images.shape[2:], dtype=torch.bool, device=images.device)
    frame[border:-border, border:-border] = False
    middle = torch.zeros_like(frame)
    height, width = frame.shape
    middle[height // 4 : -(height // 4), width // 4 : -(width // 4)] = True
    for mechanism, where in ((cgn.f_text1, middle), (cgn.f_text2, frame)):
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


def _new_cgn(recipe: AdversarialRecipe | MechanismRecipe, seed: int) -> CGN:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "cgn", "default initialisation"))  # layers that keep PyTorch's default
        cgn = CGN()
    initialise(cgn, recipe.initialisation, recipe.gain, generator(seed, "cgn", "initialisation"))
    return cgn


def build_networks(recipe: AdversarialRecipe, seed: int) -> tuple[CGN, Discriminator]:
    """CGN and discriminator with the recipe's initialisation, from named generators."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "cgn", "discriminator"))
        discriminator = DISCRIMINATORS[recipe.discriminator]()
    if isinstance(discriminator, ConvDiscriminator):
        initialise(discriminator, "normal", 0.02, generator(seed, "discriminator", "initialisation"))
    return _new_cgn(recipe, seed), discriminator


@torch.no_grad()
def sample_classes(cgn: nn.Module, device: str = "cpu", seed: int = 0) -> Composition:
    """One sample of each class with tied labels and noise that depends on `seed` alone: comparable over training."""
    stream = generator(seed, "samples", device=device)
    return cgn(draw_noise(CLASSES, stream), torch.arange(CLASSES, device=device), stream)
