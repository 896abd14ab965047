"""Classes by themselves, against scikit-learn, statsmodels, loops and simulation."""

import json
import math
import runpy
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, matthews_corrcoef

from dlx.core.intervals import clopper_pearson, wilson
from dlx.measure.confusion import (
    balanced_accuracy,
    confusion,
    marginal_homogeneity,
    mcc,
    precisions,
    recalls,
    worst_class,
)

ORACLES = Path(__file__).resolve().parent.parent / "oracles"
ORACLE = json.loads((ORACLES / "errors.json").read_text())
DRAWS = 2_000


def answers(seed, n=200, num_classes=4):
    draw = np.random.default_rng(seed)
    targets = draw.integers(0, num_classes, n)
    return targets, np.where(draw.random(n) < 0.7, targets, draw.integers(0, num_classes, n))


@pytest.mark.parametrize("seed", range(5))
def test_counts_mcc_and_balanced_accuracy_equal_scikit_learn(seed):
    targets, said = answers(seed)
    counts = confusion(targets, said, 4)
    assert np.array_equal(counts, confusion_matrix(targets, said, labels=range(4)))
    assert mcc(counts) == pytest.approx(matthews_corrcoef(targets, said))
    assert balanced_accuracy(counts, 0.95).value == pytest.approx(balanced_accuracy_score(targets, said))


def test_recall_and_precision_are_shares_with_intervals_of_their_own_sizes():
    counts = np.array([[150, 10, 0], [20, 30, 0], [0, 0, 0]])
    recall, precision = recalls(counts, 0.9), precisions(counts, 0.9)
    assert [(own.value, own.n) for own in recall] == [(150 / 160, 160), (0.6, 50), (None, 0)]
    assert [(own.value, own.n) for own in precision] == [(150 / 170, 170), (0.75, 40), (None, 0)]
    assert recall[0].interval == wilson(150, 160, 0.9)
    assert precision[1].interval == clopper_pearson(30, 40, 0.9)
    assert recall[2].interval.method == "undefined: no examples"


def test_mcc_of_one_class_is_undefined():
    assert mcc(np.array([[3, 2], [0, 0]])) is None
    assert mcc(np.array([[3, 0], [2, 0]])) is None


def test_worst_class_of_two_equals_its_closed_form():
    # Accuracy 1/2; the worst has 0 of 2, so P = 1 − (1 − P[X ≤ 0])², X ~ Binomial(2, 1/2).
    worst = worst_class(np.array([[2, 0], [2, 0]]), 0.95)
    assert (worst.number, worst.share.value, worst.share.n) == (1, 0.0, 2)
    assert worst.p_value == pytest.approx(1 - (1 - 0.25) ** 2)
    assert worst.share.interval == clopper_pearson(0, 2, 0.975)


def test_worst_class_is_certain_where_all_are_right():
    assert worst_class(np.diag([5, 6, 7]), 0.95).p_value == 1


def drawn(rates, sizes, draw):
    hits = draw.binomial(sizes, rates)
    counts = np.diag(hits)
    counts[np.arange(len(sizes)), (np.arange(len(sizes)) + 1) % len(sizes)] += sizes - hits
    return counts


def test_worst_class_p_value_is_valid_and_its_interval_covers():
    draw, sizes = np.random.default_rng(0), np.array([30, 40, 35, 120, 60])
    equal = [worst_class(drawn(np.full(5, 0.9), sizes, draw), 0.95).p_value for _ in range(DRAWS)]
    assert np.mean(np.array(equal) <= 0.05) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / DRAWS)
    rates = np.array([0.9, 0.85, 0.95, 0.9, 0.8])
    found = [worst_class(drawn(rates, sizes, draw), 0.95) for _ in range(DRAWS)]
    covered = [own.share.interval.low <= rates[own.number] <= own.share.interval.high for own in found]
    assert np.mean(covered) >= 0.95
    # A small class without a right answer is no surprise, a large one is.
    assert worst_class(np.array([[0, 2, 0], [0, 0, 40], [0, 0, 60]]), 0.95)[::2] == (1, pytest.approx(0, abs=1e-9))
    assert worst_class(np.array([[0, 2, 0], [0, 30, 10], [0, 0, 60]]), 0.95).p_value > 0.02
    unequal = [worst_class(drawn(np.array([0.9, 0.9, 0.9, 0.9, 0.5]), sizes, draw), 0.95).p_value for _ in range(200)]
    assert np.mean(np.array(unequal) <= 0.05) > 0.9


@pytest.mark.parametrize(("rates", "sizes"), [([0.9, 0.7, 0.95], [40, 30, 50]), ([0.98, 0.99, 0.97, 0.95], [36] * 4),
                                              ([0.5, 0.6], [150, 20])])
def test_balanced_accuracy_interval_covers(rates, sizes):
    draw, rates, sizes = np.random.default_rng(1), np.array(rates), np.array(sizes)
    found = [balanced_accuracy(drawn(rates, sizes, draw), 0.95).interval for _ in range(DRAWS)]
    assert np.mean([own.low <= rates.mean() <= own.high for own in found]) >= 0.94


def test_marginal_homogeneity_equals_statsmodels():
    found = marginal_homogeneity(np.array(ORACLE["counts"]))
    assert [found.statistic, found.df, found.p_value] == pytest.approx(ORACLE["homogeneity"])


def test_marginal_homogeneity_of_two_classes_is_mcnemar():
    found = marginal_homogeneity(np.array([[50, 12], [4, 30]]))
    assert (found.statistic, found.df, found.n) == (pytest.approx((12 - 4) ** 2 / 16), 1, 16)


def test_marginal_homogeneity_counts_degrees_of_freedom_where_confusions_fall_apart():
    # Two pairs of classes that are confused with each other alone: two tests of McNemar.
    counts = np.diag([9, 9, 9, 9, 9])
    counts[0, 1], counts[1, 0], counts[2, 3] = 5, 2, 4
    found = marginal_homogeneity(counts)
    assert (found.statistic, found.df) == (pytest.approx((5 - 2) ** 2 / 7 + 4**2 / 4), 2)
    assert marginal_homogeneity(np.diag([3, 4])) is None


def test_marginal_homogeneity_does_not_depend_on_the_order_of_classes():
    counts = np.array(ORACLE["counts"])
    order = [3, 0, 4, 1, 2]
    assert marginal_homogeneity(counts[np.ix_(order, order)])[:3] == pytest.approx(marginal_homogeneity(counts)[:3])


@pytest.mark.slow
def test_the_oracle_is_what_cleanlab_and_statsmodels_say():
    reason = "cleanlab and statsmodels are no dependencies of dlx; their numbers are kept in tests/oracles"
    for name in ("cleanlab", "statsmodels"):
        pytest.importorskip(name, reason=reason)
    again = runpy.run_path(str(ORACLES / "make_errors.py"))["values"]()
    for key, value in ORACLE.items():
        if key != "made_with":
            assert np.array(again[key]) == pytest.approx(np.array(value), abs=1e-12), key
