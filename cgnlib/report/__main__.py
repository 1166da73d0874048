"""The command line: `python -m cgnlib.report --help`."""

import argparse
import signal
import sys
from types import FrameType

from cgnlib.parameters import PROFILES
from cgnlib.report import __doc__


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 if all is well, 1 with one message if not, 130 after Ctrl-C."""
    signal.signal(signal.SIGTERM, _interrupt)  # so that a workflow engine's stop also ends the kernel
    given = _parser().parse_args(arguments)
    try:
        return _run(given)
    except KeyboardInterrupt:
        print("stopped; run the same command again to go on from the last checkpoint", file=sys.stderr)
        return 130
    except _told() as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _told() -> tuple[type[Exception], ...]:
    """Errors whose message names what is wrong and the remedy. Imported once there is one: they need many packages."""
    from cgnlib.fetching import AssetError
    from cgnlib.locking import LockHeld
    from cgnlib.parameters import ParameterError
    from cgnlib.report import ReportError
    from cgnlib.results import ResultsError

    return ReportError, ResultsError, AssetError, ParameterError, LockHeld, OSError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cgnlib.report", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run one notebook")
    run.add_argument("name", help="e.g. 02-claim1-mnist")
    run.add_argument("-p", dest="pairs", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    run.add_argument("--output", help="where the executed copy goes (default: build/notebooks/PROFILE/)")
    run.add_argument("--log", help="text file for progress and warnings")
    book = commands.add_parser("book", help="build the book from executed notebooks")
    publish = commands.add_parser("publish", help="join results to results/PROFILE and fill the README's table")
    durations = commands.add_parser("durations", help="let the last runs here be the estimate for first runs elsewhere")
    commands.add_parser("check", help="notebooks in git: no outputs, a parameters cell, short cells")
    commands.add_parser("readme", help="fill the README's table from results/, draw its picture")
    for command in (run, book, publish, durations):
        command.add_argument("--profile", default="quick", help=f"one of {', '.join(PROFILES)}")
    return parser


def _run(given: argparse.Namespace) -> int:
    # Imported here: the checks need no notebook packages, running needs no book.
    if given.command == "run":
        from cgnlib.report.run import main_run

        return main_run(given.name, given.profile, given.pairs, given.output, given.log)
    if given.command == "book":
        from cgnlib.report.book import main_book

        return main_book(given.profile)
    if given.command == "durations":
        from cgnlib.report.durations import main_durations

        return main_durations(given.profile)
    if given.command == "check":
        from cgnlib.report.checks import main_check

        return main_check()
    from cgnlib.report.publish import main_publish, main_readme

    return main_publish(given.profile) if given.command == "publish" else main_readme()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
