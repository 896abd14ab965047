"""Groups stay together, and come nearest to the fractions. N rows, G groups."""

import itertools

import numpy as np
import pytest
from part_files import make

from dlx.core.division import cut_groups
from dlx.core.errors import ConfigError
from dlx.core.types import Rows

GROUPS = np.random.default_rng(0).choice(20, size=400, p=np.arange(1, 21) / 210)


def divided(groups=GROUPS, test_ids=None, **changes):
    rows = Rows(np.zeros(len(groups), np.int64), "classification", test_ids, {"patient": groups})
    return make("split", "grouped", column="patient", **changes)(rows)


@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_in_two_splits(seed):
    held = [set(GROUPS[part].tolist()) for part in divided(seed=seed)]
    assert all(not one & other for one, other in itertools.combinations(held, 2))
    assert set.union(*held) == set(GROUPS.tolist())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("fraction", [0.1, 0.3])
def test_cut_off_is_the_run_of_groups_nearest_to_the_fraction(seed, fraction):
    rest, taken = cut_groups(np.arange(400), fraction, "test", GROUPS, seed)
    largest = np.bincount(GROUPS).max()
    assert abs(len(taken) - fraction * 400) <= largest / 2 or len(set(GROUPS[taken])) == 1
    assert np.sort(np.concatenate([rest, taken])).tolist() == list(range(400))


def test_groups_of_equal_size_give_the_fractions_exactly():
    ids = divided(np.arange(300) // 3, val_fraction=0.2, test_fraction=0.3)
    assert [len(part) for part in ids] == [150, 60, 90]


def test_three_groups_are_enough_and_two_are_not():
    assert [len(part) for part in divided(np.arange(30) % 3)] == [10, 10, 10]
    with pytest.raises(ConfigError, match="the column has too few groups for train, val and test"):
        divided(np.arange(30) % 2)


def test_the_dataset_s_own_test_set_is_kept_whatever_its_groups():
    ids = divided(test_ids=np.arange(350, 400))
    assert ids.test.tolist() == list(range(350, 400))
    assert not set(GROUPS[ids.train]) & set(GROUPS[ids.val])
