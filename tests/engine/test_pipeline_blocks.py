"""Preprocessing in blocks, of examples that stay of any length."""

import numpy as np
from audio_clips import noise, spec
from part_files import make

from dlx.core.blocks import RAGGED_VALUES, block_rows, in_blocks
from dlx.core.ragged import Ragged
from dlx.engine.pipeline import fit

# Three blocks, the last one short.
CLIPS = noise(*(RAGGED_VALUES // 4 + 1000 * number for number in range(10)))


def equal(one, other):
    return one.values.tobytes() == other.values.tobytes() and one.offsets.tolist() == other.offsets.tolist()


def test_in_blocks_joins_examples_of_any_length():
    assert 1 < block_rows(CLIPS) < len(CLIPS) / 2
    assert equal(in_blocks(lambda clips: clips, CLIPS), CLIPS)
    rows = np.array([9, 0, 5, 1, 2, 3, 4])
    assert equal(in_blocks(lambda clips: clips, CLIPS, rows), CLIPS[rows])


def test_ragged_joined_of_parts_is_the_whole():
    parts = [CLIPS[np.array(rows)] for rows in ([0, 1], [2], [3, 4, 5, 6, 7, 8, 9])]
    assert equal(Ragged.joined(parts), CLIPS)


def test_fit_of_long_recordings_makes_spectrograms_as_one_block_would():
    preprocessing = {name: make("preprocessing", name) for name in ("resample", "trim_pad", "log_mel")}
    rows = np.array([1, 3, 4, 6, 7, 8, 9])
    fitted = fit(preprocessing, CLIPS, np.zeros(10, np.int64), rows, spec())
    assert fitted.pipeline.spec.input_shape == fitted.inputs.shape[1:] == (1, 40, 101)
    whole = fitted.pipeline(CLIPS[rows])
    assert whole.tobytes() == fitted.inputs.tobytes()
