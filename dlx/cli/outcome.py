"""What a person sees when a run is over."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from dlx.core.errors import TrainingError
from dlx.record import layout
from dlx.record.safe_yaml import read_json


@contextlib.contextmanager
def show_outcome(folder: Path, as_json: bool) -> Iterator[None]:
    """Print the result of the run that the block trains, also where it diverged with something to show."""
    try:
        yield
    except TrainingError:
        if (folder / layout.SUMMARY).is_file():
            print_outcome(folder, as_json)
        raise
    print_outcome(folder, as_json)


def print_outcome(folder: Path, as_json: bool) -> None:
    """Print the first sentences, the gap table and where the folder is; or summary.json with the folder."""
    if as_json:
        print(json.dumps({"folder": str(folder), **read_json(folder / layout.SUMMARY)}))
        return
    from rich.console import Console
    from rich.markup import escape

    from dlx.report.files import read_run
    from dlx.report.terminal import print_short

    console = Console()
    print_short(read_run(folder), console)
    page = folder / layout.REPORT / layout.REPORT_HTML
    for label, path in (("Run folder", folder), *([("Report", page)] if page.is_file() else [])):
        console.print(f"[bold]{label}[/]  {escape(str(path))}", highlight=False, soft_wrap=True)
