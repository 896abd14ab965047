"""Axes and trials as Optuna has them. Optuna is imported inside functions: most commands need none of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dlx.core.random import key
from dlx.core.search import Axis, Direction, Position, Trial

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.study import Study
    from optuna.trial import FrozenTrial
    from optuna.trial import Trial as OptunaTrial


def sampler_seed(seed: int, *position: int) -> int:
    """Return the 32-bit seed of a sampler, keyed by the seed of the search and a position, the batch for one."""
    return key(seed, "search", *position) % 2**32


def distributions(axes: Sequence[Axis]) -> dict[str, BaseDistribution]:
    """Return the distribution of each axis, by key."""
    return {axis.key: _distribution(axis) for axis in axes}


def _distribution(axis: Axis) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if axis.is_interval:
        kind = IntDistribution if isinstance(axis.low, int) else FloatDistribution
        return kind(axis.low, axis.high, log=axis.log)  # type: ignore[arg-type]
    if axis.ordered and len(axis.values) > 1:
        low, high, step = min(axis.values), max(axis.values), abs(axis.values[1] - axis.values[0])
        kind = IntDistribution if all(isinstance(value, int) for value in axis.values) else FloatDistribution
        return kind(low, low + step * (len(axis.values) - 1) if isinstance(low, int) else high, step=step)
    return CategoricalDistribution(_categories(axis))


def _categories(axis: Axis) -> tuple[Any, ...]:
    # Optuna compares categories with ==, by which 1, 1.0 and true are the same; and lists are none.
    kinds = {type(value) for value in axis.values}
    plain = len(kinds) == 1 and kinds <= {int, float, str, bool}
    return axis.values if plain else axis.texts


def suggest(trial: OptunaTrial, axes: Sequence[Axis]) -> None:
    """Give a trial that was asked for without axes its coordinates."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    for name, kind in distributions(axes).items():
        match kind:
            case FloatDistribution():
                trial.suggest_float(name, kind.low, kind.high, step=kind.step, log=kind.log)
            case IntDistribution():
                trial.suggest_int(name, kind.low, kind.high, step=kind.step, log=kind.log)
            case CategoricalDistribution():
                trial.suggest_categorical(name, kind.choices)


def params(axes: Sequence[Axis], position: Position) -> dict[str, Any]:
    """Return the parameters of a point, by key."""
    return {axis.key: _param(axis, at) for axis, at in zip(axes, position, strict=True)}


def _param(axis: Axis, at: int | float) -> Any:
    if axis.is_interval:
        return at
    return axis.values[int(at)] if axis.ordered else _categories(axis)[int(at)]


def position(axes: Sequence[Axis], values: Mapping[str, Any]) -> Position:
    """Return the point that has these parameters; a step of a range is the nearest one."""
    return tuple(_at(axis, values[axis.key]) for axis in axes)


def _at(axis: Axis, value: Any) -> int | float:
    if axis.is_interval:
        return int(value) if isinstance(axis.low, int) else float(value)
    if axis.ordered:
        return min(range(len(axis.values)), key=lambda index: abs(axis.values[index] - value))
    return _categories(axis).index(value)


def make_study(sampler: BaseSampler, directions: Sequence[Direction]) -> Study:
    """Make an empty study in memory. Optuna says nothing on standard error from here on."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(sampler=sampler, directions=list(directions))


def frozen_trial(axes: Sequence[Axis], trial: Trial, attrs: Mapping[str, Any] | None = None) -> FrozenTrial:
    """Return a trial as Optuna keeps it: complete, or failed where it has no values.

    Args:
        attrs: user attributes.
    """
    from optuna.trial import TrialState, create_trial

    state = TrialState.FAIL if trial.values is None else TrialState.COMPLETE
    return create_trial(state=state, params=params(axes, trial.position), distributions=distributions(axes),
                        values=trial.values, user_attrs=dict(attrs or {}))


def ask(study: Study, axes: Sequence[Axis], count: int) -> list[Position]:
    """Ask a study for points, all before any is told."""
    asked = [study.ask(distributions(axes)) for _ in range(count)]
    return [position(axes, trial.params) for trial in asked]
