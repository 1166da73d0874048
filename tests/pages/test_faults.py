"""The check of pages finds what it is there for; tests/build/test_notebooks.py checks the book at scale smoke."""

from pathlib import Path

import pytest

from tests.pages.browser import CHROMIUM, DRIVER, browser

PAGE = """<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width"><style>
pre, .cgn-table { overflow-x: auto; } pre::-webkit-scrollbar { display: none; }
.cgn-table { background-attachment: local; }
</style><body><p style="color: #999">pale</p>
<p style="width: 100px"><b style="white-space: nowrap">a long line of words</b></p>
<pre>%s</pre>
<div class="cgn-table"><table><tr><th>name</th><th>%%</th></tr><tr><td>%s</td><td>1.5</td></tr></table></div>
<div style="width: 60px; overflow: hidden; white-space: nowrap">words that are cut</div>
<details><summary>more</summary><em style="opacity: 0.4">folded</em></details>
"""


@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium and chromium-driver are not installed")
def test_each_kind_of_fault_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(PAGE % ("code " * 400, "name" * 400), encoding="utf-8")
    with browser() as window:
        found = window.faults(page)
    kinds = {words.partition(":")[0]: len(screens) for words, screens in found.items()}
    assert kinds["scrolls sideways on a phone"] == 2
    for kind in ("hard to read", "wider than its box", "cut off", "scrolls without a sign"):
        assert kinds[kind] == 4, kind
    assert kinds["its first number is out of sight"] == 4
    assert sum("hard to read" in words for words in found) == 2, "pale, folded"
