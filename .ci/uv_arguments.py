"""What uv needs to install as pip would here: prints its arguments, one a line; ends with status 1 where only pip can.

uv reads no configuration of pip. Where pip has an index, a folder of wheels, a certificate or constraints of its own,
in a file or in PIP_ variables, uv is told of them; of a setting that uv has no word for, pip is left to do it.
"""

import ast
import subprocess
import sys

MEANINGS = {
    "index-url": "--default-index",
    "extra-index-url": "--index",
    "find-links": "--find-links",
    "constraint": "--constraint",
    "trusted-host": "--allow-insecure-host",
}
NO_MATTER = {
    *("break-system-packages", "cache-dir", "cert", "default-timeout", "disable-pip-version-check", "no-cache-dir"),
    *("no-color", "no-input", "no-python-version-warning", "no-warn-script-location", "prefer-binary", "progress-bar"),
    *("quiet", "require-virtualenv", "retries", "root-user-action", "timeout", "verbose"),
}


def settings() -> dict[str, str]:
    """Pip's settings for an install by name, of those named twice the one that pip takes."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    found: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        if section in found:
            found[section][key] = str(ast.literal_eval(value))
    return found["global"] | found["install"] | found[":env:"]


def arguments(of_pip: dict[str, str]) -> list[str] | None:
    """Arguments of uv with the meaning of these settings; None where uv has no word for one."""
    words = []
    for name, value in of_pip.items():
        if name == "no-index":
            words += ["--no-index"] if value.lower() in ("1", "true", "yes", "on") else []
        elif name in MEANINGS:
            words += [word for each in value.split() for word in (MEANINGS[name], each)]
        elif name not in NO_MATTER:
            return None
    return words


if __name__ == "__main__":
    words = arguments(settings())
    if words is None:
        sys.exit(1)
    print("\n".join(words), end="")
