"""The division that comes with the data. N rows."""

import numpy as np
import pytest
from part_files import make

from dlx.core.errors import ConfigError
from dlx.core.types import Rows

SAID = np.random.default_rng(0).choice(["train", "val", "test"], 90)
TARGETS = np.arange(90) % 3


def divided(said=None, test_ids=None, **changes):
    notes = {} if said is None else {"fold": np.asarray(said)}
    rows = Rows(TARGETS, "classification", test_ids, notes)
    return make("split", "predefined", **{"column": None if said is None else "fold", **changes})(rows)


@pytest.mark.parametrize("kind", [str, object])
def test_a_column_with_all_three_is_taken_as_it_is(kind):
    ids = divided(SAID.astype(kind))
    for name, part in zip(("train", "val", "test"), ids, strict=True):
        assert part.tolist() == np.flatnonzero(name == SAID).tolist()


def test_val_is_cut_from_train_where_the_column_names_none():
    said = np.where(np.arange(90) < 60, "train", "test")
    ids = divided(said, val_fraction=0.25)
    assert ids.test.tolist() == list(range(60, 90))
    assert np.bincount(TARGETS[ids.val]).tolist() == [5, 5, 5]


def test_the_dataset_s_own_test_set_is_taken_without_a_column():
    ids = divided(test_ids=np.arange(60, 90), val_fraction=0.5)
    assert ids.test.tolist() == list(range(60, 90))
    assert len(ids.val) == 30


@pytest.mark.parametrize(("said", "test_ids", "message"), [
    (None, None, "split=predefined leaves test empty: the dataset has no test set of its own"),
    (np.where(np.arange(90) == 7, "valid", SAID), None,
     "split.column=fold must hold train, val or test; 1 of 90 rows hold 'valid', row 7 (from 0) for one"),
    (np.where(SAID == "test", "val", SAID), None, "split.column=fold leaves a split empty: no row says test"),
    (np.where(SAID == "train", "val", SAID), None, "split.column=fold leaves a split empty: no row says train"),
    (SAID, np.arange(60, 90), "split.column=fold says test of other rows than the dataset's own test set has"),
    (np.arange(90), None, "must hold train, val or test; 90 of 90 rows hold '0', '1', '10', '11', '12', row 0")])
def test_what_is_no_division_is_refused(said, test_ids, message):
    with pytest.raises(ConfigError) as raised:
        divided(said, test_ids)
    assert message in str(raised.value)
