"""Every table and figure of the seed with its verdict: items as data, verdicts computed from result rows.

The scorecard page and the front page read rows that other notebooks made, at the parameters at hand. Items on ImageNet
are tested in the toy world; what it takes to test them on ImageNet itself stands beside each.
"""

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from cgnlib import results
from cgnlib.imagenet import published_cgn, published_classifier
from cgnlib.imagenet.invariant_study import SHORT
from cgnlib.imagenet.invariant_training import TOY as TOY_CLASSIFIER
from cgnlib.imagenet.study import cgn_params
from cgnlib.imagenet.training import TOY as TOY_CGN
from cgnlib.mnist import recipe_study
from cgnlib.mnist.recipes import recipe_for
from cgnlib.mnist.study import oracle_epochs, parts_of
from cgnlib.parameters import StudyParameters
from cgnlib.paths import build_folder, project_root
from cgnlib.registry import missing
from cgnlib.results import interval_of, select, split_seeds
from cgnlib.toyworld.parts import judges_fingerprint, toy_parts
from cgnlib.training import Artefact, fingerprint
from cgnlib.verdicts import (
    CLAIMS,
    Status,
    Verdict,
    badge_words,
    claim1_imagenet,
    claim1_mnist,
    claim2_imagenet,
    claim2_mnist,
    claim3_imagenet,
    claim3_mnist,
    combine,
    failure_imagenet,
    gradcam_mnist,
    heads_imagenet,
    shape_bias_baseline,
)

RATIO_METRIC = "accuracy/test/last"


@dataclass(frozen=True)
class Item:
    """A table or figure of the seed. rules: how it is judged, () for not at all; recipe: "ours" or "authors"."""

    name: str
    shows: str
    world: str  # MNIST, toy, or ImageNet: where its numbers come from
    rules: tuple[str, ...] = ()
    experiments: tuple[str, ...] = ()
    recipe: str = "ours"
    notebook: str = ""


def _mnist(rule: str, experiment: str, notebook: str, recipe: str = "ours") -> dict[str, Any]:
    names = {"rules": (rule,), "experiments": (experiment,), "notebook": notebook}
    return names | {"world": "MNIST", "recipe": recipe}


def _toy(rules: Sequence[str], experiments: Sequence[str], notebook: str) -> dict[str, Any]:
    return {"world": "toy", "rules": tuple(rules), "experiments": tuple(experiments), "notebook": notebook}


_CONTROL = _mnist("claim1-mnist", "mnist-control", "02-claim1-mnist")
_CGN = _toy(["claim1-imagenet"], ["imagenet-control", "imagenet-is"], "07-claim1-imagenet")
_TABLE_4 = ["imagenet-shape-bias", "imagenet-indomain"]

