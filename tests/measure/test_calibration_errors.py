"""Calibration errors against netcal, loops and closed forms; what chance gives against exact distributions."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from dlx.core.random import numpy_generator
from dlx.measure import calibration

ORACLES = Path(__file__).resolve().parent.parent / "oracles"
ORACLE = json.loads((ORACLES / "calibration.json").read_text())
NUM_BINS = 15


def said_of(probs, num_bins=NUM_BINS):
    probs = np.asarray(probs, dtype=np.float64)
    return calibration.forecasts(probs, probs.argmax(axis=1), num_bins)


def two_classes(*confidences):
    return np.array([[value, 1 - value] for value in confidences])


def errors_of(probs, targets, num_bins=NUM_BINS):
    said = said_of(probs, num_bins)
    values = calibration.errors(said, calibration.observed_hits(said, np.asarray(targets)))[0]
    return dict(zip(calibration.ERRORS, values.tolist(), strict=True))


def drawn(num=400, num_classes=4, concentration=0.4, seed=0):
    """Return probabilities and targets that come true as often as they say."""
    generator = np.random.default_rng(seed)
    probs = generator.dirichlet(np.full(num_classes, concentration), size=num)
    return probs, (generator.random((num, 1)) > probs.cumsum(axis=1)).sum(axis=1).clip(max=num_classes - 1)


def brute_force(probs, targets, num_bins=NUM_BINS):
    """Compute the errors with loops over bins."""
    probs = probs.round(9)
    confidence, is_right, n = probs.max(axis=1), probs.argmax(axis=1) == targets, len(targets)

    def distances(values, truths):
        for number in range(num_bins):
            inside = (values > number / num_bins) & (values <= (number + 1) / num_bins)
            inside |= (values == 0) & (number == 0)
            if inside.any():
                yield inside.sum() / n, abs(truths[inside].mean() - values[inside].mean())

    order = sorted(range(n), key=lambda row: (confidence[row], row))
    groups = {}
    for rank, row in enumerate(order):
        groups.setdefault(num_bins * rank // n, []).append(row)
    return {
        "ece": sum(weight * own for weight, own in distances(confidence, is_right)),
        "ece_equal_mass": sum(len(rows) / n * abs(is_right[rows].mean() - confidence[rows].mean())
                              for rows in groups.values()),
        "mce": max(own for _, own in distances(confidence, is_right)),
        "classwise_ece": np.mean([sum(weight * own for weight, own in distances(probs[:, label], targets == label))
                                  for label in range(probs.shape[1])])}


@pytest.mark.parametrize("name", calibration.ERRORS)
def test_errors_equal_netcal(name):
    assert errors_of(ORACLE["probs"], ORACLE["targets"])[name] == pytest.approx(ORACLE[name], abs=1e-8)


def test_ace_of_netcal_is_the_mean_over_bins_without_weights_and_so_another_number():
    said, targets = said_of(ORACLE["probs"]), np.array(ORACLE["targets"])
    cells, right = said.by_width, calibration.observed_hits(said, targets).by_width[0]
    full = cells.counts > 0
    unweighted = np.mean(np.abs(right[full] - cells.totals[full]) / cells.counts[full])
    assert unweighted == pytest.approx(ORACLE["ace"], abs=1e-8)
    assert abs(ORACLE["ace"] - ORACLE["ece_equal_mass"]) > 0.01


@pytest.mark.slow
def test_the_oracle_is_what_netcal_says():
    pytest.importorskip("netcal", reason="netcal is no dependency of dlx; its numbers are kept in tests/oracles")
    again = runpy.run_path(str(ORACLES / "make_calibration.py"))["values"]()
    kept = {key: value for key, value in ORACLE.items() if key != "made_with"}
    for key, value in kept.items():
        assert np.array(again[key]) == pytest.approx(np.array(value), abs=1e-12), key


@pytest.mark.parametrize(("num", "num_classes", "concentration"), [(1, 2, 1.0), (7, 3, 1.0), (400, 4, 0.4),
                                                                   (301, 12, 0.1), (200, 2, 0.05)])
@pytest.mark.parametrize("num_bins", [2, 15, 40])
def test_errors_equal_a_loop(num, num_classes, concentration, num_bins):
    probs, targets = drawn(num, num_classes, concentration)
    targets = np.where(np.arange(num) % 3 == 0, 0, targets)
    assert errors_of(probs, targets, num_bins) == pytest.approx(brute_force(probs, targets, num_bins), abs=1e-12)


def test_errors_by_hand():
    # Of 15 bins, 0.62 and 0.64 share (9/15, 10/15], 0.95 and 1.0 share (14/15, 1].
    found = errors_of(two_classes(0.62, 0.64, 0.95, 1.0), [0, 1, 0, 0])
    assert found["ece"] == pytest.approx(0.5 * 0.13 + 0.5 * 0.025)
    assert found["mce"] == pytest.approx(0.13)
    assert found["ece_equal_mass"] == pytest.approx((0.38 + 0.64 + 0.05 + 0.0) / 4)


@pytest.mark.parametrize(("value", "cell"), [(0.0, 0), (1e-9, 0), (0.2, 2), (0.6, 8), (0.600000001, 9), (0.8, 11),
                                             (1.0, 14)])
def test_bins_are_open_below_and_closed_above_with_0_in_the_first(value, cell):
    assert calibration.equal_width(np.array([value]), 15)[0] == cell


def test_bins_of_equal_mass_differ_by_one_and_ties_keep_the_order_of_the_rows():
    cells = calibration.equal_mass(np.array([0.9, 0.9, 0.9, 0.2, 0.9, 0.5, 0.9]), 3)
    assert np.bincount(cells).tolist() == [3, 2, 2]
    assert cells.tolist() == [0, 1, 1, 0, 2, 0, 2]


def test_a_constant_prediction_is_as_wrong_as_its_confidence_is_off():
    targets = np.repeat([0, 1, 2], [50, 30, 20])
    found = errors_of(np.tile([0.7, 0.2, 0.1], (100, 1)), targets)
    assert (found["ece"], found["mce"]) == pytest.approx((0.2, 0.2))
    assert found["classwise_ece"] == pytest.approx((0.2 + 0.1 + 0.1) / 3)
    # The 15 bins tell equal confidences apart by their place: 7 full ones right, 7 wrong, and one between.
    assert found["ece_equal_mass"] == pytest.approx(brute_force(np.tile([0.7, 0.2, 0.1], (100, 1)), targets)[
        "ece_equal_mass"])


def test_certain_and_right_predictions_have_no_error_and_are_no_surprise():
    probs = np.eye(3)[np.arange(60) % 3]
    said = said_of(probs)
    draws, _ = calibration.null(said, 50, numpy_generator(0, "test"))
    assert set(errors_of(probs, np.arange(60) % 3).values()) == {0.0}
    assert (draws == 0).all()
    assert calibration.chance(0.0, draws[:, 0]) == (0.0, 0.0, 1.0)


def test_redrawn_targets_have_the_probabilities_of_the_classes():
    probs = np.array([[0.5, 0.3, 0.15, 0.05], [0.1, 0.1, 0.7, 0.1], [0.25, 0.25, 0.25, 0.25]])
    said, num_draws = said_of(probs, 100), 5_000
    total = calibration.redrawn_hits(said, num_draws, numpy_generator(0, "test")).by_class.sum(axis=0)
    # A hundred bins tell examples apart; the first example's 0.5 and the third's 0.25 are alone in theirs.
    for row, label in [(0, 0), (0, 1), (0, 2), (0, 3), (1, 2), (2, 0), (2, 3)]:
        share = total[said.by_class.cell[row, label]] / num_draws
        assert abs(share - probs[row, label]) < 4 * (probs[row, label] * (1 - probs[row, label]) / num_draws) ** 0.5


def test_right_answers_by_chance_are_poisson_binomial():
    probs, _ = drawn(40, 3, 1.0)
    said = said_of(probs, 2)
    _, right = calibration.null(said, 20_000, numpy_generator(1, "test"))
    for cell in (0, 1):
        own = said.confidence[said.by_width.cell == cell]
        exact = np.array([1.0])
        for confidence in own:
            exact = np.convolve(exact, [1 - confidence, confidence])
        seen = np.bincount(right[:, cell], minlength=len(exact)) / len(right)
        assert np.abs(seen - exact).max() < 0.015
        assert seen.sum() == pytest.approx(exact.sum())


def test_draws_depend_neither_on_blocks_nor_on_how_often_they_are_asked(monkeypatch):
    said = said_of(drawn(50)[0])
    whole, right = calibration.null(said, 64, numpy_generator(3, "test"))
    monkeypatch.setattr(calibration, "_BLOCK_ELEMENTS", 350)
    again, right_again = calibration.null(said, 64, numpy_generator(3, "test"))
    assert np.array_equal(whole, again)
    assert np.array_equal(right, right_again)


def test_draws_equal_a_loop_over_the_same_uniform_numbers():
    probs, _ = drawn(30, 5, 1.0)
    said = said_of(probs)
    draws, _ = calibration.null(said, 20, numpy_generator(4, "test"))
    for uniform, found in zip(numpy_generator(4, "test").random((30, 20)).T, draws, strict=True):
        targets = []
        for row, value in zip(said.probs, uniform, strict=True):
            order = sorted(range(5), key=lambda label, row=row: (-row[label], label))
            reached = np.cumsum(row[order])
            targets.append(order[next((at for at in range(4) if value < reached[at]), 4)])
        assert found == pytest.approx(list(errors_of(probs, targets).values()), abs=1e-12)


def p_values(num_sets, num_draws=99, n=120):
    found = []
    for seed in range(num_sets):
        probs, targets = drawn(n, 3, 0.7, seed)
        said = said_of(probs)
        observed = calibration.errors(said, calibration.observed_hits(said, targets))[0]
        draws, _ = calibration.null(said, num_draws, numpy_generator(seed, "p"))
        found.append([calibration.chance(value, column).p_value
                      for value, column in zip(observed, draws.T, strict=True)])
    return np.array(found)


def test_p_values_of_true_probabilities_are_uniform():
    found = p_values(400)
    for name, column in zip(calibration.ERRORS, found.T, strict=True):
        # The largest error of few examples has few values, and ties count against surprise.
        side = "greater" if name == "mce" else "two-sided"
        assert stats.kstest(column, "uniform", alternative=side).pvalue > 0.01, name
        assert (column <= 0.05).mean() < 0.085, name


def test_p_value_of_overconfidence_is_small():
    probs, targets = drawn(600, 3, 0.7)
    sharper = probs**3 / (probs**3).sum(axis=1, keepdims=True)
    said = said_of(sharper)
    observed = calibration.errors(said, calibration.observed_hits(said, targets))[0]
    draws, _ = calibration.null(said, 199, numpy_generator(0, "p"))
    assert calibration.chance(observed[0], draws[:, 0]).p_value == 1 / 200


def test_a_draw_that_equals_what_was_observed_counts():
    assert calibration.chance(0.3, np.array([0.1 + 0.2, 0.3, 0.2, 0.4])).p_value == 4 / 5


def test_nats_and_squared_distances_by_hand():
    probs = np.array([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    targets = np.array([0, 1, 1])
    assert calibration.nats(probs, targets) == pytest.approx([np.log(2), 0.0, 52 * np.log(2)])
    assert calibration.squared_distances(probs, targets).tolist() == [0.375, 0.0, 2.0]


def test_squared_distances_of_two_classes_are_twice_the_brier_score_of_one():
    from sklearn.metrics import brier_score_loss

    probs, targets = drawn(100, 2)
    assert calibration.squared_distances(probs, targets).mean() == pytest.approx(
        2 * brier_score_loss(targets, probs[:, 1]))


def test_error_of_binary_probabilities_equals_that_of_a_class():
    probs, targets = drawn(200, 2)
    found = [calibration.binary_error(probs[:, label], (targets == label).astype(int), 15) for label in (0, 1)]
    assert np.mean(found) == pytest.approx(errors_of(probs, targets)["classwise_ece"])
