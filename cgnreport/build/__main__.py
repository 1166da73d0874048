"""The command line: `python -m cgnreport.build --help`."""

import argparse
import importlib
import os
import signal
import sys

from cgnlib.errors import told
from cgnlib.paths import build_folder
from cgnreport.build import __doc__
from cgnreport.protocol.parameters import PROFILES

# Of each command the module whose `main` runs it, imported once it is asked for: the checks need no papermill.
COMMANDS = {
    "run": ("run", "run one notebook"),
    "book": ("book", "build the book from executed notebooks"),
    "pdf": ("pdf", "print the book built last as one PDF"),
    "archive": ("archive", "everything in git as one RO-Crate"),
    "publish": ("publish", "join results to results/PROFILE and fill the README's tables"),
    "durations": ("durations", "let the last runs here be the estimate for first runs elsewhere"),
    "check": ("checks", "notebooks in git: no outputs, no parameter assigned again, open code"),
    "verify": ("verify", "measure the shipped classifiers anew, and compare with their records and the published rows"),
    "readme": ("readme", "fill the README's tables from results/, draw its picture"),
}


@told()
def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 if all is well, else 1."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that a workflow engine's stop also ends the kernel
    parser = argparse.ArgumentParser(
        prog="python -m cgnreport.build", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    made = {name: commands.add_parser(name, help=words) for name, (_, words) in COMMANDS.items()}
    for name in ("run", "book", "pdf", "publish", "durations"):
        made[name].add_argument("--profile", choices=PROFILES, default="quick")
    made["verify"].add_argument("--offline", action="store_true", help="do not try to download MNIST")
    run = made["run"]
    run.add_argument("name", help="e.g. 02-claim1-mnist")
    run.add_argument("-p", dest="pairs", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    run.add_argument("--output", help="where the executed copy goes (default: build/notebooks/PROFILE/)")
    run.add_argument("--log", help="text file for progress and warnings")
    given = parser.parse_args(arguments)
    if not os.access(os.path.expanduser("~"), os.W_OK):  # Jupyter wants one
        os.environ["HOME"] = str(build_folder() / "home")
    return importlib.import_module(f"cgnreport.build.{COMMANDS[given.command][0]}").main(given)


if __name__ == "__main__":
    sys.exit(main())
