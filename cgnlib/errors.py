"""The errors that users meet: each names the thing that is wrong and the remedy. A command tells them in one way."""

import contextlib
import difflib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


class Told(Exception):
    """An error whose message is written for users: it names what is wrong and the remedy."""


class AssetError(Told, RuntimeError):
    """Data or weights are missing or damaged. The message names the thing, where it was looked for, and the remedy."""


class TrainingStopped(Told, RuntimeError):
    """Training cannot go on: a loss is not finite or the masks collapsed. The message says where and what to change."""


class LockHeld(Told, RuntimeError):
    """Somebody else has the lock, or left it behind. The message names the file and what to do."""


@dataclass(frozen=True)
class Blocked:
    """Why something cannot be done here, and what would make it possible. The one way to say "cannot"."""

    reason: str
    remedy: str = ""

    def __str__(self) -> str:
        """Both on one line, without a full stop: "reason: remedy"."""
        return f"{self.reason}: {self.remedy}" if self.remedy else self.reason


class Unavailable(Told, RuntimeError):
    """Carries a `Blocked` out of code that cannot go on."""

    def __init__(self, blocked: Blocked) -> None:
        super().__init__(str(blocked))
        self.blocked = blocked


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Around a command: `Told` and OSError end it with a line on stderr and status 1, Ctrl-C with 130; others pass."""
    try:
        yield
    except (Told, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print("stopped; run the same command again to go on: what is finished is kept", file=sys.stderr)
        raise SystemExit(130) from None


def needed(thing: "T | Blocked") -> "T":
    """The thing itself. Raises Unavailable where it is blocked."""
    if isinstance(thing, Blocked):
        raise Unavailable(thing)
    return thing


def known(kind: str, value: str, choices: Iterable[str]) -> str:
    """The value, if it is one of the choices. Raises ValueError that names the nearest one, or all."""
    names = [str(choice) for choice in choices]
    if value in names:
        return value
    near = difflib.get_close_matches(str(value), names, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'?" if near else f"choose one of: {', '.join(names)}"
    raise ValueError(f"unknown {kind} '{value}'; {hint}")
