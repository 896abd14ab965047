"""Standardize against scikit-learn, closed forms and invariants."""

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler
from small_runs import digits, table

from dlx.core.types import TaskSpec
from dlx.preprocessing.standardize import Standardize

PART = Standardize()


def transformed(inputs, spec, rows):
    return PART.apply(inputs, PART.fit(inputs[rows], np.zeros(len(rows)), spec))


def test_standardize_table_equals_scikit_learn():
    data, rows = table("classification"), np.arange(100)
    inputs = data.arrays.inputs
    twin = StandardScaler().fit(inputs[rows].astype(np.float64)).transform(inputs.astype(np.float64))
    np.testing.assert_allclose(transformed(inputs, data.spec(), rows), twin, rtol=1e-6, atol=1e-6)


def test_standardize_image_has_one_mean_and_deviation_per_channel():
    spec = TaskSpec("classification", "image", (3, 4, 5), 2, ("a", "b"))
    inputs = np.random.default_rng(0).normal([[[1.0]], [[50.0]], [[-9.0]]], [[[1.0]], [[7.0]], [[0.01]]],
                                             (20, 3, 4, 5)).astype(np.float32)
    statistics = PART.fit(inputs, np.zeros(20), spec)
    assert statistics["mean"].shape == statistics["scale"].shape == (3, 1, 1)
    for channel in range(3):
        values = inputs[:, channel].astype(np.float64).ravel()
        assert statistics["mean"][channel, 0, 0] == pytest.approx(values.sum() / 400, rel=1e-14)
        deviation = np.sqrt(((values - values.mean()) ** 2).sum() / 400)
        assert statistics["scale"][channel, 0, 0] == pytest.approx(deviation, rel=1e-12)


@pytest.mark.parametrize("data", [digits(150), table("classification")], ids=["image", "table"])
def test_standardize_gives_train_zero_mean_and_unit_variance(data):
    inputs, spec = data.arrays.inputs, data.spec()
    axes = (0, 2, 3) if spec.layout == "image" else (0,)
    out = transformed(inputs, spec, np.arange(len(inputs))).astype(np.float64)
    np.testing.assert_allclose(out.mean(axis=axes), 0, atol=1e-6)
    np.testing.assert_allclose(out.var(axis=axes), 1, atol=1e-6)


def test_standardize_ignores_units_of_columns():
    data = table("classification")
    units = np.float32(2.0) ** np.array([-20, -3, 0, 5, 9, 30], dtype=np.float32)
    one, other = (transformed(inputs, data.spec(), np.arange(80))
                  for inputs in (data.arrays.inputs, data.arrays.inputs * units))
    assert one.tobytes() == other.tobytes()


def test_standardize_of_bytes_equals_that_of_the_numbers_that_they_stand_for():
    spec = TaskSpec("classification", "image", (3, 4, 5), 2, ("a", "b"))
    images = np.random.default_rng(0).integers(0, 256, (20, 3, 4, 5), np.uint8)
    numbers = images.astype(np.float32) / np.float32(255)
    for value, twin in zip(PART.fit(images, np.zeros(20), spec).values(),
                           PART.fit(numbers, np.zeros(20), spec).values(), strict=True):
        assert value.tobytes() == twin.tobytes()
    assert transformed(images, spec, np.arange(9)).tobytes() == transformed(numbers, spec, np.arange(9)).tobytes()


@pytest.mark.parametrize("value", [0.0, 0.1, -1e7, 1e-30, 65504.25])
def test_standardize_only_centres_a_constant_column(value):
    spec = TaskSpec("classification", "table", (2,), 2, ("a", "b"))
    inputs = np.random.default_rng(0).normal(size=(60_000, 2)).astype(np.float32)
    inputs[:, 1] = value
    statistics = PART.fit(inputs, np.zeros(60_000), spec)
    assert statistics["scale"][1] == 1.0
    other = PART.apply(np.array([[0.0, value + 2]], np.float32), statistics)
    assert PART.apply(inputs, statistics)[:, 1].tolist() == [0.0] * 60_000
    assert other[0, 1] == pytest.approx(np.float32(value + 2) - np.float32(value))


def test_standardize_keeps_a_column_that_varies_in_its_last_digits():
    spec = TaskSpec("classification", "table", (1,), 2, ("a", "b"))
    inputs = np.where(np.arange(100) % 2, np.nextafter(np.float32(1e6), np.float32(2e6)), 1e6).astype(np.float32)
    out = transformed(inputs[:, None], spec, np.arange(100))
    np.testing.assert_allclose(out[:, 0], np.where(np.arange(100) % 2, 1, -1), atol=1e-6)
