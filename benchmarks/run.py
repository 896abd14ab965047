"""Compare dlx with its peers and print one table.

Usage: python benchmarks/run.py [NAME ...] [--json FILE]. Exits 0 where every bar is met, else 1.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from comparisons import COMPARISONS, Comparison, Peer
from machine import description
from rich.console import Console
from sides import Side, SideFailed
from table import Row, table
from timing import alternate, ratio

RESULTS = Path(__file__).parent / "results"  # on the disk of the checkout: where fsync costs what it costs
WIDTH = 120  # of the table where the terminal is narrower or a file


@dataclass(frozen=True)
class Measured:
    """The seconds of each repetition of the sides that ran, and why the others did not."""

    seconds: dict[Side, list[float]]
    failures: dict[Side, str]


def main() -> int:
    """Run what was asked for, print the table and return the exit code."""
    arguments = parse()
    machine = description()
    chosen = [comparison for comparison in COMPARISONS if comparison.name in arguments.names]
    RESULTS.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=RESULTS) as folder:
        rows = [row for comparison in chosen for row in compare(comparison, folder)]
    Console(width=max(WIDTH, Console().width)).print(table(rows, machine))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps({**machine, "rows": [row.as_json() for row in rows]}, indent=2) + "\n")
    return 0 if all(row.met for row in rows if row.bar is not None) else 1


def parse() -> argparse.Namespace:
    """Read the command line."""
    names = [comparison.name for comparison in COMPARISONS]
    parser = argparse.ArgumentParser(description="Compare dlx with its peers.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}; all where none is given")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(names):
        parser.error(f"unknown {', '.join(sorted(unknown))}; choose from {', '.join(names)}")
    arguments.names = arguments.names or names
    return arguments


def compare(comparison: Comparison, folder: str) -> list[Row]:
    """Measure dlx and all peers of one work in alternation."""
    print(f"{comparison.name} …", file=sys.stderr)  # and no live progress, which would disturb what is timed
    sides = [comparison.dlx, *(side for peer in comparison.peers for side in peer.sides)]
    measured = measure(sides, comparison.repetitions, folder)
    return [row(comparison, peer, measured) for peer in comparison.peers]


def measure(sides: list[Side], repetitions: int, folder: str) -> Measured:
    """Warm each side up by running it once, then run those that work in alternation."""
    timers: dict[Side, Callable[[], float]] = {}
    failures: dict[Side, str] = {}
    with ExitStack() as stack:
        for side in sides:
            timer = side.open(stack, folder)
            try:
                timer()
            except SideFailed as failure:
                failures[side] = str(failure)
            else:
                timers[side] = timer
        try:
            return Measured(alternate(timers, repetitions), failures)
        except SideFailed as failure:
            return Measured({}, failures | dict.fromkeys(timers, f"stopped halfway by: {failure}"))


def row(comparison: Comparison, peer: Peer, measured: Measured) -> Row:
    """Compare dlx with the fastest way of a peer."""
    mine = measured.seconds.get(comparison.dlx)
    theirs = min((measured.seconds[side] for side in peer.sides if side in measured.seconds), key=median, default=None)
    owners = {comparison.dlx: f"{comparison.name}, dlx"} | dict.fromkeys(peer.sides, f"{comparison.name}, {peer.title}")
    notes = [f"{owner}: {measured.failures[side]}" for side, owner in owners.items() if side in measured.failures]
    return Row(
        name=comparison.name,
        work=comparison.title,
        peer=peer.title,
        dlx_seconds=None if mine is None else median(mine),
        peer_seconds=None if theirs is None else median(theirs),
        ratio=None if mine is None or theirs is None else ratio(mine, theirs),
        bar=peer.bar,
        note="\n".join(notes) or None,
    )


if __name__ == "__main__":
    raise SystemExit(main())
