"""pyproject.toml, constraints.txt and environment.yml describe one environment."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions, requires, version

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from rattler import MatchSpec

from cgnlib.paths import project_root

ROOT = project_root()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LINES = [*PROJECT["dependencies"], *(line for extra in PROJECT["optional-dependencies"].values() for line in extra)]
DIRECT = [Requirement(line) for line in LINES]
REQUIRED = {canonicalize_name(requirement.name) for requirement in DIRECT}
LOCK = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
PINS = [Requirement(line) for line in LOCK if line and not line.startswith("#")]
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]


def name_of(requirement: Requirement) -> str:
    return canonicalize_name(requirement.name)


def test_every_pin_is_exact_and_what_we_require_has_one_that_fits() -> None:
    assert all(re.fullmatch(r"==[^*,]+", str(pin.specifier)) for pin in PINS)
    for requirement in DIRECT:
        found = [str(pin.specifier).removeprefix("==") for pin in PINS if name_of(pin) == name_of(requirement)]
        assert found, f"constraints.txt has no pin for {requirement.name}"
        assert all(requirement.specifier.contains(pin, prereleases=True) for pin in found), requirement.name


def test_everything_that_is_imported_is_required() -> None:
    """What comes only because another package needs it may go with that package."""
    imported = set()
    for file in (path for package in ("cgnlib", "cgnreport", "benchmarks") for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.partition(".")[0])
    others = imported - set(sys.stdlib_module_names) - {"cgnlib", "cgnreport", "benchmarks"}
    providers = packages_distributions()
    missing = {name for name in others if not REQUIRED & {canonicalize_name(by) for by in providers.get(name, [name])}}
    assert not missing, f"pyproject.toml does not name {sorted(missing)}"


def test_the_lock_holds_everything_that_is_needed() -> None:
    locked, seen = {name_of(pin) for pin in PINS}, set()
    waiting = [(name_of(requirement), frozenset(requirement.extras)) for requirement in DIRECT]
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        for requirement in map(Requirement, requires(name) or []):
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                waiting.append((name_of(requirement), frozenset(requirement.extras)))
    missing = {name for name, _ in seen} - locked
    assert not missing, f"constraints.txt lacks {sorted(missing)}"


def test_this_environment_is_the_locked_one() -> None:
    for pin in PINS:
        if name_of(pin) in REQUIRED and (pin.marker is None or pin.marker.evaluate()):
            installed = version(pin.name).split("+")[0]
            assert pin.specifier.contains(installed), f"{pin.name} {installed} is installed, {pin} is pinned"


def test_conda_lines_are_strict_match_specs() -> None:
    lines = [entry for entry in CONDA if isinstance(entry, str)]
    specs = {spec.name.normalized: spec for spec in (MatchSpec(line, strict=True) for line in lines) if spec.name}
    assert {"python", "pip"} <= set(specs)
    assert str(specs["python"].version) == PROJECT["requires-python"]


def test_pip_lines_name_the_same_packages_and_versions() -> None:
    lines = next(entry["pip"] for entry in CONDA if isinstance(entry, dict))
    options = [line for line in lines if line.startswith("--")]
    assert options == ["--constraint constraints.txt", "--editable ."]
    listed = [Requirement(line) for line in lines if line not in options]
    assert {(name_of(r), frozenset(r.extras)) for r in listed} == {(name_of(r), frozenset(r.extras)) for r in DIRECT}
    pinned = {(name_of(pin), str(pin.specifier), str(pin.marker)) for pin in PINS if name_of(pin) in REQUIRED}
    assert {(name_of(r), str(r.specifier), str(r.marker)) for r in listed} == pinned


def test_no_file_names_a_package_index() -> None:
    for name in ("pyproject.toml", "constraints.txt", "environment.yml", "Makefile", ".ci/run", ".ci/environment"):
        assert not re.search(r"https?://|index-url|find-links", (ROOT / name).read_text(encoding="utf-8")), name
