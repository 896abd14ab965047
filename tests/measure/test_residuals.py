"""Residuals, against statsmodels, scipy and simulation."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from dlx.measure.residuals import breusch_pagan, quantile_interval, rank_correlations

ORACLE = json.loads((Path(__file__).resolve().parent.parent / "oracles" / "errors.json").read_text())
RESIDUALS, PREDICTION = np.array(ORACLE["residuals"]), np.array(ORACLE["prediction"])


def test_breusch_pagan_is_that_of_statsmodels():
    found = breusch_pagan(RESIDUALS, PREDICTION)
    assert [found.value, found.p_value] == pytest.approx(ORACLE["breusch_pagan"])


def test_breusch_pagan_is_n_r_squared_of_a_regression():
    squares = (RESIDUALS - RESIDUALS.mean()) ** 2
    fitted = np.polyval(np.polyfit(PREDICTION, squares, 1), PREDICTION)
    share = 1 - ((squares - fitted) ** 2).sum() / ((squares - squares.mean()) ** 2).sum()
    assert breusch_pagan(RESIDUALS, PREDICTION).value == pytest.approx(len(RESIDUALS) * share)


def test_breusch_pagan_holds_its_level_where_the_spread_is_even():
    draw = np.random.default_rng(0)
    p_values = [breusch_pagan(draw.laplace(size=100), draw.normal(size=100)).p_value for _ in range(2_000)]
    assert 0.02 < np.mean(np.array(p_values) < 0.05) < 0.065


@pytest.mark.parametrize(("residuals", "prediction"), [(np.zeros(9), np.arange(9.0)), (np.arange(9.0), np.ones(9)),
                                                       (np.arange(3.0), np.arange(3.0))])
def test_breusch_pagan_of_what_does_not_vary_is_undefined(residuals, prediction):
    assert breusch_pagan(residuals, prediction) is None


def test_rank_correlations_are_those_of_scipy_on_the_rows_that_have_a_value():
    draw = np.random.default_rng(1)
    residuals, features = draw.normal(size=50), draw.normal(size=(50, 4))
    features[:, 1] = residuals**3
    features[::3, 2] = np.nan
    features[:, 3] = 7
    found = rank_correlations(residuals, features)
    known = np.isfinite(features[:, 2])
    for at, rows in ((0, slice(None)), (1, slice(None)), (2, known)):
        own = spearmanr(residuals[rows], features[rows, at])
        assert found[at] == (pytest.approx(own.statistic), pytest.approx(own.pvalue), len(residuals[rows]))
    assert found[1].value == pytest.approx(1)
    assert found[3] is None


def test_quantile_intervals_cover():
    draw, found = np.random.default_rng(2), []
    for _ in range(400):
        value, interval = quantile_interval(draw.exponential(size=80), 0.75, 0.95)
        assert interval.low <= value <= interval.high
        found.append(interval.low <= -np.log(0.25) <= interval.high)
    assert np.mean(found) >= 0.94


def test_quantile_of_too_few_examples_has_no_interval():
    value, interval = quantile_interval(np.arange(10.0), 0.05, 0.95)
    assert value == pytest.approx(0.45)
    assert interval.method == "undefined: too few examples for this quantile"