ITEMS = (
    Item("Table 1", "in-domain accuracy", **_mnist("claim3-mnist", "mnist-indomain", "05-claim3-mnist")),
    Item("Table 2", "out-of-domain accuracy, own CGN", **_mnist("claim2-mnist", "mnist-ood", "03-claim2-mnist")),
    Item("Table 3", "inception score and mask area", **_CGN),
    Item(
        "Table 4",
        "shape bias of the classifier heads, accuracy",
        **_toy(["heads-imagenet", "claim3-imagenet"], _TABLE_4, "09-claim3-imagenet"),
    ),
    Item(
        "Table 4, baseline",
        "shape bias without counterfactuals",
        "ImageNet",
        ("shape-bias-baseline",),
        ("imagenet-shape-bias",),
        notebook="09-claim3-imagenet",
    ),
    Item(
        "Table 5",
        "ImageNet-9 accuracy and BG-gap",
        **_toy(["claim2-imagenet"], ["imagenet-background"], "08-claim2-imagenet"),
    ),
    Item(
        "Table 6",
        "out-of-domain accuracy, authors' CGN",
        **_mnist("claim2-mnist", "mnist-ood", "03-claim2-mnist", "authors"),
    ),
    Item("Table 7", "search of hyperparameters", **_toy(["grid"], ["imagenet-grid"], "08-claim2-imagenet")),
    Item("Figure 1", "architecture of the CGN", "toy", notebook="07-claim1-imagenet"),
    Item("Figure 2", "counterfactuals and faulty masks", **_CONTROL),
    Item("Figure 3", "GradCAM heat maps", **_mnist("gradcam-mnist", "mnist-gradcam", "04-gradcam")),
    Item("Figure 4", "counterfactuals, more samples", **_CONTROL),
    Item("Figure 5", "accuracy by CF ratio, own CGN", **_mnist("cf-ratio", "mnist-cf-ratio", "06-cf-ratio")),
    Item(
        "Figure 6",
        "accuracy by CF ratio, authors' CGN",
        **_mnist("cf-ratio", "mnist-cf-ratio", "06-cf-ratio", "authors"),
    ),
    Item("Figure 7", "counterfactuals with their labels", **_CGN),
    Item("Figure 8", "outputs of each mechanism", **_CGN),
    Item("Figure 9", "masks in the course of training", **_CGN),
    *(
        Item(name, shows, **_toy([f"{rule}-imagenet"], ["imagenet-control"], "07-claim1-imagenet"))
        for name, shows, rule in (
            ("Figure 10", "texture and background entangled", "entanglement"),
            ("Figure 11", "residue of the object in backgrounds", "residue"),
            ("Figure 12", "reduced realism", "realism"),
        )
    ),
)
SHOWN_ONLY = ("cf-ratio", "grid")  # no verdict: numbers stand beside published ones
# What an item on ImageNet takes, to be tested there: of each rule the list of the module that would do it.
NEEDS = {
    "claim1-imagenet": published_cgn.NEEDED["table 3"],
    "claim2-imagenet": published_classifier.NEEDED,
    "claim3-imagenet": published_classifier.NEEDED,
    "heads-imagenet": (*published_classifier.NEEDED, "cue-conflict"),
    "grid": published_classifier.NEEDED,
}
# What the deciding number of a rule is, for readers.
THREE_CLAIMS = tuple(f"claim{number}-{half}" for number in (1, 2, 3) for half in ("mnist", "imagenet"))
NUMBERS = {
    "claim1-mnist": "share of images with the requested factor, weakest variant",
    "claim2-mnist": "gain in out-of-domain accuracy, weakest variant",
    "claim3-mnist": "change of in-domain accuracy, weakest variant",
    "claim1-imagenet": "share of images with the requested factor, weakest factor",
    "claim2-imagenet": "change of the background gap",
    "claim3-imagenet": "change of in-domain accuracy",
    "heads-imagenet": "shape bias, least distance of a head from 'original'",
}


@dataclass(frozen=True)
class Line:
    """An item as judged. ours, published: in words; seconds: of training behind its rows, None where unknown.

    on_imagenet: the verdict on photographs alone; missing: what it takes to have one, in words, "" for nothing.
    """

    item: Item
    status: Status
    published: str = ""
    ours: str = ""
    scale: str = ""
    seeds: int = 0
    seconds: float | None = None
    on_imagenet: Status = "not tested"
    missing: str = ""

    @property
    def badge(self) -> str:
        """What its badge says."""
        return badge_words(self.item.rules[0], self.status) if self.item.rules else self.status


