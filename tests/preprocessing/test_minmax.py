"""Minmax against scikit-learn and closed forms."""

import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler
from small_runs import digits, table

from dlx.core.types import TaskSpec
from dlx.preprocessing.minmax import Minmax

PART = Minmax()


def test_minmax_table_equals_scikit_learn():
    data, rows = table("classification"), np.arange(100)
    inputs = data.arrays.inputs
    twin = MinMaxScaler().fit(inputs[rows].astype(np.float64)).transform(inputs.astype(np.float64))
    out = PART.apply(inputs, PART.fit(inputs[rows], np.zeros(100), data.spec()))
    np.testing.assert_allclose(out, twin, rtol=1e-6, atol=1e-6)


def test_minmax_image_has_one_range_per_channel():
    spec = TaskSpec("classification", "image", (2, 3, 3), 2, ("a", "b"))
    inputs = np.random.default_rng(0).uniform(-4, 9, (12, 2, 3, 3)).astype(np.float32)
    inputs[:, 1] *= 100
    statistics = PART.fit(inputs, np.zeros(12), spec)
    assert statistics["low"].shape == statistics["scale"].shape == (2, 1, 1)
    for channel in range(2):
        values = [float(value) for value in inputs[:, channel].ravel()]
        assert statistics["low"][channel, 0, 0] == min(values)
        assert statistics["scale"][channel, 0, 0] == max(values) - min(values)


@pytest.mark.parametrize("data", [digits(150), table("classification")], ids=["image", "table"])
def test_minmax_maps_train_onto_the_unit_interval(data):
    inputs, spec = data.arrays.inputs, data.spec()
    axes = (0, 2, 3) if spec.layout == "image" else (0,)
    out = PART.apply(inputs, PART.fit(inputs, np.zeros(len(inputs)), spec))
    assert (out.min(axis=axes) == 0).all()
    assert (out.max(axis=axes) == 1).all()


def test_minmax_of_bytes_equals_that_of_the_numbers_that_they_stand_for():
    spec = TaskSpec("classification", "image", (3, 4, 5), 2, ("a", "b"))
    images = np.random.default_rng(0).integers(7, 201, (20, 3, 4, 5), np.uint8)
    numbers = images.astype(np.float32) / np.float32(255)
    one, other = (PART.fit(inputs, np.zeros(20), spec) for inputs in (images, numbers))
    assert [value.tobytes() for value in one.values()] == [value.tobytes() for value in other.values()]
    assert PART.apply(images, one).tobytes() == PART.apply(numbers, other).tobytes()


def test_minmax_does_not_clip_rows_outside_the_range_of_train():
    spec = TaskSpec("classification", "table", (1,), 2, ("a", "b"))
    statistics = PART.fit(np.array([[2.0], [4.0]], np.float32), np.zeros(2), spec)
    out = PART.apply(np.array([[0.0], [3.0], [10.0]], np.float32), statistics)
    assert out[:, 0].tolist() == [-1.0, 0.5, 4.0]


def test_minmax_of_a_constant_column_is_zero():
    spec = TaskSpec("classification", "table", (2,), 2, ("a", "b"))
    inputs = np.array([[5.0, 1.0], [5.0, 2.0]], np.float32)
    statistics = PART.fit(inputs, np.zeros(2), spec)
    assert PART.apply(inputs, statistics).tolist() == [[0.0, 0.0], [0.0, 1.0]]
    assert PART.apply(np.array([[7.0, 1.5]], np.float32), statistics).tolist() == [[2.0, 0.5]]
