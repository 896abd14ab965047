"""A saved model on another dataset than its own. N rows, L positions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from dlx.core.blocks import in_blocks
from dlx.core.errors import ConfigError
from dlx.core.gaps import RESAMPLES_SEED, Measured
from dlx.core.intervals import Interval, difference
from dlx.core.types import Dataset, Outcome, SplitIds
from dlx.engine.agree import agreed
from dlx.engine.classes import Classes
from dlx.engine.data import fingerprint, given_spec, next_tokens
from dlx.engine.learnable import check_lengths
from dlx.engine.pipeline import Pipeline
from dlx.engine.predict import ask_prepared, restore_spec, restored_pipeline
from dlx.engine.saved_model import SavedModel

Rows = Literal["all", "test"]


class Other(NamedTuple):
    """Another dataset: what it is called in messages, which of its classes are kept, which rows are measured."""

    called: str
    dataset: Dataset
    classes: Classes
    rows: Rows


class Compared(NamedTuple):
    """A metric on another dataset, on the run's own test split, and their difference, with its interval."""

    other: Measured
    own: Measured | None
    difference: Measured | None


def measure_other(saved: SavedModel, other: Other, data_dir: str, level: float) -> list[Measured]:
    """Measure every metric of a run on rows of another dataset, preprocessed with the statistics of its train rows.

    Raises:
        ConfigError: the dataset does not fit the run, is the run's own, or has no test rows where those are asked for.
        ArtefactError: the checkpoint does not fit its configuration.
        StorageError: the data is not there.
    """
    own = restore_spec(saved.checkpoint)
    arrays = other.dataset.load(data_dir)
    given = given_spec(other.dataset, arrays)
    if fingerprint(arrays) == saved.checkpoint.state.get("data_fingerprint"):
        raise ConfigError(f"{other.called} is what the run was trained on; leave dataset out to measure its splits")
    if other.rows == "test" and arrays.test_ids is None:
        raise ConfigError(f"{other.called} has no test set of its own; rows=all measures every row")
    rows = np.sort(arrays.test_ids) if other.rows == "test" and arrays.test_ids is not None else np.arange(
        len(arrays.targets))
    chosen = other.classes(arrays.targets, given)
    targets = arrays.targets
    if chosen is not None:
        rows, given, targets = rows[np.isin(rows, chosen.rows)], chosen.spec, chosen.targets
    matched = agreed(own, given, targets[rows], other.called)
    pipeline = restored_pipeline(saved.parts, saved.checkpoint, own)
    prepared = in_blocks(lambda block: pipeline(matched.inputs(block)), arrays.inputs, rows)
    return _measured(saved, pipeline, prepared, matched.targets, other.called, data_dir, level)


def _measured(saved: SavedModel, pipeline: Pipeline, prepared: np.ndarray, targets: np.ndarray, called: str,
              data_dir: str, level: float) -> list[Measured]:
    if pipeline.spec.next_token:
        whole, none = np.arange(len(prepared)), np.empty(0, np.int64)
        inputs, targets = next_tokens({"train": prepared}, SplitIds(whole, none, none), len(prepared))
        prepared = inputs["train"]
    if prepared.shape[1:] != pipeline.spec.input_shape:
        raise ConfigError(f"{called} does not fit the run: after preprocessing its rows have the shape "
                          f"{prepared.shape[1:]}, and those of the run {pipeline.spec.input_shape}")
    check_lengths(prepared, targets, np.arange(len(prepared)), pipeline.spec)
    is_sequence = pipeline.spec.kind == "sequence"
    scores = ask_prepared(saved, pipeline, prepared, data_dir, targets if is_sequence else None)
    outcome = Outcome(scores, targets.astype(np.float64) if pipeline.spec.kind == "regression" else targets)
    return [Measured(name, "other", metric.value(outcome), metric.interval(outcome, level, RESAMPLES_SEED),
                     len(targets), metric.greater_is_better) for name, metric in saved.parts.metrics.items()]


def compare(others: Sequence[Measured], own: Sequence[Measured]) -> list[Compared]:
    """Put each metric beside that on the run's own test split."""
    known = {row.metric: row for row in own}
    return [Compared(row, known.get(row.metric), _difference(row, known.get(row.metric))) for row in others]


def _difference(one: Measured, other: Measured | None) -> Measured | None:
    if other is None:
        return None
    value, interval = one.value - other.value, None
    if one.interval is not None and other.interval is not None:
        interval = difference(one.value, one.interval, other.value, other.interval)
    return one._replace(value=value, interval=interval, n=one.n + other.n)


def test_rows(records: Sequence[Mapping[str, Any]]) -> list[Measured]:
    """Return what records, those of summary.json or of `reevaluate`, say of test."""
    rows = [row for row in records if row["split"] == "test"]
    return [Measured(row["metric"], "test", np.nan if row["value"] is None else row["value"], _interval(row), row["n"],
                     row["greater_is_better"]) for row in rows]


def _interval(row: Mapping[str, Any]) -> Interval | None:
    if row["method"] is None:
        return None
    low, high = (np.nan if row[name] is None else row[name] for name in ("low", "high"))
    return Interval(low, high, row["method"], row["level"], row["n"], row["num_draws"])

