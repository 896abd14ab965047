"""Exponential moving average of weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dlx.core.ranges import Rate

if TYPE_CHECKING:
    from torch import Tensor


class EMA:
    """a ← d · a + (1 - d) · w after each step t, from 0, with d = min(decay, (1 + t) / (10 + t)); a is measured
    and kept. Conflicts with: swa.

    Source: Polyak and Juditsky, Acceleration of stochastic approximation by averaging, 1992; Tarvainen and Valpola,
    Mean teachers, 2017; the warmup of d is that of TensorFlow's ExponentialMovingAverage. Statistics of batch
    normalization are averaged, too. Training goes on with w.

    Args:
        decay: in [0, 1).
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("decay",)
    CONFLICTS: ClassVar[dict[str, str]] = {"swa": "each keeps an average of the weights"}
    restarts_statistics = False

    def __init__(self, decay: Rate) -> None:
        self.decay: float | Tensor = decay

    def share(self, step: int, steps_per_epoch: int, num_steps: int) -> float | Tensor:
        """Return 1 - d of a step, or each member's [R]."""
        warmup = (1 + step) / (10 + step)
        if isinstance(self.decay, float | int):
            return 1 - min(self.decay, warmup)
        return 1 - self.decay.clamp(max=warmup)
