"""The parameters of the study: one nested, typed model, and the flat names that notebooks, files and papermill use.

A flat name is that of a field here, with `imagenet_` before those of the ImageNet half: `variants`, `seed`,
`imagenet_updates`. Files in params/ hold flat names; a notebook's parameters cell holds those that its page uses.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model
from pydantic.fields import FieldInfo

from cgnlib.errors import known
from cgnlib.paths import project_root

Profile = Literal["smoke", "quick", "paper"]
Variant = Literal["colored", "double-colored", "wildlife"]
Method = Literal["original", "gan", "original+gan", "cgn-tied", "original+cgn-tied", "cgn", "original+cgn", "oracle"]
Training = Literal[
    "robust",
    "paper",
    "no-penalty",
    "no-averaging",
    "constant-rate",
    "small-batch",
    "published-rates",
    "published-start",
]
ImageNetMethod = Literal["original", "original+gan", "original+cgn-short", "original+cgn", "original+oracle"]
Ablation = Literal["shape", "text", "bg", "rec", "fill"]

PROFILES: tuple[str, ...] = get_args(Profile)
METHODS: tuple[str, ...] = get_args(Method)
TRAININGS: tuple[str, ...] = get_args(Training)
IMAGENET_METHODS: tuple[str, ...] = get_args(ImageNetMethod)


class ParameterError(ValueError):
    """A parameter that is unknown, of the wrong type, or out of range."""


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _listed(value: tuple[Any, ...]) -> tuple[Any, ...]:
    if not value or len(set(value)) < len(value):
        raise ValueError("a list needs at least one item, and no item twice")
    return value


T = TypeVar("T")
Items = Annotated[tuple[T, ...], BeforeValidator(_as_tuple), AfterValidator(_listed)]
Count = Annotated[int, Field(ge=1)]
Whole = Annotated[int, Field(ge=10)]


class _Half(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class MnistParameters(_Half):
    """The MNIST half."""

    variants: Items[Variant] = Field(default=("colored", "double-colored"), description="MNIST variants to study")
    live_variant: Variant = Field(
        default="double-colored", description="its CGN is trained in this run even where a trained one is shipped"
    )
    methods: Items[Method] = Field(
        default=("original", "cgn", "original+cgn", "oracle"),
        description="kinds of training data compared (rows of Table 2)",
    )
    recipe: Literal["robust", "paper"] = Field(
        default="robust", description="how our CGN is trained; paper: as published"
    )
    authors: bool = Field(default=False, description="also study the authors' weights (Table 6, Figure 6)")
    cgn_images: Annotated[int, Field(ge=64)] | None = Field(
        default=20_000, description="training images a CGN sees; null: those of its recipe"
    )
    gan_images: Count = Field(default=6_000, description="training images the GAN baseline sees")
    features: Literal["auto", "vgg16", "efficientnet-lite0"] = Field(
        default="auto",
        description="network of the style loss; auto: VGG16 where its weights are at hand, else the other",
    )
    train_images: Whole | None = Field(default=7_500, description="limit on original training images; null: all")
    test_images: Whole | None = Field(default=2_000, description="limit on test images; null: all")
    counterfactuals: Whole = Field(default=7_500, description="generated images in a classifier's training set")
    cf_ratio: Count = Field(default=1, description="counterfactuals composed per sampled mask")
    classifier_epochs: Count = Field(default=4, description="epochs of classifier training")
    classifier_batch: Count = Field(default=32, description="images in a step of classifier training (published: 64)")
    classifier_seeds: Count = Field(default=1, description="classifiers per method, with seeds from `seed` on")
    reader_images: Annotated[int, Field(ge=100)] = Field(
        default=5_000, description="free-factor images on which the factor readers are trained"
    )
    control_samples: Annotated[int, Field(ge=100)] = Field(
        default=2_000, description="counterfactuals on which control over the factors is measured"
    )
    ratio_variants: Items[Variant] = Field(default=("double-colored",), description="variants of the CF-ratio figures")
    ratio_sizes: Items[Whole] = Field(default=(2_500,), description="data set sizes of the CF-ratio figures")
    ratio_values: Items[Count] = Field(default=(1, 10), description="CF ratios of those figures")
    trainings: Items[Training] | None = Field(
        default=None,
        description="ways to train a CGN that are compared at one length; null: shown from the published rows",
    )
    training_images: Annotated[int, Field(ge=64)] = Field(default=50_000, description="images each of these CGNs sees")
    training_seeds: Count = Field(default=1, description="CGNs trained in each of those ways")


class ImageNetParameters(_Half):
    """The ImageNet half: the toy world, and ImageNet where its files are at hand."""

    updates: Count | None = Field(default=None, description="updates of the ImageNet CGN; null: those of its recipe")
    samples: Annotated[int, Field(ge=200)] = Field(
        default=1_000, description="images on which it is measured (toy world)"
    )
    ablations: Items[Ablation] | None = Field(
        default=None, description="its trainings without one loss at a time, and with the study's texture target"
    )
    ablation_updates: Count | None = Field(default=None, description="length of those trainings; null: that of the CGN")
    methods: Items[ImageNetMethod] = Field(
        default=("original", "original+gan", "original+cgn", "original+oracle"),
        description="kinds of training data of the three-headed classifier (rows of Table 5)",
    )
    train_images: Annotated[int, Field(ge=32)] = Field(
        default=1_000, description="training images of its toy classifier"
    )
    counterfactuals: Annotated[int, Field(ge=32)] = Field(
        default=1_000, description="generated images in its training set"
    )
    test_images: Annotated[int, Field(ge=50)] = Field(default=500, description="images in each of its test sets")
    classifier_epochs: Count = Field(default=3, description="epochs of its training (published: 30 or 45)")
    classifier_seeds: Count = Field(default=1, description="classifiers per method, with seeds from `seed` on")
    grid: bool = Field(default=False, description="also train at every learning rate and CF ratio of Table 7")
    stimuli: Annotated[int, Field(ge=16)] | None = Field(
        default=160, description="cue-conflict stimuli shown to EfficientNet-Lite0; null: all 1,200 that conflict"
    )


class Parameters(_Half):
    """Everything that decides the scale and content of a run; the defaults are those of params/quick.yaml."""

    profile: Profile = Field(default="quick", description="name of the scale, under which results are kept")
    data_folder: str | None = Field(default=None, description="folder with your own copies of the data and weights")
    seed: Annotated[int, Field(ge=0)] = Field(
        default=0, description="random seed of training and sampling; never of test sets"
    )
    reuse_rows: bool = Field(
        default=False, description="take rows of the same parameters that were computed here earlier or published"
    )
    mnist: MnistParameters = MnistParameters()
    imagenet: ImageNetParameters = ImageNetParameters()

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "Parameters":
        """Parameters from flat names; those left out keep their defaults. Raises ParameterError."""
        nested: dict[str, Any] = {"mnist": {}, "imagenet": {}}
        for name, value in given.items():
            half, field = _place(name)
            (nested[half] if half else nested)[field] = value
        try:
            return cls(**nested)
        except ValidationError as error:
            raise ParameterError(_words(error)) from None

    @classmethod
    def load(cls, profile: str, changes: Mapping[str, Any] | None = None) -> "Parameters":
        """Parameters of params/<profile>.yaml, with changes by flat name. Raises ParameterError naming the file."""
        return cls.of(read_file(parameter_file(profile)) | dict(changes or {}))

    def flat(self) -> dict[str, Any]:
        """All values by flat name, lists as lists."""
        names = {name: _place(name) for name in flat_fields()}
        found = {name: getattr(getattr(self, half) if half else self, field) for name, (half, field) in names.items()}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}

    def with_changes(self, **changes: Any) -> "Parameters":
        """The same parameters but for some, by flat name. Raises ParameterError."""
        return Parameters.of(self.flat() | changes)


HALVES: dict[str, tuple[str, type[_Half]]] = {
    "mnist": ("", MnistParameters),
    "imagenet": ("imagenet_", ImageNetParameters),
}


def flat_fields() -> dict[str, FieldInfo]:
    """Every parameter's field by flat name, in their order."""
    fields = {name: field for name, field in Parameters.model_fields.items() if name not in HALVES}
    for prefix, half in HALVES.values():
        fields |= {f"{prefix}{name}": field for name, field in half.model_fields.items()}
    return fields


