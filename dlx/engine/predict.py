"""What a saved model says of rows that are in no split. N rows, C classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch

from dlx.core.blocks import in_blocks
from dlx.core.device import Device
from dlx.core.errors import ArtefactError, ConfigError
from dlx.core.types import Column, ComparesExamples, ReadsMore, ScalesTarget, Split, TaskSpec
from dlx.engine import build
from dlx.engine.data import Prepared, prepare, target_scale
from dlx.engine.evaluate import beside_train, read, scored, with_ids
from dlx.engine.feed import feed
from dlx.engine.group import evaluator_of
from dlx.engine.learnable import check_finite
from dlx.engine.parts import Parts
from dlx.engine.pipeline import Pipeline, spec_after
from dlx.engine.start import check_fingerprint
from dlx.engine.state import check_shapes, restore_model, restore_statistics, section
from dlx.record.checkpoint import Checkpoint


class Predictions(NamedTuple):
    """names of the rows [N]; scores, see `dlx.core.types.Outcome`; spec of the data."""

    names: Sequence[Any]
    scores: np.ndarray
    spec: TaskSpec


def predict_file(parts: Parts, checkpoint: Checkpoint, path: str, data_dir: str, device: Mapping[str, Any]
                 ) -> Predictions:
    """Read rows as the run's dataset does, prepare them as its train rows were, and ask the saved model.

    Args:
        parts: built from the checkpoint's configuration.
        path: of a file or folder without targets.
        device: arguments of `Device`; precision stays that of the run.

    Raises:
        ConfigError: the dataset reads no further rows, or these are not of its form.
        ArtefactError: the checkpoint does not fit its configuration.
    """
    dataset = parts.dataset
    if not isinstance(dataset, ReadsMore):
        raise ConfigError("dlx predict is for runs on data of your own (csv, parquet, image_folder, audio_folder …); "
                          "this run's dataset reads no further rows")
    given = restore_spec(checkpoint)
    if given.kind == "sequence":
        raise ConfigError("dlx predict is for classification and regression, and this run predicts sequences")
    parts = replace(parts, device=Device(**{**device, "precision": parts.device.precision}))
    pipeline = restored_pipeline(parts, checkpoint, given)
    inputs, names = dataset.more(path, data_dir, given)
    prepared = in_blocks(pipeline, inputs)
    check_finite(prepared, pipeline.spec)
    check_shapes(build.meta_model(parts, pipeline.spec), section(checkpoint, "model"))
    model, placement = build.place_model(parts, pipeline.spec)
    restore_model(model, checkpoint)
    if isinstance(parts.loss, ComparesExamples):
        # Rows are read beside the train examples, which no checkpoint keeps.
        data = prepare(parts, data_dir, placement, pipeline.statistics)
        check_fingerprint(data.fingerprint, checkpoint)
    else:
        shift, scale = target_scale(parts.preprocessing, pipeline.statistics)
        data = Prepared(given, pipeline.spec, {}, pipeline.statistics, shift, scale, np.empty(0), 0, "")
    evaluator = beside_train(evaluator_of(parts, [data], model, placement))
    dtype = torch.int64 if pipeline.spec.layout == "tokens" else placement.dtype
    # They are none of the dataset's rows.
    ids = -1 - torch.arange(len(prepared))
    rows = Split(torch.from_numpy(prepared).to(placement.device, dtype),
                 torch.zeros(len(prepared), dtype=torch.int64, device=placement.device), ids)
    scores = [scored(read(evaluator, outputs.double(), targets, own)[0], targets, given.kind)
              for outputs, targets, own in with_ids(evaluator, feed([rows]))]
    return Predictions(names, torch.cat(scores).cpu().numpy(), given)


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
