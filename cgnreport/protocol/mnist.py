"""The MNIST protocol as steps that any notebook can call, in any order: data, CGNs, training sets, classifiers."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from cgnlib.data.digits import Digits, find_digits
from cgnlib.data.finding import find_authors_weights
from cgnlib.data.textures import Textures, find_textures
from cgnlib.errors import Blocked, TrainingStopped, needed
from cgnlib.features import PerceptualFeatures, perceptual_features
from cgnlib.images import LabelledImages, concatenate
from cgnlib.mnist.cgn import CGN, load_weights
from cgnlib.mnist.classifier import Classifier, train_classifier
from cgnlib.mnist.control import CounterfactualParts, free_labels, sample_parts, train_readers
from cgnlib.mnist.counterfactuals import CounterfactualStream
from cgnlib.mnist.gan import sample_gan, train_gan
from cgnlib.mnist.recipes import AdversarialRecipe, GANConfig, recipe_for
from cgnlib.mnist.training import train_cgn
from cgnlib.mnist.variants import make_variant
from cgnlib.training.artefact import Artefact
from cgnlib.training.precision import fast_precision
from cgnreport.protocol.experiments import Study
from cgnreport.protocol.mnist_settings import METHOD_PARTS, CGNSetting, MnistSettings, shipped_cgn
from cgnreport.protocol.parameters import Parameters


@dataclass(frozen=True)
class TrainedCGN:
    """A CGN, loaded or trained when `cgn`, `artefact` or `seconds` is asked for."""

    setting: CGNSetting
    make: Callable[[], tuple[CGN, Artefact | None]]  # no artefact: the weights are read from a file

    @functools.cached_property
    def _made(self) -> tuple[CGN, Artefact | None]:
        return self.make()

    @property
    def cgn(self) -> CGN:
        """The network, in eval mode. Raises TrainingStopped where its training left none."""
        return self._made[0]

    @property
    def artefact(self) -> Artefact | None:
        """Its training on this machine; None for weights that came from elsewhere."""
        return self._made[1]

    @property
    def seconds(self) -> float | None:
        """Time of its training: on this machine, else by the record of the shipped weights."""
        return self.artefact.seconds if self.artefact else self.setting.seconds

    @functools.cached_property
    def stopped(self) -> str:
        """Why its training stopped and left no CGN, else "". Loads or trains it."""
        try:
            _ = self._made
        except TrainingStopped as stop:
            return str(stop)
        return ""

    @property
    def origin(self) -> str:
        """Where it comes from, in words, for captions. Loads or trains it, to say which it was."""
        if self.setting.recipe == "authors":
            return "the authors' weights"
        how = "trained on this machine" if self.artefact else "shipped with the project"
        images, seed = self.setting.params["cgn_images"], self.setting.params["cgn_seed"]
        asked = recipe_for(self.setting.recipe, self.setting.variant).images
        cut = f" of its recipe's {asked:,}" if images < asked else ""
        return f"our CGN ({how}, recipe {self.setting.recipe}, {images:,} images{cut}, seed {seed})"


class MnistStudy(Study):
    """The MNIST half at one set of parameters."""

    def __init__(self, parameters: Parameters, device: str | None = None) -> None:
        super().__init__(parameters, device)
        self.settings = MnistSettings(parameters, precision=fast_precision(self.device))
        self.mnist, self.seed = parameters.mnist, parameters.seed
        self._images: dict[tuple[str, str], LabelledImages] = {}
        self._cgns: dict[tuple[str, str], TrainedCGN] = {}
        self._readers: dict[str, tuple[dict[str, Classifier], dict[str, float]]] = {}

    # --- Data -------------------------------------------------------------------------------------------------------

    @functools.cached_property
    def digits(self) -> Digits:
        """Grey digits, full MNIST or the embedded ones; or own shapes."""
        return find_digits(self.parameters.data_folder, self.mnist.shapes)

    @functools.cached_property
    def textures(self) -> Textures:
        """Textures of wildlife MNIST, DTD's or drawn ones."""
        return find_textures(self.parameters.data_folder)

    @functools.cached_property
    def features(self) -> PerceptualFeatures:
        """Network of the published recipe's style loss."""
        return perceptual_features(self.settings.features, self.parameters.data_folder)

    @property
    def sources(self) -> list[str]:
        """What the pixels come from, e.g. ["mnist-full", "dtd"]."""
        return [self.settings.digits, self.settings.textures]

    def images(self, variant: str, split: str) -> LabelledImages:
        """A split of a variant, shortened to the parameters' `train_images` or `test_images`."""
        if (variant, split) not in self._images:
            limit = self.mnist.test_images if split in ("test", "test-indomain") else self.mnist.train_images
            if split == "free-train" and limit:
                limit = max(limit, self.mnist.reader_images)
            textures = self.textures if variant == "wildlife" else None
            self._images[variant, split] = make_variant(variant, split, self.digits, textures, limit=limit)
        return self._images[variant, split]

    # --- Generators -------------------------------------------------------------------------------------------------

    def cgn(self, variant: str, recipe: str | None = None) -> TrainedCGN | Blocked:
        """Our CGN of a variant, or with recipe "authors" theirs."""
        setting = self.settings.cgn(variant, recipe)
        if isinstance(setting, Blocked):
            return setting
        if setting.recipe == "authors" and find_authors_weights(variant, self.parameters.data_folder) is None:
            remedy = f"python -m cgnlib.data --fetch authors-{variant}"
            return Blocked(f"the authors' weights of {variant} are missing", remedy)
        key = (variant, setting.recipe)
        if key not in self._cgns:
            self._cgns[key] = TrainedCGN(setting, functools.partial(self.made, setting, "train", self.seed))
        return self._cgns[key]

    def shown(self, variant: str) -> CGN:
        """The CGN that pages draw with: the one that ships or, beside own shapes, of which it knows none, ours."""
        shipped = None if self.mnist.shapes else shipped_cgn(variant, "robust")
        return load_weights(shipped) if shipped else needed(self.cgn(variant, "robust")).cgn

    def made(self, setting: CGNSetting, split: str, seed: int) -> tuple[CGN, Artefact | None]:
        """Load or train a CGN."""
        if setting.training is None:
            given = setting.shipped or find_authors_weights(setting.variant, self.parameters.data_folder)
            assert given is not None
            return load_weights(given).to(self.device), None
        images = self.images(setting.variant, split)
        features = self.features if isinstance(setting.training, AdversarialRecipe) else None
        return train_cgn(images, setting.training, seed, features=features, device=self.device)

    def counterfactuals(
        self,
        cgn: TrainedCGN,
        *,
        tied: bool = False,
        n: int | None = None,
        ratio: int | None = None,
        seed: int | None = None,
    ) -> LabelledImages:
        """Images of a CGN, by default as many as the parameters' `counterfactuals` at CF ratio `cf_ratio`."""
        return CounterfactualStream(
            cgn.cgn,
            n or self.mnist.counterfactuals,
            self.seed if seed is None else seed,
            ratio=1 if tied else ratio or self.mnist.cf_ratio,
            tied=tied,
            source=f"cgn-{cgn.setting.recipe}",
        ).collect()

    def gan_images(self, variant: str) -> LabelledImages:
        """Images of the conditional GAN trained on the variant, as many as the parameters' `counterfactuals`."""
        config = GANConfig(images=self.mnist.gan_images)
        network, _ = train_gan(self.images(variant, "train"), config, self.seed, device=self.device)
        return sample_gan(network, self.mnist.counterfactuals, self.seed)

    # --- Classifiers (Tables 1, 2, 6) -------------------------------------------------------------------------------

    def training_set(self, variant: str, method: str, recipe: str | None = None) -> LabelledImages:
        """The training images of a method with the CGN of a recipe. Raises Unavailable where there is none."""
        make: dict[str, Callable[[], LabelledImages]] = {
            "original": lambda: self.images(variant, "train"),
            "free": lambda: self.images(variant, "free-train").subset(slice(self.mnist.train_images)),
            "gan": lambda: self.gan_images(variant),
            "cgn": lambda: self.counterfactuals(needed(self.cgn(variant, recipe))),
            "cgn-tied": lambda: self.counterfactuals(needed(self.cgn(variant, recipe)), tied=True),
        }
        return concatenate([make[part]() for part in METHOD_PARTS[method]], f"{variant}/{method}")

    def classifier(
        self,
        variant: str,
        training: LabelledImages,
        seed: int,
        tests: Mapping[str, LabelledImages] | None = None,
        start: Classifier | None = None,
    ) -> tuple[Classifier, pd.DataFrame, float]:
        """A classifier (trained, resumed or loaded), its history and seconds; test splits are "test" and "indomain".

        start: where its training begins, see `train_classifier`.
        """
        if tests is None:
            tests = {"test": self.images(variant, "test"), "indomain": self.images(variant, "test-indomain")}
        config = self.settings.classifier
        classifier, history, artefact = train_classifier(training, tests, config, seed, start=start, device=self.device)
        return classifier, history, artefact.seconds

    def readers(self, variant: str) -> tuple[dict[str, Classifier], dict[str, float]]:
        """Factor readers of a variant, and their accuracy on held-out real images in percent."""
        if variant not in self._readers:
            self._readers[variant] = train_readers(
                self.digits,
                self.images(variant, "free-train").subset(slice(self.mnist.reader_images)),
                self.images(variant, "test"),
                self.settings.reader,
                limit=self.mnist.reader_images,
                has_background=variant != "colored",
                device=self.device,
            )
        return self._readers[variant]

    def control_samples(self, cgn: TrainedCGN, seed: int | None = None) -> CounterfactualParts:
        """Counterfactuals with free labels and all their parts."""
        seed = self.seed if seed is None else seed
        return sample_parts(cgn.cgn, *free_labels(self.mnist.control_samples, seed), seed=seed)
