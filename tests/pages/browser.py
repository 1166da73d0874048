"""A real browser by the WebDriver protocol, which is JSON over HTTP: Debian's chromium and chromium-driver."""

import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM, DRIVER = (shutil.which(name) for name in ("chromium", "chromedriver"))
FLAGS = ("headless", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "no-first-run", "disable-extensions")
FLAGS += ("disable-background-networking", "disable-component-update", "disable-sync", "disable-quic")
SCREENS = [(width, theme) for width in (1280, 390) for theme in ("light", "dark")]
WORSE = ("WARNING", "SEVERE")  # than what a page merely tells
RIGHT, TAB = "\ue014", "\ue004"  # keys, as the protocol writes them


class Browser:
    """One window; see https://www.w3.org/TR/webdriver2."""

    def __init__(self, port: str) -> None:
        self.address = f"http://127.0.0.1:{port}/session"
        options = {"binary": CHROMIUM, "args": [f"--{flag}" for flag in FLAGS]}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        self.address += f"/{self._ask('', {'capabilities': {'alwaysMatch': wanted}})['sessionId']}"

    def _ask(self, path: str, content: dict[str, Any] | None = None, method: str = "POST") -> Any:
        data = json.dumps(content or {}).encode() if method == "POST" else None
        request = urllib.request.Request(self.address + path, data, {"Content-Type": "application/json"}, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through a proxy
        with opener.open(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def open(self, page: Path, width: int = 1280) -> None:
        """Show a file at a width of so many CSS pixels, below 600 as a phone does."""
        screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self._ask("/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": screen})
        self._ask("/url", {"url": page.as_uri()})

    def run(self, script: str, *arguments: Any) -> Any:
        """What a function with this body returns; a promise is waited for."""
        return self._ask("/execute/sync", {"script": script, "args": list(arguments)})

    def press(self, *keys: str) -> None:
        """Press keys one after the other, in whatever has the focus."""
        strokes = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._ask("/actions", {"actions": [{"type": "key", "id": "keys", "actions": strokes}]})

    def faults(self, page: Path) -> dict[str, list[str]]:
        """What a reader of a page would stumble over, and on which screens; see faults.js."""
        found: dict[str, list[str]] = {}
        script = Path(__file__).with_name("faults.js").read_text(encoding="utf-8")
        for width, theme in SCREENS:
            self.open(page, width)
            self.run(
                "Object.assign(document.documentElement.dataset, { theme: arguments[0], mode: arguments[0] });", theme
            )
            for words in self.run(script, width < 600):  # by now what follows the theme has seen the change
                found.setdefault(words, []).append(f"{page.stem}, {width} px, {theme}")
        return found

    def complaints(self) -> list[str]:
        """Warnings and errors in the console since the last call."""
        return [line["message"] for line in self._ask("/se/log", {"type": "browser"}) if line["level"] in WORSE]

    def close(self) -> None:
        """End the session and its window."""
        self._ask("", method="DELETE")


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser of one's own, ended afterwards."""
    assert DRIVER is not None
    with subprocess.Popen([DRIVER, "--port=0"], stdout=subprocess.PIPE, text=True) as driver:
        try:
            assert driver.stdout is not None
            said = iter(driver.stdout.readline, "")
            port = next(found[1] for line in said if (found := re.search(r"on port (\d+)\.", line)))
            window = Browser(port)
            try:
                yield window
            finally:
                window.close()
        finally:
            driver.terminate()
