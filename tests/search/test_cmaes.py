from __future__ import annotations

import math

import numpy as np
import optuna
import pytest
from axes_to_search import LR, MODEL, RATE, bowl, told

from dlx.core.distributions import sampler_seed
from dlx.core.errors import ConfigError
from dlx.search.cmaes import CMAES


def sphere(position) -> float:
    return bowl(position) + (position[1] - 0.25) ** 2


def test_cmaes_asks_what_an_optuna_study_asks_that_ran_through():
    search = CMAES(24, 6, 6, 3, None, None)
    trials = told(search, [LR, RATE], 4, sphere)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.CmaEsSampler(seed=sampler_seed(3), popsize=6, warn_independent_sampling=False)
    study = optuna.create_study(sampler=sampler)
    for batch in range(4):
        asked = [study.ask() for _ in range(6)]
        points = [(trial.suggest_float("optimizer.lr", 1e-4, 1, log=True),
                   trial.suggest_float("model.dropout_rate", 0, 0.5)) for trial in asked]
        assert points == [trial.position for trial in trials[6 * batch:6 * batch + 6]]
        for trial, point in zip(asked, points, strict=True):
            study.tell(trial, sphere(point))


def test_cmaes_converges():
    trials = told(CMAES(120, 8, 8, 0, None, None), [LR, RATE], 15, sphere)
    assert min(sphere(trial.position) for trial in trials[-16:]) < 0.05
    spreads = [np.std([math.log10(trial.position[0]) for trial in part]) for part in (trials[8:24], trials[-16:])]
    assert spreads[1] < spreads[0] / 2


def test_cmaes_goes_on_from_trials_that_it_would_not_have_asked_for():
    # A run that had failed when a batch was asked for, and was repaired later.
    trials = told(CMAES(40, 6, 6, 3, None, None), [LR, RATE], 3, sphere)
    changed = [trials[0]._replace(values=(100.0,)), *trials[1:4], trials[4]._replace(values=None), *trials[5:]]
    points = CMAES(40, 6, 6, 3, None, None).ask([LR, RATE], changed, ["minimize"])
    assert len(points) == 6
    assert points == CMAES(40, 6, 6, 3, None, None).ask([LR, RATE], changed, ["minimize"])


def test_cmaes_survives_failures():
    trials = told(CMAES(30, 6, 6, 3, None, None), [LR, RATE], 4, lambda position: None)
    assert len(trials) == 24


def test_cmaes_refuses_what_it_cannot_do():
    with pytest.raises(ConfigError, match="search=cmaes takes one objective; for several, use search=tpe"):
        CMAES(8, 4, 4, 0, None, None).ask([LR], [], ["minimize", "minimize"])
    with pytest.raises(ConfigError, match="search=cmaes needs an axis of numbers"):
        CMAES(8, 4, 4, 0, None, None).ask([MODEL], [], ["minimize"])
