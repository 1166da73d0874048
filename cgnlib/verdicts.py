"""The rules by which the report judges each claim, and the verdicts computed from result rows.

A verdict is "reproduced" when the claim holds for every variant that was tested, "not reproduced" when for none,
"partly" when variants differ or are met in part, and "not tested" when rows are missing or the scale is smoke. A
variant whose positive control fails (oracles trained on truly free factors, see `Rules`), or whose CGN saw fewer images
than its recipe asks for, is not tested: its trainings are too short to judge anything. Result rows carry the
`rules_hash()` of their run in their column `code`; a verdict says so where it is not today's.
"""

import hashlib
import json
from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import pandas as pd

from cgnlib.imagenet.training import TOY
from cgnlib.mnist.recipes import RECIPES, recipe_for
from cgnlib.parameters import VARIANTS
from cgnlib.provenance import code_version
from cgnlib.results import ResultsError, interval_of, published, seed_groups, select, split_seeds
from cgnlib.statistics import (
    Interval,
    difference_interval,
    independent_difference,
    mean_difference_interval,
    mean_interval,
    wilson_interval,
    within_margin,
)

Status = Literal["reproduced", "partly", "not reproduced", "not tested"]
FACTORS = {
    "colored": ("shape", "foreground"),
    "double-colored": ("shape", "foreground", "background"),
    "wildlife": ("shape", "foreground", "background"),
    "toy": ("shape", "foreground", "background"),
}
COUNTERFACTUAL_METHODS = ("cgn", "original+cgn")


@dataclass(frozen=True)
class Rules:
    """Every threshold of every rule. Percentages and points are in 0..100, areas in 0..1."""

    confidence: float = 0.95
    seeds_for_interval: int = 3  # from here on intervals are taken over seeds, below over test images
    oracle_least: float = 80.0  # percent: a positive control that stays below fails (lower bound; heat maps: mean)
    control_oracle_least: float = 60.0  # its mean, for one factor: the noise of colored MNIST's colours allows 82
    control_least: float = 0.8  # a requested factor is recovered at least so often as on real images (lower bound)
    leak_most: float = 25.0  # percent: another factor's label is recovered at most so often (upper bound; chance 10)
    mask_area: tuple[float, float] = (0.05, 0.40)  # mean mask area: neither empty nor the whole image
    mask_diversity_least: float = 0.02  # mean |m1 - m2| of two masks of one digit; the authors' weights: 0.13
    successful_runs_least: float = 0.9  # share of trained CGNs that must meet the rule
    published_margin: float = 2.0  # points: so near to a published accuracy counts as that accuracy
    degradation_margin: float = 1.5  # points: what "only marginally" allows; SG21's own drop on ImageNet-9 was 1.4
    colour_drop_least: float = 0.2  # share by which heat maps must react less to colour


RULES = Rules()


@dataclass(frozen=True)
class ImageNetRules:
    """Thresholds that the claims on ImageNet have beside those of `Rules`."""

    texture_most: float = 50.0  # percent: a shape bias below (upper bound) is that of a classifier that goes by texture
    overlap_least: float = 0.5  # mean IoU of the masks with the true objects: what counts as found in detection
    teacher_fid_most: float = 2.0  # FID of the CGN's images with tied labels over that of its teacher's images
    random_margin: float = 3.0  # points: accuracy on random backgrounds may not be seen to fall by so much
    failure_margin: float = 5.0  # points: so much more often than in images that cannot fail (lower bound)
    realism_most: float = 1.5  # FID of the CGN's images with free labels over that with tied ones
    baseline_margin: float = 5.0  # points: a shape bias so near to the range of others lies among them


IMAGENET_RULES = ImageNetRules()
_CUT = "or where the CGN saw fewer training images than its recipe asks for"


@dataclass(frozen=True)
class Claim:
    """A claim as it is judged: the seed's words, where they stand, and what counts as reproduced."""

    title: str
    words: str
    where: str
    rule: str
    lower_is_better: bool = False  # the claim's number


