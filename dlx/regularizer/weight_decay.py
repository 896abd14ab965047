"""Decoupled weight decay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from dlx.core.ranges import NonNegative

if TYPE_CHECKING:
    from torch import Tensor

    from dlx.core.hooks import Moment


class WeightDecay:
    """w ← w - lr · strength · w before the update, over weights, biases and norm parameters excepted.

    Source: Loshchilov and Hutter, Decoupled weight decay regularization, 2019, without their schedule multiplier: lr is
    optimizer.lr by the schedule and optimizer.lr_multipliers. Decoupled: the update does not rescale it, unlike
    regularizer=l2. With optimizer=adam it is what AdamW does to weights; where the optimizer has a weight_decay of its
    own, both act.

    Args:
        strength: in [0, inf).
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("strength",)

    def __init__(self, strength: NonNegative) -> None:
        self.strength = strength

    def on_gradient(self, params: Sequence[Tensor], norm: Tensor, moment: Moment) -> None:
        """Shrink the parameters [R, ...] in place that have two axes of their own or more."""
        from dlx.core.members import per_member

        lost = norm.new_tensor(moment.lrs) * self.strength
        for param, multiplier in zip(params, moment.lr_multipliers, strict=True):
            if param.ndim > 2:
                param.mul_(per_member(1 - lost * multiplier, param))
