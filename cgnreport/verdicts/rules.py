"""Every threshold by which the report judges, each with its source. `claims.yaml` puts them into words.

Shares, accuracies and biases are percent, differences of these are points; mask areas and overlaps are fractions.
Intervals are 95 % intervals (`cgnlib.statistics`); a threshold is met by the bound that speaks least for the claim. One
asks for agreement with a published accuracy (claim 2): it is met unless the whole interval lies below, so a wide one
agrees with more.
"""

from dataclasses import dataclass, field, fields
from typing import Any

from cgnreport.protocol.summary import SEEDS_FOR_INTERVAL


def _of(value: Any, source: str) -> Any:
    """A threshold and where it comes from, in words that pages show."""
    return field(default=value, metadata={"source": source})


@dataclass(frozen=True)
class Rules:
    """Thresholds of the MNIST half; the ImageNet half uses them as well."""

    seeds_for_interval: int = _of(
        SEEDS_FOR_INTERVAL,
        "two values have a t interval, but one of 12.7 standard errors; three is the least that says anything",
    )
    cgns_least: int = _of(
        5,
        "our choice: of four CGNs that all succeed, Wilson's interval of the rate begins at 51 %; of fewer a rate says "
        "less than a coin",
    )
    oracle_least: float = _of(
        80.0,
        "our choice: at full scale truly free factors give 89 to 99 %; below 80 the trainings are too short to judge "
        "counterfactuals by",
    )
    reader_least: float = _of(
        60.0, "our choice: the noise of colored MNIST's colours allows little more than 82 %; chance is 10 %"
    )
    control_least: float = _of(0.8, "our choice, as a ratio to what the reader reads in real images")
    leak_most: float = _of(25.0, "our choice; chance is 10 %")
    mask_area: tuple[float, float] = _of(
        (0.05, 0.40), "our choice: neither empty nor the whole image; the authors' weights have 0.12 to 0.17"
    )
    mask_diversity_least: float = _of(0.02, "our choice: a fixed mask has 0, the authors' weights 0.13")
    successful_runs_least: float = _of(
        90.0, "our choice: the study, by eye, counts 0 of 10 or more, approximately 2/3 and approximately 2/3"
    )
    runs_for_rate: int = _of(10, "with fewer trained CGNs a single failure decides whether 90 % succeed")
    published_margin: float = _of(
        2.0,
        "of the same CGNs, SG21's row 'CGN' and the study's Table 6 differ by 1.2 to 2.3 points if that row is 'cgn'; "
        "if it is 'original+cgn', which is judged, by 1.3 and 1.8 and, on wildlife, 9.5",
    )
    degradation_margin: float = _of(1.5, "SG21's own drop on ImageNet-9 was 1.4 points")
    ceiling: float = _of(99.9, "our choice: where every kind of training data reads so many, no loss can show")
    colour_drop_least: float = _of(20.0, "our choice, of the sensitivity without counterfactuals")
    heat_map_classifiers: int = _of(
        10,
        "settled on before any rows of today's maps were looked at: with earlier maps three said no, and more said yes",
    )


@dataclass(frozen=True)
class ImageNetRules:
    """Thresholds that the ImageNet half has beside those of `Rules`."""

    texture_most: float = _of(50.0, "by definition: below it most decisions go by texture")
    overlap_least: float = _of(0.5, "what counts as found in object detection (PASCAL VOC)")
    score_share_margin: float = _of(
        0.02,
        "of the same CGN, SG21 and the study report 0.64 and 0.66 of BigGAN's Inception Score: so far apart are two "
        "measurements",
    )
    teacher_fid_most: float = _of(2.0, "our choice")
    named_least: float = _of(
        10.0, "guessing among ten classes; among the 16 categories of the stimuli it is 6.25, and this asks for more"
    )
    random_margin: float = _of(3.0, "our choice: a gap must not narrow by accuracy getting worse")
    noisy_most: float = _of(
        95.0, "our choice, before any row: it leaves room for three times the marginal loss, and more"
    )
    failure_margin: float = _of(5.0, "our choice, beyond images that cannot fail")
    realism_most: float = _of(1.5, "our choice")
    baseline_margin: float = _of(5.0, "our choice, about the range of networks without counterfactuals")


RULES = Rules()
IMAGENET_RULES = ImageNetRules()
THRESHOLD_SOURCES = {
    each.name: str(each.metadata["source"]) for rules in (RULES, IMAGENET_RULES) for each in fields(rules)
}
