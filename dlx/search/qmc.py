"""Points that fill the space evenly."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from dlx.core import distributions
from dlx.core.random_search import draw_point
from dlx.core.ranges import Seed
from dlx.core.search import Axis, Direction, Directions, NumTrials, Objective, Position, Trial


class QMC:
    """A scrambled Sobol sequence over the axes; a power of two of points fills them best.

    Source: Owen, Scrambling Sobol' and Niederreiter-Xing points, Journal of Complexity 14, 1998; Optuna's QMCSampler.

    Args:
        num_trials: points to take; equal points are trained once, in [1, 100000].
        seed: of the scrambling, in [0, 2^53).
        objective: what the best point is picked by; null is the metric of the selection rule, on val.
        direction: of the objective, minimize or maximize; null is that of the metric.
    """

    def __init__(self, num_trials: NumTrials, seed: Seed, objective: Objective, direction: Directions) -> None:
        self.num_trials = num_trials
        self.seed = seed
        self.objective = objective
        self.direction = direction

    def ask(self, axes: Sequence[Axis], trials: Sequence[Trial], directions: Sequence[Direction]) -> list[Position]:
        """Return all points at once: none depends on what came of others."""
        if trials:
            return []
        from optuna.exceptions import ExperimentalWarning
        from optuna.samplers import QMCSampler

        with warnings.catch_warnings():
            # Optuna calls the class experimental since 2022.
            warnings.simplefilter("ignore", ExperimentalWarning)
            sampler = QMCSampler(qmc_type="sobol", scramble=True, seed=distributions.sampler_seed(self.seed),
                                 warn_independent_sampling=False)
        study = distributions.make_study(sampler, ["minimize"])
        # Optuna learns the axes of the sequence from a first trial, whose place and value mean nothing.
        study.add_trial(distributions.frozen_trial(axes, Trial(draw_point(axes, self.seed, 0), 0, (0.0,))))
        return distributions.ask(study, axes, self.num_trials)
