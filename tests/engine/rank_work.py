"""What the processes of the parallel tests do. They are real, they meet over gloo; one pool serves all tests."""

from __future__ import annotations

import atexit
import math
import multiprocessing
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dlx.core.errors import DlxError, InterruptedRunError
from dlx.core.ranks import join_group
from dlx.core.types import Batch
from dlx.engine.fit import Fit, fit
from dlx.engine.parallel import Bystander, check_start, clock_of
from dlx.engine.parts import Parts
from dlx.engine.signals import StopRequest
from dlx.engine.start import start

MOST = 4


class Trained(NamedTuple):
    """What one process holds after training."""

    rows: list[dict[str, Any]]
    weights: dict[str, Any]


class Mixing:
    """A hook on batches that mixes examples: its result depends on which examples are together."""

    def on_batch(self, batch: Batch, generator: torch.Generator) -> Batch:
        share = torch.rand((), generator=generator, dtype=torch.float64).item()
        return batch._replace(inputs=(1 - share) * batch.inputs + share * batch.inputs.flip(0))


@cache
def pool() -> ProcessPoolExecutor:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "dlx.engine.parallel", "sklearn.datasets", "sklearn.model_selection"])
    made = ProcessPoolExecutor(MOST, mp_context=context)
    atexit.register(made.shutdown)
    return made


def together(count: int, work: Callable[..., Any], *args: Sequence[Any]) -> list[Any]:
    """Call a function in so many processes that are one run; args: of each argument, its value in each process."""
    with tempfile.TemporaryDirectory() as place:
        calls = [pool().submit(_joined, rank, count, Path(place) / "meeting", work, own)
                 for rank, own in enumerate(zip(*args, strict=True))]
        return [call.result(60) for call in calls]


def _joined(rank: int, count: int, meeting: Path, work: Callable[..., Any], args: Sequence[Any]) -> Any:
    if count == 1:
        return work(*args)
    with join_group(rank, count, "cpu", meeting):
        return work(*args)


def begin(parts: Parts) -> Fit:
    state = start([(parts, {"optimizer": {}, "schedule": {}})], "", [None], False)
    check_start(state)
    return state


def trained(parts: Parts, mixed: bool = False) -> Trained:
    """Train to the end."""
    if mixed:
        parts = replace(parts, regularizers={**parts.regularizers, "mixing": Mixing()})
    state = begin(parts)
    group, clock = state.group, clock_of(state.group.placement.ranks, StopRequest(), 0.0)
    fit(state, Bystander(clock), state.epochs)
    return Trained(group.members[0].progress.rows, {name: _plain(value) for name, value in group.weights(0).items()})


def stopped(parts: Parts, signal_number: int | None) -> tuple[int, str]:
    """Train with a signal that this process got before the first step, or that it did not get."""
    state, stop = begin(parts), StopRequest()
    stop.signal_number = signal_number
    try:
        fit(state, Bystander(clock_of(state.group.placement.ranks, stop, math.inf)), state.epochs)
    except InterruptedRunError as error:
        return error.signal_number, str(error)
    raise AssertionError("nobody stopped")


def refused(parts: Parts) -> str:
    """Return why training does not start."""
    try:
        begin(parts)
    except DlxError as error:
        return f"{type(error).__name__}: {error}"
    raise AssertionError("it started")


def _plain(tensor: Tensor) -> Any:
    return tensor.numpy()
