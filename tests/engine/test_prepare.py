"""From data to tensors: rows of each split, types, fingerprint, statistics of a saved run."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from part_files import parts
from small_runs import digits, session, table

from dlx.core.errors import ArtefactError
from dlx.engine.data import fingerprint, prepare


def prepared(data, *overrides, statistics=None):
    made = replace(parts(*overrides), dataset=data)
    return prepare(made, "", made.device.place(0.0), statistics)


@pytest.mark.parametrize("data", [digits(100), digits(100, own_test=True)], ids=["random_test", "own_test"])
def test_prepare_places_the_rows_of_each_split_with_their_targets_and_ids(data):
    found = prepared(data, "preprocessing=[none]")
    seen = torch.cat([split.ids for split in found.splits.values()])
    assert sorted(seen.tolist()) == list(range(100))
    for split in found.splits.values():
        rows = split.ids.numpy()
        assert np.array_equal(split.inputs.numpy(), data.arrays.inputs[rows])
        assert split.targets.tolist() == data.arrays.targets[rows].tolist()
        assert split.ids.dtype == split.targets.dtype == torch.int64
    assert (found.target_shift, found.target_scale, found.statistics) == (0.0, 1.0, {})


def test_prepare_without_scale_target_keeps_the_targets_of_a_regression():
    data = table("regression")
    found = prepared(data, "dataset=diabetes", "preprocessing=[standardize]")
    for split in found.splits.values():
        assert split.targets.dtype == torch.float32
        assert split.targets.tolist() == data.arrays.targets[split.ids.numpy()].tolist()


def test_prepare_in_float64_places_float64():
    found = prepared(table("regression"), "dataset=diabetes", "device.precision=float64")
    assert {split.inputs.dtype for split in found.splits.values()} == {torch.float64}
    assert {split.targets.dtype for split in found.splits.values()} == {torch.float64}


def test_prepare_with_saved_statistics_does_not_fit():
    saved = prepared(digits(100)).statistics
    other = digits(100).with_arrays(inputs=digits(100).arrays.inputs * 7)
    found = prepared(other, statistics=saved)
    expected = (other.arrays.inputs - saved["standardize"]["mean"]) / saved["standardize"]["scale"]
    rows = found.splits["val"].ids.numpy()
    np.testing.assert_allclose(found.splits["val"].inputs.numpy(), expected[rows], rtol=1e-6)
    assert found.statistics["standardize"] is saved["standardize"]


def test_prepare_with_statistics_of_other_parts_is_refused():
    with pytest.raises(ArtefactError, match="the checkpoint lacks the statistic 'low' of preprocessing minmax"):
        prepared(digits(100), "preprocessing=[minmax]", statistics={"standardize": {}})


def test_fingerprint_changes_with_any_value_shape_type_or_order():
    arrays = digits(50).arrays
    one_bit = arrays.inputs.copy()
    one_bit.view(np.uint8)[3, 0, 4, 9] ^= 1
    variants = [
        arrays, arrays._replace(inputs=one_bit), arrays._replace(inputs=arrays.inputs.astype(np.float64)),
        arrays._replace(inputs=arrays.inputs.reshape(50, 8, 1, 8)),
        arrays._replace(targets=arrays.targets[::-1].copy()),
        arrays._replace(targets=arrays.targets.astype(np.int32)), arrays._replace(inputs=arrays.inputs[::-1].copy()),
        arrays._replace(test_ids=np.arange(10)), arrays._replace(test_ids=np.arange(11)),
    ]
    assert len({fingerprint(variant) for variant in variants}) == len(variants)


def test_fingerprint_is_the_same_for_equal_data_however_it_lies_in_memory():
    arrays = digits(50).arrays
    strided = arrays._replace(inputs=np.asfortranarray(arrays.inputs))
    assert fingerprint(strided) == fingerprint(arrays) == session(parts(), digits(50)).data.fingerprint
