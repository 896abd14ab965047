"""What acts while a run trains: the hooks of regularizers, and optimizers and schedules that follow its history.

Shape letters as in `dlx.core.types`: B batch, R members. A hook that none has costs nothing; a class may have several.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from dlx.core.draws import Draws
    from dlx.core.losses import Loss
    from dlx.core.schedule import Schedule
    from dlx.core.types import Batch


class Moment(NamedTuple):
    """What a hook may know of a step.

    step, counted from 0; lrs, each member's learning rate, and lr_multipliers, what each trained parameter's is
    multiplied with; draws, of this hook.
    """

    step: int
    lrs: Sequence[float]
    lr_multipliers: Sequence[float]
    draws: Draws


class History(NamedTuple):
    """The epochs so far.

    rows: one mapping of column name to value per epoch, in order; greater_is_better: by column, for those that a rule
    may select or stop on.
    """

    rows: Sequence[Mapping[str, float | None]]
    greater_is_better: Mapping[str, bool]


@runtime_checkable
class FollowsHistory(Protocol):
    """A schedule that depends on the epochs so far."""

    def columns(self) -> tuple[str, ...]:
        """Name the columns of the history that it reads."""

    def after(self, history: History) -> Schedule:
        """Return the schedule of the epoch after the last row: a function of the history alone."""


@runtime_checkable
class ChangesWithHistory(Protocol):
    """An optimizer that depends on the epochs so far."""

    def columns(self) -> tuple[str, ...]:
        """Name the columns of the history that it reads."""

    def values_after(self, history: History) -> dict[str, Any]:
        """Return values of its parameter groups in the epoch after the last row: a function of the history alone.

        The base learning rate is among them, as `lr`.
        """


@runtime_checkable
class OnModel(Protocol):
    """A regularizer that changes the model before training."""

    def on_model(self, model: nn.Module) -> nn.Module:
        """Return the model to train. Raises ConfigError where the model has nothing to act on."""


@runtime_checkable
class OnBatch(Protocol):
    """A regularizer that changes training batches. It is asked for each member by itself: R is 1.

    Where it has an attribute `layouts`, a tuple of layouts, it is for these alone; where `mixes` is true, it makes one
    example of several.
    """

    def on_batch(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Return the batch to train on; draws come from the generator of this member and step alone."""


@runtime_checkable
class Penalty(Protocol):
    """A regularizer that adds to the minimised loss."""

    def penalty(self, params: Sequence[Tensor]) -> Tensor:
        """Return what is added to each member's mean loss, [R]; params [R, ...] are the models', in order."""


@runtime_checkable
class OnLoss(Protocol):
    """A regularizer that changes the loss."""

    def on_loss(self, loss: Loss) -> Loss:
        """Return the loss to minimise. Raises ConfigError where the loss has nothing to act on."""


@runtime_checkable
class OnInputs(Protocol):
    """A regularizer that moves training inputs, with the model at hand. Of all members at once."""

    def on_inputs(self, inputs: Tensor, losses_of: Callable[[Tensor], Tensor], moment: Moment) -> Tensor:
        """Return the inputs [R·B, ...] to train on.

        Args:
            losses_of: maps inputs [R·B, ...] to losses [R·B] of the model in eval mode.
        """


@runtime_checkable
class OnOutputs(Protocol):
    """A regularizer that adds to the minimised loss of each example.

    Where it has an attribute `differentiates_inputs` that is true, outputs are a differentiable function of inputs.
    """

    def output_penalty(self, inputs: Tensor, outputs: Tensor, moment: Moment) -> Tensor:
        """Return what is added to each example's loss, [R·B]; inputs [R·B, ...], outputs [R·B, ...] of the model."""


@runtime_checkable
class Ascends(Protocol):
    """A regularizer that takes the gradient elsewhere than where the weights are."""

    def ascend(self, params: Sequence[Tensor], norm: Tensor) -> None:
        """Move the parameters [R, ...] in place, along `.grad`, whose L2 norm of each member is norm [R].

        The gradient of the same batch is then taken anew, and the parameters moved back, to the bit.
        """


@runtime_checkable
class OnGradient(Protocol):
    """A regularizer that acts between gradient and update."""

    def on_gradient(self, params: Sequence[Tensor], norm: Tensor, moment: Moment) -> None:
        """Change parameters [R, ...] or their `.grad` in place; norm [R] is each member's L2 norm over all of them."""


@runtime_checkable
class AfterUpdate(Protocol):
    """A regularizer that keeps weights within bounds."""

    def after_update(self, params: Sequence[Tensor]) -> None:
        """Change the parameters [R, ...] in place."""


@runtime_checkable
class Averages(Protocol):
    """A regularizer that averages weights on the way; the average is measured, selected and saved in their place.

    restarts_statistics: whether statistics of batch normalization are taken anew, over all train examples, for the
    average; else they are averaged, too.
    """

    restarts_statistics: ClassVar[bool]

    def share(self, step: int, steps_per_epoch: int, num_steps: int) -> float | Tensor | None:
        """Return the share, or each member's [R], that the weights after a step have in the average.

        Steps are counted from 0, num_steps are those of all epochs. A share of 1 begins anew. None: the average stays
        what it is; the last step of an epoch, after which it is measured, has a share.
        """


@runtime_checkable
class OnHistory(Protocol):
    """A regularizer that ends training.

    Where it has an attribute `restore` that is true, the run must keep the weights that were best by its columns.
    """

    def should_stop(self, history: History) -> str | None:
        """Return why training ends after the last row of the history, or None to go on."""

    def columns(self) -> tuple[str, ...]:
        """Name the columns of the history that it reads."""
