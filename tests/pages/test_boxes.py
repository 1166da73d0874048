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
from cgnreport.verdicts.model import Finding, Status, Verdict, records
from cgnreport.verdicts.scorecard import ITEMS, Line
from cgnreport.verdicts.worlds import WORLDS
from tests.verdicts.conftest import accuracies, classifiers, frame

ROWS = accuracies(wildlife=(10.0, 84.0))


def test_tables_scroll_in_their_box_and_have_one_format_for_each_kind_of_cell() -> None:
    between = Interval(84.04, 83.3, 84.7, Unit.IMAGES)
    cells = {"name": ["<a>"], "value": [1.25], "none": [math.nan], "n": [10_000], "ours": [between], "b": [Html("<b>")]}
    found = table(pd.DataFrame(cells | {"change": [-2.0]}), {"n": "images"}, formats={"change": "+.1f"})
    assert "overflow-x:auto" in found._repr_html_()
    for text in ("&lt;a&gt;", ">1.2<", ">–<", ">10,000<", ">84.0 [83.3, 84.7]<", "<b>", ">−2.0<", ">images<"):
        assert text in found
    assert found.count("class=n") == 2 * 5  # all but the names and the HTML


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
    assert all(words in line for words in ("numbers mean nothing", "(4,000 training images", "A note."))
    counted = source_line(Parameters.load("paper"), ["mnist-full"])
    assert "50,000 or 60,000 training images" in counted, "how many there are, not how many there may be"
    toy = source_line(Parameters.of({"seed": 3}), ["toy-world"])
    assert "not ImageNet" in toy and "seed 3" in toy and "epochs" not in toy


def lines() -> list[Line]:
    about = {"published": "SG21 <85>", "ours": "84.0", "scale": "quick", "seeds": 3, "seconds": 60.0}
    return [Line(item, Status.HOLDS, WORLDS[item.world], **about) for item in ITEMS]  # type: ignore[arg-type]


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
    why = Blocked("missing ImageNet", "get it")
    lacking = [Line(item, Status.NOT_TESTED, WORLDS[item.world], missing=why) for item in ITEMS[:2]]
    assert to_be_tested(lacking).count("missing ImageNet: get it") == 1
    assert to_be_tested(lines()) == "<p>Nothing is missing.</p>"
    assert ITEMS[0].notebook in tally(lacking, "quick") and "not tested: 2" in tally(lacking, "quick")
    assert "No rows" not in tally(lines(), "quick")


def test_the_front_page_has_a_row_per_claim_and_world_and_a_column_per_method() -> None:
    theirs = ROWS.assign(recipe=ROWS["recipe"].replace("robust", "authors"))
    judged = [mnist.claim2(ROWS, "robust", ["wildlife"]), mnist.claim2(theirs, "authors", ["wildlife"])]
    found = claims_table(records(judged))
    assert found.count("<tr>") == 1 + 3 + 3 * 2
    assert found.count(">74.0 points, needs 0.0") == 2 and "supported: 39.0 to 53.5" in found
    assert found.count("cgn-holds") == 2 and found.count("cgn-not-tested") == 9 * 3 - 2
    assert found.count("study’s finding: in part") == 1, "of the authors' weights alone: ours is no method of the study"


def test_a_cell_that_is_not_tested_says_why_and_no_other_world_lends_its_badge() -> None:
    findings = {
        "toy": Finding("claim2-imagenet", "toy", Status.HOLDS, Interval(-2.0, -3.0, -1.0, Unit.CGNS), needs=0.0),
        "imagenet-9": Finding("claim2-imagenet", "imagenet-9", Status.NOT_TESTED, untested=Blocked("no photographs")),
    }
    found = claims_table(records([Verdict.of("claim2-imagenet", ROWS, findings, findings.__getitem__, "toy")]))
    assert "−2.0 points, needs 0.0" in found and "no photographs" in found
    assert found.count("cgn-holds") == 1
    assert found.count(">no such CGN") == 9 * 3 - 2


def test_the_rule_shows_where_its_thresholds_come_from_and_what_was_changed_after_the_rows() -> None:
    box = claim_box("claim1-mnist")
    assert "<code>leak_most</code> 25: our choice; chance is 10 %" in box and "mask_area</code> 0.05 to 0.4" in box
    assert "fewer than 5 CGNs are not tested" in box and "approximately 2/3" in box
    verdict = mnist.claim2(ROWS, "robust", ["wildlife"])
    words = "needed: lower end at least 0; it is 73.1; upper end of the accuracy at least "
    assert words in verdict_box(verdict) and "where one of these passes its threshold" in verdict_box(verdict)
    assert "not fixed in advance" in claim_box("gradcam-mnist"), "optional stopping is named"
