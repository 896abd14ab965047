"""What saved models say of rows that are in no split. N rows, C classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from dlx.core.blocks import in_blocks
from dlx.core.errors import ArtefactError, ConfigError
from dlx.core.losses import ComparesExamples
from dlx.core.types import Column, ReadsMore, ScalesTarget, Split, TaskSpec
from dlx.engine.data import Prepared, Shelf, target_scale
from dlx.engine.evaluate import beside_train, outputs_of, read, scored
from dlx.engine.feed import feed
from dlx.engine.group import evaluator_of
from dlx.engine.learnable import check_finite
from dlx.engine.parts import Parts
from dlx.engine.pipeline import Pipeline, spec_after
from dlx.engine.saved_model import SavedModel
from dlx.engine.start import prepare_run
from dlx.engine.state import restore_statistics
from dlx.record.checkpoint import Checkpoint


class Predictions(NamedTuple):
    """names of the rows [N]; scores, see `dlx.core.types.Outcome`; spec of the data."""

    names: Sequence[Any]
    scores: np.ndarray
    spec: TaskSpec


def predict_file(members: Sequence[SavedModel], reader: ReadsMore, path: str, data_dir: str) -> Predictions:
    """Read rows, prepare them as the train rows were, and ask saved models: the mean of what they say.

    Args:
        members: one model, or those of an ensemble, of one data set.
        reader: of rows of the form of that data set.
        path: of a file or folder without targets.

    Raises:
        ConfigError: rows that are not of the form, or models that predict sequences.
        ArtefactError: a checkpoint does not fit its configuration.
    """
    given = restore_spec(members[0].checkpoint)
    if given.kind == "sequence":
        raise ConfigError("dlx predict is for classification and regression, and this run predicts sequences")
    inputs, names = reader.more(path, data_dir, given)
    total = sum(scores_of(member, inputs, data_dir) for member in members)
    return Predictions(names, np.asarray(total) / len(members), given)


def scores_of(saved: SavedModel, inputs: Any, data_dir: str) -> np.ndarray:
    """Return what a saved model says of rows [N, ...] as they were read: scores, see `dlx.core.types.Outcome`.

    Args:
        data_dir: where the run's own data lies, beside whose train examples some losses read outputs.

    Raises:
        ArtefactError: the checkpoint does not fit its configuration.
    """
    pipeline = restored_pipeline(saved.parts, saved.checkpoint, restore_spec(saved.checkpoint))
    return ask_prepared(saved, pipeline, in_blocks(pipeline, inputs), data_dir)


def ask_prepared(saved: SavedModel, pipeline: Pipeline, prepared: np.ndarray, data_dir: str,
                 targets: np.ndarray | None = None) -> np.ndarray:
    """Return what a saved model says of rows [N, ...] as its pipeline makes them, see `scores_of`.

    Args:
        targets: classes [N, L] of a sequence, whose scores hold the log-probability of each; others need none.
    """
    parts, given = saved.parts, restore_spec(saved.checkpoint)
    check_finite(prepared, pipeline.spec)
    model, placement = saved.placed(pipeline.spec)
    if isinstance(parts.loss, ComparesExamples):
        # Rows are read beside the train examples, which no checkpoint keeps.
        run = parts, saved.checkpoint.state["config"]
        data = prepare_run(Shelf(), run, saved.checkpoint, data_dir, placement)
    else:
        shift, scale = target_scale(parts.preprocessing, pipeline.statistics)
        data = Prepared(given, pipeline.spec, {}, pipeline.statistics, shift, scale, np.empty(0), 0, "")
    evaluator = beside_train(evaluator_of(parts, [data], model, placement))
    dtype = torch.int64 if pipeline.spec.layout == "tokens" else placement.dtype
    # They are none of the dataset's rows.
    ids = -1 - torch.arange(len(prepared))
    known = torch.zeros(len(prepared), dtype=torch.int64) if targets is None else torch.from_numpy(targets)
    rows = Split(torch.from_numpy(prepared).to(placement.device, dtype), known.to(placement.device), ids)
    scores = [scored(read(evaluator, outputs.double(), truth, own)[0], truth, given.kind)
              for outputs, truth, own in outputs_of(evaluator, feed([rows]))]
    joined: np.ndarray = torch.cat(scores).cpu().numpy()
    return joined


def restored_pipeline(parts: Parts, checkpoint: Checkpoint, given: TaskSpec) -> Pipeline:
    """Return the preprocessing of a run with the statistics of its checkpoint."""
    saved = restore_statistics(checkpoint)
    statistics = {name: saved.get(name, {}) for name in parts.preprocessing}
    spec = given
    for name, part in parts.preprocessing.items():
        if isinstance(part, ScalesTarget) and not statistics[name]:
            raise ArtefactError(f"the checkpoint lacks the statistics of preprocessing {name}")
        spec = spec_after(name, part, spec, statistics[name], is_saved=True)
    return Pipeline(parts.preprocessing, statistics, spec, is_saved=True)


def restore_spec(checkpoint: Checkpoint) -> TaskSpec:
    """Read what the data of a run looked like before preprocessing. Raises ArtefactError where that is damaged."""
    saved: Any = checkpoint.state.get("given")
    try:
        columns = tuple(Column(str(name), tuple(map(str, categories))) for name, categories in saved["columns"])
        spec = TaskSpec(**{**saved, "columns": columns, "input_shape": tuple(map(int, saved["input_shape"])),
                           "class_names": tuple(map(str, saved["class_names"]))})
    except (KeyError, TypeError, ValueError) as error:
        raise ArtefactError(f"the checkpoint does not say what its data looks like: {error!r}") from error
    wrong = [name for name in ("num_outputs", "vocabulary_size", "sample_rate")
             if type(getattr(spec, name)) is not int or getattr(spec, name) < 0]
    if wrong:
        raise ArtefactError(f"the checkpoint is refused: {wrong[0]} of its data is {saved[wrong[0]]!r}")
    return spec
