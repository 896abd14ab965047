"""standardize, minmax and robust with missing values, series, many blocks and constants: what they have in common."""

import numpy as np
import pytest
from kinds_of_data import DATA
from part_files import make
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from dlx.core.blocks import FITTED_VALUES
from dlx.core.errors import ConfigError
from dlx.core.types import Column, TaskSpec

every_scaling = pytest.mark.parametrize("name", ["standardize", "minmax", "robust"])


def table_spec(width, columns=()):
    return TaskSpec("regression", "table", (width,), 1, (), columns)


def with_gaps(num_rows=200, width=4):
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(num_rows, width)) * 10.0 ** np.arange(width)
    return np.where(draw.random(rows.shape) < 0.2, np.nan, rows).astype(np.float32)


def fitted(name, rows, spec):
    part = make("preprocessing", name)
    return part, part.fit(rows, np.zeros(len(rows)), spec)


@pytest.mark.parametrize(("name", "twin"), [("standardize", StandardScaler()), ("minmax", MinMaxScaler())])
def test_scaling_leaves_missing_values_out_and_where_they_are_as_scikit_learn_does(name, twin):
    rows = with_gaps()
    part, statistics = fitted(name, rows[:100], table_spec(4))
    expected = twin.fit(rows[:100].astype(np.float64)).transform(rows.astype(np.float64))
    np.testing.assert_allclose(part.apply(rows, statistics), expected, rtol=1e-5, atol=1e-6)


@every_scaling
def test_scaling_of_a_series_takes_positions_before_its_end_and_leaves_mask_and_padding(name):
    inputs, spec = DATA["series"].arrays.inputs, DATA["series"].task
    part, statistics = fitted(name, inputs, spec)
    out = part.apply(inputs, statistics)
    there = inputs[:, :, -1] == 1
    table = inputs[there][:, :2]
    twin, of_table = fitted(name, table, table_spec(2))
    np.testing.assert_allclose(out[there][:, :2], twin.apply(table, of_table), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(out[:, :, -1], inputs[:, :, -1])
    assert (out[~there] == 0).all()


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize(("name", "twin"), [("standardize", StandardScaler()), ("minmax", MinMaxScaler())])
def test_scaling_of_many_blocks_equals_scikit_learn_however_the_blocks_come(name, twin, gaps):
    width = 8
    rows = np.random.default_rng(0).normal([1e4, *range(7)], 2.0, (FITTED_VALUES // width * 2 + 999, width))
    rows = rows.astype(np.float32)
    rows[:, 5] = 0.1
    if gaps:
        rows[::7, 1:3] = np.nan
        rows[: FITTED_VALUES // width, 4] = np.nan
    spec = table_spec(width)
    part, statistics = fitted(name, rows, spec)
    twin.fit(rows.astype(np.float64))
    shift, scale = (twin.mean_, twin.scale_) if name == "standardize" else (twin.data_min_, twin.data_range_)
    scale = np.where(np.arange(width) == 5, 1.0, scale)
    np.testing.assert_allclose(list(statistics.values()), [shift, scale], rtol=1e-12)
    for step in (700_001, 300_000):
        again = part.fit_blocks((rows[low : low + step] for low in range(0, len(rows), step)), spec)
        assert {key: value.tobytes() for key, value in again.items()} == {
            key: value.tobytes() for key, value in statistics.items()}
    assert (part.apply(rows, statistics)[:, 5] == 0).all()


@every_scaling
@pytest.mark.parametrize("value", [0.1, 1e10 / 3, -7.3e-9])
def test_scaling_only_centres_a_constant_column_of_float64_whatever_rounding_its_sum_has(name, value):
    rows = np.full((300_000, 2), value)
    rows[:, 1] = np.arange(300_000)
    part, statistics = fitted(name, rows, table_spec(2))
    assert statistics["scale"][0] == 1
    assert (part.apply(rows, statistics)[:, 0] == 0).all()


@every_scaling
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_scaling_names_a_column_without_finite_numbers(name, wrong):
    rows = with_gaps()
    rows[:, 2] = wrong
    columns = tuple(Column(text) for text in ("a", "b", "age", "d"))
    with pytest.raises(ConfigError) as error:
        fitted(name, rows, table_spec(4, columns))
    assert str(error.value) == (f"preprocessing={name} needs finite numbers, and column age has none in train, or an "
                                f"infinite one: leave it out of the data")


@every_scaling
@pytest.mark.parametrize("layout", ["text", "audio", "tokens"])
def test_scaling_refuses_what_are_no_numbers(name, layout):
    with pytest.raises(ConfigError, match=f"preprocessing={name} is for images, tables and series, not for {layout}"):
        fitted(name, DATA[layout].arrays.inputs, DATA[layout].task)
