from __future__ import annotations

import math

import numpy as np
import pytest
from axes_to_search import LISTS, LR, RATE, STEPS, WIDTH
from scipy.stats import qmc

from dlx.core.distributions import sampler_seed
from dlx.core.search import Trial
from dlx.search.qmc import QMC


@pytest.mark.parametrize("seed", [0, 7])
def test_qmc_is_the_scrambled_sobol_sequence_mapped_to_the_axes(seed):
    axes = [LR, RATE, WIDTH, LISTS, STEPS]
    points = QMC(16, seed, None, None).ask(axes, [], [])
    unit = qmc.Sobol(5, scramble=True, seed=sampler_seed(seed)).random(16)
    lr, rate, width, lists, steps = unit.T
    assert [point[0] for point in points] == pytest.approx(np.exp(math.log(1e-4) * (1 - lr)), rel=1e-9)
    assert [point[1] for point in points] == pytest.approx(0.5 * rate, rel=1e-9)
    # Whole numbers own half a step around them; choices an equal share.
    assert [point[2] for point in points] == [round(value) for value in 3.5 + 61 * width]
    assert [point[3] for point in points] == [int(value) for value in 3 * lists]
    assert [point[4] for point in points] == [round(value) for value in -0.5 + 8 * steps]


def test_qmc_fills_every_sixteenth_of_each_axis_once():
    points = QMC(16, 3, None, None).ask([LR, RATE], [], [])
    cells = [sorted(int(16 * (1 + math.log10(point[0]) / 4)) for point in points),
             sorted(int(16 * point[1] / 0.5) for point in points)]
    assert cells == [list(range(16))] * 2


def test_qmc_asks_once():
    assert QMC(4, 0, None, None).ask([LR], [Trial((0.1,), 0, (1.0,))], ["minimize"]) == []
