"""The optimizer of R members: members with equal settings are one parameter group. P parameters of a member."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor

from dlx.core.schedule import Schedule
from dlx.core.types import OptimizerPart
from dlx.engine.flat import Flat


class Setting(NamedTuple):
    """How one member is optimized; of two equal names, optimizer and schedule are equal."""

    name: str
    optimizer: OptimizerPart
    schedule: Schedule


class Optimization(NamedTuple):
    """An optimizer over the rows of the parameters; rows: first and past-the-last member of each parameter group."""

    optimizer: torch.optim.Optimizer
    rows: Sequence[tuple[int, int]]
    schedules: Sequence[Schedule]
    base_lrs: Sequence[float]

    def lrs_at(self, steps_per_epoch: int, num_steps: int) -> Callable[[int], list[float]]:
        """Return the function from a step to the learning rate of each parameter group."""
        pairs = list(zip(self.base_lrs, self.schedules, strict=True))
        return lambda step: [lr * schedule.factor(step, steps_per_epoch, num_steps) for lr, schedule in pairs]

    def group_of(self, member: int) -> int:
        """Return the number of a member's parameter group."""
        return next(number for number, (_, end) in enumerate(self.rows) if member < end)

    def state(self, member: int) -> dict[str, Tensor]:
        """Return copies of a member's state by name: [P], or scalars."""
        number = self.group_of(member)
        window = self.optimizer.param_groups[number]["params"][0]
        row = member - self.rows[number][0]
        known = {name: value for name, value in self.optimizer.state[window].items() if value is not None}
        return {name: (value[row] if value.shape == window.shape else value).clone() for name, value in known.items()}

    def restore(self, states: Sequence[Mapping[str, Tensor]]) -> None:
        """Load each member's state. Raises ValueError where one does not fit."""
        windows = [group["params"][0] for group in self.optimizer.param_groups]
        joined = {number: _joined(states[start:end], len(window[0]))
                  for number, ((start, end), window) in enumerate(zip(self.rows, windows, strict=True))}
        self.optimizer.load_state_dict({"state": {number: state for number, state in joined.items() if state},
                                        "param_groups": self.optimizer.state_dict()["param_groups"]})


def optimize(settings: Sequence[Setting], flat: Flat) -> Optimization:
    """Make the optimizer of members; those with equal settings lie side by side."""
    rows: list[tuple[int, int]] = []
    made: list[torch.optim.Optimizer] = []
    schedules: list[Schedule] = []
    for _, same in groupby(enumerate(settings), key=lambda pair: pair[1].name):
        members = list(same)
        start, setting = members[0]
        rows.append((start, start + len(members)))
        made.append(setting.optimizer([flat.rows(*rows[-1])]))
        schedules.append(setting.schedule)
    first, *others = made
    for other in others:
        first.add_param_group(dict(other.param_groups[0]))
    return Optimization(first, rows, schedules, [group["lr"] for group in first.param_groups])


def _joined(states: Sequence[Mapping[str, Tensor]], width: int) -> dict[str, Tensor]:
    for state in states:
        wrong = [name for name, value in state.items() if value.ndim > 0 and value.shape != (width,)]
        if wrong or state.keys() != states[0].keys():
            raise ValueError(f"the optimizer's state is {sorted(state)}, {', '.join(wrong)} of a wrong shape")
    return {name: torch.stack([state[name] for state in states]) if value.ndim > 0 else value.clone()
            for name, value in states[0].items()}
