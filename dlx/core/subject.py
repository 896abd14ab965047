"""A trained model with its data, as the sections of a report measure it.

N examples, C classes, B examples of a batch. Everything is in eval mode, without augmentation or penalty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from dlx.core.measures import Measures
    from dlx.core.types import Metric, Outcome, Split, TaskSpec

CheckpointName = Literal["best", "last", "initial"]


class Examples(NamedTuple):
    """A split example by example, in the order of its ids, in float64.

    losses [N], without penalties; outcome: what the model said, and targets, as metrics take them; logits [N, C] of a
    classification, else None.
    """

    losses: np.ndarray
    outcome: Outcome
    logits: np.ndarray | None = None


class Subject(Protocol):
    """A run whose training is over. What is costly is computed once, when it is asked for.

    Attributes:
        folder: of the run, whose metrics.csv, predictions.csv and summary.json stand.
        config: as saved. summary: summary.json.
        given: what the data looks like before preprocessing; spec: as the model sees it.
        seed: of the run: draws are keyed by it. level: of intervals.
        splits: train_eval, val and test: inputs [N, ...] as the model takes them (a tensor, or on disk: see Split),
            targets, ids.
        metrics: by name.
    """

    folder: Path
    config: Mapping[str, Any]
    summary: Mapping[str, Any]
    given: TaskSpec
    spec: TaskSpec
    seed: int
    level: float
    splits: Mapping[str, Split]
    metrics: Mapping[str, Metric]

    def said(self, split: str, checkpoint: CheckpointName = "best") -> Examples:
        """Return what the model of a checkpoint says of a split."""

    def model(self, checkpoint: CheckpointName = "best") -> nn.Module:
        """Return the model of a checkpoint, in eval mode: always the same object, not to be changed; copy it first."""

    def losses(self, outputs: Tensor, targets: Tensor, ids: Tensor) -> Tensor:
        """Map a model's outputs [B, ...], targets [B, ...] and ids [B] to losses [B], differentiably.

        They are those of evaluation, neither smoothed nor weighted, whether or not gradients are taken.
        """

    @property
    def compares_examples(self) -> bool:
        """Whether an example's loss also depends on what the model of the best checkpoint says of others.

        Of a model that was changed, `losses` and `logits` then are no longer its own.
        """

    def logits(self, outputs: Tensor, ids: Tensor) -> Tensor:
        """Map a model's outputs [B, ...] and ids [B] to logits [B, C]; a regression's outputs stay as they are.

        Of a regression, a prediction in the target's own units is outputs · scale + shift: see `target_scale`.
        """

    @property
    def target_scale(self) -> tuple[float, float]:
        """(shift, scale) of a regression's targets; (0, 1) of others."""

    def rows(self, ids: np.ndarray) -> Any:
        """Return rows of the data as the dataset gives them, before preprocessing: an array, or Ragged."""

    def notes(self) -> Mapping[str, np.ndarray]:
        """Return what else is known of each row of the data, by name."""

    def prepared(self, rows: Any) -> Tensor:
        """Preprocess rows as the dataset gives them with the statistics of train: inputs [B, ...] of the model."""

    def scores(self, inputs: Tensor, checkpoint: CheckpointName = "best", targets: np.ndarray | None = None
               ) -> np.ndarray:
        """Ask the model about prepared inputs [B, ...] that are in no split: scores as `Outcome` has them.

        Args:
            targets: classes [B, L] of a sequence, whose scores hold the log-probability of each; others need none.
        """

    def check_data(self) -> dict[str, Any]:
        """Check data and splits, and the model beside simple answers: details of the section `data`."""


class Section(Protocol):
    """A section of the report, dlx/report/<name>.py, as it measures a run.

    Its module also has DEFINITIONS, by the names of its numbers. What it found is written, drawn and tabulated by
    `section(run)` in dlx/report/sections/<name>.py, from the files of the run and without torch.
    """

    def measure(self, subject: Subject) -> Measures:
        """Measure a run. Draws are keyed by the run's seed; the order of examples changes no number."""


@runtime_checkable
class Checked(Protocol):
    """A section that needs more than the run it measures."""

    def check(self) -> None:
        """Check, before anything is trained or measured, that it is there. Raises ConfigError."""


def check_sections(sections: Mapping[str, Section]) -> None:
    """Check that what sections need beside a run is there.

    Raises:
        ConfigError: it is not.
    """
    for section in sections.values():
        if isinstance(section, Checked):
            section.check()


def apart(ids: Sequence[int] | np.ndarray, count: int) -> list[int]:
    """Return the indices of at most `count` of the ids, ascending: always the same ones, whatever their order."""
    from dlx.core.random import key

    if len(ids) <= count:
        return list(range(len(ids)))
    order = sorted(range(len(ids)), key=lambda index: key(0, "subset", int(ids[index])))
    return sorted(order[:count])
