"""Boxes, tables and the scorecard's pieces: what they hold, not how they look."""

import math

import pandas as pd

from cgnlib.errors import Blocked
from cgnlib.statistics import Interval, Unit
from cgnreport.pages.boxes import BADGES, Html, badge, claim_box, comparison_table, source_line, table, verdict_box
from cgnreport.pages.cards import as_frame, claims_table, tally, teaser, to_be_tested
from cgnreport.protocol.parameters import Parameters
from cgnreport.protocol.summary import beside_published
from cgnreport.verdicts import mnist
from cgnreport.verdicts.claims import THREE_CLAIMS
from cgnreport.verdicts.model import Finding, Status, Verdict
from cgnreport.verdicts.scorecard import ITEMS, Line
from tests.verdicts.conftest import accuracies, classifiers, frame

ROWS = accuracies(wildlife=(10.0, 84.0))


def test_tables_scroll_in_their_box_and_have_one_format_for_each_kind_of_cell() -> None:
    between = Interval(84.04, 83.3, 84.7, Unit.IMAGES)
    cells = {"name": ["<a>"], "value": [1.25], "none": [math.nan], "n": [10_000], "ours": [between], "b": [Html("<b>")]}
    found = table(pd.DataFrame(cells | {"change": [-2.0]}), {"n": "images"}, formats={"change": "+.1f"})
    assert "overflow-x:auto" in found._repr_html_()
    for text in ("&lt;a&gt;", ">1.2<", ">–<", ">10,000<", ">84.0 [83.3, 84.7]<", "<b>", ">−2.0<", ">images<"):
        assert text in found
    assert found.count("text-align:left") == 2 * 2  # the names, and the HTML


def test_comparison_table_keeps_reading_order_and_leaves_out_sources_without_a_number() -> None:
    ceiling = classifiers("oracle", [90.0])
    found = comparison_table(beside_published(frame(*ceiling, {"value": 84.0}, {"method": "gan"})))
    assert found.index("GAN") < found.index(">CGN<") < found.index("oracle")
    assert all(text in found for text in ("84.0 [83.3, 84.7]", "70.2", "+13.8"))
    oracle = comparison_table(beside_published(frame(*ceiling)))
    assert "SG21" not in oracle and "RS22" not in oracle


def test_boxes() -> None:
    assert "out-of-domain" in claim_box("claim2-mnist") and "The study" in claim_box("claim2-mnist")
    box = verdict_box(mnist.claim2(ROWS, "robust", ["wildlife", "colored"]), "Whether photographs are like <digits>.")
    assert "cgn-verdict" in box
    assert "&lt;digits&gt;" in box
    assert box.index("Wildlife") < box.index("Colored") < box.index("no rows")
    assert verdict_box(None) == ""
    assert all(words in badge(words) and f"cgn-{words.replace(' ', '-')}" in badge(words) for words in BADGES)


def test_pages_say_what_their_numbers_come_from() -> None:
    smoke = Parameters.of({"profile": "smoke", "train_images": None})
    line = source_line(smoke, ["mnist-5000+procedural", "mnist-5000"], "A note.")
    assert line.count("5,000 embedded") == 1
    assert all(words in line for words in ("numbers mean nothing", "all training images", "A note."))
    toy = source_line(Parameters.of({"seed": 3}), ["toy-world"])
    assert "not ImageNet" in toy and "seed 3" in toy and "epochs" not in toy


def lines() -> list[Line]:
    return [Line(item, Status.REPRODUCED, "SG21 <85>", "84.0", "quick", 3, 60.0) for item in ITEMS]


def test_what_one_measurement_decides_is_one_mark() -> None:
    found = teaser(lines())
    assert "T3 F7 F8 F9" in found and "F2 F4" in found and "T4*" in found
    assert found.count("<a ") < len(ITEMS)
    assert 'href="07-claim1-imagenet.html"' in found


def test_the_scorecard_has_five_columns_and_items_that_open() -> None:
    found = as_frame(lines())
    assert list(found.columns) == ["item", "verdict", "ours", "published", "world"]
    assert len(found) == len(ITEMS)
    assert found["published"].str.contains("&lt;85&gt;").all()
    assert found["item"].str.contains("<details>.*seeds 3, training 60 s").all()


def test_missing_rows_and_assets_are_listed_once_each() -> None:
    lacking = [Line(item, Status.NOT_TESTED, missing=Blocked("missing ImageNet", "get it")) for item in ITEMS[:2]]
    assert to_be_tested(lacking).count("missing ImageNet: get it") == 1
    assert to_be_tested(lines()) == "<p>Nothing is missing.</p>"
    assert ITEMS[0].notebook in tally(lacking, "quick") and "2 not tested" in tally(lacking, "quick")
    assert "No rows" not in tally(lines(), "quick")


def test_the_front_page_has_a_row_per_claim_and_world_and_a_column_per_cgn() -> None:
    ours = {"claim2-mnist": mnist.claim2(ROWS, "robust", ["wildlife"])}
    found = claims_table({"our recipe": ours, "authors' weights": {}})
    assert found.count("<tr>") == 1 + 3 + 3 * 2
    assert "74.0 points, needs 0.0" in found and "SG21 85.7" in found
    assert found.count("not tested") == 9 + 8


def test_a_world_has_a_badge_of_its_own() -> None:
    findings = {
        "toy": Finding("claim2-imagenet", "toy", Status.REPRODUCED, Interval(-2.0, -3.0, -1.0, Unit.CGNS), needs=0.0),
        "imagenet-9": Finding("claim2-imagenet", "imagenet-9", Status.NOT_TESTED, untested=Blocked("no photographs")),
    }
    verdict = Verdict.of("claim2-imagenet", ROWS, findings, findings.__getitem__)
    found = claims_table({"our recipe": {"claim2-imagenet": verdict}})
    assert "−2.0 points, needs 0.0" in found and "no photographs" in found
    assert found.count("cgn-reproduced") == 1
    assert found.count("cgn-not-tested") == len(THREE_CLAIMS) + 3 - 1
