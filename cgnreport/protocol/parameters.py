"""The parameters of the study: one nested, typed model, and the flat names that notebooks, files and papermill use.

A flat name is that of a field here, with `imagenet_` before those of the ImageNet half: `variants`, `seed`,
`imagenet_updates`. Files in params/ hold flat names; a notebook's parameters cell holds those that its page uses.
"""

import contextlib
import json
import re
from collections.abc import Iterable, Mapping
from inspect import ismodule
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model
from pydantic.fields import FieldInfo

from cgnlib.errors import Told, known
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
    "shape-by-image",
    "texture-by-image",
    "background-by-image",
    "no-masks",
    "paper-masks",
]
WithoutCGN = Literal[
    "border-colour",
    "border-grey",
    "border-cut",
    "border-stretched",
    "grey",
    "edges",
    "recolour",
    "paste",
    "augmix",
    "oracle",
    "oracle-stretched",
]
Sweep = Literal["erm", "irm", "group-dro", "jtt", "lntl", "border-stretched", "cgn"]
ImageNetMethod = Literal["original", "original+gan", "original+cgn-short", "original+cgn", "original+oracle"]
Ablation = Literal["shape", "text", "bg", "rec", "fill"]
Real = Literal["none", "authors", "all"]
Device = Literal["auto", "cuda", "mps", "cpu"]

PROFILES: tuple[str, ...] = get_args(Profile)
METHODS: tuple[str, ...] = get_args(Method)
TRAININGS: tuple[str, ...] = get_args(Training)
WITHOUT_CGN: tuple[str, ...] = get_args(WithoutCGN)
SWEEP: tuple[str, ...] = get_args(Sweep)
IMAGENET_METHODS: tuple[str, ...] = get_args(ImageNetMethod)


class ParameterError(Told, ValueError):
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


def _field(default: Any, description: str) -> Any:
    return Field(default=default, description=description)


class MnistParameters(_Half):
    """The MNIST half."""

    shapes: str | None = _field(
        None, "your own ten classes of grey 28 x 28 shapes in place of MNIST's digits: a folder or a .npz"
    )
    variants: Items[Variant] = _field(("colored", "double-colored"), "MNIST variants to study")
    live_variant: Variant = _field(
        "double-colored", "its CGN is trained in this run even where a trained one is shipped"
    )
    methods: Items[Method] = _field(
        ("original", "cgn", "original+cgn", "oracle"), "kinds of training data compared (rows of Table 2)"
    )
    recipe: Literal["robust", "paper"] = _field("robust", "how our CGN is trained; paper: as published")
    authors: bool = _field(False, "also study the authors' weights (Table 6, Figure 6)")
    cgn_images: Annotated[int, Field(ge=64)] | None = _field(
        20_000, "training images a CGN sees; null: those of its recipe"
    )
    gan_images: Count = _field(6_000, "training images the GAN baseline sees")
    features: Literal["auto", "vgg16", "efficientnet-lite0"] = _field(
        "auto", "network of the style loss; auto: VGG16 where its weights are at hand, else the other"
    )
    train_images: Whole | None = _field(7_500, "limit on original training images; null: all")
    test_images: Whole | None = _field(2_000, "limit on test images; null: all")
    counterfactuals: Whole = _field(7_500, "generated images in a classifier's training set")
    cf_ratio: Count = _field(1, "counterfactuals composed per sampled mask")
    classifier_epochs: Count = _field(4, "epochs of classifier training")
    classifier_batch: Count = _field(32, "images in a step of classifier training (published: 64)")
    classifier_seeds: Count = _field(1, "classifiers per method, with seeds from `seed` on")
    reader_images: Annotated[int, Field(ge=100)] = _field(
        5_000, "free-factor images on which the factor readers are trained"
    )
    control_samples: Annotated[int, Field(ge=100)] = _field(
        2_000, "counterfactuals on which control over the factors is measured"
    )
    ratio_variants: Items[Variant] = _field(("double-colored",), "variants of the CF-ratio figures")
    ratio_sizes: Items[Whole] = _field((2_500,), "data set sizes of the CF-ratio figures")
    ratio_values: Items[Count] = _field((1, 10), "CF ratios of those figures")
    trainings: Items[Training] | None = _field(
        None, "ways to train a CGN that are compared at one length; null: shown from the published rows"
    )
    training_images: Annotated[int, Field(ge=64)] = _field(50_000, "images each of these CGNs sees")
    training_seeds: Count = _field(1, "CGNs trained in each of those ways")
    without_cgn: Items[WithoutCGN] = _field(
        ("border-stretched", "paste"), "ways to the task of claim 2 for which nothing is generated, and two oracles"
    )
    without_cgn_seeds: Count = _field(1, "classifiers trained in each of those ways")
    sweep: Items[Sweep] | None = _field(
        None, "methods on training data where colour agrees with the class less often; null: from the published rows"
    )
    sweep_agreements: Items[Annotated[float, Field(ge=0.5, le=1)]] = _field(
        (1.0, 0.9), "how often colour or texture agrees with the class there"
    )
    sweep_seeds: Count = _field(1, "classifiers trained at each point of it")


