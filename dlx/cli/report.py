"""dlx report"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from dlx.cli.arguments import add_json, command_parser

if TYPE_CHECKING:
    from dlx.report.write import Extras


def parser() -> argparse.ArgumentParser:
    """Return the parser."""
    result = command_parser("report", "Write the report of a run or a sweep again, from its files alone.",
                            overrides=False)
    result.add_argument("folder", type=Path, help="a run or sweep folder")
    result.add_argument("--pdf", action="store_true",
                        help="write every figure as PDF, too, fonts inside: report/figures/NAME.pdf")
    result.add_argument("--latex", action="store_true",
                        help="write every table as LaTeX (booktabs) and CSV, and every number: "
                             "report/tables/SECTION-N-TITLE.tex, .csv, numbers.csv")
    add_json(result)
    return result


def run(args: argparse.Namespace) -> int:
    """Render and say where."""
    from dlx.cli.outcome import print_outcome
    from dlx.core.errors import ArtefactError
    from dlx.record import layout
    from dlx.report.render import render
    from dlx.report.write import Extras

    extras = Extras(args.pdf, args.latex)
    if (args.folder / layout.SWEEP).is_file():
        return report_sweep(args.folder, args.json, extras)
    if not (args.folder / layout.CONFIG).is_file():
        raise ArtefactError(f"{args.folder} is no run or sweep folder: it has no {layout.CONFIG} or {layout.SWEEP}")
    render(args.folder, extras=extras)
    if (args.folder / layout.SUMMARY).is_file():
        print_outcome(args.folder, args.json)
    else:
        print_path(args.folder, args.json)
    return 0


def report_sweep(folder: Path, as_json: bool, extras: Extras | None = None) -> int:
    """Render a sweep's report; print its verdict and where it is, or the report itself."""
    from dlx.record import layout
    from dlx.report.sweep.render import render_sweep
    from dlx.report.write import NOTHING_MORE

    report = render_sweep(folder, extras or NOTHING_MORE)
    if as_json:
        written = json.loads((report.folder / layout.REPORT_JSON).read_text(encoding="utf-8"))
        print(json.dumps({"folder": str(folder), **written}))
        return 0
    print(report.document.verdict)
    print_path(folder, as_json=False)
    return 0


def print_path(folder: Path, as_json: bool) -> None:
    """Print where the page is."""
    from dlx.record import layout

    page = str(folder / layout.REPORT / layout.REPORT_HTML)
    print(json.dumps({"folder": str(folder), "report": page}) if as_json else page)
