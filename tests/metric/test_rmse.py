import numpy as np
import pytest
from sklearn.metrics import root_mean_squared_error

from dlx.core import intervals
from dlx.core.types import Outcome
from dlx.metric.rmse import Rmse

OUTCOME = Outcome(np.array([1.0, 2.0, 7.0, 0.0]), np.array([1.0, 5.0, 3.0, 0.0]))


def test_rmse_equals_closed_form():
    assert Rmse().value(OUTCOME) == pytest.approx(2.5, rel=1e-15)


def test_rmse_equals_scikit_learn():
    scores, targets = np.random.default_rng(0).normal(size=(2, 501))
    assert Rmse().value(Outcome(scores, targets)) == pytest.approx(root_mean_squared_error(targets, scores), rel=1e-14)


def test_rmse_interval_squared_is_that_of_the_mean_squared_error():
    found, twin = Rmse().interval(OUTCOME, 0.9, 3), intervals.mean([0.0, 9.0, 16.0, 0.0], 0.9, 3)
    assert (found.low**2, found.high**2) == pytest.approx(twin[:2], rel=1e-14)
    assert found[2:] == twin[2:]