def matching_rows(parameters: StudyParameters, experiment: str, own: bool = True) -> pd.DataFrame:
    """Rows of an experiment, published or (with `own`) computed on this machine, that do not contradict the parameters.

    Rows of the toy world are those of its networks at hand. Where data sources or other settings still differ, those of
    most rows are kept for each variant, method and recipe. Raises AssetError where there are toy rows and no networks.
    """
    rows = results.load(parameters.profile, experiment, published=True, own=own)
    mnist = experiment.startswith("mnist-")
    keep = []
    for line in rows.to_dict("records"):
        params, wanted = json.loads(line["params"] or "{}"), {}
        if mnist:
            length = parameters.cgn_images or recipe_for(parameters.recipe, str(line["dataset"])).images
            if experiment == recipe_study.EXPERIMENT:
                length = parameters.training_images
            wanted = _expected(parameters, experiment)
            wanted |= {} if params.get("shipped") else {"cgn_images": [length]}
        elif line["dataset"] == "toy":
            wanted = _expected_toy(parameters, experiment)
        known = {name: params.get(name, None if name == "parts" else values[0]) for name, values in wanted.items()}
        keep.append(all(known[name] in values for name, values in wanted.items()))
    rows = rows.loc[keep].reset_index(drop=True)
    rows = _commonest(rows, ["dataset"] if mnist else ["dataset", "method"], rows["data"].tolist())
    names = ["dataset", "method", "recipe"]
    if experiment in POINTS:
        points = [[json.loads(text).get(name) for name in POINTS[experiment]] for text in rows["params"]]
        rows = rows.assign(point=[str(point) for point in points])
        names.append("point")
    rows = _commonest(rows, names, [split_seeds(text)[0] for text in rows["params"]])
    return rows.drop(columns="point", errors="ignore")


# Params that tell the points of one figure or table apart, rather than two settings of one number.
POINTS = {
    "mnist-cf-ratio": ("generated", "cf_ratio"),
    "imagenet-grid": ("lr", "cf_ratio"),
    "imagenet-shape-bias": ("normalisation", "enlarge"),
}


def _expected_toy(parameters: StudyParameters, experiment: str) -> dict[str, list[Any]]:
    length = parameters.imagenet_updates or TOY_CGN.updates
    expected = {
        "epochs": [parameters.imagenet_classifier_epochs],
        "train_images": [parameters.imagenet_train_images],
        "test_images": [parameters.imagenet_test_images],
        "generated": [parameters.imagenet_counterfactuals],
        "batch": [TOY_CLASSIFIER.batch_size],
        "cgn_updates": [length, max(1, round(SHORT * length))],
        "teacher": [_teacher()],
    }
    if experiment != "imagenet-grid":
        expected["lr"] = [TOY_CLASSIFIER.learning_rate]
    if experiment in JUDGED_BY_PARTS:
        expected["parts"] = [judges_fingerprint()]
    return expected


# Rows name the networks that measured; earlier ones do not.
JUDGED_BY_PARTS = ("imagenet-control", "imagenet-is", "imagenet-ablation")


@functools.lru_cache
def _teacher() -> str:
    """Of the toy world's BigGAN at hand, as rows name it."""
    return fingerprint(toy_parts().biggan)


def _expected(parameters: StudyParameters, experiment: str) -> dict[str, list[Any]]:
    ratio = experiment == "mnist-cf-ratio"
    if experiment == recipe_study.EXPERIMENT:
        parameters = recipe_study.shortened(parameters)
    return {
        "epochs": [parameters.classifier_epochs],
        "batch": [parameters.classifier_batch],
        "generated": list(parameters.ratio_sizes) if ratio else [parameters.counterfactuals],
        "cf_ratio": list(parameters.ratio_values) if ratio else [parameters.cf_ratio],
        "train_images": [parameters.train_images or "all"],
        "test_images": [parameters.test_images or "all"],
        "gan_images": [parameters.gan_images],
        "oracle_images": [parameters.oracle_images],
        "oracle_epochs": [oracle_epochs(parameters)],
        "control_samples": [parameters.control_samples],
    }


def _commonest(rows: pd.DataFrame, names: Sequence[str], marks: Sequence[str]) -> pd.DataFrame:
    """Of each group (by `names`) the rows with its commonest mark; of equally common ones the last in order."""
    groups: dict[tuple[Any, ...], dict[str, int]] = {}
    keys = [tuple(line[name] for name in names) for line in rows.to_dict("records")]
    for key, mark in zip(keys, marks, strict=True):
        counts = groups.setdefault(key, {})
        counts[mark] = counts.get(mark, 0) + 1
    best = {key: max(counts, key=lambda mark: (counts[mark], mark)) for key, counts in groups.items()}
    return rows.loc[[best[key] == mark for key, mark in zip(keys, marks, strict=True)]].reset_index(drop=True)


