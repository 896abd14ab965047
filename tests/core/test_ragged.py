"""Examples of different length in one array, against lists of arrays."""

import numpy as np
import pytest

from dlx.core import blocks
from dlx.core.ragged import Ragged

ITEMS = [np.arange(length, dtype=np.float32) + 10 * length for length in (3, 0, 5, 1, 2, 4)]


def lists(ragged):
    return [item.tolist() for item in ragged.items()]


def test_ragged_joined_is_the_list_of_all_examples():
    parts = [Ragged.of(ITEMS[:2]), Ragged.of(ITEMS[2:5]), Ragged.of(ITEMS[5:])]
    assert lists(Ragged.joined(parts)) == [item.tolist() for item in ITEMS]
    assert lists(Ragged.joined(parts)[np.array([5, 0])]) == [ITEMS[5].tolist(), ITEMS[0].tolist()]


@pytest.mark.parametrize("elements", [1, 6, 1000])
def test_in_blocks_of_recordings_that_stay_recordings_is_as_of_all(monkeypatch, elements):
    monkeypatch.setattr(blocks, "RAGGED_VALUES", elements)

    def doubled(block):
        return Ragged(block.values * 2, block.offsets)

    assert lists(blocks.in_blocks(doubled, Ragged.of(ITEMS))) == [(2 * item).tolist() for item in ITEMS]
    rows = np.array([4, 0, 2])
    assert lists(blocks.in_blocks(doubled, Ragged.of(ITEMS), rows)) == [(2 * ITEMS[row]).tolist() for row in rows]
