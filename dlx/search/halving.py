"""Random points, most of which are stopped early."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

from dlx.core.errors import ConfigError
from dlx.core.random_search import draw_point
from dlx.core.ranges import Count, Range, Seed
from dlx.core.search import Axis, Direction, Directions, NumTrials, Objective, Position, Trial

if TYPE_CHECKING:
    from optuna.study import Study

Factor = Annotated[int, Range("[2, inf)")]
# Optuna divides trials among brackets by the name of their study.
STUDY = "dlx"


class Halving:
    """Hyperband over random points, in rungs: a batch trains to a rung, the worse are stopped, the others go on.

    At a rung, of the trials of its bracket that came this far about one in reduction_factor goes on. Whoever is slow to
    generalize is stopped unseen, so what is left is biased against late generalization.

    Source: Li, Jamieson, DeSalvo, Rostamizadeh and Talwalkar, Hyperband, JMLR 18, 2018; Optuna's HyperbandPruner.

    Args:
        num_trials: points in all, in [1, 100000].
        batch_size: points that climb the rungs together, in [1, 100000].
        min_epochs: epochs to the first rung, in [1, inf).
        reduction_factor: from rung to rung, epochs grow by it and trials shrink by it, in [2, inf).
        seed: of the draws, in [0, 2^53).
        objective: an expression over values of train_eval, val and gap in metrics.csv; null is the metric of the
            selection rule, on val.
        direction: of the objective, minimize or maximize; null is that of the metric.
    """

    prunes = True

    def __init__(self, num_trials: NumTrials, batch_size: NumTrials, min_epochs: Count, reduction_factor: Factor,
                 seed: Seed, objective: Objective, direction: Directions) -> None:
        self.num_trials = num_trials
        self.batch_size = batch_size
        self.min_epochs = min_epochs
        self.reduction_factor = reduction_factor
        self.seed = seed
        self.objective = objective
        self.direction = direction

    def ask(self, axes: Sequence[Axis], trials: Sequence[Trial], directions: Sequence[Direction]) -> list[Position]:
        """Return the next batch. Raises ConfigError for several objectives."""
        if len(directions) > 1:
            raise ConfigError("search=halving takes one objective; for several, use search=tpe")
        last = min(len(trials) + self.batch_size, self.num_trials)
        return [draw_point(axes, self.seed, number) for number in range(len(trials), last)]

    def rungs(self, epochs: int) -> list[int]:
        """Return the epochs at which trials may be stopped, below the last epoch."""
        found, rung = [], self.min_epochs
        while rung < epochs:
            found.append(rung)
            rung *= self.reduction_factor
        return found

    def pruned(self, batches: Sequence[Sequence[Mapping[int, float | None]]], epochs: int, direction: Direction
               ) -> list[int | None]:
        """Decide which trials stop at which rung, as Optuna's pruner does when told in order of trial number.

        Args:
            batches: per batch, per trial, the objective at each rung that it has reached; None where it could not be
                computed, which stops the trial.
            epochs: of a whole training.

        Returns:
            Per trial the epoch at which it is stopped, or None.
        """
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        pruner = optuna.pruners.HyperbandPruner(self.min_epochs, max(epochs, self.min_epochs), self.reduction_factor)
        study = optuna.create_study(study_name=STUDY, sampler=optuna.samplers.RandomSampler(0), pruner=pruner,
                                    direction=direction)
        decided: list[int | None] = []
        for batch in batches:
            decided += _climb(study, batch, self.rungs(epochs))
        return decided


def _climb(study: Study, batch: Sequence[Mapping[int, float | None]], rungs: Sequence[int]) -> list[int | None]:
    trials = [study.ask() for _ in batch]
    stopped: list[int | None] = [None for _ in batch]
    for rung in rungs:
        for index, (trial, reached) in enumerate(zip(trials, batch, strict=True)):
            if stopped[index] is None and rung in reached:
                value = reached[rung]
                trial.report(math.nan if value is None else value, rung)
                stopped[index] = rung if trial.should_prune() else None
    return stopped
