"""Measuring a saved checkpoint again, as training measured it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dlx.core.device import Device
from dlx.engine import build
from dlx.engine.data import prepare
from dlx.engine.evaluate import beside_train, predict
from dlx.engine.group import evaluator_of
from dlx.engine.parts import Parts
from dlx.engine.run import rows_of, split_of
from dlx.engine.start import check_fingerprint
from dlx.engine.state import check_shapes, restore_model, restore_statistics, section
from dlx.engine.summary import as_record, measure_all
from dlx.record.checkpoint import Checkpoint
from dlx.record.split_rows import refuse_other_split


def reevaluate(parts: Parts, checkpoint: Checkpoint, data_dir: str, device: Mapping[str, Any], splits: Sequence[str],
               level: float, split_path: Path | None = None) -> dict[str, Any]:
    """Measure splits of the run's own data with saved weights and saved statistics of preprocessing.

    Args:
        parts: built from the checkpoint's configuration.
        device: arguments of `Device`; precision stays that of the run.
        splits: among `dlx.engine.summary.SPLITS`.
        level: of the intervals, in (0, 1).
        split_path: the run's split.npz, or None where a checkpoint is all there is.

    Raises:
        ArtefactError: weights that do not fit, data other than the run's, or data that is divided otherwise now.
    """
    parts = replace(parts, device=Device(**{**device, "precision": parts.device.precision}))
    data = prepare(parts, data_dir, parts.device.place(0.0), restore_statistics(checkpoint))
    check_fingerprint(data.fingerprint, checkpoint)
    if split_path is not None:
        refuse_other_split(split_path, rows_of(data))
    check_shapes(build.meta_model(parts, data.spec), section(checkpoint, "model"))
    model, placement = build.place_model(parts, data.spec)
    restore_model(model, checkpoint)
    evaluator = beside_train(evaluator_of(parts, [data], model, placement))
    examples = {name: predict(evaluator, split_of(data, name), data.targets) for name in splits}
    rows = measure_all(parts.metrics, {name: split.losses for name, split in examples.items()},
                       {name: split.outcome for name, split in examples.items()}, level)
    return {"level": level, "metrics": [as_record(row, level) for row in rows]}
