import os
import subprocess
import sys
from pathlib import Path

import pytest

from cgnlib.errors import AssetError, told
from cgnlib.paths import project_root

ROOT = project_root()
COMMANDS = {
    "cgnreport.protocol.without_cgn": ["--profile=smoke", "--part=colored:border-cut"],
    "cgnlib.imagenet.toy": ["classifier"],
    "cgnreport.build": ["run", "00-overview", "--profile=smoke"],
}


@pytest.mark.parametrize("module", COMMANDS)
def test_a_build_folder_that_cannot_be_written_is_one_line(module: str, tmp_path: Path) -> None:
    file = tmp_path / "build"
    file.touch()
    command = [sys.executable, "-m", module, *COMMANDS[module]]
    environment = os.environ | {"CGN_BUILD": str(file), "TQDM_DISABLE": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: cannot write {file}/") and done.stderr.count("\n") == 1, done.stderr


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (AssetError("no weights."), 1, "error: no weights.\n"),
        (OSError("disk full"), 1, "error: disk full\n"),
        (KeyboardInterrupt(), 130, "stopped; run the same command again to go on: what is finished is kept\n"),
    ],
)
def test_what_ends_a_command_is_one_line(error: BaseException, status: int, words: str, capsys) -> None:
    with pytest.raises(SystemExit) as ended, told():
        raise error
    assert (ended.value.code, capsys.readouterr().err) == (status, words)


def test_a_fault_of_the_program_keeps_its_traceback() -> None:
    with pytest.raises(KeyError), told():
        raise KeyError("name")


def test_every_command_tells_errors_in_this_way() -> None:
    files = [file for package in ("cgnlib", "cgnreport") for file in (ROOT / package).rglob("*.py")]
    commands = {file: text for file in files if '\nif __name__ == "__main__":' in (text := file.read_text("utf-8"))}
    assert len(commands) > 10
    assert [file for file, text in commands.items() if "@told()\n" not in text and "measure_command(" not in text] == []
