"""One holder at a time, with real locks and with soft ones."""

import threading
import time
from pathlib import Path

import pytest

from cgnlib import locking
from cgnlib.errors import LockHeld
from cgnlib.locking import locked


@pytest.fixture(params=[True, False], ids=["real", "soft"])
def either_way(request: pytest.FixtureRequest) -> None:
    if not request.param:
        request.getfixturevalue("without_flock")


def test_a_second_one_says_that_it_waits_and_then_has_it(
    tmp_path: Path, either_way: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locking, "STALE", 30.0)
    order, waits = [], threading.Event()
    monkeypatch.setattr(locking.tqdm, "write", lambda text, file: (order.append(text), waits.set()))

    def second() -> None:
        with locked(tmp_path / "lock", "waiting for the first"):
            order.append("second")

    thread = threading.Thread(target=second)
    with locked(tmp_path / "lock", "not said"):
        thread.start()
        assert waits.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["waiting for the first", "first", "second"]


def test_a_lock_ends_with_its_block_also_after_an_error(tmp_path: Path, either_way: None) -> None:
    for _ in range(2):
        with pytest.raises(KeyError), locked(tmp_path / "lock"):
            raise KeyError
    with locked(tmp_path / "lock"):
        pass
    assert not (tmp_path / "lock.held").exists()


def test_a_waiter_gives_up_on_no_holder_that_lives_and_shows_that_it_waits(tmp_path: Path, without_flock: None) -> None:
    """The holder needs five times as long as what counts as left behind."""
    beats, held = [], threading.Event()

    def hold() -> None:
        with locked(tmp_path / "lock"):
            held.set()
            time.sleep(5 * locking.STALE)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(10)
    with locked(tmp_path / "lock", beat=lambda: beats.append(thread.is_alive())):
        pass
    thread.join(10)
    assert beats.count(True) > 1


def test_what_a_killed_process_left_behind_is_named(tmp_path: Path, without_flock: None) -> None:
    (tmp_path / "lock.held").touch()
    with pytest.raises(LockHeld, match=r"lock\.held; .*delete that file.*CGN_BUILD"), locked(tmp_path / "lock"):
        pytest.fail("the lock was given")
    assert (tmp_path / "lock.held").exists()


def test_a_lock_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"), locked(tmp_path / "file" / "lock"):
        pytest.fail("the lock was given")
