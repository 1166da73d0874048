"""What the toy world's rows are called: as those published, and found without torch."""

import subprocess
import sys
from dataclasses import asdict

import pytest

from cgnlib.imagenet.recipes import TERMS, TOY_CGN
from cgnlib.imagenet.toy.parts import toy_parts
from cgnlib.imagenet.toy.shipped import fingerprint_of_file, part_file
from cgnlib.training.weights import fingerprint
from cgnreport.protocol.parameters import Parameters
from cgnreport.protocol.rows import joined, select
from cgnreport.protocol.store import load, published
from cgnreport.protocol.toy_settings import ABLATIONS, CGN_RECIPES, EXPERIMENTS, ToySettings

QUICK = ToySettings(Parameters())


@pytest.mark.parametrize("experiment", [name for name in EXPERIMENTS if name != "imagenet-gradcam"])
def test_every_published_row_is_of_a_setting_and_every_setting_has_rows(experiment: str) -> None:
    rows = select(load("paper", experiment, own=False), dataset="toy")
    found = [setting.of(rows) for setting in ToySettings(Parameters.load("paper")).plan(experiment)]
    assert found and all(len(part) for part in found)
    assert sum(map(len, found)) == len(joined(found))
    assert set(joined(found)["setting"]) == set(rows["setting"]), "others differ in random seeds alone"


def test_settings_need_no_torch() -> None:
    code = (
        "import sys; from cgnreport.protocol import imagenet_settings, toy_settings;"
        "from cgnreport.protocol.parameters import Parameters;"
        "plan = toy_settings.ToySettings(Parameters()).plan;"
        "assert all(len(list(plan(each))) for each in ('imagenet-control', 'imagenet-background'));"
        "assert imagenet_settings.blocked('table 3', Parameters());"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_fingerprints_of_files_are_those_of_networks() -> None:
    parts = toy_parts()
    for name, network in (("biggan", parts.biggan), ("u2net", parts.u2net)):
        assert fingerprint_of_file(part_file(name)) == fingerprint(network)


def test_ablations_have_the_names_of_the_published_table() -> None:
    named = set(select(published("imagenet-is"), source="SG21")["method"])
    for term in TERMS:
        assert ABLATIONS[term] in named
        assert CGN_RECIPES[ABLATIONS[term]].name == f"toy -{term}"
    changed = {name: value for name, value in asdict(CGN_RECIPES["cgn-fill"]).items() if asdict(TOY_CGN)[name] != value}
    assert changed == {"name": "toy, fill", "texture_target": "fill"}


def test_lengths_of_cgns() -> None:
    """The short one has 42 % of the updates; ablations have a length of their own."""
    assert (QUICK.cgn().updates, QUICK.cgn("original+cgn-short").updates) == (250, 104)
    shorter = ToySettings(Parameters().with_changes(imagenet_updates=5))
    assert (shorter.cgn("original+cgn").updates, shorter.cgn("original+cgn-short").updates) == (5, 2)
    assert shorter.ablated_cgn("cgn-fill").updates == 5
    own = ToySettings(Parameters().with_changes(imagenet_updates=5, imagenet_ablation_updates=3))
    assert own.ablated_cgn("cgn").updates == 3


def test_only_methods_with_additions_have_a_cf_ratio() -> None:
    assert (QUICK.recipe("original").cf_ratio, QUICK.recipe("original+gan").cf_ratio) == (0, 1)
    longer = ToySettings(Parameters().with_changes(imagenet_classifier_epochs=6)).recipe("original")
    assert (longer.epochs, longer.decay_epochs) == (6, 4)


def test_what_parameters_leave_out_is_not_planned() -> None:
    assert not list(QUICK.plan("imagenet-grid")) and not list(QUICK.plan("imagenet-ablation"))
    few = ToySettings(Parameters().with_changes(imagenet_methods=["original", "original+gan"]))
    assert [setting.method for setting in few.plan("imagenet-gradcam")] == ["original"]