CLAIMS = {
    "claim1-mnist": Claim(
        "Control over shape, texture and background",
        "Counterfactual generative network (CGN) can generate high-quality counterfactual images with direct control "
        "over shape, texture, and background.",
        "claim 1; Section 4.1, Figures 2 and 4",
        f"A trained CGN succeeds when oracles that never saw it find each requested factor in its counterfactuals at "
        f"least {RULES.control_least:g} times as often as in real images (lower bound of the interval) and the label "
        f"of another factor in at most {RULES.leak_most:g} % (upper bound; chance is 10 %), the mean mask area lies "
        f"between {RULES.mask_area[0]:g} and {RULES.mask_area[1]:g}, and two masks of one digit differ by at least "
        f"{RULES.mask_diversity_least:g} on average. A variant counts when at least "
        f"{RULES.successful_runs_least * 100:g} % of its trained CGNs succeed. It is not tested where an oracle reads "
        f"its factor in fewer than {RULES.control_oracle_least:g} % of real images, {_CUT}. Where only colored, "
        "which has no background factor, is tested, the claim is reproduced partly at most.",
    ),
    "claim1-imagenet": Claim(
        "Control over shape, texture and background: the ImageNet CGN",
        "Counterfactual generative network (CGN) can generate high-quality counterfactual images with direct control "
        "over shape, texture, and background.",
        "claim 1; Section 4.1, Table 3, Figures 7 to 12",
        "In the toy world a trained CGN succeeds when an oracle that never saw it finds each requested factor in its "
        f"counterfactuals at least {RULES.control_least:g} times as often as in real images (lower bound of the "
        f"interval) and the label of another factor in at most {RULES.leak_most:g} % (upper bound; chance is 10 %), "
        f"its masks overlap the true objects with a mean IoU of at least {IMAGENET_RULES.overlap_least:g}, the FID of "
        f"its images with tied labels is at most {IMAGENET_RULES.teacher_fid_most:g} times that of its teacher's "
        "images, and its Inception Score with tied labels is at least that share of its teacher's that SG21 report. "
        "The last cannot fail here: with ten easy classes every score is near its ceiling of 10; FID stands in for it. "
        "IoU, FID and Inception Score are point values, without intervals. It counts when at "
        f"least {RULES.successful_runs_least * 100:g} % of the trained CGNs succeed. It is not tested where the oracle "
        f"reads a factor in fewer than {RULES.control_oracle_least:g} % of real images, or where the CGN made fewer "
        "updates than its recipe asks for. On ImageNet the authors' CGN must reach that share of its teacher's "
        "Inception Score, and a mean mask area within the spread that SG21 report; not tested without its weights.",
    ),
    "claim2-mnist": Claim(
        "Better out-of-domain robustness",
        "Using generated counterfactual images in training data set improves the classifier's out-of-domain "
        "robustness.",
        "claim 2; Section 4.2, Tables 2 and 6",
        "A variant counts as reproduced when the better of 'cgn' and 'original+cgn' beats 'original' on free-factor "
        "test images at the last epoch (interval of the difference above zero) and the upper bound of its accuracy is "
        f"at most {RULES.published_margin:g} points below the published one: SG21's for our CGN, the seed's Table 6 "
        "for the authors' weights. It counts as partly when it only beats 'original'. The better method is "
        "chosen on the same test images, which favours the claim a little. It is not tested where 'oracle', trained on "
        f"truly free factors, stays below {RULES.oracle_least:g} % on the same test images (lower bound), {_CUT}.",
    ),
    "gradcam-mnist": Claim(
        "Heat maps that do not follow colour",
        "When trained on the double colored counterfactual dataset the gradients only slightly vary when changing the "
        "color theme.",
        "claim 2; Section 4.2, Figure 3",
        "The number is how much a classifier's heat maps change with colour (digit fixed) over how much they change "
        "with the digit (colour fixed). Counts as reproduced when, for a classifier trained on counterfactuals, it is "
        f"below 1 and at least {RULES.colour_drop_least * 100:g} % below that of the classifier trained on original "
        f"data, and with {RULES.seeds_for_interval} or more seeds the interval of the difference lies below zero; as "
        "partly when it is lower by so much, but not below 1. Not tested where 'oracle', trained on truly free "
        f"factors, reads fewer than {RULES.oracle_least:g} % of the digits right, {_CUT}.",
        lower_is_better=True,
    ),
    "claim3-mnist": Claim(
        "Only marginally lower accuracy",
        "Using generated counterfactual images in the training data set only marginally degrades overall accuracy.",
        "claim 3; Section 4.3, Table 1",
        "A variant counts as reproduced when the interval of 'original+cgn' minus 'original' on in-domain test images "
        f"at the last epoch lies above -{RULES.degradation_margin:g} points, as not reproduced when it lies below, and "
        "as partly, that is undecided, when it contains that margin. It is not tested where 'oracle', trained on truly "
        "free factors, stays "
        f"below {RULES.oracle_least:g} % on the same test images (lower bound), {_CUT}.",
    ),
    "claim2-imagenet": Claim(
        "Better out-of-domain robustness: the ImageNet classifier",
        "Using generated counterfactual images in training data set improves the classifier's out-of-domain "
        "robustness.",
        "claim 2; Section 4.2, Tables 5 and 7",
        "The number is the change of the background gap (accuracy where the background fits the class minus accuracy "
        "where it is of a random one) from 'original' to 'original+cgn', the latter read from its shape and texture "
        "heads as published, at the last epoch. In the toy world it counts as reproduced when the interval of the "
        "change lies below zero, accuracy on random backgrounds does not fall (lower bound of its change above "
        f"-{IMAGENET_RULES.random_margin:g} points), and the gap is below that of 'original+gan', as many generated "
        "images without counterfactuals (interval of the difference below zero; where it was trained); as partly when "
        "the gap narrows but one of the others fails. It is not tested where 'original' has no "
        "gap (lower bound at or below zero) or, in the toy world, where truly free factors ('original+oracle') do not "
        "narrow it with that accuracy kept, or the CGN made fewer updates than its recipe asks for. Intervals are over "
        "CGNs or, with fewer than "
        f"{RULES.seeds_for_interval}, over classifier seeds, paired by seed; with fewer than "
        f"{RULES.seeds_for_interval} of these over test images. On ImageNet-9 the same "
        "holds; not tested without its images and a trained classifier.",
        lower_is_better=True,
    ),
    "claim3-imagenet": Claim(
        "Only marginally lower accuracy: the ImageNet classifier",
        "Including generated counterfactuals in training data set only marginally degrades overall accuracy",
        "claim 3; Section 4.3, Tables 4 and 5",
        "In the toy world it counts as reproduced when the interval of 'original+cgn' minus 'original', in top-1 "
        "accuracy of all heads together on images like the training images, lies above "
        f"-{RULES.degradation_margin:g} points, as not reproduced when it lies below, and as partly, that is "
        "undecided, when it contains that margin. It is not tested where 'original+oracle', trained on truly free "
        f"factors, stays below {RULES.oracle_least:g} % on the same images (lower bound), or where the CGN made fewer "
        "updates than its recipe asks for. On ImageNet the same for ImageNet-mini; not tested without its images.",
    ),
    "heads-imagenet": Claim(
        "Heads that go by shape, texture and background",
        "This shows we can individually control the three heads for classification.",
        "claim 3; Section 4.3, Table 4",
        "In the toy world it counts as reproduced when, where shape and texture conflict, the shape head of the "
        "classifier with counterfactuals has a higher shape bias than the classifier without, and its texture head a "
        "lower one (intervals of both differences above zero); as partly when only one of them. The number is the "
        "smaller difference. It is not tested where the heads of 'original+oracle', trained on truly free factors, do "
        "not part so either, or where the CGN made fewer updates than its recipe asks for. On ImageNet the same holds "
        "for the cue-conflict stimuli; not tested without a trained classifier.",
    ),
    "entanglement-imagenet": Claim(
        "Texture and background entangled",
        "Texture maps contain traces from the background.",
        "Appendix F, Figure 10",
        "In the toy world the failure counts as found when the oracle reads the scene of its class from foregrounds of "
        "the CGN more often than the class from rendered textures, which show no scene, by more than "
        f"{IMAGENET_RULES.failure_margin:g} points (lower bound of the difference). It is not tested without the "
        "latter, or where the CGN made fewer updates than its recipe asks for.",
    ),
    "residue-imagenet": Claim(
        "Residue of the object in the background",
        "Regions, where the objects are located, are not fully in-painted.",
        "Appendix F, Figure 11",
        "In the toy world the failure counts as found when the oracle reads the silhouette of its class from "
        "backgrounds of the CGN more often than from rendered scenes, which hold no object, by more than "
        f"{IMAGENET_RULES.failure_margin:g} points (lower bound of the difference). It is not tested without the "
        "latter, or where the CGN made fewer updates than its recipe asks for.",
    ),
    "realism-imagenet": Claim(
        "Reduced realism",
        "Generated images mostly do not look realistic.",
        "Appendix F, Figure 12",
        "In the toy world the failure counts as found when the FID of counterfactuals from rendered images with free "
        f"factors is more than {IMAGENET_RULES.realism_most:g} times the FID of the same CGN's images with tied labels "
        "from rendered images with tied factors (on the oracle's features). Of one CGN the ratio has no interval; with "
        f"{RULES.seeds_for_interval} or more its lower bound decides. It is not tested where the CGN made fewer "
        "updates than its recipe asks for.",
    ),
    "shape-bias-baseline": Claim(
        "A classifier without counterfactuals goes by texture",
        "Higher bias indicates classification based on object, whereas a lower bias indicates classification on "
        "texture.",
        "claim 3; Section 3.4.3, Table 4, row ImageNet-mini",
        "The number is the shape bias of EfficientNet-Lite0, which never saw counterfactuals, with its own "
        "preprocessing on all 1,200 conflicting stimuli. The baseline of Table 4 counts as reproduced when, with every "
        f"preprocessing measured, the upper bound stays below {IMAGENET_RULES.texture_most:g} %, and the seed's value "
        f"lies within {IMAGENET_RULES.baseline_margin:g} points of the range of networks without counterfactuals, each "
        "with its own normalisation: those published by Geirhos, and ours (values, not intervals). It counts as partly "
        "when only the former holds. Geirhos's numbers alone meet the latter, so that only the former can fail. Not "
        "tested on a part of the stimuli.",
    ),
}


# Claims that something fails: a verdict says whether the failure was found.
FAILURES = ("entanglement-imagenet", "residue-imagenet", "realism-imagenet")
_WORLDS = {
    "toy": "the toy world",
    "imagenet": "ImageNet",
    "imagenet-9": "ImageNet-9",
    "imagenet-mini": "ImageNet-mini",
    "cue-conflict": "cue-conflict photographs",
}


def world_name(variant: str) -> str:
    """A variant or world as readers call it: "the toy world", "ImageNet-9"; other names as they are."""
    return _WORLDS.get(variant, variant)


