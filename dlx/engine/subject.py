"""A trained run as the sections of its report see it: `dlx.core.subject.Subject`, from its folder."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dlx.core.blocks import in_blocks
from dlx.core.gaps import HELD_OUT, SPLITS, TRAIN_EVAL
from dlx.core.losses import ComparesExamples, as_measured
from dlx.core.ragged import Ragged
from dlx.core.subject import CheckpointName, Examples
from dlx.core.types import Split
from dlx.engine.data import Shelf
from dlx.engine.evaluate import Evaluator, beside_train, outputs_of, predict, read, scored
from dlx.engine.feed import feed
from dlx.engine.group import evaluator_of
from dlx.engine.hygiene import hygiene
from dlx.engine.parts import Parts
from dlx.engine.predict import restored_pipeline
from dlx.engine.reevaluate import prepare_saved
from dlx.engine.run import Ended, split_of
from dlx.engine.saved_model import SavedModel
from dlx.record import checkpoint as files
from dlx.record import layout
from dlx.record.safe_yaml import read_json
from dlx.record.store import checkpoint_path

# Of an input that is in no split.
OUTSIDE = -1


class TrainedRun:
    """A run whose training is over; see `dlx.core.subject.Subject`.

    Args:
        folder: of the run.
        parts: of its configuration, on the device where it is measured.
        data_dir: where its data lies.
        ended: what training left in memory, where it has just ended.
    """

    def __init__(self, folder: Path, parts: Parts, data_dir: str, ended: Ended | None = None) -> None:
        self.folder = folder
        self._parts = parts
        self._saved: dict[str, SavedModel] = {}
        self._evaluators: dict[str, Evaluator] = {}
        best = self._saved_model("best")
        data = prepare_saved(best, data_dir, folder / layout.SPLIT, Shelf()) if ended is None else ended.data
        self._data = data
        self._said = {} if ended is None else {(split, "best"): own for split, own in ended.said.items()}
        self.config: Mapping[str, Any] = best.checkpoint.state["config"]
        self.summary: Mapping[str, Any] = read_json(folder / layout.SUMMARY)
        self.given, self.spec = data.given, data.spec
        self.seed, self.level = parts.settings.seed, parts.settings.level
        self.splits: Mapping[str, Split] = {name: data.splits["train" if name == TRAIN_EVAL else name]
                                            for name in SPLITS}
        self.metrics = parts.metrics

    def said(self, split: str, checkpoint: CheckpointName = "best") -> Examples:
        """Return what the model of a checkpoint says of a split."""
        if (split, checkpoint) not in self._said:
            self._said[split, checkpoint] = predict(self._evaluator(checkpoint), split_of(self._data, split),
                                                    self._data.targets)
        return self._said[split, checkpoint]

    def model(self, checkpoint: CheckpointName = "best") -> nn.Module:
        """Return the model of a checkpoint, in eval mode; not to be changed."""
        return self._evaluator(checkpoint).model

    def losses(self, outputs: Tensor, targets: Tensor, ids: Tensor) -> Tensor:
        """Map outputs [B, ...], targets [B, ...] and ids [B] to losses [B], differentiably."""
        with as_measured():
            return self._evaluator("best").reading.losses(outputs, targets, ids[None])

    def logits(self, outputs: Tensor, ids: Tensor) -> Tensor:
        """Map outputs [B, ...] and ids [B] to logits [B, C]; a regression's outputs stay as they are."""
        return outputs if self.spec.kind == "regression" else self._evaluator("best").reading.logits(outputs, ids[None])

    @property
    def compares_examples(self) -> bool:
        """Whether an example's loss also depends on what the model of the best checkpoint says of others."""
        return isinstance(self._parts.loss, ComparesExamples)

    @property
    def target_scale(self) -> tuple[float, float]:
        """(shift, scale) of a regression's targets."""
        return self._data.target_shift, self._data.target_scale

    def rows(self, ids: np.ndarray) -> Any:
        """Return rows of the data as the dataset gives them."""
        assert self._data.arrays is not None, "data of a run can be had again"
        inputs = self._data.arrays().inputs
        return inputs[ids] if isinstance(inputs, Ragged) else np.asarray(inputs[ids])

    def notes(self) -> Mapping[str, np.ndarray]:
        """Return what else is known of each row of the data, by name."""
        assert self._data.arrays is not None, "data of a run can be had again"
        return self._data.arrays().notes

    def prepared(self, rows: Any) -> Tensor:
        """Preprocess rows as the dataset gives them with the statistics of train."""
        made = in_blocks(self._pipeline, rows)
        dtype = torch.int64 if self.spec.layout == "tokens" else self._evaluator("best").dtype
        return torch.from_numpy(made).to(self._device, dtype)

    def scores(self, inputs: Tensor, checkpoint: CheckpointName = "best", targets: np.ndarray | None = None
               ) -> np.ndarray:
        """Ask the model about prepared inputs [B, ...] that are in no split."""
        evaluator = self._evaluator(checkpoint)
        ids = torch.arange(OUTSIDE, OUTSIDE - len(inputs), -1)
        known = torch.zeros(len(inputs), dtype=torch.int64) if targets is None else torch.from_numpy(targets)
        rows = Split(inputs, known.to(inputs.device), ids)
        found = [scored(read(evaluator, outputs.double(), truth, own)[0], truth, self.given.kind)
                 for outputs, truth, own in outputs_of(evaluator, feed([rows]))]
        joined: np.ndarray = torch.cat(found).cpu().numpy()
        return joined

    def check_data(self) -> dict[str, Any]:
        """Check data and splits, and the model beside simple answers."""
        return hygiene(self._data, self.config.get("preprocessing"), self.metrics,
                       {name: self.said(name).outcome for name in HELD_OUT}, self.level)

    @cached_property
    def _pipeline(self) -> Any:
        return restored_pipeline(self._parts, self._saved_model("best").checkpoint, self.given)

    @property
    def _device(self) -> torch.device:
        return next(iter(self._data.splits.values())).targets.device

    def _saved_model(self, checkpoint: CheckpointName) -> SavedModel:
        if checkpoint not in self._saved:
            self._saved[checkpoint] = SavedModel(self._parts, files.load(checkpoint_path(self.folder, checkpoint)))
        return self._saved[checkpoint]

    def _evaluator(self, checkpoint: CheckpointName) -> Evaluator:
        if checkpoint not in self._evaluators:
            model, placement = self._saved_model(checkpoint).placed(self.spec)
            evaluator = evaluator_of(self._parts, [self._data], model.eval(), placement)
            self._evaluators[checkpoint] = beside_train(evaluator)
        return self._evaluators[checkpoint]
