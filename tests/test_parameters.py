"""Every way in which a parameter can be wrong ends in one error that names it."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from cgnlib.parameters import (
    PROFILES,
    ParameterError,
    StudyParameters,
    check_parameters,
    notebook_parameters,
)
from cgnlib.paths import project_root

PARAMS = project_root() / "params"


@pytest.mark.parametrize("profile", PROFILES)
def test_each_profile_file_names_every_parameter(profile: str) -> None:
    file = PARAMS / f"{profile}.yaml"
    assert StudyParameters.load(file).profile == profile
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    assert [line.split(":")[0] for line in lines] == [spec.name for spec in fields(StudyParameters)]
    assert all(" # " in line for line in lines), "each line says what it is for"


def test_defaults_are_the_quick_profile() -> None:
    assert StudyParameters.load(PARAMS / "quick.yaml") == StudyParameters()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"sede": 3}, "unknown parameter 'sede'. Did you mean 'seed'?"),
        ({"classifier_epoch": 3}, "Did you mean 'classifier_epochs'?"),
        ({"xyz": 3}, "Known: profile"),
        ({"seed": -1}, "parameter 'seed' is -1; it must be an integer (at least 0)"),
        ({"seed": 1.0}, "parameter 'seed' is 1.0"),
        ({"seed": True}, "parameter 'seed' is True"),
        ({"seed": None}, "parameter 'seed' is None"),
        ({"counterfactuals": "1e5"}, "write the number in digits"),
        ({"reuse_rows": 1}, "it must be true or false"),
        ({"profile": "quik"}, "did you mean 'quick'?"),
        ({"features": "resnet"}, "one of auto, vgg16, efficientnet-lite0"),
        ({"variants": "wildlife"}, "-y 'variants: [wildlife]'"),
        ({"variants": ["wildlive"]}, "did you mean 'wildlife'?"),
        ({"variants": []}, "at least one item"),
        ({"variants": ["wildlife", "wildlife"]}, "no item twice"),
        ({"ratio_values": [1, 0]}, "at least 1"),
        ({"train_images": 0}, "an integer or None"),
        ({"data_folder": 3}, "a text or None"),
    ],
)
def test_bad_values_are_named(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ParameterError) as error:
        check_parameters(given)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [("seed: [", "not a readable YAML file"), ("- 1", "expected lines"), ("", "expected lines"), ("sead: 1", "'seed'")],
)
def test_bad_files_are_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "my.yaml"
    file.write_text(text)
    with pytest.raises(ParameterError) as error:
        StudyParameters.load(file)
    assert words in str(error.value)
    assert str(file) in str(error.value)


def test_a_missing_file_names_those_that_are_there() -> None:
    with pytest.raises(ParameterError, match=r"quick\.yaml"):
        StudyParameters.load(PARAMS / "quik.yaml")


OWN = "# Parameters of this notebook (see params/)\nseed = 0\nvariants = ['wildlife']"


def run(*cells: str) -> dict[str, Any]:
    """A namespace as IPython leaves it after these cells."""
    namespace: dict[str, Any] = {"In": ["", *cells]}
    for cell in cells:
        exec(cell, namespace)
    return namespace


def test_a_notebook_takes_its_own_cell_and_that_of_papermill() -> None:
    found = notebook_parameters(run("import os", OWN, "# Parameters\nseed = 3\ncf_ratio = 5", "other = 1"))
    assert (found.seed, found.variants, found.cf_ratio) == (3, ("wildlife",), 5)


def test_a_misspelt_injected_name_stops_the_notebook() -> None:
    with pytest.raises(ParameterError, match="Did you mean 'seed'"):
        notebook_parameters(run(OWN, "# Parameters\nsede = 3"))


def test_correcting_a_name_in_the_same_kernel_is_enough() -> None:
    wrong, right = OWN + "\nclasifier_epochs = 1", OWN + "\nclassifier_epochs = 1"
    assert notebook_parameters(run(wrong, "x = 1", right)).classifier_epochs == 1
    assert notebook_parameters(run(OWN, "# Parameters\nsede = 3", "# Parameters\nseed = 4")).seed == 4


def test_the_check_needs_the_parameters_cell() -> None:
    with pytest.raises(ParameterError, match="run the parameters cell"):
        notebook_parameters(run("seed = 1"))


def test_outside_ipython_variables_named_like_parameters_count() -> None:
    assert notebook_parameters({"seed": 7, "path": "x", "__name__": "__main__"}).seed == 7


def test_every_parameter_is_documented() -> None:
    assert [spec.name for spec in fields(StudyParameters) if not spec.metadata["help"]] == []
