import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from cgnlib.errors import TrainingStopped
from cgnlib.paths import project_root
from cgnlib.training.processes import alone, launched, share

TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "run",
    "RANK": "0",
    "LOCAL_RANK": "0",
    "WORLD_SIZE": "1",
    "LOCAL_WORLD_SIZE": "1",
    "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "29500",
}
SLURM = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}


def cluster(folder: Path) -> str:
    """A PATH with an srun that fails."""
    command = folder / "srun"
    command.write_text("#!/bin/sh\nexit 1\n")
    command.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def place(rank: int, size: int) -> Any:
    return SimpleNamespace(global_rank=rank, world_size=size)


def test_a_share_of_a_batch() -> None:
    assert [list(range(6))[share(place(rank, 3), 6)] for rank in range(3)] == [[0, 1], [2, 3], [4, 5]]
    assert list(range(5))[share(alone(), 5)] == list(range(5))
    with pytest.raises(TrainingStopped, match="a batch of 5 cannot be shared by 2"):
        share(place(0, 2), 5)


@pytest.mark.parametrize("started_by", [{}, TORCHRUN | {"WORLD_SIZE": "2"}, SLURM])
def test_alone_is_one_process_whatever_started_it(
    started_by: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in started_by.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", cluster(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fabric = alone()
    value = torch.ones(2)
    assert (fabric.global_rank, fabric.world_size, fabric.is_global_zero, fabric.device.type) == (0, 1, True, "cpu")
    assert fabric.all_reduce(value) is value and fabric.broadcast(value) is value
    assert not torch.distributed.is_initialized()


@pytest.mark.parametrize("started_by", [{}, TORCHRUN, SLURM | {"SLURM_NTASKS": "1"}])
def test_one_launched_process_is_alone(
    started_by: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ({"PATH": cluster(tmp_path)} | started_by).items():
        monkeypatch.setenv(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert launched("cpu", "float32").world_size == 1
    assert not torch.distributed.is_initialized()


def test_processes_that_do_not_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SLURM.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(TrainingStopped, match="--ntasks-per-node=4"):
        launched("cpu", "float32")


def test_the_import_changes_nothing_beyond_itself() -> None:
    assert "PYTORCH_NVML_BASED_CUDA_CHECK" not in os.environ  # with it a GPU counts that torch cannot use
    assert not logging.getLogger("lightning_fabric.utilities.rank_zero").isEnabledFor(logging.INFO)


QUIET = """
import tempfile
from dataclasses import replace
from pathlib import Path
from tests.imagenet.test_invariant_training import TINY, train

for recipe in (TINY, replace(TINY, precision="bfloat16")):
    train(Path(tempfile.mkdtemp()), recipe)
"""


@pytest.mark.slow
def test_a_training_says_nothing_of_its_own(tmp_path: Path) -> None:
    """In a job of a cluster, where every notebook is one process."""
    job = SLURM | {"SLURM_NTASKS": "1", "PATH": cluster(tmp_path), "TQDM_DISABLE": "1"}
    environment = os.environ | job | {"PYTHONPATH": str(project_root())}
    command = [sys.executable, "-c", QUIET]
    done = subprocess.run(command, env=environment, cwd=project_root(), capture_output=True, text=True, timeout=200)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
