"""Shape bias on the cue-conflict stimuli, in rows: of networks at hand, and of people and networks from records.

`python -m cgnreport.protocol.cue_conflict` makes all rows and keeps them. Intervals are over shape images and texture
images, crossed.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import product

from cgnlib.data.finding import missing, require
from cgnlib.errors import AssetError, needed
from cgnlib.imagenet.cue_conflict import evaluate, read_record
from cgnlib.imagenet.names import CATEGORIES
from cgnlib.imagenet.networks import NEEDED, NORMALISATIONS, pretrained
from cgnlib.imagenet.normalisation import IMAGENET, LITE, Normalisation
from cgnlib.imagenet.shape_bias import Trials
from cgnreport.protocol.experiments import Measured, Rows, Study, failed, measure_command
from cgnreport.protocol.imagenet_settings import LITE0, record, stimuli
from cgnreport.protocol.parameters import Parameters
from cgnreport.protocol.rows import Number


def bias_numbers(trials: Trials) -> list[Number]:
    """Shape bias in percent (n: decisions for a cue), both counts (n: images), of all images and of each category; and
    how often each category is the answer, whatever is shown.

    A category without a decision has no shape bias, only counts.
    """
    numbers, bias = [], trials.bias
    for name, counts in {"": bias, **{f"/category/{name}": each for name, each in bias.by_category.items()}}.items():
        if counts.decided:
            found = trials.interval(CATEGORIES.index(name.rpartition("/")[2]) if name else None).scaled(100)
            metric = f"shape-bias{name}"
            numbers.append(Number(metric, found.value, counts.decided, low=found.low, high=found.high))
        numbers.append(Number(f"decisions/shape{name}", counts.shape, counts.n, "images"))
        numbers.append(Number(f"decisions/texture{name}", counts.texture, counts.n, "images"))
    answers = {name: 100 * trials.answers(category) for category, name in enumerate(CATEGORIES)}
    return numbers + [Number(f"answers/{name}", value, bias.n) for name, value in answers.items()]


def network_rows(
    parameters: Parameters, name: str = LITE0, normalisation: Normalisation | None = None, *, enlarge: bool = False
) -> Rows:
    """Rows of a network of NETWORKS on `imagenet_stimuli` stimuli (imagenet-shape-bias).

    normalisation: in place of its own.
    """
    limit, folder, how = parameters.imagenet.stimuli, parameters.data_folder, normalisation or NORMALISATIONS[name]

    def measure(_: int) -> Measured:
        needed(missing(["cue-conflict", *NEEDED.get(name, ())], folder))
        start, network = time.perf_counter(), replace(pretrained(name, folder), normalisation=how)
        trials = evaluate(network, require("cue-conflict", folder), enlarge=enlarge, limit=limit, seed=parameters.seed)
        return Measured(bias_numbers(trials), time.perf_counter() - start)

    setting = stimuli(parameters, how.name, enlarge, name)
    return Study(parameters, "cpu").rows(setting, measure, [0])  # nothing is trained


def record_rows(parameters: Parameters) -> list[Rows]:
    """Rows of people and networks from records of their decisions (imagenet-shape-records), a part for each record.

    A record is named "subject-01" or "resnet50", and its source after its folder. A damaged one costs its own part. Of
    records with the same decisions the first is taken. Without any, what is missing.
    """
    if lacking := missing(["cue-conflict-trials"], parameters.data_folder):
        return [lacking]
    study, seen, parts = Study(parameters, "cpu"), set[frozenset](), list[Rows]()
    for file in sorted(require("cue-conflict-trials", parameters.data_folder).parent.glob("*/*.csv")):
        name = file.stem.split("session")[0].strip("_").rpartition("_")[2]
        setting = record(parameters, file.parent.name, name)
        try:
            trials = read_record(file)
        except AssetError as error:
            parts.append(failed(name, error))
            continue
        decided = frozenset(zip(trials.shape_images, trials.texture_images, trials.decided.tolist(), strict=True))
        if decided not in seen:  # whether or not its rows are kept already
            parts.append(study.rows(setting, lambda _, of=trials: Measured(bias_numbers(of)), [0]))
        seen.add(decided)
    return parts


def main(arguments: list[str] | None = None) -> int:
    """Measure networks, EfficientNet-Lite0 with another normalisation and enlarged images too, and all records."""
    ways = [*product([LITE0], (LITE, IMAGENET), (False, True))]
    ways += [(name, how, False) for name, how in NORMALISATIONS.items() if name != LITE0]
    parts: dict[str, Callable[[Parameters], list[Rows]]] = {
        "networks": lambda given: [network_rows(given, name, how, enlarge=enlarge) for name, how, enlarge in ways],
        "records": record_rows,
    }
    bias = {"metric": "shape-bias"}, "{method} {setting}: {value:.1f} % [{low:.1f}, {high:.1f}] (n = {n:,})"
    changes = {"imagenet_stimuli": None, "reuse_rows": False}
    about = main.__doc__ or ""
    return measure_command(
        "cue_conflict", about, lambda given: given, parts, says=bias, arguments=arguments, changes=changes
    )


if __name__ == "__main__":
    raise SystemExit(main())
