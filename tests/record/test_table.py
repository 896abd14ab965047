"""metrics.csv: rows that are whole, floats that are the same text everywhere, and what resuming puts in their place."""

from __future__ import annotations

import csv
import math
import os
import resource
import signal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlx.core.errors import StorageError
from dlx.record.table import EpochTable, format_row, format_value, read_rows

ROWS = [{"epoch": 1, "loss": 0.5, "gap": None}, {"epoch": 2, "loss": 0.25, "gap": -0.125}]
TEXT = "epoch,loss,gap\n1,0.5,\n2,0.25,-0.125\n"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metrics.csv"


def write(path, rows, before=()):
    with EpochTable(path, before) as table:
        for row in rows:
            table.append(row)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (0, "0"),
        (7, "7"),
        (10**20, "100000000000000000000"),
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (0.1, "0.1"),
        (1 / 3, "0.333333333"),
        (123456789.0, "123456789"),
        (1234567890.0, "1.23456789e+09"),
        (1e-5, "1e-05"),
        (1e300, "1e+300"),
        (5e-324, "4.94065646e-324"),
        (0.1 + 0.2, "0.3"),
        ("done", "done"),
    ],
)
def test_format_value_gives_nine_digits(value, text):
    assert format_value(value) == text


@settings(deadline=None, derandomize=True, database=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_format_value_of_a_float_reads_back_to_nine_digits_and_formats_the_same(value):
    again = float(format_value(value))
    assert math.isclose(again, value, rel_tol=1e-8, abs_tol=0.0)
    assert format_value(again) == format_value(value)


@settings(deadline=None, derandomize=True, database=None)
@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_format_value_tells_every_float32_from_its_neighbours(value):
    import numpy as np

    assert np.float32(float(format_value(value))) == np.float32(value)


def test_format_row_is_one_line_without_quotes():
    assert format_row(ROWS[1]) == "2,0.25,-0.125\n"


def test_table_appends_a_header_and_whole_rows(path):
    write(path, ROWS)
    assert path.read_text() == TEXT


def test_table_without_rows_is_an_empty_file(path):
    write(path, [])
    assert path.read_bytes() == b""
    assert read_rows(path) == []


def test_table_is_replaced_by_the_rows_that_a_checkpoint_knows(path):
    # Rows after the checkpoint are cut back and written anew, the same.
    write(path, [*ROWS, {"epoch": 3, "loss": 0.1, "gap": 0.0}])
    write(path, [{"epoch": 2, "loss": 0.25, "gap": -0.125}], before=ROWS[:1])
    assert path.read_text() == TEXT


def test_table_resumed_at_any_row_has_the_bytes_of_one_written_at_once(path, tmp_path):
    rows = [{"epoch": i, "loss": 1 / i, "gap": None if i % 3 else math.pi * i} for i in range(1, 30)]
    write(tmp_path / "at-once.csv", rows)
    for cut in range(len(rows)):
        write(path, rows[: cut + 3])
        write(path, rows[cut:], before=rows[:cut])
        assert path.read_bytes() == (tmp_path / "at-once.csv").read_bytes()


@pytest.mark.parametrize("torn", ["2,0.2", "2,0.25,-0.125", "2", "\n\n", "\0" * 100])
def test_table_drops_what_a_killed_process_left_half_written(torn, path):
    write(path, ROWS[:1])
    with open(path, "a") as file:
        file.write(torn)
    write(path, ROWS[1:], before=ROWS[:1])
    assert path.read_text() == TEXT


def test_append_is_one_write_at_the_end(path):
    with EpochTable(path) as table:
        sizes = []
        for row in ROWS:
            table.append(row)
            sizes.append(path.read_text())
    assert sizes == [TEXT[: TEXT.index("2,")], TEXT]


def test_append_on_a_full_disk_cuts_back_to_whole_rows(path):
    row = {"epoch": 1, "text": 0.123456789}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with EpochTable(path) as table:
        table.append(row)
        whole = path.read_bytes()
        # A write that ends at the limit is done in part, as on a disk with a few bytes left.
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 5, hard))
        try:
            for _ in range(2):
                with pytest.raises(StorageError, match="cannot write"):
                    table.append(row)
                assert path.read_bytes() == whole
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, previous)
        table.append(row)
    assert path.read_bytes() == whole + format_row(row).encode()


def test_append_goes_on_writing_to_the_file_and_not_to_what_replaced_it(path):
    with EpochTable(path) as table:
        table.append(ROWS[0])
        os.replace(path, path.with_name("moved"))
        table.append(ROWS[1])
    assert path.with_name("moved").read_text() == TEXT
    assert not path.exists()


def test_table_closes_its_file(path):
    before = set(os.listdir("/proc/self/fd"))
    write(path, ROWS)
    assert set(os.listdir("/proc/self/fd")) == before


def test_table_in_a_folder_that_is_not_there_says_so(tmp_path):
    with pytest.raises(StorageError, match="cannot write"):
        EpochTable(tmp_path / "missing" / "metrics.csv")


def test_read_rows_returns_numbers_and_none(path):
    write(path, ROWS)
    assert read_rows(path) == [{"epoch": 1.0, "loss": 0.5, "gap": None}, {"epoch": 2.0, "loss": 0.25, "gap": -0.125}]


def test_read_rows_of_a_missing_file_is_empty(path):
    assert read_rows(path) == []


@pytest.mark.parametrize("torn", ["2,0.2", "2,0.25,-0.1", "2", "2,"])
def test_read_rows_ignores_a_row_that_is_not_yet_whole(torn, path):
    # A report of a run in progress may read while a row is being written.
    path.write_text(TEXT[: TEXT.index("2,")] + torn)
    assert read_rows(path) == [{"epoch": 1.0, "loss": 0.5, "gap": None}]


def test_rows_are_plain_csv(path):
    write(path, ROWS)
    with open(path, newline="") as file:
        assert list(csv.reader(file)) == [["epoch", "loss", "gap"], ["1", "0.5", ""], ["2", "0.25", "-0.125"]]
