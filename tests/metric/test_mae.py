import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error

from dlx.core import intervals
from dlx.core.types import Outcome
from dlx.metric.mae import Mae

OUTCOME = Outcome(np.array([1.0, 2.0, 7.0, 0.0]), np.array([1.0, 5.0, 3.0, 0.0]))


def test_mae_equals_closed_form():
    assert Mae().value(OUTCOME) == pytest.approx(7 / 4, rel=1e-15)


def test_mae_equals_scikit_learn():
    scores, targets = np.random.default_rng(0).normal(size=(2, 501))
    assert Mae().value(Outcome(scores, targets)) == pytest.approx(mean_absolute_error(targets, scores), rel=1e-14)


def test_mae_interval_is_that_of_the_mean_absolute_error():
    assert Mae().interval(OUTCOME, 0.9, 3) == intervals.mean([0.0, 3.0, 4.0, 0.0], 0.9, 3)
