"""What every test gets: one torch thread, Ctrl-C, a build folder of its own, the embedded digits."""

import errno
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from cgnlib.data.digits import Digits, embedded_digits
from cgnlib.data.finding import find_authors_weights
from cgnlib.mnist.cgn import CGN, initialise
from cgnlib.randomness import generator

COLLECTED = pytest.StashKey[set[Path]]()  # test files, before any is left out by a mark


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The report at scale smoke first: beside it, other processes run everything else."""
    config.stash[COLLECTED] = {item.path for item in items}
    items.sort(key=lambda item: item.path.name != "test_notebooks.py")


@pytest.fixture(scope="session")
def collected(pytestconfig: pytest.Config) -> set[Path]:
    """Test files that pytest found, whatever their marks."""
    return pytestconfig.stash[COLLECTED]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Small tensors are faster on one thread, and runs do not depend on the number of cores."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_interrupts() -> None:
    """Also where the tests run in the background of a shell, which makes its children ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _build_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing that a test makes lands in the checkout's build/."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CGN_BUILD", str(tmp_path_factory.mktemp("build")))
        yield


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty build folder for one test."""
    folder = tmp_path / "build"
    monkeypatch.setenv("CGN_BUILD", str(folder))
    return folder


@pytest.fixture
def without_flock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that cannot lock; a lock by file, untouched for a tenth of a second, counts as left behind."""

    def refuse(*arguments: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", refuse)
    monkeypatch.setattr("cgnlib.locking.STALE", 0.1)


@pytest.fixture(scope="session")
def digits() -> Digits:
    """The 5,000 embedded digits: 4,000 + 1,000."""
    return embedded_digits()


@pytest.fixture(scope="session")
def authors_file() -> Callable[[str], Path]:
    """Path of the authors' weights of a variant; the test is skipped where they are not there."""

    def find(variant: str) -> Path:
        path = find_authors_weights(variant)
        return path or pytest.skip(f"the authors' weights of {variant} are not there")

    return find


@pytest.fixture
def cgn() -> CGN:
    """A CGN for MNIST with weights large enough that its images differ."""
    network = CGN()
    initialise(network, "orthogonal", 1.0, generator(0, "test"))
    return network