def item_rows(item: Item, parameters: StudyParameters, own: bool = True) -> pd.DataFrame:
    """`matching_rows` of all experiments of an item."""
    return pd.concat([matching_rows(parameters, name, own) for name in item.experiments], ignore_index=True)


def claim_verdicts(parameters: StudyParameters, own: bool = True) -> dict[str, Verdict]:
    """The verdicts of every claim from the rows of `matching_rows`; "not tested" where there are none."""
    judged = {rule: item for item in ITEMS if item.recipe == "ours" for rule in item.rules if rule in CLAIMS}
    return {rule: _verdict(rule, item, parameters, item_rows(item, parameters, own)) for rule, item in judged.items()}


def full_scale() -> StudyParameters:
    """The parameters of scale `paper`, at which the results are made that the project publishes."""
    return StudyParameters.load(project_root() / "params" / "paper.yaml")


def published_verdict(claim: str, parameters: StudyParameters, recipe: str = "ours") -> Verdict | None:
    """The verdict on a claim from the published rows of full scale; None at that scale, or where there are none.

    recipe: that of the CGN, "ours" or "authors".
    """
    if parameters.profile == "paper":
        return None
    item = next(item for item in ITEMS if claim in item.rules and item.recipe == recipe)
    verdict = _verdict(claim, item, full_scale(), item_rows(item, full_scale(), own=False))
    return verdict if verdict.interval else None


def scorecard(parameters: StudyParameters) -> list[Line]:
    """Every item judged, in the order of ITEMS."""
    return [_line(item, parameters) for item in ITEMS]


def _verdict(rule: str, item: Item, parameters: StudyParameters, rows: pd.DataFrame) -> Verdict:
    recipe = parameters.recipe if item.recipe == "ours" else item.recipe
    without = _missing([rule], parameters)
    rules: dict[str, Callable[[], Verdict]] = {
        "claim1-mnist": lambda: claim1_mnist(rows, recipe, parameters.variants),
        "claim2-mnist": lambda: claim2_mnist(rows, recipe, parameters.variants),
        "claim3-mnist": lambda: claim3_mnist(rows, recipe, parameters.variants),
        "gradcam-mnist": lambda: gradcam_mnist(rows, recipe),
        "claim1-imagenet": lambda: claim1_imagenet(rows, without),
        "claim2-imagenet": lambda: claim2_imagenet(rows, without),
        "claim3-imagenet": lambda: claim3_imagenet(rows, without),
        "heads-imagenet": lambda: heads_imagenet(rows, without),
        "shape-bias-baseline": lambda: shape_bias_baseline(rows),
    }
    return rules[rule]() if rule in rules else failure_imagenet(rule, rows)


def _missing(rules: Sequence[str], parameters: StudyParameters) -> str:
    """What it takes to test on ImageNet itself, in words."""
    names = tuple(dict.fromkeys(name for rule in rules for name in NEEDS.get(rule, ())))
    if not names:
        return ""
    done = "run scale paper" if set(rules) <= set(CLAIMS) else "not part of the report"
    return missing_words(names, parameters.data_folder) or done


@functools.lru_cache
def missing_words(names: tuple[str, ...], data_folder: str | None) -> str:
    """`registry.missing`, once for all items: to find an asset is to check its file, up to a gigabyte."""
    return missing(names, data_folder)


