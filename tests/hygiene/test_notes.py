"""Groups in several splits, and times that run backwards."""

import numpy as np

from dlx.hygiene.notes import groups_in, nearest_of, times_in, times_of

ROWS = {"train": np.arange(60), "val": np.arange(60, 80), "test": np.arange(80, 100)}


def test_a_named_group_in_two_splits_leaks():
    speakers = np.array([f"s{row % 4}" for row in range(100)])
    (found,) = groups_in({"speaker": speakers}, ROWS, None)
    assert found.is_leak
    assert (found.num_values, found.shared["test"].found, found.shared["test"].of) == (4, 20, 20)


def test_groups_that_were_kept_apart_do_not_leak():
    patients = np.repeat([f"p{number}" for number in range(10)], 10)
    (found,) = groups_in({"patient": patients}, ROWS, None)
    assert not found.is_leak
    assert [count.found for count in found.shared.values()] == [0, 0]


def test_a_note_without_a_telling_name_leaks_where_its_rows_resemble_each_other():
    codes = np.arange(100) % 5
    draw = np.random.default_rng(0)
    alike = codes[:, None] * 10.0 + draw.normal(size=(100, 3))
    for values, is_leak in ((alike, True), (draw.normal(size=(100, 3)), False)):
        queries, train = np.arange(60, 100), np.arange(60)
        nearest = nearest_of(values[queries].astype(np.float32), values[train].astype(np.float32))
        (found,) = groups_in({"kind": codes}, ROWS, (queries, train[nearest]))
        assert found.is_leak == is_leak
        assert found.by_chance == 0.2


def test_a_note_of_its_own_in_every_row_and_a_constant_one_are_no_groups():
    notes = {"file": np.array([f"{row}.wav" for row in range(100)]), "source": np.array(["x"] * 100)}
    assert groups_in(notes, ROWS, None) == ()


def test_test_rows_earlier_than_the_last_of_train_are_counted():
    days = np.arange(100)
    days[85:90] = 3
    (found,) = times_in({"day": days}, ROWS)
    assert {split: count.found for split, count in found.earlier.items()} == {"val": 0, "test": 5}
    assert found.earlier["test"].rows == (85, 86, 87, 88, 89)


def test_times_are_known_by_type_or_by_name():
    stamps = np.array(["2024-01-02", "2023-05-06"])
    assert times_of("anything", stamps.astype("datetime64[D]")) is not None
    assert times_of("start_date", stamps) is not None
    assert times_of("start_date", np.array(["soon", "later"])) is None
    assert times_of("sentiment", np.array([1, 2])) is None
    assert times_of("daytime_noise", np.array([1, 2])) is None


def test_a_time_is_no_group():
    years = np.repeat(np.arange(2000, 2010), 10)
    assert groups_in({"year": years}, ROWS, None) == ()
    assert times_in({"year": years}, ROWS)[0].earlier["test"].found == 0


def test_missing_times_count_neither_way():
    stamps = np.arange(100).astype("datetime64[D]")
    stamps[[5, 90]] = np.datetime64("NaT")
    (found,) = times_in({"date": stamps}, ROWS)
    assert found.earlier["test"].found == 0
