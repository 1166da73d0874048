"""Measure the shipped classifiers anew on rebuilt test sets, and compare with their records and the published rows."""

import argparse


def main(given: argparse.Namespace) -> int:
    """The command `verify`: prints every comparison; 1 if a pixel, a weight, a published row or an accuracy differs."""
    from cgnreport.protocol.shipped_classifiers import verify  # here: it imports torch

    troubles, count = [], 0
    for check in verify(offline=given.offline):
        count += 1
        print(f"{check.what:66} {check.recorded:>9} {check.found:>9}  {check.trouble or 'ok'}", flush=True)
        troubles += [f"{check.what}: {check.trouble}"] * bool(check.trouble)
    print(f"\n{count - len(troubles)} of {count} agree with their records (recorded, found)")
    for trouble in troubles:
        print(trouble)
    return int(bool(troubles))
