"""Tasks with known answers: every target is computed again, one example after the other."""

import numpy as np
import pytest
from part_files import make

from dlx.core.errors import ConfigError
from dlx.core.types import IGNORED, PADDING

LONGER = ["parity", "copy", "adding"]


def test_modular_addition_is_the_whole_table():
    dataset = make("dataset", "modular_addition", modulus=7)
    inputs, targets = dataset.load("")[:2]
    assert len({tuple(row) for row in inputs.tolist()}) == len(inputs) == 49
    for (first, plus, second, equals), target in zip(inputs.tolist(), targets.tolist(), strict=True):
        assert (first - 1 + second - 1) % 7 == target
        assert (plus, equals) == (8, 9)
    assert dataset.spec().vocabulary_size == 10


def test_parity_counts_the_ones():
    arrays = make("dataset", "parity", num_examples=50, num_test=20).load("")
    for row, target, length in zip(arrays.inputs, arrays.targets, arrays.notes["length"], strict=True):
        assert set(row[:length].tolist()) <= {1, 2}
        assert not row[length:].any()
        assert sum(bit == 2 for bit in row.tolist()) % 2 == target


def test_copy_says_the_symbols_again():
    dataset = make("dataset", "copy", num_examples=50, num_test=20, num_symbols=5, length=4, test_length=9)
    arrays = dataset.load("")
    for row, target, length in zip(arrays.inputs.tolist(), arrays.targets.tolist(), arrays.notes["length"].tolist(),
                                   strict=True):
        symbols, rest = row[:length], row[length:]
        assert set(symbols) <= set(range(1, 6))
        assert rest == [6, *[7] * (length - 1), *[PADDING] * (18 - 2 * length)]
        assert target[:length] == [IGNORED] * length
        assert target[length : 2 * length] == [symbol - 1 for symbol in symbols]
        assert set(target[2 * length :]) <= {IGNORED}


def test_adding_marks_one_number_in_each_half():
    arrays = make("dataset", "adding", num_examples=200, num_test=50, length=5, test_length=9).load("")
    for row, target, length in zip(arrays.inputs, arrays.targets, arrays.notes["length"], strict=True):
        assert row[:length, 2].tolist() == [1] * length
        assert not row[length:].any()
        places = np.flatnonzero(row[:, 1])
        assert len(places) == 2
        assert places[0] < length // 2 <= places[1] < length
        assert target == pytest.approx(row[places, 0].sum(), rel=1e-6)


def test_adding_has_the_variance_of_a_sum_of_two():
    targets = make("dataset", "adding", num_examples=20_000).load("").targets
    assert targets.mean() == pytest.approx(1.0, abs=0.02)
    assert targets.var() == pytest.approx(1 / 6, rel=0.05)


@pytest.mark.parametrize("name", LONGER)
def test_sequences_of_the_test_set_are_longer_than_any_other(name):
    arrays = make("dataset", name, num_examples=300, num_test=200, length=5, test_length=11).load("")
    lengths = arrays.notes["length"]
    rest = np.setdiff1d(np.arange(500), arrays.test_ids)
    assert sorted(set(lengths[rest].tolist())) == [3, 4, 5]
    assert sorted(set(lengths[arrays.test_ids].tolist())) == [6, 7, 8, 9, 10, 11]


@pytest.mark.parametrize("name", LONGER)
def test_sequences_that_could_not_be_longer_are_refused(name):
    with pytest.raises(ConfigError, match=r"dataset.test_length must be greater than dataset.length.*got 5 and 5"):
        make("dataset", name, length=5, test_length=5)


@pytest.mark.parametrize("name", LONGER)
def test_sequences_are_drawn_by_their_seed(name):
    one, same, other = (make("dataset", name, seed=seed).load("").inputs for seed in (0, 0, 1))
    assert one.tobytes() == same.tobytes() != other.tobytes()