class ImageNetParameters(_Half):
    """The ImageNet half: the toy world, and ImageNet where its files are at hand."""

    updates: Count | None = _field(None, "updates of the ImageNet CGN; null: those of its recipe")
    samples: Annotated[int, Field(ge=200)] = _field(1_000, "images on which it is measured (toy world)")
    ablations: Items[Ablation] | None = _field(
        None, "its trainings without one loss at a time, and with the study's texture target"
    )
    ablation_updates: Count | None = _field(None, "length of those trainings; null: that of the CGN")
    methods: Items[ImageNetMethod] = _field(
        ("original", "original+gan", "original+cgn", "original+oracle"),
        "kinds of training data of the three-headed classifier (rows of Table 5)",
    )
    train_images: Annotated[int, Field(ge=32)] = _field(1_000, "training images of its toy classifier")
    counterfactuals: Annotated[int, Field(ge=32)] = _field(1_000, "generated images in its training set")
    test_images: Annotated[int, Field(ge=50)] = _field(500, "images in each of its test sets")
    classifier_epochs: Count = _field(3, "epochs of its training (published: 30 or 45)")
    classifier_seeds: Count = _field(1, "classifiers per method, with seeds from `seed` on")
    grid: bool = _field(False, "also train at every learning rate and CF ratio of Table 7")
    partial: bool = _field(
        False, "also take sets of photographs that are not whole; what is missing or left out is counted and named"
    )
    stimuli: Annotated[int, Field(ge=16)] | None = _field(
        160, "cue-conflict stimuli shown to EfficientNet-Lite0; null: all 1,200 that conflict"
    )
    real: Real = _field(
        "none",
        "of ImageNet itself, where its files are at hand: nothing; authors: what their CGN gives without a training; "
        "all: the study's trainings, too (GPU days)",
    )
    device: Device = _field("auto", "device of ImageNet itself; auto: a CUDA device")
    real_updates: Count | None = _field(None, "updates of the study's CGN; null: its 200, of 2,500 images each")
    real_samples: Annotated[int, Field(ge=100)] = _field(50_000, "images of Table 3")
    real_counterfactuals: Annotated[int, Field(ge=32)] = _field(
        100_000, "counterfactuals of the authors' CGN in a classifier's training set (260 kB each)"
    )
    real_epochs: Count | None = _field(None, "epochs of the ResNet-50 classifiers; null: the study's 30")
    real_seeds: Count = _field(1, "ResNet-50 classifiers per method, with seeds from `seed` on")
    real_grid: bool = _field(False, "also train ResNet-50 at every learning rate and CF ratio of Table 7")
    photographs: Annotated[int, Field(ge=18)] | None = _field(
        36, "photographs of the background challenge, in equal parts by class; null: all whose masks count"
    )


class Parameters(_Half):
    """Everything that decides the scale and content of a run; the defaults are those of params/quick.yaml."""

    profile: Profile = _field("quick", "name of the scale, under which results are kept")
    data_folder: str | None = _field(None, "folder with your own copies of the data and weights")
    seed: Annotated[int, Field(ge=0)] = _field(0, "random seed of training and sampling; never of test sets")
    reuse_rows: bool = _field(False, "take rows of the same parameters that were computed here earlier or published")
    mnist: MnistParameters = MnistParameters()
    imagenet: ImageNetParameters = ImageNetParameters()

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "Parameters":
        """Parameters from flat names; those left out keep their defaults. Raises ParameterError."""
        nested: dict[str, Any] = {"mnist": {}, "imagenet": {}}
        for name, value in given.items():
            half, field = PLACES[_known("parameter", str(name), PLACES)]
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
        found = {name: getattr(getattr(self, half) if half else self, field) for name, (half, field) in PLACES.items()}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}

    def with_changes(self, **changes: Any) -> "Parameters":
        """The same parameters but for some, by flat name. Raises ParameterError."""
        return Parameters.of(self.flat() | changes)


HALVES: dict[str, tuple[str, type[_Half]]] = {
    "mnist": ("", MnistParameters),
    "imagenet": ("imagenet_", ImageNetParameters),
}


# By flat name, in their order: the half ("" for both) and the name there.
PLACES = {name: ("", name) for name in Parameters.model_fields if name not in HALVES}
PLACES |= {prefix + name: (half, name) for half, (prefix, model) in HALVES.items() for name in model.model_fields}


def flat_fields() -> dict[str, FieldInfo]:
    """Every parameter's field by flat name."""
    models = {"": Parameters, **{half: model for half, (_, model) in HALVES.items()}}
    return {flat: models[half].model_fields[name] for flat, (half, name) in PLACES.items()}


def _known(kind: str, value: str, choices: Iterable[str]) -> str:
    try:
        return known(kind, value, choices)
    except ValueError as error:
        raise ParameterError(str(error)) from None


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
    return project_root() / "params" / f"{_known('profile', profile, PROFILES)}.yaml"


