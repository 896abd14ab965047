"""dlx training members of a fused run, or one run alone, for timing inside one process. R members."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter

import torch
from dlx_side import training_seconds

from dlx.config.build import ANY_PACKAGE, build
from dlx.config.compose import compose
from dlx.config.saved import to_saved
from dlx.engine.fit import Fit, batches
from dlx.engine.start import Described, start
from dlx.run import Surroundings

CONFIG_DIR = Path(__file__).parent / "conf"  # the data sets of made_up.py


def step_seconds(num_epochs: int, num_members: int, overrides: Sequence[str], distinct_lrs: bool = False
                 ) -> list[float]:
    """Return, per epoch, the mean seconds of a step over R: forward, loss, backward, update; batches lie ready.

    Args:
        num_members: R; 1 is a run alone, not a fused run of one.
        overrides: what to train, as typed.
        distinct_lrs: give every member a learning rate of its own.
    """
    state = begin(num_epochs, num_members, overrides, distinct_lrs)
    group, lrs_at = state.group, state.lrs_at()
    seeds = [member.parts.settings.seed for member in group.members]
    full = [*batches(group.feeds["train"], state.bounds, seeds, 0, 0)][:-1]  # the last of an epoch may be smaller

    def epoch() -> None:
        for step, batch in enumerate(full):
            group.step(batch, step, lrs_at(step))

    wait = waiter(state)
    timed(epoch, wait)  # makes the optimizer's state
    return [timed(epoch, wait) / (len(full) * num_members) for _ in range(num_epochs)]


def training_step_seconds(num_epochs: int, num_members: int, overrides: Sequence[str], distinct_lrs: bool = False
                          ) -> list[float]:
    """Return the same with what an epoch has beside steps: drawing the order and gathering the batches."""
    state = begin(num_epochs + 1, num_members, overrides, distinct_lrs)
    seconds = training_seconds(state, waiter(state))[1:]  # the first makes the optimizer's state
    return [epoch / (state.steps_per_epoch * num_members) for epoch in seconds]


def begin(num_epochs: int, num_members: int, overrides: Sequence[str], distinct_lrs: bool) -> Fit:
    """Load data and make the models; members differ in their seeds, so in their splits."""
    config = compose("train", [*overrides, f"epochs={num_epochs}"], CONFIG_DIR)
    first = to_saved(config)
    runs: list[Described] = []
    for seed in range(num_members):
        lr = first["optimizer"]["lr"] * (1 + seed / num_members if distinct_lrs else 1)
        saved = {**first, "seed": seed, "split": {**first["split"], "seed": seed},
                 "optimizer": {**first["optimizer"], "lr": lr}}
        runs.append((build(saved, [ANY_PACKAGE]), saved))
    return start(runs, Surroundings.of(config).data_dir, [None] * num_members, fused=num_members > 1)


def waiter(state: Fit) -> Callable[[], None]:
    """Return what waits for the work that the device was given."""
    return torch.cuda.synchronize if state.group.placement.device.type == "cuda" else lambda: None


def timed(work: Callable[[], None], wait: Callable[[], None]) -> float:
    """Return the seconds of some work on the device."""
    wait()
    start_time = perf_counter()
    work()
    wait()
    return perf_counter() - start_time
