"""The parameters of the study: one flat schema for every notebook, every file in params/ and the command line.

papermill writes whatever it is given into a cell after the notebook's own parameters cell and only warns of names that
the notebook does not know. So each notebook turns its parameters into a `StudyParameters` in the next cell:

    # Parameters of this notebook (any of them can be set by papermill -p or -f params/quick.yaml)
    profile = "quick"
    seed = 0

    parameters = notebook_parameters(globals())

which stops at a misspelt name, a wrong type or a value out of range. Parameters that a notebook does not use are fine.
"""

import ast
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import UnionType
from typing import Any, NoReturn, get_args, get_origin, get_type_hints

PROFILES = ("smoke", "quick", "paper")
VARIANTS = ("colored", "double-colored", "wildlife")
# Kinds of training data that classifiers are compared on.
METHODS = {
    "original": "the biased training data alone",
    "gan": "images of a conditional GAN alone",
    "original+gan": "training data and images of a conditional GAN",
    "cgn-tied": "CGN images with one label for all mechanisms, so not counterfactual (the seed's 'GAN')",
    "original+cgn-tied": "training data and such images",
    "cgn": "counterfactual images of a CGN alone",
    "original+cgn": "training data and counterfactual images",
    "oracle": "training data whose factors really are independent: the ceiling",
}

# Ways to train a CGN that are compared at one length: the two recipes, and ours with one thing changed.
TRAININGS = {
    "robust": "our recipe",
    "paper": "the published recipe",
    "no-penalty": "ours without the gradient penalty",
    "no-averaging": "ours without averaged weights",
    "constant-rate": "ours with a constant learning rate",
    "small-batch": "ours with the published batch of 16",
    "published-rates": "ours with the published learning rate and moments of Adam",
    "published-start": "ours with the published initialisation",
}

# The same for the classifier of the ImageNet half: counterfactuals are added to the original images there.
IMAGENET_METHODS = {
    "original": "the biased training data alone",
    "original+gan": "training data and images of the CGN's teacher, so not counterfactual",
    "original+cgn-short": "training data and counterfactual images of a CGN trained as much shorter as the seed's was",
    "original+cgn": "training data and counterfactual images",
    "original+oracle": "training data and images whose factors really are independent: the ceiling",
}

OWN_CELL = "# Parameters of this notebook"  # how a notebook's own parameters cell begins
INJECTED_CELL = "# Parameters"  # the whole first line of the cell that papermill adds


class ParameterError(ValueError):
    """A parameter that is unknown, of the wrong type, or out of range."""


def _parameter(
    default: Any, help: str, *, minimum: int | None = None, choices: tuple[str, ...] | None = None, unique: bool = False
) -> Any:
    """A field with its help text and limits; `minimum`, `choices` and `unique` hold for each item of a list."""
    return field(default=default, metadata={"help": help, "minimum": minimum, "choices": choices, "unique": unique})