def _place(name: str) -> tuple[str, str]:
    """Half ("" for both) and field of a flat name. Raises ParameterError with the nearest name."""
    try:
        known("parameter", str(name), flat_fields())
    except ValueError as error:
        raise ParameterError(str(error)) from None
    if name in Parameters.model_fields:
        return "", name
    half = next(half for half in reversed(HALVES) if name.startswith(HALVES[half][0]))
    return half, name.removeprefix(HALVES[half][0])


def _words(error: ValidationError) -> str:
    """The first thing that is wrong, on one line."""
    first = error.errors(include_url=False)[0]
    half, *rest = (str(part) for part in first["loc"])
    name = HALVES[half][0] + rest[0] if half in HALVES else half
    message = first["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    if first["type"] == "literal_error":
        try:
            known("value", first["input"], re.findall(r"'([^']+)'", first.get("ctx", {}).get("expected", "")))
        except ValueError as unknown:
            message = str(unknown)
    hint = _HINTS.get(first["type"], "")
    return f"parameter '{name}' is {first['input']!r}: {message}{hint}"


_HINTS = {
    "tuple_type": "; write a list, e.g. [wildlife], with papermill: -y 'variants: [wildlife]'",
    "int_type": ", written in digits, e.g. 100000",
}


def parameter_file(profile: str) -> Path:
    """The file of a profile's parameters. Raises ParameterError for an unknown profile."""
    try:
        return project_root() / "params" / f"{known('profile', profile, PROFILES)}.yaml"
    except ValueError as error:
        raise ParameterError(str(error)) from None


def read_file(path: Path) -> dict[str, Any]:
    """Flat parameters as they stand in a YAML file. Raises ParameterError naming the file."""
    import yaml

    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        there = ", ".join(sorted(str(each) for each in path.parent.glob("*.yaml"))) or "none"
        raise ParameterError(f"{path}: no such parameter file. Files there: {there}.") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ParameterError(f"{path}: not a readable YAML file: {' '.join(str(error).split())}") from None
    if not isinstance(given, Mapping):
        raise ParameterError(f"{path}: expected lines such as 'seed: 0', found {type(given).__name__}.")
    try:
        Parameters.of(given)
    except ParameterError as error:
        raise ParameterError(f"{path}: {error}") from None
    return dict(given)


# --- Notebooks --------------------------------------------------------------------------------------------------------

_PAGE = "_page_parameters"  # where a notebook's namespace keeps the names of its parameters


def page_parameters(namespace: dict[str, Any]) -> Parameters:
    """Parameters of the notebook whose `globals()` are given: its profile's file, changed by the names of its cell.

    At the first call every plain value there counts as a parameter, so that a misspelt one (which papermill only warns
    of) is an error; it is then taken out of the namespace, and to run the corrected cell is enough. Later calls read
    the same names again, whatever else the cells have assigned. Raises ParameterError.
    """
    names = namespace.get(_PAGE)
    if names is None:
        names = tuple(_plain_names(namespace))
        for name in names:
            try:
                _place(name)
            except ParameterError:
                del namespace[name]
                raise
    given = {name: namespace[name] for name in names if name in namespace}
    parameters = Parameters.load(given.get("profile", "quick"), given)
    namespace[_PAGE] = names
    return parameters


def _plain_names(namespace: Mapping[str, Any]) -> Iterator[str]:
    plain = (str, int, float, bool, list, tuple, dict, type(None))
    for name, value in namespace.items():
        if isinstance(value, plain) and name.islower() and not name.startswith("_"):
            yield name


# --- For readers and editors ------------------------------------------------------------------------------------------


def schema() -> str:
    """JSON schema of the parameter files, for editors: params/schema.json."""
    fields: dict[str, Any] = {name: (field.annotation, field) for name, field in flat_fields().items()}
    model = create_model("Parameters", __config__=ConfigDict(extra="forbid"), **fields)
    return json.dumps(model.model_json_schema(), indent=1) + "\n"


def reference() -> str:
    """The parameters as a Markdown table: name, meaning and value at each scale."""
    files = {profile: read_file(parameter_file(profile)) for profile in PROFILES}
    lines = [f"| name | meaning | {' | '.join(PROFILES)} |", "|---|---|" + "---|" * len(PROFILES)]
    for name, field in flat_fields().items():
        values = (json.dumps(files[profile].get(name, field.default)) for profile in PROFILES)
        lines.append(f"| `{name}` | {field.description} | {' | '.join(values)} |")
    return "\n".join(lines) + "\n"
