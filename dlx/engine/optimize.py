"""The optimizer of R members: those with equal settings share parameter groups, one of each kind of parameters.

P parameters of one kind of a member.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dlx.core.hooks import ChangesWithHistory, FollowsHistory, History
from dlx.core.schedule import Schedule
from dlx.core.types import OptimizerPart
from dlx.engine.flat import Block, Flat


class Setting(NamedTuple):
    """How one member is optimized; of two equal names, optimizer and schedule are equal.

    has_history: whether one of them may follow what the member has measured.
    """

    name: str
    optimizer: OptimizerPart
    schedule: Schedule
    has_history: bool = True


class Optimization(NamedTuple):
    """An optimizer over the rows of the parameters, block by block.

    rows, base_lrs: first and past-the-last member, and learning rate, of each setting. A parameter group knows its
    `setting` by number, its `block` and its `lr_multiplier`.
    """

    optimizer: torch.optim.Optimizer
    settings: Sequence[Setting]
    rows: Sequence[tuple[int, int]]
    base_lrs: Sequence[float]

    def lrs_at(self, steps_per_epoch: int, num_steps: int, histories: Sequence[History]
               ) -> Callable[[int], list[float]]:
        """Return the function from a step of an epoch to the learning rate of each setting.

        Args:
            histories: of the members, before the epoch.
        """
        pairs = [(self._values(number, histories)["lr"], _schedule(setting, histories[self.rows[number][0]]))
                 for number, setting in enumerate(self.settings)]
        return lambda step: [lr * schedule.factor(step, steps_per_epoch, num_steps) for lr, schedule in pairs]

    def begin_epoch(self, histories: Sequence[History]) -> None:
        """Give parameter groups the values that depend on the epochs so far."""
        for group in self.optimizer.param_groups:
            group.update(self._values(group["setting"], histories))

    def setting_of(self, member: int) -> int:
        """Return the number of a member's setting."""
        return next(number for number, (_, end) in enumerate(self.rows) if member < end)

    def state(self, member: int) -> dict[str, Tensor]:
        """Return copies of a member's state by block and name, `0/exp_avg`: [P], or scalars."""
        number = self.setting_of(member)
        row = member - self.rows[number][0]
        state: dict[str, Tensor] = {}
        for group in self._groups(number):
            window = group["params"][0]
            state |= {f"{group['block']}/{name}": (value[row] if value.shape == window.shape else value).clone()
                      for name, value in self.optimizer.state[window].items() if value is not None}
        return state

    def restore(self, states: Sequence[Mapping[str, Tensor]]) -> None:
        """Load each member's state, bit for bit. Raises ValueError where one does not fit."""
        for number, (start, end) in enumerate(self.rows):
            groups = self._groups(number)
            owns = [_by_block(state, len(groups)) for state in states[start:end]]
            for block, group in enumerate(groups):
                window = group["params"][0]
                joined = _joined([own[block] for own in owns], window)
                if joined:
                    self.optimizer.state[window] = joined

    def _values(self, setting: int, histories: Sequence[History]) -> dict[str, Any]:
        optimizer, has_history = self.settings[setting].optimizer, self.settings[setting].has_history
        if has_history and isinstance(optimizer, ChangesWithHistory):
            return optimizer.values_after(histories[self.rows[setting][0]])
        return {"lr": self.base_lrs[setting]}

    def _groups(self, setting: int) -> list[dict[str, Any]]:
        return [group for group in self.optimizer.param_groups if group["setting"] == setting]


def optimize(settings: Sequence[Setting], flat: Flat) -> Optimization:
    """Make the optimizer of members; those with equal settings lie side by side."""
    same = [list(own) for _, own in groupby(range(len(settings)), key=lambda member: settings[member].name)]
    rows = [(own[0], own[-1] + 1) for own in same]
    firsts = [settings[start] for start, _ in rows]
    made = [setting.optimizer([_group(block, number, place, rows[place]) for number, block in enumerate(flat.blocks)])
            for place, setting in enumerate(firsts)]
    lrs = [own.param_groups[0]["lr"] for own in made]
    first, *others = made
    for other in others:
        for group in other.param_groups:
            first.add_param_group(dict(group))
        # What some optimizers make before their first step.
        first.state.update(other.state)
    return Optimization(first, firsts, rows, lrs)


def _schedule(setting: Setting, history: History) -> Schedule:
    schedule = setting.schedule
    return schedule.after(history) if setting.has_history and isinstance(schedule, FollowsHistory) else schedule


def _group(block: Block, number: int, setting: int, rows: tuple[int, int]) -> dict[str, Any]:
    group = {"params": [block.rows(*rows)], "shapes": block.shapes, "role": block.kind.role, "setting": setting,
             "block": number, "lr_multiplier": block.kind.lr_multiplier}
    return group if block.kind.decays else group | {"weight_decay": 0.0}


def _by_block(state: Mapping[str, Tensor], count: int) -> list[dict[str, Tensor]]:
    blocks: list[dict[str, Tensor]] = [{} for _ in range(count)]
    for key, value in state.items():
        block, _, name = key.partition("/")
        if block not in map(str, range(count)):
            raise ValueError(f"the optimizer's state is of block {block:.20}, there are {count}")
        blocks[int(block)][name] = value
    return blocks


def _joined(states: Sequence[Mapping[str, Tensor]], window: Tensor) -> dict[str, Tensor]:
    width = window.shape[1]
    for state in states:
        wrong = [name for name, value in state.items() if not value.is_floating_point()
                 or (value.ndim > 0 and (value.shape != (width,) or value.dtype != window.dtype))]
        if wrong or state.keys() != states[0].keys():
            raise ValueError(f"the optimizer's state is {sorted(state)}, {', '.join(wrong)} of a wrong shape or type")
    return {name: torch.stack([state[name] for state in states]) if value.ndim > 0 else value.clone()
            for name, value in states[0].items()}
