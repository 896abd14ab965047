"""What the folders of a sweep's runs say beyond runs.csv, read when a section asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlx.core.measures import Measures
from dlx.record import layout
from dlx.record.measures import read_measures
from dlx.record.safe_yaml import read_json
from dlx.record.table import read_rows
from dlx.report.history import History
from dlx.report.predictions import Labels, Predictions, Sequences, read_predictions
from dlx.report.summary import Summary, parse_summary
from dlx.report.sweep.files import DONE, HASH, Run
from dlx.report.sweep.points import Sweep

# Of whom a section may read predictions: more would take long for what they add.
MAX_RUNS = 400


def folder_of(sweep: Sweep, run: Run) -> Path | None:
    """Return the folder of a run that is done; None for others."""
    assert HASH.fullmatch(run.hash), run.hash
    path = sweep.files.folder / layout.RUNS / run.hash
    return path if run.status == DONE and path.is_dir() else None


def summary_of(sweep: Sweep, run: Run) -> Summary | None:
    """Return what a run measured at its selected checkpoint, with sizes; None where it is not done."""
    folder = folder_of(sweep, run)
    return None if folder is None else _summary(folder)


def predictions_of(sweep: Sweep, run: Run) -> Predictions | Sequences | Labels | None:
    """Return what a run said of val and test, example by example; None where it is not done."""
    folder = folder_of(sweep, run)
    return None if folder is None else read_predictions(folder / layout.PREDICTIONS)


def history_of(sweep: Sweep, run: Run) -> History | None:
    """Return the epochs of a run; None where it is not done."""
    folder = folder_of(sweep, run)
    return None if folder is None else History.of(read_rows(folder / layout.METRICS))


def measures_of(sweep: Sweep, run: Run) -> Mapping[str, Measures]:
    """Return what sections of the report measured of a run, by section; empty where none did."""
    folder = folder_of(sweep, run)
    return {} if folder is None else read_measures(folder)



def _summary(folder: Path) -> Summary | None:
    raw: dict[str, Any] | None = read_json(folder / layout.SUMMARY) if (folder / layout.SUMMARY).is_file() else None
    return None if raw is None else parse_summary(raw)
