"""Runs count as done for the data that they saw: a sweep does not go on with other data."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path

from dlx.config.build import build
from dlx.core.errors import ArtefactError, StorageError
from dlx.core.train_keys import divide_dataset
from dlx.record import layout
from dlx.record.safe_yaml import read_json
from dlx.sweep.plan import Plan, PlannedRun


def refuse_other_data(folder: Path, plan: Plan, data_dir: str, trust: Collection[str]) -> None:
    """Compare the fingerprint of the data of finished runs with that of the data that is there now.

    Nothing is compared where no run is missing: then nothing would be mixed. Data that cannot be read is left to the
    runs, which say so.

    Raises:
        ArtefactError: runs saw other data.
    """
    seen = {run.hash: mark for run in plan.runs if (mark := _seen(folder, run)) is not None}
    if len(seen) == len(plan.runs):
        return
    now: dict[str, str | None] = {}
    other = []
    for run in plan.runs:
        if run.hash in seen:
            dataset = json.dumps(divide_dataset(run.saved["dataset"])[1])
            if dataset not in now:
                now[dataset] = _current(run, data_dir, trust)
            if now[dataset] not in (None, seen[run.hash]):
                other.append(run.hash)
    if other:
        raise ArtefactError(_message(folder, other, data_dir))


def _message(folder: Path, other: Sequence[str], data_dir: str) -> str:
    runs = "1 run" if len(other) == 1 else f"{len(other)} runs"
    return (f"{runs} of {folder} saw other data than {data_dir} holds now, {layout.RUNS}/{other[0]} for one: go on "
            f"with the data that it began with, or start a new sweep")


def _seen(folder: Path, run: PlannedRun) -> str | None:
    path = folder / layout.RUNS / run.hash / layout.SUMMARY
    if not path.is_file():
        return None
    try:
        return str(read_json(path).get("data_fingerprint", "")) or None
    except ArtefactError:
        # A damaged summary makes a failed run in the tables, which say why.
        return None


def _current(run: PlannedRun, data_dir: str, trust: Collection[str]) -> str | None:
    from dlx.engine.data import fingerprint

    try:
        return fingerprint(build(run.saved, trust).dataset.load(data_dir))
    except StorageError:
        return None
