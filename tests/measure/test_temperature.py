"""Temperature scaling against scikit-learn, a grid and invariants."""

import math

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from dlx.measure.temperature import HIGHEST, LOWEST, fit_temperature, mean_nats, scaled_probs


class Given(ClassifierMixin, BaseEstimator):
    """A classifier whose logits are its inputs."""

    def fit(self, logits, targets):
        self.classes_ = np.unique(targets)
        return self

    def decision_function(self, logits):
        return logits

    def predict(self, logits):
        return self.classes_[logits.argmax(axis=1)]


def drawn(num=500, num_classes=4, temperature=1.0, seed=0):
    """Return logits whose softmax at a temperature is true, and targets."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(scale=3, size=(num, num_classes))
    probs = scaled_probs(logits, temperature)
    return logits, (generator.random((num, 1)) > probs.cumsum(axis=1)).sum(axis=1).clip(max=num_classes - 1)


def shifted(logits):
    return logits - logits.max(axis=1, keepdims=True)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5, 8.0])
@pytest.mark.parametrize("num_classes", [3, 10])
def test_temperature_equals_scikit_learn(temperature, num_classes):
    logits, targets = drawn(400, num_classes, temperature)
    classifier = FrozenEstimator(Given().fit(logits, targets))
    fitted = CalibratedClassifierCV(classifier, method="temperature").fit(logits, targets)
    assert 1 / fitted.calibrated_classifiers_[0].calibrators[0].beta_ == pytest.approx(
        fit_temperature(logits, targets), rel=2e-3)
    assert fitted.predict_proba(logits) == pytest.approx(scaled_probs(logits, fit_temperature(logits, targets)),
                                                         abs=1e-3)


@pytest.mark.parametrize("temperature", [0.2, 0.9, 3.0])
def test_temperature_is_no_worse_than_any_of_a_grid(temperature):
    logits, targets = drawn(300, 5, temperature, seed=1)
    best = mean_nats(shifted(logits), targets, fit_temperature(logits, targets))
    assert best <= min(mean_nats(shifted(logits), targets, own) for own in np.geomspace(LOWEST, HIGHEST, 2_000))
    assert best <= mean_nats(shifted(logits), targets, 1.0)


def test_temperature_that_made_the_targets_is_found():
    logits, targets = drawn(200_000, 3, 2.0)
    assert fit_temperature(logits, targets) == pytest.approx(2.0, rel=0.02)


@pytest.mark.parametrize("factor", [0.25, 3.0])
def test_temperature_of_logits_times_a_factor_is_as_much_larger(factor):
    logits, targets = drawn()
    assert fit_temperature(factor * logits, targets) == pytest.approx(factor * fit_temperature(logits, targets),
                                                                      rel=1e-5)


def test_temperature_may_be_fitted_to_logarithms_of_probabilities():
    logits, targets = drawn()
    written = np.array([[float(f"{value:.9g}") for value in row] for row in scaled_probs(logits, 1.0)])
    fitted = fit_temperature(logits, targets)
    assert fit_temperature(np.log(written), targets) == pytest.approx(fitted, abs=1e-6)
    assert np.abs(scaled_probs(np.log(written), fitted) - scaled_probs(logits, fitted)).max() < 1e-6


def test_temperature_is_the_lowest_where_all_is_right():
    logits, _ = drawn(50)
    assert fit_temperature(logits, logits.argmax(axis=1)) == LOWEST


def test_temperature_is_the_highest_where_all_is_wrong():
    logits, _ = drawn(50)
    assert fit_temperature(logits, logits.argmin(axis=1)) == HIGHEST


def test_temperature_is_1_where_none_is_better():
    assert fit_temperature(np.zeros((6, 3)), np.arange(6) % 3) == 1.0
    assert fit_temperature(1e6 * np.eye(3), np.arange(3)) == 1.0


@pytest.mark.parametrize("temperature", [LOWEST, 0.37, 3.0, HIGHEST])
def test_temperature_changes_no_order_of_classes_and_keeps_ties(temperature):
    logits = np.random.default_rng(0).integers(-3, 4, size=(500, 5)).astype(float)
    assert np.array_equal(scaled_probs(logits, temperature).argmax(axis=1), logits.argmax(axis=1))
    tied = np.sort(logits, axis=1)[:, -1] == np.sort(logits, axis=1)[:, -2]
    probs = np.sort(scaled_probs(logits, temperature)[tied], axis=1)
    assert tied.sum() > 50
    assert np.array_equal(probs[:, -1], probs[:, -2])


def test_confidence_falls_as_temperature_rises():
    logits, _ = drawn()
    confidence = np.array([scaled_probs(logits, own).max(axis=1) for own in (0.1, 0.5, 1.0, 2.0, 50.0)])
    assert (np.diff(confidence, axis=0) <= 1e-15).all()
    assert (confidence >= 1 / 4).all()


def test_mean_nats_are_those_of_torch():
    import torch

    logits, targets = drawn()
    expected = torch.nn.functional.cross_entropy(torch.tensor(logits / 1.7), torch.tensor(targets))
    assert mean_nats(shifted(logits), targets, 1.7) == pytest.approx(expected.item(), rel=1e-12)
    assert math.isfinite(mean_nats(shifted(1e5 * logits), targets, LOWEST))