def _line(item: Item, parameters: StudyParameters) -> Line:
    without = _missing(item.rules, parameters)
    if not item.rules:
        return Line(item, "not tested", ours="a drawing; its parts are shown", missing=without)
    recipe = parameters.recipe if item.recipe == "ours" else item.recipe
    matching = item_rows(item, parameters)
    scale = parameters.profile
    if "shape-bias-baseline" in item.rules:  # all stimuli are measured at full scale alone, in some minutes
        matching, scale = matching_rows(full_scale(), "imagenet-shape-bias"), "paper"
    wanted = ["-", recipe] if item.world == "MNIST" else matching["recipe"].unique().tolist()
    rows = matching.loc[matching["recipe"].isin(wanted)]
    own = rows.loc[rows["recipe"] == recipe] if item.world == "MNIST" else rows.loc[_judged(item, rows)]
    if own.empty:
        return Line(item, "not tested", ours=f"no rows at this scale: run {item.notebook}", missing=without)
    seeds, seconds = own["seed"].nunique(), cost(rows)
    if item.rules[0] in SHOWN_ONLY:
        ours, published = ratio_ranges(own) if item.rules == ("cf-ratio",) else grid_ranges(rows)
        return Line(item, "not tested", published, ours, scale, seeds, seconds, missing=without)
    verdicts = {rule: _verdict(rule, item, parameters, matching) for rule in item.rules}
    names = {rule: f"{NUMBERS[rule]}: " if len(verdicts) > 1 else "" for rule in verdicts}
    ours = "; ".join(names[rule] + _number(verdict) for rule, verdict in verdicts.items())
    published = "; ".join(names[rule] + verdict.published for rule, verdict in verdicts.items() if verdict.published)
    if item.name == "Table 3" and "imagenet-is" in set(rows["experiment"]):
        ours, published = score_words(rows)
    elsewhere = combine([on_imagenet(verdict) for verdict in verdicts.values()])
    status = combine([verdict.status for verdict in verdicts.values()])
    without = without if elsewhere == "not tested" else ""
    return Line(item, status, published, ours, scale, seeds, seconds, elsewhere, without)


def on_imagenet(verdict: Verdict) -> Status:
    """The verdict on photographs alone."""
    if verdict.status == "not tested":
        return "not tested"
    return combine([finding.status for finding in verdict.findings if finding.variant != "toy"])


def _judged(item: Item, rows: pd.DataFrame) -> list[bool]:
    """Which rows of an item on ImageNet are those that its rule judges: of a CGN, or of the baseline."""
    baseline = "shape-bias-baseline" in item.rules
    return [(method == "efficientnet-lite0") if baseline else "cgn" in str(method) for method in rows["method"]]


def _number(verdict: Verdict) -> str:
    """The deciding number with its interval, or why there is none; what ImageNet itself takes stands elsewhere."""
    if verdict.interval is None:
        toy = [finding.sentence for finding in verdict.findings if finding.variant == "toy"]
        return toy[0] if toy else verdict.sentence
    between, unit = verdict.interval, verdict.unit
    text = between.text() if between.low < between.high else f"{between.value:.1f}"
    return f"{text} {unit}".strip()


def score_words(rows: pd.DataFrame) -> tuple[str, str]:
    """Table 3 in words, ours and the published values: Inception Score of the CGN and its teacher, mean mask area.

    rows: experiment imagenet-is, of the toy world or of ImageNet.
    """
    worlds = {"toy": "", "imagenet": "ImageNet: "}
    ours = [name + _scores(found) for world, name in worlds.items() if len(found := select(rows, dataset=world))]
    printed = results.published("imagenet-is")
    recipes = {"SG21": "authors", "seed": "paper"}
    theirs = [f"{name}: {_scores(select(printed, source=name, recipe=[kind, '-']))}" for name, kind in recipes.items()]
    return "; ".join(ours), f"ImageNet, {'; '.join(theirs)}"


def _scores(rows: pd.DataFrame) -> str:
    words = {("cgn", "inception-score"): "IS {:.1f}", ("biggan", "inception-score"): "teacher's {:.1f}"}
    words |= {("cgn", "mask/mean"): "mean mask {:.2f}"}
    found = {key: select(rows, method=key[0], metric=key[1])["value"] for key in words}
    return ", ".join(text.format(found[key].mean()) for key, text in words.items() if len(found[key]))


