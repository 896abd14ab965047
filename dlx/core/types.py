"""The words that parts and engine share.

Shape letters: N examples, B batch, C classes, D features, R members: runs that train together, 1 for a run alone.
What R members have of one kind lies one after the other, [R·B, ...]: whatever treats examples one by one need not know
of members. A part that declares MEMBER_VALUES, names of its constructor's arguments, lets members differ in them: in a
fused run a number among them is, as the attribute of that name, a tensor [R].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor, nn

    from dlx.core.intervals import Interval

Kind = Literal["classification", "regression"]
Layout = Literal["image", "table"]


@dataclass(frozen=True)
class TaskSpec:
    """What a dataset asks of a model; known before any data is read.

    Args:
        kind: classification (targets are class indices) or regression (targets are real numbers).
        layout: "image", inputs [N, C, H, W]; or "table", inputs [N, D].
        input_shape: shape of one input, without N.
        num_outputs: number of classes, or 1 for regression.
        class_names: one name per class; empty for regression.
    """

    kind: Kind
    layout: Layout
    input_shape: tuple[int, ...]
    num_outputs: int
    class_names: tuple[str, ...] = ()


class Arrays(NamedTuple):
    """A whole dataset in memory.

    inputs [N, ...] float32; targets [N], int64 class indices or float32 values; test_ids, the rows of the dataset's own
    test set, or None where it has none.
    """

    inputs: np.ndarray
    targets: np.ndarray
    test_ids: np.ndarray | None = None


class SplitIds(NamedTuple):
    """Row numbers of each split, disjoint, ascending."""

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray


class Split(NamedTuple):
    """The examples of one split on the device: inputs [N, ...], targets [N], ids [N] (row numbers in the dataset)."""

    inputs: Tensor
    targets: Tensor
    ids: Tensor


class Batch(NamedTuple):
    """One step's examples, member after member: inputs [R·B, ...], targets [R·B], ids [R·B]."""

    inputs: Tensor
    targets: Tensor
    ids: Tensor


class Outcome(NamedTuple):
    """What a model said about a split, in float64.

    scores: class probabilities [N, C] or predictions [N] in the target's own units; targets [N].
    """

    scores: np.ndarray
    targets: np.ndarray


class Dataset(Protocol):
    """Where examples come from."""

    def spec(self) -> TaskSpec:
        """Say what the data looks like, without reading it."""

    def load(self, data_dir: str) -> Arrays:
        """Read the data. Raises StorageError where it is absent and cannot be had."""


class Splitter(Protocol):
    """Divides row numbers into train, val and test."""

    def __call__(self, targets: np.ndarray, kind: Kind, test_ids: np.ndarray | None) -> SplitIds:
        """Return disjoint row numbers that together are all rows."""


class Preprocessing(Protocol):
    """A transformation whose statistics come from train alone."""

    def fit(self, inputs: np.ndarray, targets: np.ndarray, spec: TaskSpec) -> dict[str, np.ndarray]:
        """Return the statistics of the train rows; they are saved with the run."""

    def apply(self, inputs: np.ndarray, statistics: Mapping[str, np.ndarray]) -> np.ndarray:
        """Transform any rows with the statistics of train."""


@runtime_checkable
class ScalesTarget(Protocol):
    """A preprocessing that also gives regression targets a scale to train on; metrics stay in original units."""

    def target_scale(self, statistics: Mapping[str, np.ndarray]) -> tuple[float, float]:
        """Return (shift, scale): the model is trained on (target - shift) / scale."""


class ModelPart(Protocol):
    """Makes a model that fits the data."""

    def __call__(self, *, input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
        """Return a model that maps inputs [B, *input_shape] to [B, num_outputs]. Raises ConfigError where none can."""


class Loss(Protocol):
    """Per-example loss without penalties; the engine takes the mean."""

    kinds: ClassVar[tuple[Kind, ...]]

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Map outputs [R·B, C] and targets [R·B] to losses [R·B]."""


class Metric(Protocol):
    """A number that says how good predictions are, with an interval."""

    kind: ClassVar[Kind]
    greater_is_better: ClassVar[bool]

    def value(self, outcome: Outcome) -> float:
        """Measure a whole split."""

    def interval(self, outcome: Outcome, level: float, seed: int) -> Interval:
        """Return the interval of `value` for a fixed model over draws of the split."""


@runtime_checkable
class StreamedMetric(Protocol):
    """A metric that is also measured after every epoch: a function of the mean of per-example values."""

    def per_example(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Map logits [B, C] and targets [B], or predictions [B] and targets [B] in original units, to values [B]."""

    def from_mean(self, mean: float) -> float:
        """Turn the mean over examples into the metric."""


class OptimizerPart(Protocol):
    """Makes a torch optimizer."""

    def __call__(self, params: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
        """Return an optimizer over the parameters, at its base learning rate."""


class History(NamedTuple):
    """The epochs so far.

    rows: one mapping of column name to value per epoch, in order; greater_is_better: by column, for those that a rule
    may select or stop on.
    """

    rows: Sequence[Mapping[str, float | None]]
    greater_is_better: Mapping[str, bool]


@runtime_checkable
class OnModel(Protocol):
    """A regularizer that changes the model before training."""

    def on_model(self, model: nn.Module) -> nn.Module:
        """Return the model to train. Raises ConfigError where the model has nothing to act on."""


@runtime_checkable
class OnBatch(Protocol):
    """A regularizer that changes training batches. It is asked for each member by itself: R is 1."""

    def on_batch(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the batch to train on; draws come from the generator of this member and step alone."""


@runtime_checkable
class Penalty(Protocol):
    """A regularizer that adds to the minimised loss."""

    def penalty(self, params: Sequence[Tensor]) -> Tensor:
        """Return what is added to each member's mean loss, [R]; params [R, ...] are the models', in order."""


@runtime_checkable
class OnGradient(Protocol):
    """A regularizer that changes the gradient before the update."""

    def on_gradient(self, params: Sequence[Tensor], norm: Tensor) -> None:
        """Change `.grad` of the parameters [R, ...] in place; norm [R] is each member's L2 norm over all of them."""


@runtime_checkable
class OnHistory(Protocol):
    """A regularizer that ends training."""

    def should_stop(self, history: History) -> str | None:
        """Return why training ends after the last row of the history, or None to go on."""

    def columns(self) -> tuple[str, ...]:
        """Name the columns of the history that it reads."""


Config = dict[str, Any]