def badge_words(claim: str, status: Status) -> str:
    """What a badge says of a claim with this status: the status or, of a failure, whether it was found."""
    found: dict[Status, str] = {"reproduced": "failure found", "not reproduced": "failure not found"}
    return found.get(status, status) if claim in FAILURES else status


def half_of(claim: str) -> str:
    """Which half of the report a claim is of: "mnist" or "imagenet"."""
    return "mnist" if claim.endswith("-mnist") else "imagenet"


def rules_hash(half: str = "mnist") -> str:
    """First 12 hex digits of the SHA-256 of thresholds and rule texts of the claims on "mnist" or on "imagenet"."""
    thresholds = asdict(RULES) | (asdict(IMAGENET_RULES) if half == "imagenet" else {})
    claims = {name: claim.rule for name, claim in CLAIMS.items() if half_of(name) == half}
    text = json.dumps({"rules": thresholds, "claims": claims}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def code_and_rules(half: str = "mnist") -> str:
    """What result rows carry as `code`: the code version and `rules_hash(half)`."""
    return f"{code_version()}, rules {rules_hash(half)}"


@dataclass(frozen=True)
class Finding:
    """The verdict for one variant: its deciding number with interval, in `unit`, and published values in words."""

    variant: str
    status: Status
    interval: Interval | None
    unit: str
    published: str
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """The verdict on a claim. `number`, `interval`, `published` and `sentence` are those of its weakest variant."""

    claim: str
    status: Status
    number: float | None
    interval: Interval | None
    unit: str
    published: str
    sentence: str
    why: str
    findings: tuple[Finding, ...] = ()

    @property
    def badge(self) -> str:
        """What the verdict's badge says."""
        return badge_words(self.claim, self.status)

    @property
    def scope(self) -> str:
        """For the end of a title: where a claim on ImageNet was tested, unless on photographs too, or nowhere."""
        tested = {finding.variant for finding in self.findings if finding.status != "not tested"}
        return f", in {world_name('toy')} (ImageNet: not tested)" if tested == {"toy"} else ""


@dataclass(frozen=True)
class Check:
    """One condition of the success rule on one trained CGN. value: with its interval where it is a share."""

    name: str
    value: Interval
    least: float | None
    most: float | None

    @property
    def holds(self) -> bool:
        return (self.least is None or self.value.low >= self.least) and (
            self.most is None or self.value.high <= self.most
        )

    @property
    def words(self) -> str:
        """What is checked, as readers call it."""
        if not self.name.startswith("control/"):
            return _CHECKED[self.name]
        requested, recovered = (name.replace("foreground", "texture") for name in self.name.split("/")[1:])
        return f"control over {requested}" if requested == recovered else f"label of {requested} in the {recovered}"


_CHECKED = {
    "training/stopped": "training stopped",
    "mask/area": "mask area",
    "mask/diversity": "diversity of masks",
    "iou/true": "IoU of the masks",
    "inception-score/share": "Inception Score",
    "fid/teacher": "FID",
}


def control_checks(run: pd.DataFrame, variant: str) -> list[Check] | None:
    """The success rule applied to the rows of one trained CGN; None when rows are missing.

    Rows of experiment mnist-control: metrics "control/<requested>/<recovered>" (percent of images, n images),
    "oracle/<factor>" (percent of real images), "mask/area" and "mask/diversity" (fractions). The CGN succeeds when all
    checks hold.
    """
    found = {str(line["metric"]): line for line in run.to_dict("records")}
    factors = FACTORS[variant]
    needed = [f"control/{requested}/{recovered}" for requested in factors for recovered in factors]
    others = ("mask/area", "mask/diversity", *(f"oracle/{factor}" for factor in factors))
    if any(metric not in found for metric in (*needed, *others)):
        return None
    checks = _factor_checks(found, factors)
    area, diversity = (_exactly(float(found[f"mask/{name}"]["value"])) for name in ("area", "diversity"))
    checks.append(Check("mask/area", area, *RULES.mask_area))
    checks.append(Check("mask/diversity", diversity, RULES.mask_diversity_least, None))
    return checks


def _factor_checks(found: dict[str, dict[Hashable, Any]], factors: Sequence[str]) -> list[Check]:
    """Control over each factor, and nothing of it in the others, from rows by metric."""
    checks = []
    for metric in (f"control/{requested}/{recovered}" for requested in factors for recovered in factors):
        _, requested, recovered = metric.split("/")
        n = int(found[metric]["n"])
        value = wilson_interval(float(found[metric]["value"]) / 100 * n, n, RULES.confidence).scaled(100)
        if requested == recovered:
            least = RULES.control_least * float(found[f"oracle/{requested}"]["value"])
            checks.append(Check(metric, value, least, None))
        else:
            checks.append(Check(metric, value, None, RULES.leak_most))
    return checks


def claim1_mnist(rows: pd.DataFrame, recipe: str = "robust", variants: Sequence[str] = VARIANTS) -> Verdict:
    """Claim 1 on MNIST from rows of experiment mnist-control, method cgn, one run per seed."""
    findings, runs = [], 0
    for variant in variants:
        ours = _configuration(select(rows, dataset=variant, method="cgn", recipe=recipe))
        judged = _judged_runs(ours, variant)
        if not judged:
            findings.append(_missing(variant, "control of a trained CGN"))
            continue
        runs = len(judged) if not runs else min(runs, len(judged))
        status, weakest, sentence = _judged(judged)
        whose = "the authors' weights" if recipe == "authors" else f"recipe {recipe}"
        rate = _published_words("mnist-success", variant, "cgn", "success/rate", " % of trainings satisfactory")
        finding = Finding(variant, status, weakest.value, "%", rate, f"{whose}: {sentence}")
        findings.append(_unless_too_short(finding, _blind_oracle(ours, variant) or _cut_short(ours, variant, recipe)))
    why = "Intervals are over images, one trained CGN at a time." + _few_cgns(runs, " per variant")
    verdict = _verdict("claim1-mnist", rows, findings, why)
    tested = [finding.variant for finding in findings if finding.status != "not tested"]
    if verdict.status == "reproduced" and not any("background" in FACTORS[variant] for variant in tested):
        return replace(verdict, status="partly", why=f"Control over the background is not tested. {verdict.why}")
    return verdict


@dataclass(frozen=True)
class SuccessRate:
    """How many trained CGNs of a variant and recipe meet the success rule. failed: what did not hold, in words."""

    variant: str
    recipe: str
    succeeded: int
    trained: int
    failed: tuple[str, ...]

    @property
    def interval(self) -> Interval:
        """Percent of trainings that succeed (Wilson)."""
        return wilson_interval(self.succeeded, self.trained, RULES.confidence).scaled(100)


def success_rates(rows: pd.DataFrame) -> list[SuccessRate]:
    """Rows of experiments mnist-control or mnist-training, counted by variant and recipe.

    A training that stopped ("training/stopped" is 100) is one that failed. Left out where an oracle cannot read its
    factor in real images.
    """
    rates = []
    for variant, recipe in dict.fromkeys(zip(rows["dataset"], rows["recipe"], strict=True)):
        own = _configuration(select(rows, dataset=variant, recipe=recipe))
        judged = _judged_runs(own, variant)
        if not judged or _blind_oracle(own, variant):
            continue
        failed = dict.fromkeys(check.words for checks in judged for check in checks if not check.holds)
        succeeded = sum(all(check.holds for check in checks) for checks in judged)
        rates.append(SuccessRate(variant, recipe, succeeded, len(judged), tuple(failed)))
    return rates


def _judged_runs(rows: pd.DataFrame, variant: str) -> list[list[Check]]:
    """The checks of each trained CGN with rows for them; of one whose training stopped, that alone."""
    marks = [_which_cgn(line) for line in rows.to_dict("records")]
    judged = []
    for mark in dict.fromkeys(marks):
        run = rows.loc[[other == mark for other in marks]]
        if len(select(run, metric="training/stopped", value=100.0)):
            judged.append([Check("training/stopped", _exactly(100.0), None, 0.0)])
        elif (checks := control_checks(run, variant)) is not None:
            judged.append(checks)
    return judged


def _few_cgns(runs: int, each: str = "") -> str:
    """In words, that so few trained CGNs leave the success rate open; else ""."""
    if not 0 < runs < 10:
        return ""
    return f" {runs} trained CGN{'s' * (runs > 1)}{each} say{'s' * (runs == 1)} little about the success rate."


def _judged(runs: Sequence[Sequence[Check]]) -> tuple[Status, Check, str]:
    """Status, weakest control over a factor, and both in words, of the checks of each trained CGN."""
    successes = sum(all(check.holds for check in checks) for checks in runs)
    status: Status = "reproduced" if successes >= RULES.successful_runs_least * len(runs) else "not reproduced"
    controls = [c for checks in runs for c in checks if c.least and c.name.startswith("control/")]
    failed = dict.fromkeys(check.words for checks in runs for check in checks if not check.holds)
    sentence = f"{successes} of {len(runs)} trained CGNs meet{'s' * (len(runs) == 1)} the rule"
    if controls:
        weakest = min(controls, key=lambda check: check.value.low)
        sentence += f"; the factor recovered least is {_factor(weakest.name)}, in {weakest.value.text()} % of images"
    else:
        weakest = Check("training/stopped", _exactly(0.0), None, None)  # nothing was recovered
    return status, weakest, sentence + (f"; failed: {', '.join(failed)}" if failed else "")


def claim1_imagenet(rows: pd.DataFrame, missing: str = "") -> Verdict:
    """Claim 1 on the ImageNet CGN from rows of experiments imagenet-control and imagenet-is, one run per seed.

    missing: what it takes to test it on ImageNet itself, in words.
    """
    toy, runs = _toy_control(rows)
    why = "Toy world: intervals are over images, one trained CGN at a time." + _few_cgns(runs)
    return _verdict("claim1-imagenet", rows, [toy, _published_weights(rows, missing)], why)


def _toy_control(rows: pd.DataFrame) -> tuple[Finding, int]:
    """The finding, and how many trained CGNs it rests on."""
    distances = select(rows, experiment="imagenet-control", dataset="toy", metric="fid/tied")
    ours = _configuration(select(rows, experiment="imagenet-control", dataset="toy", method="cgn", recipe="toy"))
    scores = select(rows, experiment="imagenet-is", dataset="toy")
    marks = [_which_cgn(line) for line in ours.to_dict("records")]
    judged = []
    for mark in dict.fromkeys(marks):
        share = inception_share(select(scores, seed=mark), "toy")
        distance = _of_teacher(select(distances, seed=mark))
        checks = toy_checks(ours.loc[[other == mark for other in marks]], share, distance)
        if checks is not None:
            judged.append(checks)
    if not judged:
        return _missing("toy", "control, FID and Inception Score of a trained CGN and of its teacher"), 0
    status, weakest, sentence = _judged(judged)
    values = {
        name: [check.value.value for checks in judged for check in checks if check.name == name] for name in _CHECKED
    }
    sentence += (
        f"; point values{' of the worst CGN' * (len(judged) > 1)}: IoU of the masks {min(values['iou/true']):.2f}, FID "
        f"{max(values['fid/teacher']):.2f} times the teacher's, Inception Score "
        f"{min(values['inception-score/share']):.2f} times the teacher's, which is at its ceiling and cannot fail here"
    )
    finding = Finding("toy", status, weakest.value, "%", "by eye (seed, Figure 7)", sentence)
    return _unless_too_short(finding, _blind_oracle(ours, "toy") or _short_of_updates(ours)), len(judged)


def toy_checks(run: pd.DataFrame, share: float | None, distance: float | None) -> list[Check] | None:
    """The success rule of the toy world applied to the rows of one trained CGN; None when rows are missing.

    run: experiment imagenet-control, metrics as in `control_checks` and "iou/true"; share, distance: Inception Score
    and FID of images with tied labels over those of the teacher's images.
    """
    found = {str(line["metric"]): line for line in run.to_dict("records")}
    factors = FACTORS["toy"]
    needed = [f"control/{requested}/{recovered}" for requested in factors for recovered in factors]
    needed += ["iou/true", *(f"oracle/{factor}" for factor in factors)]
    if share is None or distance is None or any(metric not in found for metric in needed):
        return None
    checks = _factor_checks(found, factors)
    checks.append(Check("iou/true", _exactly(float(found["iou/true"]["value"])), IMAGENET_RULES.overlap_least, None))
    checks.append(Check("fid/teacher", _exactly(distance), None, IMAGENET_RULES.teacher_fid_most))
    checks.append(Check("inception-score/share", _exactly(share), published_share(), None))
    return checks


def inception_share(rows: pd.DataFrame, dataset: str, source: str | None = None) -> float | None:
    """Inception Score of the CGN over that of its teacher, from rows of imagenet-is; None where one is missing."""
    scores = select(rows, dataset=dataset, metric="inception-score")
    return _of_teacher(scores if source is None else select(scores, source=source))


def _of_teacher(rows: pd.DataFrame) -> float | None:
    """One metric of the CGN over the same of its teacher; None where one is missing."""
    ours, teacher = select(rows, method="cgn"), select(rows, method="biggan")
    if ours.empty or teacher.empty:
        return None
    return _mean(ours) / _mean(teacher)


def published_share() -> float:
    """What SG21 report: the CGN's Inception Score as a share of BigGAN's."""
    share = inception_share(published("imagenet-is"), "imagenet", "SG21")
    assert share is not None
    return share


def _published_weights(rows: pd.DataFrame, missing: str) -> Finding:
    """The authors' CGN on ImageNet against SG21's row of Table 3."""
    ours = select(rows, experiment="imagenet-is", dataset="imagenet", recipe=["authors", "-"])
    share, area = inception_share(ours, "imagenet"), select(ours, method="cgn", metric="mask/mean")
    if share is None or area.empty:
        return replace(_missing("imagenet", "the authors' CGN"), sentence=f"not tested: {missing}")
    theirs = select(published("imagenet-is"), source="SG21", method="cgn")
    mean, spread = (_mean(select(theirs, metric=f"mask/{name}")) for name in ("mean", "deviation"))
    found = _mean(area)
    holds = share >= published_share() and abs(found - mean) <= spread
    words = f"SG21: {published_share():.2f} of BigGAN's score, mean mask {mean:g} ± {spread:g}"
    sentence = (
        f"the authors' CGN has {share:.2f} of BigGAN's Inception Score and a mean mask area of {found:.2f} "
        "(point values)"
    )
    status: Status = "reproduced" if holds else "not reproduced"
    return Finding("imagenet", status, _exactly(share), "of the teacher's score", words, sentence)


def _short_of_updates(rows: pd.DataFrame) -> str:
    """In words, how much shorter the toy world's CGN was trained than its recipe asks; else ""."""
    made = min(json.loads(text).get("cgn_updates", TOY.updates) for text in rows["params"])
    return f"the CGN made {made:,} updates, its recipe asks for {TOY.updates:,}" if made < TOY.updates else ""


def claim2_mnist(rows: pd.DataFrame, recipe: str = "robust", variants: Sequence[str] = VARIANTS) -> Verdict:
    """Claim 2 on MNIST from rows of experiment mnist-ood, metric accuracy/test/last."""
    findings, kinds, compared = [], [], []
    for variant in variants:
        test = select(rows, dataset=variant, metric="accuracy/test/last")
        base = _configuration(select(test, method="original"))
        ours = [_configuration(select(test, method=m, recipe=recipe)) for m in COUNTERFACTUAL_METHODS]
        ours = [frame for frame in ours if len(frame)]
        if base.empty or not ours:
            findings.append(_missing(variant, "accuracies of 'original' and of a counterfactual method"))
            continue
        best = max(ours, key=lambda frame: interval_of(frame).value)
        method, accuracy, gain = str(best["method"].iloc[0]), interval_of(best), _difference(best, base)
        kinds.append(gain.kind)
        compared += [best, base]
        theirs = _published_values("mnist-ood", variant, method, "accuracy/test/last")
        least = theirs["seed Table 6" if recipe == "authors" else "SG21"] - RULES.published_margin
        status: Status = "not reproduced"
        if gain.low > 0:
            status = "reproduced" if accuracy.high >= least else "partly"
        sentence = f"{method} changes accuracy by {_signed(gain)} points, to {accuracy.text()} %"
        words = ", ".join(f"{name} {value:g} %" for name, value in theirs.items())
        finding = Finding(variant, status, gain, "points", words, sentence)
        findings.append(_unless_too_short(finding, _failed_control(test) or _cut_short(best, variant, recipe)))
    return _verdict("claim2-mnist", rows, findings, _why(compared, kinds))


def gradcam_mnist(rows: pd.DataFrame, recipe: str = "robust", variant: str = "double-colored") -> Verdict:
    """Figure 3 from rows of experiment mnist-gradcam, metric sensitivity/colour-over-digit (unit "ratio")."""
    maps = select(rows, dataset=variant, metric="sensitivity/colour-over-digit")
    base = _configuration(select(maps, method="original"))
    ours = [_configuration(select(maps, method=m, recipe=recipe)) for m in COUNTERFACTUAL_METHODS]
    ours = [frame for frame in ours if len(frame)]
    if base.empty or not ours:
        return _verdict("gradcam-mnist", rows, [_missing(variant, "heat-map sensitivities")], "")
    theirs, before = ours[0], interval_of(base).value
    after = interval_of(theirs).value
    over_seeds = _seed_difference(theirs, base)
    change = over_seeds or _exactly(after - before, "no interval: fewer than 3 seeds")
    smaller = after <= (1 - RULES.colour_drop_least) * before and (over_seeds is None or over_seeds.high < 0)
    sentence = f"colour over digit sensitivity of the heat maps goes from {before:.2f} (original) to {after:.2f}"
    sentence += f", a change of {over_seeds.text(2)}" if over_seeds else ""
    status: Status = ("reproduced" if after < 1 else "partly") if smaller else "not reproduced"
    finding = Finding(variant, status, change, "", "by eye (seed, Figure 3)", sentence)
    failed = _failed_control(select(rows, dataset=variant, metric="accuracy/themes"), bound=False)
    finding = _unless_too_short(finding, failed or _cut_short(theirs, variant, recipe))
    return _verdict("gradcam-mnist", rows, [finding], _why([base, theirs], [change.kind]))


_MARGINAL: dict[str, Status] = {"within": "reproduced", "undecided": "partly", "beyond": "not reproduced"}


def claim3_mnist(
    rows: pd.DataFrame, recipe: str = "robust", variants: Sequence[str] = VARIANTS, method: str = "original+cgn"
) -> Verdict:
    """Claim 3 on MNIST from rows of experiment mnist-indomain, metric accuracy/indomain/last.

    method: the claim is about counterfactuals beside original data; "cgn" applies its rule to counterfactuals alone.
    """
    findings, kinds, compared = [], [], []
    for variant in variants:
        test = select(rows, dataset=variant, metric="accuracy/indomain/last")
        base = _configuration(select(test, method="original"))
        ours = _configuration(select(test, method=method, recipe=recipe))
        if base.empty or ours.empty:
            findings.append(_missing(variant, f"in-domain accuracies of 'original' and '{method}'"))
            continue
        change = _difference(ours, base)
        kinds.append(change.kind)
        compared += [ours, base]
        status = _MARGINAL[within_margin(change, RULES.degradation_margin)]
        sentence = f"accuracy changes by {_signed(change)} points, to {interval_of(ours).text()} %"
        before, after = (
            _published_values("mnist-indomain", variant, each, "accuracy/indomain/last")
            for each in ("original", method)
        )
        drops = [a - b for a, b in zip(after.values(), before.values(), strict=False)]
        finding = Finding(
            variant, status, change, "points", f"seed Table 1: {drops[0]:+.1f} points" if drops else "", sentence
        )
        findings.append(_unless_too_short(finding, _failed_control(test) or _cut_short(ours, variant, recipe)))
    return _verdict("claim3-mnist", rows, findings, _why(compared, kinds))


def claim2_imagenet(rows: pd.DataFrame, missing: str = "") -> Verdict:
    """Claim 2 on the ImageNet classifier from rows of experiment imagenet-background (`ClassifierStudy`).

    missing: what it takes to test it on ImageNet-9 itself, in words.
    """
    findings, kinds, compared = [], [], []
    for dataset in ("toy", "imagenet-9"):
        test = select(rows, experiment="imagenet-background", dataset=dataset)
        ours = _configuration(select(test, method="original+cgn", metric="bg-gap/change"))
        if ours.empty or select(test, method="original", metric="bg-gap").empty:
            findings.append(_untested(dataset, "background gaps of 'original' and 'original+cgn'", missing))
            continue
        status, change, sentence = _narrowed(test, "original+cgn")
        beside = _gap_difference(test, "original+cgn", "original+gan")
        if beside is not None:
            status = "partly" if status == "reproduced" and beside.high >= 0 else status
            sentence += f"; against as many images without counterfactuals ('original+gan') by {_signed(beside)} points"
        kinds.append(change.kind)
        compared.append(ours)
        finding = Finding(dataset, status, change, "points", published_gap_changes(), sentence)
        findings.append(_unless_too_short(finding, _no_gap_to_narrow(test) or _short_of_updates(ours)))
    return _verdict("claim2-imagenet", rows, findings, _why(compared, kinds))


def bounded(rows: pd.DataFrame, method: str, metric: str) -> Interval:
    """Mean and interval of a metric that has rows <metric>/low and <metric>/high, taken over images, beside it.

    Over seeds where there are enough of them, else the mean of the intervals over images.
    """
    found = _configuration(select(rows, method=method, metric=metric))
    if len(found) >= RULES.seeds_for_interval:
        return interval_of(found)
    low, high = (_mean(select(rows, method=method, metric=f"{metric}/{end}")) for end in ("low", "high"))
    return Interval(_mean(found), low, high, "paired bootstrap over images")


def _narrowed(test: pd.DataFrame, method: str) -> tuple[Status, Interval, str]:
    """Whether a method narrows the background gap of 'original' by the rule: status, change of the gap, in words."""
    base, ours = (
        _configuration(select(test, method=name, metric="accuracy/mixed-rand")) for name in ("original", method)
    )
    change, other = bounded(test, method, "bg-gap/change"), _difference(ours, base)
    status: Status = "not reproduced"
    if change.high < 0:
        status = "reproduced" if other.low > -IMAGENET_RULES.random_margin else "partly"
    before, after = (_mean(select(test, method=name, metric="bg-gap")) for name in ("original", method))
    sentence = (
        f"the background gap changes by {_signed(change)} points, from {before:.1f} to {after:.1f}; accuracy on random "
        f"backgrounds by {_signed(other)} points"
    )
    return status, change, sentence


def _gap_difference(test: pd.DataFrame, method: str, control: str) -> Interval | None:
    """Background gap of a method minus that of another, in points; None where rows are missing.

    Over seeds where there are enough of them, else of the intervals over images as if independent, which is wider.
    """
    ours, theirs = (_configuration(select(test, method=name, metric="bg-gap")) for name in (method, control))
    if ours.empty or theirs.empty:
        return None
    over_seeds = _seed_difference(ours, theirs)
    return over_seeds or independent_difference(bounded(test, method, "bg-gap"), bounded(test, control, "bg-gap"))


def _no_gap_to_narrow(test: pd.DataFrame) -> str:
    """In words, why no method could show that it narrows the background gap; else ""."""
    gap = bounded(test, "original", "bg-gap")
    if gap.low <= 0:
        return f"'original' has no background gap ({gap.text()} points)"
    if "toy" not in set(test["dataset"]):
        return ""  # of photographs nobody has free factors
    if select(test, method="original+oracle", metric="bg-gap/change").empty:
        return "no rows of 'original+oracle'"
    status, change, _ = _narrowed(test, "original+oracle")
    if status == "reproduced":
        return ""
    return f"truly free factors ('original+oracle') do not narrow the gap by the rule ({_signed(change)} points)"


def published_gap_changes() -> str:
    """The change of the background gap on ImageNet-9 in each published table, in words."""
    gaps = select(published("imagenet-ood"), metric="bg-gap", recipe=["authors", "-"])
    changes = []
    for source in ("seed", "SG21"):
        before, after = (_mean(select(gaps, source=source, method=m)) for m in ("original", "original+cgn"))
        changes.append(f"{source} {after - before:+.1f}")
    return f"ImageNet-9: {', '.join(changes)} points"


def claim3_imagenet(rows: pd.DataFrame, missing: str = "") -> Verdict:
    """Claim 3 on the ImageNet classifier from rows of experiment imagenet-indomain, metric accuracy/top1.

    missing: what it takes to test it on ImageNet itself, in words.
    """
    theirs = select(published("imagenet-indomain"), source="seed", metric="accuracy/top1/change")
    words = ", ".join(f"seed Table 4: {value:+g} points" for value in theirs["value"])
    findings, kinds, compared = [], [], []
    for dataset in ("toy", "imagenet-mini"):
        test = select(rows, experiment="imagenet-indomain", dataset=dataset, metric="accuracy/top1")
        base, ours = (_configuration(select(test, method=method)) for method in ("original", "original+cgn"))
        if base.empty or ours.empty:
            findings.append(_untested(dataset, "accuracies of 'original' and 'original+cgn'", missing))
            continue
        change = _difference(ours, base)
        kinds.append(change.kind)
        compared += [ours, base]
        sentence = f"accuracy changes by {_signed(change)} points, to {interval_of(ours).text()} %"
        status = _MARGINAL[within_margin(change, RULES.degradation_margin)]
        finding = Finding(dataset, status, change, "points", words, sentence)
        findings.append(_unless_too_short(finding, _toy_untested(dataset, rows, ours)))
    return _verdict("claim3-imagenet", rows, findings, _why(compared, kinds))


def heads_imagenet(rows: pd.DataFrame, missing: str = "") -> Verdict:
    """Table 4's shape biases from rows of experiment imagenet-shape-bias, metrics shape-bias/<head> and shape-bias.

    missing: what it takes to test it on photographs, in words.
    """
    findings, kinds, compared = [], [], []
    theirs = select(published("imagenet-shape-bias"), source="seed", dataset="cue-conflict")
    printed = {str(line["metric"]): float(line["value"]) for line in theirs.to_dict("records")}
    words = ", ".join(f"{metric.removeprefix('shape-bias/')} {value:g}" for metric, value in printed.items())
    for dataset in ("toy", "cue-conflict"):
        bias = select(rows, experiment="imagenet-shape-bias", dataset=dataset)
        base = _configuration(select(bias, method="original", metric="shape-bias"))
        parted = _parted(bias, "original+cgn")
        if base.empty or parted is None:
            findings.append(_untested(dataset, "shape biases of 'original' and 'original+cgn', by head", missing))
            continue
        gain, loss, shape, texture = parted
        kinds += [gain.kind, loss.kind]
        compared += [shape, texture, base]
        statuses: tuple[Status, ...] = ("not reproduced", "partly", "reproduced")
        sentence = (
            f"shape bias {interval_of(base).text()} % without counterfactuals; with them {interval_of(shape).text()} % "
            f"for the shape head and {interval_of(texture).text()} % for the texture head"
        )
        least = min(gain, loss, key=lambda each: each.low)
        status = statuses[(gain.low > 0) + (loss.low > 0)]
        finding = Finding(dataset, status, least, "points", f"seed Table 4: {words} %", sentence)
        failed = _unparted_oracle(bias) or _short_of_updates(shape) if dataset == "toy" else ""
        findings.append(_unless_too_short(finding, failed))
    why = _why(compared, kinds).replace("over test images", "over decisions for one of the two cues")
    return _verdict("heads-imagenet", rows, findings, why)


def _parted(bias: pd.DataFrame, method: str) -> tuple[Interval, Interval, pd.DataFrame, pd.DataFrame] | None:
    """How far a method's shape head lies above the shape bias of 'original', how far its texture head lies below, and
    the rows of both heads; None where rows are missing.
    """
    base = _configuration(select(bias, method="original", metric="shape-bias"))
    shape, texture = (
        _configuration(select(bias, method=method, metric=f"shape-bias/{head}")) for head in ("shape", "texture")
    )
    if base.empty or shape.empty or texture.empty:
        return None
    return _difference(shape, base), _difference(base, texture), shape, texture


def _unparted_oracle(bias: pd.DataFrame) -> str:
    """In words, that the heads of the positive control do not part; else ""."""
    parted = _parted(bias, "original+oracle")
    if parted is None:
        return "no rows of 'original+oracle'"
    if min(parted[0].low, parted[1].low) > 0:
        return ""
    shape, texture = (interval_of(rows).text() for rows in parted[2:])
    return f"the heads of 'original+oracle' do not part: {shape} % for its shape, {texture} % for its texture head"


def _untested(dataset: str, what: str, missing: str) -> Finding:
    """No rows; of photographs it says what is missing."""
    finding = _missing(dataset, what)
    return replace(finding, sentence=f"not tested: {missing}") if missing and dataset != "toy" else finding


def _toy_untested(dataset: str, rows: pd.DataFrame, ours: pd.DataFrame) -> str:
    """In words, why the toy world's accuracies judge nothing; else ""."""
    if dataset != "toy":
        return ""
    test = select(rows, experiment="imagenet-indomain", dataset=dataset, metric="accuracy/top1")
    oracle = _configuration(select(test, method="original+oracle"))
    if oracle.empty:
        return "no rows of 'original+oracle'"
    reached = interval_of(oracle)
    if reached.low < RULES.oracle_least:
        return f"'original+oracle' reaches {reached.text()} %, {RULES.oracle_least:g} are needed"
    return _short_of_updates(ours)


def failure_imagenet(claim: str, rows: pd.DataFrame) -> Verdict:
    """A failure of Figures 10 to 12 from rows of experiment imagenet-control. Raises ValueError for another claim."""
    if claim not in FAILURES:
        raise ValueError(f"no failure of Figures 10 to 12: {claim!r}")
    test = select(rows, experiment="imagenet-control", dataset="toy")
    finding = _reduced_realism(test) if claim == "realism-imagenet" else _more_than_in_real(claim, test)
    between = finding.interval
    if between is None:
        return _verdict(claim, rows, [finding], "")
    finding = _unless_too_short(finding, _short_of_updates(select(test, method="cgn")))
    left_out = "the spread between CGNs is left out."
    why = "The interval is over trained CGNs."
    if not between.kind.startswith("t over"):
        bare = between.kind.startswith("no interval")
        why = f"{'A single trained CGN has no interval' if bare else 'The interval is over images'}: {left_out}"
    return _verdict(claim, rows, [finding], why)


def _more_than_in_real(claim: str, test: pd.DataFrame) -> Finding:
    """Figures 10 and 11: how much more often the oracle reads a factor where none should be than in real images."""
    metric, words, clean = {
        "entanglement-imagenet": (
            "entangled/foreground",
            "foregrounds show the scene of their class to the oracle",
            "rendered textures, which show none",
        ),
        "residue-imagenet": (
            "legible/background",
            "backgrounds show the silhouette of their class to the oracle",
            "rendered scenes, which hold no object",
        ),
    }[claim]
    ours, real = (_configuration(select(test, method=method, metric=metric)) for method in ("cgn", "real"))
    if ours.empty or real.empty:
        return _missing("toy", f"oracle's readings ({metric}) of {'a trained CGN' if ours.empty else clean}")
    more = _difference(ours, real)
    status: Status = "reproduced" if more.low > IMAGENET_RULES.failure_margin else "not reproduced"
    sentence = (
        f"{interval_of(ours).text()} % of {words}; of {clean}, {interval_of(real).text()} %: {_signed(more)} points"
    )
    return Finding("toy", status, more, "points", "by eye (seed)", sentence)


def _reduced_realism(test: pd.DataFrame) -> Finding:
    """Figure 12: FID with free labels over FID with tied labels, one ratio per CGN."""
    free, tied = (_configuration(select(test, method="cgn", metric=f"fid/{labels}")) for labels in ("free", "tied"))
    before = {_which_cgn(line): float(line["value"]) for line in tied.to_dict("records")}
    ratios = [
        float(line["value"]) / before[mark] for line in free.to_dict("records") if (mark := _which_cgn(line)) in before
    ]
    if not ratios:
        return _missing("toy", "FID of a trained CGN with free and with tied labels")
    found = _exactly(sum(ratios) / len(ratios), "no interval: a ratio of two distances")
    if len(ratios) >= RULES.seeds_for_interval:
        found = mean_interval(ratios, RULES.confidence)
    status: Status = "reproduced" if found.low > IMAGENET_RULES.realism_most else "not reproduced"
    sentence = f"FID {_mean(free):.1f} with free labels, {found.value:.2f} times the {_mean(tied):.1f} with tied labels"
    return Finding("toy", status, found, "times", "by eye (seed)", sentence)


def shape_bias_baseline(rows: pd.DataFrame) -> Verdict:
    """Table 4's baseline from rows of experiment imagenet-shape-bias, method efficientnet-lite0, all stimuli."""
    claim, name = "shape-bias-baseline", "EfficientNet-Lite0"
    bias = select(rows, dataset="cue-conflict", method="efficientnet-lite0", metric="shape-bias", stimuli="all")
    own = select(bias, normalisation="lite", enlarge=False)
    if own.empty:
        return _verdict(claim, rows, [_missing(name, "shape bias on all stimuli")], "")
    found = [interval_of(_configuration(own))] + [
        wilson_interval(float(line["value"]) / 100 * int(line["n"]), int(line["n"]), RULES.confidence).scaled(100)
        for line in bias.to_dict("records")
    ]
    theirs = select(published("imagenet-shape-bias"), dataset="cue-conflict", metric="shape-bias")
    seed = float(select(theirs, source="seed", method="original")["value"].iloc[0])
    others = [float(value) for value in select(theirs, source="Geirhos")["value"]]
    others += [float(value) for value in select(bias, normalisation="lite")["value"]]
    low, high, margin = min(others), max(others), IMAGENET_RULES.baseline_margin
    status: Status = "not reproduced"
    if max(each.high for each in found) < IMAGENET_RULES.texture_most:
        status = "reproduced" if low - margin <= seed <= high + margin else "partly"
    place = "above all of them" if seed > high else "below all of them" if seed < low else "among them"
    sentence = (
        f"shape bias {found[0].text()} %; networks without counterfactuals span {low:.1f} to {high:.1f} %, ours with "
        f"its own normalisation included; the seed's {seed:g} % lies {place}"
    )
    words = f"seed Table 4: {seed:g} %"
    finding = Finding(name, status, found[0], "%", words, sentence)
    return _verdict(claim, rows, [finding], "Intervals are over decisions for one of the two cues.")


def _verdict(claim: str, rows: pd.DataFrame, findings: list[Finding], why: str) -> Verdict:
    """Status over variants, and the weakest variant's number."""
    tested = [finding for finding in findings if finding.status != "not tested"]
    if not tested:
        sentence = "; ".join(f"{world_name(f.variant)}: {f.sentence}" for f in findings)
        return Verdict(claim, "not tested", None, None, "", "", sentence, "", tuple(findings))
    weakest = min(tested, key=lambda finding: _strength(finding, CLAIMS[claim].lower_is_better))
    assert weakest.interval is not None
    left_out = [world_name(finding.variant) for finding in findings if finding.status == "not tested"]
    sentence = _whole_sentence(claim, tested, weakest, left_out)
    if left_out:
        why += f" Not tested: {', '.join(left_out)}."
    today = rules_hash(half_of(claim))
    if any(found != today for found in rows["code"].str.extract(r"rules (\w+)")[0].dropna()):
        why += " Some rows were made before the rules took their present form, which changes no value of a row."
    status = combine([finding.status for finding in tested])
    if "smoke" in set(rows["profile"]):
        status, why = "not tested", "Not tested at this scale: smoke runs every line, its numbers mean nothing. " + why
    return Verdict(
        claim,
        status,
        weakest.interval.value,
        weakest.interval,
        weakest.unit,
        weakest.published if half_of(claim) == "imagenet" else f"{weakest.variant}: {weakest.published}",
        sentence,
        why.strip(),
        tuple(findings),
    )


def _whole_sentence(claim: str, tested: Sequence[Finding], weakest: Finding, left_out: Sequence[str]) -> str:
    """The weakest finding in words and, where there are others, how many variants or worlds it stands for."""
    name, words = world_name(weakest.variant), f"{weakest.sentence}."
    if [finding.variant for finding in tested] == ["toy"]:
        return f"In {name} (ImageNet: not tested): {words}"
    kind = "worlds" if half_of(claim) == "imagenet" else "variants"
    if len(tested) + len(left_out) == 1 or (kind == "worlds" and len(tested) == 1):
        return f"{name}: {words}"
    held = sum(finding.status == "reproduced" for finding in tested)
    return f"Reproduced for {held} of {len(tested)} {kind}; the weakest, {name}: {words}"


def combine(statuses: Sequence[Status]) -> Status:
    """One status from those of the variants: all, some or none reproduced; those not tested do not count."""
    tested: list[Status] = [status for status in statuses if status != "not tested"]
    if not tested:
        return "not tested"
    return tested[0] if len(set(tested)) == 1 else "partly"


def _strength(finding: Finding, lower_is_better: bool) -> tuple[int, float]:
    """Status, then the bound of the interval that speaks least for the claim."""
    order: list[Status] = ["not reproduced", "partly", "reproduced"]
    assert finding.interval is not None
    return order.index(finding.status), -finding.interval.high if lower_is_better else finding.interval.low


def _factor(metric: str) -> str:
    """The requested factor of a control metric, as readers call it."""
    return metric.split("/")[1].replace("foreground", "texture")


def _missing(variant: str, what: str) -> Finding:
    return Finding(variant, "not tested", None, "", "", f"not tested, no rows with the {what}")


def _unless_too_short(finding: Finding, failed: str) -> Finding:
    """The finding, or with its numbers "not tested" where the positive control failed, as `failed` says in words."""
    if not failed:
        return finding
    return replace(finding, status="not tested", sentence=f"{finding.sentence}; not tested at this scale: {failed}")


def _blind_oracle(rows: pd.DataFrame, variant: str) -> str:
    """In words, how the worst factor oracle of a variant fails on real images; else ""."""
    oracles = select(rows, metric=[f"oracle/{factor}" for factor in FACTORS[variant]])
    if oracles.empty:
        return ""
    worst = oracles.loc[oracles["value"].idxmin()]
    if worst["value"] >= RULES.control_oracle_least:
        return ""
    read = f"the {_factor(str(worst['metric']))} oracle reads {worst['value']:.1f} % of real images right"
    return f"{read}, {RULES.control_oracle_least:g} are needed"


def _which_cgn(line: dict[Hashable, Any]) -> Any:
    """What tells the CGN of a row from others: its seed, else the checksum of given weights, else the row's seed."""
    params = json.loads(line["params"] or "{}")
    return params.get("cgn_seed", params.get("cgn_sha256", line["seed"]))


def _cut_short(rows: pd.DataFrame, variant: str, recipe: str) -> str:
    """In words, how much shorter a CGN was trained than its recipe asks; else "". Others' weights are as they are."""
    if recipe not in RECIPES:
        return ""
    asked = recipe_for(recipe, variant).images
    seen = min(json.loads(text).get("cgn_images", asked) for text in rows["params"])
    return f"the CGN saw {seen:,} training images, its recipe asks for {asked:,}" if seen < asked else ""


def _failed_control(rows: pd.DataFrame, *, bound: bool = True) -> str:
    """In words, how the positive control (method oracle) fails on the rows of one metric of one variant; else "".

    bound: the lower bound of its interval must reach what is needed, else its mean.
    """
    oracle = _configuration(select(rows, method="oracle"))
    if oracle.empty:
        return "no rows of 'oracle'"
    reached = interval_of(oracle)
    if (reached.low if bound else reached.value) >= RULES.oracle_least:
        return ""
    return f"'oracle' reaches {reached.text()} %, {RULES.oracle_least:g} are needed"


def _configuration(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows, checked to differ in seeds alone. Raises ResultsError: two settings are not two seeds."""
    lines = rows.to_dict("records")
    settings = {(line["profile"], line["data"], split_seeds(line["params"])[0]) for line in lines}
    if len(settings) > 1:
        raise ResultsError(
            f"a verdict needs rows of one setting, found {len(settings)}: {sorted(settings)}; use select()"
        )
    return rows


def _difference(ours: pd.DataFrame, base: pd.DataFrame) -> Interval:
    """ours - base, in the unit of the rows: over seeds where both have enough of them, else over test images."""
    over_seeds = _seed_difference(ours, base)
    if over_seeds is not None:
        return over_seeds
    (x, n), (y, m) = ((interval_of(rows).value / 100, min(int(n) for n in rows["n"])) for rows in (ours, base))
    return difference_interval(x * n, n, y * m, m, RULES.confidence).scaled(100)


def _seed_difference(ours: pd.DataFrame, base: pd.DataFrame) -> Interval | None:
    """ours - base over seeds as `interval_of` does: over CGNs (or sets of images) where both have enough of them, else
    over classifiers, paired by seed; None where both have too few.
    """
    a, b = seed_groups(ours), seed_groups(base)
    if min(len(a), len(b)) >= RULES.seeds_for_interval:
        means = [[sum(group) / len(group) for group in groups] for groups in (a, b)]
        return mean_difference_interval(means[0], means[1], RULES.confidence)
    first, second = (
        {seed: _mean(rows.loc[rows["seed"] == seed]) for seed in sorted(set(rows["seed"]))} for rows in (ours, base)
    )
    pairs = [first[seed] - second[seed] for seed in first if seed in second]
    if len(pairs) < RULES.seeds_for_interval:
        return None
    return replace(mean_interval(pairs, RULES.confidence), kind="t over classifier seeds")


def _published_values(experiment: str, variant: str, method: str, metric: str) -> dict[str, float]:
    """Values of each of the seed's tables, and of SG21, whose one CGN row may be either counterfactual method."""
    lines = select(published(experiment), dataset=variant, metric=metric)
    seed = select(lines, source="seed", method=method).to_dict("records")
    either = COUNTERFACTUAL_METHODS if method in COUNTERFACTUAL_METHODS else method
    sg21 = select(lines, source="SG21", method=either).to_dict("records")
    named = [(f"seed Table {line['table']}", line) for line in seed] + [("SG21", line) for line in sg21]
    return {name: float(line["value"]) for name, line in named}


def _published_words(experiment: str, variant: str, method: str, metric: str, unit: str) -> str:
    lines = select(published(experiment), dataset=variant, method=method, metric=metric)
    return ", ".join(f"{line['source']}: {line['value']:g}{unit}" for line in lines.to_dict("records"))


def _mean(rows: pd.DataFrame) -> float:
    return sum(float(value) for value in rows["value"]) / len(rows)


def _signed(interval: Interval) -> str:
    return f"{interval.value:+.1f} [{interval.low:+.1f}, {interval.high:+.1f}]"


def _exactly(value: float, kind: str = "mean over images") -> Interval:
    return Interval(value, value, value, kind)


def _why(compared: Sequence[pd.DataFrame], kinds: Sequence[str]) -> str:
    """What the intervals are over, and what they leave out."""
    least = RULES.seeds_for_interval
    over_images = [kind for kind in kinds if not kind.startswith("t over")]
    if not over_images:
        if not any("classifier" in kind for kind in kinds):
            return "Intervals are over seeds."
        return (
            f"Intervals are over classifier seeds, with fewer than {least} CGNs, on the same test images; the spread "
            "between CGNs and of test images is left out."
        )
    seeds = [len(rows) for rows in compared]
    found = "A single seed" if max(seeds) == 1 else f"Fewer than {least} seeds"
    if max(seeds) >= least:
        found += " on one side"
    if len(over_images) < len(kinds):
        found = f"Where there are fewer than {least} seeds"
    what = "no interval" if over_images[0].startswith("no interval") else "intervals are over test images"
    return f"{found}: {what}, so the spread between seeds (of the classifier and of the CGN) is left out."
