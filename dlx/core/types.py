"""The words that parts and engine share.

Shape letters: N examples, B batch, C classes, D features, L positions of a sequence, R members: runs that train
together, 1 for a run alone.
What R members have of one kind lies one after the other, [R·B, ...]: whatever treats examples one by one need not know
of members. A part that declares MEMBER_VALUES, names of its constructor's arguments, lets members differ in them: in a
fused run a number among them is, as the attribute of that name, a tensor [R].
A regularizer that cannot work beside another says so once, on either of the two: CONFLICTS, by the other's name why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import torch
    from torch import Tensor, nn
    from torch.optim.optimizer import ParamsT

    from dlx.core.intervals import Interval
    from dlx.core.ragged import Ragged

Kind = Literal["classification", "regression", "sequence", "multilabel", "transcription"]
# Kinds of which a model gives outputs for every position of its inputs, [B, L, num_outputs].
PER_POSITION: tuple[Kind, ...] = ("sequence", "transcription")
Layout = Literal["image", "table", "tokens", "series", "text", "audio"]
# A position of a target [L] of which nothing is asked.
IGNORED = -100
# The token that fills a text to its length; a model knows by it where a text ends.
PADDING = 0
# The token of what train did not know.
UNKNOWN = 1


class Column(NamedTuple):
    """One column of a table.

    categories: by code; empty where the values are numbers. A missing value of either kind is NaN.
    """

    name: str
    categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class TaskSpec:
    """What is asked of a model, and of what inputs.

    Layouts, of one input: "image" [C, H, W], uint8 (0 to 255 stand for 0 to 1) or floats; "table" [D] floats, of a
    column with categories their codes; "tokens" [L] integers below vocabulary_size, PADDING after the end; "series"
    [L, D] floats whose last channel is 1, and after the end 0, as all others are; "text" and "audio", of any length, as
    Ragged: UTF-8 bytes, and float32 samples in [-1, 1]. A model takes none of the last two: preprocessing turns them
    into one of the others.

    Args:
        kind: classification (targets are class indices [N]), regression (real numbers [N]), sequence (a class index
            for every position, [N, L], IGNORED where nothing is asked), multilabel (whether each class holds, 0 or 1,
            [N, C]), or transcription (class indices in the order in which inputs show them, [N, U], IGNORED after the
            last; class 0 is the blank of CTC and no target).
        layout: of inputs.
        input_shape: shape of one input, without N; () for text and audio, [T] for audio whose clips all have T samples.
        num_outputs: number of classes, or 1 for regression.
        class_names: one name per class; empty for regression, and where classes are tokens.
        columns: of a table, one per input; empty where they have no names.
        vocabulary_size: of tokens, PADDING among them; else 0.
        sample_rate: of audio, samples per second; else 0.
        next_token: the targets of a text are its own tokens, each to be told from those before it; the dataset's
            targets are then zeros [N]. Whoever makes tokens of the text makes one more than input_shape says and leaves
            targets to the engine.
    """

    kind: Kind
    layout: Layout
    input_shape: tuple[int, ...]
    num_outputs: int
    class_names: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    vocabulary_size: int = 0
    sample_rate: int = 0
    next_token: bool = False


class Arrays(NamedTuple):
    """A whole dataset.

    inputs [N, ...], as the layout says, in memory or a np.memmap; targets, int64 classes [N], [N, L] or [N, U], int64
    labels [N, C], or float32 values [N]; test_ids, the rows of the dataset's own test set, or None where it has none;
    notes [N] by name, what else is known of each row and is no input (speaker, date, file …), to split by and to name
    rows in messages; spec, where the dataset cannot know it without reading.
    """

    inputs: np.ndarray | Ragged
    targets: np.ndarray
    test_ids: np.ndarray | None = None
    notes: Mapping[str, np.ndarray] = MappingProxyType({})
    spec: TaskSpec | None = None


class SplitIds(NamedTuple):
    """Row numbers of each split, disjoint, ascending."""

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray


class Split(NamedTuple):
    """The examples of one split on the device: inputs [N, ...], targets [N, ...], ids [N] (row numbers in the dataset).

    Inputs that stay on disk are no tensor, but are read by slice and index_select as one is: dlx.engine.stored.
    """

    inputs: Any
    targets: Tensor
    ids: Tensor


class Mixed(NamedTuple):
    """What a batch's inputs hold of other examples: their targets [R·B, K, ...] and shares [R·B, K] in [0, 1].

    The share of an example itself is 1 minus the sum of theirs.
    """

    targets: Tensor
    shares: Tensor


class Batch(NamedTuple):
    """One step's examples, member after member: inputs [R·B, ...], targets [R·B, ...], ids [R·B].

    mixed: where inputs are mixtures of examples, the others.
    """

    inputs: Tensor
    targets: Tensor
    ids: Tensor
    mixed: Mixed | None = None

    def map(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """Return the batch with every tensor changed."""
        mixed = None if self.mixed is None else Mixed(*map(change, self.mixed))
        return Batch(change(self.inputs), change(self.targets), change(self.ids), mixed)


class Outcome(NamedTuple):
    """What a model said about a split, in float64.

    scores: class probabilities [N, C], of multilabel each label's own; or predictions [N] in the target's own units; of
    a sequence [N, L, 2]: the class it holds most probable, and the log-probability of the target; of a transcription
    log-probabilities [N, L, C]. targets [N], of a sequence [N, L], of a transcription [N, U], of multilabel [N, C].
    """

    scores: np.ndarray
    targets: np.ndarray


class Dataset(Protocol):
    """Where examples come from."""

    def spec(self) -> TaskSpec | None:
        """Say what the data looks like, without reading it; None where only reading tells: then Arrays say it."""

    def load(self, data_dir: str) -> Arrays:
        """Read the data.

        Raises:
            StorageError: it is absent and cannot be had.
            ConfigError: it is not what the configuration says, or cannot be learnt from, or a file of the user's is
                damaged or dangerous; says file, row or column.
            ArtefactError: a file of a published data set is not the published one.
        """


@runtime_checkable
class ReadsMore(Protocol):
    """A dataset that reads further rows of the same form, to predict."""

    def more(self, path: str, data_dir: str, spec: TaskSpec) -> tuple[Any, Sequence[Any]]:
        """Return inputs [N, ...] and what names each row [N].

        Args:
            path: of a file or folder; relative to the current folder, else to data_dir.
            spec: of the data that the model was trained on.

        Raises:
            StorageError: it is not there.
            ConfigError: it is not of this form; says file, row or column.
        """


@runtime_checkable
class Downloads(Protocol):
    """A dataset that lies below data_dir, or will once `load` has downloaded it."""

    def paths(self, data_dir: str) -> Sequence[Path]:
        """Return its files, all in one folder."""


class Rows(NamedTuple):
    """What a splitter may know of rows: targets [N, ...], the task's kind, the dataset's own test set, notes."""

    targets: np.ndarray
    kind: Kind
    test_ids: np.ndarray | None = None
    notes: Mapping[str, np.ndarray] = MappingProxyType({})

    @property
    def strata(self) -> np.ndarray | None:
        """The classes [N] whose proportions splits keep; None where there are none."""
        return self.targets if self.kind == "classification" else None


class Splitter(Protocol):
    """Divides row numbers into train, val and test."""

    def __call__(self, rows: Rows) -> SplitIds:
        """Return disjoint row numbers, together all rows but those that a split leaves out to part others.

        Raises ConfigError where a split would be empty.
        """


class Preprocessing(Protocol):
    """A transformation whose statistics come from train alone.

    It treats every row by itself. Rows of images may be uint8: `dlx.core.pixels.as_floats` makes floats of them.
    Statistics are numbers in arrays; text among them is its UTF-8 bytes in a uint8 array.
    """

    def fit(self, inputs: np.ndarray, targets: np.ndarray, spec: TaskSpec) -> dict[str, np.ndarray]:
        """Return the statistics of the train rows; they are saved with the run.

        Inputs are Ragged where spec.layout is "text" or "audio". Raises ConfigError for a layout that it is not for.
        """

    def apply(self, inputs: np.ndarray, statistics: Mapping[str, np.ndarray]) -> np.ndarray:
        """Transform any rows with the statistics of train."""


@runtime_checkable
class ChangesSpec(Protocol):
    """A preprocessing after which inputs have another layout, shape or columns."""

    def spec_after(self, spec: TaskSpec, statistics: Mapping[str, np.ndarray] | None) -> TaskSpec | None:
        """Say what inputs look like afterwards.

        Args:
            spec: of what comes in.
            statistics: of train, or None before they are known.

        Returns:
            The spec; None where only statistics tell it and they are not known yet.

        Raises:
            ConfigError: the preprocessing is for another layout.
        """


@runtime_checkable
class SelectsRows(Protocol):
    """A preprocessing that leaves out train rows. It never sees val and test."""

    def select(self, inputs: np.ndarray, targets: np.ndarray, spec: TaskSpec) -> np.ndarray:
        """Return the indices of the train rows to keep, ascending."""


@runtime_checkable
class Tokenizes(Protocol):
    """A preprocessing that makes tokens of texts, PADDING and UNKNOWN among them, and texts of tokens."""

    def tokens_of(self, text: str, statistics: Mapping[str, np.ndarray]) -> list[int]:
        """Return all tokens of a text, however long it is."""

    def text_of(self, tokens: Sequence[int], statistics: Mapping[str, np.ndarray]) -> str:
        """Return the text of tokens; that of some is the beginning of that of more."""


@runtime_checkable
class FitsBlocks(Protocol):
    """A preprocessing for data larger than memory; its `fit` gives the same bytes, as one block or many."""

    def fit_blocks(self, blocks: Iterable[np.ndarray], spec: TaskSpec) -> dict[str, np.ndarray]:
        """Return the statistics of the train rows, which come block by block."""


@runtime_checkable
class ScalesTarget(Protocol):
    """A preprocessing that also gives regression targets a scale to train on; metrics stay in original units."""

    def target_scale(self, statistics: Mapping[str, np.ndarray]) -> tuple[float, float]:
        """Return (shift, scale): the model is trained on (target - shift) / scale."""


class ModelPart(Protocol):
    """Makes a model that fits the data.

    Whatever its constructor has of the arguments layout, kind, vocabulary_size and next_token it is given, too; tokens
    are given to those that take vocabulary_size, sequences to those that take kind.
    """

    def __call__(self, *, input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
        """Return a model that maps inputs [B, *input_shape] to [B, num_outputs], PER_POSITION to [B, L, num_outputs].

        Raises ConfigError where none can.
        """


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
        """Map logits [B, ..., C] and targets, or predictions [B] and targets [B] in original units, to values [B]."""

    def from_mean(self, mean: float) -> float:
        """Turn the mean over examples into the metric."""


class ParamInfo(NamedTuple):
    """What an optimizer may know of a parameter: its name in the model, its shape without R, whether rows of it are
    looked up by an nn.Embedding."""

    name: str
    shape: tuple[int, ...]
    is_embedding: bool = False


class OptimizerPart(Protocol):
    """Makes a torch optimizer."""

    def __call__(self, params: ParamsT) -> torch.optim.Optimizer:
        """Return an optimizer at its base learning rate, over parameters or torch's parameter groups.

        The engine gives groups of one parameter [R, P], the rows of some members; what lies in a row is said by
        `shapes`, see dlx.core.rows, and which of `roles` they have by `role`.
        """


@runtime_checkable
class SearchesLoss(Protocol):
    """An optimizer of one run and one parameter group, whose step takes a closure that computes loss and gradient anew.

    ALONE: why it is for one run.
    """

    ALONE: ClassVar[str]


@runtime_checkable
class DividesParams(Protocol):
    """An optimizer that does not treat all parameters alike."""

    def roles(self, params: Sequence[ParamInfo]) -> Sequence[str]:
        """Return what each parameter of a model, in its order, is to the optimizer."""


Config = dict[str, Any]
