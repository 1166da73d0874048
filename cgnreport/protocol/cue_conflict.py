"""Shape bias of EfficientNet-Lite0 on the cue-conflict stimuli, in rows.

`python -m cgnreport.protocol.cue_conflict` measures it and keeps the rows: the whole measurement on real images. Its
weights come with a package.
"""

import argparse
import time
from itertools import product

from cgnlib.data.finding import missing, require
from cgnlib.errors import AssetError, Blocked, needed
from cgnlib.features import efficientnet_lite0
from cgnlib.imagenet.cue_conflict import evaluate
from cgnlib.imagenet.normalisation import IMAGENET, LITE, Normalisation
from cgnlib.imagenet.shape_bias import ShapeBias
from cgnreport.protocol.experiments import Measured, Rows, Study
from cgnreport.protocol.imagenet_settings import stimuli
from cgnreport.protocol.parameters import PROFILES, ParameterError, Parameters
from cgnreport.protocol.rows import Number, ResultsError


def bias_numbers(found: ShapeBias) -> list[Number]:
    """Shape bias in percent (n: decisions for a cue), and both counts (n: images), of all images and of each category.

    A category without a decision has no shape bias, only counts.
    """
    numbers = []
    for name, counts in {"": found, **{f"/category/{name}": each for name, each in found.by_category.items()}}.items():
        if counts.decided:
            numbers.append(Number(f"shape-bias{name}", 100 * counts.value, counts.decided))
        numbers.append(Number(f"decisions/shape{name}", counts.shape, counts.n, "images"))
        numbers.append(Number(f"decisions/texture{name}", counts.texture, counts.n, "images"))
    return numbers


def lite0_rows(parameters: Parameters, normalisation: Normalisation = LITE, *, enlarge: bool = False) -> Rows:
    """Rows of EfficientNet-Lite0 with one preprocessing on `imagenet_stimuli` stimuli (imagenet-shape-bias)."""
    limit, folder = parameters.imagenet.stimuli, parameters.data_folder

    def measure(_: int) -> Measured:
        needed(missing(["cue-conflict"], folder))
        place = require("cue-conflict", folder)
        start, network = time.perf_counter(), efficientnet_lite0()
        found = evaluate(network, place, normalisation, enlarge=enlarge, limit=limit, seed=parameters.seed)
        return Measured(bias_numbers(found), time.perf_counter() - start)

    setting = stimuli(parameters, normalisation.name, enlarge)
    return Study(parameters, "cpu").rows(setting, measure, [0])  # nothing is trained


def main(arguments: list[str] | None = None) -> int:
    """Measure EfficientNet-Lite0 with both normalisations, as they are and enlarged, and keep the rows."""
    parser = argparse.ArgumentParser(prog="python -m cgnreport.protocol.cue_conflict", description=main.__doc__)
    parser.add_argument("--folder", help="a data folder to look into first (default: CGN_DATA)")
    parser.add_argument("--profile", choices=PROFILES, default="paper", help="scale of the rows (default: paper)")
    given = parser.parse_args(arguments)
    changes = {"data_folder": given.folder, "imagenet_stimuli": None, "reuse_rows": False}
    try:
        for normalisation, enlarge in product((LITE, IMAGENET), (False, True)):
            rows = lite0_rows(Parameters.load(given.profile, changes), normalisation, enlarge=enlarge)
            if isinstance(rows, Blocked):
                parser.exit(1, f"not tested: {rows}\n")
            for line in rows.loc[~rows["metric"].str.contains("/category/")].to_dict("records"):
                print("{setting} {metric}: {value:.4g} {unit} (n = {n:,})".format(**line))
    except (AssetError, ParameterError, ResultsError) as error:
        parser.exit(1, f"{error}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
