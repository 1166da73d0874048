"""uv is told of what pip is set to, and left out where it could not follow."""

import runpy

import pytest

from cgnlib.paths import project_root

arguments = runpy.run_path(str(project_root() / ".ci" / "uv_arguments.py"))["arguments"]


def test_every_index_folder_and_constraint_of_pip_reaches_uv() -> None:
    of_pip = {"extra-index-url": "file:///a file:///b", "find-links": "/wheels", "constraint": "/c.txt", "timeout": "9"}
    words = ["--index", "file:///a", "--index", "file:///b", "--find-links", "/wheels", "--constraint", "/c.txt"]
    assert arguments(of_pip) == words


@pytest.mark.parametrize(("value", "words"), [("true", ["--no-index"]), ("0", [])])
def test_a_switch_is_handed_over_when_it_is_on(value: str, words: list[str]) -> None:
    assert arguments({"no-index": value}) == words


@pytest.mark.parametrize("name", ["no-binary", "require-hashes", "proxy", "client-cert", "target"])
def test_what_uv_has_no_word_for_is_left_to_pip(name: str) -> None:
    assert arguments({name: "x"}) is None
