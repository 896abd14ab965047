"""The learning-rate range test: one short training whose learning rate grows at every step."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from dlx.core.errors import ConfigError
from dlx.core.lr_range import Curve
from dlx.core.schedule import Schedule
from dlx.core.types import Batch
from dlx.engine.data import Shelf
from dlx.engine.fit import Fit, batches
from dlx.engine.parts import Parts
from dlx.engine.start import start


class Growth(Schedule):
    """lr(step) = lr · ratio^step, without end and without warmup.

    Args:
        ratio: of two learning rates that follow each other, in (1, inf).
    """

    def __init__(self, ratio: float) -> None:
        super().__init__(0.0)
        self.ratio = ratio

    def decay(self, step: int, num_steps: int, steps_per_epoch: int) -> float:
        """Return ratio^step."""
        return float(self.ratio**step)


def growth(start_lr: float, end_lr: float, num_steps: int) -> Growth:
    """Return the schedule that grows from start_lr to end_lr over num_steps steps.

    Raises:
        ConfigError: end_lr is not above start_lr.
    """
    if end_lr <= start_lr:
        raise ConfigError(f"end_lr must be above start_lr={start_lr:g}, got {end_lr:g}")
    return Growth((end_lr / start_lr) ** (1 / (num_steps - 1)))


def range_test(parts: Parts, saved: Mapping[str, Any], schedule: Growth, num_steps: int, data_dir: str,
               shelf: Shelf) -> Curve:
    """Train for some steps, by the engine's own step, until the loss explodes or is not finite.

    Args:
        parts: of the run, its optimizer at the first learning rate; its schedule is replaced.
        saved: the configuration that they were built from.
        shelf: the run's data, read before; it is emptied.

    Returns:
        The steps whose loss was finite, at most num_steps, the last one where the loss had exploded.
    """
    state = start([(replace(parts, schedule=schedule), saved)], data_dir, [None], fused=False, shelf=shelf)
    lrs_at = state.lrs_at()
    lrs: list[float] = []
    losses: list[float] = []
    for step, batch in enumerate(itertools.islice(_all_batches(state), num_steps)):
        step_lrs = lrs_at(step)
        loss = float(state.group.step(batch, step, step_lrs)[0])
        if not math.isfinite(loss):
            break
        lrs.append(step_lrs[0])
        losses.append(loss)
        if Curve(np.array(lrs), np.array(losses)).has_exploded():
            break
    return Curve(np.array(lrs), np.array(losses))


def _all_batches(state: Fit) -> Iterator[Batch]:
    seeds = [member.parts.settings.order_seed for member in state.group.members]
    for epoch in itertools.count():
        yield from batches(state.group.feeds["train"], state.bounds, seeds, epoch, 0)
