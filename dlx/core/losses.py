"""What a loss is, and what some losses want besides: a reading of outputs of their own, train targets, other examples.

Shape letters as in `dlx.core.types`: N examples, B batch, C classes, R members; K outputs of a model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

    from dlx.core.types import Kind, TaskSpec

_MEASURES = ContextVar("measures", default=False)


@contextmanager
def as_measured() -> Iterator[None]:
    """Let losses be those of evaluation inside the block, though gradients are taken of them."""
    token = _MEASURES.set(True)
    try:
        yield
    finally:
        _MEASURES.reset(token)


def trains() -> bool:
    """Say whether a loss is for training, where it may smooth or weigh; in evaluation it does not."""
    import torch

    return torch.is_grad_enabled() and not _MEASURES.get()


class Loss(Protocol):
    """Loss per example, for a sequence the mean of its positions, without penalties; the engine takes the mean."""

    kinds: ClassVar[tuple[Kind, ...]]

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Map outputs [R·B, C] and targets [R·B], PER_POSITION [R·B, L, C], to losses [R·B]."""


@runtime_checkable
class ReadsOutputs(Protocol):
    """A loss for which a model's outputs are no logits of the classes. Those of others are."""

    def logits(self, outputs: Tensor, kind: Kind) -> Tensor:
        """Map outputs [B, K] to logits [B, C]: their softmax, of multilabel their sigmoid, are the probabilities."""


@runtime_checkable
class SizesOutputs(Protocol):
    """A loss that wants another number of outputs than the task has."""

    def num_outputs(self, spec: TaskSpec) -> int:
        """Return how many outputs a model needs."""


@runtime_checkable
class KnowsTrain(Protocol):
    """A loss that depends on the train targets, or on which examples are of one member."""

    def knowing(self, targets: Sequence[Tensor], spec: TaskSpec) -> Loss:
        """Return the loss of R members, whose train targets are given, R tensors [N, ...].

        Raises ConfigError where it is not for these targets.
        """


class Reading(Protocol):
    """Outputs as evaluation reads them, whatever the examples they come with. Each knows its row number in ids."""

    def losses(self, outputs: Tensor, targets: Tensor, ids: Tensor) -> Tensor:
        """Map outputs [R·B, ...], targets [R·B, ...] and ids [R, B] to losses [R·B]."""

    def logits(self, outputs: Tensor, ids: Tensor) -> Tensor:
        """Map outputs [R·B, ...] and ids [R, B] to logits [R·B, ..., C]."""


@runtime_checkable
class ComparesExamples(Protocol):
    """A loss that compares the examples of a batch. In evaluation each is compared with the train examples instead.

    It is also KnowsTrain, so that it compares those of one member alone.
    """

    def reading(self, outputs: Tensor, targets: Tensor, ids: Tensor) -> Reading:
        """Return how to read outputs beside those of the train examples: [R, N, K], targets [R, N], ids [R, N].

        A train example is not compared with itself.
        """
