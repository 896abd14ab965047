"""What every preprocessing of conf/preprocessing promises. N rows, C channels, D columns."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from part_files import choice, make, option_names, parts
from small_runs import digits, table

from dlx.core.types import ScalesTarget, TaskSpec
from dlx.engine.data import prepare
from dlx.engine.pipeline import Pipeline
from dlx.engine.pipeline import fit as fit_pipeline
from dlx.engine.state import model_checkpoint, restore_statistics
from dlx.record.checkpoint import decode, encode

NAMES = option_names("preprocessing")
DATA = {
    "image": digits(100, own_test=True),
    "table": table("classification", own_test=True),
    "regression": table("regression", own_test=True),
}
KINDS = {"image": "classification", "table": "classification", "regression": "regression"}
DATASETS = {"image": "digits", "table": "breast_cancer", "regression": "diabetes"}


def fits_together(names, data):
    made = [make("preprocessing", name) for name in names]
    return data == "regression" or not any(isinstance(part, ScalesTarget) for part in made)


ALONE = [((name,), data) for name in NAMES for data in DATA if fits_together((name,), data)]
PAIRS = [(pair, data) for pair in itertools.permutations(NAMES, 2) for data in DATA if fits_together(pair, data)]
alone = pytest.mark.parametrize(("names", "data"), ALONE, ids=str)
alone_and_in_pairs = pytest.mark.parametrize(("names", "data"), ALONE + PAIRS, ids=str)


def chain(names):
    return {name: make("preprocessing", name) for name in names}


def fit(preprocessing, arrays, rows, spec):
    return fit_pipeline(preprocessing, arrays.inputs, arrays.targets, rows, spec).pipeline.statistics


def apply(preprocessing, inputs, statistics):
    spec = TaskSpec("regression", "image" if inputs.ndim == 4 else "table", inputs.shape[1:], 1)
    return Pipeline(preprocessing, statistics, spec)(inputs)


def prepared(names, data, dataset):
    made = parts(choice("dataset", DATASETS[data]), choice("preprocessing", *names))
    return prepare(replace(made, dataset=dataset), "", made.device.place(0.0))


def held_out_rows(names, data):
    splits = prepared(names, data, DATA[data]).splits
    return splits["val"].ids.numpy(), splits["test"].ids.numpy()


def bytes_of(statistics):
    return {(part, name): (value.dtype, value.shape, value.tobytes())
            for part, values in statistics.items() for name, value in values.items()}


@alone_and_in_pairs
def test_preprocessing_statistics_know_nothing_of_val_and_test(names, data):
    clean = DATA[data]
    poisoned_inputs, poisoned_targets = clean.arrays.inputs.copy(), clean.arrays.targets.copy()
    val, test = held_out_rows(names, data)
    poisoned_inputs[val], poisoned_inputs[test] = 1e9, -1e9
    if data == "regression":
        poisoned_targets[val], poisoned_targets[test] = 1e9, -1e9
    before = prepared(names, data, clean)
    after = prepared(names, data, clean.with_arrays(inputs=poisoned_inputs, targets=poisoned_targets))
    assert bytes_of(after.statistics) == bytes_of(before.statistics)
    assert (after.target_shift, after.target_scale) == (before.target_shift, before.target_scale)
    assert torch.equal(after.splits["train"].inputs, before.splits["train"].inputs)
    assert torch.equal(after.splits["train"].targets, before.splits["train"].targets)
    assert not torch.equal(after.splits["val"].inputs, before.splits["val"].inputs)


@alone_and_in_pairs
def test_preprocessing_leaves_inputs_targets_and_statistics_as_they_were(names, data):
    arrays, spec = DATA[data].arrays, DATA[data].spec()
    inputs, targets = arrays.inputs.copy(), arrays.targets.copy()
    for array in (inputs, targets):
        array.setflags(write=False)
    for part in chain(names).values():
        statistics = part.fit(inputs, targets, spec)
        for value in statistics.values():
            value.setflags(write=False)
        part.apply(inputs, statistics)


@alone
def test_preprocessing_gives_float32_of_the_same_shape(names, data):
    arrays, spec = DATA[data].arrays, DATA[data].spec()
    out = apply(chain(names), arrays.inputs, fit(chain(names), arrays, np.arange(90), spec))
    assert out.dtype == np.float32
    assert out.shape == arrays.inputs.shape
    assert np.isfinite(out).all()


@alone
def test_preprocessing_transforms_each_row_by_itself(names, data):
    arrays, spec = DATA[data].arrays, DATA[data].spec()
    statistics = fit(chain(names), arrays, np.arange(90), spec)
    rows = np.array([5, 99, 0, 41])
    together = apply(chain(names), arrays.inputs, statistics)[rows]
    assert apply(chain(names), arrays.inputs[rows], statistics).tobytes() == together.tobytes()
    assert apply(chain(names), arrays.inputs[:1], statistics).tobytes() == together[2].tobytes()


@alone
def test_preprocessing_fit_is_deterministic_and_draws_nothing(names, data):
    arrays, spec = DATA[data].arrays, DATA[data].spec()
    before = torch.get_rng_state(), str(np.random.get_state())
    first, second = (fit(chain(names), arrays, np.arange(90), spec) for _ in range(2))
    assert bytes_of(first) == bytes_of(second)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == str(np.random.get_state())


@alone_and_in_pairs
def test_preprocessing_statistics_survive_a_checkpoint(names, data):
    arrays, spec = DATA[data].arrays, DATA[data].spec()
    statistics = fit(chain(names), arrays, np.arange(90), spec)
    saved = decode(encode(model_checkpoint({}, statistics, {})), "memory")
    restored = restore_statistics(saved)
    restored = {name: restored.get(name, {}) for name in statistics}
    assert bytes_of(restored) == bytes_of(statistics)
    assert apply(chain(names), arrays.inputs, restored).tobytes() == apply(
        chain(names), arrays.inputs, statistics).tobytes()


@alone
@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, -3e-8, 1e9, 3e38])
def test_preprocessing_of_constant_inputs_is_finite_and_constant(names, data, value):
    spec = DATA[data].spec()
    targets = DATA[data].arrays.targets
    inputs = np.full_like(DATA[data].arrays.inputs, value)
    arrays = DATA[data].arrays._replace(inputs=inputs, targets=targets)
    out = apply(chain(names), inputs, fit(chain(names), arrays, np.arange(90), spec))
    assert np.isfinite(out).all()
    assert np.ptp(out) == 0
    assert abs(out[0].flat[0]) <= max(1.0, abs(value))


@alone
@pytest.mark.parametrize("magnitude", [1e-38, 1e-20, 1e18, 3e38])
def test_preprocessing_of_tiny_and_huge_inputs_is_finite(names, data, magnitude):
    arrays, spec = DATA[data].arrays, DATA[data].spec()
    inputs = (arrays.inputs / np.abs(arrays.inputs).max() * np.float32(magnitude)).astype(np.float32)
    out = apply(chain(names), inputs, fit(chain(names), arrays._replace(inputs=inputs), np.arange(90), spec))
    assert np.isfinite(out).all()


@pytest.mark.parametrize(("names", "data"), PAIRS, ids=str)
def test_preprocessing_is_fitted_on_what_the_one_before_left(names, data):
    arrays, spec = DATA[data].arrays, DATA[data].spec()
    first, second = (make("preprocessing", name) for name in names)
    rows = np.arange(90)
    one = first.fit(arrays.inputs[rows], arrays.targets[rows], spec)
    two = second.fit(first.apply(arrays.inputs[rows], one), arrays.targets[rows], spec)
    statistics = fit(chain(names), arrays, rows, spec)
    assert list(statistics) == list(names)
    assert bytes_of(statistics) == bytes_of(dict(zip(names, (one, two), strict=True)))
    assert apply(chain(names), arrays.inputs, statistics).tobytes() == second.apply(
        first.apply(arrays.inputs, one), two).tobytes()


@alone
def test_preprocessing_that_scales_targets_says_a_positive_finite_scale(names, data):
    part = make("preprocessing", names[0])
    arrays, spec = DATA[data].arrays, DATA[data].spec()
    if not isinstance(part, ScalesTarget):
        return
    for targets in (arrays.targets, np.full_like(arrays.targets, 7.0)):
        shift, scale = part.target_scale(part.fit(arrays.inputs, targets, spec))
        assert type(shift) is type(scale) is float
        assert np.isfinite(shift)
        assert 0 < scale < np.inf
