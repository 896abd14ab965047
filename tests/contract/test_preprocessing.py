"""What every preprocessing of conf/preprocessing promises, on every kind of data that it accepts."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from kinds_of_data import DATA, NUM_ROWS, RAW, constant, freeze, mismatches, poisoned, same, scaled
from part_files import make, option_names, parts

from dlx.core.blocks import in_blocks
from dlx.core.errors import ConfigError
from dlx.core.types import ChangesSpec, FitsBlocks, ScalesTarget, SelectsRows, TaskSpec
from dlx.engine.data import prepare
from dlx.engine.pipeline import fit, spec_after
from dlx.engine.state import model_checkpoint, restore_statistics
from dlx.record.checkpoint import decode, encode

NAMES = option_names("preprocessing")
TRAIN, VAL, TEST = np.arange(60), np.arange(60, 80), np.arange(80, NUM_ROWS)
# What is put before and after every other part, wherever it fits.
PARTNERS = ("standardize", "minmax")
# What people write, beyond pairs.
LONGER = [names for names in (
    ("impute", "rare", "one_hot", "clip", "standardize"), ("impute", "ordinal", "robust", "pca"),
    ("rare", "impute", "one_hot", "minmax"), ("one_hot", "impute", "clip", "whiten"),
    ("drop_duplicates", "impute", "one_hot", "standardize"), ("ordinal", "impute", "standardize"),
    ("grayscale", "center_crop", "resize", "standardize"), ("grayscale", "center_crop", "zca"), ("grayscale", "pca"),
    ("resample", "trim_pad", "log_mel", "standardize"), ("trim_pad", "mfcc", "standardize"),
) if {*names} <= {*NAMES}]
# Their outputs are sums over all features, which the number of rows rounds one way or the other.
MIXING = ("pca", "whiten", "zca")
# By kind of data, a dataset of the command line that has the same kind of targets.
DATASETS = {"classification": "digits", "regression": "diabetes"}


def chain(names):
    return {name: make("preprocessing", name) for name in names}


class Transformed(NamedTuple):
    """All rows after preprocessing, what they look like, its statistics, and the train rows that it left."""

    inputs: Any
    spec: TaskSpec
    statistics: Any
    train: Any


def transform(preprocessing, arrays, spec, train, statistics=None):
    pipeline, train, _ = fit(preprocessing, arrays.inputs, arrays.targets, train, spec, statistics)
    return Transformed(in_blocks(pipeline, arrays.inputs), pipeline.spec, pipeline.statistics, train)


def transformed(names, data, statistics=None):
    return transform(chain(names), data.arrays, data.task, TRAIN, statistics)


def is_accepted(names, data):
    """Whether parts are for the data. What else goes wrong is left to the tests."""
    try:
        transformed(names, data)
    except ConfigError:
        return False
    except Exception:  # noqa: BLE001
        return True
    return True


ALONE = [((name,), data) for name in NAMES for data in DATA if is_accepted((name,), DATA[data])]
PAIRS = sorted({pair for name in NAMES for partner in PARTNERS for pair in ((name, partner), (partner, name))
                if name != partner})
CHAINED = [(names, data) for names in (*PAIRS, *LONGER) for data in DATA
           if ((names[0],), data) in ALONE and is_accepted(names, DATA[data])]
alone = pytest.mark.parametrize(("names", "data"), ALONE, ids=str)
chained = pytest.mark.parametrize(("names", "data"), CHAINED, ids=str)
alone_and_chained = pytest.mark.parametrize(("names", "data"), ALONE + CHAINED, ids=str)


def bytes_of(statistics):
    return {(part, name): (value.dtype, value.shape, value.tobytes())
            for part, values in statistics.items() for name, value in values.items()}


def fitted(part, data):
    return part.fit(data.arrays.inputs[TRAIN], data.arrays.targets[TRAIN], data.task)


@pytest.mark.parametrize("name", NAMES)
def test_preprocessing_is_for_some_data_and_says_so_of_other_in_one_sentence(name):
    assert [data for names, data in ALONE if names == (name,)]
    for data in DATA:
        if ((name,), data) not in ALONE:
            with pytest.raises(ConfigError, match=f"preprocessing[=.]{name}|column|{DATA[data].task.layout}") as error:
                fitted(make("preprocessing", name), DATA[data])
            assert len(error.value.problems) == 1


@pytest.mark.parametrize("names", LONGER, ids=str)
def test_preprocessing_chain_that_people_write_is_for_some_data(names):
    assert [data for chained_names, data in CHAINED if chained_names == names]


@alone
def test_preprocessing_says_before_it_is_fitted_what_it_then_makes_or_that_only_data_tells(names, data):
    part, spec = make("preprocessing", names[0]), DATA[data].task
    if isinstance(part, ChangesSpec):
        known = part.spec_after(spec, None)
        assert known is None or known == part.spec_after(spec, fitted(part, DATA[data]))


@alone_and_chained
def test_preprocessing_makes_what_its_spec_says(names, data):
    out = transformed(names, DATA[data])
    assert mismatches(out.inputs, out.spec) == []
    assert len(out.inputs) == NUM_ROWS
    assert (out.spec.kind, out.spec.next_token) == (DATA[data].task.kind, DATA[data].task.next_token)


@alone_and_chained
def test_preprocessing_statistics_know_nothing_of_val_and_test(names, data):
    before = transformed(names, DATA[data])
    after = transformed(names, poisoned(DATA[data], VAL, TEST))
    assert bytes_of(after.statistics) == bytes_of(before.statistics)
    assert after.train.tolist() == before.train.tolist()
    assert after.spec.input_shape == before.spec.input_shape
    assert [column.name for column in after.spec.columns] == [column.name for column in before.spec.columns]
    assert same(after.inputs[TRAIN], before.inputs[TRAIN])
    assert not same(after.inputs[VAL], before.inputs[VAL])


@pytest.mark.parametrize(("names", "data"), [(names, data) for names, data in ALONE if data in ("image", "regression")],
                         ids=str)
def test_preprocessing_of_the_engine_knows_nothing_of_val_and_test(names, data):
    def prepared(dataset):
        made = parts(f"dataset={DATASETS[dataset.task.kind]}", "device.precision=float64")
        return prepare(replace(made, dataset=dataset, preprocessing=chain(names)), "", made.device.place(0.0))

    before = prepared(DATA[data])
    after = prepared(poisoned(DATA[data], *(before.splits[split].ids.numpy() for split in ("val", "test"))))
    assert bytes_of(after.statistics) == bytes_of(before.statistics)
    assert (after.target_shift, after.target_scale) == (before.target_shift, before.target_scale)
    assert torch.equal(after.splits["train"].inputs, before.splits["train"].inputs)
    assert torch.equal(after.splits["train"].targets, before.splits["train"].targets)
    assert not torch.equal(after.splits["val"].inputs, before.splits["val"].inputs)


@alone_and_chained
def test_preprocessing_leaves_inputs_targets_and_statistics_as_they_were(names, data):
    given, spec = DATA[data].arrays, DATA[data].task
    inputs, targets = given.inputs[np.arange(NUM_ROWS)], given.targets.copy()
    for part in chain(names).values():
        freeze(inputs)
        freeze(targets)
        if isinstance(part, SelectsRows):
            part.select(inputs, targets, spec)
        statistics = part.fit(inputs, targets, spec)
        for value in statistics.values():
            freeze(value)
        inputs, spec = part.apply(inputs, statistics), spec_after(part, spec, statistics)


@alone
def test_preprocessing_transforms_each_row_by_itself(names, data):
    statistics = transformed(names, DATA[data]).statistics
    rows = np.array([5, 99, 0, 41])

    def of(chosen):
        arrays = DATA[data].arrays
        few = arrays._replace(inputs=arrays.inputs[chosen], targets=arrays.targets[chosen])
        return transform(chain(names), few, DATA[data].task, np.arange(len(chosen)), statistics).inputs

    together = of(np.arange(NUM_ROWS))
    for chosen in (rows, rows[:1]):
        if names[0] in MIXING:
            np.testing.assert_allclose(of(chosen), together[chosen], rtol=1e-6, atol=1e-12 * np.abs(together).max())
        else:
            assert same(of(chosen), together[chosen])


@alone
def test_preprocessing_fit_is_deterministic_and_draws_nothing(names, data):
    before = torch.get_rng_state(), str(np.random.get_state())
    first, second = (transformed(names, DATA[data]).statistics for _ in range(2))
    assert bytes_of(first) == bytes_of(second)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == str(np.random.get_state())


@alone_and_chained
def test_preprocessing_statistics_survive_a_checkpoint(names, data):
    first = transformed(names, DATA[data])
    saved = decode(encode(model_checkpoint({}, first.statistics, {})), "memory")
    restored = restore_statistics(saved)
    restored = {name: restored.get(name, {}) for name in first.statistics}
    assert bytes_of(restored) == bytes_of(first.statistics)
    again = transformed(names, DATA[data], restored)
    assert same(again.inputs, first.inputs)
    assert again.spec == first.spec


@alone
@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, -3e-8, 1e9, 3e38])
def test_preprocessing_of_constant_inputs_is_finite_and_constant(names, data, value):
    inputs = constant(DATA[data], value)
    if inputs is None:
        return
    out = transformed(names, inputs).inputs
    assert np.isfinite(out).all()
    # Interpolation weighs pixels with numbers whose sum is 1 to rounding.
    reshaped = isinstance(make("preprocessing", names[0]), ChangesSpec) and inputs.task.layout == "image"
    assert np.ptp(out.astype(np.float64)) <= (1e-6 * abs(value) if reshaped else 0)
    assert abs(out[0].flat[0]) <= max(1.0, abs(value) * (1.000001 if reshaped else 1))


@alone
@pytest.mark.parametrize("magnitude", [1e-38, 1e-20, 1e18, 3e38])
def test_preprocessing_of_tiny_and_huge_inputs_is_finite(names, data, magnitude):
    inputs = scaled(DATA[data], magnitude / 100 if names[0] in MIXING else magnitude)
    assert inputs is None or np.isfinite(transformed(names, inputs).inputs).all()


@chained
def test_preprocessing_is_fitted_on_what_the_one_before_left(names, data):
    found = transformed(names, DATA[data])
    arrays, spec, train, one_by_one = DATA[data].arrays, DATA[data].task, TRAIN, {}
    for name, part in chain(names).items():
        if isinstance(part, SelectsRows):
            train = train[part.select(arrays.inputs[train], arrays.targets[train], spec)]
        one_by_one[name] = part.fit(arrays.inputs[train], arrays.targets[train], spec)
        arrays = arrays._replace(inputs=part.apply(arrays.inputs, one_by_one[name]))
        spec = spec_after(part, spec, one_by_one[name])
    assert list(found.statistics) == list(names)
    assert bytes_of(found.statistics) == bytes_of(one_by_one)
    assert found.train.tolist() == train.tolist()
    assert found.spec == spec
    if spec.layout not in RAW:
        assert same(found.inputs, transform({}, arrays, spec, train).inputs)


@alone
def test_preprocessing_selects_rows_of_train_in_their_order(names, data):
    part, arrays = make("preprocessing", names[0]), DATA[data].arrays
    if isinstance(part, SelectsRows):
        twice = np.concatenate([TRAIN, TRAIN[:30]])
        kept = part.select(arrays.inputs[twice], arrays.targets[twice], DATA[data].task)
        assert (np.diff(kept) > 0).all()
        assert 0 <= kept[0] <= kept[-1] < len(twice)


@alone
@pytest.mark.parametrize("sizes", [[60], [1] * 60, [7, 0, 13, 40]], ids=str)
def test_preprocessing_fits_blocks_as_it_fits_the_whole(names, data, sizes):
    part = make("preprocessing", names[0])
    if isinstance(part, FitsBlocks):
        ends = np.cumsum(sizes)
        blocks = (DATA[data].arrays.inputs[end - size:end] for end, size in zip(ends, sizes, strict=True))
        whole = {"whole": fitted(part, DATA[data])}
        assert bytes_of({"whole": part.fit_blocks(blocks, DATA[data].task)}) == bytes_of(whole)


@alone
def test_preprocessing_that_scales_targets_says_a_positive_finite_scale(names, data):
    part, arrays = make("preprocessing", names[0]), DATA[data].arrays
    if not isinstance(part, ScalesTarget):
        return
    for targets in (arrays.targets, np.full_like(arrays.targets, 7.0)):
        shift, scale = part.target_scale(part.fit(arrays.inputs, targets, DATA[data].task))
        assert type(shift) is type(scale) is float
        assert np.isfinite(shift)
        assert 0 < scale < np.inf
