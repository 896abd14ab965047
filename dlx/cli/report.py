"""dlx report"""

from __future__ import annotations

import argparse
from pathlib import Path

from dlx.cli.arguments import command_parser


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    result = command_parser("report", "Write the report of a run again, from its files alone.", overrides=False)
    result.add_argument("folder", type=Path, help="a run folder")
    return result


def run(args: argparse.Namespace) -> int:
    """Render and say where."""
    from dlx.cli.outcome import print_outcome
    from dlx.core.errors import ArtefactError
    from dlx.record import layout
    from dlx.report.render import render

    if not (args.folder / layout.CONFIG).is_file():
        raise ArtefactError(f"{args.folder} is not a run folder: it has no {layout.CONFIG}")
    render(args.folder)
    if (args.folder / layout.SUMMARY).is_file():
        print_outcome(args.folder, as_json=False)
    else:
        print(args.folder / layout.REPORT / layout.REPORT_HTML)
    return 0
