"""From a figure or a table to the rows behind it: a mark, of which the book makes a link to its page of rows."""

import functools
import html
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urlencode

import pandas as pd

ASKED = (
    "experiment",
    "dataset",
    "method",
    "recipe",
    "metric",
    "output",
    "epoch",
    "profile",
)  # columns that choose rows
MOST = 12  # values of a column; of more the link leaves all
Made = TypeVar("Made", bound=Any)


def query(*frames: Any) -> str:
    """What chooses the rows of these frames, as in a link: column=value,value&... ; "" where none is of rows."""
    frames = tuple(each for given in frames for each in (given.values() if isinstance(given, Mapping) else [given]))
    rows = [frame for frame in frames if isinstance(frame, pd.DataFrame) and len(frame) and {*ASKED} <= {*frame}]
    found = {name: sorted({str(value) for frame in rows for value in frame[name]}) for name in ASKED if rows}
    return urlencode({name: ",".join(values) for name, values in found.items() if len(values) <= MOST}, safe=",/")


def from_rows(make: Callable[..., Made]) -> Callable[..., Made]:
    """Of a function that makes a figure or a table of its arguments' rows: what it makes knows them."""

    @functools.wraps(make)
    def made(*arguments: Any, **named: Any) -> Any:
        result, asked = make(*arguments, **named), query(*arguments, *named.values())
        if isinstance(result, pd.DataFrame):
            result.attrs["origin"] = asked
            return result
        return replace(result, origin=asked)

    return made


def mark(asked: str) -> str:
    """HTML that shows nothing, but in the book."""
    return f'<span class="cgn-origin" data-rows="{html.escape(asked)}"></span>' if asked else ""
