"""Variance components against statsmodels' analysis of variance, closed forms and known components."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from dlx.measure.variance_components import pooled_sd, variance_components


def by_factors(values):
    return {item.factors: item for item in variance_components(values)}


def test_two_factors_are_the_closed_form():
    values = np.array([[[1.0, 2, 6], [3, 8, 4]]])
    cells = values[0]
    rows, columns = cells.mean(axis=1), cells.mean(axis=0)
    ms_rows, ms_columns = 3 * rows.var(ddof=1), 2 * columns.var(ddof=1)
    rest = ((cells - rows[:, None] - columns + cells.mean()) ** 2).sum() / 2
    found = by_factors(values)
    assert found[0, 1].variance == pytest.approx(rest)
    assert found[(0,)].variance == pytest.approx((ms_rows - rest) / 3)
    assert found[(1,)].variance == pytest.approx((ms_columns - rest) / 2)
    assert found[(0,)].variance < 0
    assert [found[key].degrees for key in ((0,), (1,), (0, 1))] == [1, 2, 2]


def test_mean_squares_are_those_of_statsmodels():
    values = np.random.default_rng(0).normal(size=(1, 3, 2, 4))
    table = pd.DataFrame([(*place, values[0][place]) for place in itertools.product(range(3), range(2), range(4))],
                         columns=["a", "b", "c", "y"])
    # The highest interaction has no repetitions, so it is the residual.
    expected = anova_lm(ols("y ~ (C(a) + C(b) + C(c)) ** 2", table).fit())
    found = by_factors(values)
    for factors in ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2)):
        name = ":".join(f"C({'abc'[factor]})" for factor in factors)
        assert found[factors].mean_square == pytest.approx(expected.loc[name, "mean_sq"])
        assert found[factors].degrees == expected.loc[name, "df"]
    assert found[0, 1, 2].mean_square == pytest.approx(expected.loc["Residual", "mean_sq"])
    rest = found[0, 1, 2].mean_square
    assert found[0, 1].variance == pytest.approx((expected.loc["C(a):C(b)", "mean_sq"] - rest) / 4)
    ms = [expected.loc[name, "mean_sq"] for name in ("C(a)", "C(a):C(b)", "C(a):C(c)")]
    assert found[(0,)].variance == pytest.approx((ms[0] - ms[1] - ms[2] + rest) / 8)


def test_configurations_are_pooled_around_their_own_means():
    values = np.random.default_rng(1).normal(size=(4, 3, 5))
    apart = [by_factors(own[None]) for own in values]
    for factors, item in by_factors(values + np.arange(4)[:, None, None] * 100).items():
        assert item.variance == pytest.approx(np.mean([own[factors].variance for own in apart]))
        assert item.degrees == 4 * apart[0][factors].degrees


def test_known_components_are_found_without_bias():
    generator, found = np.random.default_rng(2), []
    for _ in range(400):
        values = (2.0 * generator.normal(size=(1, 4, 1, 1)) + 1.0 * generator.normal(size=(1, 1, 3, 1))
                  + 0.5 * generator.normal(size=(1, 4, 1, 3)) + 0.7 * generator.normal(size=(1, 4, 3, 3)))
        found.append([by_factors(values)[key].variance for key in
                      ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2))])
    found = np.array(found)
    errors = found.std(axis=0, ddof=1) / math.sqrt(len(found))
    np.testing.assert_array_less(np.abs(found.mean(axis=0) - [4.0, 1.0, 0, 0, 0.25, 0, 0.49]), 4 * errors)


def test_pooled_sd_weighs_groups_by_degrees():
    groups = [np.array([1.0, 3.0]), np.array([0.0, 0, 3]), np.array([7.0])]
    assert pooled_sd(groups) == (pytest.approx(math.sqrt((2 + 6) / 3)), 3)
    assert pooled_sd([np.array([7.0])])[1] == 0
    assert math.isnan(pooled_sd([])[0])
