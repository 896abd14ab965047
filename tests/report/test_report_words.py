"""Numbers in words."""

import pytest

from dlx.report import words


@pytest.mark.parametrize(("value", "text"), [
    (0.1234, "0.123"), (1.5, "1.50"), (54.321, "54.3"), (1234.5, "1234"), (0.00031, "0.000310"), (0.0, "0.000"),
    (-0.5, "-0.500"), (2.5e25, "2.5e+25"), (1e-12, "1e-12"), (float("nan"), "nan"), (None, "unknown"),
])
def test_number_has_three_significant_digits(value, text):
    assert words.number(value) == text


@pytest.mark.parametrize(("metric", "numbers", "text"), [
    ("accuracy", (0.972, 0.95, 0.985), "97.2% [95.0, 98.5]"),
    ("top_k", (1.0, 0.9996, 1.0), "100.0% [99.96, 100.0]"),
    ("nll", (0.1203, 0.0711, 0.1904), "0.120 [0.071, 0.190]"),
    ("rmse", (54.21, 49.0, 60.2), "54.2 [49.0, 60.2]"),
    ("loss", (0.0966, None, None), "0.0966"),
    ("loss", (None, None, None), "–"),
])
def test_interval_is_in_per_cent_for_shares_alone(metric, numbers, text):
    assert words.interval(metric, *numbers) == text


@pytest.mark.parametrize(("metric", "numbers", "text"), [
    ("accuracy", (-0.028, -0.043, -0.011), "-2.8 pt [-4.3, -1.1]"),
    ("accuracy", (0.0, -0.01, 0.0), "0.0 pt [-1.0, 0.0]"),
    ("accuracy", (-0.0001, None, None), "0.0 pt"),
    ("nll", (0.0811, 0.0482, 0.132), "+0.081 [0.048, 0.132]"),
    ("roc_auc", (-0.00071, -0.00155, -0.00005), "-0.0007 [-0.0015, -0.0001]"),
])
def test_difference_has_a_sign(metric, numbers, text):
    assert words.difference(metric, *numbers) == text


def test_distance_says_on_which_side():
    assert words.distance("accuracy", -0.028) == "2.8 points below"
    assert words.distance("nll", 0.11) == "0.110 above"
    assert words.distance("nll", 0.0) == "equal to"


def test_count_has_a_plural():
    assert [words.count(number, "epoch") for number in (0, 1, 1200)] == ["0 epochs", "1 epoch", "1,200 epochs"]
