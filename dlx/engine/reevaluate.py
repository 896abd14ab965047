"""Measuring a saved checkpoint again, as training measured it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dlx.core.gaps import measure_all
from dlx.core.subject import Examples
from dlx.engine.data import Prepared, Shelf
from dlx.engine.evaluate import beside_train, predict
from dlx.engine.group import evaluator_of
from dlx.engine.run import rows_of, split_of
from dlx.engine.saved_model import SavedModel
from dlx.engine.start import prepare_run
from dlx.engine.summary import as_record
from dlx.record.split_rows import refuse_other_split


class Asked(NamedTuple):
    """What a saved model says of splits of its run's data."""

    data: Prepared
    examples: dict[str, Examples]


def reevaluate(saved: SavedModel, data_dir: str, splits: Sequence[str], level: float, split_path: Path | None = None
               ) -> dict[str, Any]:
    """Measure splits of the run's own data with saved weights and saved statistics of preprocessing.

    Args:
        level: of the intervals, in (0, 1).

    Raises:
        ArtefactError: see `ask`.
    """
    examples = ask(saved, data_dir, splits, split_path, Shelf()).examples
    rows = measure_all(saved.parts.metrics, {name: split.losses for name, split in examples.items()},
                       {name: split.outcome for name, split in examples.items()}, level)
    return {"level": level, "metrics": [as_record(row, level) for row in rows]}


def ask(saved: SavedModel, data_dir: str, splits: Sequence[str], split_path: Path | None, shelf: Shelf) -> Asked:
    """Ask a saved model about splits of its run's own data.

    Args:
        splits: among `dlx.core.gaps.SPLITS`.
        split_path: the run's split.npz, or None where a checkpoint is all there is.
        shelf: what several models have in common of their data is read once.

    Raises:
        ArtefactError: weights that do not fit, data other than the run's, or data that is divided otherwise now.
    """
    data = prepare_saved(saved, data_dir, split_path, shelf)
    evaluator = beside_train(evaluator_of(saved.parts, [data], *saved.placed(data.spec)))
    return Asked(data, {name: predict(evaluator, split_of(data, name), data.targets) for name in splits})


def prepare_saved(saved: SavedModel, data_dir: str, split_path: Path | None, shelf: Shelf) -> Prepared:
    """Prepare the data of a run with its saved statistics. Arguments and errors are those of `ask`."""
    parts, checkpoint = saved
    data = prepare_run(shelf, (parts, checkpoint.state["config"]), checkpoint, data_dir, parts.device.place(0.0))
    if split_path is not None:
        refuse_other_split(split_path, rows_of(data))
    return data
