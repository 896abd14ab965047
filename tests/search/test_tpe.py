from __future__ import annotations

import optuna
import pytest
from axes_to_search import AXES, LISTS, LR, MODEL, STEPS, WIDTH, bowl, told

from dlx.core.distributions import sampler_seed
from dlx.core.search import Trial
from dlx.search.tpe import TPE

CATEGORIES = {"model": ["mlp", "linear"], "regularizer": ["[]", "[dropout]", "[l2,dropout]"]}


def by_hand(trial) -> tuple:
    """What a person would write for these axes with Optuna."""
    return (trial.suggest_float("optimizer.lr", 1e-4, 1.0, log=True), trial.suggest_int("model.width", 4, 64),
            trial.suggest_int("batch_size", 16, 128, step=16) // 16 - 1,
            CATEGORIES["model"].index(trial.suggest_categorical("model", CATEGORIES["model"])),
            CATEGORIES["regularizer"].index(trial.suggest_categorical("regularizer", CATEGORIES["regularizer"])))


def test_tpe_batch_is_that_of_an_optuna_study_told_the_same():
    search, axes = TPE(40, 5, 4, 11, None, None), (LR, WIDTH, STEPS, MODEL, LISTS)
    trials = told(search, axes, 3)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.TPESampler(n_startup_trials=4, constant_liar=True, seed=sampler_seed(11, 3))
    study = optuna.create_study(sampler=sampler)
    names = ("optimizer.lr", "model.width", "batch_size", "model", "regularizer")
    for lr, width, step, model, lists in [trial.position for trial in trials]:
        params = dict(zip(names, (lr, width, 16 * (step + 1), CATEGORIES["model"][model],
                                  CATEGORIES["regularizer"][lists]), strict=True))
        study.enqueue_trial(params)
        asked = study.ask()
        by_hand(asked)
        study.tell(asked, bowl((lr,)))
    study.sampler = optuna.samplers.TPESampler(n_startup_trials=4, constant_liar=True, seed=sampler_seed(11, 3))
    assert search.ask(axes, trials, ["minimize"]) == [by_hand(study.ask()) for _ in range(5)]


def test_tpe_is_a_pure_function_of_its_trials():
    trials = told(TPE(24, 4, 8, 0, None, None), AXES, 4)
    again = TPE(24, 4, 8, 0, None, None).ask(AXES, trials, ["minimize"])
    assert again == TPE(24, 4, 8, 0, None, None).ask(AXES, trials, ["minimize"])
    worse = [trial._replace(values=(-trial.values[0],)) for trial in trials]
    assert again != TPE(24, 4, 8, 0, None, None).ask(AXES, worse, ["minimize"])
    assert TPE(24, 4, 8, 0, None, None).ask(AXES, worse, ["maximize"]) == again


def test_tpe_asks_for_its_trials_and_no_more():
    trials = told(TPE(10, 4, 8, 0, None, None), [LR], 5)
    assert [trial.batch for trial in trials] == [0] * 4 + [1] * 4 + [2] * 2


def test_tpe_goes_where_it_is_better():
    trials = told(TPE(60, 6, 12, 2, None, None), [LR, MODEL], 10)
    early, late = ([bowl(trial.position) for trial in part] for part in (trials[:12], trials[-24:]))
    assert sum(late) / 24 < 0.5 * sum(early) / 12


@pytest.mark.parametrize("values", [None, (1.0,)])
def test_tpe_survives_trials_that_all_fail_or_are_all_equal(values):
    trials = [Trial((0.01, 1), number // 4, values) for number in range(20)]
    points = TPE(24, 4, 2, 0, None, None).ask([LR, MODEL], trials, ["minimize"])
    assert len(points) == 4


def test_tpe_of_two_objectives_widens_the_front():
    def both(position):
        return position[0], (position[1] - 0.5) ** 2 - position[0]

    trials = told(TPE(24, 6, 6, 0, None, None), [LR, LR._replace(key="b", low=0.0, log=False)], 4, both,
                  ("minimize", "maximize"))
    assert len(trials) == 24
    assert len({trial.position for trial in trials}) == 24
