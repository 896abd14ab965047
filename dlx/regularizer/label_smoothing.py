"""Label smoothing."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, ClassVar

from dlx.core.errors import ConfigError
from dlx.core.ranges import Rate

if TYPE_CHECKING:
    from dlx.core.losses import Loss


class LabelSmoothing:
    """Trains against (1 - rate) at the label plus rate / C on each of C classes.

    Source: Szegedy et al., Rethinking the Inception architecture, 2016, section 7. The same as loss.label_smoothing, as
    a regularizer: composable, comparable, and an error with a loss that has none. Evaluation never smooths.

    Args:
        rate: in [0, 1).
    """

    MEMBER_VALUES: ClassVar[tuple[str, ...]] = ("rate",)

    def __init__(self, rate: Rate) -> None:
        self.rate = rate

    def on_loss(self, loss: Loss) -> Loss:
        """Return the loss with the rate set. Raises ConfigError where it has none, or one of its own."""
        own = getattr(loss, "label_smoothing", None)
        if own is None:
            raise ConfigError(f"regularizer=label_smoothing needs a loss with label smoothing, as loss=cross_entropy; "
                              f"{type(loss).__name__} has none")
        if own != 0:
            raise ConfigError(f"labels are smoothed twice: set loss.label_smoothing=0, got {own}, or leave out "
                              f"regularizer=label_smoothing")
        smoothed = copy.copy(loss)
        smoothed.label_smoothing = self.rate  # type: ignore[attr-defined]
        return smoothed
