"""Noise on gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from dlx.core.ranges import NonNegative

if TYPE_CHECKING:
    from torch import Tensor

    from dlx.core.hooks import Moment


class GradientNoise:
    """g ← g + N(0, eta / (1 + t)^gamma) at step t, from 0.

    Source: Neelakantan et al., Adding gradient noise improves learning for very deep networks, 2015, equation 1.

    Args:
        eta: variance at the first step, in [0, inf).
        gamma: how fast it falls, in [0, inf).
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("eta", "gamma")

    def __init__(self, eta: NonNegative, gamma: NonNegative) -> None:
        self.eta = eta
        self.gamma = gamma

    def on_gradient(self, params: Sequence[Tensor], norm: Tensor, moment: Moment) -> None:
        """Add noise to `.grad` of the parameters [R, ...] in place; each member's is drawn from its own stream."""
        from dlx.core.members import per_member

        scale = (self.eta * (1 + moment.step) ** -self.gamma) ** 0.5
        for param in params:
            if param.grad is not None:
                param.grad.add_(moment.draws.normal(param) * per_member(scale, param))
