"""Figures and tables of photographs, from the rows that the project publishes."""

import pytest

from cgnreport.pages import photographs as pages
from cgnreport.protocol.rows import select
from cgnreport.protocol.store import load
from cgnreport.protocol.summary import interval_of

BIAS = load("paper", "imagenet-shape-bias", own=False)
RECORDS = load("paper", "imagenet-shape-records", own=False)


def test_records_are_of_ten_people_and_many_networks_each_once() -> None:
    methods = select(RECORDS, metric="shape-bias")["method"].astype(str)
    assert methods.str.startswith("subject").sum() == 10 and len(methods) == 48
    figures = pages.records_plot(
        RECORDS, {"ours": select(RECORDS, method="alexnet", source="texture-vs-shape")}, {"x": 29.1}
    )
    (ax,) = figures.desktop.axes
    assert len(ax.get_yticklabels()) == 17


def test_crossed_intervals_are_two_to_four_times_as_wide_as_over_decisions_for_networks() -> None:
    found = pages.intervals_table(RECORDS)
    networks = found.loc[~found["record"].str.startswith("subject"), "times as wide"]
    assert 2 < networks.median() < 3.5
    resnet = found.loc[(found["record"] == "resnet50") & (found["source"] == "harvard-visionlab")].iloc[0]
    assert resnet["shape bias [95 %, crossed]"].low < 15 < 30 < resnet["shape bias [95 %, crossed]"].high


def test_networks_like_some_categories_whatever_is_shown() -> None:
    found = pages.answers_table(RECORDS).set_index("category")
    networks, people = (found[column].to_dict() for column in ("networks", "people"))
    assert found.index[0] == "bottle" and sum(networks.values()) == pytest.approx(100)
    assert networks["bottle"] > 5 * networks["bird"] and max(people.values()) < 8


def test_published_values_stand_below_ours() -> None:
    rows = load("paper", "photographs-background", own=False)
    found = pages.challenge_table(rows)
    assert found["images"].tolist()[-3:] == ["ImageNet-9, published"] * 3
    assert found.iloc[0]["gap"] == interval_of(select(rows, metric="bg-gap", method=rows["method"].iloc[0]))
    for figures in (pages.gaps_plot(rows), pages.suppression_plot(load("paper", "photographs-suppression"), BIAS)):
        assert figures.desktop.axes
