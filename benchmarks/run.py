"""Compare dlx with its peers and print one table.

Usage: python benchmarks/run.py [NAME ...] [--device cuda|cpu] [--json FILE]. Exits 0 where every bar is met, else 1;
a row that needs a GPU counts only where there is one.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from comparisons import OF_ONE_RUN, Comparison, Peer
from machine import description, gpu_name
from many_runs import OF_MANY_RUNS, on_gpu
from rich.console import Console
from sides import Side, SideFailed
from table import Row, table
from timing import alternate, ratio

RESULTS = Path(__file__).parent / "results"  # on the disk of the checkout: where fsync costs what it costs
WIDTH = 120  # of the table where the terminal is narrower or a file


@dataclass(frozen=True)
class Measured:
    """The seconds, or bytes, of each repetition of the sides that ran, and why the others did not."""

    figures: dict[Side, list[float]]
    failures: dict[Side, str]


def main() -> int:
    """Run what was asked for, print the table and return the exit code."""
    arguments = parse()
    machine = description()
    gpu = gpu_name() if any(comparison.needs_gpu for comparison in arguments.chosen) else None
    machine |= {} if gpu is None else {"gpu": gpu}
    RESULTS.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=RESULTS) as folder:
        rows = [row for comparison in arguments.chosen
                for row in (without_gpu(comparison) if comparison.needs_gpu and gpu is None
                            else compare(comparison, folder))]
    Console(width=max(WIDTH, Console().width)).print(table(rows, machine))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps({**machine, "rows": [row.as_json() for row in rows]}, indent=2) + "\n")
    return 0 if all(row.met for row in rows if row.bar is not None and row.skipped is None) else 1


def parse() -> argparse.Namespace:
    """Read the command line; `chosen` are the comparisons that it names."""
    names = [comparison.name for comparison in comparisons("cuda")]
    parser = argparse.ArgumentParser(description="Compare dlx with its peers.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}; all where none is given")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda",
                        help="of the rows gpu-…; cpu tries their code out in small, without bars")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(names):
        parser.error(f"unknown {', '.join(sorted(unknown))}; choose from {', '.join(names)}")
    wanted = arguments.names or names
    arguments.chosen = [comparison for comparison in comparisons(arguments.device) if comparison.name in wanted]
    return arguments


def comparisons(device: str) -> tuple[Comparison, ...]:
    """Return all comparisons, those of a GPU on the device."""
    return (*OF_ONE_RUN, *OF_MANY_RUNS, *on_gpu(device))


def compare(comparison: Comparison, folder: str) -> list[Row]:
    """Measure dlx and all peers of one work in alternation."""
    print(f"{comparison.name} …", file=sys.stderr)  # and no live progress, which would disturb what is timed
    pairs = [(peer.dlx or comparison.dlx, peer.sides) for peer in comparison.peers]
    sides = dict.fromkeys([comparison.dlx, *(side for own, others in pairs for side in (own, *others))])
    measured = measure(list(sides), comparison.repetitions, folder)
    rows = [row(comparison, peer, measured) for peer in comparison.peers]
    return rows if comparison.limit is None else [*rows, limit_row(comparison, measured)]


def without_gpu(comparison: Comparison) -> list[Row]:
    """Return the rows of a comparison that cannot be made on this machine."""
    nothing = Measured({}, {})
    return [replace(row(comparison, peer, nothing), skipped="no GPU here") for peer in comparison.peers]


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
    own = peer.dlx or comparison.dlx
    mine = measured.figures.get(own)
    theirs = min((measured.figures[side] for side in peer.sides if side in measured.figures), key=median, default=None)
    owners = {own: f"{comparison.name}, dlx"} | dict.fromkeys(peer.sides, f"{comparison.name}, {peer.title}")
    notes = [f"{owner}: {measured.failures[side]}" for side, owner in owners.items() if side in measured.failures]
    return Row(
        name=comparison.name,
        work=comparison.title,
        peer=peer.title,
        dlx_figure=None if mine is None else median(mine),
        peer_figure=None if theirs is None else median(theirs),
        ratio=None if mine is None or theirs is None else ratio(mine, theirs),
        bar=peer.bar,
        note="\n".join(notes) or None,
        unit=comparison.unit,
    )


def limit_row(comparison: Comparison, measured: Measured) -> Row:
    """Compare dlx with the most that is good enough."""
    without_peer = row(comparison, Peer("the most allowed", (), bar=1.0), measured)
    figures = measured.figures.get(comparison.dlx, [])
    limit = comparison.limit
    assert limit is not None
    over_limit = ratio(figures, [limit] * len(figures)) if figures else None
    return replace(without_peer, peer_figure=limit, ratio=over_limit)


if __name__ == "__main__":
    raise SystemExit(main())