def grid_ranges(rows: pd.DataFrame) -> tuple[str, str]:
    """Lowest and highest background gap over the settings of Table 7: ours and the seed's in words. No verdict."""
    words = []
    printed = select(results.published("imagenet-hyperparameters"), metric="bg-gap", source="seed")
    for name, found in (("", select(rows, metric="bg-gap")), ("seed, ImageNet-9: ", printed)):
        values = sorted(float(value) for value in found["value"])
        words.append(f"{name}BG-gap {values[0]:.1f} to {values[-1]:.1f} points over {len(values)} settings")
    return words[0], words[1]


def ratio_ranges(rows: pd.DataFrame) -> tuple[str, str]:
    """`ratio_lines` in words: ours and Re-CGN's."""
    lines = ratio_lines(rows)
    ours, theirs = (
        "; ".join(f"{line['variant']}, {line['counterfactuals']}: {line[name]} %" for line in lines if line[name])
        for name in ("ours", "Re-CGN")
    )
    return ours, f"Re-CGN, counterfactuals alone: {theirs}" if theirs else "curves without numbers"


def ratio_lines(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Accuracies over CF ratios of Figures 5 and 6, lowest to highest in percent, and how many points they change from
    the smallest ratio to the largest: a line per variant and size.

    No verdict: the seed prints curves without numbers, and Re-CGN's ranges are of counterfactuals alone, 10 epochs.
    """
    test = select(rows, metric=RATIO_METRIC)
    ranges = results.published("mnist-cf-ratio")
    lines = []
    points = {(str(r["dataset"]), json.loads(r["params"])["generated"]) for r in test.to_dict("records")}
    for variant, size in sorted(points):
        found = select(test, dataset=variant, generated=size)
        ratios = sorted({json.loads(text)["cf_ratio"] for text in found["params"]})
        values = [interval_of(select(found, cf_ratio=ratio)).value for ratio in ratios]
        bounds = [float(value) for value in select(ranges, dataset=variant, counterfactuals=size)["value"]]
        texts = {"ours": f"{min(values):.1f} to {max(values):.1f}"}
        texts["Re-CGN"] = f"{min(bounds):.1f} to {max(bounds):.1f}" if bounds else ""
        lines.append({"variant": variant, "counterfactuals": f"{size:,}"} | texts | {"change": values[-1] - values[0]})
    return lines


def ratio_sentence(lines: Sequence[Mapping[str, Any]]) -> str:
    """Which way the curves of `ratio_lines` go, in words."""
    changes = [line["change"] for line in lines]
    falls, rises = [-c for c in changes if c < 0], [c for c in changes if c > 0]
    words = [
        f"{verb} in {len(sizes)} of {len(changes)} curves, by {max(sizes):.1f} points at most"
        for verb, sizes in (("falls", falls), ("rises", rises))
        if sizes
    ]
    return f"From the smallest CF ratio to the largest, accuracy {' and '.join(words) or 'stays the same'}."


def repeats(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of Figures 5 and 6 whose very setting claim 2 trained as well, on its own, beside its number: a line each.

    A pair from one training, which experiments may share, is left out.
    """
    lines = []
    claim2 = pd.concat([results.load(profile, "mnist-ood", published=True) for profile in set(rows["profile"])])
    for line in select(rows, metric=RATIO_METRIC).to_dict("records"):
        same = ("dataset", "method", "recipe", "metric", "seed", "profile", "data", "params")
        for twin in select(claim2, **{name: line[name] for name in same}).to_dict("records"):
            if twin["seconds"] != line["seconds"]:
                lines.append(
                    {
                        "variant": line["dataset"],
                        "CGN": "the authors'" if line["recipe"] == "authors" else "ours",
                        "here, %": line["value"],
                        "claim 2, %": twin["value"],
                        "difference": f"{line['value'] - twin['value']:+.1f}".replace("-", "−"),
                    }
                )
    return pd.DataFrame(lines)


def cost(rows: pd.DataFrame) -> float | None:
    """Seconds of training behind rows; a training counts once, also where several experiments measure its model.

    Of the toy world's classifiers, with the CGNs that made their counterfactuals, where these are known. `uncounted`
    says what is left out.
    """
    keys = ["dataset", "method", "recipe", "seed", "params", "seconds"]
    seconds = [float(value) for value in rows.drop_duplicates(keys)["seconds"].dropna()]
    seconds += [known for known in _cgn_seconds(rows).values() if known is not None]
    return sum(seconds) if seconds else None


def cost_line(rows: pd.DataFrame) -> str:
    """For the reader of a page: what its rows took, what of that is not known, how many come from published runs."""
    toy = ", the CGN's among them" if "toy" in set(rows["dataset"]) else ""
    words = f"Trainings behind the rows of this page{toy}: {duration(cost(rows))}."
    if left_out := uncounted(rows):
        words += f" Not counted: {', '.join(left_out)}."
    if taken := results.not_computed_here(rows):
        words += f" {taken} of {len(rows)} rows come from published runs, not from this machine."
    return words


def uncounted(rows: pd.DataFrame) -> list[str]:
    """What made the images that classifiers saw, and whose training `cost` leaves out.

    The toy world's CGNs of which nothing here says how long they took; MNIST's CGNs without rows of their own in
    `rows`, and its GANs.
    """
    left_out = [dict(cgn) for cgn, seconds in _cgn_seconds(rows).items() if seconds is None]
    words = [f"a CGN of {cgn['cgn_updates']:,} updates, seed {cgn['cgn_seed']}" for cgn in left_out]
    mnist = rows.loc[rows["experiment"].str.startswith("mnist-")]
    parts = {part for method in set(mnist["method"]) for part in parts_of(str(method))}
    if parts & {"cgn", "cgn-tied"} and not {"mnist-control", recipe_study.EXPERIMENT} & set(mnist["experiment"]):
        words.append("MNIST's CGNs")
    return words + ["MNIST's GANs"] * ("gan" in parts)


_CGN_KEYS = ("cgn_recipe", "cgn_seed", "cgn_updates", "teacher")


def _cgn_seconds(rows: pd.DataFrame) -> dict[tuple[tuple[str, Any], ...], float | None]:
    """Training time of the toy CGNs behind classifiers, by what tells them apart, but for those with rows in `rows`.

    From the rows that measure a CGN, else from the record of its training on this machine.
    """

    def key(params: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
        return tuple((name, params.get(name)) for name in _CGN_KEYS)

    toy = select(rows, dataset="toy", recipe="toy")
    found = [(str(line["method"]), key(json.loads(line["params"]))) for line in toy.to_dict("records")]
    behind = {cgn for method, cgn in found if method.startswith("original+")}
    behind -= {cgn for method, cgn in found if not method.startswith("original+")}
    known: dict[tuple[tuple[str, Any], ...], float] = {}
    if behind:
        for file in (build_folder() / "artefacts" / "imagenet-cgn").glob("*/record.json"):
            record = json.loads(file.read_text())
            known[key(cgn_params(Artefact("imagenet-cgn", record["config"])))] = record["seconds"]
        measured = results.load(str(toy["profile"].iloc[0]), "imagenet-control", published=True)
        for line in select(measured, dataset="toy", method="cgn").dropna(subset="seconds").to_dict("records"):
            known[key(json.loads(line["params"]))] = line["seconds"]
    return {cgn: known.get(cgn) for cgn in sorted(behind, key=str)}


def duration(seconds: float | None) -> str:
    """Seconds in words a reader takes in at once: "45 s", "12 min", "3.4 h", "–"."""
    if seconds is None:
        return "–"
    return (
        f"{seconds:.0f} s"
        if seconds < 90
        else f"{seconds / 60:.0f} min"
        if seconds < 5400
        else f"{seconds / 3600:.1f} h"
    )
