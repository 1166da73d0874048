"""`python -m cgnlib.data`: which data and weights are here and how to get the rest; with --fetch, download first."""

import argparse

from cgnlib.data import catalogue
from cgnlib.data.fetching import fetch
from cgnlib.data.finding import find, remedy, search_folders
from cgnlib.errors import AssetError, told


@told()
def main(arguments: list[str] | None = None) -> int:
    """Show what is there and how to get the rest; with --fetch, download first, where one error does not stop the rest.

    Returns 1 if anything failed or is damaged.
    """
    parser = argparse.ArgumentParser(
        prog=catalogue.COMMAND, description="Data and weights: what is there, how to get the rest."
    )
    parser.add_argument("--folder", help="a folder to look into first (default: CGN_DATA)")
    choices = ["all", *(asset.name for asset in catalogue.CATALOGUE)]
    words = f"{', '.join(choices)} (all but what a person must fetch)"
    parser.add_argument("--fetch", nargs="+", choices=choices, default=[], metavar="NAME", help=words)
    options = parser.parse_args(arguments)
    search_folders(options.folder)  # a folder that does not exist is one error, not one for each asset
    table, notes, errors, damaged = [("asset", "size", "licence", "found in")], [], "", False
    for asset in catalogue.CATALOGUE:
        try:
            asked = asset.name in options.fetch or ("all" in options.fetch and asset.urls)
            if asked and find(asset.name, options.folder) is None:
                fetch(asset.name)
        except AssetError as error:
            errors += f"{asset.name}: {error}\n"
        note = ""
        try:
            path = find(asset.name, options.folder)
            place = str(path or "not found")
            note = "" if path else f"Without it: {asset.without}. {remedy(asset)}"
        except AssetError as error:
            place, note, damaged = "damaged, see below", str(error), True
        table.append((asset.name, asset.megabytes, asset.licence, place))
        notes += [f"\n{asset.name}, {asset.what}\n  {note}"] * bool(note)
    widths = [max(len(row[column]) for row in table) for column in range(3)]
    for name, size, licence, place in table:
        print(f"{name:<{widths[0]}}  {size:>{widths[1]}}  {licence:<{widths[2]}}  {place}")
    print(*notes, sep="\n")
    if errors:
        parser.exit(1, errors)
    return int(damaged)


if __name__ == "__main__":
    raise SystemExit(main())
