"""Points of an evolution strategy."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

from dlx.core import distributions
from dlx.core.errors import ConfigError
from dlx.core.ranges import Range, Seed
from dlx.core.search import Axis, Direction, Directions, NumTrials, Objective, Position, Trial

if TYPE_CHECKING:
    from optuna.study import Study

Population = Annotated[int, Range("[2, 100000]")]


class CMAES:
    """The covariance matrix adaptation evolution strategy, for numbers; choices are drawn at random.

    Source: Hansen and Ostermeier, Completely derandomized self-adaptation in evolution strategies, Evolutionary
    Computation 9, 2001; Optuna's CmaEsSampler.

    Args:
        num_trials: points in all, in [1, 100000].
        batch_size: points asked for at once, in [1, 100000]; a multiple of population_size wastes none.
        population_size: points of a generation, in [2, 100000]; it is over when that many are measured.
        seed: of the draws, in [0, 2^53).
        objective: an expression over logged values of train_eval, val and gap; null is the metric of the selection
            rule, on val.
        direction: of the objective, minimize or maximize; null is that of the metric.
    """

    def __init__(self, num_trials: NumTrials, batch_size: NumTrials, population_size: Population, seed: Seed,
                 objective: Objective, direction: Directions) -> None:
        self.num_trials = num_trials
        self.batch_size = batch_size
        self.population_size = population_size
        self.seed = seed
        self.objective = objective
        self.direction = direction

    def ask(self, axes: Sequence[Axis], trials: Sequence[Trial], directions: Sequence[Direction]) -> list[Position]:
        """Return the next batch. The sampler lives through all earlier ones again.

        Raises:
            ConfigError: several objectives, or no axis of numbers.
        """
        if len(directions) > 1:
            raise ConfigError("search=cmaes takes one objective; for several, use search=tpe")
        if not any(axis.is_interval or axis.ordered for axis in axes):
            raise ConfigError("search=cmaes needs an axis of numbers: an interval or a range")
        from optuna.samplers import CmaEsSampler

        sampler = CmaEsSampler(seed=distributions.sampler_seed(self.seed), popsize=self.population_size,
                               warn_independent_sampling=False)
        study = distributions.make_study(sampler, directions)
        for _, batch in groupby(trials, key=lambda trial: trial.batch):
            self._relive(study, axes, list(batch))
        return distributions.ask(study, axes, min(self.batch_size, self.num_trials - len(trials)))

    def _relive(self, study: Study, axes: Sequence[Axis], batch: Sequence[Trial]) -> None:
        from optuna.trial import TrialState

        # A generation is asked for again, to get the sampler into its state, but at the points that were trained.
        for trial in batch:
            study.enqueue_trial(distributions.params(axes, trial.position))
        asked = [study.ask() for _ in batch]
        for ours in asked:
            # Optuna draws when it is first looked at, and would not for a point that is given.
            _ = ours.relative_params
            distributions.suggest(ours, axes)
        for ours, trial in zip(asked, batch, strict=True):
            study.tell(ours, trial.values, None if trial.values is not None else TrialState.FAIL)