@dataclass(frozen=True)
class StudyParameters:
    """Everything that decides the scale and content of a run. The defaults are params/quick.yaml.

    Raises ParameterError for a value of the wrong type or out of range. Lists may be given as list or tuple and are
    kept as tuples.
    """

    profile: str = _parameter("quick", "name of the scale; decides where results are kept", choices=PROFILES)
    data_folder: str | None = _parameter(None, "folder with your own copies of the data and weights")
    seed: int = _parameter(0, "seed of everything that is trained or sampled (never of the test sets)", minimum=0)
    variants: tuple[str, ...] = _parameter(
        ("colored", "double-colored"), "MNIST variants to study", choices=VARIANTS, unique=True
    )
    live_variant: str = _parameter("double-colored", "variant whose CGN is always trained live", choices=VARIANTS)
    methods: tuple[str, ...] = _parameter(
        ("original", "cgn", "original+cgn", "oracle"),
        "kinds of training data compared",
        choices=tuple(METHODS),
        unique=True,
    )
    recipe: str = _parameter("robust", "how our CGN is trained", choices=("robust", "paper"))
    authors: bool = _parameter(False, "also study the authors' weights, where they are at hand")
    cgn_images: int | None = _parameter(
        20_000, "training length of a CGN, in images seen; None for that of its recipe", minimum=64
    )
    gan_images: int = _parameter(6_000, "training length of the GAN baseline, in images seen", minimum=1)
    features: str = _parameter(
        "auto", "network of the perceptual loss", choices=("auto", "vgg16", "efficientnet-lite0")
    )
    train_images: int | None = _parameter(7_500, "limit on original training images, None for all", minimum=10)
    test_images: int | None = _parameter(2_000, "limit on test images, None for all", minimum=10)
    counterfactuals: int = _parameter(7_500, "generated images in a classifier's training set", minimum=10)
    cf_ratio: int = _parameter(1, "counterfactuals composed per sampled mask", minimum=1)
    classifier_epochs: int = _parameter(4, "epochs of classifier training", minimum=1)
    classifier_batch: int = _parameter(32, "images in a step of classifier training (published: 64)", minimum=1)
    classifier_seeds: int = _parameter(1, "number of classifiers trained per method, with seeds 0, 1, ...", minimum=1)
    oracle_images: int = _parameter(5_000, "free-factor training images of the factor oracles", minimum=100)
    control_samples: int = _parameter(2_000, "counterfactuals on which control is measured", minimum=100)
    ratio_variants: tuple[str, ...] = _parameter(
        ("double-colored",), "variants of the CF-ratio figure", choices=VARIANTS, unique=True
    )
    ratio_sizes: tuple[int, ...] = _parameter((2_500,), "set sizes of the CF-ratio figure", minimum=10, unique=True)
    ratio_values: tuple[int, ...] = _parameter((1, 10), "CF ratios of that figure", minimum=1, unique=True)
    trainings: tuple[str, ...] | None = _parameter(
        None,
        "ways to train a CGN compared at one length; None shows the published comparison",
        choices=tuple(TRAININGS),
        unique=True,
    )
    training_images: int = _parameter(50_000, "training images that each of those CGNs sees", minimum=64)
    training_seeds: int = _parameter(1, "CGNs trained in each of those ways, with seeds 0, 1, ...", minimum=1)
    imagenet_updates: int | None = _parameter(
        None, "training length of the ImageNet CGN, in updates; None for that of its recipe", minimum=1
    )
    imagenet_samples: int = _parameter(
        1_000, "images of the toy world's CGN on which it is measured (ImageNet: 50,000, as published)", minimum=200
    )
    imagenet_ablations: tuple[str, ...] | None = _parameter(
        None,
        "losses without which the ImageNet CGN is trained, too, and the seed's texture target",
        choices=("shape", "text", "bg", "rec", "fill"),
        unique=True,
    )
    imagenet_ablation_updates: int | None = _parameter(
        None, "training length of those, in updates; None for that of the CGN", minimum=1
    )
    imagenet_methods: tuple[str, ...] = _parameter(
        ("original", "original+gan", "original+cgn", "original+oracle"),
        "kinds of training data on which the ImageNet classifier is compared",
        choices=tuple(IMAGENET_METHODS),
        unique=True,
    )
    imagenet_train_images: int = _parameter(1_000, "training images of the toy world's classifier", minimum=32)
    imagenet_counterfactuals: int = _parameter(1_000, "generated images in its training set", minimum=32)
    imagenet_test_images: int = _parameter(500, "images in each of its test sets", minimum=50)
    imagenet_classifier_epochs: int = _parameter(3, "epochs of its training (published: 30 or 45)", minimum=1)
    imagenet_classifier_seeds: int = _parameter(1, "classifiers trained per method, with seeds 0, 1, ...", minimum=1)
    imagenet_grid: bool = _parameter(False, "also train it at every learning rate and CF ratio of Table 7")
    cue_conflict_images: int | None = _parameter(
        160, "cue-conflict stimuli shown to EfficientNet-Lite0 (of 1,200 that conflict; None for all)", minimum=16
    )
    reuse_rows: bool = _parameter(
        False, "take rows of the same parameters that were computed here earlier or published"
    )

    def __post_init__(self) -> None:
        for spec in fields(self):
            object.__setattr__(self, spec.name, _checked(spec.name, getattr(self, spec.name)))

    @classmethod
    def load(cls, path: str | Path) -> "StudyParameters":
        """Read a parameter file such as params/quick.yaml. Raises ParameterError naming the file."""
        import yaml

        path = Path(path)
        try:
            given = yaml.safe_load(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            there = ", ".join(sorted(str(p) for p in path.parent.glob("*.yaml"))) or "none"
            raise ParameterError(f"{path}: no such parameter file. Files there: {there}.") from None
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ParameterError(f"{path}: not a readable YAML file: {' '.join(str(error).split())}") from error
        if not isinstance(given, Mapping):
            raise ParameterError(f"{path}: expected lines such as 'seed: 0', found {type(given).__name__}.")
        try:
            return check_parameters(given)
        except ParameterError as error:
            raise ParameterError(f"{path}: {error}") from None


def check_parameters(given: Mapping[Any, Any]) -> StudyParameters:
    """Parameters from a mapping; those that it leaves out keep their defaults. Raises ParameterError."""
    known = [spec.name for spec in fields(StudyParameters)]
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
            hint = f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(known)}."
            raise ParameterError(f"unknown parameter '{name}'. {hint}")
    return StudyParameters(**given)