def read_text(text: str, name: str = "") -> Any:
    """The value of YAML text, of which every word means the same to whoever reads it.

    name: of the parameter whose value the text is, "" for lines of several. Raises ParameterError for a word that YAML
    and `papermill -p` read differently (010, 0x10, 1:30, 1e-3, yes), a parameter that is there twice, and what is no
    YAML.
    """
    import yaml

    loader = yaml.SafeLoader(text)

    def check(node: yaml.Node | None, name: str) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if sum(other.value == key.value for other, _ in node.value) > 1:
                    raise ParameterError(f"parameter '{key.value}' is there twice: keep one of its lines")
                check(value, str(key.value))
        elif isinstance(node, yaml.SequenceNode):
            for item in node.value:
                check(item, name)
        elif isinstance(node, yaml.ScalarNode) and node.style is None and node.value not in ("true", "false", "null"):
            ours, theirs = loader.construct_object(node), _as_papermill_reads(node.value)
            if ours != theirs or type(ours) is not type(theirs):
                words = f"YAML reads {ours!r}, papermill -p {theirs!r}"
                raise ParameterError(f"parameter '{name}' is written {node.value!r}, where {words}: {_PLAIN}")

    try:
        node = loader.get_single_node()
        if name and node is None:
            node = yaml.ScalarNode("tag:yaml.org,2002:null", "")
        check(node, name)
        return None if node is None else loader.construct_document(node)
    except (yaml.YAMLError, ValueError) as error:
        if isinstance(error, ParameterError):
            raise
        of = f"parameter '{name}'" if name else "the text"
        raise ParameterError(f"{of} is not readable YAML: {' '.join(str(error).split())}") from None
    finally:
        loader.dispose()


_PLAIN = "write whole numbers in digits without a leading zero, true, false or null, and text in quotes"


def _as_papermill_reads(word: str) -> Any:
    """What `papermill -p NAME word` hands over."""
    if word in ("True", "False", "None"):
        return {"True": True, "False": False}.get(word)
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(word)
    return word


def read_file(path: Path) -> dict[str, Any]:
    """Flat parameters as they stand in a YAML file. Raises ParameterError naming the file."""
    try:
        given = read_text(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        there = ", ".join(sorted(str(each) for each in path.parent.glob("*.yaml"))) or "none"
        raise ParameterError(f"{path}: no such parameter file. Files there: {there}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"{path}: not a readable text file: {' '.join(str(error).split())}") from None
    except ParameterError as error:
        raise ParameterError(f"{path}: {error}") from None
    if not isinstance(given, Mapping):
        raise ParameterError(f"{path}: expected lines such as 'seed: 0', found {type(given).__name__}.")
    try:
        Parameters.of(given)
    except ParameterError as error:
        raise ParameterError(f"{path}: {error}") from None
    return dict(given)


# --- Notebooks --------------------------------------------------------------------------------------------------------

_PAGE = "_page_parameters"  # in a notebook's namespace, those that were read last; None where they were wrong


def page_parameters(namespace: dict[str, Any]) -> Parameters:
    """Parameters of the notebook whose `globals()` are given: its profile's file, changed by the names of its cell.

    At the first call every plain value there counts as a parameter, so that a misspelt one (which papermill only warns
    of) is an error; it is then taken out of the namespace, and to run the corrected cell is enough. Later calls read
    all values that are named like parameters, whatever else the cells have assigned. Raises ParameterError, also where
    a profile is named and the values are still those of another.

    What cells computed for other parameters is taken out of the namespace, also where these are wrong: no cell goes on
    with a study of the parameters before.
    """
    first, before, found = _PAGE not in namespace, namespace.get(_PAGE), None
    try:
        found = _page_parameters(namespace, first)
        return found
    finally:
        for name in (
            [name for name in namespace if _is_computed(name, namespace)] if before not in (None, found) else ()
        ):
            del namespace[name]
        if found or not first:
            namespace[_PAGE] = found


def _is_computed(name: str, namespace: Mapping[str, Any]) -> bool:
    """Whether a name of a notebook is what its cells computed: no parameter, constant, function or module."""
    value = namespace[name]
    return name.islower() and not (name.startswith("_") or name in PLACES or callable(value) or ismodule(value))


def _page_parameters(namespace: dict[str, Any], first: bool) -> Parameters:
    plain = (str, int, float, bool, list, tuple, dict, type(None))
    names = [name for name in namespace if name.islower() and not name.startswith("_")]
    names = [name for name in names if isinstance(namespace[name], plain)]
    for name in names if first else ():
        try:
            _known("parameter", name, PLACES)
        except ParameterError:
            del namespace[name]
            raise
    given = {name: namespace[name] for name in names if name in PLACES}
    profile, quick = given.get("profile", "quick"), Parameters().flat()
    parameters, scale = Parameters.load(profile, given), Parameters.load(profile).flat()
    others = [name for name in given if name not in ("profile", "seed", "data_folder", "shapes")]
    if all(parameters.flat()[name] == quick[name] for name in others) and any(quick[n] != scale[n] for n in others):
        raise ParameterError(
            f"profile is {profile!r}, but all values of the page are those of quick: hand the profile's file over, "
            f"papermill -f params/{profile}.yaml, or change the values, too"
        )
    return parameters


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
