"""Rows of mapped files block by block. N rows."""

import sys

import numpy as np
import pytest

from dlx.core import blocks
from dlx.core.blocks import in_blocks, take


@pytest.fixture
def saved(tmp_path):
    """An array of 8 MB in a file, mapped, and the same in memory."""
    array = np.random.default_rng(0).integers(0, 256, (2000, 4096), dtype=np.uint8)
    np.save(tmp_path / "array.npy", array)
    return np.load(tmp_path / "array.npy", mmap_mode="r"), array


def resident_bytes(mapped):
    """Return how much of a mapped file this process has in memory."""
    with open("/proc/self/smaps") as file:
        lines = iter(file)
        for line in lines:
            if line.rstrip().endswith(str(mapped.filename)):
                return next(int(own.split()[1]) * 1024 for own in lines if own.startswith("Rss:"))
    raise AssertionError("the file is mapped")


def test_take_copies_rows_in_the_order_asked_for(saved, monkeypatch):
    monkeypatch.setattr(blocks, "MAPPED_BYTES", 7 * blocks.PAGE_BYTES)
    rows = np.random.default_rng(1).integers(0, 2000, 300)
    for inputs in saved:
        assert np.array_equal(take(inputs, rows), saved[1][rows])
        assert take(inputs, rows[:0]).shape == (0, 4096)


@pytest.mark.parametrize("rows", [None, np.arange(0, 2000, 3)], ids=["all", "every third"])
def test_in_blocks_of_a_mapped_file_is_as_of_the_array(saved, monkeypatch, rows):
    monkeypatch.setattr(blocks, "MAPPED_BYTES", 2**20)
    own = saved[1] if rows is None else saved[1][rows]
    assert np.array_equal(in_blocks(lambda block: block[:, :9] // 2, saved[0], rows), own[:, :9] // 2)


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what is in memory")
@pytest.mark.parametrize("read", [lambda inputs: list(map(np.sum, blocks.blocks(inputs))),
                                  lambda inputs: list(map(np.sum, blocks.blocks(inputs, np.arange(0, 2000, 5)))),
                                  lambda inputs: take(inputs, np.arange(1000, 0, -1))], ids=["all", "rows", "take"])
def test_what_was_read_of_a_mapped_file_is_let_go(saved, read):
    assert saved[0].sum() > 0
    assert resident_bytes(saved[0]) > 8e6
    read(saved[0])
    assert resident_bytes(saved[0]) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what is in memory")
def test_little_of_a_mapped_file_is_in_memory_while_it_is_read(saved, monkeypatch):
    monkeypatch.setattr(blocks, "MAPPED_BYTES", 2**20)
    resident = [resident_bytes(saved[0]) for block in blocks.blocks(saved[0]) if block.any()]
    assert max(resident) < 3 * blocks.PAGE_BYTES < saved[0].nbytes