def notebook_parameters(namespace: Mapping[str, Any]) -> StudyParameters:
    """Parameters of the notebook whose `globals()` are given.

    Names are read from the sources of the notebook's own parameters cell and of the cell that papermill adds after it,
    as they were last run, so that correcting a misspelt name and running both again is enough. Without IPython every
    variable that is named like a parameter counts. Raises ParameterError.
    """
    sources = namespace.get("In")
    if not isinstance(sources, list):
        known = {spec.name for spec in fields(StudyParameters)}
        return check_parameters({name: namespace[name] for name in namespace if name in known})
    starts = [index for index, source in enumerate(sources) if _first_line(source).startswith(OWN_CELL)]
    if not starts:
        raise ParameterError(f"run the parameters cell (its first line is '{OWN_CELL} ...') before this one.")
    own = starts[-1]
    injected = [source for source in sources[own + 1 :] if _first_line(source) == INJECTED_CELL]
    names = [name for source in (sources[own], *injected[-1:]) for name in _assigned_names(source)]
    return check_parameters({name: namespace[name] for name in dict.fromkeys(names) if name in namespace})


def _first_line(source: str) -> str:
    return source.lstrip().partition("\n")[0].strip()


def _assigned_names(source: str) -> list[str]:
    """Names that a cell assigns at its top level."""
    names = []
    for statement in ast.parse(source).body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        names += [target.id for target in targets if isinstance(target, ast.Name)]
    return names


def _checked(name: str, value: Any) -> Any:
    """The value, with lists as tuples, or ParameterError."""
    kind = get_type_hints(StudyParameters)[name]
    limits = next(spec.metadata for spec in fields(StudyParameters) if spec.name == name)
    options = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    if value is None and type(None) in options:
        return None
    base = options[0]
    if get_origin(base) is tuple:
        if not isinstance(value, list | tuple):
            _refuse(name, value, kind, f"write a list, e.g. [{value}]; with papermill: -y '{name}: [{value}]'")
        items = tuple(_checked_item(name, item, get_args(base)[0], kind, limits) for item in value)
        if not items:
            _refuse(name, value, kind, "at least one item")
        if limits["unique"] and len(set(items)) < len(items):
            _refuse(name, value, kind, "no item twice")
        return items
    return _checked_item(name, value, base, kind, limits)


def _checked_item(name: str, value: Any, base: type, kind: Any, limits: Mapping[str, Any]) -> Any:
    right_type = isinstance(value, base) and (base is bool or not isinstance(value, bool))
    if not right_type:
        number_as_text = base is int and isinstance(value, str) and value.replace("e", "", 1).isdigit()
        _refuse(name, value, kind, "write the number in digits, e.g. 100000" if number_as_text else _allowed(limits))
    if limits["choices"] and value not in limits["choices"]:
        near = difflib.get_close_matches(str(value), limits["choices"], n=1, cutoff=0.5)
        _refuse(name, value, kind, _allowed(limits) + (f"; did you mean '{near[0]}'?" if near else ""))
    if limits["minimum"] is not None and value < limits["minimum"]:
        _refuse(name, value, kind, _allowed(limits))
    return value


def _refuse(name: str, value: Any, kind: Any, allowed: str) -> NoReturn:
    more = f" ({allowed})" if allowed else ""
    raise ParameterError(f"parameter '{name}' is {value!r}; it must be {_type_words(kind)}{more}")


def _allowed(limits: Mapping[str, Any]) -> str:
    if limits["choices"]:
        return "one of " + ", ".join(limits["choices"])
    return f"at least {limits['minimum']}" if limits["minimum"] is not None else ""


def _type_words(kind: Any) -> str:
    words = {int: "an integer", str: "a text", bool: "true or false", type(None): "None"}
    if isinstance(kind, UnionType):
        return " or ".join(_type_words(part) for part in get_args(kind))
    if get_origin(kind) is tuple:
        return "a list, each item " + _type_words(get_args(kind)[0])
    return words[kind]
