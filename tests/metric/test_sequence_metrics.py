"""Metrics of sequences against loops, and intervals over sequences."""

import math

import numpy as np
import pytest
from part_files import make
from scipy.stats import bootstrap

from dlx.core.intervals import BCA_DRAWS, clopper_pearson
from dlx.core.types import IGNORED, Outcome

# The class held most probable and the log-probability of the target, at three positions.
PREDICTED = np.array([[1, 2, 3], [1, 0, 0], [4, 4, 4], [2, 2, 0]], dtype=float)
TARGETS = np.array([[1, 2, 3], [1, 1, IGNORED], [0, 0, 4], [2, IGNORED, IGNORED]])
PROBS = np.array([[0.5, 0.25, 0.125], [0.9, 0.1, 1.0], [1.0, 0.2, 0.4], [0.7, 1.0, 1.0]])
OUTCOME = Outcome(np.stack([PREDICTED, np.log(PROBS)], axis=2), TARGETS)


def random_outcome(num_sequences=80, length=6):
    draw = np.random.default_rng(0)
    targets = draw.integers(0, 5, (num_sequences, length))
    targets[np.arange(length) > draw.integers(0, length, (num_sequences, 1))] = IGNORED
    predicted = np.where(draw.random(targets.shape) < 0.7, targets, draw.integers(0, 5, targets.shape))
    return Outcome(np.stack([predicted, -draw.exponential(size=targets.shape)], axis=2), targets)


def by_sequence(outcome):
    """Shares that are right and mean nats, one sequence after the other."""
    shares, nats = [], []
    for (predicted, logs), target in zip(outcome.scores.transpose(0, 2, 1), outcome.targets, strict=True):
        asked = [index for index, value in enumerate(target) if value != IGNORED]
        shares.append(sum(predicted[index] == target[index] for index in asked) / len(asked))
        nats.append(sum(-logs[index] for index in asked) / len(asked))
    return np.array(shares), np.array(nats)


def test_token_accuracy_is_the_mean_of_the_shares_of_sequences():
    assert make("metric", "token_accuracy").value(OUTCOME) == pytest.approx((1 + 1 / 2 + 1 / 3 + 1) / 4)


def test_exact_match_counts_sequences_that_are_right_where_asked():
    assert make("metric", "exact_match").value(OUTCOME) == 2 / 4


def test_perplexity_is_exp_of_the_mean_over_sequences():
    nats = [math.log(2 * 4 * 8) / 3, -math.log(0.9 * 0.1) / 2, -math.log(1.0 * 0.2 * 0.4) / 3, -math.log(0.7)]
    assert make("metric", "perplexity").value(OUTCOME) == pytest.approx(math.exp(sum(nats) / 4))


def test_perplexity_of_equal_probabilities_is_the_number_of_classes():
    outcome = Outcome(np.stack([np.zeros((5, 4)), np.full((5, 4), -math.log(37))], axis=2), np.zeros((5, 4), int))
    assert make("metric", "perplexity").value(outcome) == pytest.approx(37)


def test_perplexity_of_a_probability_that_underflowed_is_finite():
    outcome = OUTCOME._replace(scores=np.where(np.arange(2) == 1, -np.inf, OUTCOME.scores))
    assert make("metric", "perplexity").value(outcome) == pytest.approx(2.0**52)


def test_intervals_take_sequences_for_the_independent_unit():
    outcome = random_outcome()
    shares, nats = by_sequence(outcome)
    for name, values, back in (("token_accuracy", shares, lambda value: value), ("perplexity", nats, math.exp)):
        metric = make("metric", name)
        assert metric.value(outcome) == pytest.approx(back(values.mean()))
        found = metric.interval(outcome, 0.9, 0)
        twin = bootstrap((values,), np.mean, confidence_level=0.9, method="BCa", n_resamples=BCA_DRAWS,
                         random_state=np.random.default_rng(1)).confidence_interval
        width = back(twin.high) - back(twin.low)
        assert found.low == pytest.approx(back(twin.low), abs=0.05 * width)
        assert found.high == pytest.approx(back(twin.high), abs=0.05 * width)
        assert found.n == 80
    found = make("metric", "exact_match").interval(outcome, 0.9, 0)
    expected = clopper_pearson(int((shares == 1).sum()), 80, 0.9)
    assert (found.low, found.high) == (expected.low, expected.high)
