"""One training in several processes: what they agree on, and the part of those that write nothing."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Mapping
from typing import Any

import torch

from dlx.core.errors import ConfigError, DivergedError, InterruptedRunError, TrainingError
from dlx.core.ranks import Ranks
from dlx.engine.fit import Fit, fit
from dlx.engine.group import Member
from dlx.engine.history import Row
from dlx.engine.parts import Parts
from dlx.engine.recorder import Clock
from dlx.engine.signals import StopRequest
from dlx.engine.start import start
from dlx.record.store import CheckpointStore

# Between two exchanges of whether to stop or to write; the exchange itself takes a tenth of a millisecond.
AGREE_SECONDS = 0.25


class SharedClock(Clock):
    """Says at the same step in every process that checkpoints are due: process 0's clock says so, or one was signalled.

    The processes exchange it every so many steps; process 0 says how many, so that it is a few times a second whatever
    a step takes. No result depends on when that is.
    """

    def __init__(self, ranks: Ranks, stop: StopRequest, seconds: float) -> None:
        super().__init__(stop, seconds if ranks.rank == 0 else math.inf)
        self._ranks = ranks
        self._seconds = min(seconds, AGREE_SECONDS)
        self._agreed: int | None = None
        self._steps = self._left = 1
        self._since = time.monotonic()

    @property
    def signal_number(self) -> int | None:
        """The signal that all stop for: one that came since the exchange waits for the next."""
        return self._agreed

    def is_due(self) -> bool:
        """Say whether checkpoints are due; called once a step by every process."""
        self._left -= 1
        if self._left > 0:
            return False
        mine = [super().is_due(), self.stop.signal_number or 0, self._next() if self._ranks.rank == 0 else 1]
        agreed = torch.tensor(mine, dtype=torch.int64)
        self._ranks.most(agreed)
        due, signal_number, self._steps = agreed.tolist()
        self._agreed = signal_number or None
        self._left = self._steps
        return bool(due or signal_number)

    def _next(self) -> int:
        now = time.monotonic()
        rate, self._since = self._steps / max(now - self._since, 1e-6), now
        return max(1, min(2 * self._steps, int(rate * self._seconds)))


def clock_of(ranks: Ranks, stop: StopRequest, seconds: float) -> Clock:
    """Return the clock of a run in one process or in several."""
    return Clock(stop, seconds) if ranks.size == 1 else SharedClock(ranks, stop, seconds)


def check_start(state: Fit) -> None:
    """Make sure that all processes start from the same weights at the same step, and have work.

    Raises:
        ConfigError: more processes than examples of a split.
        TrainingError: they differ: one read another checkpoint, or computes other bits.
    """
    ranks = state.group.placement.ranks
    if ranks.size == 1:
        return
    for name, feed in state.group.feeds.items():
        if feed.ids.shape[1] < ranks.size:
            raise ConfigError(f"device.processes={ranks.size} is more than the {feed.ids.shape[1]} examples of {name}")
    digest = hashlib.sha256(f"{state.epoch} {state.position.step_in_epoch}".encode())
    digest.update(state.group.flat.values.cpu().numpy().tobytes())
    number = int.from_bytes(digest.digest()[:7], "big")
    bounds = torch.tensor([number, -number])
    ranks.most(bounds)
    if bounds.tolist() != [number, -number]:
        raise TrainingError("the processes of the run do not start from the same weights")


class Bystander:
    """Witnesses training in a process that writes nothing.

    Args:
        clock: agrees with the process that writes.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def before_step(self, state: Fit, step: int) -> None:
        """Take part in a checkpoint. Raises InterruptedRunError where all stop."""
        if not self._clock.is_due():
            return
        state.settle()
        signal_number = self._clock.signal_number
        if signal_number is not None:
            raise InterruptedRunError(signal_number, f"interrupted at step {step}")

    def after_epoch(self, member: Member, row: Row, train_seconds: float, measure_seconds: float) -> None:
        """Leave it to the process that writes."""

    def leaves(self, state: Fit, number: int, why: str | DivergedError) -> None:
        """Leave it to the process that writes."""


def assist(parts: Parts, config: Mapping[str, Any], store: CheckpointStore, data_dir: str, stop: StopRequest) -> None:
    """Train a run along with the process that writes its files, from the same checkpoint to the same end.

    Raises:
        InterruptedRunError: all stopped at a signal.
    """
    found = store.newest()
    state = start([(parts, config)], data_dir, [None if found is None else found.checkpoint], fused=False)
    check_start(state)
    clock = clock_of(state.group.placement.ranks, stop, parts.settings.checkpoint_seconds)
    fit(state, Bystander(clock), state.epochs)
