"""dlx compare"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dlx.cli.arguments import add_json, command_parser

if TYPE_CHECKING:
    from dlx.report.comparison.compare import Comparison
    from dlx.report.comparison.groups import Group

# Differences of shares, in points, that nobody acts on.
MARGIN = 0.005


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    result = command_parser(
        "compare", "Compare trained runs, or sweeps: every configuration with the first, over the seeds that both\n"
        "have and on the examples that both answer.", overrides=False)
    result.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="the folder of a run or a sweep")
    result.add_argument("--metric", help="of the summaries; the runs' first one if left out")
    result.add_argument("--split", choices=("test", "val"), default="test")
    result.add_argument("--level", type=float, default=0.95, help="of intervals and claims, 0.95 if left out")
    result.add_argument("--margin", type=float,
                        help="largest difference that does not matter, in the metric's units; 0.005 of shares")
    result.add_argument("-o", "--output", type=Path, metavar="DIR", help="write the report into this folder, too")
    add_json(result)
    return result


def run(args: argparse.Namespace) -> int:
    """Read, compare, print, and write where that was asked for."""
    from dlx.core.errors import ConfigError
    from dlx.report.comparison.compare import compare
    from dlx.report.comparison.groups import groups_of
    from dlx.report.comparison.section import document
    from dlx.report.files import read_run
    from dlx.report.words import is_share
    from dlx.report.write import write

    if not 0 < args.level < 1:
        raise ConfigError(f"--level must be in (0, 1), got {args.level}")
    if args.margin is not None and not args.margin > 0:
        raise ConfigError(f"--margin must be in (0, inf), got {args.margin}")
    groups = groups_of([read_run(path) for path in run_folders(args.runs)])
    metric = chosen_metric(groups, args.metric, args.split)
    margin = MARGIN if args.margin is None and is_share(metric) else args.margin
    found = compare(groups, metric, args.split, args.level, margin)
    written = None if args.output is None else write(document(found), args.output)
    show(found, written, args.json)
    return 0


def run_folders(given: Sequence[Path]) -> list[Path]:
    """Return run folders, of a sweep those of its runs that are done, in the order of its plan."""
    from dlx.record import layout
    from dlx.record.safe_yaml import read_yaml

    found: list[Path] = []
    for path in given:
        if (path / layout.SWEEP).is_file():
            done = {inner.parent.name for inner in (path / layout.RUNS).glob(f"*/{layout.SUMMARY}")}
            planned = [str(item["hash"]) for item in read_yaml(path / layout.SWEEP)["runs"]]
            found += [path / layout.RUNS / name for name in planned if name in done]
        else:
            found.append(path)
    return found


def chosen_metric(groups: Sequence[Group], asked: str | None, split: str) -> str:
    """Return the metric to compare by. Raises ConfigError where not every run has it."""
    from dlx.core.errors import ConfigError

    summaries = [run.summary for group in groups for run in group.runs.values() if run.summary is not None]
    known = [name for name in summaries[0].names() if all(own.metric(name, split) is not None for own in summaries)]
    if asked is not None and asked not in known:
        raise ConfigError(f"--metric must be one that every run has on {split}: {', '.join(known)}; got {asked}")
    if not known:
        raise ConfigError(f"the runs have no metric in common on {split}")
    return asked or known[0]


def show(found: Comparison, written: Path | None, as_json: bool) -> None:
    """Print verdicts and tables, or everything as JSON."""
    from dlx.record import layout
    from dlx.report.comparison.section import comparison_section
    from dlx.report.to_json import finite

    section = comparison_section(found)
    page = None if written is None else str(written / layout.REPORT_HTML)
    if as_json:
        print(json.dumps(finite({**section.values, "verdicts": section.sentences, "report": page})))
        return
    from rich.console import Console

    from dlx.cli.comparison_text import print_comparison

    print_comparison(Console(), found, page)
