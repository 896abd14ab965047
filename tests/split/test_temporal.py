"""Order in time: nothing of train comes after val, nothing of val after test. N rows."""

import numpy as np
import pytest
from part_files import make

from dlx.core.errors import ConfigError
from dlx.core.types import Rows

DRAW = np.random.default_rng(0)


def divided(when=None, num_rows=200, test_ids=None, **changes):
    notes = {} if when is None else {"date": np.asarray(when)}
    rows = Rows(np.zeros(len(when) if when is not None else num_rows, np.int64), "classification", test_ids, notes)
    return make("split", "temporal", **{"column": None if when is None else "date", **changes})(rows)


def test_without_a_column_the_order_is_that_of_rows():
    ids = divided(num_rows=100, val_fraction=0.1, test_fraction=0.3)
    assert [part.tolist() for part in ids] == [list(range(60)), list(range(60, 70)), list(range(70, 100))]


DAYS = DRAW.permutation(200)
COLUMNS = {"numbers": DAYS / 7, "whole numbers": DAYS, "dates": np.datetime64("2020-01-01") + DAYS,
           "text of dates": (np.datetime64("2020-01-01") + DAYS).astype(str),
           "text of times": (np.datetime64("2020-01-01T00:30") + 60 * DAYS).astype(str),
           "text of times in UTC": np.char.add((np.datetime64("2020-01-01T00:30") + 60 * DAYS).astype(str), "Z"),
           "text of numbers": DAYS.astype(str), "objects": np.array([str(day) for day in DAYS], object)}


@pytest.mark.parametrize("column", COLUMNS)
def test_splits_follow_each_other_in_time(column):
    ids = divided(COLUMNS[column])
    expected = np.argsort(DAYS)
    assert ids.train.tolist() == sorted(expected[:120])
    assert ids.val.tolist() == sorted(expected[120:160])
    assert ids.test.tolist() == sorted(expected[160:])


@pytest.mark.parametrize("seed", range(20))
def test_rows_of_one_time_are_never_parted(seed):
    when = np.random.default_rng(seed).integers(0, 9, 100)
    ids = divided(when)
    assert when[ids.train].max() < when[ids.val].min()
    assert when[ids.val].max() < when[ids.test].min()
    # A cut moves to the nearer end of the rows of one time, so by half of them at most.
    largest = np.bincount(when).max()
    assert abs(len(ids.test) - 20) <= largest / 2 + 0.5


def test_the_gap_is_left_out_before_val_and_before_test():
    ids = divided(num_rows=100, gap=5)
    assert [part.tolist() for part in ids] == [list(range(50)), list(range(55, 75)), list(range(80, 100))]


def test_val_is_the_latest_of_what_the_own_test_set_leaves():
    ids = divided(num_rows=100, test_ids=np.arange(10), val_fraction=0.1)
    assert ids.test.tolist() == list(range(10))
    assert ids.val.tolist() == list(range(91, 100))


@pytest.mark.parametrize(("when", "message"), [
    (np.zeros(20), "all 20 rows that are left have the same time in split.column=date"),
    (["31.01.2026", "01.02.2026", "02.02.2026", "3.2.2026"], "must hold numbers, or dates such as 2026-01-31"),
    (["2026-01-31", "2026-02-30", "2026-03-01", "2026-03-02"], "row 1 (from 0) holds '2026-02-30'"),
    (["2026-01-31", "1", "2", "3"], "must hold numbers, or dates")])
def test_times_that_cannot_be_put_in_order_are_refused(when, message):
    with pytest.raises(ConfigError) as raised:
        divided(when)
    assert message in str(raised.value)


def test_a_gap_that_leaves_nothing_is_refused():
    with pytest.raises(ConfigError, match=r"split\.gap=30 leaves a split empty: 30 rows come before val"):
        divided(num_rows=100, gap=30)
