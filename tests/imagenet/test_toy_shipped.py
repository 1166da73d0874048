"""`python -m cgnlib.imagenet.toy`: nothing shipped in part."""

import json
from pathlib import Path

import pytest

from cgnlib.errors import AssetError
from cgnlib.imagenet.toy import __main__ as command
from cgnlib.imagenet.toy import shipped
from cgnlib.imagenet.toy.parts import toy_parts
from cgnlib.training.weights import fingerprint


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["biggan", "--ship"], "--ship takes all parts"),
        (["biggan", "dragon"], "unknown part dragon: choose from biggan, u2net, classifier, oracle"),
    ],
)
def test_wrong_arguments_are_named_before_any_training(monkeypatch, capsys, arguments, message) -> None:
    monkeypatch.setattr(command, "TRAININGS", {name: lambda: pytest.fail("trained") for name in command.TRAININGS})
    with pytest.raises(SystemExit) as caught:
        command.main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_fingerprints_of_files_are_those_of_the_networks() -> None:
    parts = toy_parts()
    assert [shipped.fingerprint_of_file(shipped.part_file(name)) for name in shipped.PARTS] == [
        fingerprint(each) for each in parts
    ]
    assert shipped.judges_fingerprint() == "0962bda1f5b5"


def test_judges_have_another_fingerprint_with_other_weights_and_none_without_checksums(tmp_path: Path) -> None:
    def found(**sums: str) -> str:
        for name in shipped.JUDGES:
            (tmp_path / f"{name}.json").write_text(json.dumps({"weights_sha256": sums.get(name, "a")}))
        return shipped.judges_fingerprint(tmp_path)

    assert len({found(), *(found(**{name: "b"}) for name in shipped.JUDGES)}) == 4
    (tmp_path / "u2net.json").write_text("{}")
    with pytest.raises(AssetError, match="u2net.json.*git checkout weights"):
        shipped.judges_fingerprint(tmp_path)
    with pytest.raises(AssetError, match="git checkout weights"):
        shipped.fingerprint_of_file(tmp_path / "u2net.json")
