"""Points that a model of good and bad trials suggests."""

from __future__ import annotations

from collections.abc import Sequence

from dlx.core import distributions
from dlx.core.ranges import Count, Seed
from dlx.core.search import Axis, Direction, Directions, NumTrials, Objective, Position, Trial, next_batch


class TPE:
    """The tree-structured Parzen estimator, asked in batches whose points are trained together.

    Within a batch, points that were asked for and not yet measured count as bad (constant liar), so that they differ.

    Source: Bergstra, Bardenet, Bengio and Kégl, Algorithms for hyper-parameter optimization, NeurIPS 2011; several
    objectives: Ozaki et al., GECCO 2020; Optuna's TPESampler.

    Args:
        num_trials: points in all, in [1, 100000].
        batch_size: points asked for at once, in [1, 100000].
        num_startup_trials: points drawn at random before the model is used, in [1, inf).
        seed: of the draws, in [0, 2^53).
        objective: an expression over logged values of train_eval, val and gap, or a list of several for a Pareto front;
            null is the metric of the selection rule, on val.
        direction: of each objective, minimize or maximize; null is that of the metric.
    """

    def __init__(self, num_trials: NumTrials, batch_size: NumTrials, num_startup_trials: Count, seed: Seed,
                 objective: Objective, direction: Directions) -> None:
        self.num_trials = num_trials
        self.batch_size = batch_size
        self.num_startup_trials = num_startup_trials
        self.seed = seed
        self.objective = objective
        self.direction = direction

    def ask(self, axes: Sequence[Axis], trials: Sequence[Trial], directions: Sequence[Direction]) -> list[Position]:
        """Return the next batch: a fresh sampler, keyed by the batch, is told of every trial and asked."""
        count = min(self.batch_size, self.num_trials - len(trials))
        if count <= 0:
            return []
        from optuna.samplers import TPESampler

        sampler = TPESampler(n_startup_trials=self.num_startup_trials, constant_liar=True,
                             seed=distributions.sampler_seed(self.seed, next_batch(trials)))
        study = distributions.make_study(sampler, directions)
        study.add_trials([distributions.frozen_trial(axes, trial) for trial in trials])
        return distributions.ask(study, axes, count)
