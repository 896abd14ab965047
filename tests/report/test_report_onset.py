"""The epoch after which a run overfitted, on curves whose shape is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_runs import CONFIG, good_curves, make_rows, make_summary, overfitting_curves

from dlx.report.diagnosing.diagnosis import diagnose
from dlx.report.diagnosing.finding import Case
from dlx.report.diagnosing.trends import leaves_minimum, rise_from_minimum
from dlx.report.files import Status
from dlx.report.history import History
from dlx.report.measuring.onset import TOLERANCE, overfitting_onset
from dlx.report.summary import parse_summary


def case_of(train, val, **summary):
    return Case(History.of(make_rows(train, val)), parse_summary(make_summary(**summary)), CONFIG, Status("done"))


def falling(count):
    return list(1.0 / np.arange(1, count + 1))


@pytest.mark.parametrize(("curve", "index"), [
    ([3, 2, 1], 2),
    ([3, 1, 2, 3], 1),
    # It comes back within 1%, for three epochs.
    ([3, 1, 2, 1.005, 1.005, 1.005, 2, 3, 3], 5),
    # One epoch alone is not a return: the mean of three is 1.67.
    ([3, 1, 2, 2, 1.0, 2, 2], 1),
    # The first epoch after the minimum is judged alone.
    ([3, 1, 1.005, 2, 3], 2),
    ([1], 0),
])
def test_leaves_minimum_of_known_curves(curve, index):
    assert leaves_minimum(np.array(curve, float), 0.01) == index


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=30), st.floats(0, 0.09))
@settings(deadline=None, max_examples=200)
def test_leaves_minimum_equals_its_definition(values, tolerance):
    curve = np.array(values)
    lowest = int(curve.argmin())
    expected = lowest
    for index in range(lowest + 1, len(curve)):
        window = [curve[other] for other in (index - 2, index - 1, index) if other > lowest]
        if np.mean(window) <= (1 + tolerance) * curve[lowest]:
            expected = index
    assert leaves_minimum(curve, tolerance) == expected
    if rise_from_minimum(curve).relative >= 0.10:
        # What is called a rise has left its minimum before the end.
        assert expected < len(curve) - 1


def test_onset_of_overfitting_curves_is_the_epoch_of_the_minimum():
    train, val = overfitting_curves()
    found = overfitting_onset(case_of(train, val))
    curve = np.array(val)
    assert found.reason == ""
    assert found.epoch == leaves_minimum(curve, TOLERANCE) + 1
    assert curve[found.epoch:].min() > (1 + TOLERANCE) * curve.min()
    assert found.epoch == 17


def test_onset_waits_for_the_last_return_to_the_minimum():
    val = [1.0, 0.5, 0.3, 0.31, *[0.3005] * 4, 0.32, 0.35, 0.4, 0.45]
    found = overfitting_onset(case_of(falling(12), val))
    assert found.epoch == 8


@pytest.mark.parametrize(("train", "val", "summary", "reason"), [
    (falling(6), falling(6), {}, "val loss was lowest after the last epoch"),
    (falling(6), [1, 0.5, 0.4, 0.41, 0.42, 0.43], {}, "val loss ended within 10% of its minimum"),
    ([1, 0.5, 0.4, 0.5, 0.6, 0.7], [1, 0.5, 0.4, 0.5, 0.6, 0.7], {}, "train_eval loss did not fall meanwhile"),
    (falling(6), [1, 0.5, 0.4, 0.5, np.nan, 0.7], {}, "not finite"),
])
def test_onset_that_there_was_not_says_why(train, val, summary, reason):
    found = overfitting_onset(case_of(train, val, **summary))
    assert found.epoch is None
    assert reason in found.reason


def test_onset_needs_a_gap_that_excludes_0():
    summary = make_summary(val=0.99, half_width=0.5)
    for item in summary["gaps"]:
        if item["metric"] == "nll":
            item["low"] = -0.1
    case = Case(History.of(make_rows(*overfitting_curves())), parse_summary(summary), CONFIG, Status("done"))
    assert overfitting_onset(case).reason == (
        "val loss rose, but no interval of a gap on val excludes 0 on the worse side")


def test_onset_of_a_run_that_is_called_otherwise_is_none():
    case = case_of(*overfitting_curves())
    diverged = Case(case.history, case.summary, case.config, Status("diverged"))
    assert overfitting_onset(diverged).reason == "the run is called diverged before its curves are looked at for this"


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=80)
def test_onset_is_there_where_the_diagnosis_is_overfitting_and_nowhere_else(seed):
    draw = np.random.default_rng(seed)
    count = int(draw.integers(2, 20))
    train = list(np.exp(-draw.uniform(0, 0.3) * np.arange(count)) * draw.uniform(0.95, 1.05, count))
    val = list(0.3 + np.abs(np.arange(count) - draw.integers(0, count)) * draw.uniform(0, 0.05)
               + 0.02 * draw.random(count))
    case = case_of(train, val)
    kind = diagnose(case.history, case.summary, case.config, case.status).kind
    found = overfitting_onset(case)
    assert (found.epoch is not None) == (kind == "overfitting")
    assert (found.epoch is None) == bool(found.reason)
    assert overfitting_onset(case_of(*good_curves())).epoch is None
