"""Which trials halving stops, as a pure function of what they had logged."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
from axes_to_search import LR, MODEL

from dlx.core.errors import ConfigError
from dlx.core.random_search import draw_point
from dlx.search.halving import STUDY, Halving


def halving(num_trials: int = 27, batch_size: int = 27, min_epochs: int = 1, factor: int = 3) -> Halving:
    return Halving(num_trials, batch_size, min_epochs, factor, 0, None, None)


def curves(count: int, rungs, seed: int = 0) -> list[dict[int, float | None]]:
    draw = np.random.default_rng(seed)
    return [{rung: float(draw.normal()) for rung in rungs} for _ in range(count)]


def dealt(count: int, epochs: int, factor: int) -> list[int]:
    """The bracket of each trial, from 0 for the one that looks at every rung, as Optuna deals them."""
    pruner = optuna.pruners.HyperbandPruner(1, epochs, factor)
    study = optuna.create_study(study_name=STUDY, pruner=pruner)
    trial = study.ask()
    trial.report(0.0, 0)
    trial.should_prune()
    return [pruner._get_bracket_id(study, optuna.trial.FrozenTrial(
        number, optuna.trial.TrialState.RUNNING, 0.0, None, None, {}, {}, {}, {}, {}, number))
        for number in range(count)]


def by_hand(reached, rungs, epochs, factor, direction) -> list[int | None]:
    """Hyperband written out: in each bracket the rule of successive halving."""
    sign = 1 if direction == "minimize" else -1
    brackets = dealt(len(reached), epochs, factor)
    stopped: list[int | None] = [None] * len(reached)
    seen: dict[tuple[int, int], list[float]] = {}
    for level, rung in enumerate(rungs):
        for number, values in enumerate(reached):
            # A bracket with a later start looks at later rungs alone.
            if stopped[number] is None and level >= brackets[number]:
                mine = sign * values[rung]
                peers = seen.setdefault((brackets[number], rung), [])
                peers.append(mine)
                best = sorted(peers)[max(len(peers) // factor - 1, 0)]
                stopped[number] = None if mine <= best else rung
    return stopped


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize("seed", range(3))
def test_halving_decides_as_hyperband_written_out(seed, direction):
    search, epochs = halving(), 27
    rungs = search.rungs(epochs)
    assert rungs == [1, 3, 9]
    reached = curves(27, rungs, seed)
    decided = search.pruned([reached], epochs, direction)
    assert decided == by_hand(reached, rungs, epochs, 3, direction)
    assert {*decided} > {None, 1}


def test_halving_keeps_what_is_best_everywhere():
    search = halving()
    reached = curves(27, [1, 3, 9])
    for best in range(27):
        values = [*reached[:best], dict.fromkeys([1, 3, 9], -100.0), *reached[best + 1:]]
        assert search.pruned([values], 27, "minimize")[best] is None


def test_halving_decides_a_rung_by_what_has_come_that_far():
    search, reached = halving(), curves(27, [1, 3, 9])
    first = search.pruned([[{1: values[1]} for values in reached]], 27, "minimize")
    whole = search.pruned([reached], 27, "minimize")
    assert [at if at == 1 else None for at in whole] == first


def test_halving_stops_a_trial_whose_objective_cannot_be_computed_at_the_first_rung_of_its_bracket():
    reached, brackets = curves(27, [1, 3, 9]), dealt(27, 27, 3)
    assert {*brackets} == {0, 1, 2, 3}
    for number, bracket in enumerate(brackets):
        values = [*reached[:number], dict.fromkeys([1, 3, 9]), *reached[number + 1:]]
        # The last bracket stops none.
        assert halving().pruned([values], 27, "minimize")[number] == [1, 3, 9, None][bracket]


def test_halving_carries_rungs_over_to_later_batches():
    search, reached = halving(batch_size=9), curves(27, [1, 3, 9])
    batches = [reached[:9], reached[9:18], reached[18:]]
    whole = search.pruned(batches, 27, "minimize")
    assert whole[:9] == search.pruned(batches[:1], 27, "minimize")
    assert whole[:18] == search.pruned(batches[:2], 27, "minimize")


@pytest.mark.parametrize(("min_epochs", "factor", "epochs", "rungs"), [
    (1, 3, 27, [1, 3, 9]), (1, 3, 28, [1, 3, 9, 27]), (2, 2, 16, [2, 4, 8]), (5, 2, 5, []), (9, 2, 4, [])])
def test_halving_rungs_lie_below_the_last_epoch(min_epochs, factor, epochs, rungs):
    assert halving(min_epochs=min_epochs, factor=factor).rungs(epochs) == rungs


def test_halving_asks_for_random_points_in_batches():
    search = halving(num_trials=5, batch_size=3)
    points = search.ask([LR, MODEL], [], ["minimize"])
    assert points == [draw_point([LR, MODEL], 0, number) for number in range(3)]
    with pytest.raises(ConfigError, match="search=halving takes one objective"):
        search.ask([LR], [], ["minimize", "maximize"])
