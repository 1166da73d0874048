"""The study on a real SLURM on this machine: as a whole, cancelled, out of time, and gone on with.

Skipped where SLURM's daemons are not installed (Debian and Ubuntu: apt install slurm-wlm munge).
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
import torch

from cgnlib.paths import project_root

ROOT = project_root()
DAEMONS = ("munged", "slurmctld", "slurmd")
CLIENTS = ("sbatch", "scancel", "scontrol", "sinfo", "squeue", "srun")
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=20000
PartitionName=work Nodes=ALL Default=YES MaxTime=120 State=UP
"""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def wait(until: Callable[[], object], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not until() and time.monotonic() < deadline:
        time.sleep(0.2)
    return bool(until())


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A cluster of one machine with two processors; the environment in which its commands are found."""
    places = f"/usr/sbin:/usr/local/sbin:{os.environ['PATH']}"
    found = {name: shutil.which(name, path=places) for name in (*DAEMONS, *CLIENTS)}
    if missing := [name for name, path in found.items() if path is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    folder = tmp_path_factory.mktemp("slurm")
    for name in ("state", "spool", "bin"):
        (folder / name).mkdir()
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o400)
    ports = []
    for _ in DAEMONS[1:]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname()[1])
    host, user = socket.gethostname().partition(".")[0], os.environ.get("USER") or "root"
    configuration = folder / "slurm.conf"
    configuration.write_text(CONFIGURATION.format(host=host, user=user, folder=folder, ports=ports))
    for name in CLIENTS:  # not by SLURM_CONF: Snakemake's plugin takes that away from the jobs that it starts
        command = folder / "bin" / name
        command.write_text(f'#!/bin/sh\nSLURM_CONF={configuration} exec {found[name]} "$@"\n')
        command.chmod(0o755)
    files = {"key-file": "munge.key", "socket": "munge.sock", "pid-file": "munged.pid", "seed-file": "munge.seed"}
    options = [f"--{name}={folder / file}" for name, file in (files | {"log-file": "munged.log"}).items()]
    try:
        subprocess.run([str(found["munged"]), "--force", *options], check=True)
        for name in DAEMONS[1:]:
            subprocess.run([str(found[name]), "-f", str(configuration)], check=True)
        environment = os.environ | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
        assert wait(lambda: "idle" in said(environment, "sinfo", "-h", "-o", "%T"), 30)
        yield environment
    finally:
        for name in DAEMONS:
            if (pid := folder / f"{name}.pid").exists():
                os.kill(int(pid.read_text()), signal.SIGTERM)


def said(environment: dict[str, str], *command: str, folder: Path = ROOT) -> str:
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)
    return done.stdout + done.stderr


def snakemake(environment: dict[str, str], build: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("snakemake")), "--workflow-profile", "profiles/slurm", "--cores", "2"]
    environment = environment | {"CGN_BUILD": str(build), "PYTHONPATH": str(ROOT)}
    return subprocess.run([*command, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)


def test_the_study_runs_as_jobs(slurm: dict[str, str], tmp_path: Path) -> None:
    done = snakemake(slurm, tmp_path, "--config", "profile=smoke", "--", "study")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "(100%) done" in done.stdout + done.stderr


def test_jobs_over_the_partitions_limit_are_not_submitted(slurm: dict[str, str], tmp_path: Path) -> None:
    done = snakemake(slurm, tmp_path, "--config", "profile=paper", "--", "study")
    assert done.returncode != 0
    assert "partition work allows 2:00:00" in done.stdout + done.stderr
    assert said(slurm, "squeue", "-h", "-t", "pending,running") == ""


TRAINING = """
import time
from pathlib import Path
import torch
from cgnlib.training.artefact import Artefact
from cgnlib.training.loop import TrainingState, run

layer, noise = torch.nn.Linear(1, 1), torch.Generator().manual_seed(0)
torch.nn.init.zeros_(layer.weight)
state = TrainingState({"layer": layer}, {}, {"noise": noise})

def step(number):
    with torch.no_grad():
        layer.weight += torch.randn(1, generator=noise)
    time.sleep(0 if Path("fast").exists() else 0.1)
    return {}

thing = Artefact("thing", {}, Path("artefacts"))
with thing.lock():
    thing.resume(state)
    run(state, 3000, step, thing.checkpoint)
print(layer.weight.item())
"""


def test_cancelled_and_out_of_time_and_then_the_same_bits(report, build: Path, slurm: dict[str, str]) -> None:
    """scancel and a time limit of a minute: each saves its last step, which the 30 s between checkpoints would not."""
    for package in ("cgnlib", "cgnreport"):
        shutil.copytree(ROOT / package, report.root / package)
    shutil.copy(ROOT / "pyproject.toml", report.root)
    notebook = report.write(TRAINING)
    run = f"exec {sys.executable} -m cgnreport.build run 00-overview --profile smoke"
    environment = slurm | {"PYTHONPATH": str(report.root), "CGN_BUILD": str(build)}

    def submit() -> str:
        options = ("--parsable", "--time=1", "--mem=2000", f"--output={report.root}/said-%j.txt")
        return said(environment, "sbatch", *options, "--wrap", run, folder=report.root).strip()

    def state(job: str) -> str:
        return said(environment, "squeue", "-h", "-t", "all", "-o", "%T", "-j", job).strip()

    def steps() -> int:
        saved = list(notebook.parent.rglob("checkpoint.pt"))
        return torch.load(saved[0], weights_only=True)["step"] if saved else 0

    def words(job: str) -> str:
        return (report.root / f"said-{job}.txt").read_text()

    first = submit()
    assert wait(lambda: list(notebook.parent.rglob("lock")), 120)  # the training begins
    time.sleep(3)
    assert steps() == 0
    said(environment, "scancel", first)
    assert wait(lambda: state(first) == "CANCELLED", 60)
    assert wait(lambda: steps() > 0, 30), words(first)
    cancelled = steps()

    second = submit()
    assert wait(lambda: state(second) == "TIMEOUT", 200)
    assert wait(lambda: steps() > cancelled + 50, 30), words(second)
    assert not list((build / "notebooks").rglob("*.ipynb"))

    (notebook.parent / "fast").touch()
    third = submit()
    assert wait(lambda: state(third) == "COMPLETED", 120), words(third)
    executed = nbformat.read(build / "notebooks" / "smoke" / "00-overview.ipynb", as_version=4)
    weight, noise = torch.zeros(1, 1), torch.Generator().manual_seed(0)
    for _ in range(3000):
        weight += torch.randn(1, generator=noise)
    assert executed.cells[-1].outputs[0].text == f"{weight.item()}\n"
