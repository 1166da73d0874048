"""What results cost: the seconds of training behind rows, and what is not known of them."""

from typing import Any

import pandas as pd

from cgnreport.protocol.mnist_settings import METHOD_PARTS
from cgnreport.protocol.provenance import made_between
from cgnreport.protocol.rows import select
from cgnreport.protocol.store import load, taken_from_published
from cgnreport.verdicts.sentences import plural

_MEASURED = '"(gradcam|precision)":[^,}]*,?'  # params of what is measured on a training, not of the training
_CLASSIFIERS_ALONE = "2026-12-01"  # day of the last code whose rows of mnist-training leave out their CGNs
_CGN = ["cgn_recipe", "cgn_seed", "cgn_updates", "teacher"]  # what tells CGNs of the toy world apart


def cost(rows: pd.DataFrame) -> float | None:
    """Seconds of training behind rows; a training counts once, also where several experiments measure its model.

    Of the toy world's classifiers, with the CGNs that made their counterfactuals, where these are known. `uncounted`
    says what is left out. None where nothing is known.
    """
    keys = ["dataset", "method", "recipe", "seed", "params", "seconds"]
    trained = rows.assign(params=rows["params"].str.replace(_MEASURED, "", regex=True))
    seconds = [*trained.drop_duplicates(keys)["seconds"].dropna()]
    seconds += [known for known in _cgns_behind(rows).values() if known is not None]
    return sum(seconds) if seconds else None


def uncounted(rows: pd.DataFrame) -> list[str]:
    """What made the images that classifiers saw, and whose training `cost` leaves out, in words.

    The toy world's CGNs that no rows measure; MNIST's CGNs without rows of their own in `rows`, and its GANs. Rows of
    mnist-training of older code hold the seconds of their classifiers alone.
    """
    words = [
        f"a CGN of {plural(int(updates), 'update')}, seed {seed}"
        for (_, seed, updates, _), seconds in _cgns_behind(rows).items()
        if seconds is None
    ]
    mnist = rows.loc[rows["experiment"].str.startswith("mnist-")]
    parts = {part for method in mnist["method"].unique() for part in METHOD_PARTS.get(method, ())}
    if parts & {"cgn", "cgn-tied"} and not {"mnist-control", "mnist-training"} & set(mnist["experiment"]):
        words.append("MNIST's CGNs")
    days = made_between(select(mnist, experiment="mnist-training")["code"])
    words += [f"MNIST's CGNs of rows until {_CLASSIFIERS_ALONE}"] * (min(days, default="9") <= _CLASSIFIERS_ALONE)
    return words + ["MNIST's GANs"] * ("gan" in parts)


def _cgns_behind(rows: pd.DataFrame) -> dict[tuple[Any, ...], float | None]:
    """Training time of the toy world's CGNs behind classifiers, but for CGNs with rows of their own in `rows`."""
    toy = select(rows, dataset="toy", recipe="toy")
    if toy.empty:
        return {}
    of_classifier = toy["method"].str.startswith("original+")
    measured = select(load(toy["profile"].iloc[0], "imagenet-control"), dataset="toy", method="cgn")
    known = {} if measured.empty else measured.dropna(subset="seconds").set_index(_CGN)["seconds"].to_dict()
    behind, own = (
        set(toy.loc[which, _CGN].itertuples(index=False, name=None)) for which in (of_classifier, ~of_classifier)
    )
    return {cgn: known.get(cgn) for cgn in sorted(behind - own, key=str)}


def cost_line(rows: pd.DataFrame) -> str:
    """For the reader of a page: what its rows took, what of that is not known, how many come from published runs."""
    toy = ", the CGN's among them" if "toy" in set(rows["dataset"]) else ""
    words = f"Trainings behind the rows of this page{toy}: {duration(cost(rows))}."
    if left_out := uncounted(rows):
        words += f" Not counted: {', '.join(left_out)}."
    if taken := taken_from_published(rows):
        words += f" {taken} of {plural(len(rows), 'row')} come from published runs, not from this machine."
    return words


def duration(seconds: float | None) -> str:
    """Seconds in words a reader takes in at once: "45 s", "12 min", "3.4 h"; a dash for none."""
    if seconds is None:
        return "–"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
