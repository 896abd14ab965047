"""Answering where the model is sure, against loops and closed forms."""

import numpy as np
import pytest

from dlx.measure import selective


def drawn(num=60, decimals=2, seed=0):
    """Return confidence with ties, and what is wrong the more often the less sure."""
    generator = np.random.default_rng(seed)
    confidence = generator.uniform(0.2, 1, num).round(decimals)
    return confidence, generator.random(num) > confidence


def loop(confidence, is_wrong):
    """Return the risk of the first k, k = 1 … N."""
    order = sorted(range(len(confidence)), key=lambda row: (-confidence[row], row))
    return [np.mean([is_wrong[row] for row in order[:k]]) for k in range(1, len(order) + 1)]


@pytest.mark.parametrize("seed", range(5))
def test_risks_and_their_area_equal_a_loop(seed):
    confidence, is_wrong = drawn(seed=seed)
    own = selective.ranked(confidence, is_wrong)
    assert own.risks == pytest.approx(loop(confidence, is_wrong))
    assert selective.aurc(own) == pytest.approx(np.mean(loop(confidence, is_wrong)))


def test_area_of_a_constant_risk_is_that_risk_and_of_an_ideal_order_the_least():
    assert selective.aurc(selective.ranked(np.ones(7), np.ones(7, dtype=bool))) == 1.0
    assert selective.aurc(selective.ranked(np.ones(7), np.zeros(7, dtype=bool))) == 0.0
    ideal = selective.ranked(np.array([0.9, 0.8, 0.7, 0.6]), np.array([False, False, True, True]))
    assert selective.aurc(ideal) == pytest.approx((0 + 0 + 1 / 3 + 2 / 4) / 4)


def test_area_of_a_confidence_that_knows_nothing_is_the_error_rate():
    generator = np.random.default_rng(0)
    found = [selective.aurc(selective.ranked(generator.random(200), np.arange(200) < 30)) for _ in range(2_000)]
    assert np.mean(found) == pytest.approx(0.15, abs=4 * np.std(found) / 2_000**0.5)


def test_ties_keep_the_order_of_the_rows():
    assert selective.ranked(np.array([0.5, 0.9, 0.5]), np.array([True, False, False])).wrong.tolist() == [0, 1, 1]


@pytest.mark.parametrize("risk", [0.0, 0.01, 0.1, 0.3, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_coverage_at_a_risk_equals_a_loop(risk, seed):
    confidence, is_wrong = drawn(seed=seed)
    expected = max([k / 60 for k, own in enumerate(loop(confidence, is_wrong), 1) if own <= risk], default=0.0)
    assert selective.coverage_at(selective.ranked(confidence, is_wrong), risk) == expected


@pytest.mark.parametrize(("n", "coverage", "number"), [(10, 0.9, 9), (10, 0.95, 10), (360, 0.8, 288), (70, 0.9, 63),
                                                       (1, 0.8, 1), (3, 0.1, 1)])
def test_number_that_is_answered_is_rounded_up(n, coverage, number):
    assert selective.number_at(n, coverage) == number


@pytest.mark.parametrize("decimals", [1, 2, 9])
@pytest.mark.parametrize("risk", [0.01, 0.05, 0.2, 0.5])
@pytest.mark.parametrize("seed", range(4))
def test_threshold_answers_most_at_the_risk(decimals, risk, seed):
    confidence, is_wrong = drawn(decimals=decimals, seed=seed)
    found = selective.threshold_for(selective.ranked(confidence, is_wrong), risk)
    fits = {own: int((confidence >= own).sum()) for own in {0.0, *confidence.tolist()}
            if (confidence >= own).any() and is_wrong[confidence >= own].mean() <= risk}
    if not fits:
        assert found is None
        return
    answered = confidence >= found
    assert is_wrong[answered].mean() <= risk
    assert answered.sum() == max(fits.values())


def test_threshold_has_few_decimals_and_answers_what_was_rounded_to_it():
    # 0.93 and 0.8123 lie between: 0.9 tells them apart.
    assert selective.threshold_for(selective.ranked(np.array([0.93, 0.8123]), np.array([False, True])), 0.1) == 0.9
    close = selective.ranked(np.array([1.0, 1.0, 0.999999999]), np.array([False, False, True]))
    found = selective.threshold_for(close, 0.1)
    assert found == 0.9999999995
    # A confidence that was rounded to 1 is answered as the rounded one is.
    assert 1 - 4e-10 >= found > 0.999999999 + 4e-10


def test_threshold_is_0_where_all_may_be_answered_and_none_where_nothing_may():
    confidence = np.array([0.9, 0.8, 0.7])
    assert selective.threshold_for(selective.ranked(confidence, np.array([False, False, True])), 0.5) == 0.0
    assert selective.threshold_for(selective.ranked(confidence, np.array([True, False, False])), 0.05) is None


def test_threshold_answers_ties_together():
    own = selective.ranked(np.array([0.9, 0.9, 0.5]), np.array([False, True, True]))
    assert selective.threshold_for(own, 0.1) is None
