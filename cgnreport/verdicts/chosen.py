"""Which rows an item is judged by: all rows, with whatever random seeds, of the settings that the parameters name."""

import functools
import json
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import pandas as pd

from cgnlib.errors import known
from cgnreport.protocol import imagenet_settings, mnist_settings, toy_settings
from cgnreport.protocol.imagenet_settings import DATASETS, GRID, INCEPTIONS, METHODS, SHAPE_BIAS, stimuli, table_3
from cgnreport.protocol.mnist_settings import MnistSettings
from cgnreport.protocol.parameters import Parameters
from cgnreport.protocol.rows import Setting, canonical
from cgnreport.protocol.store import load
from cgnreport.protocol.toy_settings import ToySettings

NORMALISATIONS = ("lite", "imagenet")  # of EfficientNet-Lite0, see `cgnlib.imagenet.cue_conflict`
_KEY = ["dataset", "method", "recipe", "data"]


def full_scale() -> Parameters:
    """The parameters of scale `paper`, at which the results are made that the project publishes."""
    return Parameters.load("paper")


class Chosen:
    """Rows of every experiment at one set of parameters, each file read once.

    own: take in rows of this machine; without, the settings are those of full MNIST and DTD, whatever is at hand here.
    Where scale `paper` leaves the network of the style loss open, rows with VGG16 count, as published, and of a variant
    without them those with EfficientNet-Lite0. Rows of own shapes, which no item is of, are never among them.
    """

    def __init__(self, parameters: Parameters, own: bool = True) -> None:
        parameters = parameters.with_changes(shapes=None)
        self.parameters, self.own = parameters, own
        self._toy = ToySettings(parameters)
        networks: tuple[str, ...] = (parameters.mnist.features,)
        if parameters.profile == "paper" and networks == ("auto",):
            networks = "vgg16", "efficientnet-lite0"
        self._mnist = [MnistSettings(parameters.with_changes(features=f), full_data=not own) for f in networks]
        self._in_bfloat16 = MnistSettings(parameters, full_data=not own, precision="bfloat16")
        self._stored: dict[str, pd.DataFrame] = {}
        self._chosen: dict[tuple[str, str | None], pd.DataFrame] = {}

    def rows(self, experiment: str, recipe: str | None = None) -> pd.DataFrame:
        """Rows of an experiment. recipe: of MNIST's CGNs, by default ours.

        Raises ValueError for an unknown experiment, ResultsError for a damaged file.
        """
        known("experiment", experiment, (*mnist_settings.EXPERIMENTS, *toy_settings.EXPERIMENTS))
        if experiment not in self._stored:
            self._stored[experiment] = load(self.parameters.profile, experiment, own=self.own)
        rows = self._stored[experiment]
        if len(rows) and (experiment, recipe) not in self._chosen:
            wanted = {_key(setting) for setting in self._plan(experiment, recipe)}
            bare = [_without_seeds(json.loads(text)) for text in rows["params"]]
            keep = [key in wanted for key in zip(*(rows[name] for name in _KEY), bare, strict=True)]
            self._chosen[experiment, recipe] = _as_published(rows.loc[keep]).reset_index(drop=True)
        return self._chosen.get((experiment, recipe), rows)

    def _plan(self, experiment: str, recipe: str | None) -> Iterator[Setting]:
        if experiment.startswith("mnist-"):
            for settings in self._mnist:
                yield from settings.plan(experiment, recipe)
            if experiment == "mnist-gradcam":  # of classifiers trained in either precision
                yield from self._in_bfloat16.plan(experiment, recipe)
            return
        yield from self._toy.plan(experiment)
        if experiment == "imagenet-is":
            ways = product(("cgn", "biggan"), ("authors", "paper"), INCEPTIONS)
            yield from (table_3(self.parameters, *way) for way in ways)
        if experiment in DATASETS:
            yield from self._classifiers(experiment)
        if experiment == SHAPE_BIAS:
            ways = product(NORMALISATIONS, (False, True))
            yield from (stimuli(self.parameters, normalisation, enlarge) for normalisation, enlarge in ways)

    def _classifiers(self, experiment: str) -> Iterator[Setting]:
        setting = functools.partial(imagenet_settings.classifier, self.parameters, experiment)
        if experiment == GRID:
            yield from (setting(method, recipe) for method, recipe in imagenet_settings.grid(self.parameters))
        else:
            ways = product(METHODS, (False, True) if experiment == SHAPE_BIAS else (False,))
            yield from (setting(method, enlarge=enlarge) for method, enlarge in ways)


def rows_for(parameters: Parameters, experiment: str, recipe: str | None = None, own: bool = True) -> pd.DataFrame:
    """`Chosen(parameters, own).rows(experiment, recipe)`, for one experiment alone."""
    return Chosen(parameters, own).rows(experiment, recipe)


def _as_published(rows: pd.DataFrame) -> pd.DataFrame:
    """Without rows of another style loss than VGG16's, of a variant and recipe that has rows of it."""
    if "features" not in rows:
        return rows
    lines = list(zip(rows["dataset"], rows["recipe"], rows["features"], strict=True))
    published = {line[:2] for line in lines if line[2] == "vgg16"}
    return rows.loc[[line[2] == "vgg16" or line[:2] not in published for line in lines]]


def _key(setting: Setting) -> tuple[str, ...]:
    return setting.dataset, setting.method, setting.recipe, setting.data, _without_seeds(setting.params)


def _without_seeds(params: Mapping[str, Any]) -> str:
    """Params but for random seeds, and for which files weights were from: there is one published file of each."""
    return canonical(
        {name: value for name, value in params.items() if not name.endswith("_seed") and name != "weights"}
    )
