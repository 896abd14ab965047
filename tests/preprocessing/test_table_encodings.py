"""one_hot, ordinal and rare against scikit-learn, and what they make of what train never saw."""

import numpy as np
import pytest
from part_files import make
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from dlx.core.errors import ConfigError
from dlx.core.types import Column, TaskSpec

NAN = np.nan
SPEC = TaskSpec("classification", "table", (3,), 2, ("no", "yes"), (
    Column("colour", ("blue", "green", "red")), Column("age"), Column("town", ("Bern", "Lima", "Oslo", "Rome"))))
TRAIN = np.array([[2, 30, 1], [0, 40, 3], [2, 50, NAN], [0, 60, 3], [2, 70, 3]], np.float32)
# Green, Bern and Oslo are not in train.
OTHER = np.array([[1, 10, 3], [2, NAN, 0], [NAN, 20, 2], [0, 20, NAN]], np.float32)


def fitted(name, **changes):
    part = make("preprocessing", name, **changes)
    return part, part.fit(TRAIN, np.zeros(len(TRAIN)), SPEC)


def columns(part, statistics):
    return [column.name for column in part.spec_after(SPEC, statistics).columns]


def test_one_hot_equals_scikit_learn_on_train_and_on_unseen_rows():
    part, statistics = fitted("one_hot")
    twin = OneHotEncoder(sparse_output=False, handle_unknown="ignore").fit(TRAIN[:, [0, 2]])
    for rows in (TRAIN, OTHER):
        expected = twin.transform(rows[:, [0, 2]])
        expected = np.concatenate([expected[:, :2], rows[:, 1:2], expected[:, 2:]], axis=1)
        np.testing.assert_array_equal(part.apply(rows, statistics), expected.astype(np.float32))


def test_one_hot_names_its_columns_and_leaves_numbers_where_they_are():
    part, statistics = fitted("one_hot")
    assert columns(part, statistics) == ["colour=blue", "colour=red", "age", "town=Lima", "town=Rome", "town=missing"]
    assert part.spec_after(SPEC, statistics).input_shape == (6,)
    assert not any(column.categories for column in part.spec_after(SPEC, statistics).columns)


def test_one_hot_gives_unseen_categories_a_column_of_their_own_if_asked():
    part, statistics = fitted("one_hot", unseen="column", missing="zeros")
    assert columns(part, statistics) == ["colour=blue", "colour=red", "colour=unseen", "age", "town=Lima", "town=Rome",
                                         "town=unseen"]
    assert part.apply(OTHER, statistics).tolist()[0] == [0, 0, 1, 10, 0, 1, 0]
    assert part.apply(OTHER[2:], statistics).tolist() == [[0, 0, 0, 20, 0, 0, 1], [1, 0, 0, 20, 0, 0, 0]]
    assert part.apply(TRAIN, statistics)[:, [2, 6]].sum() == 0


def test_one_hot_does_not_give_two_columns_one_name():
    spec = TaskSpec("regression", "table", (1,), 1, (), (Column("a", ("missing", "unseen")),))
    part = make("preprocessing", "one_hot", unseen="column")
    statistics = part.fit(np.array([[0], [1], [NAN]], np.float32), np.zeros(3), spec)
    names = [column.name for column in part.spec_after(spec, statistics).columns]
    assert names == ["a=missing", "a=unseen", "a=unseen (2)", "a=missing (2)"]


def test_one_hot_of_a_table_of_numbers_changes_nothing_and_says_so_before_data_is_read():
    spec = TaskSpec("regression", "table", (3,), 1)
    part = make("preprocessing", "one_hot")
    assert part.spec_after(spec, None) == spec
    assert part.apply(TRAIN, part.fit(TRAIN, np.zeros(5), spec)).tobytes() == TRAIN.tobytes()


def test_ordinal_equals_scikit_learn_on_train_and_on_unseen_rows():
    part, statistics = fitted("ordinal")
    twin = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
    twin.fit(TRAIN[:, [0, 2]])
    for rows in (TRAIN, OTHER[[0, 1, 3]]):
        np.testing.assert_array_equal(part.apply(rows, statistics)[:, [0, 2]], twin.transform(rows[:, [0, 2]]))
        np.testing.assert_array_equal(part.apply(rows, statistics)[:, 1], rows[:, 1])


def test_ordinal_numbers_missing_values_of_columns_that_lack_none_in_train_or_keeps_them():
    part, statistics = fitted("ordinal")
    assert part.apply(OTHER, statistics)[2, 0] == -2
    part, statistics = fitted("ordinal", missing="keep")
    assert np.isnan(part.apply(OTHER, statistics)[[2, 3], [0, 2]]).all()


def test_ordinal_makes_columns_of_numbers_known_before_data_is_read():
    part, statistics = fitted("ordinal")
    assert part.spec_after(SPEC, None) == part.spec_after(SPEC, statistics)
    assert part.spec_after(SPEC, None).columns == (Column("colour"), Column("age"), Column("town"))


@pytest.mark.parametrize(("min_count", "min_fraction", "colours", "towns"), [
    (1, 0.0, ("blue", "red"), ("Lima", "Rome")), (2, 0.0, ("blue", "red"), ("Rome",)), (3, 0.0, ("red",), ("Rome",)),
    (1, 0.5, ("red",), ("Rome",)), (1, 0.9, (), ())])
def test_rare_keeps_categories_of_enough_train_rows(min_count, min_fraction, colours, towns):
    part, statistics = fitted("rare", min_count=min_count, min_fraction=min_fraction)
    after = part.spec_after(SPEC, statistics)
    assert [after.columns[index].categories for index in (0, 2)] == [(*colours, "rare"), (*towns, "rare")]
    for rows in (TRAIN, OTHER):
        out = part.apply(rows, statistics)
        for index, kept in ((0, colours), (2, towns)):
            names = [None if np.isnan(code) else after.columns[index].categories[int(code)] for code in out[:, index]]
            given = [None if np.isnan(code) else SPEC.columns[index].categories[int(code)] for code in rows[:, index]]
            assert names == [name if name is None or name in kept else "rare" for name in given]
        np.testing.assert_array_equal(out[:, 1], rows[:, 1])


def test_rare_does_not_give_two_categories_one_name():
    spec = TaskSpec("regression", "table", (1,), 1, (), (Column("a", ("other", "rare")),))
    part = make("preprocessing", "rare", min_count=1, min_fraction=0.0)
    statistics = part.fit(np.array([[0], [1]], np.float32), np.zeros(2), spec)
    assert part.spec_after(spec, statistics).columns[0].categories == ("other", "rare", "rare (2)")


@pytest.mark.parametrize("name", ["one_hot", "ordinal", "rare", "impute"])
def test_encodings_refuse_rows_of_another_number_of_columns(name):
    part, statistics = fitted(name)
    with pytest.raises(ValueError, match="columns"):
        part.apply(TRAIN[:, :2], statistics)


@pytest.mark.parametrize("name", ["standardize", "minmax", "robust", "pca", "whiten", "zca"])
def test_parts_for_numbers_name_a_column_of_categories_and_what_to_do(name):
    expected = (f"preprocessing={name} is for numbers and column colour holds categories: put one_hot or ordinal "
                f"before {name}")
    with pytest.raises(ConfigError) as error:
        make("preprocessing", name).fit(TRAIN, np.zeros(len(TRAIN)), SPEC)
    assert str(error.value) == expected
