"""Every way in which a parameter can be wrong ends in one error that names it."""

import contextlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from papermill.cli import _resolve_type as papermill_reads

from cgnreport.protocol import parameters as module
from cgnreport.protocol.parameters import (
    PROFILES,
    ParameterError,
    Parameters,
    flat_fields,
    page_parameters,
    parameter_file,
    read_file,
    read_text,
)


@pytest.mark.parametrize("profile", PROFILES)
def test_each_profile_file_names_every_parameter(profile: str) -> None:
    assert Parameters.load(profile).profile == profile
    lines = [line for line in parameter_file(profile).read_text().splitlines() if not line.startswith("#")]
    assert [line.split(":")[0] for line in lines] == list(flat_fields())
    assert all(" # " in line for line in lines), "each line says what it is for"


def test_defaults_are_the_quick_profile() -> None:
    assert Parameters.load("quick") == Parameters()


def test_flat_and_nested_names_go_together() -> None:
    found = Parameters.of({"variants": ["wildlife"], "imagenet_updates": 3, "seed": 7})
    assert (found.mnist.variants, found.imagenet.updates, found.seed) == (("wildlife",), 3, 7)
    assert Parameters.of(found.flat()) == found
    assert found.with_changes(seed=8).mnist == found.mnist


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"sede": 3}, "unknown parameter 'sede'; did you mean 'seed'?"),
        ({"mnist": {}}, "unknown parameter 'mnist'"),
        ({"seed": -1}, "parameter 'seed' is -1: input should be greater than or equal to 0"),
        ({"seed": True}, "parameter 'seed' is True"),
        ({"counterfactuals": "1e5"}, "written in digits"),
        ({"reuse_rows": 1}, "should be a valid boolean"),
        ({"profile": "quik"}, "did you mean 'quick'?"),
        ({"features": "resnet"}, "choose one of: auto, vgg16, efficientnet-lite0"),
        ({"variants": "wildlife"}, "-y 'variants: [wildlife]'"),
        ({"variants": ["wildlive"]}, "did you mean 'wildlife'?"),
        ({"variants": []}, "at least one item"),
        ({"variants": ["wildlife", "wildlife"]}, "no item twice"),
        ({"ratio_values": [1, 0]}, "parameter 'ratio_values' is 0: input should be greater than or equal to 1"),
        ({"imagenet_samples": 3}, "parameter 'imagenet_samples' is 3"),
    ],
)
def test_bad_values_are_named(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ParameterError) as error:
        Parameters.of(given)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


DIFFERENT = ("010", "0x10", "1:30", "1e-3", "yes", "on", "TRUE", "None", "~", "", ".inf", "inf")
ALIKE = ("10", "-1", "0.5", "wildlife", "a-b", "0o10", "true", "null", "'010'", "~/data", "1_0")


@pytest.mark.parametrize("word", DIFFERENT)
@pytest.mark.parametrize("form", ["{}", "[1, {}]"])
def test_a_word_that_two_roads_read_differently_is_refused(word: str, form: str, tmp_path: Path) -> None:
    """YAML 1.1 reads files and `papermill -y`; `papermill -p` has rules of its own."""
    text = form.format(word)
    if text == "[1, ]":  # an item left out is no item
        return
    with pytest.raises(ParameterError, match=f"parameter 'seed' is written {word!r}, where YAML reads"):
        read_text(text, "seed")
    (tmp_path / "my.yaml").write_text(f"profile: smoke\nseed: {text}\n")
    with pytest.raises(ParameterError, match=r"my.yaml: parameter 'seed' is written"):
        read_file(tmp_path / "my.yaml")


@pytest.mark.parametrize("word", ALIKE)
def test_a_word_that_all_roads_read_alike_keeps_its_meaning(word: str) -> None:
    read, theirs = read_text(word, "seed"), papermill_reads(word)
    assert read == yaml.safe_load(word)
    assert read == theirs or word in ("true", "null", "'010'")  # papermill hands these over as text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed: 1\nseed: 2", "'seed' is there twice"),
        ("seed: [", "not readable YAML"),
        ("- 1", "expected lines"),
        ("", "expected lines"),
        ("sead: 1", "'seed'"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "my.yaml"
    file.write_text(text)
    with pytest.raises(ParameterError) as error:
        read_file(file)
    assert words in str(error.value)
    assert str(file) in str(error.value)


def test_a_missing_file_names_those_that_are_there(tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(ParameterError, match="unknown profile 'quik'; did you mean 'quick'"):
        Parameters.load("quik")
    (tmp_path / "params").mkdir()
    (tmp_path / "params" / "mine.yaml").touch()
    monkeypatch.setattr(module, "project_root", lambda: tmp_path)
    with pytest.raises(ParameterError, match=r"no such parameter file\. Files there: .*mine\.yaml"):
        Parameters.load("quick")


# --- Notebooks --------------------------------------------------------------------------------------------------------


def test_a_page_is_its_profiles_file_changed_by_its_own_names() -> None:
    page = {"profile": "smoke", "seed": 3, "np": pytest, "LABELS": {}, "_x": 1}
    found = page_parameters(page)
    assert (found.seed, found.mnist.cgn_images) == (3, Parameters.load("smoke").mnist.cgn_images)


def test_the_set_up_cell_can_be_run_again_after_any_cell() -> None:
    page: dict[str, Any] = {"profile": "smoke", "seed": 3}
    page_parameters(page)
    page |= {"rows": [1], "method": "cgn", "count": 3, "seed": 4}
    assert page_parameters(page).seed == 4


@pytest.mark.parametrize("change", [{"seed": 4}, {"seed": -1}, {"variants": "wildlife"}])
def test_no_cell_goes_on_with_the_study_of_other_parameters(change: dict[str, Any]) -> None:
    page: dict[str, Any] = {"profile": "smoke", "seed": 3, "np": pytest, "read": read_file, "LABELS": {}}
    page_parameters(page)
    computed = {"study": object(), "rows": [1], "count": 3}
    page |= computed
    page_parameters(page)
    assert computed.items() <= page.items(), "nothing has changed"
    page |= change
    with contextlib.suppress(ParameterError):
        page_parameters(page)
    assert not computed.keys() & page.keys()
    assert {"np", "read", "LABELS", "profile", "seed"} <= page.keys()
    page |= {"count": 3, "seed": 5, "variants": ["colored"]}
    assert page_parameters(page).seed == 5


@pytest.mark.parametrize("wrong", [{"sede": 3}, {"seed": "3"}])
def test_what_is_wrong_stops_the_page_until_it_is_corrected(wrong: dict[str, Any]) -> None:
    page: dict[str, Any] = {"profile": "smoke", **wrong}
    with pytest.raises(ParameterError, match="did you mean 'seed'|parameter 'seed' is '3'"):
        page_parameters(page)
    page["seed"] = 3
    assert page_parameters(page).seed == 3


def test_every_parameter_is_documented() -> None:
    assert all(field.description for field in flat_fields().values())
