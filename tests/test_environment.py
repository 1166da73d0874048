"""pyproject.toml, constraints.txt and environment.yml describe one environment."""

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from rattler import MatchSpec

from cgnlib.paths import project_root

ROOT = project_root()
EXTRAS = ("report", "dev")


@cache
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def direct() -> list[Requirement]:
    """Every requirement that pyproject.toml names."""
    lines = list(project()["dependencies"])
    for extra in EXTRAS:
        lines += project()["optional-dependencies"][extra]
    return [Requirement(line) for line in lines]


def pins() -> list[Requirement]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def pins_of(name: str) -> set[str]:
    """'version; marker' of each pin of a package."""
    return {_text(pin) for pin in pins() if canonicalize_name(pin.name) == canonicalize_name(name)}


def _text(requirement: Requirement) -> str:
    return f"{requirement.specifier}; {requirement.marker or ''}"


def pip_part() -> list[str]:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    return next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))


def test_every_pin_is_exact() -> None:
    assert all(re.fullmatch(r"==[^*,]+", str(pin.specifier)) for pin in pins())


@pytest.mark.parametrize("requirement", direct(), ids=lambda requirement: requirement.name)
def test_every_direct_requirement_has_a_pin_that_it_accepts(requirement: Requirement) -> None:
    found = [pin for pin in pins() if canonicalize_name(pin.name) == canonicalize_name(requirement.name)]
    assert found, f"constraints.txt has no pin for {requirement.name}"
    for pin in found:
        assert requirement.specifier.contains(str(pin.specifier).removeprefix("=="), prereleases=True)


def test_everything_that_the_library_imports_is_required() -> None:
    """What comes only because another package needs it may go with that package."""
    imported = set()
    for file in (ROOT / "cgnlib").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.partition(".")[0])
    others = imported - set(sys.stdlib_module_names) - {"cgnlib"}
    required, providers = {canonicalize_name(one.name) for one in direct()}, packages_distributions()
    missing = {name for name in others if not required & {canonicalize_name(by) for by in providers.get(name, [name])}}
    assert not missing, f"pyproject.toml does not name {sorted(missing)}"


def test_the_lock_holds_everything_that_is_needed() -> None:
    locked = {canonicalize_name(pin.name) for pin in pins()}
    missing = {name for name in needed({requirement.name for requirement in direct()}) if name not in locked}
    assert not missing, f"constraints.txt lacks {sorted(missing)}"


def needed(names: set[str]) -> set[str]:
    """Canonical names of what the given installed packages need, all the way down."""
    seen: set[str] = set()
    waiting = [(canonicalize_name(name), frozenset[str]()) for name in names]
    while waiting:
        name, extras = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            lines = requires(name) or []
        except PackageNotFoundError:
            pytest.fail(f"{name} is needed but not installed")
        for requirement in map(Requirement, lines):
            contexts = [{**default_environment(), "extra": extra} for extra in ("", *extras)]
            if requirement.marker is None or any(requirement.marker.evaluate(context) for context in contexts):
                waiting.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return seen


def test_this_environment_is_the_locked_one() -> None:
    for pin in pins():
        if pin.marker is not None and not pin.marker.evaluate():
            continue
        try:
            installed = version(pin.name)
        except PackageNotFoundError:
            continue  # a pin for what another platform needs
        if canonicalize_name(pin.name) in {canonicalize_name(direct_one.name) for direct_one in direct()}:
            assert pin.specifier.contains(installed.split("+")[0]), f"{installed} is installed, {pin} is pinned"


def test_conda_lines_are_strict_match_specs() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    lines = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    specs = {spec.name.normalized: spec for spec in (MatchSpec(line, strict=True) for line in lines) if spec.name}
    assert {"python", "pip"} <= set(specs)
    assert str(specs["python"].version) == project()["requires-python"]


def test_pip_lines_name_the_same_packages_and_versions() -> None:
    options = [line for line in pip_part() if line.startswith("--")]
    assert options == ["--constraint constraints.txt", "--editable ."]
    listed = [Requirement(line) for line in pip_part() if not line.startswith("--")]
    assert {(r.name, frozenset(r.extras)) for r in listed} == {(r.name, frozenset(r.extras)) for r in direct()}
    for name in {requirement.name for requirement in listed}:
        assert {_text(requirement) for requirement in listed if requirement.name == name} == pins_of(name)


def test_this_python_is_supported() -> None:
    assert (3, 11) <= sys.version_info[:2] <= (3, 13)
    assert project()["requires-python"] == ">=3.11,<3.14"


@pytest.mark.parametrize(
    "name", ["pyproject.toml", "constraints.txt", "environment.yml", "Makefile", ".ci/run", ".ci/environment"]
)
def test_no_file_names_a_package_index(name: str) -> None:
    text = Path(ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"https?://|index-url|find-links", text)
